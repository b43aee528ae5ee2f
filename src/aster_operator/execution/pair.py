"""A pair of legs and its books: what is held, since when, at what cost. Pure state.

`held` follows order reports at once, whichever source brings them; prices, fees and realised PnL follow
the fills, which may arrive a moment later.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import LegHedge, Market, market_of
from aster_operator.strategy.intents import PairPhase

__all__ = ["Pair", "PairLeg"]


@dataclass(slots=True)
class PairLeg:
    """One leg. Quantities in base units, costs in quote units (price x quantity).

    `target` is what it is to hold when open. `grain` is the smallest piece that can be traded: less than
    that of another leg cannot be hedged, less than that of spot cannot be sold. Zero where the legs are
    lots of one perpetual, which are equal or are not.
    """

    symbol: str
    position_side: PositionSide
    held: Decimal = ZERO
    target: Decimal = ZERO
    hedge: LegHedge = field(default_factory=LegHedge)
    grain: Decimal = ZERO
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
    reported_quantity: Decimal = ZERO
    """Opened by what reports said: more than the fills that are known, while some are under way or lost."""
    corrected_ms: int = 0
    """Venue time of the snapshot that lowered `held` to what was left: fees of older fills are in it."""
    retry_at_ms: int = 0
    failures: int = 0
    crosses: int = 0
    is_spot: bool = field(init=False)
    """Asked at every event, and never changes."""
    reported_closed: Decimal = ZERO
    """Closed by what reports said: more than the fills that are known, while some are under way or lost."""
    reported_exit_price: Decimal = ZERO

    def __post_init__(self) -> None:
        self.is_spot = market_of(self.symbol) is Market.SPOT

    @property
    def opening_side(self) -> Side:
        return self.position_side.opening_side

    @property
    def is_flat(self) -> bool:
        """True when nothing is held, or of spot no more than the venue would take."""
        return self.held == 0 or (self.is_spot and self.held < self.grain)

    @property
    def lacks_fills(self) -> bool:
        """True for coins whose purchase is known, and the fee taken out of them is not."""
        return self.is_spot and self.reported_quantity > self.opened_quantity

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
            self.reported_quantity += quantity
            self.reported_entry_price = average_price or self.reported_entry_price
            self.last_open_fill_ms = at_ms
        else:
            self.held -= quantity
            self.reported_closed += quantity
            self.reported_exit_price = average_price or self.reported_exit_price

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
        self.realized_pnl += self.result_of(fill)
        self.fees += fill.commission_value
        if fill.is_paid_in_base and fill.event_ms > self.corrected_ms:
            # Reports tell what was bought; what arrives is less.
            self.held -= fill.commission

    def result_of(self, fill: Fill) -> Decimal:
        """Realised PnL of a fill in quote units before fees. The venue tells it of perpetuals, of spot
        nobody does."""
        if not self.is_spot or fill.side is self.opening_side:
            return fill.realized_pnl
        return fill.quantity * (fill.price - self.entry_price)

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Of what is held, and of what reports say is closed while the fills that tell its result are under
        way: or the leg would look as if that part of it had come to nothing."""
        sign = 1 if self.position_side is PositionSide.LONG else -1
        entry_price = self.entry_price
        result = sign * self.held * (mark - entry_price)
        untold = self.reported_closed - self.closed_quantity
        if untold > 0 and self.reported_exit_price:
            result += sign * untold * (self.reported_exit_price - entry_price)
        return result


