"""The two equities that losses are measured from: the highest, and the first of the UTC day.

They outlive the session: the books keep them and hand them to the next one, so that a restart forgives no
loss. Money that is moved in or out is neither gain nor loss and moves both marks along.
"""

from decimal import Decimal

import msgspec

from aster_operator.domain.clock import utc_day_start_ms

__all__ = ["EquityMarks"]


class EquityMarks(msgspec.Struct, frozen=True, kw_only=True):
    """`peak_usd` was seen at `peak_ms`, `day_first_usd` is the first of the UTC day that began at `day_ms`;
    both as of `as_of_ms`."""

    peak_usd: Decimal
    peak_ms: int
    day_ms: int
    day_first_usd: Decimal
    as_of_ms: int

    @classmethod
    def first(cls, equity_usd: Decimal, now_ms: int) -> "EquityMarks":
        return cls(
            peak_usd=equity_usd,
            peak_ms=now_ms,
            day_ms=utc_day_start_ms(now_ms),
            day_first_usd=equity_usd,
            as_of_ms=now_ms,
        )

    def seen(self, equity_usd: Decimal, now_ms: int) -> "EquityMarks":
        """The marks after `equity_usd` was seen; itself when that changes none of them."""
        changes: dict[str, Decimal | int] = {}
        if equity_usd > self.peak_usd:
            changes |= {"peak_usd": equity_usd, "peak_ms": now_ms}
        day_ms = utc_day_start_ms(now_ms)
        if day_ms > self.day_ms:
            changes |= {"day_ms": day_ms, "day_first_usd": equity_usd}
        if not changes:
            return self
        return msgspec.structs.replace(self, as_of_ms=now_ms, **changes)

    def moved(self, amount_usd: Decimal, now_ms: int) -> "EquityMarks":
        """The marks after `amount_usd` was paid in (negative: taken out)."""
        return msgspec.structs.replace(
            self,
            peak_usd=self.peak_usd + amount_usd,
            day_first_usd=self.day_first_usd + amount_usd,
            as_of_ms=now_ms,
        )

    def forgetting_before(self, since_ms: int) -> "EquityMarks | None":
        """The marks for an owner who wants the drawdown counted from `since_ms`: None when the peak is
        older, so that the next equity seen begins anew."""
        return None if self.peak_ms < since_ms else self
