"""The bars of one symbol as columns of numbers, as the sweep reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from aster_operator.backtest.fine_prices import FinePrices
from aster_operator.backtest.kernels.compiler import Booleans, Floats, LongIntegers

__all__ = ["Bars"]


@dataclass(frozen=True)
class Bars:
    """Minute bars with the market at their close; all columns have one length, oldest first.

    Prices in quote units, `volume` in base units, `_bps` in hundredths of a percent. `close_ms` is the last
    millisecond of the bar (UTC). `bid`, `ask`, `mark` are the last values known at the close, `tw_bid` and
    `tw_ask` their time-weighted means over the minute, `funding_bps` the rate of the running period.
    `opening_loss_bps` belongs to the side the bar's return points at. `mark_high` and `mark_low` are the
    mark's extremes within the bar where they were recorded. What is not known is NaN.
    `volatility_bps` and `average_volume` hold one column for each window. `fine` are prices within the bars,
    where the exits are to be resolved more finely.
    """

    symbol: str
    close_ms: LongIntegers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    ret_bps: Floats
    bid: Floats
    ask: Floats
    tw_bid: Floats
    tw_ask: Floats
    spread_bps: Floats
    mark: Floats
    mark_high: Floats
    mark_low: Floats
    funding_bps: Floats
    opening_loss_bps: Floats
    volatility_bps: Mapping[int, Floats]
    average_volume: Mapping[int, Floats]
    fine: FinePrices | None = None

    def __len__(self) -> int:
        return int(self.close.shape[0])

    def window(self, first: int, last: int) -> Bars:
        """The bars from `first` up to and not including `last`; indicators keep their history."""
        fine = None if self.fine is None else self.fine.window(first, last)
        return replace(self._map(lambda column: column[first:last]), fine=fine)

    def where(self, keep: Booleans) -> Bars:
        """The bars for which `keep` is true, without finer prices."""
        return replace(self._map(lambda column: column[keep]), fine=None)

    def _map(self, change: Callable[[Any], Any]) -> Bars:
        changed: dict[str, Any] = {
            field.name: np.ascontiguousarray(change(getattr(self, field.name)))
            for field in fields(self)
            if field.name not in ("symbol", "volatility_bps", "average_volume", "fine")
        }
        for name in ("volatility_bps", "average_volume"):
            columns = getattr(self, name)
            changed[name] = {size: np.ascontiguousarray(change(column)) for size, column in columns.items()}
        return replace(self, **changed)
