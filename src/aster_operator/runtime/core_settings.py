"""From a person's settings to the core's: the only place that translates between the two."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from aster_operator.config.settings import Settings
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import MarginType
from aster_operator.domain.instruments import Instrument
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.strategy.parameters import DeltaNeutralParameters, RiskLimits

__all__ = ["core_settings", "execution_policy", "risk_limits", "strategy_parameters"]


def risk_limits(settings: Settings) -> RiskLimits:
    return RiskLimits(
        capital_usd=settings.capital_usdt,
        leverage=settings.leverage,
        max_position_size_pct=settings.max_position_size_pct,
        margin_type=MarginType(settings.margin_type),
        stop_loss_pct=settings.stop_loss_pct,
        max_pnl_drift_pct=settings.max_pnl_drift_pct,
        max_drawdown_pct=settings.max_drawdown_pct,
        max_daily_loss_pct=settings.max_daily_loss_pct,
        max_orders_per_minute=settings.max_orders_per_minute,
        max_total_notional_usd=settings.max_total_notional_usd,
        max_mark_age_ms=settings.max_mark_age_ms,
        max_quote_age_ms=settings.max_quote_age_ms,
    )


def strategy_parameters(settings: Settings) -> DeltaNeutralParameters:
    return DeltaNeutralParameters(
        symbols=tuple(settings.trading_pairs),
        hold_time_ms=settings.position_hold_time_min * MINUTE_MS,
        daily_volume_target_usd=settings.daily_volume_target_usd,
        cycle_interval_ms=settings.cycle_interval_s * 1000,
        funding_guard_ms=settings.funding_guard_s * 1000,
        funding_rate_threshold=settings.funding_rate_threshold,
        reopen_cooldown_ms=settings.reopen_cooldown_s * 1000,
    )


def execution_policy(settings: Settings) -> ExecutionPolicy:
    return ExecutionPolicy(
        style=ExecutionStyle(settings.execution),
        repeg_ms=settings.reprice_interval_ms,
        lead_deadline_ms=settings.order_deadline_ms,
        hedge_patience_ms=settings.hedge_patience_ms,
        imbalance_deadline_ms=settings.lone_leg_deadline_ms,
        slippage_cap_bps=settings.slippage_cap_bps,
    )


def core_settings(
    settings: Settings,
    *,
    run_id: str,
    account: str,
    instruments: Mapping[str, Instrument],
    remembered: Sequence[RememberedPair] = (),
    volume_by_day: Mapping[int, Decimal] | None = None,
) -> CoreSettings:
    """Everything the core needs. `run_id` must be new: client order ids derive from it."""
    return CoreSettings(
        run_id=run_id,
        account=account,
        margin_asset=next(iter(instruments.values())).margin_asset,
        limits=risk_limits(settings),
        delta_neutral=strategy_parameters(settings),
        policy=execution_policy(settings),
        instruments=dict(instruments),
        remembered=tuple(remembered),
        volume_by_day=dict(volume_by_day or {}),
    )
