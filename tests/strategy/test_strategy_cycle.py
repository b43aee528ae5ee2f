"""`run_cycle` as a table: one view in, one decision per symbol out, with its reason in words."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fees import FeeRates
from aster_operator.rewards.objective import Objective
from aster_operator.rewards.weights import Weights
from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy
from aster_operator.strategy.expected_cost import CostAssumptions
from aster_operator.strategy.intents import (
    ClosePair,
    CycleDecision,
    CycleView,
    OpenPair,
    PairPhase,
    PairStatus,
    SymbolMarket,
)
from aster_operator.strategy.parameters import DeltaNeutralParameters
from aster_operator.strategy.risk_manager import RiskManager
from trading_values import BTC, ETH, NOW_MS, leg_of, limits_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
LATE_MS = NOW_MS + 23 * HOUR_MS + 40 * MINUTE_MS
"""So late that the day's plan has no time in hand."""
LEG_USD = Decimal(5_000)


def strategy_of(
    symbols: tuple[str, ...] = ("BTCUSDT",),
    *,
    daily_usd: int = 1_000_000,
    limits: dict[str, Any] | None = None,
    **parameters: Any,
) -> DeltaNeutralStrategy:
    instruments = {"BTCUSDT": BTC, "ETHUSDT": ETH}
    return DeltaNeutralStrategy(
        DeltaNeutralParameters(symbols=symbols, daily_volume_target_usd=Decimal(daily_usd), **parameters),
        RiskManager(limits_of(**(limits or {})), instruments),
    )


def market_of(symbol: str = "BTCUSDT", **changes: Any) -> SymbolMarket:
    mark = Decimal(50_000) if symbol == "BTCUSDT" else Decimal(2_000)
    values: dict[str, Any] = {
        "symbol": symbol,
        "bid": mark - 1,
        "ask": mark + 1,
        "bid_quantity": Decimal(1),
        "ask_quantity": Decimal(2),
        "mark": mark,
        "funding_rate": Decimal("0.0001"),
        "next_funding_ms": NOW_MS + 4 * HOUR_MS,
        "stale": None,
    }
    return SymbolMarket(**(values | changes))


def pair_of(
    symbol: str = "BTCUSDT",
    *,
    long_unrealized_usd: Decimal = Decimal(0),
    short_unrealized_usd: Decimal = Decimal(0),
    **changes: Any,
) -> PairStatus:
    """A balanced pair of $5,000 a leg, held for two hours."""
    quantity = Decimal("0.1") if symbol == "BTCUSDT" else Decimal("2.5")
    mark = LEG_USD / quantity
    values: dict[str, Any] = {
        "pair_ref": f"run-{symbol}",
        "long": leg_of(LONG, symbol, quantity=quantity, mark=mark, unrealized_usd=long_unrealized_usd),
        "short": leg_of(SHORT, symbol, quantity=quantity, mark=mark, unrealized_usd=short_unrealized_usd),
        "phase": PairPhase.HOLDING,
        "held_since_ms": NOW_MS - 2 * HOUR_MS,
        "pnl_usd": Decimal(0),
        "net_delta_usd": Decimal(0),
        "gross_usd": 2 * LEG_USD,
    }
    return PairStatus(**(values | changes))


def view_of(*pairs: PairStatus, markets: dict[str, SymbolMarket] | None = None, **changes: Any) -> CycleView:
    values: dict[str, Any] = {
        "now_ms": NOW_MS,
        "markets": {"BTCUSDT": market_of(), "ETHUSDT": market_of("ETHUSDT")} | (markets or {}),
        "pairs": pairs,
        "volume_today_usd": Decimal(0),
        "reopen_after_ms": {},
        "entries_blocked": None,
        "committed_volume_usd": sum((pair.gross_usd for pair in pairs), Decimal(0)),
        "committed_gross_usd": sum((pair.gross_usd for pair in pairs), Decimal(0)),
    }
    return CycleView(**(values | changes))


def only(decisions: tuple[CycleDecision, ...]) -> CycleDecision:
    (decision,) = decisions
    return decision


# --- opening --------------------------------------------------------------------------------------------


def test_without_a_pair_one_is_opened_at_the_risk_managers_size() -> None:
    decision = only(strategy_of().run_cycle(view_of()))
    assert decision.action == "open"
    assert decision.intent == OpenPair(
        long_symbol="BTCUSDT",
        short_symbol="BTCUSDT",
        quantity=Decimal("0.1"),
        lead=SHORT,
        reason=decision.reason,
    )
    assert "0.1 each side" in decision.reason


