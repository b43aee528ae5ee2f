"""From a closed bar to a decision: the strategy's word, and the word of everything that guards entries."""

from collections.abc import Iterator

from aster_operator.domain.commands import RecordDecision
from aster_operator.domain.market import Bar
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.entry_gate import entries_blocked
from aster_operator.execution.positions.book import PositionBook
from aster_operator.execution.positions.guards import Guards
from aster_operator.execution.positions.position import own_position
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.strategy.bar_history import BarHistory
from aster_operator.strategy.base import BarDecision, BarView, Strategy, Verdict
from aster_operator.strategy.intents import CycleDecision

__all__ = ["bar_view", "entry_verdicts", "record"]


def bar_view(
    state: CoreState, settings: PositionDeskSettings, book: PositionBook, symbol: str, history: BarHistory
) -> BarView:
    """The picture the strategy decides on."""
    market = state.market.of(symbol)
    quote, mark = market.quote, market.mark
    return BarView(
        symbol=symbol,
        now_ms=state.now_ms,
        bars=history.bars,
        bid=None if quote is None else quote.bid,
        ask=None if quote is None else quote.ask,
        mark=None if mark is None else mark.mark,
        funding_rate=None if mark is None else mark.funding_rate,
        tick_size=state.instruments[symbol].tick_size,
        taker_fee_rate=settings.taker_fee_rate(symbol),
        position=own_position(book.on_symbol(symbol)),
    )


def entry_verdicts(
    state: CoreState,
    settings: PositionDeskSettings,
    book: PositionBook,
    guards: Guards,
    strategy: Strategy,
    bar: Bar,
) -> Iterator[Verdict]:
    """What the operator itself has against an entry on this bar, item by item."""
    symbol, now_ms, limits = bar.symbol, state.now_ms, state.settings.limits
    stale = state.market.of(symbol).staleness(now_ms, limits.max_mark_age_ms, limits.max_quote_age_ms)
    yield Verdict(name="market_data", passed=stale is None, value=stale or "fresh", limit="fresh")
    age_ms = now_ms - (bar.close_ms + 1)
    yield Verdict(
        name="bar_age",
        passed=age_ms <= settings.guards.max_bar_age_ms,
        value=f"{age_ms} ms",
        limit=f"{settings.guards.max_bar_age_ms} ms",
    )
    blocked = entries_blocked(state)
    yield Verdict(name="session", passed=blocked is None, value=blocked or "open", limit="open")
    yield from guards.entry_verdicts(symbol, len(book.positions), now_ms)
    yield _symbol_is_free(state, book, symbol)
    wanted = strategy.trades(symbol)
    yield Verdict(name="enabled", passed=wanted, value=str(wanted).lower(), limit="true")


def _symbol_is_free(state: CoreState, book: PositionBook, symbol: str) -> Verdict:
    taken = None
    position = book.on_symbol(symbol)
    if position is not None:
        taken = f"position {position.phase}"
    elif symbol in state.foreign_symbols or any(
        held.symbol == symbol for held in state.portfolio.open_positions()
    ):
        taken = "a position that is not ours"
    return Verdict(name="one_position", passed=taken is None, value=taken or "free", limit="free")


def record(
    state: CoreState, strategy_name: str, bar: Bar, decision: BarDecision, verdicts: tuple[Verdict, ...]
) -> None:
    """Leave the bar's decision row, and show it as the symbol's newest decision."""
    numbers = {"bar_open_ms": str(bar.open_ms), "bar_close": str(bar.close), **decision.numbers}
    for verdict in (*decision.verdicts, *verdicts):
        numbers[f"blocker.{verdict.name}"] = str(verdict)
    state.decisions[bar.symbol] = CycleDecision(
        symbol=bar.symbol, action=decision.action, reason=decision.reason, numbers=numbers
    )
    state.emit(
        RecordDecision(
            at_ms=state.now_ms,
            strategy=strategy_name,
            symbol=bar.symbol,
            action=decision.action,
            reason=decision.reason,
            numbers=numbers,
        )
    )
