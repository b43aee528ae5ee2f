"""Vocabulary of the embedded exchange: contract specification, orders, events, refusals.

Inside the exchange everything is an integer: prices in ticks, quantities in lots, money in atoms of
10^-8 of the margin asset, mark and index prices in units of 10^-8 of the quote. Only the wire layer turns
them into text. `ContractSpec` holds the conversions; nothing else may multiply ticks by lots.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from aster_operator.domain.enums import (
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)
from aster_operator.simulator.contract_spec import ATOMS, Bracket, ContractSpec

__all__ = [
    "ATOMS",
    "AccountEvent",
    "BalanceView",
    "BookEvent",
    "Bracket",
    "ConfigEvent",
    "ContractSpec",
    "ExchangeEvent",
    "ExecutionType",
    "ForceOrderEvent",
    "IncomeRecord",
    "KlineEvent",
    "KlineRecord",
    "MarginCallEvent",
    "MarkEvent",
    "OrderEvent",
    "OrderRequest",
    "PositionView",
    "SimulatedOrder",
    "TradeEvent",
    "TradeRecord",
    "VenueRefusal",
]


class VenueRefusal(Exception):
    """The exchange says no, with Aster's code and text (protocol reference, section 8)."""

    def __init__(self, code: int, message: str, http_status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.http_status = http_status


class ExecutionType(StrEnum):
    """`x` of ORDER_TRADE_UPDATE (section 7.1)."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    CALCULATED = "CALCULATED"
    EXPIRED = "EXPIRED"
    AMENDMENT = "AMENDMENT"


@dataclass(slots=True)
class OrderRequest:
    """A parsed request for a new order; the exchange validates it against filters and account."""

    symbol: str
    side: Side
    order_type: OrderType
    position_side: PositionSide = PositionSide.BOTH
    time_in_force: TimeInForce | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    activation_price: Decimal | None = None
    callback_rate_pct: Decimal | None = None
    reduce_only: bool = False
    close_position: bool = False
    working_type: WorkingType = WorkingType.CONTRACT_PRICE
    price_protect: bool = False
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    received_nonce_us: int | None = None
    builder: str | None = None
    """Account id of the builder whose code the order carries."""
    builder_rate_e8: int = 0
    """What the builder gets of every fill, as a share of its notional in 10^-8."""


@dataclass(slots=True)
class SimulatedOrder:
    """A live or finished order. `cost_atoms` is the exact sum of fill notionals."""

    order_id: int
    account_id: str
    spec: ContractSpec
    client_order_id: str
    side: Side
    position_side: PositionSide
    order_type: OrderType
    original_type: OrderType
    time_in_force: TimeInForce
    lots: int
    price_ticks: int
    stop_ticks: int
    reduce_only: bool
    close_position: bool
    working_type: WorkingType
    price_protect: bool
    created_ms: int
    updated_ms: int
    status: OrderStatus = OrderStatus.NEW
    filled_lots: int = 0
    cost_atoms: int = 0
    activation_ticks: int = 0
    callback_rate_pct: Decimal = Decimal(0)
    self_trade_prevention: SelfTradePrevention | None = None
    received_nonce_us: int | None = None
    builder: str | None = None
    builder_rate_e8: int = 0
    modifications: int = 0

    @property
    def symbol(self) -> str:
        return self.spec.symbol

    @property
    def remaining_lots(self) -> int:
        return self.lots - self.filled_lots

    @property
    def average_price(self) -> Decimal:
        """Volume-weighted fill price; zero before the first fill."""
        if self.filled_lots == 0:
            return Decimal(0)
        per_tick = Decimal(self.cost_atoms) / (self.filled_lots * self.spec.atoms_per_tick_lot)
        return per_tick * self.spec.instrument.tick_size


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One own execution, as userTrades lists it.

    `commission_atoms` is all the account paid (negative: was paid), `builder_atoms` the part of it that went
    to the builder of the order.
    """

    trade_id: int
    order_id: int
    client_order_id: str
    account_id: str
    spec: ContractSpec
    side: Side
    position_side: PositionSide
    ticks: int
    lots: int
    realized_atoms: int
    commission_atoms: int
    is_maker: bool
    time_ms: int
    builder_atoms: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class IncomeRecord:
    """One row of the income history; `atoms` is signed."""

    transaction_id: int
    account_id: str
    symbol: str
    income_type: str
    atoms: int
    asset: str
    info: str
    time_ms: int
    trade_id: int | None = None


@dataclass(slots=True)
class KlineRecord:
    """A bar in ticks and lots. `close_ms` is the last millisecond of the bar."""

    spec: ContractSpec
    open_ms: int
    close_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    lots: int = 0
    quote_atoms: int = 0
    trades: int = 0
    taker_buy_lots: int = 0
    taker_buy_quote_atoms: int = 0
    first_trade_id: int = -1
    last_trade_id: int = -1

    def copy(self) -> "KlineRecord":
        return KlineRecord(
            self.spec,
            self.open_ms,
            self.close_ms,
            self.open_ticks,
            self.high_ticks,
            self.low_ticks,
            self.close_ticks,
            self.lots,
            self.quote_atoms,
            self.trades,
            self.taker_buy_lots,
            self.taker_buy_quote_atoms,
            self.first_trade_id,
            self.last_trade_id,
        )


# --- events the exchange publishes, in the order they happen -------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order changed. The mutable order is copied field by field by whoever keeps it."""

    order: SimulatedOrder
    execution: ExecutionType
    time_ms: int
    trade: TradeRecord | None = None


@dataclass(frozen=True, slots=True)
class PositionView:
    """A position after a change, ready for ACCOUNT_UPDATE."""

    spec: ContractSpec
    position_side: PositionSide
    lots: int
    entry_price: Decimal
    accumulated_realized_atoms: int
    unrealized_atoms: int
    margin_type: MarginType
    isolated_wallet_atoms: int


@dataclass(frozen=True, slots=True)
class BalanceView:
    asset: str
    wallet_atoms: int
    cross_wallet_atoms: int
    change_atoms: int


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """Balances or positions changed; `reason` as in section 7.2."""

    account_id: str
    reason: str
    balances: tuple[BalanceView, ...]
    positions: tuple[PositionView, ...]
    time_ms: int


@dataclass(frozen=True, slots=True)
class ConfigEvent:
    """Leverage of a symbol changed, or (symbol None) the position or multi-asset mode."""

    account_id: str
    time_ms: int
    symbol: str | None = None
    leverage: int | None = None
    hedge_mode: bool | None = None
    multi_assets: bool | None = None


@dataclass(frozen=True, slots=True)
class BookEvent:
    """The visible book of a symbol changed: the levels that changed, absolute lots, 0 = gone."""

    spec: ContractSpec
    update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    best_changed: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """A public trade."""

    spec: ContractSpec
    trade_id: int
    ticks: int
    lots: int
    buyer_is_maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class MarkEvent:
    spec: ContractSpec
    mark_e8: int
    index_e8: int
    funding_rate_e8: int
    next_funding_ms: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class KlineEvent:
    """A copy of the running 1m bar, or the final one when `is_closed`."""

    bar: KlineRecord
    is_closed: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class ForceOrderEvent:
    order: SimulatedOrder
    time_ms: int


@dataclass(frozen=True, slots=True)
class MarginCallEvent:
    """The margin ratio is near liquidation (section 7.3): (position, mark e8, maintenance atoms) rows.

    `cross_wallet_atoms` is None when the call is for an isolated position.
    """

    account_id: str
    cross_wallet_atoms: int | None
    positions: tuple[tuple[PositionView, int, int], ...]
    time_ms: int


ExchangeEvent = (
    OrderEvent
    | AccountEvent
    | ConfigEvent
    | BookEvent
    | TradeEvent
    | MarkEvent
    | KlineEvent
    | ForceOrderEvent
    | MarginCallEvent
)
