"""Every limit: its warning, its acting level, what it says when it cannot be judged; and that a warning is
said once."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.orders import Refused
from aster_operator.strategy.equity_marks import EquityMarks
from aster_operator.strategy.intents import AccountStatus, PairPhase, PairStatus
from aster_operator.strategy.limit_rules import RULES, Level
from aster_operator.strategy.risk_limits import (
    LimitReading,
    judge_account,
    judge_notional,
    judge_order_rate,
    judge_pair,
    judge_staleness,
)
from aster_operator.strategy.risk_manager import RiskManager
from aster_operator.strategy.risk_watch import RiskWatch
from trading_values import BTC, NOW_MS, leg_of, limits_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
OK, WARN, ACT, UNKNOWN = Level.OK, Level.WARN, Level.ACT, Level.UNKNOWN


def pair_of(*, long: dict[str, Any] | None = None, short: dict[str, Any] | None = None, **changes: Any):
    """A held pair of $5,000 a leg; `long` and `short` change its legs."""
    values: dict[str, Any] = {
        "pair_ref": "run-1",
        "long": leg_of(LONG, **(long or {})),
        "short": leg_of(SHORT, **(short or {})),
        "phase": PairPhase.HOLDING,
        "held_since_ms": NOW_MS,
        "pnl_usd": Decimal(0),
        "net_delta_usd": Decimal(0),
        "gross_usd": Decimal(10_000),
        "opened_gross_usd": Decimal(10_000),
    }
    return PairStatus(**(values | changes))


def found(readings, setting: str, aspect: str | None = None) -> LimitReading:
    """The worst reading of a limit."""
    order = [OK, UNKNOWN, WARN, ACT]
    of = [
        reading
        for reading in readings
        if reading.rule.setting == setting and aspect in (None, reading.rule.aspect)
    ]
    return max(of, key=lambda reading: order.index(reading.level))


# (setting, aspect, changes of the pair) with the level it must be at. Limits of $10,000 capital: 1 % is $100,
# the drift 0.8 % of $10,000 gross is $80; the mark is 50,000.
LARGE = {"gross_usd": Decimal(100_000)}
PAIR_CASES: list[tuple[str, str, dict[str, Any], Level]] = [
    ("STOP_LOSS_PCT", "loss", {"pnl_usd": Decimal("-79.99"), **LARGE}, OK),
    ("STOP_LOSS_PCT", "loss", {"pnl_usd": Decimal("-80.01"), **LARGE}, WARN),
    ("STOP_LOSS_PCT", "loss", {"pnl_usd": Decimal("-99.99"), **LARGE}, WARN),
    ("STOP_LOSS_PCT", "loss", {"pnl_usd": Decimal("-100"), **LARGE}, ACT),
    ("STOP_LOSS_PCT", "loss", {"pnl_usd": Decimal("500"), **LARGE}, OK),
    ("STOP_LOSS_PCT", "loss", {"long": {"mark": None}}, UNKNOWN),
    ("MAX_PNL_DRIFT_PCT", "net delta", {"net_delta_usd": Decimal(64)}, OK),
    ("MAX_PNL_DRIFT_PCT", "net delta", {"net_delta_usd": Decimal(-65)}, WARN),
    ("MAX_PNL_DRIFT_PCT", "net delta", {"net_delta_usd": Decimal(80)}, WARN),
    ("MAX_PNL_DRIFT_PCT", "net delta", {"net_delta_usd": Decimal("-80.01")}, ACT),
    ("MAX_PNL_DRIFT_PCT", "net delta", {"short": {"mark": None}}, UNKNOWN),
    ("MAX_PNL_DRIFT_PCT", "PnL drift", {"pnl_usd": Decimal(64)}, OK),
    ("MAX_PNL_DRIFT_PCT", "PnL drift", {"pnl_usd": Decimal(65)}, WARN),
    ("MAX_PNL_DRIFT_PCT", "PnL drift", {"pnl_usd": Decimal("80.01")}, ACT),
    # While the last lots are closed the PnL is still a share of what was opened.
    (
        "MAX_PNL_DRIFT_PCT",
        "PnL drift",
        {"phase": PairPhase.CLOSING, "gross_usd": Decimal(50), "pnl_usd": Decimal(-20)},
        OK,
    ),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": Decimal(49_000)}}, OK),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": Decimal(49_100)}}, WARN),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": Decimal(49_250)}}, WARN),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": Decimal(49_251)}}, ACT),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"short": {"liquidation_price": Decimal(50_749)}}, ACT),
    # With cross margin both legs share one price above the mark.
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": Decimal(50_700)}}, ACT),
    (
        "MIN_LIQUIDATION_DISTANCE_PCT",
        "distance",
        {"long": {"liquidation_price": Decimal(50_100), "is_isolated": True}},
        ACT,  # an isolated long that stands past its price
    ),
    ("MIN_LIQUIDATION_DISTANCE_PCT", "distance", {"long": {"liquidation_price": None}}, UNKNOWN),
    ("MAX_ADL_QUANTILE", "queue", {"short": {"adl_quantile": 2}}, OK),
    ("MAX_ADL_QUANTILE", "queue", {"short": {"adl_quantile": 3}}, WARN),
    ("MAX_ADL_QUANTILE", "queue", {"short": {"adl_quantile": 4}}, ACT),
    ("MAX_ADL_QUANTILE", "queue", {"short": {"adl_quantile": None}}, UNKNOWN),
]


@pytest.mark.parametrize(("setting", "aspect", "changes", "level"), PAIR_CASES)
def test_a_pair_limit_warns_and_acts_at_its_levels(
    setting: str, aspect: str, changes: dict[str, Any], level: Level
) -> None:
    pair = pair_of(**changes)
    reading = found(judge_pair(pair, limits_of()), setting, aspect)
    assert reading.level is level
    assert (reading.reason == "") == (level is OK)
    breach = RiskManager(limits_of(), {"BTCUSDT": BTC}).should_close_position(pair)
    assert (breach is not None and breach.rule == setting) == (level is ACT)


def test_a_leg_that_no_price_liquidates_and_a_queue_nobody_asked_for_have_no_reading() -> None:
    names = {reading.rule.setting for reading in judge_pair(pair_of(), limits_of(max_adl_quantile=None))}
    assert names == {"STOP_LOSS_PCT", "MAX_PNL_DRIFT_PCT"}


def test_a_symbol_holds_no_more_than_its_own_limit() -> None:
    limits = limits_of(max_symbol_notional_usd=Decimal(10_000))
    for cost, level in ((5_000, OK), (5_101, WARN), (5_500, WARN), (5_501, ACT)):
        pair = pair_of(long={"cost_usd": Decimal(cost)}, short={"cost_usd": Decimal(cost)})
        assert found(judge_pair(pair, limits), "MAX_SYMBOL_NOTIONAL_USD").level is level


@pytest.mark.parametrize(
    ("isolated", "long_price", "short_price", "riskier"),
    [(True, 47_000, 52_000, SHORT), (True, 48_500, 52_000, LONG), (False, 60_000, 60_000, SHORT)],
)
def test_the_riskier_leg_is_nearer_to_its_liquidation_else_the_losing_one(
    isolated: bool, long_price: int, short_price: int, riskier: PositionSide
) -> None:
    pair = pair_of(
        long={"liquidation_price": Decimal(long_price), "is_isolated": isolated},
        short={
            "liquidation_price": Decimal(short_price),
            "is_isolated": isolated,
            "unrealized_usd": Decimal(-5),
        },
    )
    assert pair.riskier_side is riskier


def account_of(**changes: Any) -> AccountStatus:
    values = {"now_ms": NOW_MS, "equity_usd": Decimal(10_000), "maintenance_margin_usd": Decimal(100)}
    return AccountStatus(**(values | changes))


MARKS = EquityMarks.first(Decimal(10_000), NOW_MS)
ACCOUNT_CASES: list[tuple[str, dict[str, Any], Level]] = [
    ("MAX_DAILY_LOSS_PCT", {"equity_usd": Decimal(9_760)}, OK),
    ("MAX_DAILY_LOSS_PCT", {"equity_usd": Decimal(9_759)}, WARN),
    ("MAX_DAILY_LOSS_PCT", {"equity_usd": Decimal(9_699)}, ACT),
    ("MAX_DRAWDOWN_PCT", {"equity_usd": Decimal(9_600)}, OK),
    ("MAX_DRAWDOWN_PCT", {"equity_usd": Decimal(9_599)}, WARN),
    ("MAX_DRAWDOWN_PCT", {"equity_usd": Decimal(9_499)}, ACT),
    ("MAX_DRAWDOWN_PCT", {"equity_usd": None}, UNKNOWN),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": Decimal(5_600)}, WARN),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": Decimal(5_599)}, OK),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": Decimal(7_000)}, ACT),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": Decimal(1), "equity_usd": Decimal(0)}, ACT),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": Decimal(0), "equity_usd": Decimal(-1)}, OK),
    ("MAX_MARGIN_RATIO_PCT", {"maintenance_margin_usd": None}, UNKNOWN),
]


@pytest.mark.parametrize(("setting", "changes", "level"), ACCOUNT_CASES)
def test_an_account_limit_warns_and_acts_at_its_levels(
    setting: str, changes: dict[str, Any], level: Level
) -> None:
    account = account_of(**changes)
    assert found(judge_account(account, MARKS, limits_of()), setting).level is level
    manager = RiskManager(limits_of(), {"BTCUSDT": BTC}, marks=MARKS)
    if level is ACT:
        assert isinstance(manager.breached_account_limit(account), Refused)
    if level in (ACT, UNKNOWN):
        assert manager.can_open_new_position(account) is not None
    if level is UNKNOWN:
        assert manager.breached_account_limit(account) is None, "what is not known closes nothing"


def test_the_other_limits_warn_and_act_at_their_levels() -> None:
    limits = limits_of(max_orders_per_minute=10)
    assert [judge_order_rate(count, limits).level for count in (7, 8, 9, 10)] == [OK, WARN, WARN, ACT]
    total = [judge_notional("account", Decimal(held), Decimal(1_000)).level for held in (1_020, 1_021, 1_101)]
    assert total == [OK, WARN, ACT]
    ages = [(0, 0, OK), (12_001, 0, WARN), (15_001, 0, ACT), (0, 60_001, ACT), (None, 0, UNKNOWN)]
    for mark_age, quote_age, level in ages:
        readings = list(judge_staleness("BTCUSDT", mark_age, quote_age, limits))
        setting = "MAX_QUOTE_AGE_MS" if quote_age else "MAX_MARK_AGE_MS"
        assert found(readings, setting).level is level


def test_every_rule_is_judged_by_a_case_here() -> None:
    judged = {(setting, aspect) for setting, aspect, _, _ in PAIR_CASES}
    names = {setting for setting, _ in judged} | {setting for setting, _, _ in ACCOUNT_CASES}
    names |= {"MAX_ORDERS_PER_MINUTE", "MAX_TOTAL_NOTIONAL_USD", "MAX_SYMBOL_NOTIONAL_USD"}
    names |= {"MAX_MARK_AGE_MS", "MAX_QUOTE_AGE_MS", "MAX_STALE_HOLD_S"}
    assert names == {rule.setting for rule in RULES}


# --- said once ------------------------------------------------------------------------------------------


def said(watch: RiskWatch, pnl_usd: str, at_ms: int = NOW_MS) -> list[Level]:
    pair = pair_of(pnl_usd=Decimal(pnl_usd))
    readings = [
        reading for reading in judge_pair(pair, limits_of()) if reading.rule.setting == "STOP_LOSS_PCT"
    ]
    return [reading.level for reading in watch.observe(readings, at_ms)]


def test_a_warning_is_said_once_and_again_only_after_it_has_cleared() -> None:
    watch = RiskWatch()
    course = [
        ("-79", []),
        ("-81", [WARN]),
        ("-79", []),  # gone back, but not by a tenth of the level
        ("-81", []),
        ("-71", []),
        ("-81", [WARN]),
        ("-101", [ACT]),
        ("-99", []),
        ("-101", []),
        ("-85", []),
        ("-101", [ACT]),
    ]
    for pnl_usd, expected in course:
        assert said(watch, pnl_usd) == expected, pnl_usd


def test_what_cannot_be_judged_is_said_once_after_a_minute() -> None:
    watch, blind = RiskWatch(), pair_of(long={"mark": None})
    first = [len(watch.observe(judge_pair(blind, limits_of()), NOW_MS + at)) for at in (0, 59_999)]
    assert first == [0, 0]
    assert {reading.level for reading in watch.observe(judge_pair(blind, limits_of()), NOW_MS + 60_000)} == {
        UNKNOWN
    }
    assert watch.observe(judge_pair(blind, limits_of()), NOW_MS + 120_000) == []
    assert watch.observe([], NOW_MS + 180_000) == []
    assert watch.observe(judge_pair(blind, limits_of()), NOW_MS + 240_000) == [], "nor for the next pair"


@pytest.mark.parametrize(
    ("account_ms", "said_after_ms"),
    [
        (None, 120_000),  # never read: it should have been after a minute, and is given one more
        (NOW_MS - 1, 120_000),
        (NOW_MS + 30_000, 60_000),  # read since, and it did not say
    ],
)
def test_what_the_account_tells_is_not_missed_before_it_was_to_be_read(
    account_ms: int | None, said_after_ms: int
) -> None:
    watch = RiskWatch(account_every_ms=60_000)
    fresh = pair_of(long={"liquidation_price": None, "adl_quantile": None})
    times = range(0, 180_000, 10_000)
    heard = {
        at: {reading.rule.setting for reading in found}
        for at in times
        if (found := watch.observe(judge_pair(fresh, limits_of()), NOW_MS + at, account_ms))
    }
    assert heard == {said_after_ms: {"MIN_LIQUIDATION_DISTANCE_PCT", "MAX_ADL_QUANTILE"}}


@given(st.lists(st.integers(-120, 0), min_size=1, max_size=40))
def test_nothing_is_said_twice_without_having_cleared_between(course: list[int]) -> None:
    watch = RiskWatch()
    warned_at: int | None = None
    for number, pnl in enumerate(course):
        if WARN in said(watch, str(pnl)):
            between = course[warned_at:number] if warned_at is not None else [0]
            assert any(value > -72 for value in between)
            warned_at = number


# --- the equities that losses count from ----------------------------------------------------------------


def test_marks_follow_the_equity_the_day_and_money_moved() -> None:
    marks = MARKS.seen(Decimal(10_500), NOW_MS + 1)
    assert (marks.peak_usd, marks.day_first_usd) == (10_500, 10_000)
    assert marks.seen(Decimal(10_400), NOW_MS + 2) is marks
    marks = marks.seen(Decimal(10_400), NOW_MS + DAY_MS)
    assert (marks.peak_usd, marks.day_first_usd) == (10_500, 10_400)
    paid_out = marks.moved(Decimal(-4_000), NOW_MS + DAY_MS + 1)
    assert (paid_out.peak_usd, paid_out.day_first_usd) == (6_500, 6_400)
    assert marks.forgetting_before(NOW_MS) is marks
    assert marks.forgetting_before(NOW_MS + 2) is None
