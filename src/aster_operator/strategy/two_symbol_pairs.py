"""Delta-neutral with two symbols: perpetual against perpetual, or spot against perpetual.

The loop, the plan and the limits are those of same-symbol pairs; what differs is how a pair is sized, which
way round it is held and which leg is worked first.
"""

from collections.abc import Iterable
from decimal import Decimal

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import Refused
from aster_operator.domain.pairing import LegHedge, Market, Pairing, market_of
from aster_operator.strategy.budget import PassBudget
from aster_operator.strategy.decisions import decision_on
from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy
from aster_operator.strategy.expected_cost import rank_symbols
from aster_operator.strategy.intents import (
    ClosePair,
    CycleDecision,
    CycleView,
    OpenPair,
    PairStatus,
    SymbolMarket,
)
from aster_operator.strategy.pair_legs import PlannedLegs, bounded_beta, leading_side, plan_legs
from aster_operator.strategy.volume_schedule import DayPlan

__all__ = ["TwoSymbolStrategy"]


class TwoSymbolStrategy(DeltaNeutralStrategy):
    """One pair for each pairing of the parameters. A pair that belongs to none of them, left by a run with
    other settings, is held out and closed."""

    def run_cycle(self, view: CycleView) -> tuple[CycleDecision, ...]:
        """One pass over every pairing, the cheapest first; each gets exactly one decision."""
        plan = self.plan(view)
        budget = PassBudget(view, self.parameters.daily_volume_target_usd)
        pairings = {pairing.name: pairing for pairing in self.parameters.pairs}
        decisions = [self._decide_on(pairings[name], view, plan, budget) for name in plan.rounds]
        decisions += [self._see_out(pair, view) for pair in view.pairs if pair.symbol not in pairings]
        return tuple(decisions)

    def plan(self, view: CycleView) -> DayPlan:
        legs_usd = {pairing.name: self._mean_leg_usd(pairing, view) for pairing in self.parameters.pairs}
        return self._plan_of(self._by_cost(view), legs_usd, view)

    def _by_cost(self, view: CycleView) -> list[str]:
        """Names of the pairings, the one whose two legs cost least first; unknown costs come last."""
        markets = [view.markets[symbol] for symbol in self.parameters.symbols]
        _, figures = rank_symbols(
            markets,
            {market.symbol: self._full_leg_usd(market) for market in markets},
            self.parameters.costs,
            hold_hours=Decimal(self.parameters.hold_time_ms) / HOUR_MS,
            maker_share=view.maker_share,
        )

        def cost(pairing: Pairing) -> tuple[bool, Decimal]:
            known = [figures[symbol].cost_usd for symbol in pairing.symbols if symbol in figures]
            return len(known) < len(pairing.symbols), sum(known, ZERO)

        return [pairing.name for pairing in sorted(self.parameters.pairs, key=cost)]

    def _mean_leg_usd(self, pairing: Pairing, view: CycleView) -> Decimal:
        """Half the notional of a full pair, which is what the plan counts in; zero when it is too small."""
        ratio = bounded_beta(pairing, view.betas.get(pairing.name), self.parameters.hedge)
        smaller = ZERO if isinstance(ratio, str) else min(ratio, 1 / ratio)
        legs = [self._full_leg_usd(view.markets[symbol]) for symbol in pairing.symbols]
        # Before the ratio is known the plan counts on equal legs.
        return min(legs) * (1 + (smaller or 1)) / 2

    # --- the steps ------------------------------------------------------------------------------------

    def _decide_on(
        self, pairing: Pairing, view: CycleView, plan: DayPlan, budget: PassBudget
    ) -> CycleDecision:
        pair = next((pair for pair in view.pairs if pair.symbol == pairing.name), None)
        if pair is None:
            return self._open_pairing(pairing, view, plan, budget)
        return self._urgent_or_under_way(pair) or self._rotate_or_hold(
            pairing.name, view.markets[pairing.first], pair, view, plan, budget
        )

    def _see_out(self, pair: PairStatus, view: CycleView) -> CycleDecision:
        first = self._urgent_or_under_way(pair)
        if first is not None:
            return first
        held_ms = 0 if pair.held_since_ms is None else view.now_ms - pair.held_since_ms
        left_ms = self.parameters.hold_time_ms - held_ms
        if left_ms > 0:
            reason = f"of no pairing of this session: to be closed in {left_ms / 60_000:.1f} min"
            return decision_on(pair.symbol, "hold", reason, pair)
        intent = ClosePair(
            pair_ref=pair.pair_ref,
            lead=self._closing_lead(view.markets[pair.long.symbol], pair),
            urgent=False,
            reason="of no pairing of this session, and held long enough",
        )
        return decision_on(pair.symbol, "close", intent.reason, pair, intent)

    def _open_pairing(
        self, pairing: Pairing, view: CycleView, plan: DayPlan, budget: PassBudget
    ) -> CycleDecision:
        ratio = bounded_beta(pairing, view.betas.get(pairing.name), self.parameters.hedge)
        waiting = self._why_not_open_pairing(pairing, view, plan, budget)
        if waiting is not None or isinstance(ratio, str):
            return decision_on(pairing.name, "wait", waiting or str(ratio))
        legs = self._legs(pairing, ratio, view, budget)
        if isinstance(legs, Refused):
            words = f"{budget.words()}; {legs.reason}" if legs.rule == "volume budget" else None
            return decision_on(pairing.name, "wait", words or f"{legs.rule}: {legs.reason}")
        long, short = legs.long_symbol, legs.short_symbol
        intent = OpenPair(
            long_symbol=long,
            short_symbol=short,
            quantity=legs.quantities[long],
            short_quantity=legs.quantities[short],
            lead=legs.lead,
            name=pairing.name,
            long_hedge=legs.hedges[long],
            short_hedge=legs.hedges[short],
            reason=f"no pair held; {plain_text(legs.quantities[long])} {long} long, "
            f"{plain_text(legs.quantities[short])} {short} short, "
            f"${budget.planned_usd:,.0f} of ${budget.target_usd:,.0f} used today",
        )
        for symbol, quantity in legs.quantities.items():
            budget.opens(symbol, quantity * (view.markets[symbol].mark or ZERO))
        decision = decision_on(pairing.name, "open", intent.reason, intent=intent)
        decision.numbers.update(_leg_numbers(pairing, ratio, legs, view, plan))
        return decision

    def _legs(
        self, pairing: Pairing, ratio: Decimal, view: CycleView, budget: PassBudget
    ) -> PlannedLegs | Refused:
        largest: dict[str, Decimal] = {}
        most_usd = budget.leg_left_usd(self._mean_leg_usd(pairing, view))
        for symbol in pairing.symbols:
            market = view.markets[symbol]
            if market.mark is None:
                return Refused(rule="mark", reason=f"mark price of {symbol} is unknown")
            size = self.risk_manager.calculate_pair_size(
                market.mark,
                symbol,
                budget.size_view(symbol, market, self.risk_manager.limits.leverage),
                most_usd=most_usd,
            )
            if isinstance(size, Refused):
                return size
            largest[symbol] = size
            cash_usd = view.spot_cash_usd
            if market_of(symbol) is Market.SPOT and cash_usd is not None:
                # A little is left for the fee and for prices that move before the last part is bought.
                largest[symbol] = min(size, cash_usd * _CASH_SHARE / market.mark)
        return plan_legs(
            pairing,
            ratio,
            view.markets,
            largest,
            self.risk_manager.instruments,
            now_ms=view.now_ms,
            until_ms=view.now_ms + self.parameters.hold_time_ms,
            fees=self.parameters.costs.fees,
        )

    def _why_not_open_pairing(
        self, pairing: Pairing, view: CycleView, plan: DayPlan, budget: PassBudget
    ) -> str | None:
        if view.entries_blocked is not None:
            return view.entries_blocked
        cooling = self._cooling_down(pairing.name, view)
        if cooling is not None:
            return cooling
        for symbol in pairing.symbols:
            waiting = self._why_not_trade(view.markets[symbol], view, pairing)
            if waiting is not None:
                return f"{symbol}: {waiting}"
        if budget.left_usd <= 0:
            return budget.words()
        return self._why_not_in_the_plan(pairing.name, view.markets[pairing.first], plan)

    def _why_not_trade(self, market: SymbolMarket, view: CycleView, pairing: Pairing) -> str | None:
        if market.stale is not None:
            return f"market data: {market.stale}"
        holder = next((pair for pair in view.pairs if market.symbol in _symbols_of(pair)), None)
        if holder is not None and holder.symbol != pairing.name:
            return f"held by the pair {holder.symbol}"
        return self._why_not_by_funding(market, view.now_ms)

    def _why_not_rotate(
        self,
        symbol: str,
        market: SymbolMarket,  # noqa: ARG002 - both are asked
        pair: PairStatus,
        view: CycleView,
        plan: DayPlan,
        budget: PassBudget,
    ) -> str | None:
        """Neither market may stand against it."""
        why_not = super()._why_not_rotate
        return _first_reason(
            why_not(symbol, view.markets[leg.symbol], pair, view, plan, budget) for leg in pair.legs
        )

    def _why_not_now(
        self,
        symbol: str,
        market: SymbolMarket,  # noqa: ARG002 - both are asked
        pair: PairStatus,
        view: CycleView,
        plan: DayPlan,
    ) -> str | None:
        why_not = super()._why_not_now
        return _first_reason(why_not(symbol, view.markets[leg.symbol], pair, view, plan) for leg in pair.legs)

    def _closing_lead(self, market: SymbolMarket, pair: PairStatus) -> PositionSide:
        if pair.long.symbol == pair.short.symbol:
            return super()._closing_lead(market, pair)
        hedges = {leg.symbol: LegHedge(weight=leg.weight) for leg in pair.legs}
        return leading_side(pair.long.symbol, pair.short.symbol, self.risk_manager.instruments, hedges)


_CASH_SHARE = Decimal("0.98")


def _first_reason(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason is not None), None)


def _symbols_of(pair: PairStatus) -> tuple[str, str]:
    return pair.long.symbol, pair.short.symbol


def _leg_numbers(
    pairing: Pairing, ratio: Decimal, legs: PlannedLegs, view: CycleView, plan: DayPlan
) -> dict[str, str]:
    numbers = {"rounds_left": str(plan.rounds[pairing.name]), "hedge_ratio": str(ratio)}
    beta = view.betas.get(pairing.name)
    if beta is not None:
        numbers |= {"correlation": str(beta.correlation), "hedge_minutes": str(beta.minutes)}
    if legs.funding_usd is not None:
        numbers["expected_funding_usd"] = f"{legs.funding_usd:.4f}"
    return numbers
