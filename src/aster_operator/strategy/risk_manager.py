"""Sizing, limits and the gate every order passes.

`RiskManager.approve` is the only maker of `Approved`: nothing reaches the wire around it. Pending orders
count against every limit, so that two intents in flight can never break one together.
"""

from collections import deque
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import Approved, NewOrder, Refused
from aster_operator.strategy.intents import PairStatus
from aster_operator.strategy.parameters import RiskLimits

__all__ = ["ExposureView", "LegTooSmall", "RiskManager"]

_MARK_GRACE = Decimal("1.01")
"""Sizes are cut at one mark and checked at later ones: room for the price to move while a pair opens."""


class LegTooSmall(ValueError):
    """One leg at the configured size is below the smallest order the venue takes.

    `smallest_capital_usd` is the capital that works with the same share and leverage.
    """

    def __init__(
        self,
        symbol: str,
        leg_usd: Decimal,
        smallest_quantity: Decimal,
        price: Decimal,
        base_asset: str,
        smallest_capital_usd: Decimal,
    ) -> None:
        self.symbol = symbol
        self.smallest_capital_usd = smallest_capital_usd
        super().__init__(
            f"a {symbol} leg of ${leg_usd:,.2f} is below the smallest order of "
            f"{plain_text(smallest_quantity)} {base_asset} (${smallest_quantity * price:,.2f} at "
            f"{plain_text(price)}); the smallest CAPITAL_USDT that works is "
            f"{plain_text(smallest_capital_usd)}"
        )


