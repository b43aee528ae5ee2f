"""The user stream: own orders and account, with a listen key that is kept alive and renewed."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import structlog

from aster_operator.domain.clock import Clock
from aster_operator.domain.events import Feed, FeedStatusChanged
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.errors import ExchangeError, ListenKeyUnknown, MalformedResponse
from aster_operator.exchange.parse_streams import account_changed, leverage_changed, order_changed
from aster_operator.exchange.streams.link import LinkSettings, LinkStatistics, StreamLink
from aster_operator.exchange.streams.socket import StreamSocket
from aster_operator.exchange.wire.problems import field_of
from aster_operator.exchange.wire.user_stream import (
    AccountConfigMessage,
    AccountUpdateMessage,
    ListenKeyExpiredMessage,
    MarginCallMessage,
    OrderUpdateMessage,
    UserMessage,
)

__all__ = ["ListenKeys", "UserStream"]

_log = structlog.get_logger(__name__)


class ListenKeys(Protocol):
    """The three calls of section 4.7."""

    async def new_listen_key(self) -> str: ...

    async def keep_listen_key(self, listen_key: str) -> None: ...

    async def close_listen_key(self, listen_key: str) -> None: ...


class UserStream:
    """Events of the own account: the `EventStream` of `AsterClient.open_user_stream`.

    A message that cannot be read may be a fill: the feed is then declared broken and repaired by a new
    connection, so that the consumer takes a snapshot. `on_message` hears every typed message besides.
    """

    def __init__(
        self,
        *,
        ws_url: str,
        keys: ListenKeys,
        on_event: Callable[[StreamEvent], None],
        clock: Clock,
        settings: LinkSettings | None = None,
        ssl_context: ssl.SSLContext | None = None,
        keep_alive_s: float = 30 * 60.0,
        on_message: Callable[[Any], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ws_url = ws_url
        self._keys = keys
        self._on_event = on_event
        self._on_message = on_message
        self._clock = clock
        self._keep_alive_s = keep_alive_s
        self._sleep = sleep
        self._decoder = self._make_decoder()
        self._listen_key = ""
        self._last_event_ms = 0
        self._keeper: asyncio.Task[None] | None = None
        self.malformed = 0
        self.unknown = 0
        self.stale_since_ms: int | None = None
        """Our time since when the connection is down; None while it is well."""
        self._link = StreamLink(
            address=self._address,
            receive=self._receive,
            on_connected=self._connected,
            on_status=self._announce,
            clock=clock,
            settings=settings or LinkSettings(),
            ssl_context=ssl_context,
        )

    def _make_decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(UserMessage, strict=False)

    async def open(self) -> None:
        """Get a listen key and connect. Raises TransportFailed or the refusal of the key."""
        await self._link.open()
        self._keeper = asyncio.create_task(self._keep_alive(), name="listen-key")

    @property
    def is_healthy(self) -> bool:
        return self._link.is_healthy

    @property
    def statistics(self) -> LinkStatistics:
        return self._link.statistics

    async def fence(self) -> None:
        """Return when everything the venue had sent before this call has been delivered."""
        await self._link.fence()

    async def close(self) -> None:
        """End the stream. Its listen key, which other streams of the account share, lapses by itself.

        Raises what the consumer raised, if that had ended it.
        """
        keeper = self._keeper
        self._keeper = None
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        await self._link.close()

    async def _address(self) -> str:
        # Asking again is cheap and right: a live key is extended, a lapsed one replaced.
        self._listen_key = await self._keys.new_listen_key()
        return f"{self._ws_url}/ws/{self._listen_key}"

    async def _connected(self, socket: StreamSocket) -> None:
        """A user stream needs no subscription: the address names it."""

    async def _keep_alive(self) -> None:
        while True:
            await self._sleep(self._keep_alive_s)
            try:
                await self._keys.keep_listen_key(self._listen_key)
                # The venue may extend the account's key whatever key it is told. When that is another one by
                # now, this connection answers pings and brings nothing any more.
                if await self._keys.new_listen_key() != self._listen_key:
                    self._link.renew()
            except ListenKeyUnknown:
                self._link.renew()
            except ExchangeError as error:
                # Half of the key's life is left: the next round or the next connection tries again.
                _log.warning("listen key was not extended", error=str(error))

    def _receive(self, payload: memoryview, received_ns: int) -> None:
        try:
            message = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            field, problem = field_of(error)
            if field == "e" and "Invalid value" in problem:
                self.unknown += 1
                return
            self._broken(MalformedResponse("user stream", field, problem, bytes(payload)))
            return
        try:
            event = self._event_of(message, received_ns)
        except MalformedResponse as error:
            self._broken(error)
            return
        if event is not None:
            self._last_event_ms = max(self._last_event_ms, event.event_ms)
            self._on_event(event)
        if self._on_message is not None:
            self._on_message(message)

    def _event_of(self, message: Any, received_ns: int) -> StreamEvent | None:
        match message:
            case OrderUpdateMessage():
                return order_changed(message, received_ns, "user stream ORDER_TRADE_UPDATE")
            case AccountUpdateMessage():
                return account_changed(message, received_ns, "user stream ACCOUNT_UPDATE")
            case AccountConfigMessage():
                return leverage_changed(message, received_ns)
            case ListenKeyExpiredMessage():
                self._link.renew()
                return None
            case MarginCallMessage():
                symbols = ", ".join(row.symbol for row in message.positions)
                _log.warning("margin call from the venue", symbols=symbols)
                return None
            case _:
                return None

    def _broken(self, error: MalformedResponse) -> None:
        self.malformed += 1
        _log.error("unreadable user message, taking a new connection", error=str(error))
        self._link.renew()

    def _announce(self, healthy: bool, detail: str) -> None:
        if healthy:
            self.stale_since_ms = None
        elif self.stale_since_ms is None:
            self.stale_since_ms = self._clock.now_ms()
        self._on_event(
            FeedStatusChanged(
                event_ms=self._last_event_ms,
                received_ns=self._clock.now_ns(),
                feed=Feed.USER,
                healthy=healthy,
                detail=detail,
            )
        )
