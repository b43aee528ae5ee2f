"""The books of a pair, and the table of what its legs want: rest, cross, force, cancel or wait."""

from decimal import Decimal
from typing import Any

import pytest
from core_values import LONG, SHORT, START_MS, fill_of, market_quote, report_of
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import OrderStatus, OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.market import Quote
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.order_tracker import OrderTracker, TrackedOrder
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.pair_book import PairBook
from aster_operator.execution.pair_worker import CancelWish, OrderWish, PairWorker, Urgency, Wish
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.strategy.intents import ClosePair, OpenPair, PairPhase
from trading_values import instrument_of

OPENING, HOLDING, CLOSING = PairPhase.OPENING, PairPhase.HOLDING, PairPhase.CLOSING
REST, CROSS, FORCE = Urgency.REST, Urgency.CROSS, Urgency.FORCE
POLICY = ExecutionPolicy(
    repeg_ms=2_000,
    lead_deadline_ms=300_000,
    hedge_patience_ms=20_000,
    imbalance_deadline_ms=60_000,
    slippage_cap_bps=Decimal(5),
)
TAKER = ExecutionPolicy(style=ExecutionStyle.TAKER)
BID, ASK = Decimal("49999.9"), Decimal("50000.1")


def pair_of(
    long: str = "0", short: str = "0", *, phase: PairPhase = OPENING, target: str = "0.1", **changes: Any
) -> Pair:
    values: dict[str, Any] = {
        "pair_ref": "run-1",
        "long": PairLeg("BTCUSDT", LONG, held=Decimal(long), target=Decimal(target)),
        "short": PairLeg("BTCUSDT", SHORT, held=Decimal(short), target=Decimal(target)),
        "lead": LONG,
        "phase": phase,
        "phase_since_ms": START_MS,
        "reason": "why",
    }
    pair = Pair(**(values | changes))
    pair.observe_imbalance(START_MS)
    return pair


class Bench:
    """A pair, its worker, and live orders put there by hand."""

    def __init__(self, pair: Pair, policy: ExecutionPolicy = POLICY, **instrument: Any) -> None:
        self.pair = pair
        self.tracker = OrderTracker()
        self.too_wild: set[PositionSide] = set()
        """Legs whose market moves too much for an order to rest."""
        self.worker = PairWorker(
            policy,
            self.tracker,
            {"BTCUSDT": instrument_of(**instrument)},
            lambda leg: leg.position_side not in self.too_wild,
        )
        self.quotes: dict[str, Quote] = {"BTCUSDT": market_quote(BID, ASK, at_ms=START_MS)}

    def live(
        self,
        side: PositionSide,
        quantity: str,
        price: Decimal | None,
        *,
        opens: bool = True,
        seen: bool = True,
        filled: str = "0",
        asked_ms: int | None = None,
        since_ms: int = START_MS,
    ) -> TrackedOrder:
        leg = self.pair.leg(side)
        name = f"ao-{len(leg.live_orders)}-{side}"
        order = NewOrder(
            client_order_id=name,
            symbol="BTCUSDT",
            side=leg.opening_side if opens else leg.opening_side.opposite,
            position_side=side,
            order_type=OrderType.LIMIT if price is not None else OrderType.MARKET,
            quantity=Decimal(quantity),
            price=price,
            time_in_force=TimeInForce.GTX if price is not None else None,
        )
        tracked = self.tracker.submitted(order, since_ms)
        if seen:
            status = OrderStatus.PARTIALLY_FILLED if Decimal(filled) else OrderStatus.NEW
            self.tracker.apply_report(report_of(order, status, at_ms=since_ms, filled=filled))
        tracked.cancel_requested_ms = asked_ms
        leg.live_orders.append(name)
        return tracked

    def plan(self, after_ms: int = 0) -> list[Wish]:
        return self.worker.plan(self.pair, self.quotes, START_MS + after_ms)

    def brief(self, after_ms: int = 0) -> list[tuple[Any, ...]]:
        """Wishes without their words: (urgency, side, position side, quantity) or ("cancel", id)."""
        return [
            ("cancel", wish.client_order_id)
            if isinstance(wish, CancelWish)
            else (wish.urgency, wish.side, wish.position_side, str(wish.quantity))
            for wish in self.plan(after_ms)
        ]