@pytest.mark.parametrize(("bid", "ask", "lead"), [("3", "2", LONG), ("2", "2", LONG), ("1", "2", SHORT)])
def test_the_leg_with_the_longer_queue_opens_first(bid: str, ask: str, lead: PositionSide) -> None:
    market = market_of(bid_quantity=Decimal(bid), ask_quantity=Decimal(ask))
    decision = only(strategy_of().run_cycle(view_of(markets={"BTCUSDT": market})))
    assert isinstance(decision.intent, OpenPair)
    assert decision.intent.lead is lead


WAITS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "entries are blocked": ({}, {"entries_blocked": "user feed is down: closed"}, "user feed is down"),
    "stale market": ({"stale": "mark price is 16.0 s old"}, {}, "market data: mark price is 16.0 s old"),
    "no mark": ({"mark": None}, {}, "no mark price yet"),
    "cooling down": ({}, {"reopen_after_ms": {"BTCUSDT": NOW_MS + 90_000}}, "cooling down for 1.5 min"),
    "a funding stamp is near": (
        {"next_funding_ms": NOW_MS + MINUTE_MS},
        {},
        "within 60 s of a funding stamp",
    ),
    "a funding stamp is now": ({"next_funding_ms": NOW_MS}, {}, "within 60 s of a funding stamp"),
    "a funding stamp has passed, not yet announced anew": (
        {"next_funding_ms": NOW_MS - MINUTE_MS},
        {},
        "within 60 s of a funding stamp",
    ),
    "a funding stamp has just passed": (
        {"next_funding_ms": NOW_MS + 8 * HOUR_MS - 60_000, "last_funding_ms": NOW_MS - 60_000},
        {},
        "within 60 s of a funding stamp",
    ),
    "funding is dear": ({"funding_rate": Decimal("0.0501")}, {}, "beyond the threshold 0.05"),
    "funding is dear the other way": ({"funding_rate": Decimal("-0.0501")}, {}, "beyond the threshold"),
    "the budget is used up": ({}, {"volume_today_usd": Decimal(1_000_000)}, "volume budget"),
    "the budget carries no smallest pair": ({}, {"volume_today_usd": Decimal(999_801)}, "volume budget"),
    "the total limit is used up": ({}, {"committed_gross_usd": Decimal(50_000)}, "MAX_TOTAL_NOTIONAL_USD"),
    "the price has risen beyond the leg": ({"mark": Decimal(6_000_000)}, {}, "smallest CAPITAL_USDT"),
}


@pytest.mark.parametrize("case", WAITS)
def test_no_pair_is_opened_when(case: str) -> None:
    of_market, of_view, words = WAITS[case]
    view = view_of(markets={"BTCUSDT": market_of(**of_market)}, **of_view)
    decision = only(strategy_of().run_cycle(view))
    assert (decision.action, decision.intent) == ("wait", None)
    assert words in decision.reason


OPENS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the cooldown has just ended": ({}, {"reopen_after_ms": {"BTCUSDT": NOW_MS}}),
    "another symbol cools down": ({}, {"reopen_after_ms": {"ETHUSDT": NOW_MS + 90_000}}),
    "the stamp is far enough ahead": ({"next_funding_ms": NOW_MS + MINUTE_MS + 1}, {}),
    "the stamp is far enough behind": ({"last_funding_ms": NOW_MS - MINUTE_MS - 1}, {}),
    "no stamp is known": ({"next_funding_ms": None}, {}),
    "funding is at the threshold": ({"funding_rate": Decimal("-0.05")}, {}),
    "funding is unknown": ({"funding_rate": None}, {}),
    "the budget just reaches": ({}, {"volume_today_usd": Decimal(980_000)}),
}


@pytest.mark.parametrize("case", OPENS)
def test_a_pair_is_opened_when(case: str) -> None:
    of_market, of_view = OPENS[case]
    view = view_of(markets={"BTCUSDT": market_of(**of_market)}, **of_view)
    assert only(strategy_of().run_cycle(view)).action == "open"


def test_a_pair_is_cut_to_the_room_that_is_left() -> None:
    decision = only(strategy_of().run_cycle(view_of(committed_gross_usd=Decimal(44_950))))
    assert isinstance(decision.intent, OpenPair)
    assert decision.intent.quantity == Decimal("0.05")


