"""A trailing stop run by the operator, where the venue's own would be refused. Pure state.

It follows the mark price, as the stop behind it does: one odd quote in a thin book fires nothing.
"""

from dataclasses import dataclass
from decimal import Decimal

from aster_operator.domain.enums import Side
from aster_operator.domain.money import BPS

__all__ = ["Trail"]


@dataclass(slots=True)
class Trail:
    """Arms at `activation_price`, then fires `callback_bps` off the best mark since. `side` is the entry's.

    `best` is the best mark seen since the entry.
    """

    side: Side
    activation_price: Decimal
    callback_bps: Decimal
    best: Decimal
    armed: bool = False

    def follow(self, mark: Decimal) -> bool:
        """Take a new mark in; True when it fires. Fires on every later mark beyond its price again."""
        sign = self.side.sign
        if (mark - self.best) * sign > 0:
            self.best = mark
        if (mark - self.activation_price) * sign >= 0:
            self.armed = True
        return self.armed and (mark - self.fire_price) * sign <= 0

    @property
    def fire_price(self) -> Decimal:
        """Mark at or beyond which it fires, once armed."""
        return self.best * (1 - self.side.sign * self.callback_bps * BPS)

    def memory(self) -> tuple[bool, Decimal]:
        return self.armed, self.best

    def resume(self, memory: tuple[bool, Decimal]) -> None:
        """Go on from what was remembered; never back from what is known now."""
        armed, best = memory
        self.armed = self.armed or armed
        if (best - self.best) * self.side.sign > 0:
            self.best = best
