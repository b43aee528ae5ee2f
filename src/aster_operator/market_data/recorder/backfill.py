"""Fetching over REST what the streams did not bring: seeds at the start, holes later, settled funding."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aster_operator.domain.clock import MINUTE_MS, Clock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.errors import ExchangeError, RequestRefused
from aster_operator.exchange.wire.market import KlineRecord
from aster_operator.exchange.wire.market_floats import KlineTick
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS
from aster_operator.market_data.recorder.columns import FundingRow
from aster_operator.market_data.recorder.continuity import Hole
from aster_operator.market_data.recorder.intake import Closing, Intake
from aster_operator.market_data.rest_ticks import depth_tick, kline_tick, mark_tick, quote_tick, trade_tick

__all__ = ["Backfill"]

_TRADES_PAGE: Final = 1000
_BARS_PAGE: Final = 1500
_SEED_TRADES: Final = 500
_SEED_BARS: Final = 99
_FUNDING_PAGE: Final = 100
_FUNDING_ATTEMPTS: Final = 6
_FUNDING_RETRY_S: Final = 10.0
_BARS_LIMIT: Final = 14 * 24 * 60


class Backfill:
    """Works through holes one after the other, within the client's rate limit.

    `trades_limit` bounds how many trades of one hole are fetched: the newest ones. `funding_known` says up to
    when (ms) the rates of a symbol are recorded. `on_failure` hears a line for each answer that did not come.
    """

    def __init__(
        self,
        client: AsterClient,
        intake: Intake,
        clock: Clock,
        *,
        trades_limit: int,
        funding_known: dict[str, int],
        on_failure: Callable[[str], None],
    ) -> None:
        self._client = client
        self._intake = intake
        self._clock = clock
        self._trades_limit = trades_limit
        self._funding_known = funding_known
        self._on_failure = on_failure
        self._holes: asyncio.Queue[Hole] = asyncio.Queue()
        self.fetched = 0
        """Rows put in, those already recorded included."""

    async def settled(self) -> None:
        """Return when no hole waits or is being fetched."""
        await self._holes.join()

    def want(self, holes: Iterable[Hole]) -> None:
        """Fetch `holes` some time soon."""
        for hole in holes:
            self._holes.put_nowait(hole)

    async def run(self) -> None:
        """Fill holes until cancelled."""
        while True:
            hole = await self._holes.get()
            failure = ""
            try:
                failure = await self._fill(hole)
            except ExchangeError as error:
                failure = str(error)
                self._on_failure(f"{hole.symbol} {hole.stream}: {error}")
            if hole.stream != "funding":
                closing = Closing(hole.stream, hole.symbol, hole.first_id, hole.last_id, failure)
                self._intake.put_fetched(hole.stream, [], closing)
            self._holes.task_done()

    async def _fill(self, hole: Hole) -> str:
        """Put in what there is of a hole; returns why some of it was not asked for."""
        if hole.stream == "aggTrade":
            return await self._trades(hole)
        if hole.stream == "kline_1m":
            return await self._bars(hole)
        await self._settled(hole)
        return ""

    async def _trades(self, hole: Hole) -> str:
        position = max(hole.first_id, hole.last_id - self._trades_limit + 1)
        skipped = position - hole.first_id
        while position <= hole.last_id:
            answer = await self._client.agg_trades(hole.symbol, from_id=position, limit=_TRADES_PAGE)
            now_ns = self._clock.now_ns()
            found = [trade for trade in answer if position <= trade.id <= hole.last_id]
            self._put("aggTrade", [trade_tick(hole.symbol, trade, now_ns) for trade in found])
            if not answer or answer[-1].id < position:
                break
            position = answer[-1].id + 1
        return f"{skipped} older trades are over the limit: data download brings them" if skipped else ""

    async def _bars(self, hole: Hole) -> str:
        first = max(hole.first_id, hole.last_id - _BARS_LIMIT + 1)
        position, end_ms = first * MINUTE_MS, hole.last_id * MINUTE_MS
        while position <= end_ms:
            answer = await self._client.klines(
                hole.symbol, "1m", start_ms=position, end_ms=end_ms, limit=_BARS_PAGE
            )
            # A later bar was heard closed, so all of these are.
            found = [record for record in answer if position <= record.open_time <= end_ms]
            self._put("kline_1m", self._kline_ticks(hole.symbol, found))
            if not found:
                break
            position = found[-1].open_time + MINUTE_MS
        skipped = first - hole.first_id
        return f"{skipped} older bars are over the limit: data download brings them" if skipped else ""

    async def _settled(self, hole: Hole) -> None:
        """The rate that was settled at `hole.start_ms`; the venue publishes it a little later."""
        for attempt in range(_FUNDING_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_FUNDING_RETRY_S)
            await self._funding(hole.symbol)
            if self._funding_known.get(hole.symbol, 0) >= hole.start_ms:
                return

    async def _funding(self, symbol: str) -> None:
        known = self._funding_known.get(symbol)
        while True:
            answer = await self._client.funding_rate(
                symbol, start_ms=None if known is None else known + 1, limit=_FUNDING_PAGE
            )
            now_ns = self._clock.now_ns()
            fresh = [record for record in answer if known is None or record.funding_time > known]
            self._put(
                "funding",
                [
                    FundingRow(symbol, record.funding_time, float(record.funding_rate), now_ns)
                    for record in fresh
                ],
            )
            if fresh:
                known = self._funding_known[symbol] = max(record.funding_time for record in fresh)
            if len(answer) < _FUNDING_PAGE or not fresh:
                return

    # --- seeds -----------------------------------------------------------------------------------------

    async def seed(self, symbols: Sequence[str]) -> None:
        """Ask once for the state of every symbol: the streams tell only what changes.

        Request weight: 3 for all and 24 for each symbol. What fails is reported and left out.
        """
        wanted = set(symbols)
        try:
            quotes = await self._client.book_ticker()
            now_ns = self._clock.now_ns()
            # A quote without a time cannot be put anywhere.
            fitting = [quote for quote in quotes if quote.symbol in wanted and quote.time]
            self._put("bookTicker", [quote_tick(quote, now_ns) for quote in fitting])
            marks = [mark for mark in await self._client.premium_index() if mark.symbol in wanted]
            now_ns = self._clock.now_ns()
            self._put("markPrice", [mark_tick(mark, now_ns) for mark in marks])
        except ExchangeError as error:
            self._on_failure(f"seeding: {error}")
            return
        venue_ms = {mark.symbol: mark.time for mark in marks}
        for step in (self._seed_state, self._seed_trades):
            for symbol in symbols:
                try:
                    await step(symbol, venue_ms.get(symbol, 0))
                except RequestRefused as error:
                    self._on_failure(f"seeding {symbol}: {error}")
                except ExchangeError as error:
                    self._on_failure(f"seeding {symbol}: {error}")
                    return

    async def _seed_state(self, symbol: str, venue_ms: int) -> None:
        bars = await self._client.klines(symbol, "1m", limit=_SEED_BARS)
        self._put("kline_1m", self._kline_ticks(symbol, bars, venue_ms))
        book = await self._client.depth(symbol, BOOK_LEVELS)
        if book.output_ms is not None:
            self._put("depth5", [depth_tick(symbol, book, BOOK_LEVELS, self._clock.now_ns())])
        await self._funding(symbol)

    async def _seed_trades(self, symbol: str, _venue_ms: int) -> None:
        answer = await self._client.agg_trades(symbol, limit=_SEED_TRADES)
        now_ns = self._clock.now_ns()
        self._put("aggTrade", [trade_tick(symbol, trade, now_ns) for trade in answer])

    def _kline_ticks(
        self, symbol: str, records: Sequence[KlineRecord], venue_ms: int | None = None
    ) -> list[KlineTick]:
        """Bars as messages. `venue_ms` is the venue's time when the last one may still be running."""
        now_ns = self._clock.now_ns()
        ticks = []
        for place, record in enumerate(records, start=1):
            is_closed = venue_ms is None or place < len(records) or record.close_time < venue_ms
            # A bar is final when its last millisecond is over.
            event_ms = record.close_time + 1 if is_closed else max(record.open_time, venue_ms or 0)
            bar = kline_tick(symbol, record, now_ns, is_closed=is_closed)
            ticks.append(KlineTick(event_ms, symbol, bar))
        return ticks

    def _put(self, stream: str, messages: Sequence[object]) -> None:
        self.fetched += len(messages)
        self._intake.put_fetched(stream, list(messages))
