"""The Now page in a terminal: what is held, how it is protected, how the limits stand. Keyboard driven."""

from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Header, Static

from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.pictures.now import LimitRow, Now, PairRow, PositionRow, now_picture
from aster_operator.monitoring.terminal.figures import (
    age_text,
    amount_text,
    equity_line,
    gauge_text,
    signed_text,
)
from aster_operator.monitoring.time_text import utc_text
from aster_operator.monitoring.web.hub import DashboardHub

__all__ = ["TopApp"]

_RENEW_S = 1.0
_TALL = 34
"""Lines of a terminal that holds everything; in a lower one there is less of limits and messages."""
_SHOWN, _SHOWN_LOW = 8, 4
_PAIRS = ("Pair", "State", "Held", "Long", "Short", "Δ", "PnL", "To liq.", "Why")
_POSITIONS = ("Symbol", "Side", "Quantity", "Entry", "Mark", "PnL", "Protection", "Stop", "Age")


class _Confirm(ModalScreen[bool]):
    """Asks once."""

    CSS = """
    _Confirm { align: center middle; }
    _Confirm Vertical { width: 60; height: auto; padding: 1 2; border: thick $warning; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(self._question)
            yield Static("[b]y[/b] yes   [b]n[/b] no")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class TopApp(App[None]):
    """One session in a terminal. `hub` is advanced from here."""

    TITLE = "Aster Operator"
    CSS = """
    #state { height: auto; padding: 0 1; }
    #account { height: auto; padding: 0 1 1 1; }
    DataTable { height: auto; max-height: 40%; }
    #limits, #log { height: auto; padding: 1 1 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "wish('pause_entries')", "Pause"),
        Binding("r", "wish('resume_entries')", "Resume"),
        Binding("c", "close_one", "Close one"),
        Binding("f", "wish('close_all')", "Flatten all"),
        Binding("l", "wish('reload_parameters')", "Reload"),
        Binding("d", "toggle_dark", "Dark/light"),
    ]

    def __init__(self, hub: DashboardHub) -> None:
        super().__init__()
        self._hub = hub
        self._now: Now | None = None

    def compose(self) -> ComposeResult:
        yield Header()
        yield Static(id="state")
        yield Static(id="account")
        yield DataTable(id="pairs", cursor_type="row", zebra_stripes=True)
        yield DataTable(id="positions", cursor_type="row", zebra_stripes=True)
        yield Static(id="limits")
        yield Static(id="log")
        yield Footer(show_command_palette=False)  # 80 columns hold the keys of ours

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 (Textual's)
        """Whoever only looks has no keys to steer with, and is not offered them."""
        return not (self._hub.read_only and action in ("wish", "close_one"))

    def on_mount(self) -> None:
        self.query_one("#pairs", DataTable).add_columns(*_PAIRS)
        self.query_one("#positions", DataTable).add_columns(*_POSITIONS)
        self.set_interval(_RENEW_S, self.renew)
        self.set_interval(0.05, self._hub.advance)
        self._hub.advance()
        self.renew()

    def renew(self) -> None:
        """Draw the newest picture."""
        if not self.query("#state"):
            return  # the end takes the widgets away before the timers
        hub = self._hub
        if hub.replica is None:
            words = hub.problem or "No session has been found yet: aster-operator run, or aster-operator demo"
            self.query_one("#state", Static).update(Text(words, style="bold red" if hub.problem else "dim"))
            return
        self._now = now = now_picture(hub.replica, equity_samples=60)
        self.query_one("#state", Static).update(self._state(now))
        self.query_one("#account", Static).update(_account(now, self.size.width))
        self._fill("#pairs", [(row.name, _pair(row)) for row in now.pairs])
        self._fill("#positions", [(row.symbol, _position(row)) for row in now.positions])
        shown = _SHOWN if self.size.height >= _TALL else _SHOWN_LOW
        self.query_one("#limits", Static).update(_limits(now.limits, shown))
        lines = reversed(hub.replica.activity.notices.newest(shown))
        styles = {"warning": "yellow", "critical": "bold red"}
        log = Text("\n", no_wrap=True, overflow="ellipsis").join(
            Text(f"{utc_text(line.at_ms)[11:]} {line.message}", style=styles.get(str(line.level), "dim"))
            for line in lines
        )
        self.query_one("#log", Static).update(log)

    def _state(self, now: Now) -> Text:
        session, text = self._hub.session, Text()
        if session is not None:
            text.append(f"{session.venue} ", style="bold")
            text.append(
                "running" if session.is_running else "ended", style="green" if session.is_running else "dim"
            )
        if self._hub.read_only:
            text.append(" read-only", style="yellow")
        text.append(f"   {now.strategy}   {utc_text(now.now_ms)} UTC   ")
        if now.entries_blocked:
            text.append(f"entries blocked: {now.entries_blocked}", style="yellow")
        else:
            text.append("entries free", style="green")
        for words in (now.fault, self._hub.problem, *now.feeds_down.values()):
            if words:
                text.append(f"   {words}", style="bold red")
        return text

    def _fill(self, name: str, rows: list[tuple[str, tuple[Text | str, ...]]]) -> None:
        """Show the rows, the cursor staying where it was."""
        table = self.query_one(name, DataTable)
        row = table.cursor_row
        table.clear()
        for key, cells in rows:
            table.add_row(*cells, key=key)
        table.display = bool(rows)
        if rows:
            table.move_cursor(row=min(row, len(rows) - 1))

    # --- steering -------------------------------------------------------------------------------------

    def action_toggle_dark(self) -> None:
        self.theme = "textual-light" if self.theme == "textual-dark" else "textual-dark"

    def action_close_one(self) -> None:
        """Close what the cursor is on."""
        table = self.query_one("#positions", DataTable)
        table = table if table.has_focus else self.query_one("#pairs", DataTable)
        if not table.row_count:
            self.notify("nothing is held", severity="warning")
            return
        key = table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value
        self._ask(OperatorAction.CLOSE, str(key))

    def action_wish(self, action: str) -> None:
        self._ask(OperatorAction(action), "")

    def _ask(self, action: OperatorAction, detail: str) -> None:
        if not self._hub.can_steer:
            self.notify("no session is running that could be steered", severity="warning")
            return
        asked_of = self._hub.run_id
        what = f"{action.replace('_', ' ')} {detail}".strip()

        async def answered(yes: bool | None) -> None:
            if yes:
                taken, words = await self._hub.steer(action, detail, "top", asked_of=asked_of)
                self.notify(words, severity="information" if taken else "error")

        self.push_screen(_Confirm(f"{what}?"), answered)


def _account(now: Now, width: int) -> Text:
    text = Text()
    text.append(f"equity {amount_text(now.equity_usd)}", style="bold")
    text.append(f"   net delta {signed_text(now.net_delta_usd)}   gross {amount_text(now.gross_usd)}")
    text.append(f"   fees {amount_text(now.fees_usd)}\n")
    target = f" of {amount_text(now.volume_target_usd)}" if now.volume_target_usd is not None else ""
    second = (
        f"volume today {amount_text(now.volume_today_usd)}{target}   "
        f"funding {signed_text(now.funding_usd)}   orders {len(now.open_orders)}   "
    )
    text.append(second)
    room = width - len(second) - 2
    if room > 0:
        text.append(equity_line([each.equity_usd for each in now.equity[-room:]]), style="cyan")
    return text


def _pair(row: PairRow) -> tuple[Text | str, ...]:
    long, short = row.legs
    distance = min(
        (leg.liquidation_distance_pct for leg in row.legs if leg.liquidation_distance_pct), default=None
    )
    lone = f" for {age_text(row.imbalance_ms)}" if row.imbalance_ms else ""
    return (
        row.name,
        Text(row.phase, style="green" if row.phase == "holding" else "yellow"),
        _held(row),
        Text(f"{long.quantity.normalize():f}", justify="right"),
        Text(f"{short.quantity.normalize():f}", justify="right"),
        Text(f"{row.imbalance.normalize():f}{lone}", style="bold red" if lone else "", justify="right"),
        Text(signed_text(row.pnl_usd), style="blue" if row.pnl_usd >= 0 else "dark_orange", justify="right"),
        Text("–" if distance is None else f"{distance:,.1f} %", justify="right"),
        Text(row.action, style="dim"),
    )


def _held(row: PairRow) -> str:
    held, whole = age_text(row.age_ms), age_text(row.hold_ms)
    unit = whole.rpartition(" ")[2]
    return f"{held.removesuffix(' ' + unit)} of {whole}"


def _position(row: PositionRow) -> tuple[Text | str, ...]:
    bad = row.protection in ("unprotected", "partly")
    rising = row.side == "LONG"
    return (
        row.symbol,
        Text(("▲ " if rising else "▼ ") + row.side, style="blue" if rising else "dark_orange"),
        Text(f"{row.quantity.normalize():f}", justify="right"),
        Text(f"{row.entry_price:,.4f}", justify="right"),
        Text("–" if row.mark is None else f"{row.mark:,.4f}", justify="right"),
        Text(signed_text(row.unrealized_pnl_usd), justify="right"),
        Text(row.protection, style="bold red" if bad else "green"),
        Text("–" if row.stop_price is None else f"{row.stop_price:,.4f}", justify="right"),
        age_text(row.age_ms),
    )


def _limits(limits: tuple[LimitRow, ...], shown: int) -> Text:
    styles = {"ok": "green", "warn": "yellow", "act": "bold red", "unknown": "dim"}
    order = {"act": 0, "warn": 1, "unknown": 2, "ok": 3}
    rows = sorted(limits, key=lambda row: (order[row.level], -(row.used_pct or 0)))[:shown]
    return Text("\n").join(
        Text(f"{gauge_text(row.used_pct)} {row.level:7} {row.name}  {row.subject}", style=styles[row.level])
        for row in rows
    )
