"""Every code of section 8 of the protocol reference: its name, what class of failure it is, and whether the
same request may be sent again later as it is.

`UNCLEAR` marks the codes after which the venue may have acted: for a request that changes something they
become `UnknownOutcome`, for a read they are worth another try.
"""

from enum import StrEnum
from typing import Final, NamedTuple

__all__ = ["ERROR_CODES", "CodeRule", "FailureClass", "rule_of"]


class FailureClass(StrEnum):
    """What went wrong, as far as a caller would act differently."""

    VENUE_UNAVAILABLE = "venue unavailable"
    UNCLEAR = "outcome unclear"
    RATE_LIMITED = "rate limited"
    AUTHENTICATION = "authentication"
    CLOCK_SKEW = "clock skew"
    INVALID_REQUEST = "invalid request"
    FILTER_VIOLATION = "filter violation"
    ORDER_REJECTED = "order rejected"
    ORDER_NOT_FOUND = "order not found"
    INSUFFICIENT_MARGIN = "insufficient margin"
    NO_CHANGE_NEEDED = "no change needed"
    CHANGE_BLOCKED = "change blocked"
    POSITION_MODE = "position mode mismatch"
    LISTEN_KEY = "listen key"
    OTHER = "other refusal"


class CodeRule(NamedTuple):
    name: str
    failure: FailureClass
    retriable: bool


