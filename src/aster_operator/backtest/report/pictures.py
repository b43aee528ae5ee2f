"""The same figures as PNG files, for a document or a message: matplotlib, no browser."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.report.heatmaps import METRICS
from aster_operator.backtest.report.material import SymbolMaterial
from aster_operator.backtest.report.series import histogram, pnl_bands, shown_trades
from aster_operator.backtest.report.style import BLUE, COLOURS, GREEN, GREY, ORANGE, RED, SCALE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PICTURES", "picture_writers"]


def picture_writers(material: SymbolMaterial) -> dict[str, Callable[[Path], None]]:
    """For each picture that can be drawn of this symbol, its name and what writes it to a path."""
    return {
        name: partial(_save, draw, title, material)
        for name, (draw, possible, title) in PICTURES.items()
        if possible(material)
    }


def _save(
    draw: Callable[[Any, SymbolMaterial], None], title: str, material: SymbolMaterial, path: Path
) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure, material)
    biased = ", vectorbt: biased" if material.result.compounds else ""
    figure.suptitle(f"{material.result.symbol}, {title}{biased}", fontsize=11, x=0.01, ha="left")
    with warnings.catch_warnings():
        # A symbol in a script that no font here has is drawn as boxes; the page beside shows it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(path, format="png")


def _equity(figure: Any, material: SymbolMaterial) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
    for number, one in enumerate(material.top):
        style = {"color": COLOURS[number % len(COLOURS)], "where": "post", "linewidth": 1.4}
        equity, drawdown = one.curve.equity, one.curve.drawdown
        upper.step(_times(equity.time_ms), equity.values, label=one.config_id, **style)
        lower.step(_times(drawdown.time_ms), 100 * drawdown.values, **style)
    upper.legend(fontsize=8, frameon=False)
    upper.set_ylabel("Equity, USD" if material.result.compounds else "Net PnL, USD")
    lower.set_ylabel("Drawdown, %")
    _dates(lower)
    _grid(upper, lower)


def _trades(figure: Any, material: SymbolMaterial) -> None:
    axes = figure.subplots()
    axes.plot(
        _times(material.price.time_ms), material.price.values, color=GREY, linewidth=0.7, label="last price"
    )
    trades = material.top[0].trades
    rows = shown_trades(trades.get_column("pnl_usd").to_numpy())
    for side, entry_ms, entry, exit_ms, leave, pnl in (
        trades[rows.tolist()]
        .select("side", "entry_ms", "entry_price", "exit_ms", "exit_price", "pnl_usd")
        .iter_rows()
    ):
        colour = BLUE if pnl > 0 else RED
        times = _times(np.array([entry_ms, exit_ms]))
        axes.plot(times, [entry, leave], color=colour, linewidth=1)
        axes.plot(times[:1], [entry], "^" if side == "long" else "v", color=colour, markersize=5)
    axes.plot([], [], "^", color=BLUE, label="long, won")
    axes.plot([], [], "v", color=RED, label="short, lost")
    axes.legend(fontsize=8, frameon=False)
    axes.set_ylabel("Price")
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    _dates(axes)
    _grid(axes)


def _heatmap(figure: Any, material: SymbolMaterial) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    axes = figure.subplots()
    found = material.maps[0]
    values = found.values[0]
    most = float(np.nanmax(np.abs(values), initial=1e-12))
    colours = LinearSegmentedColormap.from_list("losing_winning", list(SCALE))
    image = axes.imshow(values, origin="lower", aspect="auto", cmap=colours, vmin=-most, vmax=most)
    for row, column in zip(*np.nonzero(found.plateaus), strict=True):
        axes.plot(column, row, "s", markersize=18, markerfacecolor="none", markeredgecolor="black")
    if values.size <= 100:
        for (row, column), value in np.ndenumerate(values):
            if np.isfinite(value):
                axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(len(found.x_values)), [f"{value:g}" for value in found.x_values])
    axes.set_yticks(range(len(found.y_values)), [f"{value:g}" for value in found.y_values])
    axes.set_xlabel(found.x)
    axes.set_ylabel(found.y)
    figure.colorbar(image, label=f"{METRICS[0].label}, {METRICS[0].unit} (squares: plateaus)")


def _walk(figure: Any, material: SymbolMaterial) -> None:
    axes = figure.subplots()
    study = material.study
    times, bands = _times(study.period_end_ms), pnl_bands(study.period_pnl)
    axes.fill_between(
        times, bands[0], bands[4], color=GREY, alpha=0.15, label="5 to 95 % of all configurations"
    )
    axes.fill_between(times, bands[1], bands[3], color=GREY, alpha=0.3, label="25 to 75 %")
    best = study.period_pnl[:, material.result.config_ids.index(study.best)]
    axes.plot(times, np.cumsum(best), "--", color=ORANGE, label=f"{study.best}, with hindsight")
    for scheme, colour in (("anchored", BLUE), ("rolling", GREEN)):
        folds = [fold for fold in study.walk_forward if fold.scheme == scheme]
        ends = np.array([folds[0].test_first_ms, *(fold.test_last_ms for fold in folds)])
        totals = np.cumsum([0.0, *(fold.test_pnl for fold in folds)])
        axes.plot(_times(ends), totals, "o-", color=colour, linewidth=2.2, label=f"{scheme}, out of sample")
    axes.legend(fontsize=8, frameon=False)
    axes.set_ylabel("Net PnL, USD")
    _dates(axes)
    _grid(axes)


def _bootstrap(figure: Any, material: SymbolMaterial) -> None:
    study = material.study
    if study.check is None or study.order is None:
        raise ValueError("nothing traded")
    left, right = figure.subplots(1, 2)
    periods = len(study.period_pnl)
    _bars(left, study.check.best_outcomes * periods, BLUE, "blocks of days")
    _bars(left, study.order.totals, ORANGE, "single trades")
    left.axvline(0, color=GREY, linestyle=":")
    left.set_xlabel("Net PnL of the whole period, USD")
    left.legend(fontsize=8, frameon=False)
    _bars(right, -study.order.drawdowns, ORANGE, "orders of the trades")
    right.axvline(-study.order.actual_drawdown, color=RED, linestyle="--", label="as it was")
    right.set_xlabel("Deepest drawdown over orders of the trades, USD")
    right.legend(fontsize=8, frameon=False)
    left.set_ylabel("Share of the histories drawn, %")
    _grid(left, right)


def _hours(figure: Any, material: SymbolMaterial) -> None:
    upper, lower = figure.subplots(2, 1)
    for axes, regime in ((upper, "hour (UTC)"), (lower, "weekday (UTC)")):
        rows = material.study.regimes[regime]
        totals = [row.total_pnl for row in rows]
        axes.bar([row.regime for row in rows], totals, color=[BLUE if total > 0 else RED for total in totals])
        axes.set_ylabel("Net PnL, USD")
        axes.set_xlabel(regime.capitalize().replace("utc", "UTC"))
    _grid(upper, lower)


def _costs(figure: Any, material: SymbolMaterial) -> None:
    axes = figure.subplots()
    costs = material.study.costs
    totals = [row.total_pnl for row in costs]
    axes.bar(
        [f"x {row.factor:g}" for row in costs], totals, color=[BLUE if total > 0 else RED for total in totals]
    )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set_xlabel("Fees and slippage, times")
    axes.set_ylabel("Net PnL, USD")
    _grid(axes)


def _bars(axes: Any, values: Floats, colour: str, label: str) -> None:
    centres, shares, width = histogram(values)
    axes.bar(centres, 100 * shares, width=width, color=colour, alpha=0.6, label=label)


def _times(time_ms: Any) -> Any:
    return np.asarray(time_ms).astype("datetime64[ms]")


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _grid(*many: Any) -> None:
    for axes in many:
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)


def _always(material: SymbolMaterial) -> bool:
    return bool(material.top)


def _traded(material: SymbolMaterial) -> bool:
    return material.study.order is not None and material.study.check is not None


_Draw = Callable[[Any, SymbolMaterial], None]
_Possible = Callable[[SymbolMaterial], bool]

PICTURES: dict[str, tuple[_Draw, _Possible, str]] = {
    "equity": (_equity, _always, "equity and drawdown of the best"),
    "trades": (_trades, _always, "trades of the best on the price"),
    "heatmap": (_heatmap, lambda material: bool(material.maps), "the two parameters that matter most"),
    "walk_forward": (_walk, lambda material: bool(material.study.walk_forward), "walk-forward"),
    "bootstrap": (_bootstrap, _traded, "what else could have happened"),
    "hours": (_hours, lambda material: bool(material.study.regimes), "return by hour and weekday"),
    "costs": (_costs, _always, "cost stress"),
}
"""For each picture what draws it, whether there is anything to draw, and its title."""
