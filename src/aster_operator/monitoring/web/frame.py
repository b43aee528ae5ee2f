"""What every page has around it: name, state of the session, navigation, steering, and panels that renew."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from typing import Any

import structlog
from nicegui import Client, ui
from nicegui.elements.button import Button
from nicegui.elements.echart.echart import EChart
from nicegui.events import ClickEventArguments

from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.alerts.rules import DIED
from aster_operator.monitoring.pictures.now import now_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web import markup as m
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.live_html import LiveHtml, Theme

__all__ = ["PAGES", "Panels", "asset", "page_frame"]

PAGES = (
    ("/", "Now"),
    ("/market", "Market"),
    ("/decisions", "Decisions"),
    ("/trades", "Trades"),
    ("/points", "Costs & points"),
    ("/lab", "Lab"),
    ("/system", "System"),
)
_WISHES = (
    (
        "Pause entries",
        OperatorAction.PAUSE_ENTRIES,
        "Nothing new is opened. What is held stays and is looked after.",
    ),
    ("Resume", OperatorAction.RESUME_ENTRIES, "The strategy may open again."),
    ("Close one…", OperatorAction.CLOSE, "Closes it now, crossing the spread, the riskier leg first."),
    (
        "Flatten all",
        OperatorAction.CLOSE_ALL,
        "Closes everything now, crossing the spread, and pauses entries.",
    ),
    ("Reload parameters", OperatorAction.RELOAD_PARAMETERS, "Reads the parameter files again."),
)
_RENEW_S = 1.0
_TURN = "() => window.asterTheme(!document.body.classList.contains('body--dark'))"
"""From whatever is shown to the other."""
_log = structlog.get_logger("dashboard")


def asset(name: str) -> bytes:
    """One of the files that ship inside the package."""
    return files("aster_operator.monitoring.web").joinpath("assets", name).read_bytes()


class Panels:
    """The panels of one open page. Each is rendered apart: one that fails says so and leaves the others."""

    def __init__(self, hub: DashboardHub) -> None:
        self._hub = hub
        self._renew: list[tuple[int, Callable[[], object]]] = []
        self._ticks = 0
        self._complained: set[str] = set()

    def html(
        self, title: str, render: Callable[[SessionReplica], str], *, width: str = "", every: int = 1
    ) -> LiveHtml:
        """A card whose HTML is rendered from the replica, every so many seconds."""
        with self._card(title, width):
            element = LiveHtml(m.note("Waiting for the session…", "loading"))
        self._renew.append((every, lambda: element.set_content(self._rendered(title, render))))
        return element

    def chart(
        self,
        title: str,
        options: Callable[[SessionReplica], dict[str, Any]],
        *,
        width: str = "",
        height: str = "",
        every: int = 3,
    ) -> None:
        """A card with a chart of the replica."""
        with self._card(title, width):
            state = LiveHtml(m.note("Waiting for the session…", "loading"))
            chart = ui.echart({"series": []}).classes(f"chart {height}")
            chart.props(
                f'role="img" aria-label="{m.text(title)} (chart; its numbers are in the tables and the API)"'
            )
            chart.set_visibility(False)
        self._renew.append((every, lambda: self._redraw(title, options, state, chart)))

    def call(self, update: Callable[[], object], *, every: int = 1) -> None:
        """Anything else that has to be renewed."""
        self._renew.append((every, update))

    def start(self) -> None:
        """Draw now, and every second from now on while somebody looks."""
        self._update()
        ui.timer(_RENEW_S, self._update)

    def renew(self) -> None:
        """Draw everything at once: a filter has changed."""
        for _, update in self._renew:
            update()

    def _update(self) -> None:
        for every, update in self._renew:
            if self._ticks % every == 0:
                update()
        self._ticks += 1

    @contextmanager
    def _card(self, title: str, width: str) -> Iterator[None]:
        with ui.element("section").classes(f"card {width}").props(f'aria-label="{m.text(title)}"'):
            ui.html(f"<h2>{m.text(title)}</h2>", sanitize=False)
            yield

    def _rendered(self, title: str, render: Callable[[SessionReplica], str]) -> str:
        waiting = _waiting(self._hub)
        if waiting is not None:
            return waiting
        replica = self._hub.replica
        try:
            return render(replica) if replica is not None else m.note("No session yet.")
        except Exception as error:
            self._complain(title, error)
            return m.note(f"This panel could not be drawn ({type(error).__name__}).", "error")

    def _redraw(
        self, title: str, options: Callable[[SessionReplica], dict[str, Any]], state: LiveHtml, chart: EChart
    ) -> None:
        replica, words = self._hub.replica, _waiting(self._hub)
        if words is None and replica is not None:
            try:
                drawn = options(replica)
                if any(_has_data(series) for series in drawn["series"]):
                    chart.options.clear()
                    chart.options.update(drawn)
                    chart.update()
                else:
                    words = m.note("Nothing to draw yet.")
            except Exception as error:
                self._complain(title, error)
                words = m.note(f"This chart could not be drawn ({type(error).__name__}).", "error")
        state.set_content(words or "")
        state.set_visibility(words is not None)
        chart.set_visibility(words is None)

    def _complain(self, title: str, error: Exception) -> None:
        if title not in self._complained:
            self._complained.add(title)
            _log.error("a panel could not be drawn", panel=title, error=repr(error))


def _has_data(series: dict[str, Any]) -> bool:
    """Whether there is anything to see: bars that are all zero are nothing."""
    data: list[Any] = series.get("data") or []
    return bool(data) and (series.get("type") != "bar" or any(data))


def _waiting(hub: DashboardHub) -> str | None:
    """What to show instead of panels: nothing there yet, or something wrong. None when there is a session."""
    if hub.replica is not None:
        return None
    if hub.problem is not None:
        return m.note(hub.problem, "error")
    if hub.session is None:
        return m.note("No session has been found yet. Start one: aster-operator run, or aster-operator demo.")
    return m.note("Reading the session's journal…", "loading")


@contextmanager
def page_frame(hub: DashboardHub, client: Client, path: str) -> Iterator[Panels]:
    """The page around its panels."""
    _assets()
    _count_viewers(hub, client)
    # The framework's page is a landmark around everything, the navigation too: ours is the content alone.
    client.page_container.default_slot.children[0].props('role="presentation"')
    panels = Panels(hub)
    ui.html('<a class="skip" href="#main">Skip to the content</a>', sanitize=False)
    with ui.element("header").classes("top").props('role="banner"'):
        with ui.element("div").classes("line"):
            ui.html('<span class="brand">Aster Operator</span>', sanitize=False)
            state = LiveHtml()
            ui.element("div").classes("grow")
            _steering(hub, panels)
            ui.button("UTC", on_click=lambda: ui.run_javascript("window.asterZone()")).props(
                'flat dense no-caps aria-label="Show times in UTC or local time"'
            ).classes("zone-name")
            ui.button(icon="contrast").props(
                'flat dense round aria-label="Dark or light" data-theme-button'
            ).on("click", js_handler=_TURN)
            Theme()
        ui.html(_navigation(path), sanitize=False)
    banner = LiveHtml()
    panels.call(lambda: state.set_content(_state_html(hub)))
    panels.call(lambda: banner.set_content(_banner_html(hub)))
    with ui.element("main").classes("main").props('id="main" role="main" tabindex="-1"'):
        # Outside the grid of the panels, whose first cell it would take.
        ui.html(f"<h1>{m.text(dict(PAGES)[path])}</h1>", sanitize=False).classes("said")
        yield panels
    panels.start()


def _assets() -> None:
    for name, tag in (
        ("dashboard.css", '<link rel="stylesheet" href="/assets/dashboard.css?{}">'),
        ("dashboard.js", '<script defer src="/assets/dashboard.js?{}"></script>'),
    ):
        ui.add_head_html(tag.format(hashlib.sha256(asset(name)).hexdigest()[:12]))


def _count_viewers(hub: DashboardHub, client: Client) -> None:
    def came() -> None:
        hub.viewers += 1

    def went() -> None:
        hub.viewers -= 1

    client.on_connect(came)
    client.on_disconnect(went)


def _navigation(path: str) -> str:
    links = "".join(
        f'<a href="{target}"{" aria-current=page" if target == path else ""}>{m.text(name)}'
        f"<kbd>{number}</kbd></a>"
        for number, (target, name) in enumerate(PAGES, 1)
    )
    return f'<nav class="nav" aria-label="Pages">{links}</nav>'


def _state_html(hub: DashboardHub) -> str:
    session, replica = hub.session, hub.replica
    if session is None:
        return m.chip("no session")
    running = m.chip("running", "good") if session.is_running else m.chip("ended")
    if hub.has_died:
        running = m.chip("died", "bad")
    parts = [m.chip(session.venue), running]
    if replica is not None:
        now_ms = replica.now_ms
        parts.append(f'<span class="dim">market time</span> {m.time(now_ms, day=True)}')
    return " ".join(parts)


def _banner_html(hub: DashboardHub) -> str:
    """What nobody may overlook: a replica out of step, feeds that are down, entries that are paused."""
    replica, lines = hub.replica, []
    if hub.problem is not None:
        lines.append(("bad", hub.problem))
    if hub.has_died:
        lines.append(("bad", DIED))
    for words in hub.undelivered()[:1]:
        lines.append(("bad", f"An alert could not be sent: {words}"))
    if replica is not None:
        if replica.fault is not None:
            lines.append(("bad", f"This picture may differ from what the session knows: {replica.fault}"))
        if hub.is_catching_up:
            lines.append(
                ("progress", f"Reading the journal: {hub.progress_pct:.0f} %. What is shown is older.")
            )
        lines += [("bad", f"{feed} feed: {detail}") for feed, detail in replica.state.feeds_down.items()]
        if replica.state.paused is not None:
            lines.append(("warn", replica.state.paused))
        if replica.state.stopping is not None and not replica.ended:
            lines.append(("warn", f"The session is ending ({replica.state.stopping})."))
    return "".join(_line(tone, words) for tone, words in lines)


def _line(tone: str, words: str) -> str:
    """What is wrong is said to a screen reader at once, a state when it has time, progress not at all."""
    role = {"bad": ' role="alert"', "warn": ' role="status"'}.get(tone, "")
    return f'<p class="banner {tone}"{role}>{m.text(words)}</p>'


# --- steering -------------------------------------------------------------------------------------------


def _steering(hub: DashboardHub, panels: Panels) -> None:
    if hub.read_only:
        ui.html(m.chip("read-only"), sanitize=False)
        return
    asking: list[str] = []

    async def ask(name: str, action: OperatorAction, meaning: str, event: ClickEventArguments) -> None:
        if asking:  # a second click is no second wish
            return
        asking.append(name)
        try:
            await _ask(hub, name, action, meaning, event.sender.html_id)
        finally:
            asking.clear()

    with ui.element("div").classes("tools").props('role="group" aria-label="Steering"') as tools:
        for name, action, meaning in _WISHES:
            button = ui.button(name, on_click=partial(ask, name, action, meaning))
            button.props("dense outline no-caps size=13px")
            if action is OperatorAction.CLOSE_ALL:
                button.classes("danger")
            if action is OperatorAction.RELOAD_PARAMETERS:
                panels.call(partial(_show_reload, hub, button))
    panels.call(lambda: tools.set_visibility(hub.can_steer))


def _show_reload(hub: DashboardHub, button: Button) -> None:
    button.set_visibility(hub.session is not None and hub.session.can_reload)


async def _ask(hub: DashboardHub, name: str, action: OperatorAction, meaning: str, button: str) -> None:
    """Ask once, give the focus back to the button of that id, hand the wish over and tell the answer."""
    asked_of = hub.run_id
    held = _held_names(hub) if action is OperatorAction.CLOSE else []
    question = f"{name.rstrip('…')}?"
    with ui.dialog().props(f'aria-label="{question}"') as dialog, ui.card():
        ui.label(question).classes("question")
        ui.label(meaning)
        choice = (
            ui.select(held, value=held[0], label="Pair or symbol").classes("field wide") if held else None
        )
        if action is OperatorAction.CLOSE and not held:
            ui.label("Nothing is held.")
        with ui.row():
            ui.button("Cancel", on_click=lambda: dialog.submit(False)).props("flat autofocus")
            if action is not OperatorAction.CLOSE or held:
                ui.button("Yes", on_click=lambda: dialog.submit(True)).props("color=negative")
    confirmed = await dialog
    detail = str(choice.value) if choice is not None else ""
    dialog.delete()
    # Whoever works by keyboard goes on where he was.
    ui.run_javascript(f"document.getElementById('{button}')?.focus()")
    if not confirmed:
        return
    taken, words = await hub.steer(action, detail, "dashboard", asked_of=asked_of)
    ui.notify(f"Taken: {words}" if taken else f"Refused: {words}", type="positive" if taken else "negative")


def _held_names(hub: DashboardHub) -> list[str]:
    if hub.replica is None:
        return []
    now = now_picture(hub.replica, equity_samples=0)
    return [pair.name for pair in now.pairs] + [each.symbol for each in now.positions if each.is_ours]
