"""What a comparison of a session with its replay comes to: a row for each trade, and sums that add up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from aster_operator.domain.enums import Side
from aster_operator.domain.money import ZERO

__all__ = ["Cause", "ParityRow", "ParityTable"]


class Cause(StrEnum):
    SIGNAL = "signal"
    """The strategy decided otherwise on the same bars: other code or parameters."""
    BLOCKER = "blocker"
    """A blocker or guard stopped one of the two."""
    LATENCY = "latency"
    """The market moved between the two fills, or an order came too late to fill."""
    SLIPPAGE = "slippage"
    """Filled at another distance from the touch."""
    SIZE = "size"
    """Another quantity filled."""
    FEE = "fee"
    FUNDING = "funding"
    MISSING_DATA = "missing data"
    """One of the two had not heard the bars the other had."""


@dataclass(frozen=True)
class ParityRow:
    """One trade, of both or of one side, or one pair (`side` None). Money in USD; None is a side that did not
    trade, or whose result is not known. `bar_ms` is the minute whose close was the last known at the
    decision. `parts` add up to `difference`, which is None where a result is not known."""

    symbol: str
    bar_ms: int
    side: Side | None
    live_usd: Decimal | None
    replayed_usd: Decimal | None
    difference_usd: Decimal | None
    parts: dict[Cause, Decimal]
    note: str

    @classmethod
    def of(
        cls,
        symbol: str,
        bar_ms: int,
        side: Side | None,
        live_usd: Decimal | None,
        replayed_usd: Decimal | None,
        parts: dict[Cause, Decimal] | None,
        note: str,
    ) -> ParityRow:
        """`parts` None where a result is not known; those that are zero are left out."""
        return cls(
            symbol=symbol,
            bar_ms=bar_ms,
            side=side,
            live_usd=live_usd,
            replayed_usd=replayed_usd,
            difference_usd=None if parts is None else (live_usd or ZERO) - (replayed_usd or ZERO),
            parts={cause: value for cause, value in (parts or {}).items() if value},
            note=note,
        )


@dataclass(frozen=True)
class ParityTable:
    """All trades by time. `live_usd - replayed_usd` is the sum of `by_cause`; trades whose result nobody
    knows are in none of the sums."""

    rows: list[ParityRow]
    live_usd: Decimal
    replayed_usd: Decimal
    by_cause: dict[Cause, Decimal]

    @property
    def difference_usd(self) -> Decimal:
        return self.live_usd - self.replayed_usd

    @property
    def is_identical(self) -> bool:
        """No trade differs in anything that costs or earns, and none is missing."""
        return all(not any(row.parts.values()) and not row.note for row in self.rows)

    @classmethod
    def of(cls, rows: list[ParityRow]) -> ParityTable:
        """The table of these rows, by time."""
        rows = sorted(rows, key=lambda row: (row.bar_ms, row.symbol))
        known = [row for row in rows if row.difference_usd is not None]
        return cls(
            rows=rows,
            live_usd=sum((row.live_usd or ZERO for row in known), ZERO),
            replayed_usd=sum((row.replayed_usd or ZERO for row in known), ZERO),
            by_cause={cause: sum((row.parts.get(cause, ZERO) for row in known), ZERO) for cause in Cause},
        )
