"""The report as one HTML file: text, tables and figures, with everything they need inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from aster_operator.backtest.report.figures import Panel

__all__ = ["BIASED", "PageSection", "page_html", "table_html"]

BIASED = (
    "vectorbt semantics are biased: they fill inside the bar that made the signal, which books profits out "
    "of nothing. For comparison with the original only; decide by the exchange semantics."
)
_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class PageSection:
    """A part of a page: its anchor, its heading, the HTML between heading and figures, the figures, and the
    HTML after them. `maps` is the data of the heatmaps, None without."""

    anchor: str
    heading: str
    before: str
    panels: Sequence[Panel]
    after: str = ""
    maps: dict[str, Any] | None = None


def page_html(title: str, intro: str, sections: Sequence[PageSection]) -> str:
    """A page that needs no network. `intro` and the sections hold HTML that is already escaped."""
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    figures: dict[str, Any] = {}
    maps: dict[str, Any] = {}
    bodies = []
    for section in sections:
        if section.maps is not None:
            maps[section.anchor] = section.maps
        panels = "".join(_panel(section.anchor, panel, figures) for panel in section.panels)
        panels += _map_panel(section.anchor, section.maps) if section.maps is not None else ""
        bodies.append(
            f'<section id="{section.anchor}"><h2>{escape(section.heading)}</h2>{section.before}'
            f'<div class="grid">{panels}</div>{section.after}</section>'
        )
    links = "".join(f'<a href="#{part.anchor}">{escape(part.heading)}</a>' for part in sections)
    nav = f"<nav>{links}</nav>" if len(sections) > 1 else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_asset('page.css')}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><button id="theme" type="button">Dark</button>'
        f"{intro}{nav}</header>"
        f"<main>{''.join(bodies)}</main>"
        '<footer class="soft">Drag in a figure to come closer, double-click to go back. Nothing here is '
        "loaded from a network.<noscript> The figures need JavaScript.</noscript></footer>"
        f'<script type="application/json" id="figures">{_json(figures)}</script>'
        f'<script type="application/json" id="maps">{_json(maps)}</script>'
        f"<script>{get_plotlyjs()}</script><script>{_asset('page.js')}</script></body></html>\n"
    )


def table_html(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    text: Sequence[int] = (0,),
    long: Sequence[int] = (),
) -> str:
    """A table; cells are HTML. Columns in `text` hold words, the others numbers; those in `long` may wrap."""
    kinds = [
        " ".join(word for word, columns in (("text", text), ("long", long)) if at in columns)
        for at in range(len(head))
    ]
    heads = "".join(f'<th class="{kind}">{name}</th>' for kind, name in zip(kinds, head, strict=True))
    lines = "".join(
        "<tr>"
        + "".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'


def _map_panel(anchor: str, maps: dict[str, Any]) -> str:
    def options(values: Sequence[str], chosen: int, *, numbered: bool = False) -> str:
        return "".join(
            f'<option value="{at if numbered else escape(value)}"{" selected" * (at == chosen)}>'
            f"{escape(value)}</option>"
            for at, value in enumerate(values)
        )

    names = maps["parameters"]
    labels = [metric["label"] for metric in maps["metrics"]]
    return (
        f'<div class="panel wide" data-maps="{anchor}"><h3>Any two parameters</h3>'
        '<p class="soft">Each cell sums up the configurations with these two values. Squares are plateaus: '
        "they earn, and their neighbours earn at least half as much. A winner beside losers is a needle.</p>"
        f'<label>Across <select name="x">{options(names, 0)}</select></label>'
        f'<label>Up <select name="y">{options(names, 1)}</select></label>'
        f'<label>Shown <select name="metric">{options(labels, 0, numbered=True)}</select></label>'
        '<p class="same soft" hidden>Choose two different parameters.</p>'
        '<div class="plot" style="min-height: 440px"></div></div>'
    )


def _panel(anchor: str, panel: Panel, figures: dict[str, Any]) -> str:
    wide = " wide" if panel.wide else ""
    head = (
        f'<div class="panel{wide}"><h3>{escape(panel.title)}</h3><p class="soft">{escape(panel.caption)}</p>'
    )
    if panel.figure is None:
        return f"{head}</div>"
    key = f"{anchor}-{panel.key}"
    spec = json.loads(panel.figure.to_json())
    spec["layout"].pop("template", None)
    figures[key] = spec
    # Its room is kept from the beginning, or the page would jump while the figures are drawn.
    room = f' style="min-height: {int(height)}px"' if (height := spec["layout"].get("height")) else ""
    return f'{head}<div class="plot" data-figure="{escape(key)}"{room}></div></div>'


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
