"""What the core asks of the part that trades one strategy: a desk.

The core keeps what all share: the account, the market, the orders under way, the feeds, the limits of the
account and the owner's wishes. A desk keeps what its strategy holds and why, decides, and works its orders
over the shared `OrderDesk`. Every symbol belongs to one desk.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Protocol

import msgspec

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import Event, VenueSnapshotTaken
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.orders import OrderReport
from aster_operator.execution.order_tracker import TrackedOrder

__all__ = ["PositionKey", "Resumption", "StrategyDesk"]

PositionKey = tuple[str, PositionSide]
"""Symbol and position side."""


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """What a desk made of the first snapshot: symbols that hold something foreign (nothing is opened there),
    and what to tell the owner."""

    foreign_symbols: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


class StrategyDesk(Protocol):
    """One strategy with its positions. Quantities in base units, unsigned; times in ms of market time."""

    @property
    def name(self) -> str:
        """The strategy's name, as the books and client order ids know it."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """What the desk trades; fixed for the session."""

    @property
    def moves(self) -> int:
        """Grows with every report or fill that changed what is held: a snapshot asked for before is old."""

    @property
    def warm_up_bars(self) -> int:
        """Closed one-minute bars of each symbol to be told of before trading starts; zero for none."""

    # --- learning: nothing is decided here ------------------------------------------------------------

    def learn(self, event: Event) -> None:
        """Any event, after the shared state has taken it in: bars, operator wishes, feeds."""

    def on_tracked(self, tracked: TrackedOrder) -> None:
        """The state or filled quantity of one of our orders (perhaps this desk's) changed."""

    def on_own_fill(self, fill: Fill) -> bool:
        """Book a new fill if the order behind it is this desk's; True when it is."""

    def on_foreign_fill(self, fill: Fill) -> bool:
        """A fill on a position of this desk by nobody's order we know; True when it is one of ours."""

    def on_funding(self, row: IncomeRow) -> None:
        """Settled cash of a symbol that is neither trade nor transfer, told once: funding, the fee of a
        liquidation."""

    # --- truth ----------------------------------------------------------------------------------------

    def claims(self, order: OrderReport) -> bool:
        """True for a resting order of an earlier run that this desk goes on with; others are cancelled."""

    def resume(self, snapshot: VenueSnapshotTaken) -> Resumption:
        """Take up what earlier runs left, as the first snapshot shows it."""

    def correct(self, snapshot: VenueSnapshotTaken) -> None:
        """A later snapshot, newer than all we know: its word on quiet positions replaces ours."""

    def must_ask(self) -> str | None:
        """Why the venue must be asked at once what is held; None when there is no need."""

    def disagrees(self) -> bool:
        """True while the account stream tells of other positions than this desk holds."""

    # --- exposure -------------------------------------------------------------------------------------

    def held(self) -> Iterator[tuple[PositionKey, Decimal]]:
        """What the desk holds, by its own quicker knowledge."""

    def still_to_open(self) -> Iterator[tuple[str, Decimal]]:
        """Symbol and quantity that decisions already made are still going to add."""

    def may_outlive(self, tracked: TrackedOrder) -> bool:
        """True for one of our orders that rests on when the session ends: protection of what stays held."""

    # --- deciding -------------------------------------------------------------------------------------

    def think(self, event: Event) -> None:
        """Decide and work: commands go to the shared state. Called after every event once reconciled."""

    def close_all(self, reason: str) -> None:
        """Begin to close everything at once: a limit of the account was breached."""

    def close_for_owner(self, name: str | None, reason: str) -> int:
        """Begin to close at once what is held under that name (a pair's, its reference, or a symbol), None
        for everything; how many pairs or positions that concerns."""

    @property
    def due_ms(self) -> int | None:
        """When it must be called again even if nothing happens: something held is open to harm. None when the
        next event or second will do."""

    @property
    def is_quiet(self) -> bool:
        """True when nothing is being opened or closed: the session may end."""

    @property
    def open_position_count(self) -> int:
        """Positions held."""