# --- holding and rotating -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held_ms", "action"),
    [
        (90 * MINUTE_MS - 1, "hold"),
        (90 * MINUTE_MS, "rotate"),
        (DAY_MS, "rotate"),
        (None, "hold"),
    ],
)
def test_a_pair_is_held_at_least_its_time(held_ms: int | None, action: str) -> None:
    pair = pair_of(held_since_ms=None if held_ms is None else NOW_MS - held_ms)
    decision = only(strategy_of().run_cycle(view_of(pair)))
    assert decision.action == action
    if action == "rotate":
        assert decision.intent == ClosePair(
            pair_ref="run-BTCUSDT", lead=LONG, urgent=False, reason=decision.reason
        )


@pytest.mark.parametrize(("bid", "ask", "lead"), [("3", "2", SHORT), ("1", "2", LONG)])
def test_the_leg_with_the_longer_queue_closes_first(bid: str, ask: str, lead: PositionSide) -> None:
    market = market_of(bid_quantity=Decimal(bid), ask_quantity=Decimal(ask))
    decision = only(strategy_of().run_cycle(view_of(pair_of(), markets={"BTCUSDT": market})))
    assert isinstance(decision.intent, ClosePair)
    assert decision.intent.lead is lead


HOLDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "entries are blocked": ({}, {"entries_blocked": "MAX_DRAWDOWN_PCT: lost"}, "MAX_DRAWDOWN_PCT"),
    "the market is stale": ({"stale": "no quote yet"}, {}, "no quote yet"),
    "a funding stamp is near": ({"next_funding_ms": NOW_MS + 59_000}, {}, "funding stamp"),
    "a funding stamp has just passed": ({"last_funding_ms": NOW_MS - 59_000}, {}, "funding stamp"),
    "the budget carries no half of it": ({}, {"volume_today_usd": Decimal("980000.01")}, "volume budget"),
}


@pytest.mark.parametrize("case", HOLDS)
def test_a_pair_past_its_time_is_held_when(case: str) -> None:
    of_market, of_view, words = HOLDS[case]
    view = view_of(pair_of(), markets={"BTCUSDT": market_of(**of_market)}, **of_view)
    decision = only(strategy_of().run_cycle(view))
    assert (decision.action, decision.intent) == ("hold", None)
    assert decision.reason.startswith("hold time reached; ")
    assert words in decision.reason


def test_a_rotation_needs_budget_for_this_close_and_the_next_pair() -> None:
    # $10,000 to close what is held, $20,000 to open and close the next; half a pair is worth it too.
    for used, action in ((970_000, "rotate"), (980_000, "rotate"), (980_001, "hold")):
        view = view_of(pair_of(), volume_today_usd=Decimal(used), now_ms=LATE_MS)
        assert only(strategy_of().run_cycle(view)).action == action


@pytest.mark.parametrize(
    ("phase", "changes"),
    [
        (PairPhase.OPENING, {"net_delta_usd": Decimal(5_000)}),
        (PairPhase.CLOSING, {"net_delta_usd": Decimal(5_000)}),
        (PairPhase.CLOSING, {"pnl_usd": Decimal(-5_000), "urgent": True}),
    ],
)
def test_a_pair_being_worked_is_left_to_work(phase: PairPhase, changes: dict[str, Any]) -> None:
    pair = pair_of(phase=phase, **changes)
    decision = only(strategy_of().run_cycle(view_of(pair)))
    assert (decision.action, decision.intent) == ("work", None)
    assert str(phase) in decision.reason
    assert strategy_of().check_risk(view_of(pair)) == ()


# --- risk -----------------------------------------------------------------------------------------------

RISKY: dict[str, tuple[dict[str, Any], PositionSide, str]] = {
    "stop loss, long loses": (
        {"pnl_usd": Decimal(-100), "long_unrealized_usd": Decimal(-90), "short_unrealized_usd": Decimal(0)},
        LONG,
        "STOP_LOSS_PCT",
    ),
    "stop loss, short loses": (
        {"pnl_usd": Decimal(-100), "long_unrealized_usd": Decimal(0), "short_unrealized_usd": Decimal(-90)},
        SHORT,
        "STOP_LOSS_PCT",
    ),
    "delta drift": ({"net_delta_usd": Decimal(81)}, LONG, "MAX_PNL_DRIFT_PCT: net delta"),
    "pnl drift": ({"pnl_usd": Decimal("-80.01")}, LONG, "MAX_PNL_DRIFT_PCT: pair PnL"),
}


