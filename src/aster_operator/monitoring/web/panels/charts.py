"""Chart options for ECharts: colours everybody can tell apart, units on the axes, no animation."""

from collections.abc import Sequence
from typing import Any

from aster_operator.monitoring.pictures.lab import Heatmap
from aster_operator.monitoring.pictures.market import Candle, Market
from aster_operator.monitoring.pictures.system import TimingRow

__all__ = [
    "LONG_COLOUR",
    "SHORT_COLOUR",
    "candle_chart",
    "heatmap_chart",
    "latency_chart",
    "line_chart",
    "market_chart",
]

LONG_COLOUR = "#2f7fe6"
SHORT_COLOUR = "#cf7720"
"""Blue and orange: told apart by people who cannot tell red from green."""
_SERIES = (LONG_COLOUR, SHORT_COLOUR, "#2a9d8f", "#8a63d2", "#7a8699")
_MOST_LABELS = 120
"""Cells of a heatmap that hold their numbers readably."""
_INK = {":color": "window.asterInk()"}
"""The page's own colour for what is said quietly, in light and in dark: asked for where it is drawn."""
_AXIS: dict[str, Any] = {"axisLabel": dict(_INK), "axisLine": {"lineStyle": {"color": "#8a95a3"}}}
_SPLIT = {"splitLine": {"lineStyle": {"color": "rgba(128,140,155,0.22)"}}}


def _base() -> dict[str, Any]:
    return {
        "animation": False,
        "useUTC": True,
        "textStyle": {"fontFamily": "system-ui, sans-serif"},
        "tooltip": {"trigger": "axis", "axisPointer": {"type": "cross"}, "confine": True},
    }


def _time_axis(*, labelled: bool = True, **more: Any) -> dict[str, Any]:
    labels = {"show": labelled, **_INK, "hideOverlap": True}
    return {"type": "time", **_AXIS, "axisLabel": labels, "splitLine": {"show": False}, **more}


def _value_axis(unit: str = "", **more: Any) -> dict[str, Any]:
    name = {"name": unit, "nameTextStyle": {**_INK, "align": "left"}} if unit else {}
    return {"type": "value", "scale": True, **_AXIS, **_SPLIT, **name, **more}


def line_chart(series: Sequence[tuple[str, Sequence[Sequence[float]]]], *, unit: str) -> dict[str, Any]:
    """Lines over time: names with their [ms, value] points."""
    return {
        **_base(),
        "color": list(_SERIES),
        "grid": {"left": 64, "right": 16, "top": 30, "bottom": 28},
        "legend": {"show": len(series) > 1, "top": 0, "right": 0, "textStyle": dict(_INK)},
        "xAxis": _time_axis(),
        "yAxis": _value_axis(unit),
        "series": [
            {"name": name, "type": "line", "showSymbol": False, "data": list(points), "sampling": "lttb"}
            for name, points in series
        ],
    }


def market_chart(market: Market) -> dict[str, Any]:
    """Candles with own entries, exits and resting orders; below them spread and funding."""
    price = _candle_series(market.symbol, market.candles)
    price["markLine"] = {
        "symbol": "none",
        "silent": True,
        "data": [
            {
                "yAxis": float(level.price),
                "lineStyle": {
                    "color": LONG_COLOUR if level.side == "BUY" else SHORT_COLOUR,
                    "type": "dashed",
                },
                "label": {"formatter": level.kind.replace("_", " ").lower(), "position": "insideEndTop"},
            }
            for level in market.resting[:40]
        ],
    }
    spreads = [[s.at_ms, float(s.spread_bps)] for s in market.samples if s.spread_bps is not None]
    funding = [
        [s.at_ms, float(s.funding_rate) * 10_000] for s in market.samples if s.funding_rate is not None
    ]
    grids = [("6%", "52%"), ("66%", "10%"), ("83%", "10%")]
    return {
        **_base(),
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "grid": [{"left": 70, "right": 24, "top": top, "height": height} for top, height in grids],
        "xAxis": [_time_axis(gridIndex=i, labelled=i == 2) for i in range(3)],
        "yAxis": [
            _value_axis("price", gridIndex=0),
            _value_axis("spread, bps", gridIndex=1, splitNumber=2),
            _value_axis("funding, bps", gridIndex=2, splitNumber=2),
        ],
        "dataZoom": [{"type": "inside", "xAxisIndex": [0, 1, 2]}],
        "series": [
            price,
            *_fill_series(market),
            _thin("spread", spreads, 1),
            _thin("funding rate", funding, 2),
        ],
    }


