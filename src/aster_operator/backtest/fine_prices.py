"""Prices finer than bars: the ticks of a catalog or the rows of one-second logs, laid beside the bars.

They say in which order things happened within a bar: which of two levels came first, and whether a trailing
stop's peak came before the fall. The last price comes from trades or from the closes of the rows, the mark
from its own stream; where no mark was recorded, it keeps the distance it had at the close before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers
from aster_operator.backtest.kernels.ticks import lay_beside_bars
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.domain.clock import MINUTE_MS

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars

__all__ = ["FinePrices", "catalog_prices", "fine_prices", "log_prices"]

_EMPTY = np.empty(0)


@dataclass(frozen=True)
class FinePrices:
    """Events in order of time, those of bar b from `offsets[b]` to `offsets[b + 1]`.

    `last` is the last price at each event, `mark` the mark where the event is one. `kinds` has the bits of
    `kernels.ticks`: the last price is new, the mark is new.
    """

    offsets: LongIntegers
    kinds: Bytes
    last: Floats
    mark: Floats

    @classmethod
    def none(cls, bars: int) -> FinePrices:
        """No events beside that many bars."""
        return cls(np.zeros(bars + 1, dtype=np.int64), np.empty(0, dtype=np.int8), _EMPTY, _EMPTY)

    def __len__(self) -> int:
        return len(self.last)

    @property
    def bars_covered(self) -> int:
        """Bars with at least one event."""
        return int((np.diff(self.offsets) > 0).sum())

    def window(self, first: int, last: int) -> FinePrices:
        """Those of the bars from `first` up to and not including `last`."""
        return FinePrices(self.offsets[first : last + 1].copy(), self.kinds, self.last, self.mark)

    def digest(self) -> str:
        """SHA-256 over everything."""
        whole = hashlib.sha256()
        for column in (self.offsets, self.kinds, self.last, self.mark):
            whole.update(np.ascontiguousarray(column).tobytes())
        return whole.hexdigest()


def fine_prices(
    bars: Bars, trade_ms: LongIntegers, trades: Floats, mark_ms: LongIntegers, marks: Floats
) -> FinePrices:
    """Lay last prices and marks beside `bars`; each in order of time (ms, UTC), of one moment marks first.

    What lies in no bar is left out, and so is every mark before the first last price. Raises ValueError for
    times out of order and for prices that are not above zero.
    """
    for times, prices, name in ((trade_ms, trades, "last price"), (mark_ms, marks, "mark")):
        if (np.diff(times) < 0).any():
            raise ValueError(f"the times of the {name} are not in order")
        if not (np.isfinite(prices) & (prices > 0)).all():
            raise ValueError(f"a {name} is not above 0")
    basis = np.where(np.isfinite(bars.mark), bars.mark / bars.close, 1.0)
    room = len(trades) + len(marks)
    kinds, last, mark = np.empty(room, dtype=np.int8), np.empty(room), np.empty(room)
    offsets = np.zeros(len(bars) + 1, dtype=np.int64)
    found = lay_beside_bars(
        bars.close_ms, MINUTE_MS, basis, trade_ms, trades, mark_ms, marks, offsets, kinds, last, mark
    )
    return FinePrices(offsets, kinds[:found], last[:found], mark[:found])


def log_prices(folder: Path, bars: Bars) -> FinePrices:
    """From the rows of the CSV logs in `folder`: the running bar's close, and the mark.

    Raises BacktestProblem.
    """
    from aster_operator.backtest.feature_sources import BARS, MARKS, CsvLogSource

    source = CsvLogSource(folder, [bars.symbol])
    columns = []
    for stream, column in ((BARS, 4), (MARKS, 0)):
        pieces = (
            (piece.time_ms[piece.symbol_of >= 0], piece.columns[piece.symbol_of >= 0, column])
            for piece in source.pieces(stream)
        )
        columns += _joined(pieces)
    return _checked(bars, folder, columns)


def catalog_prices(folder: Path, bars: Bars) -> FinePrices:
    """From a catalog: aggregate trades, and the mark where it was recorded. Raises BacktestProblem."""
    import polars as pl

    from aster_operator.market_data.catalog.broken import collected
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.problems import CatalogError

    first, last = int(bars.close_ms[0]) - MINUTE_MS + 1, int(bars.close_ms[-1]) + 1
    columns = []
    try:
        catalog = Catalog(folder)
        for stream, time, price in (
            ("aggTrade", "trade_ms", "price"),
            ("markPrice", "event_ms", "mark_price"),
        ):
            if bars.symbol not in catalog.symbols(stream):
                columns += [np.empty(0, dtype=np.int64), np.empty(0)]
                continue
            rows = catalog.scan(stream, [bars.symbol], start_ms=first, end_ms=last)
            order = (time, "trade_id") if stream == "aggTrade" else (time, "received_ns")
            wanted = rows.sort(*order).select(time, pl.col(price).cast(pl.Float64)).drop_nulls()
            frame = collected(wanted, folder, stream)
            columns += [
                frame.get_column(time).to_numpy().astype(np.int64),
                np.array(frame.get_column(price).to_numpy(), dtype=np.float64),
            ]
    except CatalogError as error:
        raise BacktestProblem(str(error)) from None
    return _checked(bars, folder, columns)


def _joined(pieces: Iterable[tuple[LongIntegers, Floats]]) -> list[np.ndarray]:
    times, prices = [np.empty(0, dtype=np.int64)], [_EMPTY]
    for time, price in pieces:
        times.append(time)
        prices.append(price)
    return [np.concatenate(times), np.concatenate(prices)]


def _checked(bars: Bars, folder: Path, columns: Sequence[np.ndarray]) -> FinePrices:
    try:
        found = fine_prices(bars, *columns)
    except ValueError as error:
        raise BacktestProblem(f"{bars.symbol}: {error}", str(folder), "correct it") from None
    if len(found) == 0:
        raise BacktestProblem(
            f"{bars.symbol} has no finer prices within the bars",
            str(folder),
            "record it, or leave the option out",
        )
    return found
