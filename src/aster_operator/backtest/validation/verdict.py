"""One line on each symbol: robust, fragile or noise, with the numbers that say so.

The order of the questions matters. First whether the best of all that was tried beats nothing by more than
luck (the reality check's p-value, at a stated error rate); what does not is noise, whatever else looks well.
Only then whether it holds elsewhere: out of sample, to the end, beside itself in the grid, at higher costs.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Evidence", "Judgement", "Thresholds", "Verdict", "is_overfitted", "judge"]


_BIASED = (
    "the vectorbt semantics is biased, its fills inside the signal's bar earn on noise too: "
    "sweep with exchange to learn more"
)


class Verdict(StrEnum):
    ROBUST = "robust"
    FRAGILE = "fragile"
    NOISE = "noise"


@dataclass(frozen=True)
class Evidence:
    """What the studies found about the chosen configuration. Nan is what could not be measured, which
    speaks against it. PnL in the unit of the sweep, all after fees and funding.

    `alternatives` counts the configurations that differ in their results: with one of them nothing was
    chosen, and choosing cannot have been overfitted."""

    trades: int
    alternatives: int
    reality_check_p_value: float
    overfitting_probability: float
    loss_probability: float
    deflated_sharpe_probability: float
    walk_forward_pnl: float
    decay_p_value: float
    plateau_score: float
    stressed_cost_pnl: float


@dataclass(frozen=True)
class Thresholds:
    """`error_rate` is how often pure noise may pass for something, and what lasts for something that has
    faded; the others are what robust means. A choice that is often below the median is none the worse for it
    while it loses in no more than `max_loss_probability` of the splits."""

    error_rate: float = 0.05
    min_trades: int = 30
    max_overfitting_probability: float = 0.3
    max_loss_probability: float = 0.05
    min_deflated_sharpe_probability: float = 0.9
    min_plateau_score: float = 0.5


@dataclass(frozen=True)
class Judgement:
    """The verdict and each reason against a better one, in words."""

    verdict: Verdict
    reasons: tuple[str, ...]

    def line(self, symbol: str) -> str:
        """The judgement in one line."""
        return f"{symbol}: {self.verdict}" + (f" ({'; '.join(self.reasons)})" if self.reasons else "")


def judge(evidence: Evidence, thresholds: Thresholds | None = None, *, is_biased: bool = False) -> Judgement:
    """The verdict on what was found. `is_biased` says that the fills earn on noise too: then no profit is
    evidence, and nothing better than noise is said."""
    limits = thresholds if thresholds is not None else Thresholds()
    p_value = evidence.reality_check_p_value
    if evidence.trades == 0:
        return Judgement(Verdict.NOISE, ("no configuration ever trades",))
    if math.isnan(p_value) or p_value > limits.error_rate:
        shown = "could not be measured" if math.isnan(p_value) else f"{p_value:.3f} above {limits.error_rate}"
        return Judgement(Verdict.NOISE, (f"reality check p-value {shown}",))
    if is_biased:
        return Judgement(Verdict.NOISE, (_BIASED,))
    doubts = tuple(_doubts(evidence, limits))
    return Judgement(Verdict.FRAGILE if doubts else Verdict.ROBUST, doubts or _praise(evidence))


def is_overfitted(evidence: Evidence, limits: Thresholds) -> bool:
    """Whether choosing the best of the past led to what was bad afterwards, or that could not be measured."""
    if evidence.alternatives < 2:
        return False
    if evidence.overfitting_probability <= limits.max_overfitting_probability:
        return False
    return not evidence.loss_probability <= limits.max_loss_probability


def _doubts(evidence: Evidence, limits: Thresholds) -> list[str]:
    doubts = []
    if evidence.trades < limits.min_trades:
        doubts.append(f"{evidence.trades} trades, fewer than {limits.min_trades}")
    if is_overfitted(evidence, limits):
        doubts.append(
            f"probability of overfitting {_shown(evidence.overfitting_probability)}, "
            f"above {limits.max_overfitting_probability}, and of losing {_shown(evidence.loss_probability)}"
        )
    if not evidence.deflated_sharpe_probability >= limits.min_deflated_sharpe_probability:
        doubts.append(
            f"deflated Sharpe probability {_shown(evidence.deflated_sharpe_probability)}, "
            f"below {limits.min_deflated_sharpe_probability}"
        )
    if not evidence.walk_forward_pnl > 0.0:
        doubts.append(f"walk-forward PnL {_shown(evidence.walk_forward_pnl)}")
    if not evidence.decay_p_value >= limits.error_rate:
        doubts.append(f"it earned earlier what it no longer does (p-value {_shown(evidence.decay_p_value)})")
    if not evidence.plateau_score >= limits.min_plateau_score:
        doubts.append(f"plateau score {_shown(evidence.plateau_score)}, below {limits.min_plateau_score}")
    if not evidence.stressed_cost_pnl > 0.0:
        doubts.append(f"PnL at 1.5 times the costs {_shown(evidence.stressed_cost_pnl)}")
    return doubts


def _praise(evidence: Evidence) -> tuple[str, ...]:
    return (
        f"reality check p-value {evidence.reality_check_p_value:.3f}",
        f"probability of overfitting {_shown(evidence.overfitting_probability)}",
        f"deflated Sharpe probability {evidence.deflated_sharpe_probability:.2f}",
        f"walk-forward PnL {evidence.walk_forward_pnl:.2f}",
        f"plateau score {evidence.plateau_score:.2f}",
    )


def _shown(value: float) -> str:
    return "not measurable" if math.isnan(value) else f"{value:.2f}"
