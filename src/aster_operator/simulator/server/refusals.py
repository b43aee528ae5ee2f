"""The refusals the front door itself gives, with the literal texts of protocol reference, section 8.3.

What depends on the books (margin, filters, positions) is refused by the exchange behind it.
"""

from aster_operator.simulator.model import VenueRefusal

__all__ = [
    "bad_interval",
    "bad_symbol",
    "banned",
    "duplicate_parameter",
    "illegal_characters",
    "invalid_api_key",
    "invalid_combination",
    "invalid_listen_key",
    "invalid_parameter",
    "invalid_signature",
    "mandatory_parameter",
    "nonce_expired",
    "parameter_empty",
    "start_after_end",
    "timestamp_ahead",
    "timestamp_outside_window",
    "too_many_orders",
    "too_many_parameters",
    "too_many_requests",
    "unknown_path",
    "unsupported_operation",
]


def mandatory_parameter(name: str) -> VenueRefusal:
    return VenueRefusal(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def either_parameter(first: str, second: str) -> VenueRefusal:
    return VenueRefusal(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def parameter_empty(name: str) -> VenueRefusal:
    return VenueRefusal(-1105, f"Parameter '{name}' was empty.")


def illegal_characters(name: str, legal_range: str) -> VenueRefusal:
    return VenueRefusal(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'."
    )


def too_many_parameters() -> VenueRefusal:
    return VenueRefusal(-1101, "Too many parameters sent for this endpoint.")


def duplicate_parameter() -> VenueRefusal:
    return VenueRefusal(-1101, "Duplicate values for a parameter detected.")


def invalid_parameter(name: str) -> VenueRefusal:
    return VenueRefusal(-1130, f"Data sent for parameter '{name}' is not valid.")


def invalid_combination() -> VenueRefusal:
    return VenueRefusal(-1128, "Combination of optional parameters invalid.")


def start_after_end() -> VenueRefusal:
    return VenueRefusal(-1023, "Start time is greater than end time.")


def window_too_wide(hours: int) -> VenueRefusal:
    return VenueRefusal(
        -1127, f"Lookup interval is too big. More than {hours} hours between startTime and endTime."
    )


def bad_symbol() -> VenueRefusal:
    return VenueRefusal(-1121, "Invalid symbol.")


def bad_interval() -> VenueRefusal:
    return VenueRefusal(-1120, "Invalid interval.")


def invalid_signature() -> VenueRefusal:
    return VenueRefusal(-1022, "Signature for this request is not valid.")


def api_key_format() -> VenueRefusal:
    return VenueRefusal(-2014, "API-key format invalid.", http_status=401)


def invalid_api_key() -> VenueRefusal:
    return VenueRefusal(-2015, "Invalid API-key, IP, or permissions for action.", http_status=401)


def timestamp_outside_window() -> VenueRefusal:
    return VenueRefusal(-1021, "Timestamp for this request is outside of the recvWindow.")


def timestamp_ahead() -> VenueRefusal:
    return VenueRefusal(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def nonce_expired() -> VenueRefusal:
    return VenueRefusal(-4225, "Nonce Expired")


def invalid_listen_key() -> VenueRefusal:
    return VenueRefusal(-1125, "This listenKey does not exist.")


def too_many_requests(limit_per_minute: int) -> VenueRefusal:
    return VenueRefusal(
        -1003,
        f"Too many requests; current limit is {limit_per_minute} requests per minute. "
        "Please use the websocket for live updates to avoid polling the API.",
        http_status=429,
    )


def banned(until_ms: int) -> VenueRefusal:
    return VenueRefusal(
        -1003,
        f"Way too many requests; IP banned until {until_ms}. "
        "Please use the websocket for live updates to avoid bans.",
        http_status=418,
    )


def too_many_orders(limit: int, span: str) -> VenueRefusal:
    return VenueRefusal(
        -1015, f"Too many new orders; current limit is {limit} orders per {span}.", http_status=429
    )


def unsupported_operation() -> VenueRefusal:
    return VenueRefusal(-1020, "This operation is not supported.")


def unknown_path(method: str, path: str) -> VenueRefusal:
    return VenueRefusal(-5000, f"Path {path}, Method {method} is invalid", http_status=404)