_F = FailureClass
_UNAVAILABLE = (
    (-1010, "ERROR_MSG_RECEIVED", _F.ORDER_REJECTED, False),
    (-1016, "SERVICE_SHUTTING_DOWN", _F.VENUE_UNAVAILABLE, True),
    (-1000, "UNKNOWN", _F.OTHER, False),
    (-1001, "DISCONNECTED", _F.UNCLEAR, True),
    (-1006, "UNEXPECTED_RESP", _F.UNCLEAR, True),
    (-1007, "TIMEOUT", _F.UNCLEAR, True),
    (-1003, "TOO_MANY_REQUESTS", _F.RATE_LIMITED, True),
    (-1015, "TOO_MANY_ORDERS", _F.RATE_LIMITED, True),
    (-1021, "INVALID_TIMESTAMP", _F.CLOCK_SKEW, True),
    (-4225, "NONCE_EXPIRED", _F.CLOCK_SKEW, True),
)
_AUTHENTICATION = (
    (-1002, "UNAUTHORIZED"),
    (-1004, "DUPLICATE_IP"),
    (-1005, "NO_SUCH_IP"),
    (-1011, "NON_WHITE_LIST"),
    (-1022, "INVALID_SIGNATURE"),
    (-2014, "BAD_API_KEY_FMT"),
    (-2015, "REJECTED_MBX_KEY"),
    (-4056, "INVALID_API_KEY_TYPE"),
    (-4057, "INVALID_RSA_PUBLIC_KEY"),
    (-4088, "NO_PERMISSION_TO_PLACE_ORDER"),
)
_INVALID_REQUEST = (
    (-1013, "INVALID_MESSAGE"),
    (-1014, "UNKNOWN_ORDER_COMPOSITION"),
    (-1020, "UNSUPPORTED_OPERATION"),
    (-1023, "START_TIME_GREATER_THAN_END_TIME"),
    (-1100, "ILLEGAL_CHARS"),
    (-1101, "TOO_MANY_PARAMETERS"),
    (-1102, "MANDATORY_PARAM_EMPTY_OR_MALFORMED"),
    (-1103, "UNKNOWN_PARAM"),
    (-1104, "UNREAD_PARAMETERS"),
    (-1105, "PARAM_EMPTY"),
    (-1106, "PARAM_NOT_REQUIRED"),
    (-1108, "BAD_ASSET"),
    (-1109, "BAD_ACCOUNT"),
    (-1110, "BAD_INSTRUMENT_TYPE"),
    (-1113, "WITHDRAW_NOT_NEGATIVE"),
    (-1114, "TIF_NOT_REQUIRED"),
    (-1115, "INVALID_TIF"),
    (-1116, "INVALID_ORDER_TYPE"),
    (-1117, "INVALID_SIDE"),
    (-1118, "EMPTY_NEW_CL_ORD_ID"),
    (-1119, "EMPTY_ORG_CL_ORD_ID"),
    (-1120, "BAD_INTERVAL"),
    (-1121, "BAD_SYMBOL"),
    (-1127, "MORE_THAN_XX_HOURS"),
    (-1128, "OPTIONAL_PARAMS_BAD_COMBO"),
    (-1130, "INVALID_PARAMETER"),
    (-1136, "INVALID_NEW_ORDER_RESP_TYPE"),
    (-2031, "INVALID_BUILDER_PARAMETER"),
    (-4015, "INVALID_CL_ORD_ID_LEN"),
    (-4019, "COMPOSITE_SCALE_OVERFLOW"),
    (-4020, "TARGET_STRATEGY_INVALID"),
    (-4021, "INVALID_DEPTH_LIMIT"),
    (-4026, "COMMISSION_INVALID"),
    (-4027, "INVALID_ACCOUNT_TYPE"),
    (-4028, "INVALID_LEVERAGE"),
    (-4031, "INVALID_WORKING_TYPE"),
    (-4032, "EXCEED_MAX_CANCEL_ORDER_SIZE"),
    (-4033, "INSURANCE_ACCOUNT_NOT_FOUND"),
    (-4044, "INVALID_BALANCE_TYPE"),
    (-4055, "AMOUNT_MUST_BE_POSITIVE"),
    (-4060, "INVALID_POSITION_SIDE"),
    (-4082, "INVALID_BATCH_PLACE_ORDER_SIZE"),
    (-4084, "UPCOMING_METHOD"),
    (-4104, "INVALID_CONTRACT_TYPE"),
    (-4114, "INVALID_CLIENT_TRAN_ID_LEN"),
    (-4115, "DUPLICATED_CLIENT_TRAN_ID"),
    (-4137, "CLOSE_POSITION_WITH_QUANTITY"),
    (-4138, "REDUCE_ONLY_MUST_BE_TRUE"),
    (-4139, "ORDER_TYPE_CANNOT_BE_MARKET"),
    (-4144, "INVALID_PAIR"),
    (-4165, "INVALID_TIME_INTERVAL"),
    (-5047, "INVALID_START_TIME"),
    (-5050, "DEPOSIT_REQUIRED"),
    (-5051, "PRIVACY_CHECK_FAILED"),
    (-5052, "USER_PRIVACY_MODE_ENABLED"),
    (-5053, "USER_NOT_BOUND_TO_BUILDER"),
)
_FILTER_VIOLATION = (
    (-1111, "BAD_PRECISION"),
    (-4001, "PRICE_LESS_THAN_ZERO"),
    (-4002, "PRICE_GREATER_THAN_MAX_PRICE"),
    (-4003, "QTY_LESS_THAN_ZERO"),
    (-4004, "QTY_LESS_THAN_MIN_QTY"),
    (-4005, "QTY_GREATER_THAN_MAX_QTY"),
    (-4006, "STOP_PRICE_LESS_THAN_ZERO"),
    (-4007, "STOP_PRICE_GREATER_THAN_MAX_PRICE"),
    (-4013, "PRICE_LESS_THAN_MIN_PRICE"),
    (-4014, "PRICE_NOT_INCREASED_BY_TICK_SIZE"),
    (-4016, "PRICE_HIGHER_THAN_MULTIPLIER_UP"),
    (-4023, "QTY_NOT_INCREASED_BY_STEP_SIZE"),
    (-4024, "PRICE_LOWER_THAN_MULTIPLIER_DOWN"),
    (-4135, "INVALID_ACTIVATION_PRICE"),
    (-4164, "MIN_NOTIONAL"),
    (-4183, "PRICE_HIGHER_THAN_STOP_MULTIPLIER_UP"),
    (-4184, "PRICE_LOWER_THAN_STOP_MULTIPLIER_DOWN"),
    (-5060, "LIMIT_PRICE_OUTSIDE_PERCENT_PRICE"),
    (-5076, "ORDER_VALUE_TOO_SMALL"),
)
_ORDER_REJECTED = (
    (-1112, "NO_DEPTH"),
    (-2010, "NEW_ORDER_REJECTED"),
    (-2016, "NO_TRADING_WINDOW"),
    (-2020, "UNABLE_TO_FILL"),
    (-2021, "ORDER_WOULD_IMMEDIATELY_TRIGGER"),
    (-2022, "REDUCE_ONLY_REJECT"),
    (-2023, "USER_IN_LIQUIDATION"),
    (-2024, "POSITION_NOT_SUFFICIENT"),
    (-2025, "MAX_OPEN_ORDER_EXCEEDED"),
    (-2026, "REDUCE_ONLY_ORDER_TYPE_NOT_SUPPORTED"),
    (-4000, "INVALID_ORDER_STATUS"),
    (-4022, "WRONG_MARKET_STATUS"),
    (-4045, "MAX_STOP_ORDER_EXCEEDED"),
    (-4062, "REDUCE_ONLY_CONFLICT"),
    (-4083, "PLACE_BATCH_ORDERS_FAIL"),
    (-4087, "REDUCE_ONLY_ORDER_PERMISSION"),
    (-4118, "REDUCE_ONLY_MARGIN_CHECK_FAILED"),
    (-4131, "MARKET_ORDER_REJECT"),
    (-4140, "INVALID_SYMBOL_STATUS_FOR_OPENING_POSITION"),
    (-4141, "SYMBOL_CLOSED"),
    (-4142, "STRATEGY_INVALID_TRIGGER_PRICE"),
)
_INSUFFICIENT_MARGIN = (
    (-2018, "BALANCE_NOT_SUFFICIENT"),
    (-2019, "MARGIN_NOT_SUFFICIEN"),
    (-2027, "MAX_LEVERAGE_RATIO"),
    (-2028, "MIN_LEVERAGE_RATIO"),
    (-4050, "CROSS_BALANCE_INSUFFICIENT"),
    (-4051, "ISOLATED_BALANCE_INSUFFICIENT"),
)
_NO_CHANGE_NEEDED = (
    (-4046, "NO_NEED_TO_CHANGE_MARGIN_TYPE"),
    (-4052, "NO_NEED_TO_CHANGE_AUTO_ADD_MARGIN"),
    (-4059, "NO_NEED_TO_CHANGE_POSITION_SIDE"),
)
_CHANGE_BLOCKED = (
    (-4047, "THERE_EXISTS_OPEN_ORDERS"),
    (-4048, "THERE_EXISTS_QUANTITY"),
    (-4049, "ADD_ISOLATED_MARGIN_REJECT"),
    (-4053, "AUTO_ADD_CROSSED_MARGIN_REJECT"),
    (-4054, "ADD_ISOLATED_MARGIN_NO_POSITION_REJECT"),
    (-4067, "POSITION_SIDE_CHANGE_EXISTS_OPEN_ORDERS"),
    (-4068, "POSITION_SIDE_CHANGE_EXISTS_QUANTITY"),
    (-4161, "ISOLATED_LEVERAGE_REJECT_WITH_POSITION"),
    (-4168, "ISOLATED_REJECTED_IN_MULTI_ASSETS_MODE"),
)
_ADMINISTRATIVE = (-4008, -4009, -4010, -4011, -4012, -4017, -4018, -4025, -4029, -4030, -4058, -4085, -4086)
"""Definitions of filters and coefficients: the venue's own business, listed for completeness."""