# --- what is wished for, without live orders ------------------------------------------------------------

PLANS: dict[str, tuple[Pair, ExecutionPolicy, int, list[tuple[Any, ...]]]] = {
    # Opening.
    "the lead rests for all of it": (pair_of(), POLICY, 0, [(REST, Side.BUY, LONG, "0.1")]),
    "a short lead rests on its own side": (
        pair_of(lead=SHORT),
        POLICY,
        0,
        [(REST, Side.SELL, SHORT, "0.1")],
    ),
    "the lead rests until its deadline": (
        pair_of(),
        POLICY,
        299_999,
        [(REST, Side.BUY, LONG, "0.1")],
    ),
    "past its deadline it crosses": (pair_of(), POLICY, 300_000, [(CROSS, Side.BUY, LONG, "0.1")]),
    "a taker crosses at once": (pair_of(), TAKER, 0, [(CROSS, Side.BUY, LONG, "0.1")]),
    "an urgent opening crosses": (pair_of(urgent=True), POLICY, 0, [(CROSS, Side.BUY, LONG, "0.1")]),
    "what the lead filled is hedged, resting, and the lead goes on": (
        pair_of("0.04"),
        POLICY,
        0,
        [(REST, Side.SELL, SHORT, "0.04"), (REST, Side.BUY, LONG, "0.06")],
    ),
    "the hedge is as large as the imbalance": (
        pair_of("0.1", "0.07"),
        POLICY,
        0,
        [(REST, Side.SELL, SHORT, "0.03")],
    ),
    "past its patience the hedge crosses and the lead stands still": (
        pair_of("0.04"),
        POLICY,
        20_000,
        [(CROSS, Side.SELL, SHORT, "0.04")],
    ),
    "a taker hedges crossing": (pair_of("0.1"), TAKER, 0, [(CROSS, Side.SELL, SHORT, "0.1")]),
    "past the deadline the excess is unwound": (
        pair_of("0.1", "0.07"),
        POLICY,
        60_000,
        [(FORCE, Side.SELL, LONG, "0.03")],
    ),
    "a hedge that was refused is unwound at once": (
        pair_of("0.1", flatten_now=True),
        POLICY,
        0,
        [(FORCE, Side.SELL, LONG, "0.1")],
    ),
    "a lead that fell behind catches up by itself": (
        pair_of("0.02", "0.05"),
        POLICY,
        0,
        [(REST, Side.BUY, LONG, "0.08")],
    ),
    "a lead that stays behind crosses for the imbalance alone": (
        pair_of("0.02", "0.05"),
        POLICY,
        20_000,
        [(CROSS, Side.BUY, LONG, "0.03")],
    ),
    "at its target there is nothing to do": (pair_of("0.1", "0.1"), POLICY, 0, []),
    # Closing.
    "a close rests, the lead first": (
        pair_of("0.1", "0.1", phase=CLOSING),
        POLICY,
        0,
        [(REST, Side.SELL, LONG, "0.1")],
    ),
    "what the lead closed the other follows": (
        pair_of("0.06", "0.1", phase=CLOSING),
        POLICY,
        0,
        [(REST, Side.BUY, SHORT, "0.04"), (REST, Side.SELL, LONG, "0.06")],
    ),
    "past its patience the other leg crosses": (
        pair_of("0.06", "0.1", phase=CLOSING),
        POLICY,
        20_000,
        [(CROSS, Side.BUY, SHORT, "0.04")],
    ),
    "past the deadline the other leg is forced": (
        pair_of("0.06", "0.1", phase=CLOSING),
        POLICY,
        60_000,
        [(FORCE, Side.BUY, SHORT, "0.04")],
    ),
    "an urgent close crosses": (
        pair_of("0.1", "0.1", phase=CLOSING, urgent=True),
        POLICY,
        0,
        [(CROSS, Side.SELL, LONG, "0.1")],
    ),
    "a lone leg is closed first whatever leads": (
        pair_of("0", "0.1", phase=CLOSING, urgent=True),
        POLICY,
        0,
        [(CROSS, Side.BUY, SHORT, "0.1")],
    ),
    "a close past its deadline crosses": (
        pair_of("0.1", "0.1", phase=CLOSING),
        POLICY,
        300_000,
        [(CROSS, Side.SELL, LONG, "0.1")],
    ),
    "nothing held, nothing wished": (pair_of(phase=CLOSING), POLICY, 0, []),
    # Neither.
    "a held pair wants nothing": (pair_of("0.1", "0.1", phase=HOLDING), POLICY, 0, []),
    "even a lopsided one: closing it is another's decision": (
        pair_of("0.1", "0", phase=HOLDING),
        POLICY,
        10**6,
        [],
    ),
}


