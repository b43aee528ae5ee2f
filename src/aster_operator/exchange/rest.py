"""Signs, limits, sends, retries and judges REST calls. Knows no endpoint by name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import stamina

from aster_operator.domain.clock import Clock
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials, Credentials
from aster_operator.exchange.endpoint import Endpoint, Product, Security
from aster_operator.exchange.environment import Venue
from aster_operator.exchange.errors import (
    ClockSkew,
    ExchangeError,
    IpBanned,
    MalformedResponse,
    MissingCredentials,
    RateLimited,
    RequestRefused,
    TransportFailed,
    UnknownOutcome,
    VenueUnavailable,
)
from aster_operator.exchange.rate_limits import Priority, RateLimiter
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.api_key import ApiKeySigner
from aster_operator.exchange.signing.nonce import NonceSource
from aster_operator.exchange.signing.parameters import ParameterValue, encode_parameters
from aster_operator.exchange.transport import RawRequest, RawResponse, Transport
from aster_operator.exchange.venue_clock import VenueClock
from aster_operator.exchange.verdict import decode_answer, refusal_in

__all__ = ["RestSession"]

T = TypeVar("T")

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_CLOCK_SAMPLES = 3
_TOO_MANY_ORDERS: Final = -1015
_QUIET_S: Final = 10.0
"""How long to keep quiet after a limit was broken and the answer does not say."""


class _Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call with everything it needs to be made, and made again."""

    endpoint: Endpoint
    version: int
    parameters: Mapping[str, ParameterValue]
    result_type: Any
    weight: int
    client_order_id: str | None
    priority: Priority
    nonce_us: int | None
    signed_text: str | None = None
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        # Parameters and headers may hold keys and signatures, and a traceback may show its locals.
        return f"_Call({self.endpoint.method} {self.endpoint.name}, {self.client_order_id})"


class _Signed(msgspec.Struct, frozen=True):
    """Encoded parameters with the nonce they carry, if any."""

    text: str
    nonce_us: int | None

    def __repr__(self) -> str:
        return f"_Signed('********', nonce_us={self.nonce_us})"


