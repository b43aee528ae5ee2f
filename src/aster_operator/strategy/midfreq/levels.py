"""Where a mid-frequency position ends: no target inside what the trade costs."""

from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO
from aster_operator.strategy.base import ExitPlan
from aster_operator.strategy.midfreq.parameters import SymbolParameters

__all__ = ["ExitLevels", "exit_levels"]


class ExitLevels(msgspec.Struct, frozen=True, kw_only=True):
    """Distances from the entry price in bps. `be_floor_bps` is where the trade has earned its costs."""

    be_floor_bps: Decimal
    activation_bps: Decimal
    take_profit_bps: Decimal
    stop_loss_bps: Decimal
    callback_bps: Decimal

    def plan(self) -> ExitPlan:
        return ExitPlan(
            stop_loss_bps=self.stop_loss_bps,
            take_profit_bps=self.take_profit_bps,
            trailing_activation_bps=self.activation_bps,
            trailing_callback_bps=self.callback_bps,
        )


def exit_levels(
    parameters: SymbolParameters,
    *,
    taker_fee_bps: Decimal,
    opening_loss_bps: Decimal,
    funding_bps: Decimal,
) -> ExitLevels:
    """be_floor = 2 fee + opening loss + |funding| / 8; the trailing stop arms no earlier than that and a
    buffer, the take-profit lies a gap beyond the arming.

    An opening gain (negative loss) lowers no floor: the mark may come to the touch as well as the other way.
    """
    be_floor = 2 * taker_fee_bps + max(opening_loss_bps, ZERO) + abs(funding_bps) / 8
    activation = max(parameters.trailing_activation_bps, be_floor + parameters.trailing_activation_buffer_bps)
    return ExitLevels(
        be_floor_bps=be_floor,
        activation_bps=activation,
        take_profit_bps=max(parameters.take_profit_bps, activation + parameters.min_take_profit_gap_bps),
        stop_loss_bps=parameters.stop_loss_bps,
        callback_bps=parameters.trailing_callback_bps,
    )
