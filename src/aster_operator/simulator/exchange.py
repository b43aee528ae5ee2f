"""The embedded exchange in process: the implementation of `ExchangeApi`.

Pure and deterministic: no socket, no thread, no clock but the market time it is advanced to, and no
randomness but the seed of its market sources. The same calls give the same events.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from aster_operator.domain.enums import MarginType, OrderStatus, PositionSide, SelfTradePrevention
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.accounts import Account
from aster_operator.simulator.api import AccountView, AuditReport, PositionRiskView
from aster_operator.simulator.book import OrderBook
from aster_operator.simulator.control import ExchangeControl
from aster_operator.simulator.engine import Engine
from aster_operator.simulator.fed_market import FedMarket
from aster_operator.simulator.funding import MarkPricer
from aster_operator.simulator.klines import BarSeries
from aster_operator.simulator.market_player import MinutePlayer
from aster_operator.simulator.market_reads import MarketReads
from aster_operator.simulator.market_source import MarketSource
from aster_operator.simulator.model import (
    ATOMS,
    ContractSpec,
    ExecutionType,
    IncomeRecord,
    MarkEvent,
    OrderEvent,
    OrderRequest,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.options import ExchangeOptions, recorded_sources
from aster_operator.simulator.refusals import money_atoms, refuse
from aster_operator.simulator.settings_rules import SettingsRules
from aster_operator.simulator.spot import SpotExchange
from aster_operator.simulator.state import INSURANCE_FUND_ID, ExchangeState, Market
from aster_operator.simulator.strategy_model import ChaseRequest, StrategyOrder, StrategyType, SubOrder
from aster_operator.simulator.timeline import TIMER_RANK, Timeline
from aster_operator.simulator.views import Views

__all__ = ["ExchangeOptions", "SimulatedExchange"]


class SimulatedExchange(MarketReads):
    """See `ExchangeApi` for the meaning of each method."""

    def __init__(self, sources: Iterable[MarketSource], options: ExchangeOptions | None = None) -> None:
        """Market time begins with the earliest step of a source, or at `options.start_ms` when none has any.

        Raises ValueError without either, or when two markets have one symbol.
        """
        self._options = options or ExchangeOptions()
        self._sources = list(sources)
        starts = [start for source in self._sources if (start := source.next_ms()) is not None]
        start_ms = min(starts, default=self._options.start_ms)
        if start_ms is None:
            raise ValueError("the exchange needs a market that has something to play, or a start_ms")
        self._timeline = Timeline()
        super().__init__(ExchangeState(start_ms))
        self._engine = Engine(self._state, self._timeline)
        self._views = Views(self._state, self._engine.admission)
        self._rules = SettingsRules(
            self._state, self._engine.admission, self._engine.clearing, self._engine.auto_exchange
        )
        self._spot: SpotExchange | None = None
        if self._options.with_spot:
            self._spot = SpotExchange(self._options.seed, lambda: self._state.now_ms)
            self._engine.on_move = self._spot.follow
            self._engine.has_orders_beside = self._spot.has_orders
            self._spot.tell_orders(self._attend)
        self._players: dict[str, tuple[MinutePlayer, int]] = {}
        self._turns: dict[int, int] = {}
        self._state.order_hooks.append(self._attend)
        self._control = ExchangeControl(self._state, self._engine, self._list_later)
        for source in self._sources:
            self._list_market(source)
        endowed = {spec.instrument.margin_asset for spec in self._state.specs.values()}
        for asset in sorted(endowed):
            atoms = int(self._options.insurance_endowment * ATOMS)
            self._state.ledger.deposit(self._state.insurance_fund, asset, atoms)

    @classmethod
    def from_history(
        cls,
        history: RecordedHistory,
        options: ExchangeOptions | None = None,
        contracts: Mapping[str, ContractSpec] | None = None,
    ) -> "SimulatedExchange":
        """Play recorded minutes. `contracts` overrides the default specification of single symbols.

        Playing starts where every symbol has begun, or at `options.start_ms`; earlier minutes are klines.
        """
        chosen = options or ExchangeOptions()
        return cls(recorded_sources(history, chosen, contracts or {}), chosen)

    def _list_later(self, source: MarketSource) -> None:
        self._list_market(source)
        self._sources.append(source)

    def _list_market(self, source: MarketSource) -> None:
        spec, state = source.spec, self._state
        if spec.symbol in state.markets:
            raise ValueError(f"{spec.symbol} is listed twice")
        bars = BarSeries(spec)
        bars.preload(history := source.history())
        pricer = MarkPricer(spec, state.now_ms, source.start_ticks, source.recorded_rates_e8())
        rank = len(state.markets)
        market = Market(spec, OrderBook(self._options.queue_model), bars, pricer, state.first_trade_id())
        if history:
            # Settlements of the recorded past, as far back as its bars reach.
            rates = sorted(source.recorded_rates_e8().items())
            first_ms = history[0].open_ms
            market.funding_settled.extend(row for row in rates if first_ms <= row[0] <= state.now_ms)
        state.add_market(market)
        if self._spot is not None:
            self._spot.list_pair(spec, source.start_ticks, history)
        if isinstance(source, MinutePlayer):
            self._players[spec.symbol] = (source, rank)
        self._schedule(source, rank)

    def _attend(self, event: OrderEvent) -> None:
        """An order that has come is not passed over by a market that was taking longer steps."""
        if event.execution is ExecutionType.NEW and event.order.symbol in self._players:
            player, rank = self._players[event.order.symbol]
            if player.wake(self._state.now_ms):
                self._schedule(player, rank)

    def _schedule(self, source: MarketSource, rank: int) -> None:
        turn = self._turns[rank] = self._turns.get(rank, 0) + 1

        def step() -> None:
            if self._turns[rank] == turn:
                source.play(self._engine)
                self._schedule(source, rank)

        next_ms = source.next_ms()
        if next_ms is not None:
            self._timeline.schedule(max(next_ms, self._state.now_ms), rank, step)
        elif isinstance(source, FedMarket):
            source.when_fed(lambda: self._schedule(source, rank))

    # --- time and events

    @property
    def now_ms(self) -> int:
        return self._state.now_ms

    @property
    def end_ms(self) -> int | None:
        ends = [source.end_ms for source in self._sources]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) else None

    def advance_to(self, time_ms: int) -> None:
        timeline, state = self._timeline, self._state
        state.refuse_reentry()
        while (next_ms := timeline.next_ms()) is not None and next_ms <= time_ms:
            due_ms, action = timeline.pop()
            state.now_ms = max(state.now_ms, due_ms)
            action()
        state.now_ms = max(state.now_ms, time_ms)

    def schedule(self, time_ms: int, action: Callable[[], None]) -> None:
        """Run `action` when market time reaches `time_ms` (at once at the next advance if that is past)."""
        self._timeline.schedule(max(time_ms, self._state.now_ms), TIMER_RANK, action)

    def next_step_ms(self) -> int | None:
        return self._timeline.next_ms()

    # --- market data

    def mark(self, symbol: str) -> MarkEvent:
        return self._state.market(symbol).mark_event

    def funding_history(
        self, symbol: str | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[tuple[str, int, int]]:
        rows = self._state.funding_rows(symbol, start_ms, end_ms)
        # From a given start the oldest come first; without one the newest are wanted.
        return rows[:limit] if start_ms is not None else rows[-limit:] if limit else []

    # --- accounts

    def create_account(self, account_id: str, deposits: Mapping[str, Decimal]) -> None:
        if account_id in self._state.accounts:
            raise ValueError(f"account {account_id} exists already")
        self._state.accounts[account_id] = Account(account_id, updated_ms=self._state.now_ms)
        for asset, amount in deposits.items():
            self.deposit(account_id, asset, amount)

    def has_account(self, account_id: str) -> bool:
        return account_id in self._state.accounts and account_id != INSURANCE_FUND_ID

    def deposit(self, account_id: str, asset: str, amount: Decimal) -> None:
        account = self._state.account(account_id)
        atoms = money_atoms(amount)
        if atoms < 0 and -atoms > self._views.asset(account, asset).max_withdraw_atoms:
            raise refuse(-2018)
        self._state.ledger.deposit(account, asset, atoms)
        account.updated_ms = self._state.now_ms
        self._engine.clearing.book_income(account, "", "TRANSFER", atoms, asset)
        reason = "DEPOSIT" if atoms >= 0 else "WITHDRAW"
        self._engine.clearing.publish_account(account, asset, reason, change_atoms=atoms)

    def account(self, account_id: str) -> AccountView:
        return self._views.account(self._state.account(account_id))

    def positions(self, account_id: str, symbol: str | None) -> Sequence[PositionRiskView]:
        return self._views.positions(self._state.account(account_id), symbol)

    def set_hedge_mode(self, account_id: str, hedge: bool) -> None:
        self._rules.set_hedge_mode(self._state.account(account_id), hedge)

    def set_multi_assets(self, account_id: str, enabled: bool) -> None:
        self._rules.set_multi_assets(self._state.account(account_id), enabled)

    def set_self_trade_prevention(self, account_id: str, mode: SelfTradePrevention) -> None:
        self._state.account(account_id).self_trade_prevention = mode

    def set_leverage(self, account_id: str, symbol: str, leverage: int) -> int:
        return self._rules.set_leverage(self._state.account(account_id), self._state.market(symbol), leverage)

    def set_margin_type(self, account_id: str, symbol: str, margin_type: MarginType) -> None:
        self._rules.set_margin_type(self._state.account(account_id), self._state.market(symbol), margin_type)

    def change_position_margin(
        self, account_id: str, symbol: str, position_side: PositionSide, amount: Decimal
    ) -> None:
        self._rules.change_position_margin(
            self._state.account(account_id), self._state.market(symbol), position_side, amount
        )

    def fee_rates_e8(self, account_id: str, symbol: str) -> tuple[int, int]:
        return self._state.account(account_id).fee_rates_e8(self._state.market(symbol).spec)

    def asset_price_e8(self, asset: str) -> int:
        return self._state.collateral.price_e8(asset)

    # --- orders

    def place_order(self, account_id: str, request: OrderRequest) -> SimulatedOrder:
        self._state.refuse_reentry()
        return self._engine.place(self._state.account(account_id), request)

    def modify_order(
        self,
        account_id: str,
        symbol: str,
        order_id: int | None,
        client_order_id: str | None,
        quantity: Decimal,
        price: Decimal,
    ) -> SimulatedOrder:
        self._state.refuse_reentry()
        account = self._state.account(account_id)
        order = self._open_order(account, symbol, order_id, client_order_id, -2013)
        self._engine.modify(account, order, quantity, price)
        return order

    def cancel_order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder:
        self._state.refuse_reentry()
        account = self._state.account(account_id)
        order = self._open_order(account, symbol, order_id, client_order_id, -2011)
        self._engine.desk.cancel(order)
        self._engine.after_trading(self._state.market(symbol))
        return order

    def cancel_all(self, account_id: str, symbol: str) -> Sequence[SimulatedOrder]:
        self._state.refuse_reentry()
        return self._engine.cancel_all(self._state.account(account_id), symbol)

    def order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder:
        account = self._state.account(account_id)
        found = self._engine.desk.find(account, symbol, order_id, client_order_id)
        if found is None:
            raise refuse(-2013)
        return found

    def _open_order(
        self, account: Account, symbol: str, order_id: int | None, client_order_id: str | None, code: int
    ) -> SimulatedOrder:
        found = self._engine.desk.find(account, symbol, order_id, client_order_id)
        if found is None or found.order_id not in account.open_orders:
            raise refuse(code)
        return found

    def open_orders(self, account_id: str, symbol: str | None) -> Sequence[SimulatedOrder]:
        return self._engine.desk.open_of(self._state.account(account_id), symbol)

    def order_history(
        self, account_id: str, symbol: str, status: OrderStatus | None = None
    ) -> Sequence[SimulatedOrder]:
        self._state.market(symbol)
        orders = self._state.account(account_id).orders.values()
        return [
            order for order in orders if order.symbol == symbol and (status is None or order.status is status)
        ]

    def set_countdown(self, account_id: str, symbol: str, countdown_ms: int) -> None:
        self._engine.set_countdown(self._state.account(account_id), symbol, countdown_ms)

    # --- strategy orders

    def place_strategy_order(
        self,
        account_id: str,
        strategy_type: StrategyType,
        sub_orders: Sequence[SubOrder],
        client_strategy_id: str | None = None,
    ) -> StrategyOrder:
        self._state.refuse_reentry()
        account = self._state.account(account_id)
        return self._engine.place_strategy(account, strategy_type, sub_orders, client_strategy_id)

    def update_strategy_leg(
        self, account_id: str, strategy: StrategyOrder, leg: SubOrder, request: OrderRequest
    ) -> None:
        self._state.refuse_reentry()
        if not strategy.is_open:
            raise refuse(-2013)
        self._engine.update_leg(self._state.account(account_id), leg, request)

    def place_chase_order(self, account_id: str, request: ChaseRequest) -> StrategyOrder:
        self._state.refuse_reentry()
        return self._engine.place_chase(self._state.account(account_id), request)

    def strategy_order(
        self, account_id: str, strategy_id: int | None, client_strategy_id: str | None
    ) -> StrategyOrder:
        account = self._state.account(account_id)
        found = self._engine.strategies.find(account, strategy_id, client_strategy_id)
        if found is None:
            raise refuse(-2013)
        return found

    def strategy_orders(self, account_id: str) -> Sequence[StrategyOrder]:
        return self._engine.strategies.all_of(self._state.account(account_id))

    # --- books

    def trades(self, account_id: str, symbol: str | None) -> Sequence[TradeRecord]:
        trades = self._state.account(account_id).trades
        return [trade for trade in trades if symbol is None or trade.spec.symbol == symbol]

    def income(self, account_id: str) -> Sequence[IncomeRecord]:
        return list(self._state.account(account_id).income)

    def audit(self) -> AuditReport:
        report = self._state.ledger.audit(self._state.accounts.values(), self._state.marks_e8)
        if self._spot is None:
            return report
        difference, detail = self._spot.audit()
        return AuditReport(
            report.balanced and difference == 0,
            report.difference_atoms + difference,
            {**report.detail, **detail},
        )

    # --- beyond what a trader sees

    @property
    def control(self) -> ExchangeControl:
        """Verbs that interfere with the venue itself."""
        return self._control

    @property
    def spot(self) -> SpotExchange | None:
        """The spot side; None unless `ExchangeOptions.with_spot`."""
        return self._spot

    def transfer(self, account_id: str, asset: str, amount: Decimal, *, to_spot: bool) -> None:
        """Move a positive amount between the futures and the spot wallet.

        Raises VenueRefusal: -1020 without a spot side, -4055 for no amount, -2018 for more than is free.
        """
        if self._spot is None:
            raise refuse(-1020)
        if not amount.is_finite() or amount <= 0:
            raise refuse(-4055)
        if to_spot:
            self.deposit(account_id, asset, -amount)
            self._spot.deposit(account_id, asset, amount, "TRANSFER_FUTURE_TO_SPOT")
        else:
            self._spot.deposit(account_id, asset, -amount, "TRANSFER_SPOT_TO_FUTURE")
            self.deposit(account_id, asset, amount)

    def queue_position(self, account_id: str, symbol: str, order_id: int) -> int | None:
        """Lots that trade before the order at its price; None when it does not rest in the shown book."""
        order = self.order(account_id, symbol, order_id, None)
        return self._state.market(symbol).book.side(order.side).lots_ahead(order)
