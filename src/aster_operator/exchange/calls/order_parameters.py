"""Orders as parameters, and answers to batches of them (protocol reference, sections 4.3 and 4.4)."""

import secrets
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import Raw

from aster_operator.domain.enums import (
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)
from aster_operator.exchange.endpoint import Endpoint
from aster_operator.exchange.errors import MalformedResponse, UnknownOutcome
from aster_operator.exchange.signing.parameters import Parameters, ParameterValue
from aster_operator.exchange.wire.orders import BatchRefusal, OrderRecord
from aster_operator.exchange.wire.problems import field_of

__all__ = [
    "batch_answer",
    "batch_text",
    "fresh_order_id",
    "identities",
    "identity",
    "order_parameters",
]


def order_parameters(
    *,
    symbol: str,
    side: Side | str,
    type: OrderType | str,  # noqa: A002 - the field's own word
    position_side: PositionSide | str | None = None,
    time_in_force: TimeInForce | str | None = None,
    quantity: Decimal | None = None,
    price: Decimal | None = None,
    new_client_order_id: str | None = None,
    stop_price: Decimal | None = None,
    reduce_only: bool | None = None,
    close_position: bool | None = None,
    activation_price: Decimal | None = None,
    callback_rate: Decimal | None = None,
    working_type: WorkingType | str | None = None,
    price_protect: bool | None = None,
    new_order_resp_type: str | None = None,
    stp_mode: SelfTradePrevention | str | None = None,
    peg_price_type: str | None = None,
    peg_offset: Decimal | None = None,
    builder: str | None = None,
    fee_rate: Decimal | None = None,
) -> Parameters:
    """Return the parameters of one order in the wire's names, for `new_order` and for batches.

    Prices in quote units, quantity in base units, `callback_rate` in percent (0.1 to 5). The meaning of
    each is in section 4.3.
    """
    return {
        "symbol": symbol,
        "side": side,
        "positionSide": position_side,
        "type": type,
        "timeInForce": time_in_force,
        "quantity": quantity,
        "price": price,
        "newClientOrderId": new_client_order_id,
        "stopPrice": stop_price,
        "reduceOnly": reduce_only,
        "closePosition": close_position,
        "activationPrice": activation_price,
        "callbackRate": callback_rate,
        "workingType": working_type,
        # The venue documents this one flag in capitals.
        "priceProtect": None if price_protect is None else ("TRUE" if price_protect else "FALSE"),
        "newOrderRespType": new_order_resp_type,
        "stpMode": stp_mode,
        "pegPriceType": peg_price_type,
        "pegOffset": peg_offset,
        "builder": builder,
        "feeRate": fee_rate,
    }


def fresh_order_id() -> str:
    """Return a client order id for an order that was given none.

    With an id of our own an order can be asked for when its answer is lost; the venue's id comes too late.
    """
    return f"ao-{secrets.token_hex(12)}"


def identity(order_id: int | None, client_order_id: str | None) -> Parameters:
    """Return the parameters that name one order. Raises ValueError without any."""
    if order_id is None and client_order_id is None:
        raise ValueError("give order_id or orig_client_order_id: without one the venue refuses with -1102")
    return {"orderId": order_id, "origClientOrderId": client_order_id}


def batch_text(value: ParameterValue) -> ParameterValue:
    """Flags and numbers of a batch travel as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


def batch_answer(endpoint: Endpoint, elements: list[Raw]) -> list[OrderRecord | BatchRefusal]:
    """Tell orders from refusals: only a refusal has a code and a message."""
    source = f"{endpoint.method} {endpoint.name}"
    answer: list[OrderRecord | BatchRefusal] = []
    for position, element in enumerate(elements):
        try:
            answer.append(_refusal_decoder.decode(element))
            continue
        except msgspec.ValidationError:
            pass
        try:
            answer.append(_order_decoder.decode(element))
        except msgspec.DecodeError as error:
            field, problem = field_of(error)
            # Other elements of the batch may be live orders: an unreadable one leaves its own outcome open.
            cause = str(MalformedResponse(source, f"[{position}].{field}", problem, bytes(element)))
            raise UnknownOutcome(source, cause, None, None) from None
    return answer


_refusal_decoder = msgspec.json.Decoder(BatchRefusal)
_order_decoder = msgspec.json.Decoder(OrderRecord, strict=False)


def identities(order_ids: Sequence[int], client_ids: Sequence[str]) -> Parameters:
    if bool(order_ids) == bool(client_ids):
        raise ValueError("give order_ids or orig_client_order_ids, and only one of them")
    if len(order_ids) > 10 or len(client_ids) > 10:
        raise ValueError(f"at most 10 orders are cancelled at once, was {len(order_ids) or len(client_ids)}")
    if order_ids:
        return {"orderIdList": list(order_ids)}
    return {"origClientOrderIdList": list(client_ids)}
