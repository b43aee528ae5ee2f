"""The newest of the market in memory: five caches by symbol, seeded over REST, then live.

Values are float64, for strategies' features and for recording; orders are priced from the exact quotes of the
event stream. The caches answer how old they are, by symbol and stream, and since when a stream is broken.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.errors import ExchangeError, MalformedResponse
from aster_operator.exchange.streams import names
from aster_operator.exchange.streams.market import MessageStream
from aster_operator.exchange.streams.socket import Receiver
from aster_operator.exchange.wire.market import AggregateTradeRecord
from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    KlineTick,
    KlineTickPayload,
    MarkPriceTick,
)
from aster_operator.exchange.wire.streams import MarketMessage
from aster_operator.market_data.cache_reader import CachePlaces, CacheReader, CacheStatistics
from aster_operator.market_data.rest_ticks import depth_tick, kline_tick, mark_tick, quote_tick, trade_tick

__all__ = ["CacheStatistics", "MarketCaches", "Staleness"]

_SEED_TRADES: Final = 500
_LEVELS: Final = 5


_Snapshot = BookTick | DepthTick | MarkPriceTick | KlineTickPayload
_SnapshotT = TypeVar("_SnapshotT", BookTick, DepthTick, MarkPriceTick, KlineTickPayload)


class Staleness(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds since each stream of a symbol was last heard; None when it never was."""

    kline_ms: float | None
    bbo_ms: float | None
    funding_ms: float | None
    trades_ms: float | None
    l2_ms: float | None


class _Received(Protocol):
    received_ns: int


