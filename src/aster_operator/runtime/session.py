"""One trading session: streams and timers feed the core, its commands are carried out, everything is kept.

`Session` holds what both ways of driving it share: live (`live.py`: the clock runs by itself) and
lock-step (`lockstep.py`: market time moves on only when everything shown has been acted on).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import structlog

from aster_operator.domain.clock import HOUR_MS, Clock
from aster_operator.domain.commands import Command, Notify, RequestFills, StopSession
from aster_operator.domain.events import (
    AccountChanged,
    BarUpdated,
    DepthUpdated,
    Event,
    Feed,
    FeedStatusChanged,
    FillLearned,
    IncomeSettled,
    OperatorAction,
    OperatorRequested,
    OrderChanged,
    ParametersChanged,
    TimerFired,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill, IncomeRow, settled_cash
from aster_operator.domain.market import DepthSnapshot
from aster_operator.domain.pairing import Market, market_of
from aster_operator.exchange.client_protocol import (
    EventStream,
    ExchangeClient,
    MarketChannel,
    RequestBudget,
    StreamEvent,
)
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.books_mark import BooksMark, mark_command
from aster_operator.runtime.command_runner import Books, CommandRunner, VenueCommand
from aster_operator.runtime.journal import DepthNote, Journal, NoteTaker, SessionNote

__all__ = ["Session", "SessionBooks"]

_log = structlog.get_logger("session")

_INCOME_OVERLAP_MS = 60_000
"""Income rows are read again from this long before the newest one known: rows may settle out of order."""
_INCOME_AGAIN_MS = 60_000
"""A row may be written after the account stream told of it: its history is read once more after this."""
_INCOME_EVERY_MS = HOUR_MS
"""How often it is read in any case: not everything that is paid is told on the stream."""
_DEAF_READ_EVERY_MS = 60_000
"""While the account stream is down, trades and settled cash are read this often."""
_CHANGED_BY_TRADES = frozenset({"ORDER", "MARGIN_TRANSFER", "MARGIN_TYPE_CHANGE"})
"""Reasons of account updates that no settled row stands behind."""
_SHOWN_LEVELS = 10
"""Of the order book, for views."""
_NOTE_EVERY_NS = 1_000_000_000


class SessionBooks(Books, Protocol):
    """The books as the session needs them: what the core records, and the facts it hears."""

    def record_fill(self, fill: Fill) -> None:
        """Idempotent: a fill heard twice is kept once."""

    def record_income(self, row: IncomeRow) -> None:
        """Idempotent by the venue's transaction id."""

    def record_order_report(self, event: OrderChanged) -> None:
        """The latest state of one of our orders."""


