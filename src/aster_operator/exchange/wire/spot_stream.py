"""Frames of the spot user stream (protocol reference, section 11.4)."""

from decimal import Decimal

import msgspec

from aster_operator.exchange.wire.user_stream import ListenKeyExpiredMessage

__all__ = ["SpotAccountMessage", "SpotBalancePayload", "SpotOrderMessage", "SpotUserMessage"]


class SpotBalancePayload(msgspec.Struct, frozen=True, rename={"asset": "a", "free": "f", "locked": "l"}):
    asset: str
    free: Decimal
    locked: Decimal


class SpotAccountMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="outboundAccountPosition",
    rename={"event_ms": "E", "transaction_ms": "T", "reason": "m", "balances": "B"},
):
    """Balances that may have changed."""

    event_ms: int
    balances: list[SpotBalancePayload]
    transaction_ms: int | None = None
    reason: str | None = None


class SpotOrderMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="executionReport",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "order_type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "average_price": "ap",
        "stop_price": "P",
        "execution_type": "x",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "filled_quantity": "z",
        "last_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "trade_ms": "T",
        "trade_id": "t",
        "is_maker": "m",
        "original_type": "ot",
        "created_ms": "O",
        "filled_quote": "Z",
        "last_quote": "Y",
        "quote_quantity": "Q",
    },
):
    """A change of a spot order. Commission members are absent when there was none."""

    event_ms: int
    symbol: str
    client_order_id: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal
    execution_type: str
    status: str
    order_id: int
    last_quantity: Decimal
    filled_quantity: Decimal
    last_price: Decimal
    trade_ms: int
    trade_id: int
    is_maker: bool
    time_in_force: str | None = None
    average_price: Decimal | None = None
    stop_price: Decimal | None = None
    commission: Decimal | None = None
    commission_asset: str | None = None
    original_type: str | None = None
    created_ms: int | None = None
    filled_quote: Decimal | None = None
    last_quote: Decimal | None = None
    quote_quantity: Decimal | None = None


SpotUserMessage = SpotOrderMessage | SpotAccountMessage | ListenKeyExpiredMessage
