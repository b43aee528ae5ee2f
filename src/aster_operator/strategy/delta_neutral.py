"""Delta-neutral hold-and-rotate: the strategy's rules, and nothing else.

One pass of the loop is `run_cycle`: market view and pairs in, decisions out. It opens a LONG and a SHORT of
equal size, holds them at least the set time, closes and reopens them as the day's plan asks for it, and
closes at once what the pair limits forbid. It has no state of its own: the same view gives the same
decisions.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import structs

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import Refused
from aster_operator.strategy.budget import PassBudget, rotation_usd
from aster_operator.strategy.decisions import decision_on, is_judged
from aster_operator.strategy.expected_cost import half_spread_bps, rank_symbols
from aster_operator.strategy.funding import is_near_stamp, pair_forecast_usd
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
from aster_operator.strategy.volume_schedule import DayPlan, Lane, PlanRequest, plan_day

__all__ = ["DeltaNeutralStrategy"]

_SMALLEST_ROTATION = Decimal("0.5")
"""A pair is not given up for one smaller than this share of it: the value it holds is worth more."""


class DeltaNeutralStrategy:
    """Same-symbol pairs in hedge mode, one per symbol.

    `run_cycle` follows the loop: check positions, close what is risky, open, rotate, else hold.
    """

    name = "delta-neutral"

    def __init__(self, parameters: DeltaNeutralParameters, risk_manager: RiskManager) -> None:
        self.parameters = parameters
        self.risk_manager = risk_manager

    def run_cycle(self, view: CycleView) -> tuple[CycleDecision, ...]:
        """One pass over every symbol, the cheapest first; each gets exactly one decision, acted on or not."""
        decisions: list[CycleDecision] = []
        plan = self.plan(view)
        budget = PassBudget(view, self.parameters.daily_volume_target_usd)
        for symbol in plan.rounds:
            decisions.append(self._decide(symbol, view, plan, budget))
        return tuple(decisions)

    def plan(self, view: CycleView) -> DayPlan:
        """The day's plan as of this view, symbols in the order of expected cost."""
        parameters = self.parameters
        legs_usd = {symbol: self._full_leg_usd(view.markets[symbol]) for symbol in parameters.symbols}
        order, _ = rank_symbols(
            [view.markets[symbol] for symbol in parameters.symbols],
            legs_usd,
            parameters.costs,
            hold_hours=Decimal(parameters.hold_time_ms) / HOUR_MS,
            maker_share=view.maker_share,
        )
        return self._plan_of(order, legs_usd, view)

    def _plan_of(self, order: Sequence[str], legs_usd: Mapping[str, Decimal], view: CycleView) -> DayPlan:
        """The plan of lanes by name, in the order of expected cost."""
        parameters = self.parameters
        return plan_day(
            PlanRequest(
                now_ms=view.now_ms,
                lanes=tuple(self._lane(symbol, legs_usd[symbol], view) for symbol in order),
                planned_usd=view.volume_today_usd + view.committed_volume_usd,
                target_usd=parameters.daily_volume_target_usd,
                hold_ms=parameters.hold_time_ms,
                working_ms=parameters.working_ms,
                held_usd_hours=view.held_usd_hours,
                hold_target_usd_hours=parameters.weekly_hold_target_usd_hours,
                week_end_ms=view.week_end_ms,
            )
        )

    def check_risk(self, view: CycleView) -> tuple[CycleDecision, ...]:
        """Only the risk step: what must be closed now."""
        return self.check_pairs(view.pairs)

    def check_pairs(self, pairs: Iterable[PairStatus]) -> tuple[CycleDecision, ...]:
        """The risk step alone, for every event between cycles. Pairs that are opened or closed without hurry
        are judged too."""
        return tuple(
            decision
            for pair in pairs
            if is_judged(pair) and (decision := self._close_if_risky(pair)) is not None
        )

    # --- the steps ------------------------------------------------------------------------------------

    def _decide(self, symbol: str, view: CycleView, plan: DayPlan, budget: PassBudget) -> CycleDecision:
        market = view.markets[symbol]
        pair = next((pair for pair in view.pairs if pair.symbol == symbol), None)
        if pair is None:
            return self._open(symbol, market, view, plan, budget)
        return self._urgent_or_under_way(pair) or self._rotate_or_hold(
            symbol, market, pair, view, plan, budget
        )

    def _urgent_or_under_way(self, pair: PairStatus) -> CycleDecision | None:
        """What comes before any thought of rotating: a breached limit, a pair that is being worked."""
        risky = self._close_if_risky(pair) if is_judged(pair) else None
        if risky is not None:
            return risky  # every close is in the plan already
        if pair.phase is not PairPhase.HOLDING:
            return decision_on(pair.symbol, "work", f"pair is {pair.phase}", pair)
        return None

    def _close_if_risky(self, pair: PairStatus) -> CycleDecision | None:
        breach = self.risk_manager.should_close_position(pair)
        if breach is None:
            return None
        intent = ClosePair(
            pair_ref=pair.pair_ref,
            lead=pair.riskier_side,
            urgent=True,
            reason=f"{breach.rule}: {breach.reason}",
        )
        return decision_on(pair.symbol, "close", intent.reason, pair, intent)

    def _open(
        self, symbol: str, market: SymbolMarket, view: CycleView, plan: DayPlan, budget: PassBudget
    ) -> CycleDecision:
        waiting = self._why_not_open(symbol, market, view, plan, budget)
        if waiting is not None or market.mark is None:
            return decision_on(symbol, "wait", waiting or "no mark price yet")
        quantity = self.risk_manager.calculate_pair_size(
            market.mark,
            symbol,
            budget.size_view(symbol, market, self.risk_manager.limits.leverage),
            most_usd=budget.leg_usd(plan.leg_usd[symbol]),
        )
        if isinstance(quantity, Refused):
            if quantity.rule == "volume budget":
                return decision_on(symbol, "wait", f"{budget.words()}; {quantity.reason}")
            return decision_on(symbol, "wait", f"{quantity.rule}: {quantity.reason}")
        legs_usd = 2 * quantity * market.mark
        intent = OpenPair(
            long_symbol=symbol,
            short_symbol=symbol,
            quantity=quantity,
            lead=_slower_leg(market, opening=True),
            reason=f"no pair held; {plain_text(quantity)} each side, "
            f"${budget.planned_usd:,.0f} of ${budget.target_usd:,.0f} used today",
        )
        budget.opens(symbol, legs_usd)
        decision = decision_on(symbol, "open", intent.reason, intent=intent)
        decision.numbers.update(self._round_numbers(market, legs_usd / 2, view, plan))
        return decision

    def _round_numbers(
        self, market: SymbolMarket, leg_usd: Decimal, view: CycleView, plan: DayPlan
    ) -> dict[str, str]:
        """What the round is expected to cost and how many are to come, for the books."""
        parameters = self.parameters
        _, figures = rank_symbols(
            [market],
            {market.symbol: leg_usd},
            parameters.costs,
            hold_hours=Decimal(parameters.hold_time_ms) / HOUR_MS,
            maker_share=view.maker_share,
        )
        until_ms = view.now_ms + parameters.hold_time_ms
        funding = pair_forecast_usd(market, market, leg_usd, view.now_ms, until_ms)
        numbers = {"rounds_left": str(plan.rounds[market.symbol])}
        if market.symbol in figures:
            numbers["expected_cost_usd"] = f"{figures[market.symbol].cost_usd * leg_usd:.4f}"
        if funding is not None:
            numbers["expected_funding_usd"] = f"{funding:.4f}"
        return numbers

    def _why_not_open(
        self, symbol: str, market: SymbolMarket, view: CycleView, plan: DayPlan, budget: PassBudget
    ) -> str | None:
        if view.entries_blocked is not None:
            return view.entries_blocked
        if market.stale is not None:
            return f"market data: {market.stale}"
        waiting = self._cooling_down(symbol, view) or self._why_not_by_funding(market, view.now_ms)
        if waiting is not None:
            return waiting
        if budget.left_usd <= 0:
            return budget.words()
        return self._why_not_in_the_plan(symbol, market, plan)

    @staticmethod
    def _cooling_down(name: str, view: CycleView) -> str | None:
        """How long a symbol or pairing must still be left alone; None when it need not."""
        left_ms = view.reopen_after_ms.get(name, 0) - view.now_ms
        return f"cooling down for {left_ms / 60_000:.1f} min" if left_ms > 0 else None

    def _why_not_by_funding(self, market: SymbolMarket, now_ms: int) -> str | None:
        """Why funding speaks against opening on this market now."""
        near_stamp = self._near_stamp(market, now_ms)
        if near_stamp is not None:
            return near_stamp
        threshold = self.parameters.funding_rate_threshold
        if market.funding_rate is not None and abs(market.funding_rate) > threshold:
            return f"funding rate {market.funding_rate:.6f} is beyond the threshold {threshold}"
        return None

    def _near_stamp(self, market: SymbolMarket, now_ms: int) -> str | None:
        guard_ms = self.parameters.funding_guard_ms
        near = is_near_stamp(market, now_ms, guard_ms)
        return f"within {guard_ms // 1000} s of a funding stamp" if near else None

    def _why_not_in_the_plan(self, symbol: str, market: SymbolMarket, plan: DayPlan) -> str | None:
        if self.parameters.stops_when_unreachable:
            shortfall = plan.shortfall or plan.hold_shortfall
            if shortfall is not None:
                return f"stopped, a target cannot be reached; {shortfall}"
        if plan.serves(symbol) or self._full_leg_usd(market) == 0:
            return None  # a leg that is too small is for the sizing to explain
        others = ", ".join(name for name in plan.rounds if plan.rounds[name] > 0)
        return f"the plan reaches today's volume at less cost with {others}"

    def _rotate_or_hold(
        self,
        symbol: str,
        market: SymbolMarket,
        pair: PairStatus,
        view: CycleView,
        plan: DayPlan,
        budget: PassBudget,
    ) -> CycleDecision:
        held_ms = 0 if pair.held_since_ms is None else view.now_ms - pair.held_since_ms
        hold_ms = self.parameters.hold_time_ms
        if held_ms < hold_ms:
            reason = f"held {held_ms / 60_000:.1f} of {hold_ms / 60_000:.0f} min"
            return decision_on(symbol, "hold", reason, pair)
        waiting = self._why_not_rotate(symbol, market, pair, view, plan, budget)
        if waiting is not None:
            return decision_on(symbol, "hold", f"hold time reached; {waiting}", pair)
        dear = self._why_not_now(symbol, market, pair, view, plan)
        if dear is not None:
            decision = decision_on(symbol, "hold", f"hold time reached; {dear}", pair)
            return structs.replace(decision, is_passing=True)
        intent = ClosePair(
            pair_ref=pair.pair_ref,
            lead=self._closing_lead(market, pair),
            urgent=False,
            reason=f"rotate after {held_ms / 60_000:.1f} min",
        )
        budget.rotates(pair)
        return decision_on(symbol, "rotate", intent.reason, pair, intent)

    def _closing_lead(self, market: SymbolMarket, pair: PairStatus) -> PositionSide:  # noqa: ARG002
        """The leg to close first when there is no hurry."""
        return _slower_leg(market, opening=False)

    def _why_not_rotate(
        self,
        symbol: str,
        market: SymbolMarket,
        pair: PairStatus,
        view: CycleView,
        plan: DayPlan,
        budget: PassBudget,
    ) -> str | None:
        if view.entries_blocked is not None:
            return view.entries_blocked
        if market.stale is not None:
            return f"market data: {market.stale}"
        near_stamp = self._near_stamp(market, view.now_ms)
        if near_stamp is not None:
            return near_stamp
        needed_usd = rotation_usd(pair)
        if budget.left_usd < needed_usd * _SMALLEST_ROTATION:
            return f"{budget.words()}, a rotation needs ${needed_usd:,.0f}"
        unwanted = self._why_not_in_the_plan(symbol, market, plan)
        if unwanted is not None:
            return unwanted
        if plan.rounds[symbol] == 0:
            return "held for its value; the plan reaches today's volume without it"
        return None

    def _why_not_now(
        self, symbol: str, market: SymbolMarket, pair: PairStatus, view: CycleView, plan: DayPlan
    ) -> str | None:
        """A dear moment is waited out while the plan has time in hand."""
        hold_end_ms = (pair.held_since_ms or view.now_ms) + self.parameters.hold_time_ms
        until_ms = min(plan.latest_ms[symbol], hold_end_ms + self.parameters.dear_patience_ms)
        if view.now_ms >= until_ms:
            return None
        dear = self._why_dear_by_spread(market) or self._why_dear_by_volatility(market)
        until = f"until {_time_of_day(until_ms)} UTC at the latest"
        return None if dear is None else f"{dear}: waiting for a cheaper moment, {until}"

    def _why_dear_by_spread(self, market: SymbolMarket) -> str | None:
        usual, now = market.usual_half_spread_bps, half_spread_bps(market)
        if usual is None or now is None:
            return None
        dear_bps = usual + self.parameters.dear_half_spread_bps
        if now <= max(usual * self.parameters.dear_spread_multiple, dear_bps):
            return None
        return f"half the spread is {now:.2f} bps, usually {usual:.2f}"

    def _why_dear_by_volatility(self, market: SymbolMarket) -> str | None:
        """What crosses pays the same in any market; what rests loses to prices that move on."""
        usual, now = market.usual_volatility_bps_hour, market.recent_volatility_bps_hour
        if usual is None or now is None or self.parameters.costs.maker_share == 0:
            return None
        if now <= usual * self.parameters.dear_volatility_multiple:
            return None
        return f"the market moves by {now:.0f} bps an hour, usually {usual:.0f}"

    # --- lanes ----------------------------------------------------------------------------------------

    def _full_leg_usd(self, market: SymbolMarket) -> Decimal:
        return ZERO if market.mark is None else self.risk_manager.full_leg_usd(market.mark, market.symbol)

    def _lane(self, symbol: str, leg_usd: Decimal, view: CycleView) -> Lane:
        """When the symbol's next round may start: now, or when what it holds has been held long enough."""
        pair = next((pair for pair in view.pairs if pair.symbol == symbol), None)
        free_ms = max(view.now_ms, view.reopen_after_ms.get(symbol, 0))
        hold_ms = self.parameters.hold_time_ms
        if pair is not None and pair.phase is PairPhase.OPENING:
            free_ms = view.now_ms + hold_ms
        elif pair is not None and pair.phase is PairPhase.HOLDING:
            held_since_ms = view.now_ms if pair.held_since_ms is None else pair.held_since_ms
            free_ms = max(view.now_ms, held_since_ms + hold_ms)
        return Lane(symbol=symbol, leg_usd=leg_usd, free_ms=free_ms)


def _time_of_day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M")


def _slower_leg(market: SymbolMarket, *, opening: bool) -> PositionSide:
    """Leg to work first: the one that would rest in the longer queue, because the other fills more readily
    once it must follow. Opening LONG and closing SHORT rest on the bid."""
    bid_quantity, ask_quantity = market.bid_quantity or ZERO, market.ask_quantity or ZERO
    bid_is_slower = bid_quantity >= ask_quantity
    return PositionSide.LONG if bid_is_slower == opening else PositionSide.SHORT
