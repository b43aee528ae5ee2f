"""From the parameters of a new order to an `OrderRequest` (protocol reference, section 4.3).

Checked here is what needs no books: which parameters an order type must or must not have, enumerations,
and the client order id. Filters, margin and position rules are the exchange's.
"""

import re
from decimal import Decimal

from aster_operator.domain.enums import (
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)
from aster_operator.simulator.model import OrderRequest, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.routing import Call

__all__ = ["RESPONSE_TYPES", "order_request"]

RESPONSE_TYPES = ("ACK", "RESULT")
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)
_MANDATORY: dict[OrderType, tuple[str, ...]] = {
    OrderType.LIMIT: ("timeInForce", "quantity", "price"),
    OrderType.MARKET: ("quantity",),
    OrderType.STOP: ("quantity", "price", "stopPrice"),
    OrderType.TAKE_PROFIT: ("quantity", "price", "stopPrice"),
    OrderType.STOP_MARKET: ("stopPrice",),
    OrderType.TAKE_PROFIT_MARKET: ("stopPrice",),
    OrderType.TRAILING_STOP_MARKET: ("quantity", "callbackRate"),
}
_CLOSES_POSITION = (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET)


def _client_order_id(params: Params) -> str | None:
    text = params.optional_text("newClientOrderId")
    if text is None:
        return None
    if len(text) > 36:
        raise VenueRefusal(-4015, "Client order id length should not be more than 36 chars")
    if not _CLIENT_ID.fullmatch(text):
        raise VenueRefusal(-4015, "Client order id is not valid.")
    return text


def _check_shape(params: Params, order_type: OrderType, close_position: bool, pegged: bool) -> None:
    if close_position:
        if order_type not in _CLOSES_POSITION:
            raise VenueRefusal(-4136, "Target strategy invalid for closePosition true")
        if params.get("quantity"):
            raise VenueRefusal(-4137, "Quantity must be zero with closePosition equals true")
        if params.get("reduceOnly"):
            raise VenueRefusal(-1106, "Parameter 'reduceOnly' sent when not required.")
    for name in _MANDATORY[order_type]:
        if not params.get(name) and not (pegged and name == "price"):
            raise refusals.mandatory_parameter(name)
    if order_type in _CLOSES_POSITION and not close_position and not params.get("quantity"):
        raise refusals.mandatory_parameter("quantity")
    if order_type is OrderType.MARKET and params.get("timeInForce"):
        raise VenueRefusal(-1114, "TimeInForce parameter sent when not required.")
    unwanted = {
        OrderType.MARKET: ("price", "stopPrice"),
        OrderType.LIMIT: ("stopPrice",),
    }.get(order_type, ())
    for name in unwanted:
        if params.get(name) and params.optional_decimal(name) != 0:
            raise VenueRefusal(-1106, f"Parameter '{name}' sent when not required.")


def _pegged_price(call: Call, params: Params, symbol: str, side: Side) -> Decimal | None:
    """Price of a LIMIT order pegged to the touch at the moment it arrives; None when it is not pegged."""
    peg = params.optional_text("pegPriceType")
    if peg is None:
        return None
    if peg not in ("COUNTERPARTY_1", "QUEUE_1"):
        raise refusals.invalid_parameter("pegPriceType")
    book = call.exchange.book(symbol, 1)
    takes = peg == "COUNTERPARTY_1"
    levels = book.asks if (side is Side.BUY) == takes else book.bids
    if not levels:
        raise VenueRefusal(-1112, "No orders on book for symbol.")
    offset = params.optional_decimal("pegOffset") or Decimal(0)
    if offset * side.sign > 0:
        raise refusals.invalid_parameter("pegOffset")
    return book.spec.price_of(levels[0][0]) + offset


def order_request(call: Call, params: Params) -> OrderRequest:
    """Parse one order. Raises VenueRefusal with the codes of section 8.2."""
    symbol = params.text("symbol")
    if symbol not in call.exchange.contracts():
        raise refusals.bad_symbol()
    side = params.choice("side", Side, VenueRefusal(-1117, "Invalid side."))
    order_type = params.choice("type", OrderType, VenueRefusal(-1116, "Invalid orderType."))
    close_position = params.optional_flag("closePosition") or False
    pegged = order_type is OrderType.LIMIT and "pegPriceType" in params
    _check_shape(params, order_type, close_position, pegged)
    reduce_only = params.optional_flag("reduceOnly")
    if reduce_only is not None and call.exchange.account(call.account_id).hedge_mode:
        raise VenueRefusal(-1106, "Parameter 'reduceOnly' sent when not required.")
    _check_builder(call, params)
    executes_as_market = order_type.executes_as_market
    return OrderRequest(
        symbol=symbol,
        side=side,
        order_type=order_type,
        position_side=params.optional_choice(
            "positionSide", PositionSide, VenueRefusal(-4060, "Invalid position side.")
        )
        or PositionSide.BOTH,
        time_in_force=params.optional_choice(
            "timeInForce", TimeInForce, VenueRefusal(-1115, "Invalid timeInForce.")
        ),
        quantity=None if close_position else params.optional_decimal("quantity"),
        price=None
        if executes_as_market
        else _pegged_price(call, params, symbol, side)
        if pegged
        else params.optional_decimal("price"),
        stop_price=params.optional_decimal("stopPrice") if order_type.is_conditional else None,
        activation_price=params.optional_decimal("activationPrice"),
        callback_rate_pct=params.optional_decimal("callbackRate"),
        reduce_only=reduce_only or False,
        close_position=close_position,
        working_type=params.optional_choice(
            "workingType", WorkingType, VenueRefusal(-4031, "Invalid parameter working type.")
        )
        or WorkingType.CONTRACT_PRICE,
        price_protect=params.optional_flag("priceProtect") or False,
        client_order_id=_client_order_id(params),
        self_trade_prevention=params.optional_choice(
            "stpMode", SelfTradePrevention, refusals.invalid_parameter("stpMode")
        ),
        received_nonce_us=None if call.identity is None else call.identity.nonce_us,
    )


def _check_builder(call: Call, params: Params) -> None:
    """A builder must be approved for at least the fee rate an order names. Raises VenueRefusal(-2031)."""
    builder = params.optional_text("builder")
    if builder is None:
        return
    account = call.services.registry.account(call.account_id)
    approved = None if account is None else account.builders.get(builder.lower())
    fee_rate = params.optional_decimal("feeRate") or Decimal(0)
    if approved is None or fee_rate > Decimal(approved.max_fee_rate):
        raise VenueRefusal(-2031, "Invalid builder parameter.")
