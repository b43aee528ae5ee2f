"""What a person sets about risk and the delta-neutral strategy, as plain values for the core.

The session builds these from the settings file; they are written into the journal's header, so that a
replay decides with the same numbers. Percent values are percent (1.5 = 1.5 %).
"""

from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import MarginType
from aster_operator.domain.pairing import Pairing
from aster_operator.strategy.expected_cost import CostAssumptions

__all__ = ["DeltaNeutralParameters", "HedgeParameters", "HoursFactor", "RiskLimits", "SizeScaling"]


class HoursFactor(msgspec.Struct, frozen=True):
    """A leg's share of its full size during these minutes of the UTC day, the end left out; a start after the
    end spans midnight."""

    start_minute: int
    end_minute: int
    factor: Decimal


class SizeScaling(msgspec.Struct, frozen=True, kw_only=True):
    """Options that make legs smaller than capital x share x leverage, never larger; all off by default.

    `by_balance`: in proportion once equity is below capital. `volatility_target_bps_hour`: in proportion
    once an hour's standard deviation of returns is above it. `hours`: by the time of the day.
    """

    by_balance: bool = False
    volatility_target_bps_hour: Decimal | None = None
    hours: tuple[HoursFactor, ...] = ()


class RiskLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the risk gate.

    `capital_usd` is what the operator may work with, whatever else lies on the account. A pair is closed
    when its loss exceeds `stop_loss_pct` of capital, or when its delta or PnL drifts by more than
    `max_pnl_drift_pct` of the pair's gross notional. `max_drawdown_pct` is of the peak equity,
    `max_daily_loss_pct` of the UTC day's first equity, `max_margin_ratio_pct` maintenance margin in percent
    of equity: beyond any of the three everything is closed. Every limit warns at `warn_at_pct` of it.
    (`risk_limits.py` says what each measures.)
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
    max_symbol_notional_usd: Decimal | None = None
    min_liquidation_distance_pct: Decimal = Decimal("1.5")
    max_margin_ratio_pct: Decimal = Decimal(70)
    max_adl_quantile: int | None = 4
    warn_at_pct: Decimal = Decimal(80)
    scaling: SizeScaling = SizeScaling()
    max_mark_age_ms: int = 15_000
    max_quote_age_ms: int = 60_000
    max_stale_hold_ms: int = 600_000

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


class HedgeParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How two perpetuals are weighed against each other. Betas in percent for one percent of the second."""

    window_minutes: int = 480
    least_minutes: int = 60
    """Minutes of returns that an estimate needs before a pair is opened with it."""
    lowest: Decimal = Decimal("0.33")
    highest: Decimal = Decimal(3)
    least_correlation: Decimal = Decimal("0.5")


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
    weekly_hold_target_usd_hours: Decimal = Decimal(0)
    """Notional of both legs times hours to hold in a UTC week; 0 asks for none."""
    stops_when_unreachable: bool = False
    """Whether a target that cannot be reached any more ends opening and rotating, or is come near to."""
    costs: CostAssumptions = CostAssumptions()
    working_ms: int = 3 * MINUTE_MS
    """Time that opening and closing a pair is expected to take, for the day's plan."""
    dear_spread_multiple: Decimal = Decimal("1.5")
    """A rotation with time in hand waits while the spread is above this many times its usual width,"""
    dear_half_spread_bps: Decimal = Decimal("0.5")
    """and half of it wider than usual by at least this,"""
    dear_patience_share: Decimal = 1 / Decimal(6)
    """but no longer than this share of the hold beyond it."""
    dear_volatility_multiple: Decimal = Decimal(1)
    """So does one that is to rest while the market moves more than this many times as much as it usually
    does: what a fill costs grows with it (`resting_rule.py`)."""
    pairings: tuple[Pairing, ...] = ()
    """What is held against what; none: a LONG and a SHORT of each symbol."""
    hedge: HedgeParameters = HedgeParameters()

    @property
    def dear_patience_ms(self) -> int:
        """How long a rotation may wait for a cheaper moment."""
        return int(self.hold_time_ms * self.dear_patience_share)

    @property
    def pairs(self) -> tuple[Pairing, ...]:
        return self.pairings or tuple(Pairing.same(symbol) for symbol in self.symbols)
