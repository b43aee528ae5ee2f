"""Events of a Parquet catalog, as the replay plays them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.replay.events import EventStream, ReplayEvents
from aster_operator.backtest.tables import is_sorted
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.market import Bar
from aster_operator.domain.money import ZERO

if TYPE_CHECKING:
    from aster_operator.market_data.catalog.catalog import Catalog

__all__ = ["catalog_events", "minutes_before"]

_QUOTES = (
    "bookTicker",
    "event_ms",
    "received_ns",
    ("bid_price", "bid_quantity", "ask_price", "ask_quantity"),
)
_BOOKS = (
    "depth5", "event_ms", "received_ns", ("bid1_price", "bid1_quantity", "ask1_price", "ask1_quantity")
)  # fmt: skip
_TRADES = ("aggTrade", "trade_ms", "trade_id", ("price", "quantity", "is_buyer_maker"))
_MARKS = ("markPrice", "event_ms", "received_ns", ("mark_price", "funding_rate", "next_funding_ms"))
_FUNDING = ("funding", "funding_ms", "received_ns", ("funding_rate",))


def catalog_events(
    folder: Path, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
) -> ReplayEvents:
    """Best bid and ask, aggregate trades, marks and settled funding of a Parquet catalog.

    Where best prices were not recorded, the books' best. What was before the first of them is left out: there
    was no market yet to trade in.
    A settlement is one the catalog tells of, or whose time the marks announced; its rate is what was settled,
    or was announced last. Raises BacktestProblem.
    """
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.problems import CatalogError

    try:
        catalog = Catalog(folder)
        best = _QUOTES if symbol in catalog.symbols("bookTicker") else _BOOKS
        with ThreadPoolExecutor(4) as pool:
            waiting = [
                pool.submit(_stream, catalog, symbol, stream, start_ms, end_ms)
                for stream in (best, _TRADES, _MARKS, _FUNDING)
            ]
            quotes, trades, marks, settled = (future.result() for future in waiting)
        if len(quotes[0]):
            first_ms = int(quotes[0][0])
            trades = _from(trades, int(np.searchsorted(trades[0], first_ms)))
            # The newest mark that held then.
            marks = _from(marks, max(0, int(np.searchsorted(marks[0], first_ms, side="right")) - 1))
            # Recorders fetch what was settled on the days before, and nobody held anything then.
            settled = _from(settled, int(np.searchsorted(settled[0], first_ms)))
        trades[1][:, 2] = 1 - 2 * trades[1][:, 2]
        last_ms = max((times[-1] for times, _ in (quotes, trades, marks) if len(times)), default=0)
        funding = _settlements(marks, settled, int(last_ms))
        return ReplayEvents.merged(quotes, trades, (marks[0], marks[1][:, :2]), funding)
    except CatalogError as error:
        raise BacktestProblem(str(error)) from None
    except ValueError as error:
        raise BacktestProblem(f"{symbol}: {error}", str(folder), "check the catalog") from None


def _from(stream: EventStream, row: int) -> EventStream:
    return stream[0][row:], stream[1][row:]


def _stream(
    catalog: Catalog,
    symbol: str,
    stream: tuple[str, str, str, tuple[str, ...]],
    start_ms: int | None,
    end_ms: int | None,
) -> EventStream:
    """Times and values of one stream, sorted; nothing where it was not recorded."""
    import polars as pl

    from aster_operator.market_data.catalog.broken import collected

    name, time, order, columns = stream
    if symbol not in catalog.symbols(name):
        return np.empty(0, dtype=np.int64), np.empty((0, len(columns)))
    rows = catalog.scan(name, [symbol], start_ms=start_ms, end_ms=end_ms)
    frame = collected(rows.select(time, order, *columns).drop_nulls(), catalog.root, name)
    if not is_sorted([frame.get_column(column).to_numpy() for column in (time, order)]):
        # Files are sorted, and follow one another but where something was added later.
        frame = frame.sort(time, order, maintain_order=True)
    if name == "aggTrade":
        # Fetched and heard: the same trade twice.
        frame = frame.filter(
            ~((pl.col(time).diff() == 0) & (pl.col(order).diff() == 0)).fill_null(value=False)
        )
    times: LongIntegers = frame.get_column(time).to_numpy()
    values = np.empty((len(times), len(columns)))
    for place, column in enumerate(columns):
        values[:, place] = frame.get_column(column).cast(pl.Float64).to_numpy()
    return times, values


def _settlements(marks: EventStream, settled: EventStream, last_ms: int) -> EventStream:
    """Times and rates of the settlements up to `last_ms`."""
    times, values = marks
    rates: dict[int, float] = {}
    if len(times):
        due = values[:, 2].astype(np.int64)
        ends = np.append(np.flatnonzero(due[1:] != due[:-1]), len(due) - 1)
        rates = {int(due[end]): float(values[end, 1]) for end in ends if due[end] > times[0]}
    rates |= {int(time): float(rate) for time, (rate,) in zip(*settled, strict=True)}
    rows = sorted((time, rate) for time, rate in rates.items() if time <= last_ms)
    found: Floats = np.array([[rate] for _, rate in rows], dtype=np.float64).reshape(len(rows), 1)
    return np.array([time for time, _ in rows], dtype=np.int64), found


def minutes_before(folder: Path, symbol: str, first_ms: int) -> list[Bar]:
    """The recorded minutes that had closed before `first_ms`, as far back as none is missing."""
    from aster_operator.market_data.catalog import replay_sources
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.problems import CatalogError

    try:
        found = replay_sources.minutes_before(Catalog(folder), symbol, first_ms)
    except CatalogError as error:
        raise BacktestProblem(str(error)) from None
    return [
        Bar(
            symbol=symbol,
            interval="1m",
            open_ms=bar.open_ms,
            close_ms=bar.open_ms + MINUTE_MS - 1,
            open=Decimal(str(bar.open)),
            high=Decimal(str(bar.high)),
            low=Decimal(str(bar.low)),
            close=Decimal(str(bar.close)),
            base_volume=Decimal(str(bar.base_volume)),
            quote_volume=ZERO,
            trades=bar.trades or 0,
            taker_buy_base_volume=ZERO,
            taker_buy_quote_volume=ZERO,
            is_closed=True,
        )
        for bar in found
    ]
