"""Events for the core, made of plain values, and a bench that feeds them and keeps its commands."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from aster_operator.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    NotifyLevel,
    QueryOrder,
    RequestSnapshot,
    StopSession,
    SubmitOrder,
)
from aster_operator.domain.enums import (
    LiquidityRole,
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from aster_operator.domain.events import (
    AccountChanged,
    BalanceChange,
    BarUpdated,
    Event,
    Feed,
    FeedStatusChanged,
    MarkUpdated,
    OperatorAction,
    OperatorRequested,
    OrderChanged,
    PositionChange,
    QuoteUpdated,
    TimerFired,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.domain.market import Bar, MarkPrice, Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.pairing import Market, Pairing, market_of, venue_symbol
from aster_operator.domain.positions import AccountSnapshot, Balance, PositionReport
from aster_operator.execution.core import TradingCore
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.pair import Pair
from aster_operator.execution.policy import ExecutionPolicy
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.strategy.parameters import DeltaNeutralParameters, RiskLimits
from trading_values import NOW_MS, instrument_of, limits_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
START_MS = NOW_MS + 3_600_000
"""An hour after a funding stamp, so that none is near."""

C = TypeVar("C", bound=Command)


def market_quote(
    bid: str | Decimal = "49999.9", ask: str | Decimal = "50000.1", *, symbol: str = "BTCUSDT", at_ms: int
) -> Quote:
    return Quote(
        symbol=symbol,
        bid=Decimal(bid),
        bid_quantity=Decimal(1),
        ask=Decimal(ask),
        ask_quantity=Decimal(1),
        event_ms=at_ms,
        received_ns=0,
    )


def market_mark(
    mark: str | Decimal = "50000",
    *,
    symbol: str = "BTCUSDT",
    at_ms: int,
    next_funding_ms: int = START_MS + 8 * 3_600_000,
) -> MarkPrice:
    return MarkPrice(
        symbol=symbol,
        mark=Decimal(mark),
        index=Decimal(mark),
        funding_rate=Decimal("0.0001"),
        next_funding_ms=next_funding_ms,
        event_ms=at_ms,
        received_ns=0,
    )


def report_of(
    order: NewOrder,
    status: OrderStatus,
    *,
    at_ms: int,
    filled: str | Decimal = "0",
    average: str | Decimal = "0",
    order_id: int = 1,
) -> OrderReport:
    return OrderReport(
        symbol=order.symbol,
        order_id=order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        position_side=order.position_side,
        order_type=order.order_type,
        status=status,
        quantity=order.quantity or Decimal(0),
        filled_quantity=Decimal(filled),
        average_price=Decimal(average),
        price=order.price or Decimal(0),
        update_ms=at_ms,
    )


def fill_of(
    order: NewOrder,
    quantity: str | Decimal,
    price: str | Decimal,
    *,
    trade_id: int,
    at_ms: int,
    order_id: int = 1,
    **changes: Any,
) -> Fill:
    values: dict[str, Any] = {
        "symbol": order.symbol,
        "trade_id": trade_id,
        "order_id": order_id,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "position_side": order.position_side,
        "price": Decimal(price),
        "quantity": Decimal(quantity),
        "realized_pnl": Decimal(0),
        "commission": Decimal(0),
        "commission_asset": "USDT",
        "role": LiquidityRole.MAKER,
        "event_ms": at_ms,
        "order_type": order.order_type,
    }
    return Fill(**(values | changes))


def foreign_order(
    quantity: str | Decimal,
    position_side: PositionSide,
    *,
    opens: bool = False,
    client_order_id: str = "web_closed_by_hand",
    symbol: str = "BTCUSDT",
) -> NewOrder:
    """An order that is not the operator's: a click on the website, a liquidation."""
    side = position_side.opening_side if opens else position_side.closing_side
    return NewOrder(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        position_side=position_side,
        order_type=OrderType.MARKET,
        quantity=Decimal(quantity),
    )


