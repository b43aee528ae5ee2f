"""A report on sweeps as a page: the verdict with its numbers, the best, the figures, where it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from aster_operator.backtest.grid import PARAMETERS
from aster_operator.backtest.report.figures import symbol_panels
from aster_operator.backtest.report.heatmaps import METRICS
from aster_operator.backtest.report.material import SymbolMaterial
from aster_operator.backtest.report.page import BIASED, PageSection, page_html, table_html
from aster_operator.backtest.report.style import SCALE
from aster_operator.backtest.validation.study import Study
from aster_operator.backtest.validation.verdict import Thresholds

__all__ = ["report_html"]

_SIGNS = {"robust": "✔", "fragile": "▲", "noise": "✖"}
_MEANING = {
    "robust": "holds out of sample, beside itself in the grid and at higher costs",
    "fragile": "more than luck, but it breaks where it is pushed",
    "noise": "not distinguishable from the luck of the best of many",
}
_TOP_COLUMNS = (
    ("total_pnl", "Net PnL, USD", "{:+,.2f}", 1.0),
    ("total_return", "Return, %", "{:+.2f}", 100.0),
    ("n_trades", "Trades", "{:,.0f}", 1.0),
    ("win_rate", "Won, %", "{:.1f}", 100.0),
    ("sharpe", "Sharpe, a year", "{:.2f}", 1.0),
    ("max_drawdown", "Max drawdown, %", "{:.2f}", 100.0),
    ("profit_factor", "Profit factor", "{:.2f}", 1.0),
    ("fees_usd", "Fees, USD", "{:,.2f}", 1.0),
    ("funding_usd", "Funding, USD", "{:+,.2f}", 1.0),
    ("exposure", "In a position, %", "{:.1f}", 100.0),
    ("avg_hold_bars", "Held, minutes", "{:.1f}", 1.0),
    ("ambiguous_bars", "Ambiguous exits", "{:,.0f}", 1.0),
)


def report_html(materials: Sequence[SymbolMaterial]) -> str:
    """The whole report on one or more symbols."""
    first = materials[0]
    span = f"{_day(first.result.first_bar_ms)} to {_day(first.result.last_bar_ms)}"
    configurations = sum(len(material.result.grid) for material in materials)
    words = (
        f"{configurations:,} configurations, {len(materials)} symbol{'s' * (len(materials) > 1)}, {span} UTC."
    )
    biased = any(material.result.compounds for material in materials)
    intro = f'<p class="soft">{words} Money in USD, after fees and funding.</p>'
    intro += f'<p class="caution" role="note">{BIASED}</p>' if biased else ""
    intro += _overview(materials)
    return page_html("Back-test report", intro, [_section(material) for material in materials])


def _section(material: SymbolMaterial) -> PageSection:
    study, sweep = material.study, material.sweep
    word = str(study.judgement.verdict)
    line = escape(study.judgement.line(study.symbol))
    before = (
        f'<div class="verdict {word}"><span class="word">{_SIGNS[word]} {word}</span>: {_MEANING[word]}.'
        f'<div class="soft">{line}</div></div>'
    )
    if material.result.compounds:
        before += f'<p class="caution" role="note">{BIASED}</p>'
    if material.changed:
        before += (
            f'<p class="caution" role="note">Run again, {material.changed:,} configurations earn something '
            "else than the result file says: it was written by another version of the program.</p>"
        )
    before += _evidence(study) + "<h3>The best</h3>" + _top(material)
    after = _regimes(study) + _provenance(material)
    return PageSection(
        _anchor(sweep.symbol), sweep.symbol, before, symbol_panels(material), after, _maps(material)
    )


def _overview(materials: Sequence[SymbolMaterial]) -> str:
    rows = []
    for material in materials:
        study, best = material.study, material.sweep.ranked.row(0, named=True)
        word = str(study.judgement.verdict)
        rows.append(
            [
                f'<a href="#{_anchor(study.symbol)}">{escape(study.symbol)}</a>',
                f'<span class="{word}"><span class="word">{_SIGNS[word]} {word}</span></span>',
                f"{material.result.semantics}{' (biased)' if material.result.compounds else ''}",
                escape(study.best),
                _number(best["total_pnl"], "{:+,.2f}"),
                f"{study.evidence.trades:,}",
                _number(study.evidence.walk_forward_pnl, "{:+,.2f}"),
                _number(study.evidence.reality_check_p_value, "{:.3f}"),
            ]
        )
    head = [
        "Symbol",
        "Verdict",
        "Semantics",
        "Best",
        "Net PnL, USD",
        "Trades",
        "Walk-forward, USD",
        "p-value",
    ]
    return table_html(head, rows, text=(0, 1, 2, 3))


def _evidence(study: Study) -> str:
    """Each question of the verdict with its number, its limit and the answer."""
    found, limits = study.evidence, Thresholds()
    questions = (
        ("Does the best beat nothing by more than luck? Reality check, p-value", found.reality_check_p_value,
         "{:.3f}", f"at most {limits.error_rate}", found.reality_check_p_value <= limits.error_rate),
        ("Would choosing the best of the past have paid? Walk-forward, USD", found.walk_forward_pnl,
         "{:+,.2f}", "above 0", found.walk_forward_pnl > 0),
        ("Does the chosen one stay above the median out of sample? Probability of overfitting",
         found.overfitting_probability, "{:.2f}", f"at most {limits.max_overfitting_probability}",
         found.overfitting_probability <= limits.max_overfitting_probability),
        ("Or if it does not, does it earn all the same? Probability of losing out of sample",
         found.loss_probability, "{:.2f}", f"at most {limits.max_loss_probability}",
         found.loss_probability <= limits.max_loss_probability),
        (f"Is its Sharpe ratio above that of the best of {_trials(study)}? Deflated Sharpe probability",
         found.deflated_sharpe_probability, "{:.2f}", f"at least {limits.min_deflated_sharpe_probability}",
         found.deflated_sharpe_probability >= limits.min_deflated_sharpe_probability),
        ("Does it still earn what it earned? CUSUM against decay, p-value", found.decay_p_value, "{:.3f}",
         f"at least {limits.error_rate}", found.decay_p_value >= limits.error_rate),
        ("Do its neighbours in the grid earn too? Plateau score", found.plateau_score, "{:.2f}",
         f"at least {limits.min_plateau_score}", found.plateau_score >= limits.min_plateau_score),
        ("Does it survive higher costs? PnL at 1.5 times fees and slippage, USD", found.stressed_cost_pnl,
         "{:+,.2f}", "above 0", found.stressed_cost_pnl > 0),
        ("Are there enough trades?", float(found.trades), "{:,.0f}", f"at least {limits.min_trades}",
         found.trades >= limits.min_trades),
    )  # fmt: skip
    rows = []
    for question, value, form, limit, passed in questions:
        answer = "not measurable" if math.isnan(value) else "✔ yes" if passed else "✖ no"
        rows.append([escape(question), _number(value, form), limit, answer])
    return table_html(["Question", "Found", "Wanted", "Answer"], rows, text=(0, 3), long=(0,))


def _trials(study: Study) -> str:
    return "so many trials" if study.deflated is None else f"{study.deflated.trials:,.1f} independent trials"


def _top(material: SymbolMaterial) -> str:
    ranked = material.sweep.ranked.head(max(len(material.top), 1))
    columns = [entry for entry in _TOP_COLUMNS if entry[0] in ranked.columns]
    rows = []
    for row in ranked.iter_rows(named=True):
        varied = ", ".join(f"{name} {row[name]:g}" for name in material.parameters) or "the only one"
        rows.append(
            [
                escape(row["config_id"]),
                *(_number(row[name], form, scale) for name, _, form, scale in columns),
                escape(varied),
            ]
        )
    head = ["Configuration", *(label for _, label, _, _ in columns), "Parameters that vary"]
    return table_html(head, rows, text=(0, len(head) - 1))


def _regimes(study: Study) -> str:
    rows = [
        [escape(f"{kind}: {row.regime}"), f"{row.trades:,}", _number(row.total_pnl, "{:+,.2f}"),
         _number(row.mean_pnl, "{:+,.3f}"), _number(row.win_rate, "{:.0%}")]
        for kind in ("volatility", "trend of the last hour")
        for row in study.regimes.get(kind, [])
    ]  # fmt: skip
    if not rows:
        return ""
    head = ["Market at the entry", "Trades", "Net PnL, USD", "A trade, USD", "Won"]
    return f"<h3>By the kind of market</h3>{table_html(head, rows)}"


def _provenance(material: SymbolMaterial) -> str:
    sweep, options, result = material.sweep, material.sweep.options, material.result
    facts = {
        "Bars": f"{result.bars:,}, {_day(result.first_bar_ms)} to {_day(result.last_bar_ms)} UTC",
        "Configurations": f"{len(result.grid):,}",
        "Semantics": result.semantics + (" (biased)" if result.compounds else ""),
        "Fee, slippage": f"{options.fee_bps:g} bps, {options.slippage_bps:g} bps a fill",
        "Order notional": "all capital, from 100 USD"
        if result.compounds
        else f"{options.order_notional_usd:g} USD",
        "Tick size, lot size": f"{_size(options.tick_size)}, {_size(options.lot_size)}",
        "Cooldown, funding": f"{options.cooldown_bars} minutes, every {options.funding_interval_hours} hours",
        "Result file": sweep.path.name,
        "Hash of the inputs": sweep.provenance.inputs_hash,
        "Hash of grid and options": sweep.provenance.grid_hash,
        "Code version": sweep.provenance.code_version,
    }
    names = [name for name in PARAMETERS if name not in material.parameters]
    fixed = ", ".join(f"{name} {result.grid.column(name)[0]:g}" for name in names)
    rows = [[escape(name), f"<code>{escape(text)}</code>"] for name, text in facts.items()]
    rows += [["Parameters that do not vary", f"<code>{escape(fixed)}</code>"]] if fixed else []
    table = table_html(["", ""], rows, text=(0, 1), long=(1,))
    return f"<details open><summary>Where this comes from</summary>{table}</details>"


def _maps(material: SymbolMaterial) -> dict[str, Any] | None:
    if not material.maps:
        return None
    best = material.sweep.ranked.row(0, named=True)
    cells = {found.x: found.x_values for found in material.maps}
    cells |= {found.y: found.y_values for found in material.maps}
    return {
        "parameters": material.parameters,
        "metrics": [{"label": metric.label, "unit": metric.unit} for metric in METRICS],
        "scale": SCALE,
        # Where values are gathered into ranges, the best lies in the nearest.
        "best": {name: min(cells[name], key=lambda at: abs(at - best[name])) for name in material.parameters},
        "pairs": {
            f"{found.x} {found.y}": {
                "x": found.x_values,
                "y": found.y_values,
                "values": [_matrix(values) for values in found.values],
                "plateaus": found.plateaus.tolist(),
            }
            for found in material.maps
        },
    }


def _matrix(values: Any) -> list[list[float | None]]:
    return [
        [None if not math.isfinite(cell) else float(f"{cell:.6g}") for cell in row] for row in values.tolist()
    ]


def _number(value: float | None, form: str, scale: float = 1.0) -> str:
    if value is None or math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞"
    text = form.format(value * scale)
    # What rounds to nothing has no sign.
    return text if text.strip("+-0.,") else text.lstrip("+-")


def _size(size: float | None) -> str:
    return "not given" if size is None else f"{size:g}"


def _day(time_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _anchor(symbol: str) -> str:
    return "symbol-" + "".join(letter if letter.isalnum() else "-" for letter in symbol)
