"""The figures of a report's page as plotly figures; the page adds the colours of its ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.kernels.compiler import LongIntegers
from aster_operator.backtest.report.material import SymbolMaterial, TopConfiguration
from aster_operator.backtest.report.series import BAND_SHARES, Line, histogram, pnl_bands, shown_trades
from aster_operator.backtest.report.style import BLUE, COLOURS, GREEN, GREY, ORANGE, RED
from aster_operator.backtest.validation.regimes import RegimeRow

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Panel", "equity_panel", "symbol_panels", "trades_panel"]

_HOURS, _WEEKDAYS = "hour (UTC)", "weekday (UTC)"


@dataclass(frozen=True)
class Panel:
    """A figure with its heading and what one must know to read it; without a figure, why there is none."""

    key: str
    title: str
    caption: str
    figure: Any = None
    wide: bool = True


def symbol_panels(material: SymbolMaterial) -> list[Panel]:
    """All figures of one symbol but the heatmaps."""
    unit = "USD" if not material.result.compounds else "USD of 100 at the start"
    return [
        equity_panel(material.top, unit, compounds=material.result.compounds),
        trades_panel(material.top, material.price),
        _walk_forward(material),
        _bootstrap(material),
        _by_regime(material, _HOURS, "Return by hour"),
        _by_regime(material, _WEEKDAYS, "Return by weekday"),
        _costs(material),
    ]


def equity_panel(top: list[TopConfiguration], unit: str, *, compounds: bool) -> Panel:
    """Equity and drawdown of the best configurations."""
    share = "of the peak" if compounds else "of one order's notional"
    figure = _figure(rows=2, row_heights=[0.65, 0.35], shared_xaxes=True, vertical_spacing=0.06)
    for number, one in enumerate(top):
        style: dict[str, Any] = {
            "name": one.config_id,
            "legendgroup": one.config_id,
            "mode": "lines",
            "line": {"shape": "hv", "color": COLOURS[number % len(COLOURS)], "width": 2},
        }
        figure.add_scatter(
            **_xy(one.curve.equity), **style, hovertemplate="%{x}<br>%{y:,.2f} USD", row=1, col=1
        )
        figure.add_scatter(
            **_xy(one.curve.drawdown),
            **style,
            showlegend=False,
            hovertemplate="%{x}<br>%{y:.2%}",
            row=2,
            col=1,
        )
    figure.update_yaxes(title_text="Equity, USD" if compounds else "Net PnL, USD", row=1, col=1)
    figure.update_yaxes(title_text="Drawdown", tickformat=".1~%", row=2, col=1)
    figure.update_layout(height=520)
    caption = f"Realised {unit}, after fees and funding, at each exit. Drawdown as a share {share}."
    return Panel("equity", "Equity and drawdown", caption, figure)


def trades_panel(top: list[TopConfiguration], price: Line, *, title: str = "Trades on the price") -> Panel:
    """Entries and exits on the price; configurations after the first are behind the legend."""
    figure = _figure()
    figure.add_scatter(
        **_xy(price), name="Last price", mode="lines", line={"color": GREY, "width": 1}, hoverinfo="skip"
    )
    shown = total = 0
    for number, one in enumerate(top):
        rows = shown_trades(one.trades.get_column("pnl_usd").to_numpy())
        chosen = one.trades[rows.tolist()]
        if number == 0:
            shown, total = chosen.height, one.trades.height
        _add_trades(figure, chosen, one.config_id, visible=number == 0)
    figure.update_yaxes(title_text="Price")
    figure.update_layout(height=460)
    caption = "Triangles are entries, up for long and down for short; lines lead to the exit. "
    caption += "Blue won, orange lost."
    if total == 0:
        caption += " The best configuration never trades."
    elif shown < total:
        caption += f" {shown:,} of {total:,} trades drawn: the largest, and others evenly."
    return Panel(f"trades-{top[0].config_id}" if top else "trades", title, caption, figure)


def _add_trades(figure: Any, trades: pl.DataFrame, name: str, *, visible: bool) -> None:
    show: dict[str, Any] = {"visible": True if visible else "legendonly"}
    for won, colour, word in ((True, BLUE, "won"), (False, RED, "lost")):
        own = trades.filter((trades.get_column("pnl_usd") > 0) == won)
        count = own.height
        if count == 0:
            continue
        entry, leave = (_times(own.get_column(f"{end}_ms").to_numpy()) for end in ("entry", "exit"))
        blank = np.full(count, np.datetime64("NaT"))
        times = np.column_stack([entry, leave, blank]).ravel()
        prices = np.column_stack(
            [
                own.get_column("entry_price").to_numpy(),
                own.get_column("exit_price").to_numpy(),
                np.full(count, np.nan),
            ]
        ).ravel()
        figure.add_scatter(
            x=times,
            y=prices,
            mode="lines",
            name=f"{name}, {word}",
            legendgroup=f"{name}, {word}",
            line={"color": colour, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
            **show,
        )
        sides = own.get_column("side").to_list()
        figure.add_scatter(
            x=entry,
            y=own.get_column("entry_price").to_numpy(),
            mode="markers",
            name=f"{name}, {word}",
            legendgroup=f"{name}, {word}",
            marker={
                "symbol": ["triangle-up" if side == "long" else "triangle-down" for side in sides],
                "color": colour,
                "size": 8,
                "line": {"width": 0.5, "color": "white"},
            },
            text=[
                f"{side}, {reason}, {pnl:+.2f} USD"
                for side, reason, pnl in own.select("side", "exit_reason", "pnl_usd").iter_rows()
            ],
            hovertemplate="%{x}<br>at %{y:,.8~g}<br>%{text}<extra></extra>",
            **show,
        )


def _walk_forward(material: SymbolMaterial) -> Panel:
    study = material.study
    title = "Walk-forward"
    if not study.walk_forward:
        return Panel("walk", title, "Too few bars to choose in one part and judge in the next.")
    figure = _figure()
    times = _times(study.period_end_ms)
    bands = pnl_bands(study.period_pnl)
    pairs = ((bands[0], bands[4], "5 to 95 %", 0.12), (bands[1], bands[3], "25 to 75 %", 0.25))
    for low, high, name, opacity in pairs:
        figure.add_scatter(
            x=np.concatenate([times, times[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            fill="toself",
            fillcolor=f"rgba(138,143,152,{opacity})",
            line={"width": 0},
            mode="lines",
            name=f"{name} of all configurations",
            hoverinfo="skip",
        )
    figure.add_scatter(
        x=times,
        y=bands[BAND_SHARES.index(0.5)],
        mode="lines",
        name="median",
        line={"color": GREY, "dash": "dot", "width": 1.5},
    )
    best = study.period_pnl[:, material.result.config_ids.index(study.best)]
    figure.add_scatter(
        x=times,
        y=np.cumsum(best),
        mode="lines",
        name=f"{study.best}, chosen with hindsight",
        line={"color": ORANGE, "dash": "dash", "width": 2},
    )
    for scheme, colour in (("anchored", BLUE), ("rolling", GREEN)):
        folds = [fold for fold in study.walk_forward if fold.scheme == scheme]
        figure.add_scatter(
            x=_times(np.array([folds[0].test_first_ms, *(fold.test_last_ms for fold in folds)])),
            y=np.cumsum([0.0, *(fold.test_pnl for fold in folds)]),
            mode="lines+markers",
            name=f"{scheme}, out of sample",
            line={"color": colour, "width": 3},
            text=["start", *(f"{fold.config_id}, {fold.test_pnl:+.2f} USD" for fold in folds)],
            hovertemplate="%{x}<br>%{text}<br>in all %{y:+.2f} USD",
        )
    figure.update_yaxes(title_text="Net PnL, USD")
    figure.update_layout(height=460)
    caption = (
        "The thick lines are what choosing the best of the past would have earned in the part that followed. "
        "The bands are all configurations; a dashed line far above the thick ones is hindsight."
    )
    return Panel("walk", title, caption, figure)


def _bootstrap(material: SymbolMaterial) -> Panel:
    study = material.study
    title = "What else could have happened"
    if study.check is None or study.order is None:
        return Panel("bootstrap", title, "Nothing traded, so there is nothing to draw again.", wide=False)
    figure = _figure(rows=2, vertical_spacing=0.2)
    periods = len(study.period_pnl)
    parts = (
        (study.check.best_outcomes * periods, BLUE, "blocks of days", 1),
        (study.order.totals, ORANGE, "single trades", 1),
        (-study.order.drawdowns, ORANGE, "orders of the trades", 2),
    )
    for values, colour, name, row in parts:
        centres, shares, _ = histogram(values)
        figure.add_bar(
            x=centres,
            y=shares,
            marker={"color": colour, "opacity": 0.65},
            name=name,
            hovertemplate="%{x:,.2f} USD<br>%{y:.1%}",
            row=row,
            col=1,
        )
    figure.add_vline(x=0, line={"color": GREY, "dash": "dot"}, row=1, col=1)
    figure.add_vline(
        x=-study.order.actual_drawdown, line={"color": RED, "dash": "dash", "width": 2}, row=2, col=1
    )
    figure.update_layout(height=460, barmode="overlay", bargap=0.02)
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(title_text="Net PnL of the whole period, USD", row=1, col=1)
    figure.update_xaxes(title_text="Deepest drawdown, USD (dashed: as it was)", row=2, col=1)
    below = float(np.mean(study.order.totals <= 0))
    caption = (
        f"{study.check.resamples:,} histories drawn from the real one. Drawing the trades anew, "
        f"{below:.0%} of the totals are a loss."
    )
    return Panel("bootstrap", title, caption, figure, wide=False)


def _by_regime(material: SymbolMaterial, regime: str, title: str) -> Panel:
    key = regime.split()[0]
    rows: list[RegimeRow] = material.study.regimes.get(regime, [])
    if not any(row.trades for row in rows):
        return Panel(key, title, "The best configuration never trades.", wide=False)
    totals = np.array([row.total_pnl for row in rows])
    figure = _figure()
    figure.add_bar(
        x=[row.regime for row in rows],
        y=totals,
        marker={"color": [BLUE if total > 0 else RED for total in totals]},
        text=[f"{row.trades} trades, {_share(row.win_rate)} won" for row in rows],
        textposition="none",
        hovertemplate="%{x}<br>%{y:+,.2f} USD<br>%{text}<extra></extra>",
    )
    figure.update_xaxes(title_text=regime.capitalize().replace("utc", "UTC"), type="category")
    figure.update_yaxes(title_text="Net PnL, USD")
    figure.update_layout(height=340)
    caption = f"Trades of {material.study.best} by the {key} of their entry. A few lucky bars are no pattern."
    return Panel(key, title, caption, figure, wide=False)


def _costs(material: SymbolMaterial) -> Panel:
    costs = material.study.costs
    totals = np.array([row.total_pnl for row in costs])
    options = material.result.options
    figure = _figure()
    figure.add_bar(
        x=[f"x {row.factor:g}" for row in costs],
        y=totals,
        marker={"color": [BLUE if total > 0 else RED for total in totals]},
        text=[
            f"fee {options.fee_bps * row.factor:g} bps, slippage {options.slippage_bps * row.factor:g} bps"
            for row in costs
        ],
        textposition="none",
        hovertemplate="%{text}<br>%{y:+,.2f} USD<extra></extra>",
    )
    figure.update_xaxes(title_text="Fees and slippage, times", type="category")
    figure.update_yaxes(title_text="Net PnL, USD")
    figure.update_layout(height=340)
    caption = (
        f"{material.study.best} with other costs; x 1 is a fee of {options.fee_bps:g} bps and a slippage of "
        f"{options.slippage_bps:g} bps a fill."
    )
    return Panel("costs", "Cost stress", caption, figure, wide=False)


def _figure(rows: int = 1, **options: Any) -> Any:
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]

    figure = make_subplots(rows=rows, cols=1, **options)
    figure.update_layout(template="none", legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return figure


def _xy(line: Line) -> dict[str, Any]:
    return {"x": _times(line.time_ms), "y": line.values}


def _times(time_ms: LongIntegers) -> Any:
    return np.asarray(time_ms).astype("datetime64[ms]")


def _share(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.0%}"
