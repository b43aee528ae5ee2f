"""From a person's settings to the core's: the only place that translates between the two."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import MarginType
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import Pairing, PairKind
from aster_operator.execution.account_memory import AccountMemory
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.rewards.errors import ProfileError
from aster_operator.rewards.objective import ExecutionMix, Objective, TradingPlan, rank
from aster_operator.rewards.profile import PointsProfile, load_profile
from aster_operator.rewards.records import Context
from aster_operator.rewards.weights import Scenario, Weights
from aster_operator.strategy.expected_cost import CostAssumptions
from aster_operator.strategy.parameters import (
    DeltaNeutralParameters,
    HedgeParameters,
    HoursFactor,
    RiskLimits,
    SizeScaling,
)

__all__ = [
    "core_settings",
    "cost_assumptions",
    "execution_policy",
    "execution_style",
    "pairings_of",
    "risk_limits",
    "strategy_parameters",
    "traded_symbols",
]

_LAST_QUANTILE = 4


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
        max_symbol_notional_usd=settings.max_symbol_notional_usd,
        min_liquidation_distance_pct=settings.min_liquidation_distance_pct,
        max_margin_ratio_pct=settings.max_margin_ratio_pct,
        max_adl_quantile=None if settings.max_adl_quantile > _LAST_QUANTILE else settings.max_adl_quantile,
        warn_at_pct=settings.risk_warn_at_pct,
        scaling=SizeScaling(
            by_balance=settings.size_by_balance,
            volatility_target_bps_hour=settings.size_volatility_target_bps,
            hours=tuple(HoursFactor(*window) for window in settings.size_hours_utc),
        ),
        max_mark_age_ms=settings.max_mark_age_ms,
        max_quote_age_ms=settings.max_quote_age_ms,
        max_stale_hold_ms=settings.max_stale_hold_s * 1_000,
    )


def pairings_of(settings: Settings) -> tuple[Pairing, ...]:
    """What is held against what, one pairing for each pair that can be held at once."""
    match PairKind(settings.pair_kind):
        case PairKind.SAME:
            return tuple(Pairing.same(symbol) for symbol in settings.symbols)
        case PairKind.CROSS:
            return tuple(Pairing.cross(first, second) for first, second in settings.cross_pairs)
        case PairKind.CARRY:
            return tuple(Pairing.carry(symbol) for symbol in settings.symbols)


def traded_symbols(settings: Settings) -> tuple[str, ...]:
    """Every symbol of the pairings, each once, spot markets among them."""
    return tuple(dict.fromkeys(symbol for pairing in pairings_of(settings) for symbol in pairing.symbols))


def strategy_parameters(
    settings: Settings, fees: Mapping[str, FeeRates] | None = None
) -> DeltaNeutralParameters:
    """`fees` are the account's own rates by symbol, as far as the venue told. Raises UserProblem for a
    reward profile that cannot be read."""
    costs = cost_assumptions(settings, fees or {})
    resting = execution_style(settings, costs) is ExecutionStyle.MAKER_FIRST
    return DeltaNeutralParameters(
        costs=costs if resting else msgspec.structs.replace(costs, maker_share=ZERO),
        weekly_hold_target_usd_hours=settings.weekly_hold_target_usd_hours,
        stops_when_unreachable=settings.unreachable_target == "stop",
        symbols=traded_symbols(settings),
        pairings=pairings_of(settings),
        hedge=HedgeParameters(
            window_minutes=settings.hedge_ratio_window_min,
            lowest=settings.hedge_ratio_min,
            highest=settings.hedge_ratio_max,
            least_correlation=settings.hedge_min_correlation,
        ),
        hold_time_ms=settings.position_hold_time_min * MINUTE_MS,
        daily_volume_target_usd=settings.daily_volume_target_usd,
        cycle_interval_ms=settings.cycle_interval_s * 1000,
        funding_guard_ms=settings.funding_guard_s * 1000,
        funding_rate_threshold=settings.funding_rate_threshold,
        reopen_cooldown_ms=settings.reopen_cooldown_s * 1000,
    )


def cost_assumptions(settings: Settings, fees: Mapping[str, FeeRates]) -> CostAssumptions:
    """What costs are forecast from: the account's rates and the weights of the reward profile. Raises
    UserProblem for a profile that cannot be read."""
    try:
        profile = load_profile(settings.reward_profile)
    except ProfileError as error:
        raise UserProblem(str(error), "REWARD_PROFILE", "see: aster-operator points profiles") from error
    weights = profile.weights.at(Scenario.BASE) if isinstance(profile, PointsProfile) else Weights()
    return CostAssumptions(objective=Objective(settings.objective), weights=weights, fees=dict(fees))


def execution_style(settings: Settings, costs: CostAssumptions) -> ExecutionStyle:
    """The style that is set; `auto` is the one that serves the objective better at the account's rates."""
    if settings.execution != "auto":
        return ExecutionStyle(settings.execution)
    known = [costs.fees[symbol] for symbol in settings.symbols if symbol in costs.fees]
    maker = max((rates.maker for rates in known), default=ZERO)
    taker = max((rates.taker for rates in known), default=costs.fallback_taker_fee)
    mixes = [
        ExecutionMix(
            name=style,
            maker_share=share,
            maker_fee=maker,
            taker_fee=taker,
            half_spread_bps=ZERO,
            adverse_selection_bps=costs.adverse_selection_bps,
        )
        for style, share in ((ExecutionStyle.MAKER_FIRST, costs.maker_share), (ExecutionStyle.TAKER, ZERO))
    ]
    hours = Decimal(settings.position_hold_time_min) / 60
    plan = TradingPlan(volume_usd=Decimal(4), position_usd_hours=2 * hours, hedged_share=Decimal(1))
    return ExecutionStyle(rank(costs.objective, mixes, plan, costs.weights, Context()).best.mix.name)


