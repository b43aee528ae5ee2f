"""The market stream: any number of streams over as many sockets as the limits ask for."""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from aster_operator.domain.clock import Clock
from aster_operator.domain.events import Feed, FeedStatusChanged
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.errors import ExchangeError
from aster_operator.exchange.parse_streams import (
    bar_updated,
    depth_updated,
    mark_updated,
    quote_updated,
    trade_printed,
)
from aster_operator.exchange.streams.link import LinkSettings, LinkStatistics
from aster_operator.exchange.streams.sequence import MarketSequence
from aster_operator.exchange.streams.shard import OnMessage, ReceiverFactory, Shard, shards_of
from aster_operator.exchange.streams.subscriptions import MAX_STREAMS_PER_SOCKET
from aster_operator.exchange.wire.streams import (
    AggregateTradeMessage,
    BookTickerMessage,
    DepthMessage,
    KlineMessage,
    MarketMessage,
    MarkPriceMessage,
)

__all__ = [
    "MarketStream",
    "MessageStream",
    "OnStatus",
    "event_of",
]

OnStatus = Callable[[bool, str], None]


class MessageStream:
    """Streams of typed messages. `on_message` gets (stream name, message, received_ns) synchronously.

    `on_status` hears (False, detail) when a socket is lost and (True, detail) when all are well again.
    """

    def __init__(
        self,
        *,
        ws_url: str,
        streams: Sequence[str],
        on_message: OnMessage,
        on_status: OnStatus,
        clock: Clock,
        settings: LinkSettings | None = None,
        ssl_context: ssl.SSLContext | None = None,
        per_socket: int = MAX_STREAMS_PER_SOCKET,
        receiver: ReceiverFactory | None = None,
    ) -> None:
        self._url = f"{ws_url}/stream"
        self._per_socket = min(per_socket, MAX_STREAMS_PER_SOCKET)
        self._on_message = on_message
        self._on_status = on_status
        self._clock = clock
        self._settings = settings or LinkSettings()
        self._receiver = receiver
        self._ssl_context = ssl_context
        self._shards = [self._shard(part) for part in shards_of(streams, self._per_socket)]
        self.stale_since_ms: int | None = None
        """Our time since when a socket is down; None while all are well."""

    def _shard(self, streams: Iterable[str]) -> Shard:
        return Shard(
            self._url,
            streams,
            self._on_message,
            self._judge,
            self._clock,
            self._settings,
            self._ssl_context,
            self._receiver,
        )

    def _judge(self, shard: Shard, healthy: bool, detail: str) -> None:
        if healthy:
            shard.is_down = False
            if all(other.link.is_healthy for other in self._shards):
                self.stale_since_ms = None
                self._on_status(True, detail)
            return
        # Every socket's loss is told, also while another one is down: it concerns other symbols.
        if not shard.is_down:
            shard.is_down = True
            if self.stale_since_ms is None:
                self.stale_since_ms = self._clock.now_ms()
            self._on_status(False, detail)

    async def open(self) -> None:
        """Connect and subscribe everything. Raises TransportFailed when that fails."""
        opened: list[Shard] = []
        try:
            for shard in self._shards:
                await shard.link.open()
                opened.append(shard)
        except BaseException:
            for shard in opened:
                await shard.link.close()
            raise

    @property
    def is_healthy(self) -> bool:
        return all(shard.link.is_healthy for shard in self._shards)

    @property
    def sockets(self) -> int:
        return len(self._shards)

    @property
    def malformed(self) -> int:
        """Messages that could not be read since the start."""
        return sum(shard.malformed for shard in self._shards)

    @property
    def unknown(self) -> int:
        """Messages of a kind this client does not know."""
        return sum(shard.unknown for shard in self._shards)

    @property
    def statistics(self) -> list[LinkStatistics]:
        return [shard.link.statistics for shard in self._shards]

    async def subscribe(self, streams: Sequence[str]) -> None:
        """Add streams, on new sockets when the present ones are full."""
        known = {name for shard in self._shards for name in shard.streams}
        fresh = [name for name in dict.fromkeys(streams) if name not in known]
        for shard in self._shards:
            room = self._per_socket - len(shard.streams)
            part, fresh = fresh[:room], fresh[room:]
            if part:
                shard.streams.update(dict.fromkeys(part))
                await self._change(shard, "SUBSCRIBE", part)
        for part in shards_of(fresh, self._per_socket) if fresh else []:
            shard = self._shard(part)
            await shard.link.open()
            self._shards.append(shard)

    async def unsubscribe(self, streams: Sequence[str]) -> None:
        """Stop streams; unknown ones are ignored."""
        for shard in self._shards:
            part = [name for name in streams if name in shard.streams]
            for name in part:
                del shard.streams[name]
            if part:
                await self._change(shard, "UNSUBSCRIBE", part)

    async def _change(
        self, shard: Shard, method: Literal["SUBSCRIBE", "UNSUBSCRIBE"], part: list[str]
    ) -> None:
        # Without a socket the next connection subscribes what is wanted by then; during a change-over both
        # of them must hear of it.
        for socket in shard.link.sockets:
            await shard.control.change(socket, method, part)

    async def subscriptions(self) -> list[str]:
        """Return what the venue says we are subscribed to (LIST_SUBSCRIPTIONS on every socket)."""
        names: list[str] = []
        for shard in self._shards:
            if shard.link.socket is not None:
                names += await shard.control.listed(shard.link.socket)
        return names

    async def fence(self) -> None:
        """Return when everything the venue had sent before has been delivered, on all sockets."""
        if len(self._shards) == 1:
            await self._shards[0].link.fence()
            return
        async with asyncio.TaskGroup() as group:
            for shard in self._shards:
                group.create_task(shard.link.fence())

    async def close(self) -> None:
        """End all sockets. Raises the first error a consumer had raised."""
        failures: list[Exception] = []
        for shard in self._shards:
            try:
                await shard.link.close()
            except ExchangeError:
                continue
            except Exception as error:
                failures.append(error)
        if failures:
            raise failures[0]