@pytest.mark.parametrize("case", PLANS)
def test_plan(case: str) -> None:
    pair, policy, after_ms, wishes = PLANS[case]
    assert Bench(pair, policy).brief(after_ms) == wishes


@pytest.mark.parametrize("case", PLANS)
def test_the_rules_are_the_same_for_both_legs(case: str) -> None:
    """Swapping long and short swaps the wishes and nothing else."""
    pair, policy, after_ms, wishes = PLANS[case]
    mirrored = pair_of(
        str(pair.short.held),
        str(pair.long.held),
        phase=pair.phase,
        lead=SHORT if pair.lead is LONG else LONG,
        urgent=pair.urgent,
        flatten_now=pair.flatten_now,
    )
    swapped = {LONG: SHORT, SHORT: LONG}
    assert Bench(mirrored, policy).brief(after_ms) == [
        (urgency, side.opposite, swapped[position_side], quantity)
        for urgency, side, position_side, quantity in wishes
    ]


def order_in(wishes: list[Wish]) -> OrderWish:
    (wish,) = wishes
    assert isinstance(wish, OrderWish)
    return wish


@pytest.mark.parametrize(
    ("pair", "policy", "price"),
    [
        (pair_of(), POLICY, BID),
        (pair_of(lead=SHORT), POLICY, ASK),
        (pair_of(), TAKER, Decimal("50025.1")),  # the ask and 5 bps, rounded towards the market
        (pair_of(lead=SHORT), TAKER, Decimal("49975.0")),
        (pair_of("0.1", phase=CLOSING, flatten_now=True), TAKER, None),
    ],
)
def test_prices_of_the_three_ways_to_trade(
    pair: Pair, policy: ExecutionPolicy, price: Decimal | None
) -> None:
    assert order_in(Bench(pair, policy).plan()).price == price


def test_without_a_quote_only_what_needs_no_price_is_wished() -> None:
    for pair in (pair_of(), pair_of("0.1"), pair_of("0.1", "0.1", phase=CLOSING, urgent=True)):
        bench = Bench(pair)
        bench.quotes = {}
        assert bench.plan() == []
    forced = Bench(pair_of("0.1", "0.02", phase=CLOSING, urgent=True))
    forced.quotes = {}
    assert order_in(forced.plan(60_000)).urgency is FORCE


# --- live orders ----------------------------------------------------------------------------------------


def test_what_a_live_order_covers_is_not_wished_again() -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", BID)
    assert bench.plan() == []


def test_an_order_without_an_answer_covers_too() -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", BID, seen=False)
    assert bench.plan(10_000) == []


def test_hedges_add_up() -> None:
    bench = Bench(pair_of("0.05", target="0.05"))
    bench.live(SHORT, "0.02", ASK)
    assert bench.brief() == [(REST, Side.SELL, SHORT, "0.03")]


@pytest.mark.parametrize(
    ("price", "after_ms", "cancels"),
    [(BID, 10_000, 0), (BID - 1, 1_999, 0), (BID - 1, 2_000, 1), (BID + 1, 2_000, 1)],
)
def test_a_resting_order_is_repegged_when_the_touch_has_moved(
    price: Decimal, after_ms: int, cancels: int
) -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", price)
    assert bench.brief(after_ms) == [("cancel", "ao-0-LONG")] * cancels


@pytest.mark.parametrize(("asked_ms", "cancels"), [(START_MS + 5_000, 0), (START_MS + 2_000, 1)])
def test_a_cancel_that_brought_nothing_is_asked_for_again(asked_ms: int, cancels: int) -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", BID - 1, asked_ms=asked_ms)
    assert bench.brief(5_000) == [("cancel", "ao-0-LONG")] * cancels


