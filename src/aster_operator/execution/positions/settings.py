"""What a person sets about a strategy of single positions, as plain values for the core and its journal."""

from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.orders import TRAILING_CALLBACK_PCT

__all__ = ["PositionDeskSettings", "PositionGuards", "PositionSizing"]


class PositionSizing(msgspec.Struct, frozen=True, kw_only=True):
    """How large an entry is: `order_notional_usd`, or without it balance x risk x leverage."""

    order_notional_usd: Decimal | None = None
    risk_pct: Decimal = Decimal(1)
    leverage: int = 25


class PositionGuards(msgspec.Struct, frozen=True, kw_only=True):
    """When nothing is entered, and when what is held is closed.

    `margin_safety_multiple` is margin balance over maintenance margin; `daily_drawdown_pct` is of the UTC
    day's peak equity. `entry_halt_minute` and `force_exit_minute` count from midnight UTC; None for never.
    `max_open_positions` and `max_consecutive_losses` 0 mean no limit. A leg of the protection that is not
    resting `arm_deadline_ms` after its fill closes the position.
    """

    arm_deadline_ms: int = 500
    arm_attempts: int = 3
    cooldown_ms: int = 10 * MINUTE_MS
    margin_safety_multiple: Decimal = Decimal("1.2")
    daily_drawdown_pct: Decimal = Decimal(5)
    entry_halt_minute: int | None = None
    force_exit_minute: int | None = None
    max_open_positions: int = 0
    max_consecutive_losses: int = 0
    max_bar_age_ms: int = 10_000


class PositionDeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy of single positions.

    `strategy` is its name or where its class is; `parameters` the text of its parameter file, None for the
    defaults. Fee rates are fractions, the account's own. `min_callback_pct` and `max_callback_pct` bound what
    the venue's trailing stop takes. `memory` is what earlier runs left to remember, by its key. With
    `enable_trading` False nothing is sent, what would have been is said. With `exits_with_entry` stop and
    target travel in the entry's own request.
    """

    strategy: str
    symbols: tuple[str, ...]
    parameters: str | None = None
    hedge_mode: bool = False
    enable_trading: bool = True
    exits_with_entry: bool = False
    sizing: PositionSizing = PositionSizing()
    guards: PositionGuards = PositionGuards()
    taker_fee_rates: dict[str, Decimal] = {}
    default_taker_fee_rate: Decimal = Decimal("0.0004")
    min_callback_pct: Decimal = TRAILING_CALLBACK_PCT[0]
    max_callback_pct: Decimal = TRAILING_CALLBACK_PCT[1]
    memory: dict[str, str] = {}

    def taker_fee_rate(self, symbol: str) -> Decimal:
        return self.taker_fee_rates.get(symbol, self.default_taker_fee_rate)