class RestSession:
    """Calls endpoints with the scheme the credentials ask for.

    `timeout_s` bounds one attempt, `read_attempts` and `read_timeout_s` all attempts of a repeatable call.
    """

    def __init__(
        self,
        *,
        venue: Venue,
        credentials: Credentials | None,
        transport: Transport,
        clock: Clock,
        limiter: RateLimiter | None,
        nonces: NonceSource | None,
        server_time_ms: Callable[[], Awaitable[int]] | None = None,
        recv_window_ms: int = 5000,
        timeout_s: float = 10.0,
        read_attempts: int = 5,
        read_timeout_s: float = 45.0,
    ) -> None:
        self.venue = venue
        self.credentials = credentials
        self.clock = clock
        self.venue_clock = VenueClock(clock)
        self.limiter = limiter or RateLimiter(self.venue_clock)
        # The spot host counts for itself, with higher limits (section 3).
        self.spot_limiter = RateLimiter(self.venue_clock, weight_limit=6000, order_limit=6000)
        self._limiters = {Product.FUTURES: self.limiter, Product.SPOT: self.spot_limiter}
        self._transport = transport
        self._nonces = nonces
        self.server_time_ms = server_time_ms
        self._recv_window_ms = recv_window_ms
        self._timeout_s = timeout_s
        self._read_attempts = read_attempts
        self._read_timeout_s = read_timeout_s
        self._agent = (
            AgentSigner(credentials, venue.chain_id) if isinstance(credentials, AgentCredentials) else None
        )
        self._api_key = ApiKeySigner(credentials) if isinstance(credentials, ApiKeyCredentials) else None
        self._bases = {Product.FUTURES: venue.rest_url, Product.SPOT: venue.spot_rest_url}
        self._killed_nonces: set[int] = set()
        self._measuring = asyncio.Lock()
        self.attempts = 0
        """Requests sent since the start, repeats included."""

    @property
    def uses_agent(self) -> bool:
        """True with V3 credentials."""
        return self._agent is not None

    def kill_nonce(self, nonce_us: int) -> None:
        """Remember that `noop` took this nonce: its request must not be sent anew with another one."""
        self._killed_nonces.add(nonce_us)
        if len(self._killed_nonces) > 1000:
            self._killed_nonces.discard(min(self._killed_nonces))

    async def call(
        self,
        endpoint: Endpoint,
        parameters: Mapping[str, ParameterValue],
        result_type: type[T] | Any,
        *,
        weight: int | None = None,
        client_order_id: str | None = None,
        priority: Priority | None = None,
        nonce_us: int | None = None,
    ) -> T:
        """Call `endpoint` and decode the answer as `result_type`.

        `weight` replaces the endpoint's where it depends on parameters; `nonce_us` forces a nonce (noop).
        Raises RequestRefused or a subclass, UnknownOutcome for a changing call without a clear answer,
        TransportFailed, MalformedResponse, MissingCredentials.
        """

        answer: T = await self._run(
            _Call(
                endpoint=endpoint,
                version=self._version(endpoint),
                parameters=parameters,
                result_type=result_type,
                weight=endpoint.weight if weight is None else weight,
                client_order_id=client_order_id,
                priority=endpoint.priority if priority is None else priority,
                nonce_us=nonce_us,
            )
        )
        return answer

    async def send_signed(
        self,
        endpoint: Endpoint,
        text: str,
        nonce_us: int,
        result_type: type[T] | Any,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send parameters that were signed elsewhere: by the main wallet, for management calls.

        Raises as `call`.
        """
        call = _Call(
            endpoint=endpoint,
            version=self._version(endpoint),
            parameters={},
            result_type=result_type,
            weight=endpoint.weight,
            client_order_id=None,
            priority=endpoint.priority,
            nonce_us=nonce_us,
            signed_text=text,
            headers=headers or {},
        )
        answer: T = await self._run(call)
        return answer

    async def _run(self, call: "_Call") -> Any:
        if not call.endpoint.repeatable:
            return await self._with_fresh_stamp(call)
        async for attempt in stamina.retry_context(
            on=_worth_repeating,
            attempts=self._read_attempts,
            timeout=self._read_timeout_s,
            wait_initial=0.1,
            wait_max=5.0,
            wait_jitter=0.2,
        ):
            with attempt:
                return await self._with_fresh_stamp(call)
        raise AssertionError("the retry loop ends by returning or raising")

    async def _with_fresh_stamp(self, call: "_Call") -> Any:
        try:
            return await self._attempt(call)
        except _StaleStamp as stale:
            # A refused stamp means the request was not executed: one more try with a measured clock is
            # safe, unless the stamp was given, or refused because we killed its nonce ourselves.
            given = call.nonce_us is not None or stale.nonce_us in self._killed_nonces
            if given or self.server_time_ms is None:
                raise stale.refusal from None
            await self._resynchronise(self.server_time_ms, stale)
        try:
            return await self._attempt(call)
        except _StaleStamp as stale:
            raise stale.refusal from None

    async def _resynchronise(
        self, server_time_ms: Callable[[], Awaitable[int]], stale: "_StaleStamp"
    ) -> None:
        """Measure the clock, once for all calls that were refused with the same offset."""
        async with self._measuring:
            if self.venue_clock.measurements == stale.measurements:
                try:
                    await self.venue_clock.measure(server_time_ms, _CLOCK_SAMPLES)
                except ExchangeError as error:
                    # What the caller asked for was refused; that the time was not to be had comes second.
                    raise stale.refusal from error
        if self._nonces is not None:
            self._nonces.rewind(self.venue_clock.now_us())

    async def _attempt(self, call: "_Call") -> Any:
        endpoint = call.endpoint
        name = f"{endpoint.method} {endpoint.path(call.version)}"
        limiter = self._limiters[endpoint.product]
        await limiter.acquire(call.weight, endpoint.orders, call.priority, name)
        measurements = self.venue_clock.measurements
        signed = self._sign(call)
        self.attempts += 1
        try:
            response = self._scrubbed(await self._transport.send(self._request(call, signed.text, name)))
            limiter.observe(response.headers)
            refusal = refusal_in(response, name, self.venue_clock.now_ms())
            if (
                signed.nonce_us is not None
                and not isinstance(refusal, ClockSkew)
                and self._nonces is not None
            ):
                self._nonces.accepted(signed.nonce_us)
            if refusal is not None:
                raise refusal
            return decode_answer(response, name, call.result_type)
        except RateLimited as refusal:
            limiter.block(
                refusal.retry_after_s or _QUIET_S,
                banned=isinstance(refusal, IpBanned),
                orders_only=refusal.code == _TOO_MANY_ORDERS,
            )
            raise
        except ClockSkew as refusal:
            raise _StaleStamp(refusal, signed.nonce_us, measurements) from None
        except ExchangeError as error:
            if endpoint.repeatable or not _leaves_doubt(error):
                raise
            raise UnknownOutcome(name, str(error), call.client_order_id, signed.nonce_us) from error

    def _scrubbed(self, response: RawResponse) -> RawResponse:
        """A venue or a proxy may echo our headers in an error page: the key must not travel on in errors."""
        if self._api_key is None:
            return response
        body = response.body.replace(self._api_key.api_key.encode(), b"********")
        return response._replace(body=body)

    def _version(self, endpoint: Endpoint) -> int:
        wanted = endpoint.v1 if self._api_key is not None else endpoint.v3
        if wanted is not None:
            return wanted
        other = endpoint.v3 if self._api_key is not None else endpoint.v1
        public = endpoint.security is Security.NONE or (
            endpoint.security is Security.MARKET_DATA and endpoint.v1 is None
        )
        if public and other is not None:
            return other
        needed = "an agent (V3) key" if endpoint.v1 is None else "an API (V1) key"
        raise MissingCredentials(f"{endpoint.method} {endpoint.name}", needed)

    def _sign(self, call: "_Call") -> _Signed:
        if call.signed_text is not None:
            return _Signed(call.signed_text, call.nonce_us)
        text = encode_parameters(call.parameters)
        security = call.endpoint.security
        if security is Security.NONE or security is Security.MARKET_DATA:
            return _Signed(text, None)
        if self._agent is not None:
            nonce = self.next_nonce_us() if call.nonce_us is None else call.nonce_us
            return _Signed(self._agent.sign(text, nonce), nonce)
        if self._api_key is not None:
            if security is Security.USER_STREAM:
                return _Signed(text, None)
            joint = "&" if text else ""
            stamp = f"recvWindow={self._recv_window_ms}&timestamp={self.venue_clock.now_ms()}"
            return _Signed(self._api_key.sign(f"{text}{joint}{stamp}"), None)
        raise MissingCredentials(f"{call.endpoint.method} {call.endpoint.path(call.version)}", "a key")

    def next_nonce_us(self) -> int:
        """Return the next nonce of the agent. Raises MissingCredentials without one."""
        if self._nonces is None:
            raise MissingCredentials("nonce", "an agent (V3) key")
        return self._nonces.next_us(self.venue_clock.now_us())

    def _request(self, call: "_Call", text: str, name: str) -> RawRequest:
        endpoint = call.endpoint
        url = self._bases[endpoint.product] + endpoint.path(call.version)
        headers = dict(call.headers)
        if self._api_key is not None and endpoint.security is not Security.NONE:
            headers["X-MBX-APIKEY"] = self._api_key.api_key
        if endpoint.method == "GET":
            full = f"{url}?{text}" if text else url
            return RawRequest("GET", full, headers, None, self._timeout_s, name)
        headers |= _FORM
        return RawRequest(endpoint.method, url, headers, text.encode(), self._timeout_s, name)

    async def close(self) -> None:
        await self._transport.close()
        if self._nonces is not None:
            self._nonces.release()
            self._nonces = None


class _StaleStamp(Exception):
    """`measurements` is how often the clock had been measured when the request was stamped."""

    def __init__(self, refusal: ClockSkew, nonce_us: int | None, measurements: int) -> None:
        self.refusal = refusal
        self.nonce_us = nonce_us
        self.measurements = measurements


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, IpBanned):
        return False
    return isinstance(error, TransportFailed | VenueUnavailable | RateLimited)


def _leaves_doubt(error: ExchangeError) -> bool:
    """True when the venue may have acted in spite of the error (section 8.1)."""
    if isinstance(error, TransportFailed):
        return error.may_have_arrived
    if isinstance(error, RequestRefused):
        # Only a plain statement that the service is closing says that nothing was done.
        return isinstance(error, VenueUnavailable) and error.code != -1016
    return isinstance(error, MalformedResponse)
