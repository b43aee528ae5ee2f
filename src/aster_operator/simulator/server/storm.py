"""Strangers who trade: a burst of orders of an account of its own, from the seed."""

from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import OrderRequest, VenueRefusal
from aster_operator.simulator.server.control import ControlRefusal, Verb, integer_argument

__all__ = ["OrderStorm"]

STRANGER_ID = "storm"
DEPOSIT = {"USDT": Decimal(100_000_000)}
MAX_ORDERS = 10_000
REACH_TICKS = 20
"""How far from the touch a stranger's limit order may stand."""


class OrderStorm:
    """`POST /sim/storm {"symbol", "orders"}`: that many orders at once, a third of them at market."""

    def __init__(self, exchange: ExchangeApi, seed: int) -> None:
        self._exchange = exchange
        self._random = Random(seed)  # noqa: S311 - chance of a simulation, not of a secret

    def verbs(self) -> dict[tuple[str, str], Verb]:
        return {("POST", "/sim/storm"): self._storm}

    def _storm(self, arguments: dict[str, Any]) -> Any:
        symbol = str(arguments.get("symbol", ""))
        if symbol not in self._exchange.contracts():
            raise ControlRefusal(f'no symbol {symbol!r}; send "symbol"')
        count = integer_argument(arguments, "orders")
        if not 0 < count <= MAX_ORDERS:
            raise ControlRefusal(f'"orders" must be between 1 and {MAX_ORDERS}')
        if not self._exchange.has_account(STRANGER_ID):
            self._exchange.create_account(STRANGER_ID, DEPOSIT)
        self._exchange.cancel_all(STRANGER_ID, symbol)
        refused = sum(self._is_refused(lambda: self._order(symbol)) for _ in range(count))
        return {"orders": count, "refused": refused}

    @staticmethod
    def _is_refused(act: Callable[[], None]) -> bool:
        try:
            act()
        except VenueRefusal:
            return True
        return False

    def _order(self, symbol: str) -> None:
        spec = self._exchange.contracts()[symbol]
        side = self._random.choice((Side.BUY, Side.SELL))
        lots = self._random.randint(1, 50) * max(1, spec.quantity_to_lots(spec.instrument.lot.min_quantity))
        request = OrderRequest(symbol, side, OrderType.MARKET, quantity=spec.quantity_of(lots))
        if self._random.random() > 1 / 3:
            book = self._exchange.book(symbol, 1)
            touch = book.bids if side is Side.BUY else book.asks
            if not touch:
                return
            ticks = touch[0][0] - side.sign * self._random.randint(0, REACH_TICKS)
            request.order_type, request.time_in_force = OrderType.LIMIT, TimeInForce.GTC
            request.price = spec.price_of(ticks)
        self._exchange.place_order(STRANGER_ID, request)