class ExposureView(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate needs to know besides the order, at this instant.

    `held` maps (symbol, position side) to unsigned base units; `pending_open` and `pending_close` are the
    unfilled base units of live orders that would enlarge or reduce that position. `equity_usd` is wallet
    plus unrealised PnL, None until the first account snapshot.
    """

    now_ms: int
    marks: Mapping[str, Decimal]
    held: Mapping[tuple[str, PositionSide], Decimal]
    pending_open: Mapping[tuple[str, PositionSide], Decimal]
    pending_close: Mapping[tuple[str, PositionSide], Decimal]
    equity_usd: Decimal | None


class RiskManager:
    """Limits of one session. Holds only what it needs to remember: order times and equity marks."""

    def __init__(self, limits: RiskLimits, instruments: Mapping[str, Instrument]) -> None:
        self.limits = limits
        self._instruments = dict(instruments)
        self._order_times_ms: deque[int] = deque()
        self._peak_equity: Decimal | None = None
        self._day_start_equity: Decimal | None = None

    # --- sizing ---------------------------------------------------------------------------------------

    def calculate_position_size(self, price: Decimal | float, symbol: str | None = None) -> Decimal:
        """Base units of one leg at `price` (USD): capital x share x leverage, cut to the lot.

        `symbol` defaults to the only or first instrument. Raises LegTooSmall instead of rounding to zero.
        """
        instrument = self._instruments[symbol or next(iter(self._instruments))]
        price = price if isinstance(price, Decimal) else Decimal(str(price))
        leg_usd = self.limits.leg_notional_usd
        quantity = instrument.lot.floor(leg_usd / price)
        smallest = instrument.smallest_quantity(price)
        if quantity < smallest:
            share = self.limits.max_position_size_pct / 100 * self.limits.leverage
            capital = (smallest * price / share).quantize(Decimal(1), rounding=ROUND_CEILING)
            raise LegTooSmall(instrument.symbol, leg_usd, smallest, price, instrument.base_asset, capital)
        return quantity

    def calculate_pair_size(self, price: Decimal, symbol: str, gross_usd: Decimal) -> Decimal | Refused:
        """Base units of each leg of a new pair: one leg's size, cut so that both legs fit under the total
        limit beside the `gross_usd` already held or planned. Refused when not even the smallest order fits.
        """
        try:
            quantity = self.calculate_position_size(price, symbol)
        except ValueError as unfit:  # LegTooSmall, or no quantity passes the venue's filters at this price
            return Refused(rule="MAX_POSITION_SIZE_PCT", reason=str(unfit))
        limit_usd = self.limits.total_notional_limit_usd
        leg_room_usd = (limit_usd - gross_usd) / (2 * _MARK_GRACE)
        if quantity * price <= leg_room_usd:
            return quantity
        instrument = self._instruments[symbol]
        fitting = instrument.lot.floor(leg_room_usd / price)
        if fitting < instrument.smallest_quantity(price):
            return Refused(
                rule="MAX_TOTAL_NOTIONAL_USD",
                reason=f"${gross_usd:,.2f} of ${limit_usd:,.2f} gross is held or planned: "
                f"no room for a pair in {symbol}",
            )
        return fitting

    def get_current_exposure(self, view: ExposureView) -> Decimal:
        """Gross notional (USD) of everything held and everything pending that would enlarge it.

        What has no mark in the view is left out; `approve` opens nothing while that concerns a symbol of
        this session.
        """
        total = ZERO
        for source in (view.held, view.pending_open):
            for (symbol, _), quantity in source.items():
                mark = view.marks.get(symbol)
                if mark is not None:
                    total += quantity * mark
        return total

    # --- standing judgements --------------------------------------------------------------------------

    def observe_equity(self, equity_usd: Decimal, *, new_day: bool) -> None:
        """Remember the peak and the day's first equity, which drawdown and daily loss are measured from."""
        if self._peak_equity is None or equity_usd > self._peak_equity:
            self._peak_equity = equity_usd
        if self._day_start_equity is None or new_day:
            self._day_start_equity = equity_usd

    def can_open_new_position(self, equity_usd: Decimal | None) -> Refused | None:
        """None when entries are allowed, else the account-level limit that forbids them."""
        if equity_usd is None or self._peak_equity is None or self._day_start_equity is None:
            return Refused(rule="account", reason="account equity is not known yet")
        limits = self.limits
        drawdown = self._peak_equity - equity_usd
        if drawdown > self._peak_equity * limits.max_drawdown_pct / 100:
            return Refused(
                rule="MAX_DRAWDOWN_PCT",
                reason=f"equity is ${drawdown:,.2f} below its peak, limit {limits.max_drawdown_pct} %",
            )
        daily_loss = self._day_start_equity - equity_usd
        if daily_loss > self._day_start_equity * limits.max_daily_loss_pct / 100:
            return Refused(
                rule="MAX_DAILY_LOSS_PCT",
                reason=f"today's loss is ${daily_loss:,.2f}, limit {limits.max_daily_loss_pct} % "
                "of the day's first equity",
            )
        return None

    def should_close_position(self, pair: PairStatus) -> Refused | None:
        """The pair limit that is breached, None when the pair may live. Judged on the pair, never a leg."""
        stop_usd = self.limits.capital_usd * self.limits.stop_loss_pct / 100
        if pair.pnl_usd <= -stop_usd:
            return Refused(
                rule="STOP_LOSS_PCT",
                reason=f"pair PnL ${pair.pnl_usd:,.2f} is below -{self.limits.stop_loss_pct} % of capital",
            )
        if pair.gross_usd > 0:
            drift_usd = pair.gross_usd * self.limits.max_pnl_drift_pct / 100
            if abs(pair.net_delta_usd) > drift_usd:
                return Refused(
                    rule="MAX_PNL_DRIFT_PCT",
                    reason=f"net delta ${pair.net_delta_usd:,.2f} exceeds {self.limits.max_pnl_drift_pct} % "
                    f"of ${pair.gross_usd:,.2f} gross",
                )
            if abs(pair.pnl_usd) > drift_usd:
                return Refused(
                    rule="MAX_PNL_DRIFT_PCT",
                    reason=f"pair PnL ${pair.pnl_usd:,.2f} drifted beyond {self.limits.max_pnl_drift_pct} % "
                    f"of ${pair.gross_usd:,.2f} gross",
                )
        return None

    # --- the gate -------------------------------------------------------------------------------------

    def approve(
        self, order: NewOrder, view: ExposureView, *, hedges: bool = False
    ) -> Approved[NewOrder] | Refused:
        """Pass or refuse one order. Orders that reduce are held only to what there is to reduce.

        `hedges` marks an opening order that only completes what its other leg already filled: account-level
        blocks on new risk do not hold it back, because refusing it would leave a lone leg.
        """
        instrument = self._instruments.get(order.symbol)
        if instrument is None:
            return Refused(rule="symbol", reason=f"{order.symbol} is not traded in this session")
        refused = self._check_quantity(order, instrument)
        if refused is None and order.opens_position:
            refused = self._check_opening(order, instrument, view, hedges=hedges)
        elif refused is None:
            refused = self._check_reducing(order, view)
        if refused is not None:
            return refused
        self._order_times_ms.append(view.now_ms)
        return Approved(order)

    def _check_quantity(self, order: NewOrder, instrument: Instrument) -> Refused | None:
        quantity = order.quantity
        if quantity is None:
            return None if order.close_position else Refused(rule="quantity", reason="no quantity given")
        lot = instrument.market_lot if order.order_type.executes_as_market else instrument.lot
        if quantity <= 0 or (quantity - lot.min_quantity) % lot.step != 0:
            return Refused(
                rule="lot", reason=f"{plain_text(quantity)} {order.symbol} is off the lot {lot.step}"
            )
        if quantity < lot.min_quantity:
            return Refused(
                rule="lot",
                reason=f"{plain_text(quantity)} {order.symbol} is below the venue's "
                f"{plain_text(lot.min_quantity)}",
            )
        if lot.max_quantity > 0 and quantity > lot.max_quantity:
            return Refused(
                rule="lot",
                reason=f"{plain_text(quantity)} {order.symbol} exceeds the venue's {lot.max_quantity}",
            )
        return None

    def _check_opening(
        self, order: NewOrder, instrument: Instrument, view: ExposureView, *, hedges: bool
    ) -> Refused | None:
        if not instrument.is_trading:
            return Refused(rule="status", reason=f"{order.symbol} is {instrument.status}, not TRADING")
        blocked = None if hedges else self.can_open_new_position(view.equity_usd)
        if blocked is not None:
            return blocked
        mark = view.marks.get(order.symbol)
        if mark is None:
            return Refused(rule="mark", reason=f"mark price of {order.symbol} is unknown")
        quantity = order.quantity or ZERO
        if quantity * (order.price or mark) < instrument.min_notional:
            return Refused(rule="min_notional", reason=f"order value is below {instrument.min_notional} USD")
        refused = self._check_size_limits(order, quantity, mark, view)
        if refused is not None:
            return refused
        while self._order_times_ms and self._order_times_ms[0] <= view.now_ms - MINUTE_MS:
            self._order_times_ms.popleft()
        if not hedges and len(self._order_times_ms) >= self.limits.max_orders_per_minute:
            return Refused(
                rule="MAX_ORDERS_PER_MINUTE",
                reason=f"{len(self._order_times_ms)} orders in the last minute",
            )
        return None

    def _check_size_limits(
        self, order: NewOrder, quantity: Decimal, mark: Decimal, view: ExposureView
    ) -> Refused | None:
        key = (order.symbol, order.position_side)
        leg_quantity = view.held.get(key, ZERO) + view.pending_open.get(key, ZERO) + quantity
        # One lot of grace: sizes are cut at the quote, this check runs at the mark a moment later.
        leg_limit = self.limits.leg_notional_usd * _MARK_GRACE + mark * self._lot(order.symbol)
        if leg_quantity * mark > leg_limit:
            return Refused(
                rule="MAX_POSITION_SIZE_PCT",
                reason=f"{order.position_side} {order.symbol} would be ${leg_quantity * mark:,.2f}, "
                f"limit ${leg_limit:,.2f} with pending orders counted",
            )
        unvalued = self._symbol_without_mark(view)
        if unvalued is not None:
            return Refused(rule="mark", reason=f"mark price of {unvalued}, which is held, is unknown")
        total = self.get_current_exposure(view) + quantity * mark
        total_limit = self.limits.total_notional_limit_usd
        if total > total_limit:
            return Refused(
                rule="MAX_TOTAL_NOTIONAL_USD",
                reason=f"gross exposure would be ${total:,.2f}, limit ${total_limit:,.2f} "
                "with pending orders counted",
            )
        return None

    def _symbol_without_mark(self, view: ExposureView) -> str | None:
        """A symbol of this session that carries exposure nobody can value, None when there is none."""
        for source in (view.held, view.pending_open):
            for (symbol, _), quantity in source.items():
                if quantity and symbol in self._instruments and symbol not in view.marks:
                    return symbol
        return None

    def _lot(self, symbol: str) -> Decimal:
        return self._instruments[symbol].lot.step

    def _check_reducing(self, order: NewOrder, view: ExposureView) -> Refused | None:
        if order.close_position:
            return None
        key = (order.symbol, order.position_side)
        free = view.held.get(key, ZERO) - view.pending_close.get(key, ZERO)
        if (order.quantity or ZERO) > free:
            return Refused(
                rule="reduce",
                reason=f"closing {order.quantity} {order.position_side} {order.symbol}, but only "
                f"{plain_text(free)} is held and not already being closed",
            )
        return None
