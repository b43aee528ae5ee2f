"""How much, how long, within which limits: the delta-neutral strategy, execution and risk."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel

from aster_operator.config.fields import setting
from aster_operator.config.risk_fields import OptionalMoment, SizeHours

__all__ = ["Execution", "ExecutionSettings", "MarginType", "RiskSettings", "StrategySettings"]

Execution = Literal["maker-first", "taker", "auto"]
Objective = Literal["cost-per-dollar", "cost-per-point"]
MarginType = Literal["CROSSED", "ISOLATED"]

_CENT = Decimal("0.01")


class StrategySettings(BaseModel):
    """Hold-and-rotate: capital, size and pace."""

    capital_usdt: Decimal = setting(
        "CAPITAL_USDT", Decimal(100), "Money the operator may work with", unit="USDT", gt=0, le=1_000_000_000
    )
    leverage: int = setting(
        "LEVERAGE", 15, "Leverage set at the venue before the first order", unit="times", ge=1, le=125
    )
    position_hold_time_min: int = setting(
        "POSITION_HOLD_TIME_MIN",
        90,
        "Shortest time a pair is held, counted from its later fill",
        unit="minutes",
        ge=1,
        le=43_200,
    )
    max_position_size_pct: Decimal = setting(
        "MAX_POSITION_SIZE_PCT",
        Decimal("1.5"),
        "Margin of one leg as a share of capital; times leverage gives the leg's notional",
        unit="% of CAPITAL_USDT",
        gt=0,
        le=50,
    )
    daily_volume_target_usd: Decimal = setting(
        "DAILY_VOLUME_TARGET",
        Decimal(15_000),
        "Traded notional a UTC day may carry; rotation stops when it is reached",
        unit="USD",
        ge=0,
        le=10_000_000_000,
    )
    cycle_interval_s: int = setting(
        "CYCLE_INTERVAL_S",
        600,
        "Time between two passes of the strategy loop",
        unit="seconds",
        ge=1,
        le=86_400,
    )
    funding_guard_s: int = setting(
        "FUNDING_GUARD_S", 60, "No rotation this close to a funding stamp", unit="seconds", ge=0, le=3_600
    )
    reopen_cooldown_s: int = setting(
        "REOPEN_COOLDOWN_S",
        600,
        "Wait after a pair that a limit closed or that could not be opened",
        unit="seconds",
        ge=0,
        le=86_400,
    )

    weekly_hold_target_usd_hours: Decimal = setting(
        "WEEKLY_HOLD_TARGET_USD_HOURS",
        Decimal(0),
        "Notional of both legs times hours to hold in a week from Monday, UTC; 0 asks for none",
        unit="USD x hours",
        ge=0,
        le=10_000_000_000_000,
    )
    unreachable_target: Literal["go-on", "stop"] = setting(
        "UNREACHABLE_TARGET",
        "go-on",
        "When a target cannot be reached any more: come as near as possible, or open and rotate nothing",
    )
    objective: Objective = setting(
        "OBJECTIVE",
        "cost-per-dollar",
        "What the plan keeps lowest: cost of each dollar traded, or of a point",
    )
    reward_profile: str = setting(
        "REWARD_PROFILE",
        "none",
        "Reward programme that points are estimated under (aster-operator points profiles lists them)",
        form="the name of a shipped profile, or a path",
    )
    size_by_balance: bool = setting(
        "SIZE_BY_BALANCE", False, "Smaller legs, in proportion, once equity is below CAPITAL_USDT"
    )
    size_volatility_target_bps: Decimal | None = setting(
        "SIZE_VOLATILITY_TARGET_BPS",
        None,
        "Smaller legs, in proportion, while an hour's standard deviation is above this; unset: never",
        unit="bps an hour",
        gt=0,
        le=10_000,
    )
    size_hours_utc: SizeHours = setting(
        "SIZE_HOURS_UTC",
        (),
        "Smaller legs by the time of the day; 0 opens nothing then",
        form="a list like 22:00-02:00=0.5,13:25-13:40=0 in UTC, factors from 0 to 1",
    )


class ExecutionSettings(BaseModel):
    """How orders are worked."""

    execution: Execution = setting(
        "EXECUTION",
        "maker-first",
        "Post-only at the touch first, or cross the spread at once; auto takes what serves OBJECTIVE better",
    )
    margin_type: MarginType = setting("MARGIN_TYPE", "CROSSED", "Margin type set before the first order")
    order_deadline_ms: int = setting(
        "ORDER_DEADLINE_MS",
        60_000,
        "How long a leg is worked as maker before it crosses the spread",
        unit="ms",
        ge=500,
        le=3_600_000,
    )
    reprice_interval_ms: int = setting(
        "REPRICE_INTERVAL_MS",
        2_000,
        "Shortest time between two re-pegs of a resting order",
        unit="ms",
        ge=100,
        le=600_000,
    )
    slippage_cap_bps: Decimal = setting(
        "SLIPPAGE_CAP_BPS",
        Decimal(10),
        "Furthest from the touch that a crossing order may go",
        unit="bps of price",
        gt=0,
        le=500,
    )
    hedge_patience_ms: int = setting(
        "HEDGE_PATIENCE_MS",
        40_000,
        "How long the following leg may rest as maker before it crosses the spread, in a market calm enough "
        "to rest in; 0 crosses at once",
        unit="ms",
        ge=0,
        le=600_000,
    )
    lone_leg_deadline_ms: int = setting(
        "LONE_LEG_DEADLINE_MS",
        60_000,
        "After this an unhedged rest of a pair is flattened",
        unit="ms",
        ge=500,
        le=600_000,
    )


class RiskSettings(BaseModel):
    """Limits. Each is judged before every order and on every account event."""

    stop_loss_pct: Decimal = setting(
        "STOP_LOSS_PCT",
        Decimal(1),
        "Close a pair when it has lost this much",
        unit="% of CAPITAL_USDT",
        gt=0,
        le=100,
    )
    max_pnl_drift_pct: Decimal = setting(
        "MAX_PNL_DRIFT_PCT",
        Decimal("0.8"),
        "Close a pair when its net delta or its PnL drifts further than this",
        unit="% of the pair's notional",
        gt=0,
        le=100,
    )
    max_drawdown_pct: Decimal = setting(
        "MAX_DRAWDOWN_PCT",
        Decimal(5),
        "Close everything and open nothing more when equity falls this far below its peak, restarts included",
        unit="% of peak",
        gt=0,
        le=100,
    )
    max_daily_loss_pct: Decimal = setting(
        "MAX_DAILY_LOSS_PCT",
        Decimal(3),
        "Close everything and open nothing for the rest of the UTC day after this loss",
        unit="% of the day's first equity",
        gt=0,
        le=100,
    )
    funding_rate_threshold: Decimal = setting(
        "FUNDING_RATE_THRESHOLD",
        Decimal("0.05"),
        "No new pair in a symbol whose funding rate is beyond this, either sign",
        unit="fraction of notional per funding interval, 0.05 = 5 %",
        gt=0,
        le=1,
    )
    max_orders_per_minute: int = setting(
        "MAX_ORDERS_PER_MINUTE", 300, "Orders of one session in any minute", unit="orders", ge=1, le=1_200
    )
    max_symbol_notional_usd: Decimal | None = setting(
        "MAX_SYMBOL_NOTIONAL_USD",
        None,
        "Gross notional of one symbol's positions and live orders; unset: the leg size bounds it",
        unit="USD",
        gt=0,
    )
    min_liquidation_distance_pct: Decimal = setting(
        "MIN_LIQUIDATION_DISTANCE_PCT",
        Decimal("1.5"),
        "Close a pair when the mark price comes this near to a leg's liquidation price",
        unit="% of the mark",
        gt=0,
        le=50,
    )
    max_margin_ratio_pct: Decimal = setting(
        "MAX_MARGIN_RATIO_PCT",
        Decimal(70),
        "Close everything when maintenance margin reaches this share of equity; the venue liquidates at 100",
        unit="% of equity",
        gt=0,
        le=99,
    )
    max_adl_quantile: int = setting(
        "MAX_ADL_QUANTILE",
        4,
        "Close a pair whose leg stands this far in the queue for auto-deleveraging; 5 never does",
        unit="place, 4 is first",
        ge=1,
        le=5,
    )
    account_refresh_s: int = setting(
        "ACCOUNT_REFRESH_S",
        60,
        "While something is held, read margins and liquidation prices again after this",
        unit="seconds",
        ge=5,
        le=86_400,
    )
    drawdown_since: OptionalMoment = setting(
        "DRAWDOWN_SINCE",
        None,
        "Count MAX_DRAWDOWN_PCT from the highest equity since then; unset: since the first session",
        form="a UTC date, 2026-01-31, or a time, 2026-01-31T12:00",
    )
    risk_warn_at_pct: Decimal = setting(
        "RISK_WARN_AT_PCT", Decimal(80), "Warn when a limit is used up to this", unit="% of it", gt=0, le=99
    )
    max_total_notional_usd: Decimal | None = setting(
        "MAX_TOTAL_NOTIONAL_USD",
        None,
        "Gross notional of all positions and live orders; unset: capital, size and leverage bound it",
        unit="USD",
        gt=0,
    )
    max_mark_age_ms: int = setting(
        "MAX_MARK_AGE_MS",
        15_000,
        "No new order on a mark price older than this",
        unit="ms",
        ge=1_000,
        le=600_000,
    )
    max_stale_hold_s: int = setting(
        "MAX_STALE_HOLD_S",
        600,
        "Close a held pair when the market stream has told no mark price for this long and the venue answers",
        unit="s",
        ge=30,
        le=86_400,
    )
    max_quote_age_ms: int = setting(
        "MAX_QUOTE_AGE_MS", 60_000, "No new order on a quote older than this", unit="ms", ge=500, le=600_000
    )
