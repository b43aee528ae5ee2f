"""What all parts of the engine share: markets, accounts, books, counters, market time and the listeners."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from aster_operator.domain.enums import Side
from aster_operator.simulator.accounts import Account
from aster_operator.simulator.book import OrderBook
from aster_operator.simulator.collateral import Collateral
from aster_operator.simulator.funding import MarkPricer
from aster_operator.simulator.klines import BarSeries
from aster_operator.simulator.ledger import Ledger
from aster_operator.simulator.model import (
    BookEvent,
    ContractSpec,
    ExchangeEvent,
    KlineEvent,
    MarkEvent,
    OrderEvent,
    SimulatedOrder,
    TradeEvent,
    VenueRefusal,
)
from aster_operator.simulator.refusals import refuse

__all__ = ["INSURANCE_FUND_ID", "ExchangeState", "Market"]

INSURANCE_FUND_ID = "insurance-fund"
"""The fund is an account like any other, so that taking over a position is an ordinary trade."""

_RECENT_TRADES = 1_000
_SETTLEMENTS = 20_000
# Aster's live order ids are above 2^32; clients that keep them in 32 bits must fail here as they do there.
_FIRST_ORDER_ID = 4_300_000_000
_TRADE_IDS_PER_SYMBOL = 1_000_000_000


@dataclass
class Market:
    """One listed symbol. `last_ticks` is the last traded price, 0 before the first trade.

    `offset_ticks`, `emptied_sides` and `fill_cap_lots` are what control verbs have done to it.
    """

    spec: ContractSpec
    book: OrderBook
    bars: BarSeries
    pricer: MarkPricer
    last_trade_id: int
    last_ticks: int = 0
    halted: bool = False
    funding_settled: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_SETTLEMENTS))
    recent_trades: deque[TradeEvent] = field(default_factory=lambda: deque(maxlen=_RECENT_TRADES))
    conditional: dict[int, SimulatedOrder] = field(default_factory=dict)
    trails: dict[int, int] = field(default_factory=dict)
    fired: dict[int, SimulatedOrder] = field(default_factory=dict)
    """Conditional orders whose trigger a print has met, in the order they were met."""
    bar_changed: bool = False
    offset_ticks: int = 0
    emptied_sides: set[Side] = field(default_factory=set)
    fill_cap_lots: int | None = None
    last_book_ms: int = 0

    @property
    def has_orders(self) -> bool:
        """Whether an order of an account waits here, resting or for its trigger."""
        book = self.book
        resting = (side.best_order_tick() is not None for side in (book.bids, book.asks))
        return bool(self.conditional) or any(resting)

    @property
    def mark_e8(self) -> int:
        return self.pricer.mark_e8

    @property
    def mark_event(self) -> MarkEvent:
        pricer = self.pricer
        return MarkEvent(
            self.spec,
            pricer.mark_e8,
            pricer.index_e8,
            pricer.funding_rate_e8,
            pricer.next_funding_ms,
            pricer.updated_ms,
        )


class ExchangeState:
    """The engine's data. Parts change it; only `publish_*` methods speak to the outside."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.markets: dict[str, Market] = {}
        self.marks_e8: dict[str, int] = {}
        self.specs: dict[str, ContractSpec] = {}
        self.insurance_fund = Account(INSURANCE_FUND_ID)
        self.accounts: dict[str, Account] = {INSURANCE_FUND_ID: self.insurance_fund}
        self.ledger = Ledger()
        self.collateral = Collateral(self._index_e8)
        self.listeners: list[Callable[[ExchangeEvent], None]] = []
        self.order_hooks: list[Callable[[OrderEvent], None]] = []
        self.print_hooks: list[Callable[[Market], None]] = []
        """Called after each public trade of a market in which conditional orders wait."""
        self._publishing = False
        self._last_order_id = _FIRST_ORDER_ID
        self._last_transaction_id = 0
        self._last_update_id = 0

    def _index_e8(self, symbol: str) -> int | None:
        market = self.markets.get(symbol)
        return None if market is None else market.pricer.index_e8

    # --- registry

    def add_market(self, market: Market) -> None:
        self.markets[market.spec.symbol] = market
        self.specs[market.spec.symbol] = market.spec
        self.marks_e8[market.spec.symbol] = market.mark_e8

    def first_trade_id(self) -> int:
        """Where the trade ids of the next market start: contiguous per symbol, never shared between two."""
        return (len(self.markets) + 1) * _TRADE_IDS_PER_SYMBOL

    def market(self, symbol: str) -> Market:
        """Raises VenueRefusal(-1121) for an unknown symbol."""
        found = self.markets.get(symbol)
        if found is None:
            raise refuse(-1121)
        return found

    def account(self, account_id: str) -> Account:
        """Raises VenueRefusal(-1109) for an unknown account."""
        found = self.accounts.get(account_id)
        if found is None:
            raise VenueRefusal(-1109, "Invalid account.")
        return found

    def funding_rows(
        self, symbol: str | None, start_ms: int | None, end_ms: int | None
    ) -> list[tuple[str, int, int]]:
        """Settled (symbol, time, rate e8) within the span, oldest first."""
        markets = self.markets if symbol is None else {symbol: self.market(symbol)}
        rows = [
            (name, time_ms, rate_e8)
            for name, market in markets.items()
            for time_ms, rate_e8 in market.funding_settled
            if (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms <= end_ms)
        ]
        rows.sort(key=lambda row: row[1])
        return rows

    def next_order_id(self) -> int:
        self._last_order_id += 1
        return self._last_order_id

    def next_transaction_id(self) -> int:
        self._last_transaction_id += 1
        return self._last_transaction_id

    # --- events

    def publish(self, event: ExchangeEvent) -> None:
        """Tell every listener. While it lasts nobody may change the exchange (`refuse_reentry`)."""
        self._publishing = True
        try:
            for listener in tuple(self.listeners):
                listener(event)
        finally:
            self._publishing = False

    def refuse_reentry(self) -> None:
        """Raise RuntimeError when called from a listener: an event is told in the middle of a change."""
        if self._publishing:
            raise RuntimeError("a listener must not act on the exchange; hand the action to schedule()")

    def publish_trade(self, market: Market, ticks: int, lots: int, buyer_is_maker: bool) -> int:
        """Print a public trade; return its id."""
        market.last_trade_id += 1
        event = TradeEvent(market.spec, market.last_trade_id, ticks, lots, buyer_is_maker, self.now_ms)
        market.last_ticks = ticks
        market.recent_trades.append(event)
        quote_atoms = ticks * lots * market.spec.atoms_per_tick_lot
        self.close_bar(market)
        market.bars.add_trade(self.now_ms, market.last_trade_id, ticks, lots, quote_atoms, buyer_is_maker)
        market.bar_changed = True
        if self.listeners:
            self.publish(event)
        if market.conditional:
            for hook in self.print_hooks:
                hook(market)
        return market.last_trade_id

    def publish_market(self, market: Market) -> None:
        """Tell what changed in the book and in the running bar since the last call."""
        best_before = market.book.published_best
        bids, asks = market.book.take_changes()
        if bids or asks:
            self._last_update_id += 1
            market.book.update_id = self._last_update_id
            market.last_book_ms = self.now_ms
            if self.listeners:
                best_changed = best_before != market.book.published_best
                self.publish(
                    BookEvent(market.spec, self._last_update_id, bids, asks, best_changed, self.now_ms)
                )
        if market.bar_changed:
            market.bar_changed = False
            if self.listeners and market.bars.running is not None:
                self.publish(KlineEvent(market.bars.running.copy(), False, self.now_ms))

    def close_bar(self, market: Market) -> None:
        """Publish the running bar as closed when its minute is over."""
        closed = market.bars.close_due(self.now_ms)
        if closed is not None:
            market.bar_changed = False
            if self.listeners:
                self.publish(KlineEvent(closed.copy(), True, self.now_ms))

    def publish_order(self, event: OrderEvent) -> None:
        """Tell the listeners, then the engine's own parts that follow orders."""
        self.publish(event)
        for hook in self.order_hooks:
            hook(event)

    def publish_mark(self, market: Market) -> None:
        self.marks_e8[market.spec.symbol] = market.mark_e8
        if self.listeners:
            self.publish(market.mark_event)