def test_no_order_is_wished_beside_one_that_is_leaving() -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.04", BID, asked_ms=START_MS)
    assert bench.plan() == []


def test_the_way_is_cleared_before_crossing() -> None:
    bench = Bench(pair_of("0.04"))
    bench.live(LONG, "0.06", BID)
    bench.live(SHORT, "0.04", ASK)
    assert bench.brief(20_000) == [("cancel", "ao-0-LONG"), ("cancel", "ao-0-SHORT")]


def test_the_hedge_waits_for_a_cancel_to_be_answered_and_asks_again() -> None:
    bench = Bench(pair_of("0.04"))
    bench.live(LONG, "0.06", BID, asked_ms=START_MS + 20_000)
    assert bench.plan(22_999) == []
    assert bench.brief(23_000) == [("cancel", "ao-0-LONG")]


@pytest.mark.parametrize("price", [BID, None])
def test_what_may_not_exist_or_ends_by_itself_is_not_cancelled(price: Decimal | None) -> None:
    bench = Bench(pair_of("0.04"))
    bench.live(LONG, "0.06", price, seen=price is None)
    assert bench.plan(20_000) == []


def test_the_lead_is_cancelled_at_its_deadline_before_it_crosses() -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", BID)
    assert bench.brief(300_000) == [("cancel", "ao-0-LONG")]


def test_a_lead_that_has_enough_stops_resting() -> None:
    bench = Bench(pair_of("0.1", "0.1"))
    bench.live(LONG, "0.1", BID)
    assert bench.brief() == [("cancel", "ao-0-LONG")]


@pytest.mark.parametrize("resting", [LONG, SHORT])
def test_closing_before_anything_filled_cancels_whichever_leg_rests(resting: PositionSide) -> None:
    bench = Bench(pair_of(phase=CLOSING, urgent=True))
    bench.live(resting, "0.1", BID if resting is LONG else ASK)
    assert bench.brief() == [("cancel", f"ao-0-{resting}")]


def test_a_hedge_that_rests_is_left_alone_when_the_lead_is_done() -> None:
    bench = Bench(pair_of("0.1"))
    bench.live(SHORT, "0.1", ASK)
    assert bench.plan() == []


# --- patience after failures ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "policy", "leg"),
    [
        (pair_of(), POLICY, LONG),
        (pair_of(), TAKER, LONG),
        (pair_of("0.1"), TAKER, SHORT),
        (pair_of("0.1", flatten_now=True), POLICY, LONG),  # the leg that is unwound, not the refused one
        (pair_of("0.1", phase=CLOSING, flatten_now=True), POLICY, LONG),
    ],
)
def test_a_leg_that_failed_waits(pair: Pair, policy: ExecutionPolicy, leg: PositionSide) -> None:
    bench = Bench(pair, policy)
    pair.leg(leg).retry_at_ms = START_MS + 500
    assert bench.plan(499) == []
    assert len(bench.plan(500)) == 1
    pair.leg(leg).retry_at_ms = 0


def test_a_refused_hedge_does_not_delay_the_unwinding() -> None:
    pair = pair_of("0.1", flatten_now=True)
    pair.short.retry_at_ms = START_MS + 30_000
    assert Bench(pair).brief() == [(FORCE, Side.SELL, LONG, "0.1")]


def test_unwinding_settles_for_what_both_legs_hold() -> None:
    bench = Bench(pair_of("0.1", "0.07", flatten_now=True))
    bench.plan()
    assert bench.pair.target == Decimal("0.07")


def test_a_close_that_cannot_cross_is_forced_in_the_end() -> None:
    pair = pair_of("0.1", "0.1", phase=CLOSING, urgent=True)
    pair.long.crosses = POLICY.cross_attempts
    assert Bench(pair).brief() == [(FORCE, Side.SELL, LONG, "0.1")]


