"""JSON on standard output for other people's tools: numbers as numbers, one object, nothing else."""

import sys
from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.domain.money import plain_text

__all__ = ["print_json"]


def print_json(value: Any) -> None:
    """Write one object as one line; decimals become JSON numbers with all their digits and no exponent."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    sys.stdout.write(encoder.encode(_plain(value)).decode() + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    builtins = msgspec.to_builtins(value, builtin_types=(Decimal,))
    return _without_exponents(builtins)


def _without_exponents(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal(plain_text(value))
    if isinstance(value, dict):
        return {key: _without_exponents(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_exponents(inner) for inner in value]
    return value
