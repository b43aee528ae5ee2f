"""The core against a venue that fails in every way a venue can, in random order.

At every step: no order is sent twice, no leg can exceed its limit, nothing is closed that is not held. Once
the venue behaves again, every pair ends balanced or closed, and FLATTEN ends the session with nothing held.
"""

import math
from decimal import Decimal

from core_values import LONG, SHORT, START_MS, closed_bars, of_kind, settings_of
from fake_venue import COIN_FEE, FakeVenue, Key, Manners
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aster_operator.domain.commands import (
    Command,
    RecordPositionClosed,
    RecordPositionOpened,
    StopSession,
    SubmitOrder,
)
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import (
    Event,
    Feed,
    FeedStatusChanged,
    MarkUpdated,
    OperatorAction,
    OperatorRequested,
    OrderChanged,
    QuoteUpdated,
    TimerFired,
)
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.pairing import Market, Pairing, PairKind, market_of
from aster_operator.execution.core import TradingCore
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.execution.reconciliation import RememberedLeg, RememberedPair
from slow_tests import deeper

ZERO = Decimal(0)
MID = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000), "BTCUSDT:SPOT": Decimal(50_000)}
PAIRINGS = {
    PairKind.SAME: (Pairing.same("BTCUSDT"), Pairing.same("ETHUSDT")),
    PairKind.CROSS: (Pairing.cross("BTCUSDT", "ETHUSDT"),),
    PairKind.CARRY: (Pairing.carry("BTCUSDT"),),
}
LEG_USD = Decimal(5_000)
SETTLING_SECONDS = 120
"""More than every deadline of the policy below, one after the other."""

fractions = st.sampled_from([Decimal("0.001"), Decimal("0.3"), Decimal("0.97"), Decimal(1)])