@pytest.mark.parametrize(
    ("crosses", "after_ms", "exhausted"),
    [(5, 300_000, True), (4, 300_000, False), (5, 299_999, False)],
)
def test_an_opening_lead_gives_up_after_its_deadline_and_its_crosses(
    crosses: int, after_ms: int, exhausted: bool
) -> None:
    bench = Bench(pair_of())
    bench.pair.long.crosses = crosses
    assert bench.worker.lead_is_exhausted(bench.pair, bench.quotes, START_MS + after_ms) is exhausted


@pytest.mark.parametrize(
    ("too_wild", "expected"),
    [
        (set(), [(REST, Side.SELL, SHORT, "0.04"), (REST, Side.BUY, LONG, "0.06")]),
        ({SHORT}, [(CROSS, Side.SELL, SHORT, "0.04")]),
        ({LONG, SHORT}, [(CROSS, Side.SELL, SHORT, "0.04")]),
    ],
)
def test_a_hedge_rests_only_in_a_market_that_is_calm_enough(
    too_wild: set[PositionSide], expected: list[tuple[Any, ...]]
) -> None:
    bench = Bench(pair_of("0.04"))
    bench.too_wild = too_wild
    assert bench.brief() == expected


@pytest.mark.parametrize(
    ("patience_ms", "deadline_ms", "rests_ms"),
    [(40_000, 60_000, 40_000), (10_000, 60_000, 10_000), (40_000, 30_000, 20_000), (600_000, 3_000, 2_000)],
)
def test_a_hedge_leaves_itself_time_to_cross_before_the_deadline(
    patience_ms: int, deadline_ms: int, rests_ms: int
) -> None:
    policy = ExecutionPolicy(hedge_patience_ms=patience_ms, imbalance_deadline_ms=deadline_ms)
    bench = Bench(pair_of("0.04", target="0.04"), policy)
    assert bench.brief(rests_ms - 1) == [(REST, Side.SELL, SHORT, "0.04")]
    assert bench.brief(rests_ms) == [(CROSS, Side.SELL, SHORT, "0.04")]


@pytest.mark.parametrize(("too_wild", "urgency"), [(set(), REST), ({SHORT}, REST), ({LONG}, CROSS)])
@pytest.mark.parametrize("phase", [OPENING, CLOSING])
def test_a_lead_rests_only_in_a_market_that_is_calm_enough(
    too_wild: set[PositionSide], urgency: Urgency, phase: PairPhase
) -> None:
    held = "0" if phase is OPENING else "0.1"
    bench = Bench(pair_of(held, held, phase=phase))
    bench.too_wild = too_wild
    ((found, *_),) = bench.brief()
    assert found is urgency


def test_a_lead_caught_resting_when_the_market_breaks_out_is_cancelled_before_it_crosses() -> None:
    bench = Bench(pair_of())
    bench.live(LONG, "0.1", BID)
    bench.too_wild = {LONG, SHORT}
    assert bench.brief() == [("cancel", "ao-0-LONG")]
    bench.pair.long.live_orders.clear()
    assert bench.brief() == [(CROSS, Side.BUY, LONG, "0.1")]


def test_past_the_leads_deadline_the_hedge_crosses_too() -> None:
    """Resting on for its patience, it would be cancelled for the lead and rested again without end."""
    bench = Bench(pair_of("0.1", "0.07", phase=CLOSING, lead=SHORT))
    bench.pair.imbalance_since_ms = START_MS + 299_000
    assert bench.brief(299_999)[0] == (REST, Side.SELL, LONG, "0.03")
    bench.live(LONG, "0.03", ASK, opens=False)
    assert bench.brief(300_000) == [("cancel", "ao-0-LONG")]
    bench.pair.long.live_orders.clear()
    assert bench.brief(300_000) == [(CROSS, Side.SELL, LONG, "0.03")]


# --- crumbs ---------------------------------------------------------------------------------------------

CHEAP = {"min_notional": Decimal(500)}
"""0.01 BTC are the smallest order at 50,000; the lot is 0.001. At the bid it takes one lot more."""


def test_a_crumb_of_the_hedge_joins_the_order_that_rests() -> None:
    bench = Bench(pair_of("0.1", target="0.1"), **CHEAP)
    bench.live(SHORT, "0.095", ASK)
    assert bench.brief() == [("cancel", "ao-0-SHORT")]


