"""All positions of one desk: by key, by order, with the market each has seen. State, no decisions."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fills import Fill
from aster_operator.execution.positions.meanwhile import MarketWatch
from aster_operator.execution.positions.position import ExitKind, ManagedPosition

__all__ = ["PositionBook"]


@dataclass(slots=True)
class PositionBook:
    """At most one position for each symbol; `finished` counts those that are gone."""

    positions: dict[str, ManagedPosition] = field(default_factory=dict)
    watches: dict[str, MarketWatch] = field(default_factory=dict)
    finished: int = 0
    moves: int = 0
    words: dict[str, str] = field(default_factory=dict)
    """What was decided last on each symbol, for people."""
    _ended_orders: set[str] = field(default_factory=set)
    _unfilled: dict[str, ManagedPosition] = field(default_factory=dict)
    """Positions that never came to be, by the entry that was counted as never placed."""

    def active(self) -> Iterator[ManagedPosition]:
        return iter(tuple(self.positions.values()))

    def on_symbol(self, symbol: str) -> ManagedPosition | None:
        return self.positions.get(symbol)

    def add(self, position: ManagedPosition) -> None:
        if position.symbol in self.positions:
            raise ValueError(f"{position.symbol} holds a position already")
        self.positions[position.symbol] = position

    def remove(self, position: ManagedPosition) -> None:
        del self.positions[position.symbol]
        self.watches.pop(position.symbol, None)
        self._ended_orders.add(position.entry.client_order_id)
        self._ended_orders.update(position.exits)
        self.finished += 1

    def remember_unfilled(self, position: ManagedPosition) -> None:
        """An entry the venue never spoke of: should it fill after all, this is whose it is."""
        self._unfilled[position.entry.client_order_id] = position

    def forget_unfilled(self, position: ManagedPosition) -> None:
        self._unfilled.pop(position.entry.client_order_id, None)

    def revive(self, client_order_id: str) -> ManagedPosition | None:
        """The position whose entry was given up and has filled all the same; it is on the book again, unless
        another has its place."""
        position = self._unfilled.get(client_order_id)
        if position is None or position.symbol in self.positions:
            return None
        self.forget_unfilled(position)
        self._ended_orders.discard(client_order_id)
        self.add(position)
        return position

    def owner(self, client_order_id: str) -> ManagedPosition | None:
        for position in self.positions.values():
            if client_order_id == position.entry.client_order_id or client_order_id in position.exits:
                return position
        return None

    def book_own_fill(self, fill: Fill) -> bool:
        """Enter a fill of one of our orders, those of an earlier life included; True when it is ours."""
        position = self.owner(fill.client_order_id) or self._heir(fill)
        if position is None:
            return fill.client_order_id in self._ended_orders
        position.books.book(fill, opens=fill.side is position.side)
        position.dirty = True
        return True

    def book_foreign_fill(self, fill: Fill) -> bool:
        """Enter a fill on one of our positions that nobody here ordered; True when it is on one."""
        position = self.positions.get(fill.symbol)
        if position is None or position.position_side is not fill.position_side:
            return False
        opens = fill.side is position.side
        position.held = max(position.held + (fill.quantity if opens else -fill.quantity), position.held * 0)
        position.books.book(fill, opens=opens)
        position.must_ask = position.dirty = True
        self.moves += 1
        return True

    def _heir(self, fill: Fill) -> ManagedPosition | None:
        """The resumed position that an order of an earlier life belongs to."""
        position = self.positions.get(fill.symbol)
        if (
            position is None
            or not position.resumed
            or fill.position_side is not position.position_side
            or not is_own_client_order_id(fill.client_order_id)
            or fill.event_ms < position.decided_ms
        ):
            return None
        if fill.side is not position.side:
            kind = position.exits.setdefault(fill.client_order_id, ExitKind.of(fill.order_type))
            if position.reason is None:
                position.reason = kind.reason
        return position

    def key(self, position: ManagedPosition) -> tuple[str, PositionSide]:
        return position.symbol, position.position_side
