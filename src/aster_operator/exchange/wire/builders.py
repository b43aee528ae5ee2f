"""Answers about the users of a builder (protocol reference, section 4.8)."""

from decimal import Decimal
from typing import Generic, TypeVar

from aster_operator.exchange.wire.account import PositionRiskRecord
from aster_operator.exchange.wire.records import Record

__all__ = [
    "ApprovedUserRecord",
    "BuilderPage",
    "BuilderUserAccountRecord",
    "BuilderUserBalanceRecord",
    "BuilderUserCommissionRecord",
    "BuilderUserOrderRecord",
    "BuilderUserPositionRecord",
    "BuilderUserTradeRecord",
    "LeftOutRecord",
    "SymbolConfigRecord",
]

Row = TypeVar("Row")


class LeftOutRecord(Record, frozen=True):
    """An asked-for address that is not among the rows, and why not."""

    address: str
    error_msg: str = ""


class BuilderPage(Record, Generic[Row], frozen=True):
    """One page. `total` counts users or, for trades and past orders, rows; pages begin at 1."""

    rows: list[Row]
    total: int
    current_page: int
    total_pages: int
    page_size: int
    has_more: bool
    errors: tuple[LeftOutRecord, ...] = ()


class SymbolConfigRecord(Record, frozen=True):
    symbol: str
    leverage: int
    notional_limit_coef: Decimal | None = None


class BuilderUserAccountRecord(Record, frozen=True):
    """What a user's account may do and how it is set."""

    address: str
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool | None = None
    fee_tier: int | None = None
    update_time: int | None = None
    account_type: int | None = None
    dual_side_position: bool | None = None
    joint_margin: bool | None = None
    fee_burn: bool | None = None
    fee_burn_asset_id: int | None = None
    symbol_config: tuple[SymbolConfigRecord, ...] = ()


class BuilderUserOrderRecord(Record, frozen=True):
    """An order of a user. None means the answer of this endpoint does not carry the member."""

    address: str
    symbol: str
    order_id: int
    client_order_id: str
    side: str
    position_side: str
    status: str
    type: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    time: int
    update_time: int | None = None
    avg_price: Decimal | None = None
    stop_price: Decimal | None = None
    cum_quote: Decimal | None = None
    orig_type: str | None = None
    time_in_force: str | None = None
    working_type: str | None = None
    reduce_only: bool | None = None
    close_position: bool | None = None
    price_protect: bool | None = None
    activate_price: Decimal | None = None
    price_rate: Decimal | None = None


class BuilderUserBalanceRecord(Record, frozen=True):
    """`price` is the asset's in USD."""

    address: str
    asset: str
    wallet_balance: Decimal
    price: Decimal | None = None
    balance_in_usd: Decimal | None = None


class BuilderUserPositionRecord(PositionRiskRecord, frozen=True, kw_only=True):
    """An open position of a user; `position_amt` and `notional` are signed."""

    address: str


class BuilderUserCommissionRecord(Record, frozen=True):
    """Fees of a user as fractions of notional."""

    address: str
    symbol: str
    maker_commission_rate: Decimal
    taker_commission_rate: Decimal


class BuilderUserTradeRecord(Record, frozen=True):
    """A trade of a user. `fee` is negative when paid; `total_quota` is the notional, `insert_time` in ms."""

    trade_id: int
    order_id: int
    user_address: str
    symbol: str
    side: str
    position_side: str
    price: Decimal
    qty: Decimal
    insert_time: int
    fee: Decimal
    fee_asset: str
    builder_fee: Decimal
    total_quota: Decimal | None = None
    realized_profit: Decimal | None = None
    margin_asset: str | None = None
    base_asset: str | None = None
    base_type: str | None = None
    quote_asset: str | None = None
    active_buy: bool | None = None


class ApprovedUserRecord(Record, frozen=True):
    """A user who approved the account as builder; `max_fee_rate` is a fraction, `approve_time` in ms."""

    user_address: str
    builder_address: str
    max_fee_rate: Decimal
    builder_name: str | None = None
    approve_time: int | None = None