class VenueStorm(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.venue = FakeVenue(START_MS, dict(MID))
        self.books: dict[str, RecordPositionOpened] = {}
        self.heard: list[OrderChanged] = []
        self.outside: dict[Key, Decimal] = {}
        self.stops: list[StopSession] = []
        self.ever_opened: list[RecordPositionOpened] = []
        self.runs = 0

    @initialize(style=st.sampled_from(list(ExecutionStyle)), kind=st.sampled_from(list(PairKind)))
    def start(self, style: ExecutionStyle, kind: PairKind) -> None:
        self.pairings = PAIRINGS[kind]
        self.symbols = tuple(dict.fromkeys(name for pairing in self.pairings for name in pairing.symbols))
        self.policy = ExecutionPolicy(
            style=style, lead_deadline_ms=20_000, hedge_patience_ms=5_000, imbalance_deadline_ms=15_000
        )
        self.start_core()

    def start_core(self) -> None:
        self.runs += 1
        self.heard.clear()
        self.core = TradingCore(
            settings_of(
                symbols=self.symbols,
                pairings=self.pairings,
                policy=self.policy,
                run_id=f"run-{self.runs}",
                remembered=self.remembered(),
                hold_ms=30_000,
            )
        )
        self.carry_out(self.core.start(self.venue.now_ms))
        self.show_history()
        self.show_market()
        self.hear_everything()

    def remembered(self) -> tuple[RememberedPair, ...]:
        """What the books hold of pairs that were never closed."""
        refs = {row.pair_ref: row.symbol for row in self.books.values()}
        ever = {row.position_ref: row.symbol for row in self.ever_opened}
        return tuple(
            RememberedPair(
                pair_ref=ref,
                symbol=symbol,
                long=self.leg(f"{ref}-L"),
                short=self.leg(f"{ref}-S"),
                long_symbol=ever[f"{ref}-L"],
                short_symbol=ever[f"{ref}-S"],
            )
            for ref, symbol in refs.items()
        )

    def show_history(self) -> None:
        """Minutes from before: the second symbol moves, the first 0.8 as much."""
        if self.pairings[0].kind is not PairKind.CROSS:
            return
        moves = [0.001 * math.sin(3 * minute) for minute in range(90)]
        for symbol, beta in (("BTCUSDT", 0.8), ("ETHUSDT", 1.0)):
            price, closes = float(MID[symbol]), []
            for move in moves:
                price *= math.exp(beta * move)
                closes.append(price)
            for event in closed_bars(symbol, closes, end_ms=self.venue.now_ms):
                self.feed(event)

    def leg(self, position_ref: str) -> RememberedLeg | None:
        row = self.books.get(position_ref)
        if row is None:
            return None
        is_spot = market_of(row.symbol) is Market.SPOT
        return RememberedLeg(
            symbol=row.symbol,
            # Of coins, the books are caught up with what our orders did before they are read.
            quantity=self.venue.positions.get((row.symbol, LONG), ZERO) if is_spot else row.quantity,
            entry_price=row.entry_price,
            opened_ms=row.opened_ms,
            hedge=row.hedge,
        )

    # --- between core and venue -----------------------------------------------------------------------

    def feed(self, event: Event) -> None:
        if isinstance(event, OrderChanged):
            self.heard.append(event)
        self.carry_out(self.core.handle(event))

    def carry_out(self, commands: list[Command]) -> None:
        commands = list(commands)
        self.stops += of_kind(commands, StopSession)
        for command in commands:
            if isinstance(command, SubmitOrder):
                self.check_order(command.order.value)
            elif isinstance(command, RecordPositionOpened):
                self.books.setdefault(command.position_ref, command)
                self.ever_opened.append(command)
            elif isinstance(command, RecordPositionClosed):
                assert command.position_ref in self.books
                del self.books[command.position_ref]
            self.venue.take(command)

    def check_order(self, order: NewOrder) -> None:
        key = (order.symbol, order.position_side)
        assert order.quantity is not None
        held = self.venue.positions.get(key, ZERO)
        if order.opens_position:
            mark = self.core.state.market.mark_of(order.symbol)
            assert mark is not None
            exposed = held + self.venue.live_opening(key) + order.quantity
            assert exposed * mark <= LEG_USD * Decimal("1.01") + mark * Decimal("0.001")
        else:
            # The core may not have heard yet of what was closed from outside, or of fees taken out of coins.
            unheard = self.outside.get(key, ZERO)
            if market_of(order.symbol) is Market.SPOT:
                unheard += order.quantity * COIN_FEE
            assert order.quantity <= held + unheard

    def show_market(self) -> None:
        for symbol in self.symbols:
            now_ms = self.venue.now_ms
            self.feed(QuoteUpdated(event_ms=now_ms, received_ns=0, quote=self.venue.quote(symbol)))
            if market_of(symbol) is Market.PERP:
                self.feed(MarkUpdated(event_ms=now_ms, received_ns=0, mark=self.venue.mark(symbol)))

    def pass_second(self) -> None:
        self.venue.now_ms += 1_000
        self.feed(TimerFired(event_ms=self.venue.now_ms, received_ns=0))
        self.show_market()

    def hear_everything(self) -> None:
        venue = self.venue
        while venue.stream or venue.account_stream or venue.answers:
            for queue in (venue.stream, venue.account_stream, venue.answers):
                if queue:
                    self.feed(queue.pop(0))

    # --- what can happen ------------------------------------------------------------------------------

    @rule(seconds=st.integers(1, 6))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.pass_second()

    @rule()
    def everything_is_heard_and_time_passes(self) -> None:
        self.hear_everything()
        self.pass_second()
        self.hear_everything()

    @rule(symbol=st.sampled_from(("BTCUSDT", "ETHUSDT")), moved_bps=st.sampled_from([-30, -5, -1, 1, 5, 30]))
    def price_moves(self, symbol: str, moved_bps: int) -> None:
        mid = self.venue.mid[symbol] * (1 + Decimal(moved_bps) / 10_000)
        self.venue.mid[symbol] = mid.quantize(Decimal("0.1"))
        self.venue.mid["BTCUSDT:SPOT"] = self.venue.mid["BTCUSDT"]
        self.show_market()

    @precondition(lambda self: self.venue.resting())
    @rule(data=st.data(), fraction=fractions)
    def resting_order_fills(self, data: st.DataObject, fraction: Decimal) -> None:
        self.venue.fill_resting(data.draw(st.sampled_from(self.venue.resting())), fraction)

    @precondition(lambda self: self.venue.resting())
    @rule(data=st.data())
    def resting_order_is_expired_by_the_venue(self, data: st.DataObject) -> None:
        self.venue.expire(data.draw(st.sampled_from(self.venue.resting())))

    @precondition(lambda self: self.venue.stream)
    @rule(data=st.data())
    def an_order_event_arrives(self, data: st.DataObject) -> None:
        """Usually the oldest; sometimes the network hands over another one first."""
        index = data.draw(st.sampled_from([0, 0, 0, len(self.venue.stream) - 1]))
        self.feed(self.venue.stream.pop(index))

    @precondition(lambda self: self.venue.account_stream)
    @rule()
    def an_account_event_arrives(self) -> None:
        self.feed(self.venue.account_stream.pop(0))

    @precondition(lambda self: self.venue.answers)
    @rule(data=st.data())
    def an_answer_arrives(self, data: st.DataObject) -> None:
        self.feed(self.venue.answers.pop(data.draw(st.integers(0, len(self.venue.answers) - 1))))

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def an_old_report_arrives_again(self, data: st.DataObject) -> None:
        self.feed(data.draw(st.sampled_from(self.heard[-30:])))

    @rule(
        manners=st.builds(
            Manners,
            lose_request=st.booleans(),
            lose_answer=st.booleans(),
            refuse=st.booleans(),
            fill_fraction=fractions | st.just(ZERO),
            lose_cancel=st.booleans(),
        )
    )
    def the_venue_changes_its_manners(self, manners: Manners) -> None:
        self.venue.manners = manners

    @rule()
    def the_venue_behaves(self) -> None:
        self.venue.manners = Manners()

    @rule(index=st.integers(0, 1), side=st.sampled_from([LONG, SHORT]), fraction=fractions)
    def a_leg_is_closed_from_outside(self, index: int, side: PositionSide, fraction: Decimal) -> None:
        symbol = self.symbols[index]
        key = (symbol, side)
        before = self.venue.positions.get(key, ZERO)
        self.venue.close_from_outside(key, fraction)
        closed = before - self.venue.positions.get(key, ZERO)
        self.outside[key] = self.outside.get(key, ZERO) + closed

    @precondition(lambda self: self.venue.stream_up)
    @rule(heard=st.booleans())
    def the_user_stream_dies(self, heard: bool) -> None:
        """What it had not delivered is lost; sometimes it takes a while until anybody notices."""
        self.venue.stream_up = False
        self.venue.stream.clear()
        self.venue.account_stream.clear()
        if heard:
            self.feed_status(healthy=False)

    @precondition(lambda self: not self.venue.stream_up)
    @rule()
    def the_user_stream_is_back(self) -> None:
        self.feed_status(healthy=False)
        self.venue.stream_up = True
        self.feed_status(healthy=True)

    def feed_status(self, *, healthy: bool) -> None:
        self.feed(
            FeedStatusChanged(
                event_ms=self.venue.now_ms, received_ns=0, feed=Feed.USER, healthy=healthy, detail="closed"
            )
        )

    @rule()
    def the_operator_is_killed_and_started_again(self) -> None:
        """Nothing that was under way to it arrives; its orders rest on, and the next run must find them."""
        for queue in (self.venue.stream, self.venue.account_stream, self.venue.answers):
            queue.clear()
        self.venue.stream_up = True
        # Its orders on the spot market are ended before the books are read.
        for name in self.venue.resting():
            if market_of(self.venue.orders[name].order.symbol) is Market.SPOT:
                self.venue.expire(name)
        self.venue.stream.clear()
        self.start_core()

    # --- what must be true in the end -----------------------------------------------------------------

    def settle(self) -> None:
        """The venue behaves and time passes. Resting orders never fill: the worst case for patience."""
        self.venue.manners = Manners()
        if not self.venue.stream_up:
            self.the_user_stream_is_back()
        self.hear_everything()
        for _ in range(SETTLING_SECONDS):
            self.pass_second()
            self.hear_everything()

    def dust(self) -> Decimal:
        """Coins that the venue would not take: each pair may leave some."""
        opened = {row.pair_ref for row in self.ever_opened}
        return Decimal("0.00013") * len(opened)

    def teardown(self) -> None:
        if self.runs == 0:
            return
        self.settle()
        known: dict[Key, Decimal] = {}
        for pair in self.core.state.pairs.active():
            for leg in pair.legs:
                key = (leg.symbol, leg.position_side)
                known[key] = known.get(key, ZERO) + leg.held
            if not pair.has_live_orders:
                assert pair.is_balanced, f"{pair.name} is lopsided: {pair.long.held}, {pair.short.held}"
        for (symbol, side), held in self.venue.positions.items():
            thought = known.pop((symbol, side), ZERO)
            spare = self.dust() if market_of(symbol) is Market.SPOT else ZERO
            assert abs(thought - held) <= spare, f"{symbol} {side}: thought {thought}, holds {held}"
        assert all(thought == 0 for thought in known.values())
        self.feed(
            OperatorRequested(
                event_ms=self.venue.now_ms, received_ns=0, action=OperatorAction.FLATTEN, actor="test"
            )
        )
        self.hear_everything()
        for _ in range(SETTLING_SECONDS):
            if self.stops:
                break
            self.pass_second()
            self.hear_everything()
        assert len(self.stops) == 1
        assert self.stops[0].open_positions == 0
        for (symbol, _), quantity in self.venue.positions.items():
            assert quantity <= (self.dust() if market_of(symbol) is Market.SPOT else ZERO)
        assert self.venue.resting() == []
        assert self.books == {}


TestVenueStorm = VenueStorm.TestCase
TestVenueStorm.settings = settings(
    max_examples=deeper(120, 1_000),
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
