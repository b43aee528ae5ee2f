"""The one face of the embedded exchange: what the wire server, the tests and in-process drivers call.

`SimulatedExchange` (in `exchange.py`) implements this protocol. It is pure: no socket, no thread, no
clock but the market time it is advanced to, no randomness but its seed. Two instances given the same
calls publish the same events.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from aster_operator.domain.enums import MarginType, OrderStatus, PositionSide, SelfTradePrevention
from aster_operator.simulator.model import (
    ContractSpec,
    ExchangeEvent,
    IncomeRecord,
    KlineRecord,
    MarkEvent,
    OrderRequest,
    SimulatedOrder,
    TradeEvent,
    TradeRecord,
)
from aster_operator.simulator.strategy_model import ChaseRequest, StrategyOrder, StrategyType, SubOrder

if TYPE_CHECKING:
    from aster_operator.simulator.control import ExchangeControl
    from aster_operator.simulator.spot import SpotExchange

__all__ = ["AccountView", "AssetView", "AuditReport", "BookView", "ExchangeApi", "PositionRiskView"]


@dataclass(frozen=True, slots=True)
class AssetView:
    """One asset of a futures wallet (account and balance endpoints, section 4.6). Atoms."""

    asset: str
    wallet_atoms: int
    cross_wallet_atoms: int
    unrealized_atoms: int
    cross_unrealized_atoms: int
    maintenance_atoms: int
    position_initial_atoms: int
    open_order_initial_atoms: int
    available_atoms: int
    max_withdraw_atoms: int
    updated_ms: int

    @property
    def margin_balance_atoms(self) -> int:
        return self.wallet_atoms + self.unrealized_atoms

    @property
    def initial_atoms(self) -> int:
        return self.position_initial_atoms + self.open_order_initial_atoms


@dataclass(frozen=True, slots=True)
class PositionRiskView:
    """One row of positionRisk and of the account's positions; flat rows are listed too."""

    spec: ContractSpec
    position_side: PositionSide
    lots: int
    entry_price: Decimal
    mark_e8: int
    unrealized_atoms: int
    liquidation_price: Decimal
    leverage: int
    max_notional: int
    margin_type: MarginType
    isolated_margin_atoms: int
    isolated_wallet_atoms: int
    notional_atoms: int
    initial_atoms: int
    open_order_initial_atoms: int
    maintenance_atoms: int
    updated_ms: int


@dataclass(frozen=True, slots=True)
class AccountView:
    account_id: str
    hedge_mode: bool
    multi_assets: bool
    self_trade_prevention: SelfTradePrevention
    assets: tuple[AssetView, ...]
    positions: tuple[PositionRiskView, ...]
    fee_tier: int
    updated_ms: int
    totals: AssetView
    """Sums: of the margin assets, or in multi-assets mode of everything, in USD."""


