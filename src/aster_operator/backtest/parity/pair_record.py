"""The pairs of a session, put together from its events and commands: what each leg paid and got, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.commands import (
    Command,
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    SubmitOrder,
)
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.events import Event, FillLearned, IncomeSettled, MarkUpdated, OrderChanged
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import pair_name
from aster_operator.execution.reconciliation import RememberedPair

__all__ = ["PairLedger", "PairTrade", "TradedEnd", "TradedLeg"]


@dataclass
class TradedEnd:
    """One end of a leg, its opening or its closing: quantity in base units, cost in quote units, and the
    fills behind them as (time ms, quantity)."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    fills: list[tuple[int, Decimal]] = field(default_factory=list)

    def add(self, fill: Fill) -> None:
        self.quantity += fill.quantity
        self.cost += fill.notional
        self.fills.append((fill.event_ms, fill.quantity))


@dataclass
class TradedLeg:
    """`side` is that of the opening."""

    symbol: str
    side: Side
    opening: TradedEnd = field(default_factory=TradedEnd)
    closing: TradedEnd = field(default_factory=TradedEnd)
    fees_usd: Decimal = ZERO

    @property
    def held(self) -> Decimal:
        return self.opening.quantity - self.closing.quantity


@dataclass
class PairTrade:
    """Times in ms of market time: `decided_ms` to open, `closing_ms` to close (None: never), `ended_ms` when
    it was gone (None: still held at the end). `began_before` was held when the session began, so that what it
    earned in all is not known here."""

    pair_ref: str
    name: str
    decided_ms: int
    began_before: bool = False
    closing_ms: int | None = None
    ended_ms: int | None = None
    reason: str = ""
    funding_usd: Decimal = ZERO
    legs: dict[PositionSide, TradedLeg] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether there is anything to compare: an opening that found nothing is no pair."""
        return self.began_before or any(
            leg.opening.quantity or leg.closing.quantity for leg in self.legs.values()
        )

    @property
    def fees_usd(self) -> Decimal:
        return sum((leg.fees_usd for leg in self.legs.values()), ZERO)

    @property
    def first_fill_ms(self) -> int | None:
        times = [
            end.fills[0][0] for leg in self.legs.values() for end in (leg.opening, leg.closing) if end.fills
        ]
        return min(times, default=None)


class PairLedger:
    """Pairs by their reference. Fills are known by their order, the order by the pair that was on its symbol
    when it was sent; what nobody here ordered (a liquidation, the website) goes to the pair that is there."""

    def __init__(self) -> None:
        self.pairs: dict[str, PairTrade] = {}
        self.decisions: dict[str, list[RecordDecision]] = {}
        """By the pairing's name, in order of time."""
        self.marks: dict[str, Decimal] = {}
        """The newest mark of each symbol."""
        self._open: dict[tuple[str, PositionSide], PairTrade] = {}
        self._of_order: dict[str, PairTrade] = {}
        self._fills: set[tuple[str, int]] = set()
        self._income: set[tuple[str, str, str, str]] = set()
        self._funded: list[PairTrade] = []

    def begin_with(self, remembered: Iterable[RememberedPair], start_ms: int) -> None:
        """Take up what was held already when the session began."""
        for pair in remembered:
            name = pair.name or pair_name(
                pair.symbol_of(PositionSide.LONG), pair.symbol_of(PositionSide.SHORT)
            )
            trade = PairTrade(pair.pair_ref, name, start_ms, began_before=True)
            for side in (PositionSide.LONG, PositionSide.SHORT):
                self._add_leg(trade, pair.symbol_of(side), side)

    def event(self, event: Event) -> None:
        match event:
            case MarkUpdated():
                self.marks[event.mark.symbol] = event.mark.mark
            case OrderChanged() if event.fill is not None:
                self._book(event.fill)
            case FillLearned():
                self._book(event.fill)
            case IncomeSettled() if event.row.is_funding and event.row.identity not in self._income:
                self._income.add(event.row.identity)
                self._fund(event.row.symbol, event.row.time_ms, event.row.income)
            case _:
                pass

    def command(self, command: Command) -> None:
        match command:
            case RecordDecision():
                self.decisions.setdefault(command.symbol, []).append(command)
            case RecordPositionOpened():
                self._open_leg(command)
            case SubmitOrder():
                order = command.order.value
                pair = self._open.get((order.symbol, order.position_side))
                if pair is not None:
                    self._of_order[order.client_order_id] = pair
                    closes = order.side is not order.position_side.opening_side
                    if closes and pair.closing_ms is None:
                        pair.closing_ms = command.at_ms
            case RecordPositionClosed():
                self._close_leg(command)
            case _:
                pass

    def decision_at(self, name: str, at_ms: int) -> RecordDecision | None:
        """The newest decision on a pairing at that time; None before the first."""
        return next((each for each in reversed(self.decisions.get(name, [])) if each.at_ms <= at_ms), None)

    # --- legs and fills -------------------------------------------------------------------------------

    def _open_leg(self, command: RecordPositionOpened) -> None:
        trade = self.pairs.get(command.pair_ref)
        if trade is None:
            trade = PairTrade(command.pair_ref, command.symbol, command.at_ms)
        if command.position_side not in trade.legs:
            self._add_leg(trade, command.symbol, command.position_side)
            symbols = [trade.legs[side].symbol for side in PositionSide if side in trade.legs]
            trade.name = pair_name(symbols[0], symbols[-1])

    def _add_leg(self, trade: PairTrade, symbol: str, side: PositionSide) -> None:
        self.pairs[trade.pair_ref] = trade
        trade.legs[side] = TradedLeg(symbol, side.opening_side)
        self._open[symbol, side] = trade

    def _close_leg(self, command: RecordPositionClosed) -> None:
        pair_ref = command.position_ref.rpartition("-")[0]
        trade = self.pairs.get(pair_ref)
        if trade is None:
            return
        trade.reason = command.reason
        trade.ended_ms = max(command.closed_ms, trade.ended_ms or 0)

    def _book(self, fill: Fill) -> None:
        identity = (fill.symbol, fill.trade_id)
        if identity in self._fills or fill.position_side is PositionSide.BOTH:
            return
        self._fills.add(identity)
        pair = self._of_order.get(fill.client_order_id) or self._open.get((fill.symbol, fill.position_side))
        if pair is None or fill.position_side not in pair.legs:
            return
        leg = pair.legs[fill.position_side]
        (leg.opening if fill.side is leg.side else leg.closing).add(fill)
        leg.fees_usd += fill.commission_value
        if pair.closing_ms is None and fill.side is not leg.side:
            pair.closing_ms = fill.event_ms

    def _fund(self, symbol: str, at_ms: int, income: Decimal) -> None:
        """To the newest pair that had filled on the symbol by then."""
        for pair in reversed(self.pairs.values()):
            first_ms = pair.first_fill_ms
            began = pair.began_before or (first_ms is not None and first_ms <= at_ms)
            if began and symbol in {leg.symbol for leg in pair.legs.values()}:
                pair.funding_usd += income
                return
