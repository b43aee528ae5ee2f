"""Checks of an order request that need no account: parameters by type, precision, filters (section 5.2)."""

import re
from dataclasses import dataclass
from decimal import Decimal

from aster_operator.domain.enums import OrderType, Side, SymbolStatus, TimeInForce
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.domain.orders import TRAILING_CALLBACK_PCT
from aster_operator.simulator.model import ATOMS, ContractSpec, OrderRequest
from aster_operator.simulator.refusals import refuse

__all__ = [
    "CheckedOrder",
    "check_min_notional",
    "check_percent_price",
    "check_price",
    "check_quantity",
    "check_request",
    "check_status",
]

_CLIENT_ID = re.compile(r"[\.A-Z\:/a-z0-9_-]{1,36}")
_LIMIT_TYPES = (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT)
_STOP_TYPES = (
    OrderType.STOP,
    OrderType.STOP_MARKET,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_MARKET,
)
_CLOSE_POSITION_TYPES = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """A request in ticks and lots; prices that do not apply are 0."""

    spec: ContractSpec
    lots: int
    price_ticks: int
    stop_ticks: int
    activation_ticks: int
    callback_rate_pct: Decimal


def check_request(spec: ContractSpec, request: OrderRequest) -> CheckedOrder:
    """Turn a request into ticks and lots. Raises VenueRefusal with the code of the first rule it breaks."""
    _check_parameters(request)
    instrument = spec.instrument
    lots = stop = price = activation = 0
    if request.quantity is not None:
        lot = instrument.market_lot if request.order_type.executes_as_market else instrument.lot
        lots = check_quantity(spec, request.quantity, lot)
    if request.price is not None:
        price = check_price(spec, request.price, "price")
    if request.stop_price is not None:
        stop = check_price(spec, request.stop_price, "stopPrice")
    if request.activation_price is not None:
        activation = check_price(spec, request.activation_price, "activationPrice")
    if price and stop:
        _check_stop_band(instrument, request.side, price, stop)
    return CheckedOrder(spec, lots, price, stop, activation, request.callback_rate_pct or Decimal(0))


def check_status(instrument: Instrument, *, halted: bool, closing: bool) -> None:
    """A closed symbol takes nothing; one that is not trading takes only orders that close."""
    if instrument.status is SymbolStatus.CLOSE:
        raise refuse(-4141)
    if halted or (instrument.status is not SymbolStatus.TRADING and not closing):
        raise refuse(-4140)


def check_price(spec: ContractSpec, price: Decimal, parameter: str) -> int:
    """PRICE_FILTER and precision; return ticks."""
    is_stop = parameter != "price"
    instrument = spec.instrument
    if not price.is_finite():
        raise refuse(-1130, parameter)
    if price <= 0:
        raise refuse(-4006 if is_stop else -4001)
    if _decimals(price) > instrument.price_precision:
        raise refuse(-1111)
    if instrument.max_price > 0 and price > instrument.max_price:
        raise refuse(-4007 if is_stop else -4002)
    if price < instrument.min_price:
        raise refuse(-4013)
    if (price - instrument.min_price) % instrument.tick_size:
        raise refuse(-4014)
    return spec.price_to_ticks(price)


def check_quantity(spec: ContractSpec, quantity: Decimal, lot: LotFilter) -> int:
    """LOT_SIZE or MARKET_LOT_SIZE and precision; return lots."""
    if not quantity.is_finite():
        raise refuse(-1130, "quantity")
    if quantity <= 0:
        raise refuse(-4003)
    if _decimals(quantity) > spec.instrument.quantity_precision:
        raise refuse(-1111)
    if lot.max_quantity > 0 and quantity > lot.max_quantity:
        raise refuse(-4005)
    if quantity < lot.min_quantity:
        raise refuse(-4004)
    if (quantity - lot.min_quantity) % lot.step:
        raise refuse(-4023)
    return spec.quantity_to_lots(quantity)


def check_percent_price(spec: ContractSpec, side: Side, price_ticks: int, mark_e8: int) -> None:
    """PERCENT_PRICE of a limit price against the mark, one-sided."""
    price_e8 = price_ticks * spec.price_atoms_per_tick
    if side is Side.BUY and price_e8 > mark_e8 * spec.instrument.percent_price_up:
        raise refuse(-4016)
    if side is Side.SELL and price_e8 < mark_e8 * spec.instrument.percent_price_down:
        raise refuse(-4024)


def check_min_notional(spec: ContractSpec, lots: int, price_ticks: int, mark_e8: int) -> None:
    """MIN_NOTIONAL at the limit price, or at the mark for orders without one (`price_ticks` 0)."""
    floor = spec.instrument.min_notional
    if price_ticks:
        notional = spec.notional_atoms(price_ticks, lots)
    else:
        notional = spec.notional_at_mark_atoms(mark_e8, lots)
    if notional < floor * ATOMS:
        raise refuse(-4164, f"{floor:.1f}")


def _check_parameters(request: OrderRequest) -> None:
    if request.client_order_id is not None and not _CLIENT_ID.fullmatch(request.client_order_id):
        raise refuse(-4015)
    order_type = request.order_type
    if order_type is OrderType.LIMIT and request.time_in_force is None:
        raise refuse(-1102, "timeInForce")
    if order_type is OrderType.MARKET and request.time_in_force is not None:
        raise refuse(-1114)
    if order_type in (OrderType.STOP, OrderType.TAKE_PROFIT) and request.time_in_force in (
        TimeInForce.HIDDEN,
        TimeInForce.FOK,
    ):
        raise refuse(-1115)
    _check_close_position(request)
    _check_presence("quantity", request.quantity, wanted=not request.close_position)
    _check_presence("price", request.price, wanted=order_type in _LIMIT_TYPES)
    _check_presence("stopPrice", request.stop_price, wanted=order_type in _STOP_TYPES)
    is_trailing = order_type is OrderType.TRAILING_STOP_MARKET
    _check_presence("callbackRate", request.callback_rate_pct, wanted=is_trailing)
    if request.activation_price is not None and not is_trailing:
        raise refuse(-1106, "activationPrice")
    if request.callback_rate_pct is not None:
        rate, (smallest, largest) = request.callback_rate_pct, TRAILING_CALLBACK_PCT
        if not rate.is_finite() or not smallest <= rate <= largest:
            raise refuse(-1130, "callbackRate")


def _check_presence(parameter: str, value: Decimal | None, *, wanted: bool) -> None:
    if wanted and value is None:
        raise refuse(-1102, parameter)
    if not wanted and value is not None:
        raise refuse(-1106, parameter)


def _check_close_position(request: OrderRequest) -> None:
    if not request.close_position:
        return
    if request.order_type not in _CLOSE_POSITION_TYPES:
        raise refuse(-1106, "closePosition")
    if request.quantity is not None:
        raise refuse(-4137)
    if request.reduce_only:
        raise refuse(-1106, "reduceOnly")


def _check_stop_band(instrument: Instrument, side: Side, price: int, stop: int) -> None:
    if side is Side.BUY and price > stop * instrument.percent_price_up:
        raise refuse(-4183)
    if side is Side.SELL and price < stop * instrument.percent_price_down:
        raise refuse(-4184)


def _decimals(value: Decimal) -> int:
    """Digits after the point, trailing zeros not counted."""
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0:
        return 0
    if digits[-1]:
        return -exponent
    trailing = 0
    for digit in reversed(digits):
        if digit or trailing == -exponent:
            break
        trailing += 1
    return -exponent - trailing
