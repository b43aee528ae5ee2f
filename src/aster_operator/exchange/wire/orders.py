"""Answers of the order endpoints (protocol reference, sections 4.2 to 4.5)."""

from decimal import Decimal

from aster_operator.exchange.wire.records import Record

__all__ = [
    "BatchRefusal",
    "CountdownRecord",
    "OrderRecord",
    "StrategyRecord",
    "StrategySubOrderRecord",
    "UserTradeRecord",
]


class OrderRecord(Record, frozen=True):
    """The order object. None means the answer of this endpoint does not carry the member.

    `activate_price` and `price_rate` (percent) belong to trailing stops.
    """

    symbol: str
    order_id: int
    client_order_id: str
    side: str
    position_side: str
    status: str
    type: str
    orig_qty: Decimal
    executed_qty: Decimal
    price: Decimal
    update_time: int
    avg_price: Decimal | None = None
    orig_type: str | None = None
    time_in_force: str | None = None
    stop_price: Decimal | None = None
    working_type: str | None = None
    cum_qty: Decimal | None = None
    cum_quote: Decimal | None = None
    reduce_only: bool | None = None
    close_position: bool | None = None
    price_protect: bool | None = None
    activate_price: Decimal | None = None
    price_rate: Decimal | None = None
    time: int | None = None


class BatchRefusal(Record, frozen=True):
    """An element of a batch answer that was refused."""

    code: int
    msg: str


class CountdownRecord(Record, frozen=True):
    """`countdown_time` in milliseconds; sent as text."""

    symbol: str
    countdown_time: str | int


class UserTradeRecord(Record, frozen=True):
    """One own trade. `commission` is positive when it was paid."""

    symbol: str
    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    maker: bool
    position_side: str = "BOTH"
    realized_pnl: Decimal | None = None
    quote_qty: Decimal | None = None
    margin_asset: str | None = None
    buyer: bool | None = None


class StrategySubOrderRecord(Record, frozen=True):
    """One leg of a strategy order."""

    strategy_sub_id: str | int
    symbol: str | None = None
    side: str | None = None
    position_side: str | None = None
    type: str | None = None
    order_id: int | None = None
    client_order_id: str | None = None
    status: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None


class StrategyRecord(Record, frozen=True):
    """A strategy order (OTO, OCO, OTOCO) or a chase."""

    strategy_id: int
    strategy_type: str
    strategy_status: str
    update_time: int | None = None
    client_strategy_id: str | None = None
    failure_code: int | None = None
    failure_reason: str | None = None
    sub_orders: list[StrategySubOrderRecord] | None = None
    updated_sub_order: StrategySubOrderRecord | None = None
    update_status: str | None = None
    book_time: int | None = None
