"""Proof that an adapter of another venue keeps the `ExchangeClient` contract.

    report = await run_conformance(my_client, ConformancePlan(symbol="BTCUSDT"))
    print(report.text()); assert report.ok

It trades the smallest quantity the symbol allows, opens one position, rests one order, and leaves neither:
run it on a test network or on the embedded exchange. Every check stands for a sentence of the contract; the
session loop relies on each of them.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from itertools import pairwise

import msgspec

from aster_operator.domain.enums import MarginType, OrderStatus, OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.events import OrderChanged
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.client_protocol import EventStream, ExchangeClient, MarketChannel, StreamEvent
from aster_operator.exchange.errors import ExchangeError, OrderNotFound, RequestRefused

__all__ = ["CheckResult", "ConformancePlan", "ConformanceReport", "run_conformance"]


class ConformancePlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to trade. `run_label` makes the client order ids of one run unique (up to 12 characters)."""

    symbol: str
    leverage: int = 5
    hedge_mode: bool = True
    run_label: str = "conformance"
    history_start_ms: int | None = None
    """Market time from which own trades are read back; None for an hour before the first quote."""


class CheckResult(msgspec.Struct, frozen=True):
    """One sentence of the contract and whether it held; `detail` says what was seen instead."""

    name: str
    ok: bool
    detail: str


class ConformanceReport(msgspec.Struct, frozen=True):
    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        return all(result.ok for result in self.results)

    def text(self) -> str:
        """One line for each check."""
        return "\n".join(
            f"{'ok  ' if result.ok else 'FAIL'}  {result.name}{'' if result.ok else ': ' + result.detail}"
            for result in self.results
        )


class _Broken(Exception):
    """The contract was not kept; the text says how."""


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise _Broken(detail)