@dataclass(slots=True)
class Pair:
    """Two legs worked and judged as one.

    `name` is what decisions call it. `imbalance_since_ms` is None while the legs balance each other.
    """

    pair_ref: str
    long: PairLeg
    short: PairLeg
    lead: PositionSide
    phase: PairPhase
    phase_since_ms: int
    reason: str
    name: str = ""
    urgent: bool = False
    flatten_now: bool = False
    """The hedge was refused: give up the excess without waiting for the deadline."""
    unconfirmed: bool = False
    """Moved by something that the venue's snapshots may hold as well: ask it before calling the pair over."""
    imbalance_since_ms: int | None = None
    worst_imbalance: Decimal = ZERO
    longest_imbalance_ms: int = 0
    close_reason: str = ""
    owner_closed: bool = False
    """Closed early because its owner wished it, not because of a limit or a lost leg."""
    held_marks: tuple[Decimal, Decimal] | None = None
    """Marks of (long, short) when the pair was complete: what they do until it is closed is the market's."""
    market_pnl: Decimal = ZERO
    """What the market did to the complete pair, in quote units: no cost of trading, and no merit."""

    def __post_init__(self) -> None:
        self.name = self.name or self.long.symbol

    def leg(self, position_side: PositionSide) -> PairLeg:
        return self.long if position_side is PositionSide.LONG else self.short

    @property
    def legs(self) -> tuple[PairLeg, PairLeg]:
        return self.long, self.short

    @property
    def symbols(self) -> tuple[str, ...]:
        """Each symbol once."""
        long, short = self.long.symbol, self.short.symbol
        return (long,) if long == short else (long, short)

    @property
    def is_one_symbol(self) -> bool:
        return self.long.symbol == self.short.symbol

    @property
    def lead_leg(self) -> PairLeg:
        return self.leg(self.lead)

    @property
    def other_leg(self) -> PairLeg:
        return self.short if self.lead is PositionSide.LONG else self.long

    @property
    def target(self) -> Decimal:
        """What the leading leg is to hold when open."""
        return self.lead_leg.target

    def settle_for(self, lead_quantity: Decimal) -> None:
        """Change what the leading leg is to hold, and the other in proportion."""
        self.lead_leg.target = lead_quantity
        if self.lead_leg.hedge.weight == self.other_leg.hedge.weight:
            self.other_leg.target = lead_quantity
        else:
            self.other_leg.target = lead_quantity * self.lead_leg.hedge.weight / self.other_leg.hedge.weight

    @property
    def imbalance(self) -> Decimal:
        """Long less short held, in base units of the pairing's first symbol."""
        return self.long.held * self.long.hedge.weight - self.short.held * self.short.hedge.weight

    @property
    def ahead_and_behind(self) -> tuple[PairLeg, PairLeg]:
        """The leg that has gone further than the other, and the one that must follow it."""
        larger, smaller = (self.long, self.short) if self.imbalance > 0 else (self.short, self.long)
        return (smaller, larger) if self.phase is PairPhase.CLOSING else (larger, smaller)

    @property
    def is_balanced(self) -> bool:
        """True when the legs hedge each other as well as their lots allow: to a lot of the one that would
        have to trade while it is worked, of the coarser one while it is held. A leg alone never is."""
        long, short = self.long, self.short
        if long.held == short.held and long.held and long.symbol == short.symbol:
            return True
        size = abs(self.imbalance)
        if self.long.is_flat or self.short.is_flat:
            return (self.long.is_flat and self.short.is_flat) or self._is_too_little_to_follow(size)
        if size == 0:
            return True
        grains = [leg.grain * leg.hedge.weight for leg in self.legs]
        if self.phase in (PairPhase.OPENING, PairPhase.CLOSING):
            behind = self.ahead_and_behind[1]
            grains = [behind.grain * behind.hedge.weight]
        return size < max(grains)

    def _is_too_little_to_follow(self, size: Decimal) -> bool:
        """An opening that goes on has filled less than a lot of the leg that is to follow."""
        lead, behind = self.lead_leg, self.ahead_and_behind[1]
        goes_on = self.phase is PairPhase.OPENING and lead.held < lead.target
        return goes_on and behind is not lead and size < behind.grain * behind.hedge.weight

    @property
    def has_live_orders(self) -> bool:
        return bool(self.long.live_orders or self.short.live_orders)

    @property
    def held_since_ms(self) -> int | None:
        """Time of the later leg's last opening fill; None until both legs have one."""
        times = (self.long.last_open_fill_ms, self.short.last_open_fill_ms)
        return None if times[0] is None or times[1] is None else max(times[0], times[1])

    @property
    def first_fill_ms(self) -> int | None:
        """Time of the first fill of either leg; None before."""
        return min((leg.first_fill_ms for leg in self.legs if leg.first_fill_ms is not None), default=None)

    @property
    def first_close_fill_ms(self) -> int | None:
        """Time of the first fill that reduced either leg; None before."""
        times = [leg.first_close_fill_ms for leg in self.legs if leg.first_close_fill_ms is not None]
        return min(times, default=None)

    def observe_imbalance(self, now_ms: int) -> None:
        """Keep the worst imbalance and its longest duration up to date; call after every change."""
        if self.is_balanced:
            if self.imbalance_since_ms is not None:
                self.longest_imbalance_ms = max(self.longest_imbalance_ms, now_ms - self.imbalance_since_ms)
            self.imbalance_since_ms = None
            return
        if self.imbalance_since_ms is None:
            self.imbalance_since_ms = now_ms
        self.worst_imbalance = max(self.worst_imbalance, abs(self.imbalance))
        self.longest_imbalance_ms = max(self.longest_imbalance_ms, now_ms - self.imbalance_since_ms)

    def observe_market(self, marks: tuple[Decimal | None, Decimal | None], *, complete: bool) -> None:
        """Count what the marks did since they were last seen; go on with it while the pair is `complete`."""
        long_mark, short_mark = marks
        if long_mark is None or short_mark is None:
            return
        self.market_pnl = self.market_pnl_at(long_mark, short_mark)
        self.held_marks = (long_mark, short_mark) if complete else None

    def market_pnl_at(self, long_mark: Decimal, short_mark: Decimal) -> Decimal:
        """What the market has done to the complete pair so far."""
        if self.held_marks is None:
            return self.market_pnl
        long_gain = self.long.held * (long_mark - self.held_marks[0])
        return self.market_pnl + long_gain - self.short.held * (short_mark - self.held_marks[1])

    def pnl(self, long_mark: Decimal, short_mark: Decimal) -> Decimal:
        """Realised plus unrealised of both legs, less fees, plus settled funding (USD)."""
        return sum(
            (
                leg.realized_pnl - leg.fees + leg.funding + leg.unrealized_pnl(mark)
                for leg, mark in ((self.long, long_mark), (self.short, short_mark))
            ),
            ZERO,
        )
