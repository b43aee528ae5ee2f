"""Answers of the spot market where they differ from the futures' (protocol reference, sections 1.1, 11.4)."""

from decimal import Decimal

from aster_operator.exchange.wire.records import Record

__all__ = ["SpotAccountRecord", "SpotBalanceRecord", "SpotFillRecord", "SpotOrderRecord", "SpotTradeRecord"]


class SpotBalanceRecord(Record, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class SpotAccountRecord(Record, frozen=True):
    balances: list[SpotBalanceRecord]
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    can_deposit: bool | None = None
    update_time: int | None = None
    fee_tier: int | None = None


class SpotFillRecord(Record, frozen=True):
    """A fill inside a FULL order answer."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str


class SpotOrderRecord(Record, frozen=True):
    """A spot order; there are no positions, so no position side."""

    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: str
    type: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    avg_price: Decimal | None = None
    cum_quote: Decimal | None = None
    time_in_force: str | None = None
    stop_price: Decimal | None = None
    time: int | None = None
    update_time: int | None = None
    fills: list[SpotFillRecord] | None = None


class SpotTradeRecord(Record, frozen=True):
    """One own spot trade."""

    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    quote_qty: Decimal | None = None
    side: str | None = None
    buyer: bool | None = None
    maker: bool | None = None