_OPTIONS_FAMILY = (*range(-4066, -4062), *range(-4081, -4068))

_GROUPS = (
    (_F.AUTHENTICATION, _AUTHENTICATION),
    (_F.INVALID_REQUEST, _INVALID_REQUEST),
    (_F.FILTER_VIOLATION, _FILTER_VIOLATION),
    (_F.ORDER_REJECTED, _ORDER_REJECTED),
    (_F.INSUFFICIENT_MARGIN, _INSUFFICIENT_MARGIN),
    (_F.NO_CHANGE_NEEDED, _NO_CHANGE_NEEDED),
    (_F.CHANGE_BLOCKED, _CHANGE_BLOCKED),
    (_F.ORDER_NOT_FOUND, ((-2011, "CANCEL_REJECTED"), (-2013, "NO_SUCH_ORDER"))),
    (_F.POSITION_MODE, ((-4061, "POSITION_SIDE_NOT_MATCH"),)),
    (_F.LISTEN_KEY, ((-1125, "INVALID_LISTEN_KEY"),)),
)

ERROR_CODES: Final[dict[int, CodeRule]] = {
    **{code: CodeRule(name, failure, retriable) for code, name, failure, retriable in _UNAVAILABLE},
    **{code: CodeRule(name, failure, False) for failure, rows in _GROUPS for code, name in rows},
    **{code: CodeRule("FILTER_DEFINITION", _F.OTHER, False) for code in _ADMINISTRATIVE},
    **{code: CodeRule("OPTIONS", _F.OTHER, False) for code in _OPTIONS_FAMILY},
}
"""Code of the venue to its rule."""

_UNLISTED = CodeRule("UNLISTED", _F.OTHER, False)


def rule_of(code: int) -> CodeRule:
    """Return the rule of `code`; a code the reference does not know is a definite, unretriable refusal."""
    return ERROR_CODES.get(code, _UNLISTED)