def test_a_crumb_waits_while_the_lead_may_add_to_it() -> None:
    bench = Bench(pair_of("0.05", target="0.1"), **CHEAP)
    bench.live(LONG, "0.1", BID, filled="0.05")
    bench.live(SHORT, "0.045", ASK)
    assert bench.plan() == []


def test_a_crumb_that_cannot_be_hedged_is_unwound_at_the_deadline() -> None:
    bench = Bench(pair_of("0.1", "0.095"), **CHEAP)
    assert bench.plan(59_999) == []
    assert bench.brief(60_000) == [(FORCE, Side.SELL, LONG, "0.005")]


def test_a_crumb_of_the_lead_is_given_up_at_once() -> None:
    bench = Bench(pair_of("0.095", "0.095"), **CHEAP)
    assert bench.plan() == []
    assert bench.worker.lead_is_exhausted(bench.pair, bench.quotes, START_MS)
    bench.pair.settle_for(Decimal("0.2"))
    assert not bench.worker.lead_is_exhausted(bench.pair, bench.quotes, START_MS)


def test_a_crumb_is_closed_like_anything_else() -> None:
    bench = Bench(pair_of("0.005", "0.005", phase=CLOSING), **CHEAP)
    assert bench.brief() == [(REST, Side.SELL, LONG, "0.005")]


# --- the end of a phase ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "complete"),
    [
        (pair_of("0.1", "0.1"), True),
        (pair_of("0.05", "0.05"), False),
        (pair_of("0.1", "0.05"), False),
        (pair_of("0.11", "0.11"), True),  # a late fill carried it beyond
        (pair_of(target="0"), True),
        (pair_of(phase=CLOSING), True),
        (pair_of("0.1", "0.1", phase=CLOSING), False),
        (pair_of("0.1", "0", phase=CLOSING), False),
    ],
)
def test_a_phase_is_complete_when_balanced_and_at_its_goal(pair: Pair, complete: bool) -> None:
    assert Bench(pair).worker.is_complete(pair) is complete


def test_nothing_is_complete_while_an_order_lives() -> None:
    bench = Bench(pair_of("0.1", "0.1"))
    bench.live(SHORT, "0.1", ASK)
    assert not bench.worker.is_complete(bench.pair)


# --- the books of a pair --------------------------------------------------------------------------------


def leg_fill(side: Side, quantity: str, price: str, *, trade_id: int, at_ms: int = START_MS, **changes: Any):
    order = NewOrder(
        client_order_id="ao-0",
        symbol="BTCUSDT",
        side=side,
        position_side=LONG,
        order_type=OrderType.LIMIT,
        quantity=Decimal(quantity),
    )
    return fill_of(order, quantity, price, trade_id=trade_id, at_ms=at_ms, **changes)


def test_a_legs_books() -> None:
    leg = PairLeg("BTCUSDT", LONG)
    assert (leg.entry_price, leg.exit_price) == (0, 0)
    leg.book_fill(leg_fill(Side.BUY, "1", "100", trade_id=1, at_ms=10, commission=Decimal("0.1")))
    leg.book_fill(leg_fill(Side.BUY, "3", "104", trade_id=2, at_ms=20))
    leg.held = Decimal(4)
    assert leg.entry_price == 103
    assert leg.unrealized_pnl(Decimal(105)) == 8
    leg.book_fill(
        leg_fill(Side.SELL, "4", "106", trade_id=3, at_ms=30, realized_pnl=Decimal(12), commission=Decimal(1))
    )
    assert (leg.exit_price, leg.realized_pnl, leg.fees) == (106, 12, Decimal("1.1"))
    assert (leg.first_fill_ms, leg.last_open_fill_ms, leg.first_close_fill_ms, leg.last_fill_ms) == (
        10,
        20,
        30,
        30,
    )


def test_a_short_gains_when_the_price_falls() -> None:
    leg = PairLeg("BTCUSDT", SHORT, held=Decimal(2), opened_quantity=Decimal(2), opened_cost=Decimal(200))
    assert leg.unrealized_pnl(Decimal(90)) == 20


