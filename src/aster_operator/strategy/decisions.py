"""Decisions in the form the books keep them."""

from aster_operator.strategy.intents import ClosePair, CycleDecision, OpenPair, PairPhase, PairStatus

__all__ = ["decision_on", "is_judged"]


def decision_on(
    name: str,
    action: str,
    reason: str,
    pair: PairStatus | None = None,
    intent: OpenPair | ClosePair | None = None,
) -> CycleDecision:
    """A decision on the pair (or the pair to be) of that name, with the figures of what is held."""
    numbers = {}
    if pair is not None:
        numbers = {
            "pair_pnl_usd": f"{pair.pnl_usd:.4f}",
            "net_delta_usd": f"{pair.net_delta_usd:.4f}",
            "gross_usd": f"{pair.gross_usd:.2f}",
        }
    return CycleDecision(symbol=name, action=action, reason=reason, intent=intent, numbers=numbers)


def is_judged(pair: PairStatus) -> bool:
    """False for a pair that crosses already: it cannot be closed any faster."""
    return pair.phase is not PairPhase.CLOSED and not (pair.phase is PairPhase.CLOSING and pair.urgent)
