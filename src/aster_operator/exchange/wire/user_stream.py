"""Frames of the user data stream (protocol reference, section 7)."""

from decimal import Decimal

import msgspec

__all__ = [
    "AccountConfigMessage",
    "AccountUpdateMessage",
    "AnnouncementMessage",
    "BalancePayload",
    "ListenKeyExpiredMessage",
    "MarginCallMessage",
    "MarginCallPosition",
    "OrderPayload",
    "OrderUpdateMessage",
    "PositionPayload",
    "UserMessage",
]


class OrderPayload(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "order_type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "average_price": "ap",
        "stop_price": "sp",
        "execution_type": "x",
        "status": "X",
        "order_id": "i",
        "last_quantity": "l",
        "last_price": "L",
        "filled_quantity": "z",
        "commission_asset": "N",
        "commission": "n",
        "trade_ms": "T",
        "trade_id": "t",
        "is_maker": "m",
        "is_reduce_only": "R",
        "working_type": "wt",
        "original_type": "ot",
        "position_side": "ps",
        "is_close_position": "cp",
        "activation_price": "AP",
        "callback_rate_pct": "cr",
        "realized_pnl": "rp",
    },
):
    """Commission members are absent when there was none; `trade_id` is 0 when this is no trade."""

    symbol: str
    client_order_id: str
    side: str
    order_type: str
    quantity: Decimal
    price: Decimal
    average_price: Decimal
    execution_type: str
    status: str
    order_id: int
    last_quantity: Decimal
    last_price: Decimal
    filled_quantity: Decimal
    trade_ms: int
    trade_id: int
    is_maker: bool
    position_side: str
    time_in_force: str | None = None
    stop_price: Decimal | None = None
    is_reduce_only: bool | None = None
    working_type: str | None = None
    original_type: str | None = None
    commission_asset: str | None = None
    commission: Decimal | None = None
    is_close_position: bool | None = None
    activation_price: Decimal | None = None
    callback_rate_pct: Decimal | None = None
    realized_pnl: Decimal | None = None


class OrderUpdateMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="ORDER_TRADE_UPDATE",
    rename={"event_ms": "E", "transaction_ms": "T", "order": "o"},
):
    event_ms: int
    order: OrderPayload
    transaction_ms: int | None = None


class BalancePayload(
    msgspec.Struct,
    frozen=True,
    rename={"asset": "a", "wallet_balance": "wb", "cross_wallet_balance": "cw", "change": "bc"},
):
    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    change: Decimal


class PositionPayload(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "s",
        "quantity": "pa",
        "entry_price": "ep",
        "accumulated_realized": "cr",
        "unrealized_pnl": "up",
        "margin_type": "mt",
        "isolated_wallet": "iw",
        "position_side": "ps",
        "margin_asset": "ma",
    },
):
    symbol: str
    quantity: Decimal
    entry_price: Decimal
    unrealized_pnl: Decimal
    margin_type: str
    isolated_wallet: Decimal
    position_side: str
    accumulated_realized: Decimal | None = None
    margin_asset: str | None = None


class AccountPayload(msgspec.Struct, frozen=True, rename={"reason": "m", "balances": "B", "positions": "P"}):
    reason: str
    balances: list[BalancePayload] = []
    positions: list[PositionPayload] = []


class AccountUpdateMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="ACCOUNT_UPDATE",
    rename={"event_ms": "E", "transaction_ms": "T", "account": "a"},
):
    event_ms: int
    account: AccountPayload
    transaction_ms: int | None = None


class LeveragePayload(msgspec.Struct, frozen=True, rename={"symbol": "s", "leverage": "l"}):
    symbol: str
    leverage: int


class ModePayload(
    msgspec.Struct, frozen=True, rename={"multi_assets": "j", "fee_token": "f", "hedge_mode": "d"}
):
    multi_assets: bool | None = None
    fee_token: bool | None = None
    hedge_mode: bool | None = None


class AccountConfigMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="ACCOUNT_CONFIG_UPDATE",
    rename={"event_ms": "E", "transaction_ms": "T", "leverage": "ac", "modes": "ai"},
):
    event_ms: int
    transaction_ms: int | None = None
    leverage: LeveragePayload | None = None
    modes: ModePayload | None = None


class MarginCallPosition(
    msgspec.Struct,
    frozen=True,
    rename={
        "symbol": "s",
        "position_side": "ps",
        "quantity": "pa",
        "margin_type": "mt",
        "isolated_wallet": "iw",
        "mark_price": "mp",
        "unrealized_pnl": "up",
        "maintenance_margin": "mm",
    },
):
    symbol: str
    position_side: str
    quantity: Decimal
    margin_type: str
    mark_price: Decimal
    unrealized_pnl: Decimal
    maintenance_margin: Decimal
    isolated_wallet: Decimal | None = None


class MarginCallMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="MARGIN_CALL",
    rename={"event_ms": "E", "cross_wallet_balance": "cw", "positions": "p"},
):
    event_ms: int
    positions: list[MarginCallPosition]
    cross_wallet_balance: Decimal | None = None


class ListenKeyExpiredMessage(
    msgspec.Struct, frozen=True, tag_field="e", tag="listenKeyExpired", rename={"event_ms": "E"}
):
    event_ms: int | None = None


class AnnouncementMessage(msgspec.Struct, frozen=True, tag_field="e", tag="announcement"):
    """News of the venue, without times."""

    en: msgspec.Raw | None = None
    zh: msgspec.Raw | None = None


UserMessage = (
    OrderUpdateMessage
    | AccountUpdateMessage
    | AccountConfigMessage
    | MarginCallMessage
    | ListenKeyExpiredMessage
    | AnnouncementMessage
)
