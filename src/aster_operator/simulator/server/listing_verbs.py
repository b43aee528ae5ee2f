"""Control verbs that list a symbol the recorded data do not have, and move it by hand."""

from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import Side
from aster_operator.domain.money import exact, plain_text
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.fed_market import FedMarket
from aster_operator.simulator.model import ContractSpec
from aster_operator.simulator.server.control import ControlRefusal, Verb

__all__ = ["ListingVerbs"]

LEVELS = 20
DIGITS = 5
"""Digits a price of a market listed by hand has at least."""
LEVEL_USD = 50_000
"""What every level of a market fed by hand is worth."""


class ListingVerbs:
    """`list` opens a market at a price; `feed` moves it there: a new book around it and a trade at it."""

    def __init__(self, exchange: ExchangeApi) -> None:
        self._exchange = exchange
        self._fed: dict[str, FedMarket] = {}

    def verbs(self) -> dict[tuple[str, str], Verb]:
        return {("POST", "/sim/list"): self._list, ("POST", "/sim/feed"): self._feed}

    def _list(self, arguments: dict[str, Any]) -> Any:
        """`{"symbol", "price"}`; tick, lot and brackets follow from the price. A refusal lists nothing."""
        symbol, price = _symbol(arguments), _price(arguments)
        # A round price says nothing about the tick: it is at most a ten-thousandth of the price.
        fine = price + Decimal(1).scaleb(-max(0, DIGITS - 1 - price.adjusted()))
        try:
            spec = contract_for_prices(symbol, [float(price), float(fine)])
            market = FedMarket(spec, _fitting_ticks(spec, price))
            self._exchange.control.list_symbol(market)
        except ValueError as error:
            raise ControlRefusal(str(error)) from error
        self._fed[symbol] = market
        self._show(market, price)
        instrument = spec.instrument
        return {"tick_size": plain_text(instrument.tick_size), "step_size": plain_text(instrument.lot.step)}

    def _feed(self, arguments: dict[str, Any]) -> Any:
        """`{"symbol", "price"}`, from the next step of market time on."""
        symbol, price = _symbol(arguments), _price(arguments)
        market = self._fed.get(symbol)
        if market is None:
            raise ControlRefusal(f"{symbol} is not fed by hand; POST /sim/list lists a symbol that is")
        try:
            self._show(market, price)
        except ValueError as error:
            raise ControlRefusal(str(error)) from error
        return {}

    def _show(self, market: FedMarket, price: Decimal) -> None:
        ticks = _fitting_ticks(market.spec, price)
        lots = max(1, int(LEVEL_USD / price * market.spec.lots_per_unit))
        bids = {ticks - distance: lots for distance in range(1, LEVELS + 1)}
        asks = {ticks + distance: lots for distance in range(LEVELS)}
        now_ms = self._exchange.now_ms
        market.push_book(now_ms, bids, asks)
        market.push_trade(now_ms, Side.BUY, max(1, lots // 100), ticks)


def _fitting_ticks(spec: ContractSpec, price: Decimal) -> int:
    ticks = spec.price_to_ticks(price)
    if ticks <= LEVELS:
        raise ControlRefusal(f"price {price} is too low: {LEVELS} levels must fit below it")
    return ticks


def _symbol(arguments: dict[str, Any]) -> str:
    symbol = arguments.get("symbol")
    if not isinstance(symbol, str) or not (symbol.isascii() and symbol.isalnum() and symbol.isupper()):
        raise ControlRefusal('"symbol" must be upper-case letters and digits, such as NEWUSDT')
    return symbol


def _price(arguments: dict[str, Any]) -> Decimal:
    try:
        price = exact(arguments["price"])
    except KeyError:
        raise ControlRefusal('send "price"') from None
    except (ValueError, TypeError) as error:
        raise ControlRefusal(f'"price": {error}') from error
    if price <= 0:
        raise ControlRefusal(f'"price" must be positive, was {price}')
    return price
