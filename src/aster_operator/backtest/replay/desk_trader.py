"""The live desk's rules on the venue of arrays: any strategy of single positions, decided on closed bars.

The decision is the strategy's own, and so are levels, sizes, guards and the risk gate: this is what stands
between them and arrays. A bar is told with the first event of the next minute, as the venue's stream does;
the decision rests on the market as it was then, and its order meets what that event brought.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from aster_operator.backtest.replay.engine import ReplayBar, ReplayFill, TickReplay
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import NewOrder, Refused
from aster_operator.execution.positions.guards import Guards
from aster_operator.execution.positions.position import ExitKind, ManagedPosition, own_position
from aster_operator.execution.positions.protection import exit_price, trails_itself
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.positions.sizing import entry_quantity
from aster_operator.strategy.asking import decide
from aster_operator.strategy.bar_history import Arrival, BarHistory
from aster_operator.strategy.base import BarView, Enter, Exit, Strategy
from aster_operator.strategy.intents import AccountStatus
from aster_operator.strategy.parameters import RiskLimits
from aster_operator.strategy.risk_manager import ExposureView, RiskManager

__all__ = ["DeskTrade", "DeskTrader"]


@dataclass
class DeskTrade:
    """One position from entry to exit. `side` +1 long, -1 short; times in ms, money in quote units."""

    side: int
    decided_ms: int
    entered_ms: int
    quantity: float
    entry_price: float
    reason: ExitReason | None = None
    exited_ms: int = 0
    exit_price: float = 0.0


@dataclass(frozen=True)
class _Picture:
    """The market when a bar closed."""

    bar: Bar
    bid: float
    ask: float
    mark: float
    funding_rate: float
    quote_ms: float
    mark_ms: float


class DeskTrader:
    """A `TickStrategy` that trades one symbol as the live desk does.

    `deposit_usd` is the account's money at the start, `past` the closed bars from before it. What the desk
    judges with every mark (drawdown of the day, limits of the account, the time of day to be flat) is judged
    here when a bar closes.
    """

    def __init__(
        self,
        strategy: Strategy,
        instrument: Instrument,
        desk: PositionDeskSettings,
        limits: RiskLimits,
        *,
        deposit_usd: Decimal,
        past: Iterable[Bar] = (),
    ) -> None:
        self.decisions = 0
        self.trades: list[DeskTrade] = []
        self._strategy, self._instrument, self._desk, self._limits = strategy, instrument, desk, limits
        self._symbol = instrument.symbol
        self._guards = Guards(desk.guards)
        self._risk = RiskManager(limits, {instrument.symbol: instrument})
        self._deposit = deposit_usd
        self._history = BarHistory(strategy.warm_up_bars)
        for bar in past:
            self._history.add(bar)
        self._heard = 0
        self._picture: _Picture | None = None
        self._position: ManagedPosition | None = None
        self._reasons: dict[int, ExitReason] = {}
        self._cash_before = 0.0
        self._is_closing = False

    @property
    def exits_by_reason(self) -> dict[str, int]:
        return dict(sorted(Counter(str(trade.reason) for trade in self.trades if trade.reason).items()))

    # --- bars and decisions

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        silent, self._heard = replay.events_played == self._heard, replay.events_played
        next_ms = replay.next_event_ms
        closed = None if silent or next_ms is None else self._bar(replay, bar)
        if closed is None or next_ms is None or self._history.add(closed) is not Arrival.NEW:
            return
        self._picture = _Picture(
            closed, replay.bid, replay.ask, replay.mark, replay.funding_rate, replay.quote_ms, replay.mark_ms
        )
        replay.set_timer(next_ms + 1)

    def on_timer(self, replay: TickReplay) -> None:
        picture, self._picture = self._picture, None
        if picture is not None:
            self._decide(replay, picture, int(replay.now_ms) - 1)

    def _bar(self, replay: TickReplay, bar: ReplayBar) -> Bar | None:
        """The bar in exact numbers; in a minute without trades it stands at the last price."""
        prices = (bar.open, bar.high, bar.low, bar.close)
        if bar.close != bar.close:
            price = replay.last if replay.last == replay.last else (replay.bid + replay.ask) / 2
            if price != price:
                return None
            prices = (price,) * 4
        open_, high, low, close = (self._price(price) for price in prices)
        return Bar(
            symbol=self._symbol,
            interval="1m",
            open_ms=bar.close_ms + 1 - MINUTE_MS,
            close_ms=bar.close_ms,
            open=open_,
            high=high,
            low=low,
            close=close,
            base_volume=self._exact(bar.volume),
            quote_volume=ZERO,
            trades=0,
            taker_buy_base_volume=ZERO,
            taker_buy_quote_volume=ZERO,
            is_closed=True,
        )

    def _price(self, price: float) -> Decimal:
        return self._instrument.round_price_nearest(Decimal(price))

    def _view(self, picture: _Picture, now_ms: int) -> BarView:
        return BarView(
            symbol=self._symbol,
            now_ms=now_ms,
            bars=self._history.bars,
            bid=self._price(picture.bid) if picture.bid == picture.bid else None,
            ask=self._price(picture.ask) if picture.ask == picture.ask else None,
            mark=Decimal(str(picture.mark)) if picture.mark == picture.mark else None,
            funding_rate=Decimal(str(picture.funding_rate)) if picture.mark == picture.mark else None,
            tick_size=self._instrument.tick_size,
            taker_fee_rate=self._desk.taker_fee_rate(self._symbol),
            position=own_position(self._position),
        )

    def _decide(self, replay: TickReplay, picture: _Picture, now_ms: int) -> None:
        if self._position is not None and self._position.filled_ms is None and replay.open_orders == 0:
            self._position = None  # The entry found nothing at its price.
        equity = self._equity(replay)
        self._guards.take_equity(equity, now_ms)
        self._risk.observe_equity(equity, now_ms)
        forced = self._guards.must_close(equity, now_ms)
        if forced is not None:
            self._close(replay, forced[0])
        view = self._view(picture, now_ms)
        decision = decide(self._strategy, view)
        self.decisions += 1
        action, intent = decision.action, decision.intent
        if isinstance(intent, Enter):
            against = self._against(picture, now_ms) or self._enter(replay, view, intent, equity)
            action = f"blocked: {against}" if against else action
        elif isinstance(intent, Exit):
            self._close(replay, ExitReason.SIGNAL)
        replay.decided(action)

    def _equity(self, replay: TickReplay) -> Decimal:
        """With what is held at the mark."""
        value = replay.position * replay.mark if replay.position else 0.0
        return self._deposit + Decimal(replay.cash + value)

    def _against(self, picture: _Picture, now_ms: int) -> str | None:
        """What the desk itself has against an entry, None for nothing."""
        limits = self._limits
        if not now_ms - picture.mark_ms <= limits.max_mark_age_ms:
            return "the mark price is old"
        if not now_ms - picture.quote_ms <= limits.max_quote_age_ms:
            return "the quote is old"
        if now_ms - (picture.bar.close_ms + 1) > self._desk.guards.max_bar_age_ms:
            return "the bar is old"
        if self._position is not None:
            return "a position is held"
        if not self._strategy.trades(self._symbol) or not self._desk.enable_trading:
            return "not enabled"
        verdicts = self._guards.entry_verdicts(self._symbol, 0, now_ms)
        return next((verdict.name for verdict in verdicts if not verdict.passed), None)

    # --- entering and leaving

    def _enter(self, replay: TickReplay, view: BarView, intent: Enter, equity: Decimal) -> str | None:
        """Send the entry, or say what stands against it."""
        price = view.ask if intent.side is Side.BUY else view.bid
        if price is None or view.mark is None:
            return "no quote"
        balance = min(equity, self._limits.capital_usd)
        quantity = entry_quantity(self._desk.sizing, self._instrument, price, balance)
        if isinstance(quantity, Refused):
            return quantity.rule
        entry = NewOrder(
            client_order_id=f"entry-{replay.orders_sent + 1}",
            symbol=self._symbol,
            side=intent.side,
            position_side=PositionSide.BOTH,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            price=price,
            time_in_force=TimeInForce.IOC,
            reason=intent.reason,
        )
        account = AccountStatus(
            now_ms=view.now_ms, equity_usd=equity, maintenance_margin_usd=ZERO, available_usd=equity
        )
        exposure = ExposureView(
            now_ms=view.now_ms,
            marks={self._symbol: view.mark},
            held={},
            pending_open={},
            pending_close={},
            account=account,
        )
        approved = self._risk.approve(entry, exposure)
        if isinstance(approved, Refused):
            return approved.rule
        self._position = ManagedPosition(
            position_ref=entry.client_order_id,
            strategy=self._strategy.name,
            symbol=self._symbol,
            side=intent.side,
            position_side=PositionSide.BOTH,
            plan=intent.exits,
            decided_ms=view.now_ms,
            entry=entry,
            bid=view.bid,
            ask=view.ask,
            mark_at_entry=view.mark,
        )
        self._cash_before = replay.cash
        replay.ioc(intent.side.sign, float(quantity), float(price))
        return None

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None:
        position = self._position
        if position is None:
            return
        if position.filled_ms is None:
            self._opened(replay, position, fill)
            return
        if replay.position == 0:
            self._closed(replay, fill)

    def _opened(self, replay: TickReplay, position: ManagedPosition, fill: ReplayFill) -> None:
        position.filled_ms = int(fill.time_ms)
        position.held = self._exact(fill.quantity)
        position.reported_entry_price = self._price(fill.price)
        self.trades.append(
            DeskTrade(fill.side, position.decided_ms, int(fill.time_ms), fill.quantity, fill.price)
        )
        side, held = -fill.side, fill.quantity
        levels = {kind: self._level(position, kind) for kind in ExitKind if kind is not ExitKind.CLOSE}
        stop, target, arms = levels[ExitKind.STOP], levels[ExitKind.TAKE_PROFIT], levels[ExitKind.TRAILING]
        if stop is not None:
            if side * (replay.mark - stop) >= 0:
                self._close(replay, ExitReason.STOP_LOSS)
                return
            self._reasons[replay.stop(side, held, stop)] = ExitReason.STOP_LOSS
        if target is not None:
            if side * (replay.last - target) <= 0:
                self._close(replay, ExitReason.TAKE_PROFIT)
                return
            self._reasons[replay.take_profit(side, held, target)] = ExitReason.TAKE_PROFIT
        if arms is not None:
            self._reasons[self._trail(replay, position, side, held, arms)] = ExitReason.TRAILING_STOP

    def _trail(
        self, replay: TickReplay, position: ManagedPosition, side: int, held: float, arms: float
    ) -> int:
        """At the venue where it takes the callback and the price is not there yet, else run from here."""
        callback_bps = float(position.plan.trailing_callback_bps or 0)
        is_there = side * (replay.last - arms) <= 0
        if is_there or trails_itself(position, self._desk):
            armed = is_there and not trails_itself(position, self._desk)
            return replay.trail_here(side, held, arms, callback_bps, armed=armed)
        return replay.trailing_stop(side, held, arms, callback_bps)

    def _level(self, position: ManagedPosition, kind: ExitKind) -> float | None:
        plan = position.plan
        bps = {
            ExitKind.STOP: plan.stop_loss_bps,
            ExitKind.TAKE_PROFIT: plan.take_profit_bps,
            ExitKind.TRAILING: plan.trailing_activation_bps,
        }[kind]
        return None if bps is None else float(exit_price(position, kind, self._instrument))

    def _exact(self, quantity: float) -> Decimal:
        step = self._instrument.lot.step
        return round(Decimal(quantity) / step) * step

    def _closed(self, replay: TickReplay, fill: ReplayFill) -> None:
        trade = self.trades[-1]
        trade.exited_ms, trade.exit_price = int(fill.time_ms), fill.price
        trade.reason = self._reasons.get(fill.order, ExitReason.VENUE)
        replay.cancel_all()
        self._position, self._is_closing = None, False
        self._reasons.clear()
        self._guards.take_trade(self._symbol, Decimal(replay.cash - self._cash_before), int(fill.time_ms))

    def _close(self, replay: TickReplay, reason: ExitReason) -> None:
        """Close what is held at the market; the stop rests until nothing is held."""
        if replay.position == 0 or self._is_closing:
            return
        order = replay.market(-1 if replay.position > 0 else 1, abs(replay.position), reduce_only=True)
        self._reasons[order], self._is_closing = reason, True

    def flatten(self, replay: TickReplay) -> None:
        """Close what is held at the end, as the owner."""
        self._picture = None
        self._close(replay, ExitReason.OWNER)
