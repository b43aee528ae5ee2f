"""Live local order books: the difference streams, the snapshots and the joining, as one thing to open."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from aster_operator.domain.clock import Clock
from aster_operator.domain.market import DepthSnapshot
from aster_operator.exchange.streams import names
from aster_operator.exchange.streams.local_book import BookKeeper, LocalBook
from aster_operator.exchange.streams.market import MessageStream, OnStatus
from aster_operator.exchange.streams.shard import OnMessage
from aster_operator.exchange.wire.market import DepthRecord
from aster_operator.exchange.wire.streams import MarketMessage

__all__ = ["BookSource", "OrderBooks"]

_SNAPSHOT_LEVELS = 1000


class BookSource(Protocol):
    """What order books need of a client."""

    async def depth(self, symbol: str, limit: int | None = None) -> DepthRecord: ...

    async def open_message_stream(
        self, streams: Sequence[str], on_message: OnMessage, on_status: OnStatus
    ) -> MessageStream: ...


class OrderBooks:
    """The whole books of some symbols, kept by the sequencing of section 6.3.

    A book is shown only while it is right: `top` answers None from a gap or a loss until it has been joined
    anew. `on_live` hears (symbol, live) at each change. A snapshot weighs 20.
    """

    def __init__(
        self,
        source: BookSource,
        symbols: Sequence[str],
        *,
        clock: Clock,
        speed_ms: int = 100,
        on_live: Callable[[str, bool], None] = lambda _symbol, _live: None,
        retry_s: float = 0.5,
    ) -> None:
        self._source = source
        self._streams = [names.depth(symbol, speed_ms) for symbol in symbols]
        self._keeper = BookKeeper(symbols, fetch=self._fetch, clock=clock, on_live=on_live, retry_s=retry_s)
        self._stream: MessageStream | None = None
        self._runner: asyncio.Task[None] | None = None

    async def _fetch(self, symbol: str) -> DepthRecord:
        return await self._source.depth(symbol, _SNAPSHOT_LEVELS)

    async def open(self) -> None:
        """Subscribe and start joining. Raises TransportFailed when the first connection fails."""
        self._stream = await self._source.open_message_stream(self._streams, self._take, self._status)
        self._runner = asyncio.create_task(self._keeper.run(), name="order-books")

    async def close(self) -> None:
        """Stop. Raises what ended the joining, if anything did."""
        runner, stream = self._runner, self._stream
        self._runner = self._stream = None
        try:
            if runner is not None:
                runner.cancel()
                await asyncio.wait({runner})
                if not runner.cancelled() and runner.exception() is not None:
                    await runner
        finally:
            if stream is not None:
                await stream.close()

    async def __aenter__(self) -> "OrderBooks":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def fence(self) -> None:
        """Return when every difference the venue had sent before has been taken."""
        if self._stream is not None:
            await self._stream.fence()

    def top(self, symbol: str, levels: int = 5) -> DepthSnapshot | None:
        """Return the best `levels` of each side, None while the book is not right. Raises KeyError for a
        symbol that is not followed."""
        return self._keeper.top(symbol, levels)

    def book(self, symbol: str) -> LocalBook:
        """Return the book itself with its counters."""
        return self._keeper.books[symbol]

    @property
    def resyncs(self) -> int:
        """Snapshots taken so far, the first ones included."""
        return self._keeper.resyncs

    def _take(self, _stream: str, message: MarketMessage | list[MarketMessage], _received_ns: int) -> None:
        for single in message if isinstance(message, list) else (message,):
            self._keeper.take(single)

    def _status(self, healthy: bool, _detail: str) -> None:
        if not healthy:
            self._keeper.lost()
