"""Everything the deciding core can learn. Events are facts, in the past tense, and carry their times.

`event_ms` is the venue's time of the fact (market time); `received_ns` is the driver's clock when it
arrived, used for latency and staleness only. The core's notion of now is the largest `event_ms` it has
seen. All events are serialisable with msgspec, so that a session's journal can be replayed.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import MarginType, PositionSide
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.market import Bar, DepthSnapshot, MarketTrade, MarkPrice, Quote
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.positions import AccountSnapshot, PositionReport, SpotBalance

__all__ = [
    "AccountChanged",
    "BalanceChange",
    "BarUpdated",
    "CancelRefused",
    "DepthUpdated",
    "Event",
    "Feed",
    "FeedStatusChanged",
    "FillLearned",
    "IncomeSettled",
    "LeverageChanged",
    "MarkUpdated",
    "OperatorAction",
    "OperatorRequested",
    "OrderChanged",
    "OrderNotFound",
    "OrderOutcomeUnknown",
    "OrderRefusedByVenue",
    "ParametersChanged",
    "PositionChange",
    "QuoteUpdated",
    "SpotBalancesChanged",
    "TimerFired",
    "TradePrinted",
    "VenueSnapshotTaken",
]


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    event_ms: int
    received_ns: int


# --- market -------------------------------------------------------------------------------------------


class QuoteUpdated(_Event, frozen=True):
    quote: Quote


class MarkUpdated(_Event, frozen=True):
    mark: MarkPrice


class BarUpdated(_Event, frozen=True):
    """A running or closed kline; only `bar.is_closed` bars are ever decided on."""

    bar: Bar


class TradePrinted(_Event, frozen=True):
    trade: MarketTrade


class DepthUpdated(_Event, frozen=True):
    depth: DepthSnapshot


# --- own orders and account ---------------------------------------------------------------------------


class OrderChanged(_Event, frozen=True):
    """The venue reported an order, with the fill that caused it if there was one.

    `from_stream` is False when a REST answer (placing, cancelling or querying) said so.
    """

    report: OrderReport
    fill: Fill | None = None
    from_stream: bool = True


class FillLearned(_Event, frozen=True):
    """An own trade read from the venue's history: the stream may have told of it, or may have been down."""

    fill: Fill


class OrderRefusedByVenue(_Event, frozen=True):
    """A definite refusal of a new order: it does not exist. `code` is the venue's error code."""

    client_order_id: str
    code: int
    message: str


class OrderOutcomeUnknown(_Event, frozen=True):
    """A request for a new order got no definite answer (timeout, 503, lost connection)."""

    client_order_id: str
    cause: str
    nonce_us: int | None = None


class OrderNotFound(_Event, frozen=True):
    """A query by client id found nothing (-2013), `attempts` times by now."""

    client_order_id: str
    attempts: int = 1


class CancelRefused(_Event, frozen=True):
    """A cancel did not go through; the order may have filled meanwhile and is queried next."""

    client_order_id: str
    code: int
    message: str


class BalanceChange(msgspec.Struct, frozen=True, kw_only=True):
    """`change` is the balance change without PnL and commission, as the stream gives it (`bc`)."""

    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    change: Decimal


class PositionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A position after the change. `quantity` is signed."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    unrealized_pnl: Decimal
    margin_type: MarginType
    isolated_wallet: Decimal


class AccountChanged(_Event, frozen=True):
    """Balances or positions changed. `reason` is the venue's word: ORDER, FUNDING_FEE, ... (section 7.2)."""

    reason: str
    balances: tuple[BalanceChange, ...]
    positions: tuple[PositionChange, ...]


class SpotBalancesChanged(_Event, frozen=True):
    """Assets of the spot wallet as they are after a change."""

    balances: tuple[SpotBalance, ...]


class LeverageChanged(_Event, frozen=True):
    symbol: str
    leverage: int


class IncomeSettled(_Event, frozen=True):
    """A settled income row (funding, insurance, transfers), read from the venue's history."""

    row: IncomeRow


class VenueSnapshotTaken(_Event, frozen=True):
    """The venue's own word on everything we hold: the truth that reconciliation works from."""

    account: AccountSnapshot
    positions: tuple[PositionReport, ...]
    open_orders: tuple[OrderReport, ...]
    spot_balances: tuple[SpotBalance, ...] = ()
    """The whole spot wallet, of a session that trades there."""


# --- the world around ---------------------------------------------------------------------------------


class TimerFired(_Event, frozen=True):
    """Time passed; the driver sends one at least every second of market time."""


class Feed(StrEnum):
    MARKET = "market"
    USER = "user"
    REST = "rest"
    CLOCK = "clock"


class FeedStatusChanged(_Event, frozen=True):
    feed: Feed
    healthy: bool
    detail: str


class OperatorAction(StrEnum):
    PAUSE_ENTRIES = "pause_entries"
    RESUME_ENTRIES = "resume_entries"
    FLATTEN = "flatten"
    """Close everything, then end the session."""
    STOP = "stop"
    CLOSE = "close"
    """Close what the detail names: a pair, or the position on a symbol."""
    CLOSE_ALL = "close_all"
    """Close everything and pause entries; the session goes on."""
    RELOAD_PARAMETERS = "reload_parameters"
    """Read the parameter files again; the driver does."""


class OperatorRequested(_Event, frozen=True):
    """A person asked for something. `actor` says who, for the journal."""

    action: OperatorAction
    actor: str
    detail: str = ""


class ParametersChanged(_Event, frozen=True):
    """A strategy's parameter file has new content, valid or not; `fault` says why it could not be read."""

    strategy: str
    text: str
    fault: str | None = None


Event = (
    QuoteUpdated
    | MarkUpdated
    | BarUpdated
    | TradePrinted
    | DepthUpdated
    | OrderChanged
    | FillLearned
    | OrderRefusedByVenue
    | OrderOutcomeUnknown
    | OrderNotFound
    | CancelRefused
    | AccountChanged
    | SpotBalancesChanged
    | LeverageChanged
    | IncomeSettled
    | VenueSnapshotTaken
    | ParametersChanged
    | TimerFired
    | FeedStatusChanged
    | OperatorRequested
)
