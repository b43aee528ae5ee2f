"""Single positions as rows of the live picture: what is held, for how long, at what result, how protected."""

from rich.text import Text

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import Side
from aster_operator.domain.money import plain_text
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.execution.positions.position import ManagedPosition, PositionPhase

__all__ = ["position_cells"]


def position_cells(state: CoreState, desk: PositionDesk, symbol: str) -> tuple[str | Text, ...]:
    """Symbol, state, long, short, an empty cell, age and PnL (USD, at the mark) of a symbol of the desk."""
    position = desk.book.on_symbol(symbol)
    if position is None or position.held <= 0:
        return symbol, "flat" if position is None else str(position.phase), "", "", "", "", ""
    held = plain_text(position.held)
    long, short = (held, "") if position.side is Side.BUY else ("", held)
    return symbol, _state(desk, position), long, short, "", _age(state, position), _pnl(state, position)


def _state(desk: PositionDesk, position: ManagedPosition) -> Text:
    if desk.stands_open(position):
        return Text(f"{position.phase}, no stop", style="bold red")
    words = str(position.phase)
    if position.trail is not None:
        words += ", trailing" if position.trail.armed else ""
    return Text(words, style="cyan" if position.phase is PositionPhase.OPEN else "yellow")


def _age(state: CoreState, position: ManagedPosition) -> str:
    if position.filled_ms is None:
        return "-"
    return f"{(state.now_ms - position.filled_ms) / MINUTE_MS:.0f} min"


def _pnl(state: CoreState, position: ManagedPosition) -> Text:
    mark = state.market.mark_of(position.symbol)
    if mark is None:
        return Text("")
    pnl = (mark - position.entry_price) * position.held * position.side.sign
    return Text(f"{pnl:+,.2f}", style="green" if pnl >= 0 else "red")
