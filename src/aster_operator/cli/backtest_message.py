"""The end of a sweep as a message to people: verdicts first, then the best configurations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aster_operator.cli.errors import print_warnings
from aster_operator.config.problems import UserProblem

if TYPE_CHECKING:
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study
    from aster_operator.config.settings import Settings
    from aster_operator.monitoring.notifications import Delivery, Notifier

__all__ = ["all_sent", "send_sweep", "sweep_notifier"]

_TOP = 5
_COLUMNS = ("config_id", "total_pnl", "n_trades", "win_rate", "sharpe", "max_drawdown")


def sweep_notifier(settings: "Settings", where: str) -> "Notifier":
    """Who hears of a sweep's end. Raises UserProblem when nobody is set: before the work, not after it.

    `where` names the option that wants it sent.
    """
    from aster_operator.monitoring.notifications import notifier_from

    notifier = notifier_from(settings, "backtests")
    if not notifier.targets:
        raise UserProblem(
            "no target is set",
            where,
            "set NOTIFY_URLS, or ASTER_EMAIL_BACKTEST_ENABLE and its server",
        )
    return notifier


def send_sweep(
    notifier: "Notifier",
    results: "Sequence[SweepResult]",
    studies: "Sequence[Study]",
    semantics: str,
    notes: Sequence[str] = (),
) -> "list[Delivery]":
    """Send it to every target, `notes` at the end; what became of each."""
    from aster_operator.monitoring.notifications import Message

    symbols = ", ".join(result.symbol for result in results)
    return notifier.send(
        Message(
            title=f"Aster Operator: sweep of {symbols}",
            text=_text(results, studies, semantics, notes),
            level="success",
        )
    )


def all_sent(deliveries: "Sequence[Delivery]") -> bool:
    """Whether every target took it; a line of warning for each that did not."""
    refused = [one for one in deliveries if not one.sent]
    print_warnings(tuple(f"{one.target} did not take the report: {one.reason}" for one in refused))
    return not refused


def _text(
    results: "Sequence[SweepResult]", studies: "Sequence[Study]", semantics: str, notes: Sequence[str]
) -> str:
    from aster_operator.backtest.metrics import build_ranked_metrics

    lines = [study.judgement.line(study.symbol) for study in studies] or ["No verdicts were asked for."]
    for result in results:
        biased = ", biased: it fills inside the signal's bar" if result.compounds else ""
        lines += [
            "",
            f"{result.symbol}: best of {len(result.grid):,} over {result.bars:,} bars, {semantics}{biased}",
        ]
        for row in build_ranked_metrics(result).select(_COLUMNS).head(_TOP).iter_rows(named=True):
            cells = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values())
            lines.append("  ".join(f"{name} {cell}" for name, cell in zip(row, cells, strict=True)))
    lines += ["", "Chosen among many: expect less.", *notes]
    return "\n".join(lines)