def execution_policy(settings: Settings, fees: Mapping[str, FeeRates] | None = None) -> ExecutionPolicy:
    return ExecutionPolicy(
        style=execution_style(settings, cost_assumptions(settings, fees or {})),
        repeg_ms=settings.reprice_interval_ms,
        lead_deadline_ms=settings.order_deadline_ms,
        hedge_patience_ms=settings.hedge_patience_ms,
        imbalance_deadline_ms=settings.lone_leg_deadline_ms,
        slippage_cap_bps=settings.slippage_cap_bps,
        account_refresh_ms=settings.account_refresh_s * 1000,
    )


def core_settings(
    settings: Settings,
    *,
    run_id: str,
    account: str,
    instruments: Mapping[str, Instrument],
    remembered: Sequence[RememberedPair] = (),
    volume_by_day: Mapping[int, Decimal] | None = None,
    fees: Mapping[str, FeeRates] | None = None,
    notional_caps: Mapping[str, Decimal] | None = None,
    account_memory: AccountMemory | None = None,
) -> CoreSettings:
    """Everything the core needs. `run_id` must be new: client order ids derive from it.

    `fees` are the account's rates, `notional_caps` the largest positions (USD) of the symbols' brackets;
    `account_memory` is what earlier sessions knew about the account. Raises UserProblem for a reward profile
    that cannot be read.
    """
    memory = account_memory or AccountMemory()
    marks = memory.marks
    if marks is not None and settings.drawdown_since is not None:
        marks = marks.forgetting_before(settings.drawdown_since)
    return CoreSettings(
        run_id=run_id,
        account=account,
        margin_asset=next(iter(instruments.values())).margin_asset,
        limits=risk_limits(settings),
        delta_neutral=strategy_parameters(settings, fees),
        policy=execution_policy(settings, fees),
        account_memory=msgspec.structs.replace(memory, marks=marks),
        notional_caps=dict(notional_caps or {}),
        instruments=dict(instruments),
        remembered=tuple(remembered),
        volume_by_day=dict(volume_by_day or {}),
    )