def position_of(
    quantity: str | Decimal,
    position_side: PositionSide,
    *,
    symbol: str = "BTCUSDT",
    entry: str | Decimal = "50000",
    pnl: str | Decimal = "0",
) -> PositionReport:
    """`quantity` unsigned, as everywhere here; the report carries the sign."""
    sign = 1 if position_side is LONG else -1
    return PositionReport(
        symbol=symbol,
        position_side=position_side,
        quantity=sign * Decimal(quantity),
        entry_price=Decimal(entry),
        mark_price=Decimal(entry),
        unrealized_pnl=Decimal(pnl),
        liquidation_price=Decimal(0),
        leverage=5,
        margin_type=MarginType.CROSSED,
        isolated_margin=Decimal(0),
        max_notional=Decimal(10**8),
        update_ms=START_MS,
    )


def snapshot_of(
    positions: Iterable[PositionReport] = (),
    open_orders: Iterable[OrderReport] = (),
    *,
    at_ms: int = START_MS,
    wallet: str | Decimal = "10000",
    other_assets: str | Decimal = "0",
) -> VenueSnapshotTaken:
    usdt, total = Decimal(wallet), Decimal(wallet) + Decimal(other_assets)

    def balance(asset: str, amount: Decimal) -> Balance:
        return Balance(
            asset=asset, wallet_balance=amount, cross_wallet_balance=amount, available_balance=amount
        )

    return VenueSnapshotTaken(
        event_ms=at_ms,
        received_ns=0,
        account=AccountSnapshot(
            balances=(balance("USDF", Decimal(other_assets)), balance("USDT", usdt)),
            total_wallet_balance=total,
            total_unrealized_pnl=Decimal(0),
            total_margin_balance=total,
            total_initial_margin=Decimal(0),
            total_maintenance_margin=Decimal(0),
            available_balance=total,
            can_trade=True,
            can_withdraw=False,
            update_ms=at_ms,
        ),
        positions=tuple(positions),
        open_orders=tuple(open_orders),
    )


def account_changed(
    positions: Iterable[PositionReport] = (), *, at_ms: int, wallet: str | Decimal = "10000"
) -> AccountChanged:
    return AccountChanged(
        event_ms=at_ms,
        received_ns=0,
        reason="ORDER",
        balances=(
            BalanceChange(
                asset="USDT",
                wallet_balance=Decimal(wallet),
                cross_wallet_balance=Decimal(wallet),
                change=Decimal(0),
            ),
        ),
        positions=tuple(
            PositionChange(
                symbol=position.symbol,
                position_side=position.position_side,
                quantity=position.quantity,
                entry_price=position.entry_price,
                unrealized_pnl=position.unrealized_pnl,
                margin_type=MarginType.CROSSED,
                isolated_wallet=Decimal(0),
            )
            for position in positions
        ),
    )


def traded_instrument(symbol: str) -> Instrument:
    """A perpetual in lots of 0.001, or its spot market in much finer ones."""
    if market_of(symbol) is Market.PERP:
        return instrument_of(symbol)
    fine = LotFilter(Decimal("0.000001"), Decimal(1000), Decimal("0.000001"))
    return instrument_of(
        symbol, base_asset=venue_symbol(symbol).removesuffix("USDT"), lot=fine, market_lot=fine
    )


def closed_bars(symbol: str, closes: Iterable[float], *, end_ms: int) -> list[BarUpdated]:
    """Closed minutes, the last of which ended just before `end_ms`."""
    prices = [Decimal(str(round(close, 2))) for close in closes]
    first_ms = end_ms // 60_000 * 60_000 - len(prices) * 60_000
    return [
        BarUpdated(
            event_ms=end_ms,
            received_ns=0,
            bar=Bar(
                symbol=symbol,
                interval="1m",
                open_ms=first_ms + index * 60_000,
                close_ms=first_ms + index * 60_000 + 59_999,
                open=price,
                high=price,
                low=price,
                close=price,
                base_volume=Decimal(1),
                quote_volume=price,
                trades=1,
                taker_buy_base_volume=Decimal(0),
                taker_buy_quote_volume=Decimal(0),
                is_closed=True,
            ),
        )
        for index, price in enumerate(prices)
    ]