class _Run:
    """The checks in the order they build on each other."""

    def __init__(self, client: ExchangeClient, plan: ConformancePlan) -> None:
        self.client = client
        self.plan = plan
        self.events: list[StreamEvent] = []
        self.reports: list[OrderReport] = []
        self._instrument: Instrument | None = None
        self._quantity = Decimal(0)
        self.user_stream: EventStream | None = None
        self._start_ms = plan.history_start_ms
        self._side = PositionSide.LONG if plan.hedge_mode else PositionSide.BOTH

    @property
    def instrument(self) -> Instrument:
        _require(self._instrument is not None, "instruments() did not list the symbol")
        assert self._instrument is not None  # noqa: S101 - just required
        return self._instrument

    def order_id(self, name: str) -> str:
        return f"{self.plan.run_label[:12]}-{name}"

    async def implements_the_protocol(self) -> None:
        methods = [name for name in vars(ExchangeClient) if not name.startswith("_")]
        missing = [name for name in methods if not callable(getattr(self.client, name, None))]
        _require(not missing, f"methods of ExchangeClient are missing: {', '.join(missing)}")

    async def lists_exact_instruments(self) -> None:
        instruments = await self.client.instruments()
        _require(self.plan.symbol in instruments, f"{self.plan.symbol} is not listed")
        self._instrument = instruments[self.plan.symbol]
        exact = (self.instrument.tick_size, self.instrument.lot.step, self.instrument.min_notional)
        _require(all(isinstance(v, Decimal) for v in exact), f"filters are not Decimal: {exact}")
        _require(self.instrument.tick_size > 0 and self.instrument.lot.step > 0, "tick or step is zero")

    async def measures_the_clock(self) -> None:
        offset = await self.client.measure_clock(2)
        _require(offset.uncertainty_ms >= 0, f"uncertainty was {offset.uncertainty_ms}")

    async def quotes_and_marks_agree(self) -> None:
        quote = await self.client.quote(self.plan.symbol)
        mark = await self.client.get_mark_price(self.plan.symbol)
        _require(0 < quote.bid < quote.ask, f"bid {quote.bid}, ask {quote.ask}")
        _require(isinstance(mark, Decimal), f"mark price is a {type(mark).__name__}")
        _require(abs(mark - quote.mid) < quote.mid / 5, f"mark {mark} is far from mid {quote.mid}")
        if self._start_ms is None:
            self._start_ms = quote.event_ms - 3_600_000
        self._quantity = self.instrument.smallest_quantity(min(quote.bid, mark))

    async def settings_are_idempotent(self) -> None:
        for _ in range(2):
            await self.client.set_hedge_mode(self.plan.hedge_mode)
            await self.client.set_margin_type(self.plan.symbol, MarginType.CROSSED)
            leverage = await self.client.set_leverage(self.plan.symbol, self.plan.leverage)
            _require(leverage == self.plan.leverage, f"leverage confirmed was {leverage}")
        mode = await self.client.is_hedge_mode()
        _require(mode is self.plan.hedge_mode, f"hedge mode is {mode} after setting {self.plan.hedge_mode}")

    async def knows_the_accounts_fees(self) -> None:
        rates = await self.client.fee_rates(self.plan.symbol)
        _require(abs(rates.taker) < Decimal("0.05"), f"taker rate {rates.taker} is no fraction of notional")

    async def a_market_order_answers_with_its_fill(self) -> None:
        report = await self.client.place_market_order(
            self.plan.symbol, Side.BUY, self._quantity, self._side, client_order_id=self.order_id("open")
        )
        self.reports.append(report)
        _require(report.status is OrderStatus.FILLED, f"status was {report.status}")
        _require(report.filled_quantity == self._quantity, f"filled {report.filled_quantity}")
        _require(report.average_price > 0, "no average price")
        _require(report.client_order_id == self.order_id("open"), "another client order id came back")

    async def positions_are_signed_and_current(self) -> None:
        held = await self._held()
        _require(held == self._quantity, f"position is {held}, bought {self._quantity}")

    async def _held(self) -> Decimal:
        positions = await self.client.get_position_risk(self.plan.symbol)
        return sum((p.quantity for p in positions if p.position_side is self._side), Decimal(0))

    async def an_order_is_found_by_its_client_id(self) -> None:
        report = await self.client.query_order(self.plan.symbol, self.order_id("open"))
        _require(report.order_id == self.reports[0].order_id, "query found another order")
        _require(report.status is OrderStatus.FILLED, f"status was {report.status}")

    async def an_unknown_order_is_said_to_be_unknown(self) -> None:
        try:
            await self.client.query_order(self.plan.symbol, self.order_id("never"))
        except OrderNotFound:
            return
        raise _Broken("query_order returned an order that was never placed")

    async def an_order_below_the_filters_is_refused(self) -> None:
        tiny = self.instrument.lot.step / 10
        try:
            await self.client.place_market_order(self.plan.symbol, Side.BUY, tiny, self._side)
        except RequestRefused:
            return
        raise _Broken(f"an order of {tiny} was accepted")

    async def a_resting_order_can_be_listed_and_cancelled(self) -> None:
        quote = await self.client.quote(self.plan.symbol)
        price = self.instrument.round_price_passive(quote.bid * Decimal("0.985"), Side.BUY)
        quantity = self.instrument.smallest_quantity(price)
        order = NewOrder(
            client_order_id=self.order_id("rest"),
            symbol=self.plan.symbol,
            side=Side.BUY,
            position_side=self._side,
            order_type=OrderType.LIMIT,
            quantity=quantity,
            price=price,
            time_in_force=TimeInForce.GTX,
        )
        placed = await self.client.place_order(order)
        _require(placed.status is OrderStatus.NEW, f"status was {placed.status}")
        listed = {report.client_order_id for report in await self.client.open_orders(self.plan.symbol)}
        _require(order.client_order_id in listed, "open_orders does not list it")
        cancelled = await self.client.cancel_order(self.plan.symbol, order.client_order_id)
        _require(cancelled.status is OrderStatus.CANCELED, f"status after cancel was {cancelled.status}")
        listed = {report.client_order_id for report in await self.client.open_orders(self.plan.symbol)}
        _require(order.client_order_id not in listed, "open_orders still lists it")
        try:
            await self.client.cancel_order(self.plan.symbol, order.client_order_id)
        except OrderNotFound:
            return
        raise _Broken("a second cancel was accepted")

    async def closing_leaves_nothing_and_says_so(self) -> None:
        closed = await self.client.close_position(self.plan.symbol, self._side)
        _require(closed is not None, "close_position found no position")
        assert closed is not None  # noqa: S101 - just required
        self.reports.append(closed)
        _require(closed.filled_quantity == self._quantity, f"closed {closed.filled_quantity}")
        held = await self._held()
        _require(held == 0, f"position after closing is {held}")
        again = await self.client.close_position(self.plan.symbol, self._side)
        _require(again is None, "closing a flat position sent an order")

    async def fills_tell_the_same_story(self) -> None:
        _require(self._start_ms is not None, "no quote told the time")
        assert self._start_ms is not None  # noqa: S101 - just required
        own = {report.order_id for report in self.reports}
        told = await self.client.fills(self.plan.symbol, self._start_ms)
        fills = [fill for fill in told if fill.order_id in own]
        _require(len({f.trade_id for f in told}) == len(told), "fills holds a trade twice")
        _require(all(a.event_ms <= b.event_ms for a, b in pairwise(told)), "fills is not oldest first")
        # Trades may share a millisecond, so the own orders, placed one after another, tell more than times.
        traded = [report.order_id for report in self.reports]
        _require(list(dict.fromkeys(f.order_id for f in fills)) == traded, "fills is not oldest first")
        bought = sum((f.side.sign * f.quantity for f in fills), Decimal(0))
        _require(bought == 0 and bool(fills), f"fills of a closed position sum to {bought}")
        named = {fill.client_order_id for fill in fills}
        _require(self.order_id("open") in named, f"fills name the client orders {sorted(named)}")

    async def income_holds_each_row_once(self) -> None:
        _require(self._start_ms is not None, "no quote told the time")
        assert self._start_ms is not None  # noqa: S101 - just required
        rows = await self.client.income_rows(self._start_ms)
        keys = [(row.transaction_id, row.income_type, row.asset, row.symbol) for row in rows]
        _require(len(set(keys)) == len(keys), "income_rows holds a row twice")
        _require(all(a.time_ms <= b.time_ms for a, b in pairwise(rows)), "income_rows is not oldest first")

    async def the_account_adds_up(self) -> None:
        account = await self.client.account_snapshot()
        total = account.total_wallet_balance + account.total_unrealized_pnl
        _require(
            abs(total - account.total_margin_balance) < Decimal("0.01"), "margin balance does not add up"
        )

    async def the_user_stream_opens(self) -> None:
        self.user_stream = await self.client.open_user_stream(self.events.append)

    async def the_user_stream_told_every_fill(self) -> None:
        own = {report.order_id: report.filled_quantity for report in self.reports}
        streamed: dict[int, Fill] = {
            event.fill.trade_id: event.fill
            for event in self.events
            if isinstance(event, OrderChanged) and event.fill is not None and event.fill.order_id in own
        }
        for order_id, quantity in own.items():
            seen = sum((f.quantity for f in streamed.values() if f.order_id == order_id), Decimal(0))
            _require(seen == quantity, f"order {order_id}: streamed {seen} of {quantity}")
        _require(all(e.received_ns > 0 for e in self.events), "an event has no time of receipt")

    async def the_market_stream_opens_fences_and_closes(self) -> None:
        seen: list[StreamEvent] = []
        stream = await self.client.open_market_stream([MarketChannel(symbol=self.plan.symbol)], seen.append)
        await stream.fence()
        await stream.close()
        strangers = {type(event).__name__ for event in seen if not _is_event(event)}
        _require(not strangers, f"delivered {strangers}")


