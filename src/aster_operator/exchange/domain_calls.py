"""The `ExchangeClient` protocol on top of the venue's own calls: domain values in, domain values out."""

from collections import OrderedDict
from collections.abc import Iterable
from decimal import Decimal

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import MarginType, OrderType, PositionSide, Side
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import AccountSnapshot, PositionReport
from aster_operator.exchange import parse
from aster_operator.exchange.calls.account import AccountCalls
from aster_operator.exchange.calls.trading import TradingCalls
from aster_operator.exchange.domain_market_calls import DomainMarketCalls
from aster_operator.exchange.errors import (
    InvalidRequest,
    MalformedResponse,
    NoChangeNeeded,
    OrderNotFound,
    UnknownOutcome,
)
from aster_operator.exchange.wire.account import IncomeRecord
from aster_operator.exchange.wire.orders import OrderRecord, UserTradeRecord

__all__ = ["DomainCalls"]

_TRADE_SPAN_MS = 7 * DAY_MS - 1
_LONG_SPAN_MS = 182 * DAY_MS
"""Beyond this a history is not walked week by week from its start: first it is asked where it begins."""
_FIRST_FUTURES_MS = 1_567_296_000_000
"""2019-09-01: before any venue of this family traded futures, so no row can be older."""
_PAGE = 1000
_REMEMBERED_ORDERS = 10_000


