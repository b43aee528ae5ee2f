"""What the exchange answers when it refuses, with Aster's codes and texts (protocol reference, 8.2 and 8.3).

Clients match on the texts, so they are reproduced to the letter.
"""

from decimal import Decimal

from aster_operator.simulator.model import ATOMS, VenueRefusal

__all__ = ["money_atoms", "refuse", "usual_text"]

_MOST_MONEY = 10**15

_TEXTS = {
    -1000: "Invalid symbol.",
    -1013: "Filter failure: MAX_NOTIONAL",
    -1020: "This operation is not supported.",
    -1102: "Mandatory parameter '%s' was not sent, was empty/null, or malformed.",
    -1106: "Parameter '%s' sent when not required.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1112: "No orders on book for symbol.",
    -1114: "TimeInForce parameter sent when not required.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1121: "Invalid symbol.",
    -1130: "Data sent for parameter '%s' is not valid.",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2020: "Unable to fill.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2023: "User in liquidation mode now.",
    -2025: "Reach max open order limit.",
    -2026: "This OrderType is not supported when reduceOnly.",
    -2027: "Exceeded the maximum allowable position at current leverage.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4006: "Stop price less than zero.",
    -4007: "Stop price greater than max price.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4015: "Client order id is not valid.",
    -4016: "Price is higher than mark price multiplier cap.",
    -4023: "Qty not increased by step size.",
    -4024: "Price is lower than mark price multiplier floor.",
    -4028: "Leverage %s is not valid",
    -4031: "Invalid workingType.",
    -4045: "Reach max stop order limit.",
    -4046: "No need to change margin type.",
    -4047: "Margin type cannot be changed if there exists open orders.",
    -4048: "Margin type cannot be changed if there exists position.",
    -4049: "Add margin only support for isolated position.",
    -4050: "Cross balance insufficient.",
    -4051: "Isolated balance insufficient.",
    -4054: "Cannot add position margin: position is 0.",
    -4055: "Amount must be positive.",
    -4059: "No need to change position side.",
    -4060: "Invalid position side.",
    -4061: "Order's position side does not match user's setting.",
    -4062: "Invalid or improper reduceOnly value.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4087: "User can only place reduce only order",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders",
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit",
    -4135: "Invalid activation price",
    -4137: "Quantity must be zero with closePosition equals true",
    -4138: "Reduce only must be true with closePosition equals true",
    -4139: "Order type can not be market if it's unable to cancel",
    -4140: "Invalid symbol status for opening position",
    -4141: "Symbol is closed",
    -4142: "REJECT: take profit or stop order will be triggered immediately",
    -4161: "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    -4164: "Order's notional must be no smaller than %s (unless you choose reduce only)",
    -4168: "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    -4183: "Price is higher than stop price multiplier cap.",
    -4184: "Price is lower than stop price multiplier floor.",
}


def refuse(code: int, *values: object) -> VenueRefusal:
    """The refusal with this code, its placeholders filled from `values`; raise what is returned."""
    text = _TEXTS[code]
    return VenueRefusal(code, text % values if values else text)


def usual_text(code: int) -> str | None:
    """What the venue says with this code; None where that is unknown or names a value."""
    text = _TEXTS.get(code)
    return None if text is None or "%s" in text else text


def money_atoms(amount: Decimal) -> int:
    """An amount of money somebody asked for, in atoms; finer digits are cut off.

    Raises VenueRefusal(-1130) for what is no number or beyond any wallet.
    """
    if not amount.is_finite() or abs(amount) > _MOST_MONEY:
        raise refuse(-1130, "amount")
    return int(amount * ATOMS)
