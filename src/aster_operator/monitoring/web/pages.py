"""The dashboard's pages: which panels each has, and what a viewer can choose on it."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nicegui import Client, ui
from nicegui.elements.button import Button

from aster_operator.monitoring.pictures.decisions import Decisions, decisions_picture
from aster_operator.monitoring.pictures.lab import lab_picture
from aster_operator.monitoring.pictures.market import market_picture
from aster_operator.monitoring.pictures.now import now_picture
from aster_operator.monitoring.pictures.system import System, system_picture
from aster_operator.monitoring.pictures.trades import Trades, trade_life, trades_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web import markup as m
from aster_operator.monitoring.web.book_reader import BookReader
from aster_operator.monitoring.web.frame import Panels, page_frame
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.live_html import LiveHtml
from aster_operator.monitoring.web.panels import charts, history_panels, now_panels, other_panels

__all__ = ["add_pages"]

T = TypeVar("T")
_ROWS = 25
"""Rows of a page of a table: more than a screen shows, few enough to be drawn at once."""


def add_pages(hub: DashboardHub, books: BookReader, lab_folder: Path) -> None:
    """Register every page."""

    @ui.page("/", title="Now · Aster Operator")
    def now_page(client: Client) -> None:
        with page_frame(hub, client, "/") as panels:
            _now(hub, panels)

    @ui.page("/market", title="Market · Aster Operator")
    def market_page(client: Client, symbol: str | None = None) -> None:
        with page_frame(hub, client, "/market") as panels:
            _market(hub, panels, symbol)

    @ui.page("/decisions", title="Decisions · Aster Operator")
    def decisions_page(client: Client) -> None:
        with page_frame(hub, client, "/decisions") as panels:
            _decisions(panels)

    @ui.page("/trades", title="Trades · Aster Operator")
    def trades_page(client: Client, ref: str | None = None) -> None:
        with page_frame(hub, client, "/trades") as panels:
            _trades(panels, ref)

    @ui.page("/points", title="Costs and points · Aster Operator")
    def points_page(client: Client) -> None:
        with page_frame(hub, client, "/points") as panels:
            _points(hub, panels, books)

    @ui.page("/lab", title="Lab · Aster Operator")
    async def lab_page(
        client: Client, name: str | None = None, x: str | None = None, y: str | None = None
    ) -> None:
        lab = await asyncio.to_thread(lab_picture, lab_folder, name, x_name=x, y_name=y)
        with page_frame(hub, client, "/lab"):
            _lab(lab)

    @ui.page("/system", title="System · Aster Operator")
    def system_page(client: Client) -> None:
        with page_frame(hub, client, "/system") as panels:
            _system(hub, panels)


def _now(hub: DashboardHub, panels: Panels) -> None:
    def of(render: Callable[[Any], T]) -> Callable[[SessionReplica], T]:
        return lambda replica: render(hub.shared("now", lambda: now_picture(replica)))

    panels.html("Account", of(now_panels.account_html))
    panels.html("Pairs", of(now_panels.pairs_html))
    panels.html("Single positions", of(now_panels.positions_html))
    panels.chart("Equity", of(now_panels.equity_chart), width="two", height="low", every=5)
    panels.html("Feeds", of(now_panels.feeds_html), width="third")
    panels.html("Risk limits", of(now_panels.limits_html), every=2)
    panels.html("Open orders", of(now_panels.orders_html))


def _market(hub: DashboardHub, panels: Panels, symbol: str | None) -> None:
    chosen: dict[str, Any] = {"symbol": symbol, "minutes": 240}

    def picture(replica: SessionReplica) -> Any:
        if chosen["symbol"] not in replica.settings.symbols:
            chosen["symbol"] = replica.settings.symbols[0]
        name = f"market {chosen['symbol']} {chosen['minutes']}"
        return hub.shared(
            name, lambda: market_picture(replica, chosen["symbol"], minutes=int(chosen["minutes"]))
        )

    with ui.element("section").classes("card"), ui.element("div").classes("tools"):
        select = (
            ui.select([], label="Symbol", on_change=panels.renew).props("dense outlined").classes("field")
        )
        select.bind_value(chosen, "symbol")
        spans = {60: "1 hour", 240: "4 hours", 720: "12 hours", 1440: "1 day"}
        ui.select(spans, label="Span", on_change=panels.renew).props("dense outlined").classes(
            "field"
        ).bind_value(chosen, "minutes")

    def options() -> None:
        replica = hub.replica
        if replica is not None and list(select.options) != list(replica.settings.symbols):
            value = chosen["symbol"] if chosen["symbol"] in replica.settings.symbols else None
            select.set_options(list(replica.settings.symbols), value=value or replica.settings.symbols[0])

    panels.call(options)
    panels.html("Quote", lambda replica: other_panels.market_html(picture(replica)))
    panels.chart(
        "Candles, own trades, spread and funding",
        lambda replica: charts.market_chart(picture(replica)),
        width="two",
        height="tall",
        every=2,
    )
    panels.html("Depth", lambda replica: other_panels.ladder_html(picture(replica)), width="third")


class _Pager:
    """Which page of a table is shown; its buttons redraw."""

    def __init__(self, panels: Panels) -> None:
        self.offset = 0
        self._total = 0
        self._panels = panels
        with ui.element("div").classes("tools").props('role="group" aria-label="Pages of the table"'):
            self._newer = [
                self._button("Newest", lambda: 0),
                self._button("Newer", lambda: self.offset - _ROWS),
            ]
            self._words = ui.label("")
            self._older = [
                self._button("Older", lambda: self.offset + _ROWS),
                self._button("Oldest", lambda: (self._total - 1) // _ROWS * _ROWS),
            ]

    def _button(self, name: str, target: Callable[[], int]) -> Button:
        button = ui.button(name, on_click=lambda: self._go(target())).props("dense outline no-caps")
        button.disable()  # until there are rows
        return button

    def _go(self, offset: int) -> None:
        self.offset = max(0, offset)
        self._panels.renew()

    def show(self, total: int) -> None:
        """Say where we are among so many."""
        if self.offset >= total:
            self.offset = max(0, (total - 1) // _ROWS * _ROWS)
        self._total = total
        last = min(total, self.offset + _ROWS)
        self._words.set_text(f"{min(total, self.offset + 1):,} to {last:,} of {total:,}")
        for button in self._newer:
            button.set_enabled(self.offset > 0)
        for button in self._older:
            button.set_enabled(last < total)


def _decisions(panels: Panels) -> None:
    chosen: dict[str, Any] = {"symbol": "", "action": "", "text": ""}
    pages: list[_Pager] = []

    def changed() -> None:
        if pages:  # else it is still being drawn
            pages[0].offset = 0
            panels.renew()

    with ui.element("section").classes("card"), ui.element("div").classes("tools"):
        symbols = (
            ui.select({"": "all"}, label="Symbol", on_change=changed).props("dense outlined").classes("field")
        )
        symbols.bind_value(chosen, "symbol")
        actions = (
            ui.select({"": "all"}, label="Action", on_change=changed).props("dense outlined").classes("field")
        )
        actions.bind_value(chosen, "action")
        ui.input("Words in the reason", on_change=changed).props(
            "dense outlined clearable debounce=300"
        ).classes("field wide").bind_value(chosen, "text")
        pages.append(_Pager(panels))

    def picture(replica: SessionReplica) -> Decisions:
        found = decisions_picture(
            replica,
            symbol=chosen["symbol"] or None,
            action=chosen["action"] or None,
            text=chosen["text"] or None,
            offset=pages[0].offset,
            limit=_ROWS,
        )
        pages[0].show(found.total)
        for select, names in ((symbols, found.symbols), (actions, found.actions)):
            options = {"": "all", **{name: name for name in names}}
            if select.options != options:
                select.set_options(options)
        return found

    latest: list[Decisions] = []

    def rows(replica: SessionReplica) -> str:
        latest[:] = [picture(replica)]
        return history_panels.decisions_html(latest[0])

    panels.html("Decisions, newest first", rows, every=2)
    panels.html(
        "Why did it not trade?",
        lambda replica: history_panels.why_not_html(latest[0] if latest else picture(replica)),
        every=2,
    )


def _trades(panels: Panels, ref: str | None) -> None:
    if ref is not None:

        def life(replica: SessionReplica) -> str:
            try:
                return history_panels.life_html(trade_life(replica, ref))
            except KeyError:
                return m.note(f"Nobody knows {ref}.", "error")

        panels.html(f"Life of {ref}", life, width="half", every=2)
        panels.chart(
            "Against the market", lambda replica: _life_chart(replica, ref), width="half", height="tall"
        )
    pages: list[_Pager] = []
    latest: list[Trades] = []

    chosen: dict[str, Any] = {"symbol": ""}

    def changed() -> None:
        if pages:  # else it is still being drawn
            pages[0].offset = 0
            panels.renew()

    with ui.element("section").classes("card"), ui.element("div").classes("tools"):
        symbols = ui.select({"": "all"}, label="Symbol", on_change=changed).props("dense outlined")
        symbols.classes("field").bind_value(chosen, "symbol")
        pages.append(_Pager(panels))

    def picture(replica: SessionReplica) -> Trades:
        options = {"": "all", **{name: name for name in replica.settings.symbols}}
        if symbols.options != options:
            symbols.set_options(options)
        found = trades_picture(replica, symbol=chosen["symbol"] or None, offset=pages[0].offset, limit=_ROWS)
        pages[0].show(found.total)
        return found

    def rows(replica: SessionReplica) -> str:
        latest[:] = [picture(replica)]
        return history_panels.trades_html(latest[0])

    panels.html("Trades, newest first", rows, every=2)
    panels.html(
        "Sums",
        lambda replica: history_panels.trades_sums_html(latest[0] if latest else picture(replica)),
        every=2,
    )


def _life_chart(replica: SessionReplica, ref: str) -> dict[str, Any]:
    try:
        life = trade_life(replica, ref)
    except KeyError:
        return {"series": []}
    # Executions only: the limit of an order that crosses lies far from what it paid.
    marks = [
        (step.at_ms, float(step.price), step.what)
        for step in life.steps
        if step.price is not None and " filled as " in step.what
    ]
    return charts.candle_chart(life.trade.symbols[0], life.candles, marks)


def _points(hub: DashboardHub, panels: Panels, books: BookReader) -> None:
    from aster_operator.monitoring.pictures.costs import session_costs

    def series(replica: SessionReplica) -> dict[str, Any]:
        samples = session_costs(replica).series
        return charts.line_chart(
            [
                ("Fees", [[s.at_ms, float(s.fees_usd)] for s in samples]),
                ("Funding", [[s.at_ms, float(s.funding_usd)] for s in samples]),
                ("Realised PnL", [[s.at_ms, float(s.realized_pnl_usd)] for s in samples]),
            ],
            unit="USD",
        )

    panels.html("This session", lambda replica: other_panels.session_costs_html(session_costs(replica)))
    panels.chart("Fees, funding, realised PnL", series, every=5)
    with ui.element("section").classes("card"):
        ui.html("<h2>Days</h2>", sanitize=False)
        days = LiveHtml(m.note("Reading the books…", "loading"))
    with ui.element("section").classes("card"):
        ui.html("<h2>Weeks and points</h2>", sanitize=False)
        weeks = LiveHtml(m.note("Reading the books…", "loading"))

    async def read() -> None:
        costs = await books.costs(hub.replica)
        if costs.problem is not None or costs.books is None:
            for element in (days, weeks):
                element.set_content(m.note(costs.problem or "There are no books.", "error"))
            return
        days.set_content(other_panels.days_html(costs.books))
        weeks.set_content(other_panels.epochs_html(costs.books))

    ui.timer(0.1, read, once=True)
    ui.timer(15.0, read)


def _lab(lab: Any) -> None:
    with ui.element("section").classes("card two"):
        ui.html(f"<h2>{m.text(lab.ranking.name if lab.ranking else 'Ranking')}</h2>", sanitize=False)
        content = (
            other_panels.ranking_html(lab.ranking) if lab.ranking else m.note(lab.problem or "Nothing yet.")
        )
        ui.html(content, sanitize=False)
    with ui.element("section").classes("card third"):
        ui.html("<h2>Results and reports</h2>", sanitize=False)
        ui.html(other_panels.reports_html(lab), sanitize=False)
    if lab.ranking is None or lab.ranking.heatmap is None:
        return
    heatmap = lab.ranking.heatmap
    with ui.element("section").classes("card"):
        ui.html(f"<h2>{m.text(heatmap.metric)} over two parameters</h2>", sanitize=False)
        with ui.element("div").classes("tools"):
            for axis, value, other in (
                ("x", heatmap.x_name, heatmap.y_name),
                ("y", heatmap.y_name, heatmap.x_name),
            ):
                ui.select(
                    list(lab.ranking.parameters),
                    value=value,
                    label=f"{axis} axis",
                    on_change=lambda event, axis=axis, other=other: ui.navigate.to(
                        _lab_address(lab.ranking.name, axis, str(event.value), other)
                    ),
                ).props("dense outlined").classes("field")
        words = f"{heatmap.metric} over {heatmap.x_name} and {heatmap.y_name} (chart)"
        ui.echart(charts.heatmap_chart(heatmap)).classes("chart tall").props(
            f'role="img" aria-label="{m.text(words)}"'
        )


def _lab_address(name: str, axis: str, value: str, other: str) -> str:
    from urllib.parse import urlencode

    return "/lab?" + urlencode({"name": name, axis: value, "y" if axis == "x" else "x": other})


def _latency(place: int, system: System) -> dict[str, Any]:
    return charts.latency_chart(system.timings[place])


def _system(hub: DashboardHub, panels: Panels) -> None:
    def of(render: Callable[[Any], T]) -> Callable[[SessionReplica], T]:
        return lambda replica: render(hub.shared("system", lambda: system_picture(replica, hub.health())))

    panels.html("Health", of(other_panels.health_html), every=2)
    names = ("Order round trip", "From event to command", "Market data age")
    for place, name in enumerate(names):
        panels.chart(
            name,
            of(partial(_latency, place)),
            width="third",
            height="low",
            every=5,
        )
    panels.html("Who asked for what", of(other_panels.wishes_html), width="half", every=2)
    panels.html("Log", of(other_panels.log_html), width="half", every=2)