class DomainCalls(DomainMarketCalls, TradingCalls, AccountCalls):
    """What the session loop needs, in domain values. Errors as in the calls underneath."""

    def __init__(self) -> None:
        self._client_ids: OrderedDict[int, str] = OrderedDict()
        """Client order id by order id: the venue's trade history names only the latter."""

    # --- the four names of the first source system -----------------------------------------------------

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
        """Place a market order and return it with its fill.

        `symbol` as the venue lists it. `side` is BUY or SELL. `quantity` is in units of the base asset.
        `position_side` is needed in hedge mode. `client_order_id` is a name of your own.
        `reduce_only` belongs to one-way mode. Raises as `place_order`. Weight 1. Section 4.3.
        """
        record = await self.new_order(
            symbol=symbol,
            side=side,
            type=OrderType.MARKET,
            quantity=quantity,
            position_side=position_side,
            new_client_order_id=client_order_id,
            reduce_only=True if reduce_only and position_side is PositionSide.BOTH else None,
            new_order_resp_type="RESULT",
            reduces=reduce_only,
        )
        return self._outcome(record, "POST order")

    async def get_position_risk(self, symbol: str | None = None) -> list[PositionReport]:
        """Return the positions, flat ones too; quantities are signed.

        `symbol` None means all. Raises as the calls underneath. Weight 5. Section 4.6.
        """
        records = await self.position_risk(symbol)
        return [parse.position_report(record, "GET positionRisk") for record in records]

    async def adl_quantiles(self) -> dict[tuple[str, PositionSide], int]:
        """Return each position's place in the queue for auto-deleveraging: 0 far, 4 next.

        Raises as the calls underneath. Weight 5. Section 4.6.
        """
        sides = {side.value: side for side in PositionSide}
        return {
            (record.symbol, sides[name]): quantile
            for record in await self.adl_quantile()
            for name, quantile in record.adl_quantile.items()
            if name in sides  # HEDGE only says that the account is in hedge mode
        }

    async def get_mark_price(self, symbol: str) -> Decimal:
        """Return the mark price in quote units.

        `symbol` as the venue lists it. Raises as the calls underneath. Weight 1. Section 4.1.
        """
        return (await self.mark_price(symbol)).mark

    async def close_position(
        self, symbol: str, position_side: PositionSide = PositionSide.BOTH
    ) -> OrderReport | None:
        """Close the whole position at market; None when there was none.

        `symbol` as the venue lists it. `position_side` is needed in hedge mode. Raises as `place_order`.
        Weight 6. Sections 4.3 and 4.6.
        """
        for position in await self.get_position_risk(symbol):
            if position.position_side is position_side and position.is_open:
                return await self.place_market_order(
                    symbol,
                    Side.SELL if position.quantity > 0 else Side.BUY,
                    abs(position.quantity),
                    position_side,
                    reduce_only=True,
                )
        return None

    # --- orders ----------------------------------------------------------------------------------------

    async def place_order(self, order: NewOrder) -> OrderReport:
        """Place an order of any type; a market order answers with its fill.

        `order` in domain values. Raises FilterViolation, InsufficientMargin, OrderRejected,
        PositionModeMismatch or another RequestRefused when the venue said no, UnknownOutcome when it may have
        acted. Weight 1. Section 4.3.
        """
        hedge = order.position_side is not PositionSide.BOTH
        record = await self.new_order(
            symbol=order.symbol,
            side=order.side,
            type=order.order_type,
            position_side=order.position_side,
            time_in_force=order.time_in_force,
            quantity=order.quantity,
            price=order.price,
            new_client_order_id=order.client_order_id,
            stop_price=order.stop_price,
            # The venue refuses reduceOnly in hedge mode, where positionSide already limits the order, and
            # beside closePosition.
            reduce_only=True if order.reduce_only and not hedge and not order.close_position else None,
            close_position=True if order.close_position else None,
            activation_price=order.activation_price,
            callback_rate=order.callback_rate_pct,
            working_type=order.working_type,
            price_protect=True if order.price_protect else None,
            # STP is a parameter of V3 alone; V1 would ignore it and pretend.
            stp_mode=order.self_trade_prevention if self._rest.uses_agent else None,
            new_order_resp_type="RESULT",
            reduces=not order.opens_position,
        )
        return self._outcome(record, "POST order")

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """Cancel by client id. Raises OrderNotFound (-2011) when it is not open, UnknownOutcome.

        `symbol` as the venue lists it. `client_order_id` is the one it was placed with. Weight 1; goes before
        everything else. Section 4.4.
        """
        record = await self.cancel(symbol, orig_client_order_id=client_order_id)
        return self._outcome(record, "DELETE order")

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        """Return the order of a client id in any state. Raises OrderNotFound (-2013).

        `symbol` as the venue lists it. `client_order_id` is the one it was placed with. Weight 1. Section
        4.4.
        """
        record = await self.get_order(symbol, orig_client_order_id=client_order_id)
        return self._report(record, "GET order")

    async def open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Return the open orders of one symbol (weight 1) or of all (weight 40).

        `symbol` None means all. Raises as the calls underneath. Section 4.4.
        """
        records = await self.get_open_orders(symbol)
        return [self._report(record, "GET openOrders") for record in records]

    async def cancel_all_orders(self, symbol: str) -> None:
        """Cancel all open orders of a symbol, protective ones too.

        `symbol` as the venue lists it. Raises as the calls underneath. Weight 1. Section 4.4.
        """
        await self.cancel_open_orders(symbol)

    async def change_order(
        self, symbol: str, client_order_id: str, *, quantity: Decimal, price: Decimal
    ) -> OrderReport:
        """Move a resting LIMIT order to a new price and quantity in one step.

        V3. A refused change leaves the original. `symbol` as the venue lists it. `client_order_id` is the one
        it was placed with. `quantity` is in units of the base asset. `price` is in units of the quote asset.
        Raises as the calls underneath. Weight 1. Section 4.4.
        """
        record = await self.modify_order(
            symbol, orig_client_order_id=client_order_id, quantity=quantity, price=price
        )
        return self._outcome(record, "PUT order")

    async def resolve_unknown(self, symbol: str, outcome: UnknownOutcome) -> OrderReport | None:
        """Find out what became of an order whose request got no clear answer; None when it does not exist.

        Queries by client order id; if the venue knows nothing, takes the request's nonce (`noop`), so that it
        can no longer arrive, and asks once more. With an API key there is no nonce to take, and None may
        still be overtaken by a late arrival. `symbol` as the venue lists it. Raises ValueError when `outcome`
        names no order. Weight 1 to 3. Sections 4.4 and 8.1.
        """
        if outcome.client_order_id is None:
            raise ValueError("the outcome names no order: query the account instead")
        for is_last in (False, True):
            try:
                return await self.query_order(symbol, outcome.client_order_id)
            except OrderNotFound:
                if not is_last and outcome.nonce_us is not None:
                    await self.noop(outcome.nonce_us)
        return None

    def _outcome(self, record: OrderRecord, endpoint: str) -> OrderReport:
        """What a change came to. Something was done, so an answer that makes no sense leaves a doubt."""
        try:
            return self._report(record, endpoint)
        except MalformedResponse as error:
            raise UnknownOutcome(endpoint, str(error), record.client_order_id or None, None) from error

    def _report(self, record: OrderRecord, endpoint: str) -> OrderReport:
        self._remember(record)
        return parse.order_report(record, endpoint)

    def _remember(self, record: OrderRecord) -> None:
        self._client_ids[record.order_id] = record.client_order_id
        if len(self._client_ids) > _REMEMBERED_ORDERS:
            self._client_ids.popitem(last=False)

    # --- account ---------------------------------------------------------------------------------------

    async def account_snapshot(self) -> AccountSnapshot:
        """Return balances and totals in USD.

        Raises as the calls underneath. Weight 5. Section 4.6.
        """
        return parse.account_snapshot(await self.account(), "GET account")

    async def is_hedge_mode(self) -> bool:
        """Return True when LONG and SHORT are held apart.

        Raises as the calls underneath. Weight 30. Section 4.6.
        """
        return await self.position_mode()

    async def set_hedge_mode(self, enabled: bool) -> None:
        """Set the position mode; already being in it is success. Raises ChangeBlocked.

        `enabled` False is one-way. Weight 1. Section 4.6.
        """
        try:
            await self.change_position_mode(hedge=enabled)
        except NoChangeNeeded:
            return

    async def set_leverage(self, symbol: str, leverage: int) -> int:
        """Set the leverage and return what the venue confirms. Raises InvalidRequest, ChangeBlocked.

        `symbol` as the venue lists it. `leverage` is a whole number (times). Weight 1. Section 4.6.
        """
        return (await self.change_leverage(symbol, leverage)).leverage

    async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        """Set the margin type; already having it is success. Raises ChangeBlocked.

        `symbol` as the venue lists it. `margin_type` is ISOLATED or CROSSED. Weight 1. Section 4.6.
        """
        try:
            await self.change_margin_type(symbol, margin_type)
        except NoChangeNeeded:
            return

    async def fee_rates(self, symbol: str) -> FeeRates:
        """Return the account's own rates as fractions of notional.

        `symbol` as the venue lists it. Raises as the calls underneath. Weight 20. Section 4.6.
        """
        return parse.fee_rates(await self.commission_rate(symbol), "GET commissionRate")

    # --- history ---------------------------------------------------------------------------------------

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        """Return all own trades of the span, oldest first, without duplicates.

        Times in ms, both inclusive. `symbol` as the venue lists it. `start_ms` and `end_ms` bound the time
        (ms UTC, both included); a start long ago is fine, weeks before the first trade are not asked for.
        Raises as the calls underneath. Weight 5 a page, at least a page a week. Section 4.6.
        """
        last_ms = await self.market_time_ms() if end_ms is None else end_ms
        first_ms = start_ms
        if last_ms - start_ms > _LONG_SPAN_MS:
            oldest = await self.user_trades(symbol, from_id=1, limit=1)
            first_ms = max(start_ms, oldest[0].time) if oldest else last_ms + 1
        found: dict[int, UserTradeRecord] = {}
        for first, last in _spans(first_ms, last_ms, _TRADE_SPAN_MS):
            page = await self.user_trades(symbol, start_ms=first, end_ms=last, limit=_PAGE)
            found.update((record.id, record) for record in page)
            while len(page) == _PAGE:
                page = await self.user_trades(symbol, from_id=page[-1].id + 1, limit=_PAGE)
                found.update((record.id, record) for record in page if record.time <= last)
                if page and page[-1].time > last:
                    break
        records = [found[key] for key in sorted(found)]
        await self._learn_client_ids(symbol, {record.order_id for record in records})
        return [
            parse.fill(record, self._client_ids.get(record.order_id, ""), "GET userTrades")
            for record in records
        ]

    async def _learn_client_ids(self, symbol: str, order_ids: set[int]) -> None:
        missing = order_ids - self._client_ids.keys()
        while missing:
            page = await self.all_orders(symbol, order_id=min(missing), limit=_PAGE)
            for record in page:
                self._remember(record)
            reached = page[-1].order_id if page else max(missing)
            missing = {number for number in missing if number > reached and number not in self._client_ids}

    async def income_rows(
        self, start_ms: int, end_ms: int | None = None, income_type: str | None = None
    ) -> list[IncomeRow]:
        """Return all income rows of the span, oldest first, without duplicates.

        Times in ms, both inclusive. `start_ms` and `end_ms` bound the time (ms UTC, both included); a start
        long ago is fine, weeks before the first row are skipped where the venue tells when that was.
        `income_type` narrows to one kind. Raises as the calls underneath. Weight 30 a page, at least a page
        a week: a year takes about a minute of the venue's limit. Section 4.6.
        """
        last_ms = await self.market_time_ms() if end_ms is None else end_ms
        found: dict[tuple[str, str, str, str], IncomeRecord] = {}
        first_ms = await self._income_begins_ms(start_ms, last_ms, income_type)
        for span_start, last in _spans(first_ms, last_ms, _TRADE_SPAN_MS):
            first = span_start
            while True:
                page = await self.income(start_ms=first, end_ms=last, income_type=income_type, limit=_PAGE)
                before = len(found)
                found.update((_income_identity(record), record) for record in page)
                if len(page) < _PAGE:
                    break
                # Rows of the page's last millisecond may go on in the next page; they are known by identity.
                step = page[-1].time
                first = step if step > first or len(found) > before else step + 1
                if first > last:
                    break
        rows = sorted(found.values(), key=lambda record: record.time)
        return [parse.income_row(record, "GET income") for record in rows]

    async def _income_begins_ms(self, start_ms: int, end_ms: int, income_type: str | None) -> int:
        """Where the walk through the income of a span may begin without missing a row."""
        if end_ms - start_ms <= _LONG_SPAN_MS:
            return start_ms
        start_ms = max(start_ms, _FIRST_FUTURES_MS)
        try:
            page = await self.income(start_ms=start_ms, end_ms=end_ms, income_type=income_type, limit=_PAGE)
        except InvalidRequest:
            return start_ms
        # A venue may cut so long a span to its first week without saying so; a row from beyond it shows that
        # this one does not.
        if not page or max(row.time for row in page) <= start_ms + _TRADE_SPAN_MS:
            return start_ms
        begins_ms = min(row.time for row in page)
        while len(page) == _PAGE:
            # A full page may be the newest rows of the span and not the oldest.
            page = await self.income(
                start_ms=start_ms, end_ms=begins_ms - 1, income_type=income_type, limit=_PAGE
            )
            begins_ms = min((row.time for row in page), default=begins_ms)
        return begins_ms


def _spans(start_ms: int, end_ms: int, longest_ms: int) -> Iterable[tuple[int, int]]:
    """Cut a span into pieces the venue accepts."""
    first = start_ms
    while first <= end_ms:
        last = min(first + longest_ms, end_ms)
        yield first, last
        first = last + 1


def _income_identity(record: IncomeRecord) -> tuple[str, str, str, str]:
    # One transaction id may stand for several rows (fee and profit of one trade), so the kind belongs to it.
    return (str(record.tran_id), record.income_type, record.asset, str(record.symbol or ""))
