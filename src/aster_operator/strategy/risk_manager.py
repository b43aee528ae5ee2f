"""Sizing, limits and the gate every order passes.

`RiskManager.approve` is the only maker of `Approved`: nothing reaches the wire around it. Pending orders
count against every limit, so that two intents in flight can never break one together.
"""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import Approved, NewOrder, Refused
from aster_operator.strategy.equity_marks import EquityMarks
from aster_operator.strategy.intents import AccountStatus, PairStatus
from aster_operator.strategy.limit_rules import Level
from aster_operator.strategy.parameters import RiskLimits
from aster_operator.strategy.risk_limits import (
    LimitReading,
    judge_account,
    judge_order_rate,
    judge_pair,
)
from aster_operator.strategy.sizing import MARK_GRACE, LegTooSmall, SizeView, leg_room

__all__ = ["ExposureView", "LegTooSmall", "RiskManager"]


class ExposureView(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate needs to know besides the order, at this instant.

    `held` maps (symbol, position side) to unsigned base units; `pending_open` and `pending_close` are the
    unfilled base units of live orders that would enlarge or reduce that position. `account` knows nothing
    until the first snapshot.
    """

    now_ms: int
    marks: Mapping[str, Decimal]
    held: Mapping[tuple[str, PositionSide], Decimal]
    pending_open: Mapping[tuple[str, PositionSide], Decimal]
    pending_close: Mapping[tuple[str, PositionSide], Decimal]
    account: AccountStatus


class RiskManager:
    """Limits of one session. Holds only what it needs to remember: order times and equity marks.

    `notional_caps` are the largest positions (USD) of the symbols' brackets at the leverage set, as far as
    the venue told; `marks` the equities of earlier sessions that losses are measured from.
    """

    def __init__(
        self,
        limits: RiskLimits,
        instruments: Mapping[str, Instrument],
        *,
        notional_caps: Mapping[str, Decimal] | None = None,
        marks: EquityMarks | None = None,
    ) -> None:
        self.limits = limits
        self.marks = marks
        self.notional_caps = dict(notional_caps or {})
        self._instruments = dict(instruments)
        self._order_times_ms: deque[int] = deque()

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """What may be traded, by symbol."""
        return self._instruments

    # --- sizing ---------------------------------------------------------------------------------------

    def calculate_position_size(self, price: Decimal | float, symbol: str | None = None) -> Decimal:
        """Base units of one leg at `price` (USD): capital x share x leverage, cut to the lot.

        `symbol` defaults to the only or first instrument. Raises LegTooSmall instead of rounding to zero.
        """
        instrument = self._instruments[symbol or next(iter(self._instruments))]
        price = price if isinstance(price, Decimal) else Decimal(str(price))
        quantity = instrument.lot.floor(self.limits.leg_notional_usd / price)
        if quantity < instrument.smallest_quantity(price):
            raise LegTooSmall.of(instrument, price, self.limits)
        return quantity

    def calculate_pair_size(
        self, price: Decimal, symbol: str, view: SizeView, *, most_usd: Decimal | None = None
    ) -> Decimal | Refused:
        """Base units of each leg of a new same-symbol pair: one leg's size, cut by the free margin, the
        bracket, the exposure limits with everything pending counted, the scaling options and `most_usd`.
        Refused, with what binds, when not even the smallest order fits.
        """
        try:
            quantity = self.calculate_position_size(price, symbol)
        except ValueError as unfit:  # LegTooSmall, or no quantity passes the venue's filters at this price
            return Refused(rule="MAX_POSITION_SIZE_PCT", reason=str(unfit))
        room = leg_room(self.limits, self._with_cap(view, symbol), symbol)
        if isinstance(room, Refused):
            return room
        if quantity * price > room.usd:
            quantity = self._instruments[symbol].lot.floor(max(room.usd, ZERO) / price)
            if quantity < self._instruments[symbol].smallest_quantity(price):
                return Refused(rule=room.rule, reason=room.reason)
        if most_usd is not None and quantity * price > most_usd:
            quantity = self._instruments[symbol].lot.floor(max(most_usd, ZERO) / price)
            if quantity < self._instruments[symbol].smallest_quantity(price):
                return Refused(rule="volume budget", reason="what is left is below the smallest order")
        return quantity

    def full_leg_usd(self, price: Decimal, symbol: str) -> Decimal:
        """Notional of one leg at its full size; zero when the venue takes none that small."""
        return self._instruments[symbol].lot.floor(self.limits.leg_notional_usd / price) * price

    def _with_cap(self, view: SizeView, symbol: str) -> SizeView:
        cap = self.notional_caps.get(symbol)
        return view if cap is None else msgspec.structs.replace(view, notional_cap_usd=cap)

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

    def observe_equity(self, equity_usd: Decimal, now_ms: int) -> None:
        """Remember the peak and the day's first equity, which drawdown and daily loss are measured from."""
        marks = self.marks
        self.marks = (
            EquityMarks.first(equity_usd, now_ms) if marks is None else marks.seen(equity_usd, now_ms)
        )

    def observe_transfer(self, amount_usd: Decimal, now_ms: int) -> None:
        """Money paid in (negative: taken out) is neither gain nor loss."""
        if self.marks is not None:
            self.marks = self.marks.moved(amount_usd, now_ms)

    def can_open_new_position(self, account: AccountStatus) -> Refused | None:
        """None when entries are allowed, else the account-level limit that forbids them or is not known."""
        for reading in judge_account(account, self.marks, self.limits):
            if reading.level is Level.UNKNOWN:
                return Refused(rule="account", reason=reading.reason)
            if reading.level is Level.ACT:
                return _refusal(reading)
        return None

    def breached_account_limit(self, account: AccountStatus) -> Refused | None:
        """The account-level limit that everything must be closed for; None while there is none."""
        for reading in judge_account(account, self.marks, self.limits):
            if reading.level is Level.ACT:
                return _refusal(reading)
        return None

    def should_close_position(self, pair: PairStatus) -> Refused | None:
        """The pair limit that is breached, None when the pair may live. Judged on the pair; a leg counts
        where the venue acts on legs: liquidation and auto-deleveraging."""
        for reading in judge_pair(pair, self.limits):
            if reading.level is Level.ACT:
                return _refusal(reading)
        return None

    def order_rate(self, now_ms: int) -> LimitReading:
        """How the number of orders in the last minute stands to its limit."""
        while self._order_times_ms and self._order_times_ms[0] <= now_ms - MINUTE_MS:
            self._order_times_ms.popleft()
        return judge_order_rate(len(self._order_times_ms), self.limits)

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

    def approve_follower(self, order: NewOrder, entry: NewOrder, now_ms: int) -> Approved[NewOrder] | Refused:
        """Pass or refuse an exit in its entry's request: it may close no more than that opens."""
        instrument = self._instruments.get(order.symbol)
        if instrument is None or order.symbol != entry.symbol:
            return Refused(rule="symbol", reason=f"{order.symbol} is not what the entry trades")
        refused = self._check_quantity(order, instrument)
        if refused is not None:
            return refused
        closes = not order.opens_position and order.side is entry.side.opposite
        if not closes or order.quantity is None or order.quantity > (entry.quantity or ZERO):
            return Refused(rule="reduce", reason=f"{order.symbol}: it would do more than close the entry")
        self._order_times_ms.append(now_ms)
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
        blocked = None if hedges else self.can_open_new_position(view.account)
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
        rate = self.order_rate(view.now_ms)
        return _refusal(rate) if rate.level is Level.ACT and not hedges else None

    def _check_size_limits(
        self, order: NewOrder, quantity: Decimal, mark: Decimal, view: ExposureView
    ) -> Refused | None:
        key = (order.symbol, order.position_side)
        leg_quantity = view.held.get(key, ZERO) + view.pending_open.get(key, ZERO) + quantity
        # One lot of grace: sizes are cut at the quote, this check runs at the mark a moment later.
        leg_limit = self.limits.leg_notional_usd * MARK_GRACE + mark * self._lot(order.symbol)
        if leg_quantity * mark > leg_limit:
            return Refused(
                rule="MAX_POSITION_SIZE_PCT",
                reason=f"{order.position_side} {order.symbol} would be ${leg_quantity * mark:,.2f}, "
                f"limit ${leg_limit:,.2f} with pending orders counted",
            )
        refused = self._check_symbol_limit(order, quantity, mark, view)
        if refused is not None:
            return refused
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

    def _check_symbol_limit(
        self, order: NewOrder, quantity: Decimal, mark: Decimal, view: ExposureView
    ) -> Refused | None:
        limit_usd = self.limits.max_symbol_notional_usd
        if limit_usd is None:
            return None
        sources = (view.held, view.pending_open)
        others = (
            amount for source in sources for (name, _), amount in source.items() if name == order.symbol
        )
        gross_usd = (sum(others, ZERO) + quantity) * mark
        if gross_usd <= limit_usd:
            return None
        return Refused(
            rule="MAX_SYMBOL_NOTIONAL_USD",
            reason=f"{order.symbol} would be ${gross_usd:,.2f} gross, limit ${limit_usd:,.2f} "
            "with pending orders counted",
        )

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


def _refusal(reading: LimitReading) -> Refused:
    return Refused(rule=reading.rule.setting, reason=reading.reason)
