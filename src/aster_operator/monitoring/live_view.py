"""The session on a terminal while it runs: pairs, ages, volume, fees, equity, progress. Reads, never acts."""

from collections import deque
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aster_operator.domain.commands import Notify, NotifyLevel
from aster_operator.domain.money import plain_text, usd_text
from aster_operator.execution.core import TradingCore
from aster_operator.execution.cycle_view import pair_status
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.monitoring.position_rows import position_cells
from aster_operator.monitoring.time_text import utc_text
from aster_operator.strategy.intents import CycleDecision, PairPhase, PairStatus

__all__ = ["LiveView"]

_SHOWN_NOTICES = 5
_STYLES = {
    NotifyLevel.INFO: "dim",
    NotifyLevel.WARNING: "yellow",
    NotifyLevel.CRITICAL: "bold red",
}


class LiveView:
    """A picture of one core. `start_ms` and `end_ms` bound the progress bar; no end, no bar."""

    def __init__(self, core: TradingCore, start_ms: int, end_ms: int | None, title: str) -> None:
        self._core = core
        self._start_ms = start_ms
        self._end_ms = end_ms
        self._title = title
        self._notices: deque[Notify] = deque(maxlen=_SHOWN_NOTICES)

    def notice(self, notice: Notify) -> None:
        """Remember a message of the session; the last few are shown."""
        self._notices.append(notice)

    def render(self) -> RenderableType:
        parts: list[RenderableType] = [self._pairs(), Text(), self._totals(), Text()]
        if self._end_ms is not None:
            parts += [self._progress(self._end_ms), Text()]
        parts += [
            Text(f"{utc_text(notice.at_ms)}  {notice.message}", style=_STYLES[notice.level])
            for notice in self._notices
        ]
        return Panel(
            Group(*parts), title=self._title, subtitle=f"market time {utc_text(self._core.state.now_ms)}"
        )

    def line(self) -> str:
        """The picture in one line, for output that is no terminal."""
        state = self._core.state
        equity = state.equity_usd()
        shown_equity = "n/a" if equity is None else f"${equity:,.2f}"
        open_pairs = sum(1 for _ in state.pairs.active())
        singles = [desk.open_position_count for desk in state.desks if isinstance(desk, PositionDesk)]
        held = f"positions {sum(singles)}  " if singles else ""
        if self._core.settings.delta_neutral is not None or not singles:
            held = f"pairs {open_pairs}  {held}"
        return (
            f"{utc_text(state.now_ms)}  {self._share()}{held}"
            f"volume ${state.portfolio.volume:,.0f}  "
            f"fees ${state.portfolio.fees:,.2f}  equity {shown_equity}"
        )

    def _share(self) -> str:
        if self._end_ms is None:
            return ""
        done = (self._core.state.now_ms - self._start_ms) / max(1, self._end_ms - self._start_ms)
        return f"{min(max(done, 0), 1):4.0%}  "

    def _pairs(self) -> Table:
        table = Table(expand=True, box=None, header_style="dim")
        for name in ("Symbol", "State", "Long", "Short", "Δ base", "Age", "Pair PnL", "Mark", "Decision"):
            table.add_column(name, justify="left" if name in ("Symbol", "State", "Decision") else "right")
        by_name = {pair.name: pair for pair in self._core.state.pairs.active()}
        for name, symbol in self._rows():
            pair = by_name.get(name)
            desk = self._desk_of(symbol) if pair is None else None
            mark = self._core.state.market.mark_of(symbol)
            decision = self._core.decisions.get(name)
            words = Text(_words(decision), overflow="ellipsis", no_wrap=True)
            shown_mark = "" if mark is None else f"{mark:,.2f}"
            if desk is not None:
                table.add_row(
                    *position_cells(self._core.state, desk, symbol), shown_mark, _gist(desk, symbol)
                )
            elif pair is None:
                table.add_row(name, "flat", "", "", "", "", "", shown_mark, words)
            else:
                table.add_row(*self._pair_cells(pair_status(self._core.state, pair)), shown_mark, words)
        return table

    def _desk_of(self, symbol: str) -> PositionDesk | None:
        desks = (desk for desk in self._core.state.desks if isinstance(desk, PositionDesk))
        return next((desk for desk in desks if symbol in desk.symbols), None)

    def _rows(self) -> list[tuple[str, str]]:
        """Names of what is shown, and the symbol whose mark stands beside: pairs first, then the rest."""
        parameters = self._core.settings.delta_neutral
        pairings = () if parameters is None else parameters.pairs
        in_pairs = {symbol for pairing in pairings for symbol in pairing.symbols}
        rest = [(symbol, symbol) for symbol in self._core.settings.symbols if symbol not in in_pairs]
        return [(pairing.name, pairing.second) for pairing in pairings] + rest

    def _pair_cells(self, status: PairStatus) -> tuple[str | Text, ...]:
        delta = status.long.quantity * status.long.weight - status.short.quantity * status.short.weight
        shown = delta if status.long.symbol == status.short.symbol else round(delta, 4)
        pnl_style = "green" if status.pnl_usd >= 0 else "red"
        return (
            status.symbol,
            Text(status.phase, style="cyan" if status.phase is PairPhase.HOLDING else "yellow"),
            plain_text(status.long.quantity),
            plain_text(status.short.quantity),
            Text(plain_text(shown), style="" if delta == 0 else "bold yellow"),
            self._age(status),
            Text(f"{status.pnl_usd:+,.2f}", style=pnl_style),
        )

    def _age(self, status: PairStatus) -> str:
        parameters = self._core.settings.delta_neutral
        if status.held_since_ms is None or parameters is None:
            return "-"
        held_min = (self._core.state.now_ms - status.held_since_ms) / 60_000
        return f"{held_min:.0f}/{parameters.hold_time_ms / 60_000:.0f} min"

    def _totals(self) -> Table:
        portfolio = self._core.state.portfolio
        equity = self._core.state.equity_usd()
        today = portfolio.volume_on_day(self._core.state.now_ms)
        table = Table.grid(padding=(0, 3))
        volume = f"volume today ${today:,.0f}"
        if self._core.settings.delta_neutral is not None:
            target = self._core.settings.delta_neutral.daily_volume_target_usd
            share = Decimal(0) if target == 0 else today * 100 / target
            volume += f" of ${target:,.0f} ({share:.0f} %)"
        table.add_row(
            Text(volume),
            Text(f"fees ${portfolio.fees:,.2f}"),
            Text(f"funding {usd_text(portfolio.funding, signed=True)}"),
            Text("equity n/a" if equity is None else f"equity ${equity:,.2f}", style="bold"),
            Text(f"trades {portfolio.fill_count}"),
        )
        return table

    def _progress(self, end_ms: int) -> Table:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(ratio=1)
        table.add_column(justify="right")
        done_ms = max(0, self._core.state.now_ms - self._start_ms)
        total_ms = max(1, end_ms - self._start_ms)
        table.add_row(
            ProgressBar(total=total_ms, completed=min(done_ms, total_ms)),
            f"{done_ms / 3_600_000:.1f} of {total_ms / 3_600_000:.1f} h",
        )
        return table


def _gist(desk: PositionDesk, symbol: str) -> Text:
    return Text(desk.book.words.get(symbol, ""), overflow="ellipsis", no_wrap=True)


def _words(decision: CycleDecision | None) -> str:
    if decision is None:
        return ""
    # Ages are shown live beside it; those in the words are of the last cycle.
    return decision.action if decision.reason.startswith("held") else f"{decision.action}: {decision.reason}"
