"""The embedded exchange as an `ExchangeClient` without a wire: for replay, paper trading and fast tests.

The same calls and events as over the network, translated value by value instead of byte by byte. Nothing
here decides anything; a refusal becomes the same exception the wire client raises.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

from msgspec.structs import replace

from aster_operator.domain.clock import MINUTE_MS, Clock
from aster_operator.domain.enums import (
    MarginType,
    OrderType,
    PositionSide,
    Side,
)
from aster_operator.domain.events import (
    BarUpdated,
    LeverageChanged,
    MarkUpdated,
    OrderChanged,
    QuoteUpdated,
)
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar, MarkPrice, Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import AccountSnapshot, Balance, PositionReport
from aster_operator.exchange.client_protocol import (
    ClockOffset,
    EventStream,
    MarketChannel,
    StreamEvent,
)
from aster_operator.exchange.errors import refusal_of
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.in_process.periodic_streams import PeriodicStreams
from aster_operator.simulator.in_process.values import (
    account_changed,
    bar_of,
    fill_of,
    legs_of,
    mark_of,
    money,
    order_report,
    position_report,
    request_of,
)
from aster_operator.simulator.model import (
    AccountEvent,
    BookEvent,
    ConfigEvent,
    ContractSpec,
    ExchangeEvent,
    ForceOrderEvent,
    KlineEvent,
    MarkEvent,
    OrderEvent,
    OrderRequest,
    TradeEvent,
    VenueRefusal,
)
from aster_operator.simulator.strategy_model import StrategyType

__all__ = ["InProcessClient", "Subscription", "refusals"]

_IN_PROCESS = "in process"
_DEFAULT_BARS = 500
_MARKET_EVENTS = (BookEvent, TradeEvent, MarkEvent, KlineEvent, ForceOrderEvent)


class InProcessClient:
    """One account of an embedded exchange. `clock` stamps arrival times only."""

    def __init__(self, exchange: ExchangeApi, account_id: str, clock: Clock) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._clock = clock

    # --- orders ---------------------------------------------------------------------------------------

    async def place_order(self, order: NewOrder) -> OrderReport:
        with refusals():
            placed = self._exchange.place_order(self._account_id, request_of(order))
        return order_report(placed)

    @property
    def takes_exits_with_entry(self) -> bool:
        return True

    async def place_entry_with_exits(self, entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> OrderReport:
        with refusals():
            self._exchange.place_strategy_order(
                self._account_id, StrategyType.OTOCO, legs_of(entry, exits), entry.client_order_id
            )
        return await self.query_order(entry.symbol, entry.client_order_id)

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        with refusals():
            return order_report(self._exchange.cancel_order(self._account_id, symbol, None, client_order_id))

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        with refusals():
            return order_report(self._exchange.order(self._account_id, symbol, None, client_order_id))

    async def open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        with refusals():
            return [order_report(order) for order in self._exchange.open_orders(self._account_id, symbol)]

    async def place_market_order(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        position_side: PositionSide = PositionSide.BOTH,
        *,
        client_order_id: str | None = None,
        reduce_only: bool = False,
    ) -> OrderReport:
        request = OrderRequest(
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET,
            position_side=position_side,
            quantity=quantity,
            reduce_only=reduce_only,
            client_order_id=client_order_id,
        )
        with refusals():
            return order_report(self._exchange.place_order(self._account_id, request))

    async def close_position(
        self, symbol: str, position_side: PositionSide = PositionSide.BOTH
    ) -> OrderReport | None:
        for report in await self.get_position_risk(symbol):
            if report.position_side is position_side and report.is_open:
                side = Side.SELL if report.quantity > 0 else Side.BUY
                return await self.place_market_order(
                    symbol,
                    side,
                    abs(report.quantity),
                    position_side,
                    reduce_only=position_side is PositionSide.BOTH,
                )
        return None

    # --- account --------------------------------------------------------------------------------------

    async def get_position_risk(self, symbol: str | None = None) -> list[PositionReport]:
        with refusals():
            return [position_report(view) for view in self._exchange.positions(self._account_id, symbol)]

    async def account_snapshot(self) -> AccountSnapshot:
        view = self._exchange.account(self._account_id)
        return AccountSnapshot(
            balances=tuple(
                Balance(
                    asset=asset.asset,
                    wallet_balance=money(asset.wallet_atoms),
                    cross_wallet_balance=money(asset.cross_wallet_atoms),
                    available_balance=money(asset.available_atoms),
                    cross_unrealized_pnl=money(asset.cross_unrealized_atoms),
                )
                for asset in view.assets
            ),
            total_wallet_balance=money(sum(asset.wallet_atoms for asset in view.assets)),
            total_unrealized_pnl=money(sum(asset.unrealized_atoms for asset in view.assets)),
            total_margin_balance=money(sum(asset.margin_balance_atoms for asset in view.assets)),
            total_initial_margin=money(sum(asset.initial_atoms for asset in view.assets)),
            total_maintenance_margin=money(sum(asset.maintenance_atoms for asset in view.assets)),
            available_balance=money(sum(asset.available_atoms for asset in view.assets)),
            can_trade=True,
            can_withdraw=False,
            update_ms=view.updated_ms,
        )

    async def is_hedge_mode(self) -> bool:
        return self._exchange.account(self._account_id).hedge_mode

    async def set_hedge_mode(self, enabled: bool) -> None:
        if await self.is_hedge_mode() is not enabled:
            with refusals():
                self._exchange.set_hedge_mode(self._account_id, enabled)

    async def set_leverage(self, symbol: str, leverage: int) -> int:
        with refusals():
            self._exchange.set_leverage(self._account_id, symbol, leverage)
        return leverage

    async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        current = {view.margin_type for view in self._exchange.positions(self._account_id, symbol)}
        if current != {margin_type}:
            with refusals():
                self._exchange.set_margin_type(self._account_id, symbol, margin_type)

    async def fee_rates(self, symbol: str) -> FeeRates:
        maker_e8, taker_e8 = self._exchange.fee_rates_e8(self._account_id, symbol)
        return FeeRates(symbol=symbol, maker=money(maker_e8), taker=money(taker_e8))

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        trades = self._exchange.trades(self._account_id, symbol)
        return [
            fill_of(trade)
            for trade in trades
            if start_ms <= trade.time_ms and (end_ms is None or trade.time_ms <= end_ms)
        ]

    async def income_rows(
        self, start_ms: int, end_ms: int | None = None, income_type: str | None = None
    ) -> list[IncomeRow]:
        return [
            IncomeRow(
                transaction_id=str(row.transaction_id),
                symbol=row.symbol,
                income_type=row.income_type,
                income=money(row.atoms),
                asset=row.asset,
                time_ms=row.time_ms,
                trade_id="" if row.trade_id is None else str(row.trade_id),
            )
            for row in self._exchange.income(self._account_id)
            if start_ms <= row.time_ms
            and (end_ms is None or row.time_ms <= end_ms)
            and income_type in (None, row.income_type)
        ]

    # --- market ---------------------------------------------------------------------------------------

    async def instruments(self) -> dict[str, Instrument]:
        return {symbol: spec.instrument for symbol, spec in self._exchange.contracts().items()}

    async def get_mark_price(self, symbol: str) -> Decimal:
        return (await self.mark_price(symbol)).mark

    async def mark_price(self, symbol: str) -> MarkPrice:
        with refusals():
            return mark_of(self._exchange.mark(symbol), self._clock.now_ns())

    async def quote(self, symbol: str) -> Quote:
        with refusals():
            quote = self._quote(symbol)
        if quote is None:
            raise refusal_of(-1112, "one side of the book is empty", 400, _IN_PROCESS)
        return quote

    def _quote(self, symbol: str) -> Quote | None:
        book = self._exchange.book(symbol, 1)
        if not book.bids or not book.asks:
            return None
        (bid, bid_lots), (ask, ask_lots) = book.bids[0], book.asks[0]
        return Quote(
            symbol=symbol,
            bid=book.spec.price_of(bid),
            bid_quantity=book.spec.quantity_of(bid_lots),
            ask=book.spec.price_of(ask),
            ask_quantity=book.spec.quantity_of(ask_lots),
            event_ms=book.time_ms,
            received_ns=self._clock.now_ns(),
        )

    async def bars(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Bar]:
        """One-minute bars alone. Raises ValueError for another interval."""
        if interval != "1m":
            raise ValueError(f"only 1m bars are served in process, {interval} was asked for")
        with refusals():
            records = self._exchange.klines(symbol, MINUTE_MS, start_ms, end_ms, limit or _DEFAULT_BARS)
        return [bar_of(record, is_closed=record.close_ms < self._exchange.now_ms) for record in records]

    async def measure_clock(self, samples: int = 5) -> ClockOffset:  # noqa: ARG002 - one clock here
        return ClockOffset(offset_ms=0.0, uncertainty_ms=0.0)

    # --- streams --------------------------------------------------------------------------------------

    async def open_market_stream(
        self, channels: Sequence[MarketChannel], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        by_symbol = {channel.symbol: channel for channel in channels}
        marked = [channel.symbol for channel in channels if channel.marks]
        periodic = PeriodicStreams(on_event, self._mark_at, marked, self._exchange.now_ms)
        for update in self._bars_now(channel.symbol for channel in channels if channel.bars):
            periodic.take(update)

        def listen(event: ExchangeEvent) -> None:
            if not isinstance(event, _MARKET_EVENTS):
                return
            periodic.tell_due(event.time_ms)
            translated = self._market_event(event, by_symbol)
            if isinstance(translated, BarUpdated):
                periodic.take(translated)
            elif translated is not None:
                on_event(translated)

        # Time passes without an event too, and what was due meanwhile is told as the wire's streams tell it.
        return Subscription(
            self._exchange.subscribe(listen), on_fence=lambda: periodic.tell_due(self._exchange.now_ms)
        )

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        def listen(event: ExchangeEvent) -> None:
            translated = self._user_event(event)
            if translated is not None:
                on_event(translated)

        return Subscription(self._exchange.subscribe(listen))

    async def close(self) -> None:
        return

    def _market_event(self, event: ExchangeEvent, channels: dict[str, MarketChannel]) -> StreamEvent | None:
        received_ns = self._clock.now_ns()
        match event:
            case BookEvent(spec=spec, best_changed=True) if _wants(channels, spec, "quotes"):
                quote = self._quote(spec.symbol)
                if quote is None:
                    return None
                return QuoteUpdated(event_ms=event.time_ms, received_ns=received_ns, quote=quote)
            case KlineEvent(bar=record) if _wants(channels, record.spec, "bars"):
                bar = bar_of(record, is_closed=event.is_closed)
                return BarUpdated(event_ms=event.time_ms, received_ns=received_ns, bar=bar)
            case _:
                return None

    def _bars_now(self, symbols: Iterable[str]) -> Iterator[BarUpdated]:
        """The running bar of each symbol, which a stream tells first."""
        now_ms = self._exchange.now_ms
        for symbol in symbols:
            for record in self._exchange.klines(symbol, MINUTE_MS, None, None, 1):
                bar = bar_of(record, is_closed=False)
                if bar.open_ms <= now_ms <= bar.close_ms:
                    yield BarUpdated(event_ms=now_ms, received_ns=self._clock.now_ns(), bar=bar)

    def _mark_at(self, symbol: str, at_ms: int) -> MarkUpdated:
        received_ns = self._clock.now_ns()
        mark = replace(mark_of(self._exchange.mark(symbol), received_ns), event_ms=at_ms)
        return MarkUpdated(event_ms=at_ms, received_ns=received_ns, mark=mark)

    def _user_event(self, event: ExchangeEvent) -> StreamEvent | None:
        received_ns = self._clock.now_ns()
        match event:
            case OrderEvent(order=order) if order.account_id == self._account_id:
                return OrderChanged(
                    event_ms=event.time_ms,
                    received_ns=received_ns,
                    report=order_report(order),
                    fill=None if event.trade is None else fill_of(event.trade, order.order_type),
                )
            case AccountEvent(account_id=self._account_id):
                return account_changed(event, received_ns)
            case ConfigEvent(account_id=self._account_id, symbol=str(symbol), leverage=int(leverage)):
                return LeverageChanged(
                    event_ms=event.time_ms, received_ns=received_ns, symbol=symbol, leverage=leverage
                )
            case _:
                return None


class Subscription:
    """A listener of the exchange as an `EventStream`."""

    def __init__(self, unsubscribe: Callable[[], None], on_fence: Callable[[], None] = lambda: None) -> None:
        self._unsubscribe = unsubscribe
        self._on_fence = on_fence

    async def fence(self) -> None:
        """In process every event is delivered before the call that caused it returns, but for what the stream
        tells at the end of a period."""
        self._on_fence()

    async def close(self) -> None:
        self._unsubscribe()


@contextmanager
def refusals() -> Iterator[None]:
    """Turns the exchange's refusals into the client's errors."""
    try:
        yield
    except VenueRefusal as refusal:
        raise refusal_of(refusal.code, refusal.message, refusal.http_status, _IN_PROCESS) from refusal


def _wants(channels: dict[str, MarketChannel], spec: ContractSpec, what: str) -> bool:
    channel = channels.get(spec.symbol)
    return channel is not None and bool(getattr(channel, what))