@pytest.mark.parametrize("case", RISKY)
@pytest.mark.parametrize("held_ms", [0, 2 * HOUR_MS])
def test_a_risky_pair_is_closed_at_once_the_riskier_leg_first(case: str, held_ms: int) -> None:
    changes, lead, words = RISKY[case]
    pair = pair_of(held_since_ms=NOW_MS - held_ms, **changes)
    # A breach closes whatever else stands in the way.
    view = view_of(
        pair,
        markets={"BTCUSDT": market_of(stale="no quote yet", next_funding_ms=NOW_MS)},
        entries_blocked="paused",
        volume_today_usd=Decimal(10**9),
    )
    decision = only(strategy_of().run_cycle(view))
    assert decision.action == "close"
    assert isinstance(decision.intent, ClosePair)
    assert (decision.intent.urgent, decision.intent.lead) == (True, lead)
    assert decision.intent.pair_ref == "run-BTCUSDT"
    assert decision.reason.startswith(words)
    assert strategy_of().check_risk(view) == (decision,)


def test_a_sound_pair_is_no_news_between_cycles() -> None:
    assert strategy_of().check_risk(view_of(pair_of())) == ()


# --- several symbols ------------------------------------------------------------------------------------

BOTH = ("BTCUSDT", "ETHUSDT")


def actions(decisions: tuple[CycleDecision, ...]) -> list[str]:
    return [decision.action for decision in decisions]


@pytest.mark.parametrize(
    ("daily_usd", "expected"),
    [
        (40_000, ["open", "open"]),
        (30_000, ["open", "open"]),  # the second at half its size
        (20_020, ["open", "wait"]),
        (20, ["wait", "wait"]),
    ],
)
def test_symbols_share_the_budget_when_opening(daily_usd: int, expected: list[str]) -> None:
    view = view_of(now_ms=LATE_MS)
    assert actions(strategy_of(BOTH, daily_usd=daily_usd).run_cycle(view)) == expected


@pytest.mark.parametrize(
    ("daily_usd", "expected"),
    # $20,000 to close both pairs, and $20,000 more for every pair that is opened and closed anew.
    [(60_000, ["rotate", "rotate"]), (49_999, ["rotate", "hold"]), (29_999, ["hold", "hold"])],
)
def test_symbols_share_the_budget_when_rotating(daily_usd: int, expected: list[str]) -> None:
    view = view_of(pair_of(), pair_of("ETHUSDT"), now_ms=LATE_MS)
    assert actions(strategy_of(BOTH, daily_usd=daily_usd).run_cycle(view)) == expected


def test_a_risky_close_takes_no_budget_from_the_others() -> None:
    view = view_of(pair_of(pnl_usd=Decimal(-200)), pair_of("ETHUSDT"), now_ms=LATE_MS)
    assert actions(strategy_of(BOTH, daily_usd=45_000).run_cycle(view)) == ["close", "rotate"]


def test_symbols_share_the_total_limit() -> None:
    strategy = strategy_of(BOTH, limits={"max_total_notional_usd": Decimal(15_150)})
    first, second = strategy.run_cycle(view_of())
    assert isinstance(first.intent, OpenPair)
    assert isinstance(second.intent, OpenPair)
    assert first.intent.quantity == Decimal("0.1")
    # $5,150 are left for two legs, with 1 % of room for the mark to move.
    assert second.intent.quantity == Decimal("1.274")


def test_each_symbol_gets_exactly_one_decision_the_cheapest_first() -> None:
    cheap = {"ETHUSDT": market_of("ETHUSDT", bid=Decimal("1999.99"), ask=Decimal("2000.01"))}
    view = view_of(pair_of(), markets={"BTCUSDT": market_of(bid=Decimal(49_000)), **cheap})
    decisions = strategy_of(BOTH).run_cycle(view)
    assert [(decision.symbol, decision.action) for decision in decisions] == [
        ("ETHUSDT", "open"),
        ("BTCUSDT", "rotate"),
    ]


def test_symbols_that_cost_the_same_stand_in_the_order_given() -> None:
    same = {"ETHUSDT": market_of("ETHUSDT", bid=Decimal("1999.96"), ask=Decimal("2000.04"))}
    same["ETHUSDT"] = msgspec.structs.replace(
        same["ETHUSDT"], bid_quantity=Decimal(25), ask_quantity=Decimal(50)
    )
    decisions = strategy_of(("ETHUSDT", "BTCUSDT")).run_cycle(view_of(pair_of(), markets=same))
    assert [(decision.symbol, decision.action) for decision in decisions] == [
        ("ETHUSDT", "open"),
        ("BTCUSDT", "rotate"),
    ]


