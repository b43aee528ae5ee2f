"""Answers of the market data endpoints (protocol reference, sections 4.1 and 5.1)."""

from decimal import Decimal

import msgspec

from aster_operator.exchange.wire.records import Record

__all__ = [
    "AggregateTradeRecord",
    "AssetLogoRecord",
    "BookTickerRecord",
    "DepthRecord",
    "ExchangeInfoRecord",
    "FilterRecord",
    "FundingInfoRecord",
    "FundingRateRecord",
    "IndexReferenceRecord",
    "IndexReferencesRecord",
    "KlineRecord",
    "LevelRecord",
    "PremiumIndexRecord",
    "PriceTickerRecord",
    "PublicTradeRecord",
    "RateLimitRecord",
    "ServerTimeRecord",
    "SymbolRecord",
    "TickerRecord",
]


class ServerTimeRecord(Record, frozen=True):
    server_time: int


class FilterRecord(Record, frozen=True):
    """One filter of a symbol: `filter_type` says which of the members it has."""

    filter_type: str
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    tick_size: Decimal | None = None
    min_qty: Decimal | None = None
    max_qty: Decimal | None = None
    step_size: Decimal | None = None
    limit: int | None = None
    notional: Decimal | None = None
    min_notional: Decimal | None = None
    multiplier_up: Decimal | None = None
    multiplier_down: Decimal | None = None
    multiplier_decimal: str | int | None = None


class RateLimitRecord(Record, frozen=True):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class SymbolRecord(Record, frozen=True):
    """One symbol. Members that some live rows lack are None; spot rows have no `contract_type`."""

    symbol: str
    status: str
    filters: list[FilterRecord]
    quote_asset: str
    contract_type: str | None = None
    base_asset: str | None = None
    margin_asset: str | None = None
    pair: str | None = None
    price_precision: int | None = None
    quantity_precision: int | None = None
    base_asset_precision: int | None = None
    quote_precision: int | None = None
    order_types: list[str] | None = None
    time_in_force: list[str] | None = None
    trigger_protect: Decimal | None = None
    liquidation_fee: Decimal | None = None
    market_take_bound: Decimal | None = None
    onboard_date: int | None = None
    delivery_date: int | None = None
    underlying_type: str | None = None
    underlying_sub_type: list[str] | None = None
    impact_margin_notional: Decimal | None = msgspec.field(default=None, name="imn")


class ExchangeInfoRecord(Record, frozen=True):
    server_time: int
    rate_limits: list[RateLimitRecord]
    symbols: list[SymbolRecord]
    timezone: str = "UTC"
    assets: list[dict[str, msgspec.Raw]] | None = None


class LevelRecord(msgspec.Struct, frozen=True, array_like=True):
    price: Decimal
    quantity: Decimal


class DepthRecord(Record, frozen=True):
    """The order book. `output_ms` is when it was written, `transaction_ms` when it last changed."""

    last_update_id: int
    bids: list[LevelRecord]
    asks: list[LevelRecord]
    output_ms: int | None = msgspec.field(default=None, name="E")
    transaction_ms: int | None = msgspec.field(default=None, name="T")


class PublicTradeRecord(Record, frozen=True):
    id: int
    price: Decimal
    qty: Decimal
    time: int
    is_buyer_maker: bool
    quote_qty: Decimal | None = None
    base_qty: Decimal | None = None


class AggregateTradeRecord(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "time": "T",
        "is_buyer_maker": "m",
    },
):
    id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    time: int
    is_buyer_maker: bool


class KlineRecord(msgspec.Struct, frozen=True, array_like=True):
    """The twelve slots of a kline. In index and mark price klines the volumes are zero and `trades` counts
    the data points."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_time: int
    quote_volume: Decimal
    trades: int
    taker_buy_base_volume: Decimal
    taker_buy_quote_volume: Decimal


class PremiumIndexRecord(Record, frozen=True):
    symbol: str
    mark_price: Decimal
    index_price: Decimal
    last_funding_rate: Decimal
    next_funding_time: int
    time: int
    estimated_settle_price: Decimal | None = None
    interest_rate: Decimal | None = None


class FundingRateRecord(Record, frozen=True):
    symbol: str
    funding_rate: Decimal
    funding_time: int


class FundingInfoRecord(Record, frozen=True):
    symbol: str
    funding_interval_hours: int
    interest_rate: Decimal | None = None
    time: int | None = None
    funding_fee_cap: Decimal | None = None
    funding_fee_floor: Decimal | None = None


class TickerRecord(Record, frozen=True):
    """Rolling 24 hours."""

    symbol: str
    price_change: Decimal
    price_change_percent: Decimal
    weighted_avg_price: Decimal
    last_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    count: int
    last_qty: Decimal | None = None
    first_id: int | None = None
    last_id: int | None = None
    prev_close_price: Decimal | None = None


class PriceTickerRecord(Record, frozen=True):
    symbol: str
    price: Decimal
    time: int | None = None


class BookTickerRecord(Record, frozen=True):
    symbol: str
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal
    time: int | None = None
    last_update_id: int | None = None


class IndexReferenceRecord(Record, frozen=True):
    exchange: str
    symbol: str
    weight: Decimal


class IndexReferencesRecord(Record, frozen=True):
    symbol: str
    time: int
    references: list[IndexReferenceRecord]


class AssetLogoRecord(Record, frozen=True):
    asset_code: str
    logo_url: str
