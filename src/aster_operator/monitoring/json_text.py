"""JSON for other people's tools: numbers as numbers, decimals with all their digits and no exponent."""

from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.domain.money import plain_text

__all__ = ["json_bytes"]


def json_bytes(value: Any) -> bytes:
    """One value as JSON. The API and every command's `--json` write the same objects the same way."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    return encoder.encode(_without_exponents(msgspec.to_builtins(value, builtin_types=(Decimal,))))


def _without_exponents(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal(plain_text(value))
    if isinstance(value, dict):
        return {key: _without_exponents(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_exponents(inner) for inner in value]
    return value
