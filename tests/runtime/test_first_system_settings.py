"""The seven settings of the first source system: each changes what a session does, as its text says."""

from decimal import Decimal

import pytest

from aster_operator.config.settings import Settings, load_settings
from aster_operator.runtime.core_settings import execution_policy, risk_limits, strategy_parameters
from runtime.sessions import ACCOUNT, Bench, open_bench

SYMBOL = "BTCUSDT"
BASE = {
    "TRADING_PAIRS": SYMBOL,
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "10",
    "POSITION_HOLD_TIME_MIN": "20",
    "DAILY_VOLUME_TARGET": "1000000",
    "STOP_LOSS_PCT": "5",
    "MAX_PNL_DRIFT_PCT": "5",
    "EXECUTION": "taker",
}


def settings_with(**changes: str) -> Settings:
    return load_settings(overrides=BASE | changes)


async def session(minutes: float, **changes: str) -> Bench:
    """A session in process under these settings, played for some minutes of market time."""
    settings = settings_with(**changes)
    parameters = strategy_parameters(settings)
    bench = await open_bench(
        symbols=parameters.symbols,
        hold_minutes=parameters.hold_time_ms // 60_000,
        limits=risk_limits(settings),
        daily_volume_usd=int(parameters.daily_volume_target_usd),
        policy=execution_policy(settings),
    )
    await bench.run_minutes(minutes)
    return bench


async def leg_usd(**changes: str) -> Decimal:
    bench = await session(3, **changes)
    long, short = bench.held(SYMBOL)
    assert long == short > 0
    mark = bench.core.state.market.mark_of(SYMBOL)
    assert mark is not None
    return long * mark


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"CAPITAL_USDT": "5000"}, Decimal("0.5")),
        ({"LEVERAGE": "10"}, Decimal(2)),
        ({"MAX_POSITION_SIZE_PCT": "5"}, Decimal("0.5")),
    ],
)
async def test_a_leg_is_capital_times_share_times_leverage(changes: dict[str, str], times: Decimal) -> None:
    lot_usd = Decimal(110)
    assert abs(await leg_usd(**changes) - Decimal(5_000) * times) < lot_usd
    assert abs(await leg_usd() - Decimal(5_000)) < lot_usd


async def test_leverage_is_set_at_the_venue() -> None:
    for leverage in (5, 10):
        bench = await session(1, LEVERAGE=str(leverage))
        assert {view.leverage for view in bench.exchange.positions(ACCOUNT, SYMBOL)} == {leverage}


@pytest.mark.parametrize("minutes", [15, 35])
async def test_a_pair_is_held_for_its_time(minutes: int) -> None:
    bench = await session(90, POSITION_HOLD_TIME_MIN=str(minutes))
    holds_ms = [pair.hold_ms for pair in bench.core.state.pairs.finished if pair.rotated]
    assert len(holds_ms) in (90 // (minutes + 1), 90 // (minutes * 7 // 6 + 1)), "a wild moment is waited out"
    assert all(
        hold is not None and minutes * 60_000 <= hold < (minutes * 7 // 6 + 2) * 60_000 for hold in holds_ms
    )


@pytest.mark.parametrize("target", [45_000, 90_000])
async def test_rotation_ends_where_the_days_volume_does(target: int) -> None:
    bench = await session(150, DAILY_VOLUME_TARGET=str(target), POSITION_HOLD_TIME_MIN="10")
    traded = bench.core.state.portfolio.volume_on_day(bench.stepper.now_ms)
    # The close of the pair that is held on belongs to the plan.
    held = sum(bench.held(SYMBOL)) * (bench.core.state.market.mark_of(SYMBOL) or 0)
    assert target - 500 < traded + held <= target * Decimal("1.001")
    assert "volume budget" in bench.core.decisions[SYMBOL].reason


@pytest.mark.parametrize(
    ("key", "tight", "wide"),
    # Crossing the spread to open costs about $4 of fees on $10,000: 0.04 % of both.
    [("STOP_LOSS_PCT", "0.03", "5"), ("MAX_PNL_DRIFT_PCT", "0.03", "5")],
)
async def test_a_pair_that_loses_more_than_its_limit_is_closed(key: str, tight: str, wide: str) -> None:
    closed = (await session(5, **{key: tight})).core.state.pairs.finished
    assert closed, "opening alone costs more than the limit"
    assert closed[0].close_reason.startswith(key)
    assert (await session(5, **{key: wide})).core.state.pairs.finished == []
