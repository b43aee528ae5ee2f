"""Parameters to the exact text that is signed and sent. The signed text must equal the sent one."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from functools import cache
from urllib.parse import quote_plus

import msgspec

from aster_operator.domain.money import plain_text

__all__ = ["ParameterValue", "Parameters", "encode_parameters", "wire_text"]

ParameterValue = str | int | bool | Decimal | Enum | Sequence[object] | Mapping[str, object] | None
"""What a parameter may be; None leaves the parameter out. Floats are refused: they are not exact."""

Parameters = dict[str, ParameterValue]

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~-"
_json = msgspec.json.Encoder()


def _json_ready(value: object) -> object:
    """Decimals as the wire writes them, enumerations as their values, absent members left out."""
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    if isinstance(value, Decimal):
        return _number_text(value)
    if isinstance(value, float):
        raise TypeError(f"parameters are exact: send Decimal or str instead of the float {value!r}")
    return value


def _number_text(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"a parameter must be a finite number, was {value}")
    return plain_text(value)


@cache
def _separators(count: int) -> bytes:
    """What is left of `count` pairs when names and values are taken away."""
    return b"=" + b"&=" * (count - 1) if count else b""


def wire_text(value: ParameterValue) -> str:
    """Return the unescaped text of one value.

    Raises TypeError for floats and unknown types, ValueError for a Decimal that is no finite number.
    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if kind is Decimal:
        return _number_text(value)  # type: ignore[arg-type]
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value)
    if isinstance(value, Enum):
        return str(value._value_)  # the property `value` costs three times as much
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple | dict):
        return _json.encode(_json_ready(value)).decode()
    if isinstance(value, float):
        raise TypeError(f"parameters are exact: send Decimal or str instead of the float {value!r}")
    raise TypeError(f"a parameter cannot be a {kind.__name__}")


def encode_parameters(parameters: Mapping[str, ParameterValue]) -> str:
    """Return `name=value&...` in the given order, percent-encoded as an HTML form, without the Nones."""
    pairs = [
        f"{name}={value if type(value) is str else wire_text(value)}"
        for name, value in parameters.items()
        if value is not None
    ]
    text = "&".join(pairs)
    # One look at the whole text: without its plain characters only the separators may be left, each in its
    # place. Nearly every request needs no escaping at all.
    if text.encode().translate(None, _PLAIN) == _separators(len(pairs)):
        return text
    return "&".join(
        [
            f"{quote_plus(name)}={quote_plus(wire_text(value))}"
            for name, value in parameters.items()
            if value is not None
        ]
    )
