"""Reads answers: a value of the expected type, a refusal, or nonsense said clearly."""

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from aster_operator.exchange.errors import MalformedResponse, RequestRefused, refusal_of, shortened
from aster_operator.exchange.transport import RawResponse
from aster_operator.exchange.wire.problems import field_of

__all__ = ["decode_answer", "refusal_in"]

T = TypeVar("T")

_BANNED_UNTIL = re.compile(r"banned until (\d{12,14})")
_DEFAULT_QUIET_S = {429: 10.0, 418: 120.0}
"""How long to keep quiet when the answer does not say (a first ban lasts two minutes, section 3)."""


class _ErrorBody(msgspec.Struct):
    code: int | str
    msg: str | None = None


_error_decoder = msgspec.json.Decoder(_ErrorBody)


@lru_cache(maxsize=256)
def _decoder(result_type: Hashable) -> msgspec.json.Decoder[Any]:
    # The venue sends some numbers as text in one answer and bare in the next: either way is understood.
    return msgspec.json.Decoder(cast("Any", result_type), strict=False)


def _error_body(body: bytes) -> tuple[int, str] | None:
    try:
        decoded = _error_decoder.decode(body)
        return int(decoded.code), decoded.msg or ""
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return None


def _quiet_s(response: RawResponse, message: str, now_ms: int) -> float:
    banned_until = _BANNED_UNTIL.search(message)
    if banned_until is not None:
        return max(0.0, (int(banned_until[1]) - now_ms) / 1000)
    header = response.headers.get("Retry-After", "")
    if header.isascii() and header.isdecimal():
        return float(header)
    return _DEFAULT_QUIET_S.get(response.status, 0.0)


def refusal_in(response: RawResponse, endpoint: str, now_ms: int) -> RequestRefused | None:
    """Return the refusal an answer holds, or None for a success."""
    if 200 <= response.status < 300:
        return None
    body = _error_body(response.body)
    code, message = body if body is not None else (0, shortened(response.body) or "no text")
    return refusal_of(code, message, response.status, endpoint, _quiet_s(response, message, now_ms))


def decode_answer(response: RawResponse, endpoint: str, result_type: type[T] | Any) -> T:
    """Return the body of a success as `result_type`.

    Raises a RequestRefused when the body is an error object in spite of the status, MalformedResponse with
    the name of the field when it does not fit.
    """
    try:
        value: T = _decoder(cast("Hashable", result_type)).decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        body = _error_body(response.body)
        if body is not None and body[0] < 0:
            raise refusal_of(body[0], body[1], response.status, endpoint) from None
        field, problem = field_of(error) if response.body.strip() else ("", "the body is empty")
        raise MalformedResponse(endpoint, field, problem, response.body, response.status) from None
    code = _code_in(value)
    if code < 0:
        # Some records would hold an error object too: `Acknowledged` has the same members.
        said = _error_body(response.body)
        raise refusal_of(code, said[1] if said is not None else "", response.status, endpoint)
    return value


def _code_in(value: object) -> int:
    """The venue's code in an answer that has one, 0 in others."""
    code = value.get("code") if isinstance(value, dict) else getattr(value, "code", None)
    try:
        return int(code) if isinstance(code, int | str) else 0
    except ValueError:
        return 0