def test_the_numbers_behind_a_decision_are_kept() -> None:
    decision = only(strategy_of().run_cycle(view_of(pair_of(pnl_usd=Decimal("-1.5")))))
    assert decision.numbers == {
        "pair_pnl_usd": "-1.5000",
        "net_delta_usd": "0.0000",
        "gross_usd": "10000.00",
    }


# --- purity and the budget as a property ----------------------------------------------------------------

money = st.decimals(min_value=0, max_value=60_000, places=2)
pairs = st.builds(
    pair_of,
    st.sampled_from(BOTH),
    phase=st.sampled_from([PairPhase.OPENING, PairPhase.HOLDING, PairPhase.CLOSING]),
    held_since_ms=st.none() | st.integers(0, 3 * HOUR_MS).map(lambda age: NOW_MS - age),
    pnl_usd=st.decimals(min_value=-150, max_value=150, places=1),
    net_delta_usd=st.decimals(min_value=-100, max_value=100, places=1),
    long_unrealized_usd=st.decimals(min_value=-100, max_value=100, places=1),
)
views = st.builds(
    lambda held, **changes: view_of(*{pair.symbol: pair for pair in held}.values(), **changes),
    st.lists(pairs, max_size=2),
    volume_today_usd=money,
    entries_blocked=st.none() | st.just("paused"),
    reopen_after_ms=st.dictionaries(
        st.sampled_from(BOTH), st.integers(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS), max_size=2
    ),
)


@given(views)
def test_the_same_view_gives_the_same_decisions(view: CycleView) -> None:
    strategy = strategy_of(BOTH, daily_usd=80_000)
    before = msgspec.json.encode(view)
    first = strategy.run_cycle(view)
    assert strategy.run_cycle(view) == first == strategy_of(BOTH, daily_usd=80_000).run_cycle(view)
    assert msgspec.json.encode(view) == before


@given(views, st.integers(0, 120_000))
def test_no_plan_exceeds_the_days_volume(view: CycleView, daily_usd: int) -> None:
    planned = view.volume_today_usd + view.committed_volume_usd
    for decision in strategy_of(BOTH, daily_usd=daily_usd).run_cycle(view):
        pair = next((pair for pair in view.pairs if pair.symbol == decision.symbol), None)
        if isinstance(decision.intent, OpenPair):
            mark = view.markets[decision.symbol].mark
            assert mark is not None
            planned += 4 * decision.intent.quantity * mark
            assert planned <= daily_usd
        elif decision.action == "rotate":
            assert pair is not None
            planned += 2 * pair.gross_usd
            assert planned <= daily_usd


# --- the plan -------------------------------------------------------------------------------------------

DEAR = {"bid": Decimal(49_900), "ask": Decimal(50_100), "usual_half_spread_bps": Decimal(1)}


@pytest.mark.parametrize(
    ("daily_usd", "held_min", "market", "action"),
    [
        (60_000, 90, DEAR, "hold"),
        (60_000, 104, DEAR, "hold"),
        (60_000, 105, DEAR, "rotate"),  # a sixth of the hold is all that is waited
        (1_000_000, 90, DEAR, "rotate"),  # no time in hand
        (60_000, 90, DEAR | {"usual_half_spread_bps": None}, "rotate"),
        (60_000, 90, DEAR | {"usual_half_spread_bps": Decimal(15)}, "rotate"),
        (60_000, 90, {"usual_half_spread_bps": Decimal("0.01")}, "rotate"),  # dearer, by next to nothing
    ],
)
def test_a_dear_moment_is_waited_out_while_the_plan_has_time(
    daily_usd: int, held_min: int, market: dict[str, Any], action: str
) -> None:
    pair = pair_of(held_since_ms=NOW_MS - held_min * MINUTE_MS)
    view = view_of(pair, markets={"BTCUSDT": market_of(**market)})
    decision = only(strategy_of(daily_usd=daily_usd).run_cycle(view))
    assert decision.action == action
    if action == "hold":
        assert "waiting for a cheaper moment" in decision.reason


WILD = {"usual_volatility_bps_hour": Decimal(40), "recent_volatility_bps_hour": Decimal(50)}