def test_a_leg_whose_fills_never_came_is_valued_at_what_was_reported() -> None:
    leg = PairLeg("BTCUSDT", LONG)
    leg.move(Side.BUY, Decimal(2), Decimal(100), START_MS)
    assert (leg.held, leg.entry_price, leg.last_open_fill_ms) == (2, 100, START_MS)
    assert leg.unrealized_pnl(Decimal(101)) == 2
    leg.book_fill(leg_fill(Side.BUY, "2", "100.5", trade_id=1, at_ms=START_MS - 5))
    assert (leg.entry_price, leg.last_open_fill_ms) == (Decimal("100.5"), START_MS - 5), (
        "the fill knows better"
    )


def test_a_pairs_pnl_is_of_both_legs_after_fees_and_funding() -> None:
    pair = pair_of()
    for leg, price in ((pair.long, 100), (pair.short, 102)):
        leg.held = leg.opened_quantity = Decimal(2)
        leg.opened_cost = Decimal(2 * price)
        leg.fees = Decimal("0.5")
    pair.long.funding = Decimal("-0.25")
    pair.short.realized_pnl = Decimal(3)
    assert pair.pnl(Decimal(101), Decimal(101)) == 2 + 2 - 1 - Decimal("0.25") + 3


def test_a_pair_is_held_since_the_later_leg() -> None:
    pair = pair_of()
    pair.long.last_open_fill_ms = 10
    assert pair.held_since_ms is None
    pair.short.last_open_fill_ms = 7
    assert pair.held_since_ms == 10
    assert pair.first_close_fill_ms is None
    pair.short.first_close_fill_ms = 30
    pair.long.first_close_fill_ms = 40
    assert pair.first_close_fill_ms == 30


def test_the_worst_imbalance_and_its_duration_are_kept() -> None:
    pair = pair_of()
    for at_ms, long, short in [
        (10, "0.1", "0"),
        (30, "0.1", "0.04"),
        (70, "0.1", "0.1"),
        (100, "0.1", "0.09"),
    ]:
        pair.long.held, pair.short.held = Decimal(long), Decimal(short)
        pair.observe_imbalance(at_ms)
    assert (pair.worst_imbalance, pair.longest_imbalance_ms) == (Decimal("0.1"), 60)
    assert pair.imbalance_since_ms == 100
    pair.observe_imbalance(300)
    assert pair.longest_imbalance_ms == 200


# --- the pair book --------------------------------------------------------------------------------------


def opened_book() -> tuple[PairBook, Pair, OrderTracker, NewOrder]:
    book, tracker = PairBook(), OrderTracker()
    intent = OpenPair(
        long_symbol="BTCUSDT", short_symbol="BTCUSDT", quantity=Decimal("0.1"), lead=LONG, reason="why"
    )
    pair = book.open("run-1", intent, START_MS)
    order = NewOrder(
        client_order_id="ao-0",
        symbol="BTCUSDT",
        side=Side.BUY,
        position_side=LONG,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.1"),
    )
    tracker.submitted(order, START_MS)
    book.attach(pair, pair.long, "ao-0")
    return book, pair, tracker, order


@given(st.lists(st.integers(0, 100), min_size=1, max_size=8))
def test_a_leg_holds_the_most_that_was_ever_reported(reported: list[int]) -> None:
    book, pair, tracker, order = opened_book()
    for filled in reported:
        report = report_of(
            order, OrderStatus.PARTIALLY_FILLED, at_ms=START_MS, filled=Decimal(filled) / 1000, average=100
        )
        tracked = tracker.apply_report(report)
        assert tracked is not None
        book.apply_order(tracked, START_MS)
    assert pair.long.held == Decimal(max(reported)) / 1000
    assert pair.worst_imbalance == pair.long.held


def test_a_pair_that_is_closed_twice_only_becomes_more_urgent() -> None:
    book, pair, _, _ = opened_book()
    first = ClosePair(pair_ref="run-1", lead=SHORT, urgent=False, reason="rotate")
    book.close(pair, first, START_MS + 1)
    pair.long.crosses = 3
    book.close(pair, ClosePair(pair_ref="run-1", lead=LONG, urgent=True, reason="risk"), START_MS + 9)
    assert (pair.phase, pair.urgent, pair.lead, pair.phase_since_ms) == (CLOSING, True, SHORT, START_MS + 1)
    assert (pair.close_reason, pair.long.crosses) == ("rotate", 3)