class Session:
    """Plumbing between one venue, one core and one set of books. Settled cash is read from
    the opening of what an earlier session left held: what was paid for it meanwhile belongs to it."""

    def __init__(
        self,
        *,
        client: ExchangeClient,
        core: TradingCore,
        books: SessionBooks,
        journal: Journal,
        clock: Clock,
        start_ms: int,
        on_notice: Callable[[Notify], None] | None = None,
    ) -> None:
        self.client = client
        self.core = core
        self.books = books
        self.clock = clock
        self.start_ms = start_ms
        self.stopped: StopSession | None = None
        self.market_stream: EventStream | None = None
        self.user_stream: EventStream | None = None
        self.runner = CommandRunner(client, books, clock, on_notice)
        self._journal = journal
        self._inbox: deque[Event] = deque()
        # What was settled in the start's own millisecond is in the wallet that the session began with.
        self._income_first_ms = min((start_ms + 1, *_opened_ms(core)))
        self._income_since_ms = self._income_first_ms
        self._income_wanted = self._income_first_ms <= start_ms
        self._income_due_ms = start_ms + _INCOME_EVERY_MS
        self._fills_wanted = False
        self._fills_since_ms: dict[str, int] = {}
        self._bars_wanted = False
        self._reload_wanted = False
        self._deaf_since_ms: int | None = None
        self._times_deafened = 0
        self._deaf_read_due_ms = 0
        self._income_read_ms = start_ms
        self._noted_ns = -_NOTE_EVERY_NS
        self._depth: dict[str, DepthSnapshot] = {}

    @property
    def is_urgent(self) -> bool:
        """True while the core wants to look again at once: something held is open to harm."""
        return self.core.due_ms is not None

    # --- streams --------------------------------------------------------------------------------------

    async def connect(self, on_event: Callable[[StreamEvent], None] | None = None) -> None:
        """Open both streams; what they deliver goes to the inbox unless `on_event` takes it."""
        take = on_event if on_event is not None else self.post
        self.user_stream = await self.client.open_user_stream(take)
        shown = isinstance(self._journal, NoteTaker)
        channels = [
            MarketChannel(symbol=symbol, depth=shown, depth_levels=_SHOWN_LEVELS)
            for symbol in self.core.settings.symbols
        ]
        self.market_stream = await self.client.open_market_stream(channels, take)
        # After the stream is up, so that no minute ends between the two; before all it has brought already.
        self._inbox.extendleft(reversed(await self._closed_bars()))

    async def disconnect(self) -> None:
        for stream in (self.market_stream, self.user_stream):
            if stream is not None:
                await stream.close()
        self.market_stream = self.user_stream = None

    # --- events ---------------------------------------------------------------------------------------

    def post(self, event: Event) -> None:
        """Queue an event for the core. Books are for views: no decision rests on more than the best quote."""
        if isinstance(event, DepthUpdated):
            self._depth[event.depth.symbol] = event.depth
        else:
            self._inbox.append(event)

    def take(self) -> Event | None:
        """Next queued event, None when there is none."""
        return self._inbox.popleft() if self._inbox else None

    def fire_timer(self, now_ms: int) -> None:
        self._note()
        self.post(TimerFired(event_ms=now_ms, received_ns=self.clock.now_ns()))

    def _note(self) -> None:
        """Journal once a second, for views, the order books and how much of the request budget is used."""
        now_ns = self.clock.monotonic_ns()
        if now_ns - self._noted_ns < _NOTE_EVERY_NS:
            return
        self._noted_ns = now_ns
        depth, self._depth = self._depth, {}
        if not isinstance(self._journal, NoteTaker):
            return
        for each in depth.values():
            self._journal.note(DepthNote(depth=each))
        if isinstance(self.client, RequestBudget):
            self._journal.note(SessionNote(**self.client.request_use()._asdict()))

    def request(self, action: OperatorAction, actor: str, now_ms: int, detail: str = "") -> None:
        """A person's wish, queued like any other event."""
        self.post(
            OperatorRequested(
                event_ms=now_ms,
                received_ns=self.clock.now_ns(),
                action=action,
                actor=actor,
                detail=detail,
            )
        )

    def decide(self, event: Event) -> Sequence[Command]:
        """Journal the event, keep the facts in it, and return the core's journalled commands."""
        self._journal.event(event)
        commands = self.core.handle(event)
        self._keep(event)
        return self._journalled(commands)

    def start_commands(self) -> Sequence[Command]:
        """The core's first commands, at the session's start time."""
        return self._journalled(self.core.start(self.start_ms))

    def _journalled(self, commands: Sequence[Command]) -> Sequence[Command]:
        for command in commands:
            self._journal.command(command)
            if isinstance(command, StopSession):
                self.stopped = command
            elif isinstance(command, RequestFills):
                known_ms = self._fills_since_ms.get(command.symbol, self.start_ms)
                self._fills_since_ms[command.symbol] = min(known_ms, command.since_ms)
                self._fills_wanted = True
        return commands

    def _keep(self, event: Event) -> None:
        match event:
            case OrderChanged():
                self.books.record_order_report(event)
                if event.fill is not None:
                    _log.debug(
                        "filled",
                        client_order_id=event.fill.client_order_id,
                        order_id=event.fill.order_id,
                        trade_id=event.fill.trade_id,
                        symbol=event.fill.symbol,
                    )
                    self.books.record_fill(event.fill)
            case FillLearned():
                self.books.record_fill(event.fill)
            case FeedStatusChanged(feed=Feed.USER, healthy=False):
                self._times_deafened += 1
                if self._deaf_since_ms is None:
                    self._deaf_since_ms = event.event_ms
            case VenueSnapshotTaken() if Feed.USER in self.core.state.feeds_down:
                if event.event_ms >= self._deaf_read_due_ms:
                    self._fills_wanted = self._income_wanted = True
                    self._deaf_read_due_ms = event.event_ms + _DEAF_READ_EVERY_MS
            case FeedStatusChanged(feed=Feed.USER, healthy=True):
                self._fills_wanted = self._income_wanted = True
            case FeedStatusChanged(feed=Feed.MARKET, healthy=True) | ParametersChanged():
                # New parameters may look further back than the bars that were kept.
                self._bars_wanted = True
            case IncomeSettled():
                self.books.record_income(event.row)
            case AccountChanged() if event.reason not in _CHANGED_BY_TRADES:
                self._income_wanted = True
                self._income_due_ms = min(self._income_due_ms, event.event_ms + _INCOME_AGAIN_MS)
            case TimerFired() if event.event_ms >= self._income_due_ms:
                self._income_wanted = True
                self._income_due_ms = event.event_ms + _INCOME_EVERY_MS
            case OperatorRequested(action=OperatorAction.RELOAD_PARAMETERS):
                self._reload_wanted = True
            case _:
                pass

    def claim_reload(self) -> bool:
        """True once after each time the owner asked to read the parameter files again."""
        wanted, self._reload_wanted = self._reload_wanted, False
        return wanted

    # --- settled cash ---------------------------------------------------------------------------------

    def claim_income(self) -> bool:
        """True once whenever something may have been settled: the account stream told of it, or was away, or
        time has passed."""
        wanted, self._income_wanted = self._income_wanted, False
        return wanted

    async def read_bars(self) -> None:
        """Queue the closed bars that strategies look back on; those known already change nothing."""
        self._inbox.extend(await self._closed_bars())

    async def _closed_bars(self) -> list[Event]:
        """The newest closed bars of every desk that looks back: at the start its warm-up, later what a
        broken stream left out."""
        events: list[Event] = []
        for desk in self.core.state.desks:
            for symbol in desk.symbols if desk.warm_up_bars else ():
                if market_of(symbol) is Market.SPOT:
                    continue  # its bars are not followed either: the perpetual's tell how it moves
                # One more for the running bar at the end.
                for bar in await self.client.bars(symbol, limit=desk.warm_up_bars + 1):
                    if bar.is_closed:
                        received_ns = self.clock.now_ns()
                        events.append(BarUpdated(event_ms=bar.close_ms, received_ns=received_ns, bar=bar))
        return events

    def claim_bars(self) -> bool:
        """True once after each time the market stream came back: minutes may have ended unheard."""
        wanted, self._bars_wanted = self._bars_wanted, False
        return wanted

    def claim_fills(self) -> bool:
        """True once after each time the user stream came back or the core asked: trades may have gone by
        unheard."""
        wanted, self._fills_wanted = self._fills_wanted, False
        return wanted

    async def read_fills(self, now_ms: int) -> Sequence[Fill]:
        """Read the session's trades, and older ones the core asked for, from the venue and queue them; those
        known already change nothing. Returns them all."""
        deafened, found = self._times_deafened, list[Fill]()
        for symbol in self.core.settings.symbols:
            since_ms = self._fills_since_ms.get(symbol, self.start_ms)
            found += await self.client.fills(symbol, since_ms)
        for fill in found:
            self.post(FillLearned(event_ms=now_ms, received_ns=self.clock.now_ns(), fill=fill))
        if self._deaf_since_ms is not None and deafened == self._times_deafened:
            is_deaf = Feed.USER in self.core.state.feeds_down
            self._deaf_since_ms = max(self._deaf_since_ms, now_ms) if is_deaf else None
        return found

    async def read_income(self, now_ms: int, since_ms: int | None = None) -> Sequence[IncomeRow]:
        """Read what was settled and queue it; what was read before is recognised by the books. Returns what
        was read: all since `since_ms`, or what is new with a little before it.

        All kinds are read and those that repeat a trade are left out: the venue can filter for one kind only,
        and a kind nobody has thought of changes the wallet all the same.
        """
        start_ms = max(self._income_first_ms, self._income_since_ms - _INCOME_OVERLAP_MS)
        rows = await self.client.income_rows(start_ms if since_ms is None else min(start_ms, since_ms))
        settled = settled_cash(rows)
        for row in settled:
            self.post(IncomeSettled(event_ms=now_ms, received_ns=self.clock.now_ns(), row=row))
        if rows:
            self._income_since_ms = max(row.time_ms for row in rows)
        self._income_read_ms = max(self._income_read_ms, now_ms)
        self._keep_mark(now_ms)
        return settled

    # --- completeness ---------------------------------------------------------------------------------

    def complete_until_ms(self, now_ms: int) -> int:
        """Up to when nothing that was traded or settled can be missing from the books."""
        heard_ms = now_ms if self._deaf_since_ms is None else self._deaf_since_ms
        return min(heard_ms, self._income_read_ms)

    def mark(self, now_ms: int) -> BooksMark:
        """How far the books are complete, for the next start; a little earlier, because rows may be written
        out of order."""
        until_ms = max(self.start_ms, self.complete_until_ms(now_ms) - _INCOME_OVERLAP_MS)
        return BooksMark(until_ms=until_ms, symbols=self.core.settings.symbols)

    def _keep_mark(self, now_ms: int) -> None:
        self.books.remember(mark_command(self.mark(now_ms), now_ms))

    async def catch_up(self, now_ms: int, income_since_ms: int) -> tuple[Sequence[Fill], Sequence[IncomeRow]]:
        """At the end: take in all that is still queued, then the venue's trades and what was settled since
        `income_since_ms`, and return these. Nothing is sent any more. Raises ExchangeError."""
        self._take_in()
        fills = await self.read_fills(now_ms)
        settled = await self.read_income(now_ms, income_since_ms)
        self._take_in()
        return fills, settled

    def _take_in(self) -> None:
        while (event := self.take()) is not None:
            for command in self.decide(event):
                if not isinstance(command, VenueCommand):
                    self.runner.keep(command)


def _opened_ms(core: TradingCore) -> Iterator[int]:
    """When each leg that an earlier session left behind was opened."""
    for pair in core.settings.remembered:
        yield from (leg.opened_ms for leg in (pair.long, pair.short) if leg is not None)