@pytest.mark.parametrize(
    ("daily_usd", "held_min", "market", "maker_share", "action"),
    [
        (60_000, 90, WILD, "0.85", "hold"),
        (60_000, 104, WILD, "0.85", "hold"),
        (60_000, 105, WILD, "0.85", "rotate"),
        (1_000_000, 90, WILD, "0.85", "rotate"),  # no time in hand
        (60_000, 90, WILD, "0", "rotate"),  # what crosses pays the same in any market
        (60_000, 90, WILD | {"recent_volatility_bps_hour": Decimal(40)}, "0.85", "rotate"),
        (60_000, 90, WILD | {"usual_volatility_bps_hour": None}, "0.85", "rotate"),
    ],
)
def test_a_wild_hour_is_waited_out_by_what_is_to_rest(
    daily_usd: int, held_min: int, market: dict[str, Any], maker_share: str, action: str
) -> None:
    pair = pair_of(held_since_ms=NOW_MS - held_min * MINUTE_MS)
    view = view_of(pair, markets={"BTCUSDT": market_of(**market)})
    costs = CostAssumptions(maker_share=Decimal(maker_share))
    decision = only(strategy_of(daily_usd=daily_usd, costs=costs).run_cycle(view))
    assert (decision.action, decision.is_passing) == (action, action == "hold")
    if action == "hold":
        assert "moves by 50 bps an hour, usually 40: waiting for a cheaper moment" in decision.reason


def test_a_target_that_cannot_be_reached_is_come_near_to_or_ends_trading_with_the_numbers_that_work() -> None:
    beyond = {"daily_usd": 10**6}
    assert only(strategy_of(**beyond).run_cycle(view_of())).action == "open"
    stopping = strategy_of(**beyond, stops_when_unreachable=True)
    for view, action in ((view_of(), "wait"), (view_of(pair_of()), "hold")):
        decision = only(stopping.run_cycle(view))
        assert decision.action == action
        assert "DAILY_VOLUME_TARGET 320000 or POSITION_HOLD_TIME_MIN" in decision.reason
    reachable = strategy_of(daily_usd=320_000, stops_when_unreachable=True)
    assert only(reachable.run_cycle(view_of())).action == "open"


@pytest.mark.parametrize(
    ("used", "quantity", "rounds"), [(0, "0.1", "3"), (20_000, "0.062", "2"), (32_400, "0.062", "1")]
)
def test_the_last_rounds_share_what_is_left(used: int, quantity: str, rounds: str) -> None:
    """Two of $12,500, not one of $20,000 and a rest of $5,000."""
    view = view_of(volume_today_usd=Decimal(used))
    decision = only(strategy_of(daily_usd=45_000).run_cycle(view))
    assert isinstance(decision.intent, OpenPair)
    assert decision.intent.quantity == Decimal(quantity)
    assert decision.numbers["rounds_left"] == rounds
    assert decision.numbers["expected_funding_usd"] == "0.0000"


def test_a_symbol_the_volume_does_not_need_is_opened_for_the_weeks_hold_value_only() -> None:
    decisions = strategy_of(BOTH, daily_usd=40_000).run_cycle(view_of())
    assert actions(decisions) == ["open", "wait"]
    assert "at less cost with BTCUSDT" in decisions[1].reason
    wanted = strategy_of(BOTH, daily_usd=40_000, weekly_hold_target_usd_hours=Decimal(2 * 10**6))
    assert actions(wanted.run_cycle(view_of(week_end_ms=NOW_MS + 5 * DAY_MS))) == ["open", "open"]


@pytest.mark.parametrize(
    ("objective", "first"), [("cost-per-dollar", "BTCUSDT"), ("cost-per-point", "ETHUSDT")]
)
def test_the_plan_follows_the_objective(objective: str, first: str) -> None:
    """Where fees earn points, the symbol with the higher fee costs more a dollar and less a point."""
    fees = {
        "BTCUSDT": FeeRates(symbol="BTCUSDT", maker=Decimal(0), taker=Decimal("0.0001")),
        "ETHUSDT": FeeRates(symbol="ETHUSDT", maker=Decimal(0), taker=Decimal("0.0004")),
    }
    costs = CostAssumptions(
        objective=Objective(objective), fees=fees, weights=Weights(fee_per_usd=Decimal(100))
    )
    markets = {
        "BTCUSDT": market_of(bid_quantity=Decimal(9), ask_quantity=Decimal(9)),
        "ETHUSDT": market_of(
            "ETHUSDT",
            bid=Decimal("1999.96"),
            ask=Decimal("2000.04"),
            bid_quantity=Decimal(99),
            ask_quantity=Decimal(99),
        ),
    }
    decisions = strategy_of(BOTH, costs=costs).run_cycle(view_of(markets=markets))
    assert decisions[0].symbol == first