@dataclass(frozen=True, slots=True)
class BookView:
    """Visible levels, best first, as (ticks, lots). Hidden orders are not in it."""

    spec: ContractSpec
    update_id: int
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]
    time_ms: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Double entry: deposits = cash of all accounts + open positions' unrealised + venue's own purses.

    `difference_atoms` must be 0 at any instant; `detail` names every purse with its atoms.
    """

    balanced: bool
    difference_atoms: int
    detail: Mapping[str, int]


class ExchangeApi(Protocol):
    """Every method that acts for an account raises VenueRefusal with Aster's code when it must."""

    @property
    def now_ms(self) -> int:
        """Market time."""

    @property
    def end_ms(self) -> int | None:
        """Market time at which the recorded data end; None for an endless market."""

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]:
        """Deliver every event, synchronously and in order, to `listener`; returns the unsubscriber.

        Events are told in the middle of a change, so a listener must not act on the exchange (RuntimeError);
        it may hand an action to `schedule`.
        """

    # time
    def advance_to(self, time_ms: int) -> None:
        """Play the market up to and including `time_ms`: book, trades, triggers, funding, liquidations."""

    def schedule(self, time_ms: int, action: Callable[[], None]) -> None:
        """Run `action` when market time reaches `time_ms`, before the markets' steps of that millisecond."""

    def next_step_ms(self) -> int | None:
        """Market time of the next thing that will happen; None when the data have ended."""

    # market data
    def contracts(self) -> Mapping[str, ContractSpec]: ...

    def book(self, symbol: str, levels: int) -> BookView: ...

    def recent_trades(self, symbol: str, limit: int) -> Sequence[TradeEvent]: ...

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[KlineRecord]:
        """Newest `limit` bars ending at `end_ms`, or the first `limit` from `start_ms` when that is given;
        the running bar is the last one. `interval_ms` of a week starts on Monday; months are not served."""

    def mark(self, symbol: str) -> MarkEvent: ...

    def funding_history(
        self, symbol: str | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[tuple[str, int, int]]:
        """Settled (symbol, time_ms, rate_e8), oldest first."""

    # accounts
    def create_account(self, account_id: str, deposits: Mapping[str, Decimal]) -> None: ...

    def has_account(self, account_id: str) -> bool: ...

    def deposit(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Negative amounts withdraw. Books a TRANSFER income row."""

    def account(self, account_id: str) -> AccountView: ...

    def positions(self, account_id: str, symbol: str | None) -> Sequence[PositionRiskView]: ...

    def set_hedge_mode(self, account_id: str, hedge: bool) -> None: ...

    def set_multi_assets(self, account_id: str, enabled: bool) -> None: ...

    def set_self_trade_prevention(self, account_id: str, mode: SelfTradePrevention) -> None: ...

    def set_leverage(self, account_id: str, symbol: str, leverage: int) -> int:
        """Return the highest notional (USD) allowed at that leverage."""

    def set_margin_type(self, account_id: str, symbol: str, margin_type: MarginType) -> None: ...

    def change_position_margin(
        self, account_id: str, symbol: str, position_side: PositionSide, amount: Decimal
    ) -> None:
        """Positive adds isolated margin, negative removes it."""

    def fee_rates_e8(self, account_id: str, symbol: str) -> tuple[int, int]:
        """(maker, taker) as fractions of notional times 10^8."""

    # orders
    def place_order(self, account_id: str, request: OrderRequest) -> SimulatedOrder: ...

    def modify_order(
        self,
        account_id: str,
        symbol: str,
        order_id: int | None,
        client_order_id: str | None,
        quantity: Decimal,
        price: Decimal,
    ) -> SimulatedOrder: ...

    def cancel_order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder: ...

    def cancel_all(self, account_id: str, symbol: str) -> Sequence[SimulatedOrder]: ...

    def order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder:
        """Raises VenueRefusal(-2013) when there is none."""

    def open_orders(self, account_id: str, symbol: str | None) -> Sequence[SimulatedOrder]: ...

    def order_history(
        self, account_id: str, symbol: str, status: OrderStatus | None = None
    ) -> Sequence[SimulatedOrder]:
        """All orders ever, oldest first."""

    def set_countdown(self, account_id: str, symbol: str, countdown_ms: int) -> None: ...

    def asset_price_e8(self, asset: str) -> int:
        """USD per unit of a wallet asset times 10^8; 0 when no market here knows it."""

    # strategy orders (section 4.5)
    def place_strategy_order(
        self,
        account_id: str,
        strategy_type: StrategyType,
        sub_orders: Sequence[SubOrder],
        client_strategy_id: str | None = None,
    ) -> StrategyOrder:
        """OTO, OCO or OTOCO; sub-orders numbered from 1, without triggers they get those of the type."""

    def update_strategy_leg(
        self, account_id: str, strategy: StrategyOrder, leg: SubOrder, request: OrderRequest
    ) -> None:
        """Give a leg of a working strategy new terms, whether it rests or waits for a trigger or a leg.

        Raises VenueRefusal and changes nothing: -1130 for another symbol, side or type, -2013 for what has
        ended.
        """

    def place_chase_order(self, account_id: str, request: ChaseRequest) -> StrategyOrder: ...

    def strategy_order(
        self, account_id: str, strategy_id: int | None, client_strategy_id: str | None
    ) -> StrategyOrder:
        """Raises VenueRefusal(-2013) when there is none."""

    def strategy_orders(self, account_id: str) -> Sequence[StrategyOrder]:
        """All strategies ever, oldest first."""

    # books
    def trades(self, account_id: str, symbol: str | None) -> Sequence[TradeRecord]:
        """All executions of the account, oldest first."""

    def income(self, account_id: str) -> Sequence[IncomeRecord]:
        """All income rows of the account, oldest first."""

    def audit(self) -> AuditReport: ...

    # beyond what a trader sees
    @property
    def control(self) -> "ExchangeControl":
        """Verbs that interfere with the venue itself: prices, fees, filters, listings, liquidations."""

    @property
    def spot(self) -> "SpotExchange | None":
        """The spot side with its own books, orders and balances; None when the exchange has none."""

    def transfer(self, account_id: str, asset: str, amount: Decimal, *, to_spot: bool) -> None:
        """Move a positive amount between the futures and the spot wallet.

        Raises VenueRefusal: -1020 without a spot side, -4055 for no amount, -2018 for more than is free.
        """

    def queue_position(self, account_id: str, symbol: str, order_id: int) -> int | None:
        """Lots that trade before the order at its price; None when it does not rest in the shown book."""