def event_of(stream: str, message: MarketMessage, received_ns: int) -> StreamEvent | None:
    """Return the domain event of a message; None for kinds that have none, such as tickers."""
    match message:
        case BookTickerMessage():
            return quote_updated(message, received_ns, stream)
        case MarkPriceMessage():
            return mark_updated(message, received_ns, stream)
        case KlineMessage():
            return bar_updated(message, received_ns, stream)
        case AggregateTradeMessage():
            return trade_printed(message, received_ns, stream)
        case DepthMessage():
            return depth_updated(message, received_ns, stream)
        case _:
            return None


class MarketStream:
    """Domain events of the market: the `EventStream` of `AsterClient.open_market_stream`."""

    def __init__(
        self,
        *,
        ws_url: str,
        streams: Sequence[str],
        on_event: Callable[[StreamEvent], None],
        clock: Clock,
        settings: LinkSettings | None = None,
        ssl_context: ssl.SSLContext | None = None,
        per_socket: int = MAX_STREAMS_PER_SOCKET,
    ) -> None:
        self._on_event = on_event
        self._clock = clock
        self._last_event_ms = 0
        self.sequence = MarketSequence()
        """Judges what is delivered and counts duplicates, late events and gaps."""
        self.messages = MessageStream(
            ws_url=ws_url,
            streams=streams,
            on_message=self._receive,
            on_status=self._announce,
            clock=clock,
            settings=settings,
            ssl_context=ssl_context,
            per_socket=per_socket,
        )

    def _receive(self, stream: str, message: MarketMessage | list[MarketMessage], received_ns: int) -> None:
        for single in message if isinstance(message, list) else (message,):
            event = event_of(stream, single, received_ns)
            if event is not None and self.sequence.admits(single):
                self._last_event_ms = max(self._last_event_ms, event.event_ms)
                self._on_event(event)

    @property
    def stale_since_ms(self) -> int | None:
        """Our time since when a socket is down; None while all are well."""
        return self.messages.stale_since_ms

    def _announce(self, healthy: bool, detail: str) -> None:
        if healthy:
            self.sequence.rejoin()
        # Market time may differ from ours (a played-back market), so the last one seen stands for now.
        self._on_event(
            FeedStatusChanged(
                event_ms=self._last_event_ms,
                received_ns=self._clock.now_ns(),
                feed=Feed.MARKET,
                healthy=healthy,
                detail=detail,
            )
        )

    async def open(self) -> None:
        """Connect and subscribe. Raises TransportFailed when that fails."""
        await self.messages.open()

    async def fence(self) -> None:
        """Return when everything the venue had sent before this call has been delivered."""
        await self.messages.fence()

    async def close(self) -> None:
        """End the stream. Raises what the consumer raised, if that had ended it."""
        await self.messages.close()
