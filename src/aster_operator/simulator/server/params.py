"""Request parameters: raw bytes to named texts, and typed reading with the venue's refusals.

The tolerance is that of protocol reference, sections 2.1 and 4.3: parameters may stand in the query, in a
form body or in both (the query wins), whatever the method and the content type; a JSON body next to a
signed query is ignored; booleans come in any case and decimals in scientific form.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from urllib.parse import unquote_to_bytes

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import refusals

__all__ = ["DECIMAL_RANGE", "MAX_PARAMETERS", "Params", "form_pairs", "is_form_body", "read_params"]

MAX_PARAMETERS = 500
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
# Wider than what the refusal prints: a sign and an exponent are understood (section 4.3), bounded so that
# no arithmetic on the value can grow without limit.
_DECIMAL = re.compile(
    r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?", re.ASCII
)
_INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)

Choice = TypeVar("Choice", bound=StrEnum)
Refusal = VenueRefusal | Callable[[], VenueRefusal]
"""A refusal, or what makes it when it is needed."""


@lru_cache(maxsize=64)
def _members(kind: type[StrEnum]) -> dict[str, StrEnum]:
    return {member.value: member for member in kind}


def _decode(raw: bytes) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8")


def form_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Decoded `name=value` pairs in the order sent.

    Raises VenueRefusal(-1101) for more than `MAX_PARAMETERS`, and (-1100) for bytes that are no UTF-8.
    """
    if not raw:
        return []
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise refusals.too_many_parameters()
    try:
        if b"%" not in raw and b"+" not in raw:
            plain = raw.decode("utf-8")
            return [_halves(segment) for segment in plain.split("&") if segment]
        return [_decoded_halves(segment) for segment in raw.split(b"&") if segment]
    except UnicodeDecodeError as error:
        raise VenueRefusal(-1100, "Illegal characters found in a parameter.") from error


def _halves(segment: str) -> tuple[str, str]:
    name, _, value = segment.partition("=")
    return name, value


def _decoded_halves(segment: bytes) -> tuple[str, str]:
    name, _, value = segment.partition(b"=")
    return _decode(name), _decode(value)


def is_form_body(body: bytes) -> bool:
    """False for an empty body and for JSON, which some clients leave beside a signed query."""
    return bool(body) and body.lstrip()[:1] not in (b"{", b"[", b"")


def read_params(raw_query: bytes, body: bytes) -> "Params":
    """Merge query and form body; on a name in both the query wins. Raises VenueRefusal(-1101) for a
    name that stands twice in the same part."""
    values: dict[str, str] = {}
    if is_form_body(body):
        _add_unique(values, form_pairs(body))
    if raw_query:
        in_query: dict[str, str] = {}
        _add_unique(in_query, form_pairs(raw_query))
        values.update(in_query)
    return Params(values)


def _add_unique(values: dict[str, str], pairs: list[tuple[str, str]]) -> None:
    values.update(pairs)
    if len(values) != len(pairs):
        raise refusals.duplicate_parameter()


class Params(Mapping[str, str]):
    """Named texts with typed reading. Mandatory readers refuse with -1102, bad values as the venue does."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __len__(self) -> int:
        return len(self._values)

    def optional_text(self, *names: str) -> str | None:
        """The first of `names` that was sent, None when none was. Raises -1105 when it is empty."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                if not value:
                    raise refusals.parameter_empty(name)
                return value
        return None

    def text(self, *names: str) -> str:
        for name in names:
            value = self._values.get(name)
            if value:
                return value
        raise refusals.mandatory_parameter(names[0])

    def _sent(self, name: str) -> str | None:
        """As `optional_text`, of one name: most parameters are not there, and that must cost little."""
        value = self._values.get(name)
        if value == "":
            raise refusals.parameter_empty(name)
        return value

    def optional_decimal(self, name: str) -> Decimal | None:
        value = self._sent(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise refusals.illegal_characters(name, DECIMAL_RANGE)
        return Decimal(value)

    def decimal(self, name: str) -> Decimal:
        self.text(name)
        value = self.optional_decimal(name)
        assert value is not None  # noqa: S101 - `text` has refused a missing one
        return value

    def optional_integer(self, name: str, low: int | None = None, high: int | None = None) -> int | None:
        value = self._sent(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise refusals.invalid_parameter(name)
        number = int(value)
        if (low is not None and number < low) or (high is not None and number > high):
            raise refusals.invalid_parameter(name)
        return number

    def integer(self, name: str, low: int | None = None, high: int | None = None) -> int:
        self.text(name)
        value = self.optional_integer(name, low, high)
        assert value is not None  # noqa: S101 - `text` has refused a missing one
        return value

    def optional_flag(self, name: str) -> bool | None:
        value = self._sent(name)
        if value is None:
            return None
        lowered = value.lower()
        if lowered not in ("true", "false"):
            raise refusals.invalid_parameter(name)
        return lowered == "true"

    def flag(self, name: str) -> bool:
        self.text(name)
        return bool(self.optional_flag(name))

    def optional_choice(self, name: str, kind: type[Choice], refusal: Refusal) -> Choice | None:
        value = self._sent(name)
        if value is None:
            return None
        member = _members(kind).get(value.upper())
        if not isinstance(member, kind):
            raise refusal if isinstance(refusal, VenueRefusal) else refusal()
        return member

    def choice(self, name: str, kind: type[Choice], refusal: Refusal) -> Choice:
        self.text(name)
        value = self.optional_choice(name, kind, refusal)
        assert value is not None  # noqa: S101 - `text` has refused a missing one
        return value

    def limit(self, default: int, highest: int) -> int:
        """`limit`, silently capped at `highest` as the venue does."""
        return min(self.optional_integer("limit", low=1) or default, highest)

    def time_span(self) -> tuple[int | None, int | None]:
        """`startTime` and `endTime` in ms. Raises VenueRefusal(-1023) when they are the wrong way round."""
        start = self.optional_integer("startTime", low=0)
        end = self.optional_integer("endTime", low=0)
        if start is not None and end is not None and start > end:
            raise refusals.start_after_end()
        return start, end
