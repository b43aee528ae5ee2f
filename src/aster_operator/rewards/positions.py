"""Positions over time, rebuilt from fills: how much was held, how long, and how much of it offset itself.

Only perpetual trades make positions. A leg is valued at the newest known price of its symbol: a `Mark` where
marks are given (section 5.1 of points and costs wants them hourly), else the price of the last own trade.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter, itemgetter

import msgspec

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.money import ZERO
from aster_operator.rewards.records import FillRecord, Mark, Market, PositionInterval

__all__ = ["PositionHistory", "position_history"]

_Leg = tuple[str, PositionSide]


class PositionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """`intervals` in the order of their start. `unexplained_closes`: trades that closed more than was ever
    seen opened, because the records begin later; positions held before are then missing. `open_pnl` is the
    unrealised PnL of all that was open, each time it changed: (time in ms, USD)."""

    intervals: tuple[PositionInterval, ...]
    unexplained_closes: int
    open_pnl: tuple[tuple[int, Decimal], ...] = ()

    def open_pnl_at(self, time_ms: int) -> Decimal:
        """Unrealised PnL (USD) of what was open just before `time_ms`, at the prices known then."""
        index = bisect_left(self.open_pnl, time_ms, key=itemgetter(0))
        return self.open_pnl[index - 1][1] if index else ZERO


def position_history(
    fills: Iterable[FillRecord], until_ms: int, marks: Iterable[Mark] = ()
) -> PositionHistory:
    """Rebuild every position up to `until_ms`; what is still open then counts to that moment."""
    events: list[FillRecord | Mark] = [fill for fill in fills if fill.market is Market.PERP]
    events += marks
    events = sorted((event for event in events if event.time_ms < until_ms), key=attrgetter("symbol"))
    intervals: list[PositionInterval] = []
    changes: list[tuple[int, Decimal]] = []
    unexplained = 0
    for symbol, of_symbol in groupby(events, key=attrgetter("symbol")):
        legs = _SymbolLegs(symbol)
        for event in sorted(of_symbol, key=attrgetter("time_ms")):
            intervals += legs.until(event.time_ms)
            before_usd = legs.open_pnl
            legs.take(event)
            changes.append((event.time_ms, legs.open_pnl - before_usd))
        intervals += legs.until(until_ms)
        unexplained += legs.unexplained_closes
    intervals.sort(key=attrgetter("start_ms", "symbol"))
    return PositionHistory(
        intervals=tuple(intervals), unexplained_closes=unexplained, open_pnl=tuple(_summed(changes))
    )


def _summed(changes: list[tuple[int, Decimal]]) -> Iterator[tuple[int, Decimal]]:
    """The running sum of changes in the order of time, one for each moment."""
    total = ZERO
    for time_ms, together in groupby(sorted(changes, key=itemgetter(0)), key=itemgetter(0)):
        total += sum((change for _, change in together), ZERO)
        yield time_ms, total


class _SymbolLegs:
    """All own legs of one symbol. Quantities are signed: negative is short."""

    def __init__(self, symbol: str) -> None:
        self.unexplained_closes = 0
        self._symbol = symbol
        self._quantities: dict[_Leg, Decimal] = {}
        self._costs: dict[_Leg, Decimal] = {}
        """What was paid for the quantity that is open, signed like it."""
        self._price: Decimal | None = None
        self._since_ms = 0

    def take(self, event: FillRecord | Mark) -> None:
        self._price = event.price
        if isinstance(event, FillRecord):
            leg = (event.account, event.position_side)
            before = self._quantities.get(leg, ZERO)
            after = self._possible(before + event.side.sign * event.quantity, event.position_side)
            self._quantities[leg] = after
            self._costs[leg] = _cost_of(before, self._costs.get(leg, ZERO), after, event.price)

    @property
    def open_pnl(self) -> Decimal:
        """Unrealised PnL of all legs at the newest known price."""
        if self._price is None:
            return ZERO
        return sum(
            (quantity * self._price - self._costs[leg] for leg, quantity in self._quantities.items()), ZERO
        )

    def _possible(self, quantity: Decimal, side: PositionSide) -> Decimal:
        """`quantity`, or zero where a leg of this side can not be negative: its opening is not on record."""
        if side is PositionSide.BOTH or quantity * side.opening_side.sign >= 0:
            return quantity
        self.unexplained_closes += 1
        return ZERO

    def until(self, time_ms: int) -> Iterator[PositionInterval]:
        """Intervals from the last event to `time_ms`."""
        since_ms, self._since_ms = self._since_ms, time_ms
        if self._price is None or since_ms >= time_ms:
            return
        shares = _hedged_shares(list(self._quantities.values()))
        for (account, side), quantity in self._quantities.items():
            if quantity:
                yield PositionInterval(
                    account=account,
                    symbol=self._symbol,
                    position_side=side,
                    start_ms=since_ms,
                    end_ms=time_ms,
                    notional_usd=abs(quantity) * self._price,
                    hedged_share=shares[quantity > 0],
                )


def _cost_of(before: Decimal, cost: Decimal, after: Decimal, price: Decimal) -> Decimal:
    """Cost of what is open after a trade: added to at its price, reduced at the average of what there was."""
    if before * after <= 0:
        return after * price
    if abs(after) > abs(before):
        return cost + (after - before) * price
    return cost * after / before


def _hedged_shares(quantities: Sequence[Decimal]) -> dict[bool, Decimal]:
    """Part of the longs (True) and of the shorts (False) that the other direction offsets."""
    longs = sum((quantity for quantity in quantities if quantity > 0), ZERO)
    shorts = -sum((quantity for quantity in quantities if quantity < 0), ZERO)
    offset = min(longs, shorts)
    return {True: offset / longs if longs else ZERO, False: offset / shorts if shorts else ZERO}
