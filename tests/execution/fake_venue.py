"""A tiny venue inside a test: it keeps positions and orders right and misbehaves only when told to.

What it does is in the venue's own books at once; what it says waits in queues, so that a test decides
when, whether, in which order and how often the core hears of it.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from core_values import (
    LONG,
    account_changed,
    fill_of,
    foreign_order,
    market_mark,
    market_quote,
    position_of,
    report_of,
    snapshot_of,
)
from msgspec import structs

from aster_operator.domain.commands import CancelOrder, Command, QueryOrder, RequestSnapshot, SubmitOrder
from aster_operator.domain.enums import OrderStatus, OrderType, PositionSide, TimeInForce
from aster_operator.domain.events import (
    CancelRefused,
    Event,
    OrderChanged,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
    SpotBalancesChanged,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill
from aster_operator.domain.market import MarkPrice, Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.pairing import Market, market_of, venue_symbol
from aster_operator.domain.positions import SpotBalance

ZERO = Decimal(0)
COIN_STEP = Decimal("0.000001")
COIN_FEE = Decimal("0.0005")
"""Taken out of the coins bought."""
Key = tuple[str, PositionSide]


@dataclass
class VenueOrder:
    order: NewOrder
    order_id: int
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def remaining(self) -> Decimal:
        return ZERO if self.status.is_final else (self.order.quantity or ZERO) - self.filled

    @property
    def average(self) -> Decimal:
        return self.cost / self.filled if self.filled else ZERO


@dataclass
class Manners:
    """What befalls the next requests. Fractions of an order's quantity; None means all of it."""

    lose_request: bool = False
    lose_answer: bool = False
    refuse: bool = False
    fill_fraction: Decimal = Decimal(1)
    lose_cancel: bool = False


