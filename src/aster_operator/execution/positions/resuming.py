"""Taking up after a crash or a restart: what was remembered against what the venue holds and has resting."""

import msgspec

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import VenueSnapshotTaken
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.positions import PositionReport
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.positions.book import PositionBook
from aster_operator.execution.positions.position import (
    ExitKind,
    ManagedPosition,
    PositionMemory,
    PositionPhase,
)
from aster_operator.execution.positions.protection import exit_price
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.positions.trailing import Trail
from aster_operator.execution.strategy_desk import Resumption

__all__ = ["POSITION_KEY_MARK", "Resumer"]

POSITION_KEY_MARK = "-"
"""Keys of positions hold their reference, which has one; other memories have none."""


class Resumer:
    """Rebuilds the book from memory and snapshot, and adopts exits of an earlier life."""

    def __init__(
        self, state: CoreState, orders: OrderDesk, settings: PositionDeskSettings, book: PositionBook
    ) -> None:
        self._state = state
        self._orders = orders
        self._book = book
        self._symbols = settings.symbols
        self._memories = [
            msgspec.json.decode(text, type=PositionMemory)
            for key, text in sorted(settings.memory.items())
            if POSITION_KEY_MARK in key
        ]

    def claims(self, order: OrderReport) -> bool:
        """True for a resting exit of a position we remember: it goes on protecting."""
        return any(_is_exit_of(order, memory) for memory in self._memories)

    def resume(self, snapshot: VenueSnapshotTaken) -> Resumption:
        notes: list[str] = []
        explained: set[tuple[str, PositionSide]] = set()
        # What is held comes first: beside it an entry that was given up may be remembered on its symbol.
        for memory in sorted(self._memories, key=lambda each: _held_at_venue(each, snapshot) is None):
            if memory.symbol not in self._symbols:
                notes.append(
                    f"{memory.position_ref} is remembered, but {memory.symbol} is not traded any more: "
                    "left alone"
                )
                continue
            held = _held_at_venue(memory, snapshot)
            if held is not None:
                explained.add((memory.symbol, memory.position_side))
            if self._book.on_symbol(memory.symbol) is None:
                self._resume_one(memory, held, snapshot)
        foreign = [
            position
            for position in snapshot.positions
            if position.is_open
            and position.symbol in self._symbols
            and (position.symbol, position.position_side) not in explained
        ]
        notes += [
            f"{plain_text(position.quantity)} {position.symbol} ({position.position_side}) on the account is "
            f"not ours: left alone, nothing is entered on {position.symbol}"
            for position in foreign
        ]
        return Resumption(
            foreign_symbols=frozenset(position.symbol for position in foreign), notes=tuple(notes)
        )

    def _resume_one(
        self, memory: PositionMemory, held: PositionReport | None, snapshot: VenueSnapshotTaken
    ) -> None:
        state, position = self._state, memory.position()
        self._book.add(position)
        if held is not None:
            position.held = abs(held.quantity)
            position.reported_entry_price = held.entry_price
            position.filled_ms = position.filled_ms or memory.decided_ms
            words = f"resumed {plain_text(position.held)} {memory.symbol}"
            state.notify(NotifyLevel.INFO, f"{words}, {memory.position_ref}")
        if memory.phase is PositionPhase.ENTERING:
            # The entry may have been on its way when we died: nothing is entered before the venue has said
            # what became of it. What is held now is what it has filled.
            self._track_entry(position)
        elif held is None:
            state.notify(NotifyLevel.WARNING, f"{memory.position_ref} is no longer held at the venue")
        for order in snapshot.open_orders:
            if _is_exit_of(order, memory) and is_own_client_order_id(order.client_order_id):
                self._adopt(position, order)
        if memory.trail is not None and position.held > 0:
            self._resume_trail(position, memory.trail)
        if position.phase is PositionPhase.SETTLING and position.held > 0:
            position.phase = PositionPhase.OPEN

    def _track_entry(self, position: ManagedPosition) -> None:
        entry, now_ms = position.entry, self._state.now_ms
        tracked = self._state.tracker.submitted(entry, now_ms)
        self._state.tracker.outcome_unknown(
            entry.client_order_id, "the process died while it was under way", None, now_ms
        )
        position.seen[entry.client_order_id] = position.held
        self._orders.query(tracked)

    def _resume_trail(self, position: ManagedPosition, remembered: tuple[bool, object]) -> None:
        callback_bps = position.plan.trailing_callback_bps
        armed, best = remembered
        if callback_bps is None or not isinstance(best, type(callback_bps)):
            return
        position.trail = Trail(
            side=position.side,
            activation_price=exit_price(
                position, ExitKind.TRAILING, self._state.instruments[position.symbol]
            ),
            callback_bps=callback_bps,
            best=best,
            armed=armed,
        )

    def on_report(self, report: OrderReport) -> None:
        """News of an order we do not track: one of an earlier life that arrived after our snapshot."""
        state = self._state
        if (
            not state.reconciled
            or report.status.is_final
            or not is_own_client_order_id(report.client_order_id)
            or state.tracker.get(report.client_order_id) is not None
            or state.strays.knows(report.client_order_id)
        ):
            return
        position = self._book.on_symbol(report.symbol)
        if position is not None and position.is_active and _is_exit_of(report, position.memory()):
            names = {follower.client_order_id for follower in position.followers}
            # A late exit of the position before would close this one at a price that was not meant for it.
            if (position.resumed and position.held > 0) or report.client_order_id in names:
                self._adopt(position, report)
                return
        state.strays.adopt([report])
        self._orders.cancel_strays()

    def _adopt(self, position: ManagedPosition, report: OrderReport) -> None:
        tracked = self._state.tracker.adopt(report)
        position.exits[report.client_order_id] = ExitKind.of(tracked.order.order_type)
        position.seen[report.client_order_id] = max(report.filled_quantity, ZERO)
        position.dirty = True


def _is_exit_of(order: OrderReport, memory: PositionMemory) -> bool:
    order_type = order.original_type or order.order_type
    return (
        order.symbol == memory.symbol
        and order.position_side is memory.position_side
        and order.side is memory.side.opposite
        and order_type.is_conditional
    )


def _held_at_venue(memory: PositionMemory, snapshot: VenueSnapshotTaken) -> PositionReport | None:
    for position in snapshot.positions:
        same = (position.symbol, position.position_side) == (memory.symbol, memory.position_side)
        if same and position.is_open and (position.quantity > 0) == (memory.side.sign > 0):
            return position
    return None
