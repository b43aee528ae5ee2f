"""A spot market beside each perpetual: book, LIMIT, MARKET, STOP and TAKE_PROFIT orders, balances, fees.

Prices follow the perpetual's index; depth and flow are seeded. Enough for a pair of long spot and short
perpetual, and for clients that look at spot on start-up (protocol reference, sections 1.1, 4.6 and 9.6).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import msgspec
from msgspec import structs

from aster_operator.domain.enums import OrderStatus, OrderType, PositionSide, Side
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.simulator.book import OrderBook
from aster_operator.simulator.conditional import ConditionalOrders
from aster_operator.simulator.filters import (
    CheckedOrder,
    check_min_notional,
    check_percent_price,
    check_request,
    check_status,
)
from aster_operator.simulator.funding import MarkPricer
from aster_operator.simulator.klines import MINUTE_MS, BarSeries, bar_open_ms
from aster_operator.simulator.liquidity import DepthModel
from aster_operator.simulator.market_reads import MarketReads
from aster_operator.simulator.matching import Matcher
from aster_operator.simulator.model import (
    ATOMS,
    ContractSpec,
    ExecutionType,
    KlineRecord,
    OrderEvent,
    OrderRequest,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.refusals import money_atoms, refuse
from aster_operator.simulator.spot_books import SpotAccount, SpotClearing, SpotLedger, SpotMove, delivered
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["MAX_NOTIONAL", "SPOT_MAKER_FEE_E8", "SPOT_TAKER_FEE_E8", "SpotBalance", "SpotExchange"]

SPOT_MAKER_FEE_E8 = 5_000
SPOT_TAKER_FEE_E8 = 40_000
MAX_NOTIONAL = Decimal(9_000_000)
"""Of one spot order, in the quote asset."""
_PERCENT_PRICE = (Decimal("0.2"), Decimal(5))
_TOUCH_USD = 20_000
_FLOW_DIVISOR = 8
_LEVELS = 10
_FINER_DIGITS = 3


class SpotBalance(msgspec.Struct, frozen=True):
    """One asset of a spot wallet, in atoms."""

    asset: str
    free_atoms: int
    locked_atoms: int


class _Pair:
    """One spot market and what moves it."""

    def __init__(self, market: Market, depth: DepthModel) -> None:
        self.market = market
        self.depth = depth
        self.last_index_ticks = 0
        unit = market.pricer.index_ticks * market.spec.atoms_per_tick_lot
        self.touch_lots = max(2, _TOUCH_USD * ATOMS // unit)


class SpotExchange(MarketReads):
    """The spot side. Deterministic like the rest; `follow` moves a pair after its perpetual."""

    def __init__(self, seed: int, clock: Callable[[], int]) -> None:
        """`clock` tells market time."""
        self._seed = seed
        self._clock = clock
        super().__init__(ExchangeState(clock()))
        self._state.accounts.clear()
        self._ledger = SpotLedger()
        self._desk = OrderDesk(self._state)
        self._conditional = ConditionalOrders(self._state, self._desk)
        self._matcher = Matcher(self._state, self._desk, SpotClearing(self._state, self._desk, self._ledger))
        self._pairs: dict[str, _Pair] = {}
        self._accounts: dict[str, SpotAccount] = {}

    # --- markets

    def list_pair(self, perpetual: ContractSpec, start_ticks: int, past: Sequence[KlineRecord] = ()) -> None:
        """Open the spot market beside a perpetual, with its tick and, as at the venue, a much finer step:
        fees are taken out of the coins bought, and what is left must be sellable.

        The bars of the perpetual's `past` are those of the spot market too, with its part of the volume.
        """
        spec = replace(
            perpetual,
            instrument=_with_finer_step(perpetual),
            maker_fee_e8=SPOT_MAKER_FEE_E8,
            taker_fee_e8=SPOT_TAKER_FEE_E8,
            brackets=(),
        )
        pricer = MarkPricer(spec, self._state.now_ms, start_ticks)
        bars = BarSeries(spec)
        bars.preload([_spot_bar(spec, perpetual, bar) for bar in past])
        market = Market(spec, OrderBook(), bars, pricer, self._state.first_trade_id())
        self._state.add_market(market)
        self._pairs[spec.symbol] = _Pair(
            market, DepthModel(f"{self._seed}:{spec.symbol}:spot", start_ticks, levels=_LEVELS)
        )

    def follow(self, symbol: str, index_ticks: int) -> None:
        """Move the pair to the index of its perpetual: new quotes, then one public trade at the touch."""
        pair = self._pairs.get(symbol)
        if pair is None:
            return
        now_ms = self._state.now_ms = self._clock()
        market, depth = pair.market, pair.depth
        depth.advance()
        rising = index_ticks >= pair.last_index_ticks
        pair.last_index_ticks = index_ticks
        bid, ask = max(1, index_ticks - 1), index_ticks + 1
        bids, asks = depth.ladder(bid, -1, pair.touch_lots), depth.ladder(ask, 1, pair.touch_lots)
        self._state.close_bar(market)
        if market.bars.running is None:
            market.bars.open_bar(bar_open_ms(now_ms, MINUTE_MS), market.last_ticks or index_ticks)
        self._matcher.requote(market, bids, asks)
        side, touch = (Side.BUY, ask) if rising else (Side.SELL, bid)
        shown = asks[ask] if rising else bids[bid]
        self._matcher.aggress(market, side, max(1, shown // _FLOW_DIVISOR), touch)
        book = market.book
        market.pricer.update(now_ms, index_ticks, market.last_ticks, book.bids.best(), book.asks.best())
        self._after_trading(market)

    def has_orders(self, symbol: str) -> bool:
        """Whether an order of an account waits in the pair's market."""
        return symbol in self._pairs and self._pairs[symbol].market.has_orders

    def tell_orders(self, hook: Callable[[OrderEvent], None]) -> None:
        """Call `hook` with each order report, after the listeners."""
        self._state.order_hooks.append(hook)

    # --- balances

    def balances(self, account_id: str) -> list[SpotBalance]:
        """Every asset that was ever held."""
        account = self._account(account_id)
        return [
            SpotBalance(asset, account.free_atoms(asset), account.locked_atoms.get(asset, 0))
            for asset in account.wallet_atoms
        ]

    def deposit(self, account_id: str, asset: str, amount: Decimal, kind: str = "TRANSFER") -> None:
        """Money or coins arrive (or, negative, leave). Raises VenueRefusal(-2018) for more than is free.

        `kind` is the word for it in the account's history.
        """
        account, atoms = self._account(account_id), money_atoms(amount)
        if atoms < 0 and -atoms > account.free_atoms(asset):
            raise refuse(-2018)
        self._ledger.deposit(account, asset, atoms)
        account.updated_ms = self._clock()
        account.moves.append(SpotMove(asset, atoms, kind, account.updated_ms))

    def _account(self, account_id: str) -> SpotAccount:
        found = self._accounts.get(account_id)
        if found is None:
            found = self._accounts[account_id] = self._state.accounts[account_id] = SpotAccount(account_id)
        return found

    # --- orders

    def place_order(
        self, account_id: str, request: OrderRequest, quote_quantity: Decimal | None = None
    ) -> SimulatedOrder:
        """Any type but the trailing one; a MARKET BUY may give `quote_quantity` to spend, not a quantity.

        What waits for a price holds what it may have to deliver, at its limit or else at its trigger. Raises
        VenueRefusal: filters as for futures, -2018 for a balance that is too small, -2021 for a trigger that
        has been met.
        """
        self._state.now_ms = self._clock()
        market = self._state.market(request.symbol)
        if request.order_type is OrderType.TRAILING_STOP_MARKET:
            raise refuse(-1116)
        if request.position_side is not PositionSide.BOTH or request.reduce_only or request.close_position:
            raise refuse(-1106, "positionSide")
        if quote_quantity is not None:
            request = self._spending(market, request, quote_quantity)
        account = self._account(account_id)
        checked = check_request(market.spec, request)
        self._desk.refuse_duplicate_id(account, request.symbol, request.client_order_id)
        check_status(market.spec.instrument, halted=market.halted, closing=False)
        ticks = checked.price_ticks or checked.stop_ticks
        check_min_notional(market.spec, checked.lots, ticks, market.mark_e8)
        _check_most(market, checked)
        order = self._desk.create(account, request, checked)
        if waits := order.order_type.is_conditional:
            self._conditional.check_placement(market, order)
            asset, needed = delivered(market.spec, order.side, order.lots, _held_at(order))
        else:
            asset, needed = self._needed(market, order)
        if needed > account.free_atoms(asset):
            raise refuse(-2018)
        if waits:
            account.reserve(order, order.lots, _held_at(order))
        self._desk.accept(account, order)
        if waits:
            self._conditional.add(market, order)
        else:
            self._matcher.execute(order)
        self._after_trading(market)
        return order

    def _after_trading(self, market: Market) -> None:
        """Publish what changed and run what the last trades have triggered."""
        self._state.publish_market(market)
        while (order := self._conditional.next_fired(market)) is not None:
            self._fire(market, order)
            self._state.publish_market(market)

    def _fire(self, market: Market, order: SimulatedOrder) -> None:
        """Let a triggered order go on as MARKET or LIMIT; one that the wallet no longer covers expires."""
        account = self._account(order.account_id)
        account.reserve(order, -order.lots, _held_at(order))
        self._conditional.activate(market, order)
        self._desk.announce(order, ExecutionType.NEW)
        asset, needed = self._needed(market, order)
        if needed > account.free_atoms(asset):
            self._desk.expire(order)
        else:
            self._matcher.execute(order)

    def _spending(self, market: Market, request: OrderRequest, quote_quantity: Decimal) -> OrderRequest:
        """Turn an amount to spend into the lots it pays for at the displayed prices."""
        if request.order_type is not OrderType.MARKET or request.quantity is not None:
            raise refuse(-1106, "quoteOrderQty")
        spec, left, lots = market.spec, money_atoms(quote_quantity), 0
        if left <= 0:
            raise refuse(-1130, "quoteOrderQty")
        bids, asks = market.book.levels(1_000)
        for ticks, shown in asks if request.side is Side.BUY else bids:
            taken = min(shown, left // spec.notional_atoms(ticks, 1))
            lots += taken
            left -= spec.notional_atoms(ticks, taken)
            if taken < shown:
                break
        return replace(request, quantity=spec.quantity_of(lots))

    @staticmethod
    def _needed(market: Market, order: SimulatedOrder) -> tuple[str, int]:
        """(asset, atoms) the order may take at most."""
        if order.order_type is OrderType.LIMIT or order.side is Side.SELL:
            return delivered(market.spec, order.side, order.lots, order.price_ticks)
        cost, left = 0, order.lots
        for ticks, shown in market.book.levels(1_000)[1]:
            taken = min(shown, left)
            cost += market.spec.notional_atoms(ticks, taken)
            left -= taken
        return market.spec.instrument.quote_asset, cost

    def cancel_order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder:
        self._state.now_ms = self._clock()
        account = self._account(account_id)
        found = self._desk.find(account, symbol, order_id, client_order_id)
        if found is None or found.order_id not in account.open_orders:
            raise refuse(-2011)
        market = self._state.market(symbol)
        if found.order_id in market.conditional:
            account.reserve(found, -found.lots, _held_at(found))
        self._desk.cancel(found)
        self._state.publish_market(market)
        return found

    def order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder:
        found = self._desk.find(self._account(account_id), symbol, order_id, client_order_id)
        if found is None:
            raise refuse(-2013)
        return found

    def open_orders(self, account_id: str, symbol: str | None) -> Sequence[SimulatedOrder]:
        return self._desk.open_of(self._account(account_id), symbol)

    def order_history(
        self, account_id: str, symbol: str, status: OrderStatus | None = None
    ) -> Sequence[SimulatedOrder]:
        """All orders ever, oldest first."""
        orders = self._account(account_id).orders.values()
        return [each for each in orders if each.symbol == symbol and status in (None, each.status)]

    def trades(self, account_id: str, symbol: str | None) -> Sequence[TradeRecord]:
        trades = self._account(account_id).trades
        return [trade for trade in trades if symbol in (None, trade.spec.symbol)]

    def moves(self, account_id: str) -> Sequence[SpotMove]:
        """What came and left without a trade, oldest first."""
        return self._account(account_id).moves

    def audit(self) -> tuple[int, dict[str, int]]:
        """(difference in atoms, every purse of the spot side)."""
        return self._ledger.audit(self._accounts.values())


def _held_at(order: SimulatedOrder) -> int:
    """Ticks at which a waiting order's due is held."""
    return order.price_ticks or order.stop_ticks


def _check_most(market: Market, checked: CheckedOrder) -> None:
    """PERCENT_PRICE of a limit price against the mark, and MAX_NOTIONAL."""
    if checked.price_ticks:
        for side in Side:
            check_percent_price(market.spec, side, checked.price_ticks, market.mark_e8)
    ticks = checked.price_ticks or checked.stop_ticks or market.last_ticks
    if market.spec.notional_atoms(ticks, checked.lots) > MAX_NOTIONAL * ATOMS:
        raise refuse(-1013)


def _spot_bar(spec: ContractSpec, perpetual: ContractSpec, bar: KlineRecord) -> KlineRecord:
    finer = int(perpetual.instrument.lot.step / spec.instrument.lot.step)
    return replace(
        bar,
        spec=spec,
        lots=bar.lots * finer // _FLOW_DIVISOR,
        quote_atoms=bar.quote_atoms // _FLOW_DIVISOR,
        taker_buy_lots=bar.taker_buy_lots * finer // _FLOW_DIVISOR,
        taker_buy_quote_atoms=bar.taker_buy_quote_atoms // _FLOW_DIVISOR,
    )


def _with_finer_step(perpetual: ContractSpec) -> Instrument:
    """The instrument with a step up to 1,000 times finer, as fine as one tick of it is whole atoms."""
    instrument = perpetual.instrument
    digits = next(
        digits
        for digits in (_FINER_DIGITS, 2, 1, 0)
        if perpetual.atoms_per_tick_lot % 10**digits == 0
        and instrument.lot.step.scaleb(-digits) * ATOMS % 1 == 0
    )

    def finer(lot: LotFilter) -> LotFilter:
        return LotFilter(lot.min_quantity.scaleb(-digits), lot.max_quantity, lot.step.scaleb(-digits))

    return structs.replace(
        instrument,
        quantity_precision=instrument.quantity_precision + digits,
        lot=finer(instrument.lot),
        market_lot=finer(instrument.market_lot),
        percent_price_down=_PERCENT_PRICE[0],
        percent_price_up=_PERCENT_PRICE[1],
    )
