"""Settings of market-maker protection (protocol reference, section 4.6)."""

from typing import Any

from aster_operator.domain.money import plain_text
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.market_maker_protection import ProtectionLimits
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["PROTECTION_ENDPOINTS"]


def set_limits(call: Call) -> Any:
    """Limits for a symbol; at least one of quantity, value and delta."""
    spec, params = call.spec(), call.params
    limits = ProtectionLimits(
        window_ms=params.integer("windowTimeInMilliseconds", low=1),
        frozen_ms=params.integer("frozenTimeInMilliseconds", low=0),
        quantity=params.optional_decimal("qtyLimit"),
        value=params.optional_decimal("valueLimit"),
        delta=params.optional_decimal("deltaLimit"),
    )
    given = [limit for limit in (limits.quantity, limits.value, limits.delta) if limit is not None]
    if not given:
        raise refusals.mandatory_parameter("qtyLimit")
    if any(limit <= 0 for limit in given):
        raise refusals.invalid_parameter("qtyLimit")
    call.services.protection.set(call.account_id, spec.symbol, limits)
    return True


def limits(call: Call) -> Any:
    """The limits of a symbol, or of all."""
    wanted = call.optional_spec()
    return [
        {
            "symbol": symbol,
            "windowTimeInMilliseconds": each.window_ms,
            "frozenTimeInMilliseconds": each.frozen_ms,
            "qtyLimit": None if each.quantity is None else plain_text(each.quantity),
            "valueLimit": None if each.value is None else plain_text(each.value),
            "deltaLimit": None if each.delta is None else plain_text(each.delta),
        }
        for symbol, each in call.services.protection.listed(call.account_id).items()
        if wanted is None or wanted.symbol == symbol
    ]


def delete_limits(call: Call) -> Any:
    """No limits for a symbol any more."""
    if not call.services.protection.remove(call.account_id, call.spec().symbol):
        raise refusals.invalid_parameter("symbol")
    return True


def reset(call: Call) -> Any:
    """Accept orders again in a symbol that was frozen."""
    if not call.services.protection.reset(call.account_id, call.spec().symbol):
        raise refusals.invalid_parameter("symbol")
    return True


PROTECTION_ENDPOINTS = (
    Endpoint("POST", "mmp", (3,), Security.TRADE, set_limits),
    Endpoint("GET", "mmp", (3,), Security.USER_DATA, limits),
    Endpoint("DELETE", "mmp", (3,), Security.TRADE, delete_limits),
    Endpoint("POST", "mmpReset", (3,), Security.TRADE, reset),
)
