"""A pair of legs and its books: what is held, since when, at what cost. Pure state.

`held` follows order reports at once, whichever source brings them; prices, fees and realised PnL follow
the fills, which may arrive a moment later.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.strategy.intents import PairPhase

__all__ = ["Pair", "PairLeg"]


@dataclass(slots=True)
class PairLeg:
    """One leg. Quantities in base units, costs in quote units (price x quantity)."""

    symbol: str
    position_side: PositionSide
    held: Decimal = ZERO
    live_orders: list[str] = field(default_factory=list)
    opened_quantity: Decimal = ZERO
    opened_cost: Decimal = ZERO
    closed_quantity: Decimal = ZERO
    closed_cost: Decimal = ZERO
    reported_entry_price: Decimal = ZERO
    """Average price of the newest opening report: stands in until the fills behind it are known."""
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    first_fill_ms: int | None = None
    last_open_fill_ms: int | None = None
    first_close_fill_ms: int | None = None
    last_fill_ms: int | None = None
    recorded_open: bool = False
    known_at_ms: int = 0
    """Venue time of the snapshot that `held` was last taken from: it holds every older fill."""
    retry_at_ms: int = 0
    failures: int = 0
    crosses: int = 0

    @property
    def opening_side(self) -> Side:
        return self.position_side.opening_side

    @property
    def entry_price(self) -> Decimal:
        """Volume-weighted price of the opening fills, or what reports said while none is known; else zero."""
        return self.opened_cost / self.opened_quantity if self.opened_quantity else self.reported_entry_price

    @property
    def exit_price(self) -> Decimal:
        return self.closed_cost / self.closed_quantity if self.closed_quantity else ZERO

    def move(self, side: Side, quantity: Decimal, average_price: Decimal, at_ms: int) -> None:
        """Change what is held by what a report newly says was filled; the fills may come later or never."""
        if side is self.opening_side:
            self.held += quantity
            self.reported_entry_price = average_price or self.reported_entry_price
            self.last_open_fill_ms = at_ms
        else:
            self.held -= quantity

    def book_fill(self, fill: Fill) -> None:
        """Add one execution of this leg to its books (not to `held`, which reports move)."""
        if fill.side is self.opening_side:
            self.opened_quantity += fill.quantity
            self.opened_cost += fill.notional
            self.last_open_fill_ms = fill.event_ms
        else:
            self.closed_quantity += fill.quantity
            self.closed_cost += fill.notional
            if self.first_close_fill_ms is None:
                self.first_close_fill_ms = fill.event_ms
        if self.first_fill_ms is None:
            self.first_fill_ms = fill.event_ms
        self.last_fill_ms = fill.event_ms
        self.realized_pnl += fill.realized_pnl
        self.fees += fill.commission

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        sign = 1 if self.position_side is PositionSide.LONG else -1
        return sign * self.held * (mark - self.entry_price)


@dataclass(slots=True)
class Pair:
    """Two legs worked and judged as one.

    `target` is what each leg is to hold when open; `imbalance_since_ms` is None while both hold the same.
    """

    pair_ref: str
    long: PairLeg
    short: PairLeg
    target: Decimal
    lead: PositionSide
    phase: PairPhase
    phase_since_ms: int
    reason: str
    urgent: bool = False
    flatten_now: bool = False
    """The hedge was refused: give up the excess without waiting for the deadline."""
    unconfirmed: bool = False
    """Moved by something that the venue's snapshots may hold as well: ask it before calling the pair over."""
    imbalance_since_ms: int | None = None
    worst_imbalance: Decimal = ZERO
    longest_imbalance_ms: int = 0
    close_reason: str = ""

    def leg(self, position_side: PositionSide) -> PairLeg:
        return self.long if position_side is PositionSide.LONG else self.short

    @property
    def legs(self) -> tuple[PairLeg, PairLeg]:
        return self.long, self.short

    @property
    def lead_leg(self) -> PairLeg:
        return self.leg(self.lead)

    @property
    def other_leg(self) -> PairLeg:
        return self.short if self.lead is PositionSide.LONG else self.long

    @property
    def imbalance(self) -> Decimal:
        """Long less short held, in base units; the pair is hedged when it is zero."""
        return self.long.held - self.short.held

    @property
    def has_live_orders(self) -> bool:
        return bool(self.long.live_orders or self.short.live_orders)

    @property
    def held_since_ms(self) -> int | None:
        """Time of the later leg's last opening fill; None until both legs have one."""
        times = (self.long.last_open_fill_ms, self.short.last_open_fill_ms)
        return None if times[0] is None or times[1] is None else max(times[0], times[1])

    @property
    def first_close_fill_ms(self) -> int | None:
        """Time of the first fill that reduced either leg; None before."""
        times = [leg.first_close_fill_ms for leg in self.legs if leg.first_close_fill_ms is not None]
        return min(times, default=None)

    def observe_imbalance(self, now_ms: int) -> None:
        """Keep the worst imbalance and its longest duration up to date; call after every change."""
        size = abs(self.imbalance)
        if size == 0:
            if self.imbalance_since_ms is not None:
                self.longest_imbalance_ms = max(self.longest_imbalance_ms, now_ms - self.imbalance_since_ms)
            self.imbalance_since_ms = None
            return
        if self.imbalance_since_ms is None:
            self.imbalance_since_ms = now_ms
        self.worst_imbalance = max(self.worst_imbalance, size)
        self.longest_imbalance_ms = max(self.longest_imbalance_ms, now_ms - self.imbalance_since_ms)

    def pnl(self, long_mark: Decimal, short_mark: Decimal) -> Decimal:
        """Realised plus unrealised of both legs, less fees, plus settled funding (USD)."""
        return sum(
            (
                leg.realized_pnl - leg.fees + leg.funding + leg.unrealized_pnl(mark)
                for leg, mark in ((self.long, long_mark), (self.short, short_mark))
            ),
            ZERO,
        )
