"""The whole order book kept locally from differences (protocol reference, section 6.3).

`LocalBook` is the rule as a pure state machine; `BookKeeper` feeds it from the stream and the snapshot.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from enum import StrEnum

from aster_operator.domain.clock import Clock
from aster_operator.domain.market import BookLevel, DepthSnapshot
from aster_operator.exchange.errors import ExchangeError
from aster_operator.exchange.parse import finite
from aster_operator.exchange.wire.market import DepthRecord, LevelRecord
from aster_operator.exchange.wire.streams import DepthMessage, MarketMessage

__all__ = ["BookKeeper", "BookState", "LocalBook"]

_MAX_WAITING = 10_000


class BookState(StrEnum):
    """WAITING: for a snapshot. JOINING: has one, waits for the event that spans it. LIVE: right."""

    WAITING = "waiting"
    JOINING = "joining"
    LIVE = "live"


class LocalBook:
    """One symbol's book. Quantities are absolute and zero deletes; update ids are sparse.

    Events before the first snapshot are kept and applied to it. `spot` joins and continues by the spot
    rules: no `pu`, ids without holes.
    """

    def __init__(self, symbol: str, *, spot: bool = False) -> None:
        self.symbol = symbol
        self.state = BookState.WAITING
        self.update_id = 0
        self.event_ms = 0
        self.gaps = 0
        self.dropped = 0
        self._spot = spot
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._waiting: list[DepthMessage] = []

    def apply(self, message: DepthMessage) -> bool:
        """Take one difference. Return False when a new snapshot is needed: a gap, or none came yet."""
        if self.state is BookState.WAITING:
            if len(self._waiting) >= _MAX_WAITING:
                # Bounded: without a snapshot in sight the oldest are of no use.
                del self._waiting[: _MAX_WAITING // 2]
                self.dropped += _MAX_WAITING // 2
            self._waiting.append(message)
            return False
        return self._apply_live(message)

    def _apply_live(self, message: DepthMessage) -> bool:
        if self.state is BookState.JOINING:
            if self._is_before_snapshot(message):
                self.dropped += 1
                return True
            if not self._spans_snapshot(message):
                return self._lose(message)
            self.state = BookState.LIVE
        elif not self._continues(message):
            if message.last_update_id <= self.update_id:
                self.dropped += 1  # A duplicate of what is already in the book.
                return True
            return self._lose(message)
        _write(self._bids, message.bids, "b")
        _write(self._asks, message.asks, "a")
        self.update_id = message.last_update_id
        self.event_ms = message.event_ms
        return True

    def _is_before_snapshot(self, message: DepthMessage) -> bool:
        last = message.last_update_id
        return last <= self.update_id if self._spot else last < self.update_id

    def _spans_snapshot(self, message: DepthMessage) -> bool:
        wanted = self.update_id + 1 if self._spot else self.update_id
        if message.first_update_id <= wanted <= message.last_update_id:
            return True
        # An event that names the snapshot's own id as its predecessor joins as well: ids are sparse.
        return message.previous_update_id is not None and message.previous_update_id == self.update_id

    def _continues(self, message: DepthMessage) -> bool:
        if self._spot:
            return message.first_update_id == self.update_id + 1
        return message.previous_update_id == self.update_id

    def _lose(self, message: DepthMessage) -> bool:
        # A snapshot that does not fit yet is no gap: nothing right has been lost.
        self.gaps += self.state is BookState.LIVE
        self.state = BookState.WAITING
        self._waiting = [message]
        return False

    def reset(self) -> None:
        """Forget everything: the connection was lost."""
        self.state = BookState.WAITING
        self._waiting.clear()

    def join(self, snapshot: DepthRecord) -> bool:
        """Start from a snapshot and the events kept so far; False when they do not fit together yet."""
        self._bids = {row.price: row.quantity for row in snapshot.bids}
        self._asks = {row.price: row.quantity for row in snapshot.asks}
        self.update_id = snapshot.last_update_id
        self.event_ms = snapshot.transaction_ms or snapshot.output_ms or self.event_ms
        self.state = BookState.JOINING
        waiting, self._waiting = self._waiting, []
        for position, message in enumerate(waiting):
            if not self._apply_live(message):
                self._waiting = waiting[position:]
                return False
        return True

    @property
    def is_live(self) -> bool:
        return self.state is BookState.LIVE

    def top(self, levels: int, received_ns: int) -> DepthSnapshot:
        """Return the best `levels` of each side."""
        return DepthSnapshot(
            symbol=self.symbol,
            bids=tuple(BookLevel(p, self._bids[p]) for p in sorted(self._bids, reverse=True)[:levels]),
            asks=tuple(BookLevel(p, self._asks[p]) for p in sorted(self._asks)[:levels]),
            update_id=self.update_id,
            event_ms=self.event_ms,
            received_ns=received_ns,
        )


def _write(side: dict[Decimal, Decimal], rows: Iterable[LevelRecord], field: str) -> None:
    for row in rows:
        price, quantity = finite(row.price, "depth", field), finite(row.quantity, "depth", field)
        if quantity == 0:
            side.pop(price, None)  # Deleting an unknown level is normal.
        else:
            side[price] = quantity


class BookKeeper:
    """Keeps the books of several symbols right: feeds differences, fetches snapshots, starts over on gaps.

    `fetch` returns a snapshot of 1000 levels; `on_live` hears (symbol, live) whenever a book becomes right
    or stops being so. Run `run()` in a task group beside the stream whose messages go to `take`.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        *,
        fetch: Callable[[str], Awaitable[DepthRecord]],
        clock: Clock,
        on_live: Callable[[str, bool], None] = lambda _symbol, _live: None,
        retry_s: float = 0.5,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        spot: bool = False,
    ) -> None:
        self.books = {symbol: LocalBook(symbol, spot=spot) for symbol in symbols}
        self._fetch = fetch
        self._clock = clock
        self._on_live = on_live
        self._retry_s = retry_s
        self._sleep = sleep
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._live: set[str] = set()
        self.resyncs = 0

    def take(self, message: MarketMessage) -> None:
        """Take a message of an `@depth` stream; others and unknown symbols are ignored."""
        if not isinstance(message, DepthMessage) or message.symbol not in self.books:
            return
        if not self.books[message.symbol].apply(message):
            self._want(message.symbol)
        self._tell(message.symbol)

    def lost(self) -> None:
        """The stream was interrupted: no book can be trusted until it has been joined anew."""
        for symbol, book in self.books.items():
            book.reset()
            self._want(symbol)
            self._tell(symbol)

    def top(self, symbol: str, levels: int = 5) -> DepthSnapshot | None:
        """Return the top of a book, None while it is not right."""
        book = self.books[symbol]
        return book.top(levels, self._clock.now_ns()) if book.is_live else None

    def _want(self, symbol: str) -> None:
        if symbol not in self._queued:
            self._queued.add(symbol)
            self._wanted.put_nowait(symbol)

    def _tell(self, symbol: str) -> None:
        live = self.books[symbol].is_live
        if live != (symbol in self._live):
            (self._live.add if live else self._live.discard)(symbol)
            self._on_live(symbol, live)

    async def run(self) -> None:
        """Fetch snapshots for books that need one, for ever."""
        while True:
            symbol = await self._wanted.get()
            self._queued.discard(symbol)
            try:
                snapshot = await self._fetch(symbol)
            except ExchangeError:
                await self._sleep(self._retry_s)
                self._want(symbol)
                continue
            self.resyncs += 1
            if not self.books[symbol].join(snapshot):
                # The snapshot is older than the oldest event kept: ask again when the venue has moved on.
                await self._sleep(self._retry_s)
                self._want(symbol)
            self._tell(symbol)