@pytest.mark.parametrize(
    ("wishes", "by_owner"),
    [
        (["flatten"], True),
        (["rotate", "flatten"], True),
        (["risk"], False),
        (["risk", "flatten"], False),
        (["rotate", "risk", "flatten"], False),
    ],
)
def test_a_close_for_risk_is_not_taken_for_the_owners(wishes: list[str], by_owner: bool) -> None:
    book, pair, _, _ = opened_book()
    for wish in wishes:
        intent = ClosePair(
            pair_ref="run-1", lead=SHORT, urgent=wish != "rotate", reason=wish, by_owner=wish == "flatten"
        )
        book.close(pair, intent, START_MS + 1)
    summary = book.finish(pair, Decimal(0), Decimal(0), START_MS + 2, rotated=False)
    assert summary.owner_closed is by_owner


def test_a_finished_pair_whose_order_comes_back_is_closed_again() -> None:
    book, pair, tracker, order = opened_book()
    gone = tracker.apply_report(report_of(order, OrderStatus.CANCELED, at_ms=START_MS))
    assert gone is not None
    book.apply_order(gone, START_MS)
    book.finish(pair, Decimal(0), Decimal(0), START_MS, rotated=False)
    assert (list(book.active()), len(book.finished)) == ([], 1)

    late = tracker.apply_report(
        report_of(order, OrderStatus.CANCELED, at_ms=START_MS, filled="0.02", average="50000")
    )
    assert late is not None
    book.apply_order(late, START_MS + 50)
    assert list(book.active()) == [pair]
    assert (pair.phase, pair.urgent, pair.lead, pair.long.held) == (CLOSING, True, LONG, Decimal("0.02"))
    assert book.finished == []


def settled(amount: int, at_ms: int, symbol: str = "BTCUSDT", income_type: str = "FUNDING_FEE") -> IncomeRow:
    return IncomeRow(
        transaction_id=str(at_ms),
        symbol=symbol,
        income_type=income_type,
        income=Decimal(amount),
        asset="USDT",
        time_ms=at_ms,
    )


def test_settled_cash_goes_to_the_pair_that_was_on_the_symbol() -> None:
    book, pair, _, _ = opened_book()
    book.apply_income(settled(-9, START_MS + 1))
    assert pair.pnl(Decimal(0), Decimal(0)) == 0, "nothing is filled yet: it is of something before it"
    pair.long.first_fill_ms = START_MS + 10
    for row in (settled(5, START_MS + 10, "ETHUSDT"), settled(-2, START_MS + 10), settled(-1, START_MS + 9)):
        book.apply_income(row)
    assert pair.pnl(Decimal(0), Decimal(0)) == -2

    book.finish(pair, Decimal(0), Decimal(0), START_MS + 50, rotated=False)
    book.apply_income(settled(-3, START_MS + 50, income_type="INSURANCE_CLEAR"))
    book.apply_income(settled(-7, START_MS + 51))
    assert [summary.pnl_usd for summary in book.finished] == [-5], "told late, settled while it was held"


@pytest.mark.parametrize(("side", "gain"), [(LONG, 20), (SHORT, -20)])
def test_a_close_whose_fills_are_under_way_is_worth_what_its_report_said(
    side: PositionSide, gain: int
) -> None:
    leg, order = PairLeg("BTCUSDT", side), opened_book()[3]

    def fill(does: Side, price: str, realized: int = 0) -> Fill:
        return fill_of(
            order,
            "2",
            price,
            trade_id=int(price),
            at_ms=START_MS,
            side=does,
            position_side=side,
            realized_pnl=Decimal(realized),
        )

    leg.move(side.opening_side, Decimal(2), Decimal(100), START_MS)
    leg.book_fill(fill(side.opening_side, "100"))
    leg.move(side.opening_side.opposite, Decimal(2), Decimal(110), START_MS + 1)
    assert (leg.held, leg.unrealized_pnl(Decimal(500))) == (0, gain)
    leg.book_fill(fill(side.opening_side.opposite, "110", gain))
    assert (leg.realized_pnl, leg.unrealized_pnl(Decimal(500))) == (gain, 0)
