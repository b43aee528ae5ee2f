"""Delta-neutral hold-and-rotate: the strategy's rules, and nothing else.

One pass of the loop is `run_cycle`: market view and pairs in, decisions out. It opens a LONG and a SHORT of
equal size, holds them at least the set time, closes and reopens them while the day's volume budget lasts,
and closes at once what the pair limits forbid. It has no state of its own: the same view gives the same
decisions.
"""

from decimal import Decimal

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import Refused
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

__all__ = ["DeltaNeutralStrategy"]


class DeltaNeutralStrategy:
    """Same-symbol pairs in hedge mode, one per symbol.

    `run_cycle` follows the loop: check positions, close what is risky, open, rotate, else hold.
    """

    name = "delta-neutral"

    def __init__(self, parameters: DeltaNeutralParameters, risk_manager: RiskManager) -> None:
        self.parameters = parameters
        self.risk_manager = risk_manager

    def run_cycle(self, view: CycleView) -> tuple[CycleDecision, ...]:
        """One pass over every symbol; each gets exactly one decision, acted on or not."""
        decisions: list[CycleDecision] = []
        planned_usd = view.volume_today_usd + view.committed_volume_usd
        gross_usd = view.committed_gross_usd
        for symbol in self.parameters.symbols:
            decision, adds_usd = self._decide(symbol, view, planned_usd, gross_usd)
            planned_usd += adds_usd
            if isinstance(decision.intent, OpenPair):
                # Half of what an opening adds to the plan is its close, which frees what was held.
                gross_usd += adds_usd / 2
            decisions.append(decision)
        return tuple(decisions)

    def check_risk(self, view: CycleView) -> tuple[CycleDecision, ...]:
        """Only the risk step, for every event between cycles: what must be closed now."""
        decisions = []
        for pair in view.pairs:
            if pair.phase is PairPhase.HOLDING:
                decision = self._close_if_risky(pair)
                if decision is not None:
                    decisions.append(decision)
        return tuple(decisions)

    # --- the steps ------------------------------------------------------------------------------------

    def _decide(
        self, symbol: str, view: CycleView, planned_usd: Decimal, gross_usd: Decimal
    ) -> tuple[CycleDecision, Decimal]:
        """The decision for one symbol and the notional (USD) it adds to today's plan."""
        market = view.markets[symbol]
        pair = next((pair for pair in view.pairs if pair.symbol == symbol), None)
        if pair is None:
            return self._open(symbol, market, view, planned_usd, gross_usd)
        if pair.phase is not PairPhase.HOLDING:
            return _decision(symbol, "work", f"pair is {pair.phase}", pair), ZERO
        risky = self._close_if_risky(pair)
        if risky is not None:
            return risky, ZERO  # every close is in the plan already
        return self._rotate_or_hold(symbol, market, pair, view, planned_usd)

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
        return _decision(pair.symbol, "close", intent.reason, pair, intent)

    def _open(
        self, symbol: str, market: SymbolMarket, view: CycleView, planned_usd: Decimal, gross_usd: Decimal
    ) -> tuple[CycleDecision, Decimal]:
        waiting = self._why_not_open(symbol, market, view)
        if waiting is not None or market.mark is None:
            return _decision(symbol, "wait", waiting or "no mark price yet"), ZERO
        quantity = self.risk_manager.calculate_pair_size(market.mark, symbol, gross_usd)
        if isinstance(quantity, Refused):
            return _decision(symbol, "wait", f"{quantity.rule}: {quantity.reason}"), ZERO
        legs_usd = 2 * quantity * market.mark
        # Opening commits to closing as well: a pair is only opened when the day can carry both.
        after_usd = planned_usd + 2 * legs_usd
        target_usd = self.parameters.daily_volume_target_usd
        if after_usd > target_usd:
            return _decision(
                symbol,
                "wait",
                f"volume budget: ${planned_usd:,.0f} done or planned today, "
                f"a pair needs ${2 * legs_usd:,.0f} more, target ${target_usd:,.0f}",
            ), ZERO
        intent = OpenPair(
            long_symbol=symbol,
            short_symbol=symbol,
            quantity=quantity,
            lead=_slower_leg(market, opening=True),
            reason=f"no pair held; {plain_text(quantity)} each side, "
            f"${planned_usd:,.0f} of ${target_usd:,.0f} used today",
        )
        return _decision(symbol, "open", intent.reason, intent=intent), 2 * legs_usd

    def _why_not_open(self, symbol: str, market: SymbolMarket, view: CycleView) -> str | None:
        if view.entries_blocked is not None:
            return view.entries_blocked
        if market.stale is not None:
            return f"market data: {market.stale}"
        reopen_after_ms = view.reopen_after_ms.get(symbol, 0)
        if view.now_ms < reopen_after_ms:
            return f"cooling down for {(reopen_after_ms - view.now_ms) / 60_000:.1f} min"
        if self._near_funding(market, view.now_ms):
            return f"within {self.parameters.funding_guard_ms // 1000} s of a funding stamp"
        threshold = self.parameters.funding_rate_threshold
        if market.funding_rate is not None and abs(market.funding_rate) > threshold:
            return f"funding rate {market.funding_rate:.6f} is beyond the threshold {threshold}"
        return None

    def _rotate_or_hold(
        self,
        symbol: str,
        market: SymbolMarket,
        pair: PairStatus,
        view: CycleView,
        planned_usd: Decimal,
    ) -> tuple[CycleDecision, Decimal]:
        held_ms = 0 if pair.held_since_ms is None else view.now_ms - pair.held_since_ms
        hold_ms = self.parameters.hold_time_ms
        if held_ms < hold_ms:
            reason = f"held {held_ms / 60_000:.1f} of {hold_ms / 60_000:.0f} min"
            return _decision(symbol, "hold", reason, pair), ZERO
        waiting = self._why_not_rotate(market, pair, view, planned_usd)
        if waiting is not None:
            return _decision(symbol, "hold", waiting, pair), ZERO
        intent = ClosePair(
            pair_ref=pair.pair_ref,
            lead=_slower_leg(market, opening=False),
            urgent=False,
            reason=f"rotate after {held_ms / 60_000:.1f} min",
        )
        return _decision(symbol, "rotate", intent.reason, pair, intent), _rotation_usd(pair)

    def _why_not_rotate(
        self, market: SymbolMarket, pair: PairStatus, view: CycleView, planned_usd: Decimal
    ) -> str | None:
        if view.entries_blocked is not None:
            return f"hold time reached; {view.entries_blocked}"
        if market.stale is not None:
            return f"hold time reached; market data: {market.stale}"
        if self._near_funding(market, view.now_ms):
            return (
                f"hold time reached; within {self.parameters.funding_guard_ms // 1000} s of a funding stamp"
            )
        needed_usd = _rotation_usd(pair)
        target_usd = self.parameters.daily_volume_target_usd
        if planned_usd + needed_usd > target_usd:
            return (
                f"hold time reached; volume budget: ${planned_usd:,.0f} done or planned today, "
                f"a rotation needs ${needed_usd:,.0f}, target ${target_usd:,.0f}"
            )
        return None

    def _near_funding(self, market: SymbolMarket, now_ms: int) -> bool:
        # Charges land up to 15 s late, so the stamp just behind us counts as the one ahead does.
        stamps_ms = (market.next_funding_ms, market.last_funding_ms)
        guard_ms = self.parameters.funding_guard_ms
        return any(stamp_ms is not None and abs(stamp_ms - now_ms) <= guard_ms for stamp_ms in stamps_ms)


def _rotation_usd(pair: PairStatus) -> Decimal:
    """What a rotation adds to the plan, which already holds this pair's close: the next open and close."""
    return 2 * pair.gross_usd


def _slower_leg(market: SymbolMarket, *, opening: bool) -> PositionSide:
    """Leg to work first: the one that would rest in the longer queue, because the other fills more readily
    once it must follow. Opening LONG and closing SHORT rest on the bid."""
    bid_quantity, ask_quantity = market.bid_quantity or ZERO, market.ask_quantity or ZERO
    bid_is_slower = bid_quantity >= ask_quantity
    return PositionSide.LONG if bid_is_slower == opening else PositionSide.SHORT


def _decision(
    symbol: str,
    action: str,
    reason: str,
    pair: PairStatus | None = None,
    intent: OpenPair | ClosePair | None = None,
) -> CycleDecision:
    numbers = {}
    if pair is not None:
        numbers = {
            "pair_pnl_usd": f"{pair.pnl_usd:.4f}",
            "net_delta_usd": f"{pair.net_delta_usd:.4f}",
            "gross_usd": f"{pair.gross_usd:.2f}",
        }
    return CycleDecision(symbol=symbol, action=action, reason=reason, intent=intent, numbers=numbers)