def _thin(name: str, points: list[list[float]], place: int) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "step": "end",
        "showSymbol": False,
        "lineStyle": {"width": 1.2},
        "color": _SERIES[place + 1],
        "xAxisIndex": place,
        "yAxisIndex": place,
        "data": points,
    }


def _candle_series(name: str, candles: Sequence[Candle]) -> dict[str, Any]:
    rising = {
        "color": LONG_COLOUR,
        "color0": SHORT_COLOUR,
        "borderColor": LONG_COLOUR,
        "borderColor0": SHORT_COLOUR,
    }
    return {
        "name": name,
        "type": "candlestick",
        "itemStyle": rising,
        "data": [[c.open_ms, float(c.open), float(c.close), float(c.low), float(c.high)] for c in candles],
    }


def _fill_series(market: Market) -> list[dict[str, Any]]:
    """Own executions: triangles up for buys, down for sells; full to open, hollow to close."""
    series = []
    for opens in (True, False):
        for side, rotation, colour in (("BUY", 0, LONG_COLOUR), ("SELL", 180, SHORT_COLOUR)):
            points = [
                {"value": [fill.at_ms, float(fill.price)]}
                for fill in market.fills
                if fill.opens is opens and fill.side == side
            ]
            series.append(
                {
                    "name": f"{side.lower()} to {'open' if opens else 'close'}",
                    "type": "scatter",
                    "symbol": "triangle",
                    "symbolRotate": rotation,
                    "symbolSize": 12,
                    "z": 5,
                    "itemStyle": {
                        "color": colour if opens else "rgba(0,0,0,0)",
                        "borderColor": colour,
                        "borderWidth": 2,
                    },
                    "data": points,
                }
            )
    return series


def candle_chart(
    symbol: str, candles: Sequence[Candle], marks: Sequence[tuple[int, float, str]]
) -> dict[str, Any]:
    """Candles with named instants on them: time, price and what happened."""
    return {
        **_base(),
        "grid": {"left": 70, "right": 24, "top": 24, "bottom": 28},
        "xAxis": _time_axis(),
        "yAxis": _value_axis("price"),
        "dataZoom": [{"type": "inside"}],
        "series": [
            _candle_series(symbol, candles),
            {
                "name": "own",
                "type": "scatter",
                "symbol": "diamond",
                "symbolSize": 13,
                "z": 5,
                "itemStyle": {"color": "#8a63d2", "borderColor": "#fff", "borderWidth": 1},
                "data": [{"value": [at_ms, price], "name": words} for at_ms, price, words in marks],
            },
        ],
    }


def latency_chart(row: TimingRow) -> dict[str, Any]:
    """One histogram of wall times."""
    names = [f"≤{bound:g}" for bound in row.bounds_ms] + [f">{row.bounds_ms[-1]:g}"]
    return {
        **_base(),
        "grid": {"left": 50, "right": 10, "top": 24, "bottom": 40},
        "xAxis": {"type": "category", "data": names, "name": "ms", **_AXIS},
        "yAxis": {"type": "value", "minInterval": 1, **_AXIS, **_SPLIT},
        "series": [{"name": row.name, "type": "bar", "color": LONG_COLOUR, "data": list(row.counts)}],
    }


def heatmap_chart(heatmap: Heatmap) -> dict[str, Any]:
    """Two parameters against each other; the scale is centred on zero, blue gains, orange loses."""
    values = [cell for row in heatmap.cells for cell in row if cell is not None]
    most = max((abs(value) for value in values), default=1.0) or 1.0
    return {
        "animation": False,
        "tooltip": {"position": "top", "confine": True},
        "grid": {"left": 70, "right": 40, "top": 30, "bottom": 80},
        "xAxis": {
            "type": "category",
            "name": heatmap.x_name,
            "data": [f"{x:g}" for x in heatmap.x_values],
            **_AXIS,
        },
        "yAxis": {
            "type": "category",
            "name": heatmap.y_name,
            "data": [f"{y:g}" for y in heatmap.y_values],
            **_AXIS,
        },
        "visualMap": {
            "min": -most,
            "max": most,
            "calculable": True,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "textStyle": dict(_INK),
            "inRange": {"color": ["#b35a00", "#f3d9bd", "#eef1f4", "#b9d4f7", "#1f6fd6"]},
        },
        "series": [
            {
                "name": heatmap.metric,
                "type": "heatmap",
                "label": {"show": len(values) <= _MOST_LABELS, "color": "#14181f"},
                "data": [
                    [x, y, float(f"{cell:.3g}")]
                    for y, row in enumerate(heatmap.cells)
                    for x, cell in enumerate(row)
                    if cell is not None
                ],
            }
        ],
    }
