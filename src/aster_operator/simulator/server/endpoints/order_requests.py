"""From the parameters of a new order to an `OrderRequest` (protocol reference, section 4.3).

Checked here is what is lost in parsing: enumerations, texts, the builder code. Which parameters an order
type takes, filters, margin and position rules are the exchange's.
"""

import re
from decimal import Decimal
from functools import partial

from aster_operator.domain.enums import (
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)
from aster_operator.simulator.model import ATOMS, OrderRequest, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.routing import Call

__all__ = ["RESPONSE_TYPES", "approved_builder", "client_order_id", "order_request"]

RESPONSE_TYPES = ("ACK", "RESULT")
_BAD_SIDE = partial(VenueRefusal, -1117, "Invalid side.")
_BAD_TYPE = partial(VenueRefusal, -1116, "Invalid orderType.")
_BAD_POSITION_SIDE = partial(VenueRefusal, -4060, "Invalid position side.")
_BAD_TIME_IN_FORCE = partial(VenueRefusal, -1115, "Invalid timeInForce.")
_BAD_WORKING_TYPE = partial(VenueRefusal, -4031, "Invalid parameter working type.")
_BAD_STP_MODE = partial(refusals.invalid_parameter, "stpMode")
_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)


def client_order_id(params: Params) -> str | None:
    text = params.optional_text("newClientOrderId")
    if text is None:
        return None
    if len(text) > 36:
        raise VenueRefusal(-4015, "Client order id length should not be more than 36 chars")
    if not _CLIENT_ID.fullmatch(text):
        raise VenueRefusal(-4015, "Client order id is not valid.")
    return text


def _decimal_or_zero_is_absent(params: Params, name: str, wanted: bool) -> Decimal | None:
    """Some clients send a zero where an order type takes no value; the exchange refuses anything else."""
    value = params.optional_decimal(name)
    return None if value == 0 and not wanted else value


def _trailed_quantity(call: Call, symbol: str, side: Side, position_side: PositionSide) -> Decimal | None:
    """What a trailing stop without a quantity closes: the whole position it is against, None without one.

    Section 4.3 lists only the callback rate as mandatory for it, and clients leave the quantity out. A stop
    nobody sized protects what there is, so it may only reduce: it must not open the other side later.
    """
    for position in call.exchange.positions(call.account_id, symbol):
        if position.position_side is position_side and position.lots * side.sign < 0:
            return position.spec.quantity_of(abs(position.lots))
    return None


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
    side = params.choice("side", Side, _BAD_SIDE)
    order_type = params.choice("type", OrderType, _BAD_TYPE)
    position_side = (
        params.optional_choice("positionSide", PositionSide, _BAD_POSITION_SIDE) or PositionSide.BOTH
    )
    reduce_only = params.optional_flag("reduceOnly")
    if reduce_only is not None and call.exchange.account(call.account_id).hedge_mode:
        raise VenueRefusal(-1106, "Parameter 'reduceOnly' sent when not required.")
    builder, builder_rate_e8 = approved_builder(call, params)
    price = _pegged_price(call, params, symbol, side) if order_type is OrderType.LIMIT else None
    if price is None:
        price = _decimal_or_zero_is_absent(params, "price", not order_type.executes_as_market)
    quantity = params.optional_decimal("quantity")
    if quantity is None and order_type is OrderType.TRAILING_STOP_MARKET:
        quantity = _trailed_quantity(call, symbol, side, position_side)
        reduce_only = position_side is PositionSide.BOTH
    return OrderRequest(
        symbol=symbol,
        side=side,
        order_type=order_type,
        position_side=position_side,
        time_in_force=params.optional_choice("timeInForce", TimeInForce, _BAD_TIME_IN_FORCE),
        quantity=quantity,
        price=price,
        stop_price=_decimal_or_zero_is_absent(params, "stopPrice", order_type.is_conditional),
        activation_price=params.optional_decimal("activationPrice"),
        callback_rate_pct=params.optional_decimal("callbackRate"),
        reduce_only=reduce_only or False,
        close_position=params.optional_flag("closePosition") or False,
        working_type=params.optional_choice("workingType", WorkingType, _BAD_WORKING_TYPE)
        or WorkingType.CONTRACT_PRICE,
        price_protect=params.optional_flag("priceProtect") or False,
        client_order_id=client_order_id(params),
        self_trade_prevention=params.optional_choice("stpMode", SelfTradePrevention, _BAD_STP_MODE),
        received_nonce_us=None if call.identity is None else call.identity.nonce_us,
        builder=builder,
        builder_rate_e8=builder_rate_e8,
    )


def approved_builder(call: Call, params: Params) -> tuple[str | None, int]:
    """(account id of the builder an order names, its share of a fill in 10^-8); None and 0 without one.

    It must be approved for at least the fee rate the order names; an order that names none pays none. Raises
    VenueRefusal(-2031).
    """
    builder = params.optional_text("builder")
    if builder is None:
        return None, 0
    account = call.services.registry.account(call.account_id)
    approved = None if account is None else account.builders.get(builder.lower())
    fee_rate = params.optional_decimal("feeRate") or Decimal(0)
    if approved is None or not 0 <= fee_rate <= Decimal(approved.max_fee_rate):
        raise VenueRefusal(-2031, "Invalid builder parameter.")
    return builder.lower(), int(fee_rate * ATOMS)