@dataclass
class FakeVenue:
    now_ms: int
    mid: dict[str, Decimal]
    positions: dict[Key, Decimal] = field(default_factory=dict)
    orders: dict[str, VenueOrder] = field(default_factory=dict)
    sent: set[str] = field(default_factory=set)
    stream: list[Event] = field(default_factory=list)
    account_stream: list[Event] = field(default_factory=list)
    answers: list[Event] = field(default_factory=list)
    stream_up: bool = True
    manners: Manners = field(default_factory=Manners)
    _ids: int = 0

    # --- the market -----------------------------------------------------------------------------------

    def quote(self, symbol: str) -> Quote:
        mid = self.mid[symbol]
        return market_quote(mid - Decimal("0.1"), mid + Decimal("0.1"), symbol=symbol, at_ms=self.now_ms)

    def mark(self, symbol: str) -> MarkPrice:
        return market_mark(self.mid[symbol], symbol=symbol, at_ms=self.now_ms)

    # --- requests -------------------------------------------------------------------------------------

    def take(self, command: Command) -> None:
        match command:
            case SubmitOrder():
                self._place(command.order.value)
            case CancelOrder():
                self._cancel(command.client_order_id)
            case QueryOrder():
                known = self.orders.get(command.client_order_id)
                if known is None:
                    self.answers.append(
                        OrderNotFound(
                            event_ms=self.now_ms, received_ns=0, client_order_id=command.client_order_id
                        )
                    )
                else:
                    self._answer(known)
            case RequestSnapshot():
                self.answers.append(self.snapshot())
            case _:
                pass

    def snapshot(self) -> VenueSnapshotTaken:
        snapshot = snapshot_of(
            [
                position_of(quantity, side, symbol=symbol, entry=self.mid[symbol])
                for (symbol, side), quantity in self.positions.items()
                if quantity and market_of(symbol) is Market.PERP
            ],
            [self._report(order) for order in self.orders.values() if not order.status.is_final],
            at_ms=self.now_ms,
        )
        return structs.replace(snapshot, spot_balances=self._coins())

    def _coins(self) -> tuple[SpotBalance, ...]:
        return tuple(
            SpotBalance(asset=venue_symbol(symbol).removesuffix("USDT"), free=quantity, locked=ZERO)
            for (symbol, _), quantity in self.positions.items()
            if market_of(symbol) is Market.SPOT
        ) + (SpotBalance(asset="USDT", free=Decimal(100_000), locked=ZERO),)

    def _place(self, order: NewOrder) -> None:
        assert order.client_order_id not in self.sent, f"{order.client_order_id} was sent twice"
        self.sent.add(order.client_order_id)
        assert order.quantity is not None
        if self.manners.lose_request:
            self._unknown(order)
            return
        held = self.positions.get((order.symbol, order.position_side), ZERO)
        if self.manners.refuse or (not order.opens_position and order.quantity > held):
            self.answers.append(
                OrderRefusedByVenue(
                    event_ms=self.now_ms,
                    received_ns=0,
                    client_order_id=order.client_order_id,
                    code=-2022,
                    message="refused",
                )
            )
            return
        self._ids += 1
        placed = self.orders[order.client_order_id] = VenueOrder(order, self._ids)
        self._tell(placed)
        self._execute(placed)
        if self.manners.lose_answer:
            self._unknown(order)
        else:
            self._answer(placed)

    def _execute(self, placed: VenueOrder) -> None:
        order, quote = placed.order, self.quote(placed.order.symbol)
        far = quote.touch(order.side, passive=False)
        meets = order.price is None or order.side.sign * (order.price - far) >= 0
        if order.time_in_force is TimeInForce.GTX:
            if meets:
                self._end(placed, OrderStatus.EXPIRED)
            return
        assert order.time_in_force is TimeInForce.IOC or order.order_type is OrderType.MARKET
        if meets:
            self._fill_fraction(placed, self.manners.fill_fraction, far)
        if not placed.status.is_final:
            self._end(placed, OrderStatus.EXPIRED)

    def _cancel(self, client_order_id: str) -> None:
        known = self.orders.get(client_order_id)
        if self.manners.lose_cancel or known is None or known.status.is_final:
            code = 0 if self.manners.lose_cancel else -2011
            self.answers.append(
                CancelRefused(
                    event_ms=self.now_ms,
                    received_ns=0,
                    client_order_id=client_order_id,
                    code=code,
                    message="not cancelled",
                )
            )
            return
        self._end(known, OrderStatus.CANCELED)
        self._answer(known)

    # --- executions -----------------------------------------------------------------------------------

    def fill_resting(self, client_order_id: str, fraction: Decimal) -> None:
        """Somebody trades against a resting order of ours."""
        placed = self.orders[client_order_id]
        assert placed.order.price is not None
        self._fill_fraction(placed, fraction, placed.order.price)

    def expire(self, client_order_id: str) -> None:
        self._end(self.orders[client_order_id], OrderStatus.EXPIRED)

    def close_from_outside(self, key: Key, fraction: Decimal) -> None:
        """A liquidation, an ADL or a click on the website. Orders that would close too much expire."""
        symbol, side = key
        quantity = min(
            self._lots(symbol, self.positions.get(key, ZERO) * fraction), self.positions.get(key, ZERO)
        )
        if quantity == 0:
            return
        self._ids += 1
        order = foreign_order(quantity, side, client_order_id=f"autoclose-{self._ids}", symbol=symbol)
        self._fill(VenueOrder(order, self._ids), quantity, self.mid[symbol])

    def _fill_fraction(self, placed: VenueOrder, fraction: Decimal, price: Decimal) -> None:
        quantity = self._lots(placed.order.symbol, placed.remaining * fraction)
        order = placed.order
        if not order.opens_position:
            quantity = min(quantity, self.positions.get((order.symbol, order.position_side), ZERO))
        if quantity > 0:
            self._fill(placed, quantity, price)

    def _fill(self, placed: VenueOrder, quantity: Decimal, price: Decimal) -> None:
        order = placed.order
        key = (order.symbol, order.position_side)
        self.now_ms += 1
        placed.filled += quantity
        placed.cost += quantity * price
        done = placed.filled == order.quantity
        placed.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED
        is_purchase = market_of(order.symbol) is Market.SPOT and order.opens_position
        fee = quantity * COIN_FEE if is_purchase else ZERO
        change = quantity - fee if order.opens_position else -quantity
        self.positions[key] = self.positions.get(key, ZERO) + change
        assert self.positions[key] >= 0
        self._ids += 1
        self._tell(
            placed,
            fill_of(
                order,
                quantity,
                price,
                trade_id=self._ids,
                at_ms=self.now_ms,
                order_id=placed.order_id,
                commission=fee,
                commission_asset=venue_symbol(order.symbol).removesuffix("USDT") if fee else "USDT",
            ),
        )
        self._expire_what_closes_too_much(key)

    def _expire_what_closes_too_much(self, key: Key) -> None:
        for placed in self.orders.values():
            order = placed.order
            closes = (order.symbol, order.position_side) == key and not order.opens_position
            if closes and placed.remaining > self.positions[key]:
                self._end(placed, OrderStatus.EXPIRED)

    def _end(self, placed: VenueOrder, status: OrderStatus) -> None:
        placed.status = status
        self._tell(placed)

    @staticmethod
    def _lots(symbol: str, quantity: Decimal) -> Decimal:
        step = Decimal("0.001") if market_of(symbol) is Market.PERP else COIN_STEP
        return quantity.quantize(step, rounding="ROUND_UP")

    # --- what it says ---------------------------------------------------------------------------------

    def _report(self, placed: VenueOrder) -> OrderReport:
        return report_of(
            placed.order,
            placed.status,
            at_ms=self.now_ms,
            filled=placed.filled,
            average=placed.average,
            order_id=placed.order_id,
        )

    def _tell(self, placed: VenueOrder, fill: Fill | None = None) -> None:
        """Push to the user stream; nobody hears what is said while it is down."""
        if not self.stream_up:
            return
        self.stream.append(
            OrderChanged(event_ms=self.now_ms, received_ns=0, report=self._report(placed), fill=fill)
        )
        if fill is not None:
            key = (fill.symbol, fill.position_side)
            if market_of(fill.symbol) is Market.SPOT:
                self.account_stream.append(
                    SpotBalancesChanged(event_ms=self.now_ms, received_ns=0, balances=self._coins())
                )
                return
            position = position_of(
                self.positions[key], fill.position_side, symbol=fill.symbol, entry=self.mid[fill.symbol]
            )
            self.account_stream.append(account_changed([position], at_ms=self.now_ms))

    def _answer(self, placed: VenueOrder) -> None:
        self.answers.append(
            OrderChanged(event_ms=self.now_ms, received_ns=0, report=self._report(placed), from_stream=False)
        )

    def _unknown(self, order: NewOrder) -> None:
        self.answers.append(
            OrderOutcomeUnknown(
                event_ms=self.now_ms,
                received_ns=0,
                client_order_id=order.client_order_id,
                cause="timeout",
            )
        )

    # --- the truth ------------------------------------------------------------------------------------

    def held(self, symbol: str) -> tuple[Decimal, Decimal]:
        return self.positions.get((symbol, LONG), ZERO), self.positions.get(
            (symbol, PositionSide.SHORT), ZERO
        )

    def live_opening(self, key: Key) -> Decimal:
        return sum(
            (
                placed.remaining
                for placed in self.orders.values()
                if placed.order.opens_position and (placed.order.symbol, placed.order.position_side) == key
            ),
            ZERO,
        )

    def resting(self) -> list[str]:
        return [name for name, placed in self.orders.items() if not placed.status.is_final]