_BEFORE = (
    _Run.implements_the_protocol,
    _Run.lists_exact_instruments,
    _Run.measures_the_clock,
    _Run.quotes_and_marks_agree,
    _Run.settings_are_idempotent,
    _Run.knows_the_accounts_fees,
)
_TRADING = (
    _Run.a_market_order_answers_with_its_fill,
    _Run.positions_are_signed_and_current,
    _Run.an_order_is_found_by_its_client_id,
    _Run.an_unknown_order_is_said_to_be_unknown,
    _Run.an_order_below_the_filters_is_refused,
    _Run.a_resting_order_can_be_listed_and_cancelled,
    _Run.closing_leaves_nothing_and_says_so,
    _Run.fills_tell_the_same_story,
    _Run.income_holds_each_row_once,
    _Run.the_account_adds_up,
)
_AFTER = (_Run.the_user_stream_told_every_fill, _Run.the_market_stream_opens_fences_and_closes)


async def run_conformance(client: ExchangeClient, plan: ConformancePlan) -> ConformanceReport:
    """Run all checks and report them; a check that fails does not stop the others.

    Whatever happens, the position it opened is closed again, if the client can. Nothing is traded when the
    user stream cannot be opened.
    """
    run = _Run(client, plan)
    results = [await _result(run, check) for check in _BEFORE]
    results.append(await _result(run, _Run.the_user_stream_opens))
    stream = run.user_stream
    if stream is None:
        return ConformanceReport(tuple(results))
    try:
        results += [await _result(run, check) for check in _TRADING]
        await stream.fence()
    finally:
        await stream.close()
        results.append(await _result(run, _leave_nothing))
    results += [await _result(run, check) for check in _AFTER]
    return ConformanceReport(tuple(results))


_UNTYPED = (
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
)


def _is_event(event: object) -> bool:
    return isinstance(event, StreamEvent)


async def _leave_nothing(run: _Run) -> None:
    for report in await run.client.open_orders(run.plan.symbol):
        if report.client_order_id == run.order_id("rest"):
            await run.client.cancel_order(run.plan.symbol, report.client_order_id)
    await run.client.close_position(run.plan.symbol, run._side)


async def _result(run: _Run, check: Callable[[_Run], Awaitable[None]]) -> CheckResult:
    name = getattr(check, "__name__", "check").strip("_").replace("_", " ")
    try:
        await check(run)
    except (_Broken, ExchangeError) as error:
        return CheckResult(name, False, str(error))
    except _UNTYPED as error:
        # An adapter under test may fail in ways no adapter should: that, too, is a result.
        return CheckResult(name, False, f"{type(error).__name__}: {error}")
    return CheckResult(name, True, "")
