"""Everything at once: two symbols, spot, strategies, scripts that interfere; audited throughout."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from random import Random

import pytest

from aster_operator.domain.enums import MarginType, OrderType, PositionSide, Side, TimeInForce, WorkingType
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.model import OrderRequest, VenueRefusal
from aster_operator.simulator.strategy_model import ChaseRequest, StrategyType, SubOrder

from .helpers import flat_bars, symbol_history

SYMBOLS = ("BTCUSDT", "ETHUSDT")
ACCOUNTS = ("alice", "bob", "carol")


class Chaos:
    """A seeded monkey with an account's hands and the venue's levers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        history = RecordedHistory(
            {
                "BTCUSDT": symbol_history("BTCUSDT", flat_bars(60_000.0, 20, reach=150.0, volume=30.0)),
                "ETHUSDT": symbol_history("ETHUSDT", flat_bars(2_500.0, 20, reach=15.0, volume=400.0)),
            }
        )
        options = ExchangeOptions(
            seed=seed,
            substep_ms=15_000,
            maker_fee_e8=-1_001,
            insurance_endowment=Decimal(2_000),
            with_spot=True,
        )
        self.exchange = SimulatedExchange.from_history(history, options)
        self.exchange.advance_to(self.exchange.now_ms)
        for name in ACCOUNTS:
            self.exchange.create_account(name, {"USDT": Decimal("25000.00000007")})
        self.exchange.set_hedge_mode("carol", True)
        self.exchange.set_margin_type("bob", "ETHUSDT", MarginType.ISOLATED)
        for name in ACCOUNTS:
            for symbol in SYMBOLS:
                self.exchange.set_leverage(name, symbol, self.random.choice([5, 20, 100]))

    def request(self, account: str, symbol: str, *, simple: bool = False) -> OrderRequest:
        random = self.random
        spec = self.exchange.contracts()[symbol]
        mark = self.exchange.mark(symbol).mark_e8 // spec.price_atoms_per_tick
        near = spec.price_of(mark + mark * random.randint(-100, 100) // 10_000)
        far = spec.price_of(mark + mark * random.randint(-100, 100) // 10_000)
        order_type = random.choice([OrderType.LIMIT, OrderType.MARKET] if simple else list(OrderType))
        made = OrderRequest(
            symbol,
            random.choice(list(Side)),
            order_type,
            quantity=spec.quantity_of(random.randint(1, 3_000)),
            working_type=random.choice(list(WorkingType)),
        )
        if account == "carol" and not simple:
            made.position_side = random.choice([PositionSide.LONG, PositionSide.SHORT])
        if order_type in (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT):
            made.price = near
            made.time_in_force = random.choice(
                [TimeInForce.GTC, TimeInForce.GTX, TimeInForce.HIDDEN, TimeInForce.FOK]
            )
        if order_type.is_conditional and order_type is not OrderType.TRAILING_STOP_MARKET:
            made.stop_price = far
        if order_type is OrderType.TRAILING_STOP_MARKET:
            made.callback_rate_pct = Decimal("0.2")
        return made

    def step(self) -> None:
        random, exchange, control = self.random, self.exchange, self.exchange.control
        account, symbol = random.choice(ACCOUNTS), random.choice(SYMBOLS)
        side = random.choice(list(Side))
        spot = exchange.spot
        assert spot is not None
        trade: list[Callable[[], object]] = [
            lambda: exchange.place_order(account, self.request(account, symbol)),
            lambda: exchange.cancel_all(account, symbol),
            lambda: exchange.advance_to(exchange.now_ms + random.randint(0, 40_000)),
            lambda: exchange.set_countdown(account, symbol, random.randint(0, 60_000)),
            lambda: self.strategy(account, symbol),
            lambda: exchange.place_chase_order(
                account,
                ChaseRequest(
                    symbol,
                    side,
                    Decimal("0.5"),
                    position_side=self.request(account, symbol).position_side,
                    max_chase_offset=Decimal(1),
                    max_chase_offset_is_pct=True,
                ),
            ),
            lambda: exchange.transfer(
                account, "USDT", Decimal(random.randint(1, 500)), to_spot=side is Side.BUY
            ),
            lambda: spot.place_order(account, self.request(account, symbol, simple=True)),
        ]
        meddle: list[Callable[[], object]] = [
            lambda: control.gap_book(symbol, Decimal(random.randint(-400, 400)) / 100),
            lambda: control.set_mark_price(symbol, None),
            lambda: control.empty_side(symbol, side),
            lambda: control.restore_side(symbol, side),
            lambda: control.cap_fills(symbol, random.choice([None, Decimal("0.01")])),
            lambda: control.force_liquidation(account, symbol),
            lambda: control.force_adl(account, symbol),
            lambda: control.settle_funding(symbol, Decimal(random.randint(-50, 50)) / 10_000),
            lambda: control.set_fees(
                random.randint(-20_000, 50_000), random.randint(0, 90_000), account_id=account
            ),
            lambda: control.halt(symbol, random.random() < 0.3),
        ]
        with suppress(VenueRefusal):
            random.choice(meddle if random.random() < 0.15 else trade)()

    def strategy(self, account: str, symbol: str) -> None:
        kind = self.random.choice([StrategyType.OTO, StrategyType.OCO, StrategyType.OTOCO])
        legs = [
            SubOrder(number + 1, self.request(account, symbol))
            for number in range(3 if kind == "OTOCO" else 2)
        ]
        self.exchange.place_strategy_order(account, kind, legs)

    def check(self) -> None:
        audit = self.exchange.audit()
        assert audit.balanced, audit
        for symbol in SYMBOLS:
            view = self.exchange.book(symbol, 10_000)
            assert all(lots > 0 for _, lots in view.bids + view.asks)
            assert not view.bids or not view.asks or view.bids[0][0] < view.asks[0][0], "crossed book"


@pytest.mark.parametrize("seed", range(25))
def test_the_books_balance_through_chaos(seed: int) -> None:
    chaos = Chaos(seed)
    for _ in range(120):
        chaos.step()
        chaos.check()
    assert chaos.exchange.end_ms is not None
    chaos.exchange.advance_to(chaos.exchange.end_ms)
    for symbol in SYMBOLS:
        chaos.exchange.control.delist_symbol(symbol)
    chaos.check()
    for name in ACCOUNTS:
        assert all(row.lots == 0 for row in chaos.exchange.positions(name, None))
        assert chaos.exchange.open_orders(name, None) == []
        assert chaos.exchange.account(name).assets[0].wallet_atoms >= 0
        assert not [each for each in chaos.exchange.strategy_orders(name) if each.is_open]
        booked = sum(row.atoms for row in chaos.exchange.income(name))
        assert chaos.exchange.account(name).assets[0].wallet_atoms == booked
