"""The one seam between client and network: a request goes in, an answer or `TransportFailed` comes out.

Give the client another transport to test without a network.
"""

import ssl
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import aiohttp
from yarl import URL

from aster_operator.exchange.errors import TransportFailed, shortened

__all__ = ["AiohttpTransport", "RawRequest", "RawResponse", "Transport"]


class RawRequest(NamedTuple):
    """One HTTP request as it goes on the wire. `url` and `body` are already encoded and stay as they are."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
    endpoint: str
    """Method and path without parameters: the name errors call it by."""

    def __repr__(self) -> str:
        # Address, headers and body hold keys and signatures, and a traceback may show its locals.
        return f"RawRequest({self.endpoint})"


class RawResponse(NamedTuple):
    """`headers` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"RawResponse({self.status}, {shortened(self.body)!r})"


class Transport(Protocol):
    """The seam: `AiohttpTransport` is the network, tests bring their own."""

    async def send(self, request: RawRequest) -> RawResponse:
        """Send once and return whatever was answered. Raises TransportFailed when nothing was."""

    async def close(self) -> None: ...


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send once: a connection lost in the middle ends the request.

    Left to itself the library sends PUT and DELETE again when a kept-alive connection breaks. The venue may
    have acted on the first of them: a second cancel is then refused as unknown, a second modification is
    another one. Whether to repeat is decided above the seam, where it is known what the request does.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(str(error) or type(error).__name__) from None


class _Broken(Exception):
    """A connection that ended under a request."""


class AiohttpTransport:
    """The network, with kept-alive connections.

    `ssl_context` replaces the system's certificates (an embedded exchange with its own authority).
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None, max_connections: int = 32) -> None:
        self._ssl_context = ssl_context
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._max_connections, ssl=self._ssl_context or True, keepalive_timeout=60
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_once,),
                auto_decompress=True,
                headers={"User-Agent": "aster-operator", "Accept": "application/json"},
            )
        return self._session

    async def send(self, request: RawRequest) -> RawResponse:
        session = self._session or self._open()
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers=request.headers,
                timeout=aiohttp.ClientTimeout(total=request.timeout_s),
                allow_redirects=False,
            ) as response:
                body = await response.read()
                return RawResponse(response.status, response.headers, body)
        except aiohttp.ClientConnectorError as error:
            # The connection was never made, so nothing can have arrived.
            raise TransportFailed(request.endpoint, str(error), may_have_arrived=False) from None
        except TimeoutError:
            cause = f"no answer within {request.timeout_s:g} s"
            raise TransportFailed(request.endpoint, cause, may_have_arrived=True) from None
        except (aiohttp.ClientError, OSError, _Broken) as error:
            cause = str(error) or type(error).__name__
            raise TransportFailed(request.endpoint, cause, may_have_arrived=True) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