class MarketCaches:
    """Follows `symbols` and keeps the newest kline, quote, funding, trades and book of each.

    `trades_kept` bounds `recent_agg_trades` of a symbol; older ones fall out. Seeding weighs 23 for each
    symbol of the venue's 2400 a minute: with hundreds of them start without (`seeded=False`). Use as an
    async context manager, or call `open` and `close`.
    """

    def __init__(
        self,
        client: AsterClient,
        symbols: Sequence[str],
        *,
        clock: Clock,
        trades_kept: int = 1000,
        seeded: bool = True,
    ) -> None:
        self._client = client
        self._symbols = tuple(dict.fromkeys(symbols))
        self._clock = clock
        self._seeded = seeded
        self.latest_kline_1m: dict[str, KlineTickPayload] = {}
        """The running or just closed one-minute bar."""
        self.latest_bbo: dict[str, BookTick] = {}
        """Best bid and ask."""
        self.latest_funding: dict[str, MarkPriceTick] = {}
        """Mark and index price, funding rate and time of the next funding."""
        self.recent_agg_trades: dict[str, deque[AggregateTradeTick]] = defaultdict(
            lambda: deque(maxlen=trades_kept)
        )
        """The newest aggregate trades, oldest first."""
        self.latest_l2: dict[str, DepthTick] = {}
        """The five best levels of each side."""
        self.statistics = CacheStatistics()
        self.stale_since_ms: int | None = None
        """Our time since when a stream is broken; None while all are well."""
        self._stream: MessageStream | None = None
        self._joined_ns = 0
        """When the streams were last joined: what was heard before may be from another life of the venue."""
        self._seed_wanted = asyncio.Event()
        self._seeder: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, then seed. Raises ExchangeError when either fails."""
        streams = [name for symbol in self._symbols for name in _streams_of(symbol)]
        self._stream = await self._client.open_message_stream(
            streams, self._take_exact, self._take_status, receiver=self._make_receiver
        )
        if not self._seeded:
            return
        await self.seed()
        self._seeder = asyncio.create_task(self._seed_after_losses(), name="cache-seeding")

    async def close(self) -> None:
        """Stop following. The caches keep what they hold."""
        if self._seeder is not None:
            self._seeder.cancel()
            await asyncio.gather(self._seeder, return_exceptions=True)
            self._seeder = None
        if self._stream is not None:
            await self._stream.close()
            self._stream = None

    async def __aenter__(self) -> "MarketCaches":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def fence(self) -> None:
        """Return when everything the venue had sent before is in the caches."""
        if self._stream is not None:
            await self._stream.fence()

    @property
    def sockets(self) -> int:
        """Connections the streams are spread over."""
        return self._stream.sockets if self._stream is not None else 0

    @property
    def malformed(self) -> int:
        """Messages that could not be read."""
        return self._stream.malformed if self._stream is not None else 0

    def staleness(self, symbol: str) -> Staleness:
        """Return how long ago each stream of `symbol` was heard."""
        now_ns = self._clock.now_ns()
        trades = self.recent_agg_trades.get(symbol)
        return Staleness(
            kline_ms=_age_ms(self.latest_kline_1m.get(symbol), now_ns),
            bbo_ms=_age_ms(self.latest_bbo.get(symbol), now_ns),
            funding_ms=_age_ms(self.latest_funding.get(symbol), now_ns),
            trades_ms=_age_ms(trades[-1] if trades else None, now_ns),
            l2_ms=_age_ms(self.latest_l2.get(symbol), now_ns),
        )

    # --- live ------------------------------------------------------------------------------------------

    def _make_receiver(self, general: Receiver) -> Receiver:
        return CacheReader(
            CachePlaces(
                latest_bbo=self.latest_bbo,
                recent_agg_trades=self.recent_agg_trades,
                latest_l2=self.latest_l2,
                statistics=self.statistics,
                is_late=self._is_late,
                take_other=self._take_other,
                general=general,
            )
        )

    def _is_late(self, held: BookTick | DepthTick, message: BookTick | DepthTick) -> bool:
        """Whether a message with a lower number is an old one, not the first of a venue that began anew."""
        return message.event_ms <= held.event_ms and held.received_ns >= self._joined_ns

    def _take_other(self, message: object, received_ns: int) -> None:
        if isinstance(message, MarkPriceTick):
            message.received_ns = received_ns
            self.latest_funding[message.symbol] = message
        elif isinstance(message, KlineTick):
            message.kline.received_ns = received_ns
            self.latest_kline_1m[message.symbol] = message.kline
        elif isinstance(message, list):
            for single in message:
                self._take_other(single, received_ns)

    def _take_exact(self, stream: str, _message: MarketMessage | list[MarketMessage], _at: int) -> None:
        # A frame that decodes exactly but not as floats holds a number that is none, such as NaN.
        raise MalformedResponse(stream, "", "holds a number that is not finite or is negative")

    def _take_status(self, healthy: bool, _detail: str) -> None:
        if healthy:
            self.stale_since_ms = None
            self._joined_ns = self._clock.now_ns()
            self._seed_wanted.set()
        elif self.stale_since_ms is None:
            self.stale_since_ms = self._clock.now_ms()

    # --- seeding ---------------------------------------------------------------------------------------

    async def _seed_after_losses(self) -> None:
        while True:
            await self._seed_wanted.wait()
            self._seed_wanted.clear()
            try:
                await self.seed()
            except ExchangeError:
                # The streams bring all but old trades by themselves; the count makes the hole visible.
                self.statistics.seed_failures += 1

    async def seed(self) -> None:
        """Fill from REST what the streams have not brought since, and the trades that were missed.

        Request weight: 3 for all symbols and 23 for each. Raises ExchangeError.
        """
        asked_ns = self._clock.now_ns()
        for quote in await self._client.book_ticker():
            if quote.symbol in self._symbols:
                self._renew(self.latest_bbo, quote.symbol, quote_tick(quote, self._clock.now_ns()), asked_ns)
        asked_ns = self._clock.now_ns()
        for mark in await self._client.premium_index():
            if mark.symbol in self._symbols:
                self._renew(self.latest_funding, mark.symbol, mark_tick(mark, self._clock.now_ns()), asked_ns)
        for symbol in self._symbols:
            await self._seed_symbol(symbol)
        self.statistics.seeds += 1

    async def _seed_symbol(self, symbol: str) -> None:
        asked_ns = self._clock.now_ns()
        for kline in await self._client.klines(symbol, "1m", limit=1):
            bar = kline_tick(symbol, kline, self._clock.now_ns())
            self._renew(self.latest_kline_1m, symbol, bar, asked_ns)
        asked_ns = self._clock.now_ns()
        book = await self._client.depth(symbol, _LEVELS)
        self._renew(self.latest_l2, symbol, depth_tick(symbol, book, _LEVELS, self._clock.now_ns()), asked_ns)
        self._merge_trades(symbol, await self._client.agg_trades(symbol, limit=_SEED_TRADES))

    def _renew(self, cache: dict[str, _SnapshotT], symbol: str, snapshot: _SnapshotT, asked_ns: int) -> None:
        """Put a snapshot in place unless the stream has brought something newer.

        Streams only tell changes: what changed while a connection was lost they never tell, so what was
        heard before the loss gives way.
        """
        held = cache.get(symbol)
        if held is not None:
            if held.received_ns >= asked_ns:
                return
            if held.received_ns >= self._joined_ns and _order_of(snapshot) < _order_of(held):
                return
        cache[symbol] = snapshot

    def _merge_trades(self, symbol: str, seeds: Iterable[AggregateTradeRecord]) -> None:
        held = self.recent_agg_trades[symbol]
        now_ns = self._clock.now_ns()
        by_id = {trade.id: trade_tick(symbol, trade, now_ns) for trade in seeds}
        by_id.update((trade.trade_id, trade) for trade in held)
        # Built aside: trades that arrive meanwhile are appended to the same deque, one loop turn later.
        merged = [by_id[number] for number in sorted(by_id)]
        held.clear()
        held.extend(merged)


def _order_of(value: _Snapshot) -> int:
    """What rises from one state of a symbol to the next."""
    if isinstance(value, DepthTick):
        return value.last_update_id
    return value.open_ms if isinstance(value, KlineTickPayload) else value.event_ms


def _age_ms(value: _Received | None, now_ns: int) -> float | None:
    return None if value is None else (now_ns - value.received_ns) / 1e6


def _streams_of(symbol: str) -> tuple[str, ...]:
    return (
        names.kline(symbol),
        names.book_ticker(symbol),
        names.mark_price(symbol),
        names.agg_trade(symbol),
        names.partial_depth(symbol, _LEVELS),
    )
