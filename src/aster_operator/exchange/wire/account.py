"""Answers of the account, margin and position endpoints (protocol reference, sections 4.6 to 4.8)."""

from decimal import Decimal

import msgspec

from aster_operator.exchange.wire.records import Record

__all__ = [
    "AccountAssetRecord",
    "AccountPositionRecord",
    "AccountRecord",
    "AdlQuantileRecord",
    "BalanceRecord",
    "BracketRecord",
    "CommissionRateRecord",
    "IncomeRecord",
    "LeverageBracketRecord",
    "LeverageRecord",
    "ListenKeyRecord",
    "MarginChangeRecord",
    "MarketMakerProtectionRecord",
    "MultiAssetsRecord",
    "OpenableNotionalRecord",
    "PositionMarginRecord",
    "PositionModeRecord",
    "PositionRiskRecord",
    "SelfTradePreventionRecord",
    "TransferRecord",
]


class BalanceRecord(Record, frozen=True):
    asset: str
    balance: Decimal
    cross_wallet_balance: Decimal
    cross_un_pnl: Decimal
    available_balance: Decimal
    max_withdraw_amount: Decimal | None = None
    margin_available: bool | None = None
    account_alias: str | None = None
    update_time: int | None = None


class AccountAssetRecord(Record, frozen=True):
    asset: str
    wallet_balance: Decimal
    unrealized_profit: Decimal
    margin_balance: Decimal
    maint_margin: Decimal
    initial_margin: Decimal
    cross_wallet_balance: Decimal
    cross_un_pnl: Decimal
    available_balance: Decimal
    position_initial_margin: Decimal | None = None
    open_order_initial_margin: Decimal | None = None
    max_withdraw_amount: Decimal | None = None
    margin_available: bool | None = None
    update_time: int | None = None


class AccountPositionRecord(Record, frozen=True):
    symbol: str
    position_side: str
    position_amt: Decimal
    entry_price: Decimal
    leverage: int | str
    isolated: bool
    unrealized_profit: Decimal
    initial_margin: Decimal | None = None
    maint_margin: Decimal | None = None
    position_initial_margin: Decimal | None = None
    open_order_initial_margin: Decimal | None = None
    max_notional: Decimal | None = None
    update_time: int | None = None


class AccountRecord(Record, frozen=True):
    """Totals in USD, then assets and positions (flat ones too)."""

    total_wallet_balance: Decimal
    total_unrealized_profit: Decimal
    total_margin_balance: Decimal
    total_initial_margin: Decimal
    total_maint_margin: Decimal
    available_balance: Decimal
    assets: list[AccountAssetRecord]
    positions: list[AccountPositionRecord]
    can_trade: bool
    can_withdraw: bool
    update_time: int
    can_deposit: bool | None = None
    fee_tier: int | None = None
    total_position_initial_margin: Decimal | None = None
    total_open_order_initial_margin: Decimal | None = None
    total_cross_wallet_balance: Decimal | None = None
    total_cross_un_pnl: Decimal | None = None
    max_withdraw_amount: Decimal | None = None


class PositionRiskRecord(Record, frozen=True):
    """`position_amt` and `notional` are signed."""

    symbol: str
    position_amt: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_profit: Decimal = msgspec.field(name="unRealizedProfit")
    liquidation_price: Decimal
    leverage: int | str
    max_notional_value: Decimal
    margin_type: str
    isolated_margin: Decimal
    position_side: str
    update_time: int
    is_auto_add_margin: str | bool | None = None
    notional: Decimal | None = None
    isolated_wallet: Decimal | None = None


class LeverageRecord(Record, frozen=True):
    symbol: str
    leverage: int
    max_notional_value: Decimal


class PositionMarginRecord(Record, frozen=True):
    """`type` 1 added, 2 reduced."""

    amount: Decimal
    type: int
    code: int
    msg: str = ""


class MarginChangeRecord(Record, frozen=True):
    amount: Decimal
    asset: str
    symbol: str
    time: int
    type: int
    position_side: str


class BracketRecord(Record, frozen=True):
    """`cum` is the amount subtracted from notional times ratio (section 9.1)."""

    bracket: int
    initial_leverage: int
    notional_cap: Decimal
    notional_floor: Decimal
    maint_margin_ratio: Decimal
    cum: Decimal


class LeverageBracketRecord(Record, frozen=True):
    symbol: str
    brackets: list[BracketRecord]


class PositionModeRecord(Record, frozen=True):
    dual_side_position: bool


class MultiAssetsRecord(Record, frozen=True):
    multi_assets_margin: bool


class SelfTradePreventionRecord(Record, frozen=True):
    stp_mode: str


class CommissionRateRecord(Record, frozen=True):
    symbol: str
    maker_commission_rate: Decimal
    taker_commission_rate: Decimal


class AdlQuantileRecord(Record, frozen=True):
    """Quantile 0 (last in line) to 4 by LONG, SHORT and BOTH or HEDGE."""

    symbol: str
    adl_quantile: dict[str, int]


class IncomeRecord(Record, frozen=True):
    """`income` is signed."""

    income_type: str
    income: Decimal
    asset: str
    time: int
    tran_id: int | str
    symbol: str | None = None
    info: str | None = None
    trade_id: int | str | None = None


class OpenableNotionalRecord(Record, frozen=True):
    remaining_openable_notional_value: Decimal


class TransferRecord(Record, frozen=True):
    tran_id: int
    status: str


class ListenKeyRecord(Record, frozen=True):
    listen_key: str


class MarketMakerProtectionRecord(Record, frozen=True):
    symbol: str
    window_time_in_milliseconds: int
    frozen_time_in_milliseconds: int
    qty_limit: Decimal | None = None
    value_limit: Decimal | None = None
    delta_limit: Decimal | None = None
