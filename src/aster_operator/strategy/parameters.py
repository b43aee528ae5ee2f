"""What a person sets about risk and the delta-neutral strategy, as plain values for the core.

The session builds these from the settings file; they are written into the journal's header, so that a
replay decides with the same numbers. Percent values are percent (1.5 = 1.5 %).
"""

from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import MarginType

__all__ = ["DeltaNeutralParameters", "RiskLimits"]


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the risk gate.

    `capital_usd` is what the operator may work with, whatever else lies on the account. A pair is closed
    when its loss exceeds `stop_loss_pct` of capital, or when its delta or PnL drifts by more than
    `max_pnl_drift_pct` of the pair's gross notional. `max_drawdown_pct` is of the peak equity,
    `max_daily_loss_pct` of the UTC day's first equity; both stop new pairs.
    """

    capital_usd: Decimal
    leverage: int
    max_position_size_pct: Decimal
    margin_type: MarginType = MarginType.CROSSED
    stop_loss_pct: Decimal = Decimal(1)
    max_pnl_drift_pct: Decimal = Decimal("0.8")
    max_drawdown_pct: Decimal = Decimal(5)
    max_daily_loss_pct: Decimal = Decimal(3)
    max_orders_per_minute: int = 300
    max_total_notional_usd: Decimal | None = None
    max_mark_age_ms: int = 15_000
    max_quote_age_ms: int = 60_000

    @property
    def leg_notional_usd(self) -> Decimal:
        """Largest notional of one leg: capital x position share x leverage."""
        return self.capital_usd * self.max_position_size_pct / 100 * self.leverage

    @property
    def total_notional_limit_usd(self) -> Decimal:
        """Largest gross notional of everything held and pending: the set limit, never above leverage."""
        by_leverage = self.capital_usd * self.leverage
        own = self.max_total_notional_usd
        return by_leverage if own is None else min(own, by_leverage)


class DeltaNeutralParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Hold-and-rotate: which symbols, how long, how much volume a UTC day may carry."""

    symbols: tuple[str, ...]
    hold_time_ms: int = 90 * MINUTE_MS
    daily_volume_target_usd: Decimal = Decimal(15_000)
    cycle_interval_ms: int = 10 * MINUTE_MS
    funding_guard_ms: int = MINUTE_MS
    funding_rate_threshold: Decimal = Decimal("0.05")
    """Fraction per funding interval, either sign, beyond which no new pair is opened."""
    reopen_cooldown_ms: int = 10 * MINUTE_MS
    """Wait after a pair that was closed by a risk rule or could not be opened."""