def settings_of(
    *,
    symbols: tuple[str, ...] = ("BTCUSDT",),
    policy: ExecutionPolicy | None = None,
    limits: RiskLimits | None = None,
    remembered: tuple[RememberedPair, ...] = (),
    run_id: str = "run",
    daily_usd: int = 10**9,
    hold_ms: int = 600_000,
    pairings: tuple[Pairing, ...] = (),
    **changes: Any,
) -> CoreSettings:
    """Legs of $5,000: 0.1 BTC at 50,000."""
    return CoreSettings(
        run_id=run_id,
        account="main",
        margin_asset="USDT",
        limits=limits or limits_of(),
        delta_neutral=DeltaNeutralParameters(
            symbols=symbols,
            pairings=pairings,
            hold_time_ms=hold_ms,
            daily_volume_target_usd=Decimal(daily_usd),
        ),
        policy=policy or ExecutionPolicy(),
        instruments={symbol: traded_instrument(symbol) for symbol in symbols},
        remembered=remembered,
        **changes,
    )


@dataclass
class Bench:
    """A core fed by hand: every method returns the commands that its one event led to."""

    core: TradingCore
    now_ms: int = START_MS
    commands: list[Command] = field(default_factory=list)
    _trade_id: int = 0

    @classmethod
    def started(cls, snapshot: VenueSnapshotTaken | None = None, **settings: Any) -> "Bench":
        """Reconciled, with a quote and a mark, nothing traded yet."""
        bench = cls(TradingCore(settings_of(**settings)))
        bench.commands += bench.core.start(START_MS)
        bench.market()
        bench.feed(snapshot or snapshot_of())
        return bench

    # --- what happened --------------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Command]:
        commands = list(self.core.handle(event))
        self.commands += commands
        return commands

    def timer(self, after_ms: int = 1_000) -> list[Command]:
        self.now_ms += after_ms
        return self.feed(TimerFired(event_ms=self.now_ms, received_ns=0))

    def quote(self, bid: str = "49999.9", ask: str = "50000.1", symbol: str = "BTCUSDT") -> list[Command]:
        quote = market_quote(bid, ask, symbol=symbol, at_ms=self.now_ms)
        return self.feed(QuoteUpdated(event_ms=self.now_ms, received_ns=0, quote=quote))

    def mark(self, mark: str = "50000", symbol: str = "BTCUSDT", **changes: Any) -> list[Command]:
        value = market_mark(mark, symbol=symbol, at_ms=self.now_ms, **changes)
        return self.feed(MarkUpdated(event_ms=self.now_ms, received_ns=0, mark=value))

    def market(self) -> list[Command]:
        """A fresh quote and mark of every symbol."""
        commands = []
        for symbol in self.core.settings.symbols:
            commands += self.quote(symbol=symbol) + self.mark(symbol=symbol)
        return commands

    def pass_time(self, seconds: int) -> list[Command]:
        """Seconds go by, with a living market."""
        commands = []
        for _ in range(seconds):
            commands += self.timer()
            commands += self.market()
        return commands

    def pass_moved(self, seconds: int) -> list[Command]:
        """Seconds go by in a market whose quote has moved up by ten."""
        commands = []
        for _ in range(seconds):
            commands += self.timer() + self.quote("50009.9", "50010.1") + self.mark()
        return commands

    def report(
        self,
        order: NewOrder,
        status: OrderStatus,
        filled: str | Decimal = "0",
        *,
        average: str | Decimal | None = None,
        from_stream: bool = True,
    ) -> list[Command]:
        price = order.price or Decimal(50_000)
        given = average if average is not None else (price if Decimal(filled) else Decimal(0))
        report = report_of(order, status, at_ms=self.now_ms, filled=filled, average=given)
        return self.feed(
            OrderChanged(event_ms=self.now_ms, received_ns=0, report=report, from_stream=from_stream)
        )

    def accept(self, order: NewOrder) -> list[Command]:
        return self.report(order, OrderStatus.NEW, from_stream=False)

    def fill_event(
        self, order: NewOrder, quantity: str | Decimal | None = None, *, total: str | Decimal | None = None
    ) -> OrderChanged:
        """One execution of `quantity` (default: the whole order); `total` is what is filled after it."""
        wanted = order.quantity or Decimal(0)
        now = wanted if quantity is None else Decimal(quantity)
        filled = now if total is None else Decimal(total)
        self._trade_id += 1
        status = OrderStatus.FILLED if filled == wanted else OrderStatus.PARTIALLY_FILLED
        price = order.price or Decimal(50_000)
        return OrderChanged(
            event_ms=self.now_ms,
            received_ns=0,
            report=report_of(order, status, at_ms=self.now_ms, filled=filled, average=price),
            fill=fill_of(order, now, price, trade_id=self._trade_id, at_ms=self.now_ms),
        )

    def fill(
        self, order: NewOrder, quantity: str | Decimal | None = None, *, total: str | Decimal | None = None
    ) -> list[Command]:
        return self.feed(self.fill_event(order, quantity, total=total))

    def feed_status(self, feed: Feed, *, healthy: bool) -> list[Command]:
        return self.feed(
            FeedStatusChanged(
                event_ms=self.now_ms, received_ns=0, feed=feed, healthy=healthy, detail="closed"
            )
        )

    def operator(self, action: OperatorAction) -> list[Command]:
        return self.feed(
            OperatorRequested(event_ms=self.now_ms, received_ns=0, action=action, actor="the owner")
        )

    # --- what came of it ------------------------------------------------------------------------------

    @property
    def pair(self) -> Pair:
        (pair,) = self.core.state.pairs.active()
        return pair

    def held(self) -> tuple[Decimal, Decimal]:
        """(long, short) of the only pair."""
        return self.pair.long.held, self.pair.short.held

    def all(self, kind: type[C]) -> list[C]:
        return of_kind(self.commands, kind)

    @property
    def orders(self) -> list[NewOrder]:
        """Every order ever sent."""
        return orders_in(self.commands)

    # --- getting somewhere ----------------------------------------------------------------------------

    def opened(self) -> "Bench":
        """A pair of 0.1 BTC a side, held."""
        (lead,) = orders_in(self.timer())
        self.accept(lead)
        (hedge,) = orders_in(self.fill(lead))
        self.accept(hedge)
        self.fill(hedge)
        self.feed(account_changed([position_of("0.1", LONG), position_of("0.1", SHORT)], at_ms=self.now_ms))
        self.timer()
        return self


def of_kind(commands: Iterable[Command], kind: type[C]) -> list[C]:
    return [command for command in commands if isinstance(command, kind)]


def orders_in(commands: Iterable[Command]) -> list[NewOrder]:
    return [command.order.value for command in of_kind(commands, SubmitOrder)]


def cancels_in(commands: Iterable[Command]) -> list[str]:
    return [command.client_order_id for command in of_kind(commands, CancelOrder)]


def queries_in(commands: Iterable[Command]) -> list[str]:
    return [command.client_order_id for command in of_kind(commands, QueryOrder)]


def snapshots_in(commands: Iterable[Command]) -> list[str]:
    return [command.reason for command in of_kind(commands, RequestSnapshot)]


def notices_in(commands: Iterable[Command], level: NotifyLevel) -> list[str]:
    return [command.message for command in of_kind(commands, Notify) if command.level is level]


def stops_in(commands: Iterable[Command]) -> list[StopSession]:
    return of_kind(commands, StopSession)


def side_of(order: NewOrder) -> tuple[Side, PositionSide]:
    return order.side, order.position_side
