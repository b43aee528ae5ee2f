"""How a settings field is declared, parsed and described: one declaration gives key, unit, range and help."""

import json
import re
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
from pydantic import BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

from aster_operator.config.secrets import is_placeholder, is_reference, read_secret

__all__ = [
    "OptionalAddress",
    "OptionalSecret",
    "OptionalSecretText",
    "OptionalSymbols",
    "Symbols",
    "TimeOfDayUtc",
    "WholeNumbers",
    "allowed_text",
    "field_extra",
    "field_key",
    "is_secret",
    "parse_symbol",
    "setting",
    "split_list",
]

_ADDRESS = re.compile(r"^0x[0-9a-fA-F]{40}$")


def setting(
    key: str,
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    form: str = "",
    ge: int | Decimal | None = None,
    gt: int | Decimal | None = None,
    le: int | Decimal | None = None,
    has_effect: bool = True,
) -> Any:
    """Declare a field read from the environment variable or `.env` key `key`.

    `unit` and the bounds are inclusive (`gt`: exclusive) and end up in error lines; `form` describes the
    allowed values where bounds cannot. `has_effect=False` marks a key that is accepted for old files only.
    """
    return Field(
        default=default,
        validation_alias=key,
        description=meaning,
        ge=ge,
        gt=gt,
        le=le,
        validate_default=False,
        json_schema_extra={"unit": unit, "form": form, "has_effect": has_effect},
    )


def field_key(field: FieldInfo) -> str:
    """The environment name of a field declared with `setting`."""
    return str(field.validation_alias)


def field_extra(field: FieldInfo, name: str) -> Any:
    """One of the extras that `setting` stores: `unit`, `form`, `has_effect`."""
    extra = field.json_schema_extra
    return extra.get(name) if isinstance(extra, dict) else None


def is_secret(field: FieldInfo) -> bool:
    return SecretStr in _plain_types(field.annotation)


def _plain_types(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Annotated,):
        return _plain_types(get_args(annotation)[0])
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is Literal:
        return (annotation,)
    return tuple(plain for argument in arguments for plain in _plain_types(argument))


# --- what is allowed, in words --------------------------------------------------------------------------


def allowed_text(field: FieldInfo) -> str:
    """The allowed values of a field in words, with the unit: `a whole number from 1 to 125 (times)`."""
    form = field_extra(field, "form")
    if form:
        return str(form)
    unit = field_extra(field, "unit")
    text = f"{_kind_text(field)}{_bounds_text(field)}"
    return f"{text} ({unit})" if unit else text


def _kind_text(field: FieldInfo) -> str:
    kinds = _plain_types(field.annotation)
    for kind in kinds:
        if get_origin(kind) is Literal:
            return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    if bool in kinds:
        return "true or false"
    if int in kinds:
        return "a whole number"
    if Decimal in kinds:
        return "a number"
    return "text"


def _bounds_text(field: FieldInfo) -> str:
    low, above, high = None, None, None
    for rule in field.metadata:
        if isinstance(rule, annotated_types.Ge):
            low = rule.ge
        elif isinstance(rule, annotated_types.Gt):
            above = rule.gt
        elif isinstance(rule, annotated_types.Le):
            high = rule.le
    start = f" from {low}" if low is not None else f" above {above}" if above is not None else ""
    if high is None:
        return f"{start} up" if low is not None else start
    return f"{start} to {high}" if low is not None else f"{start} up to {high}"


# --- parsers --------------------------------------------------------------------------------------------


def _blank_to_none(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or is_placeholder(value)):
        return None
    return value.strip() if isinstance(value, str) else value


def _read_secret(value: object) -> object:
    """Text of a secret: the value itself, or what it names (`config.secrets`).

    Raises ValueError when the value names something and no readable, sensible key is there.
    """
    value = _blank_to_none(value)
    return read_secret(value) if isinstance(value, str) else value


def _read_reference(value: object) -> object:
    """As `_read_secret`, for texts with a form of their own: only a reference is looked up."""
    value = _blank_to_none(value)
    return read_secret(value) if isinstance(value, str) and is_reference(value) else value


def split_list(value: object) -> object:
    """Items of a JSON list (`["BTCUSDT"]`) or of a comma list (`BTCUSDT,ETHUSDT`)."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no JSON list ({error.msg})") from None
    return [item.strip() for item in text.split(",") if item.strip()]


def parse_symbol(text: str) -> str:
    """The symbol in capitals. Raises ValueError for text that cannot be one."""
    symbol = text.strip().upper()
    if not (symbol.isalnum() and 2 <= len(symbol) <= 30):
        raise ValueError(f"{symbol!r} is no symbol")
    return symbol


def _parse_symbols(value: object) -> object:
    items = split_list(value)
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("is no list of symbols")
    symbols = tuple(parse_symbol(item) for item in items)
    if not symbols:
        raise ValueError("names no symbol")
    if len(set(symbols)) != len(symbols):
        raise ValueError("names a symbol twice")
    return symbols


def _parse_whole_numbers(value: object) -> object:
    items = split_list(value)
    if not isinstance(items, list | tuple) or not items:
        raise ValueError("is no list of whole numbers")
    try:
        return tuple(int(item) for item in items)
    except (TypeError, ValueError):
        raise ValueError("is no list of whole numbers") from None


def _parse_time_of_day(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"(?:[01]\d|2[0-3]):[0-5]\d", value.strip()):
        raise ValueError("is no time of day")
    return value.strip()


def _parse_address(value: object) -> object:
    """A wallet address; where it has mixed case, its EIP-55 checksum must be right."""
    value = _blank_to_none(value)
    if value is None:
        return None
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise ValueError("is no wallet address")
    digits = value[2:]
    if digits not in (digits.lower(), digits.upper()) and digits != _checksummed(digits.lower()):
        raise ValueError("has a wrong checksum: a character was mistyped")
    return value


def _checksummed(digits: str) -> str:
    from eth_hash.auto import keccak  # imported here: needed for mixed-case addresses only

    marks = keccak(digits.encode()).hex()
    return "".join(
        digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks, strict=False)
    )


OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_read_secret)]
OptionalSecretText = Annotated[SecretStr | None, BeforeValidator(_read_reference)]
OptionalAddress = Annotated[str | None, BeforeValidator(_parse_address)]
Symbols = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_symbols)]
OptionalSymbols = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_parse_symbols)]
WholeNumbers = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_parse_whole_numbers)]
TimeOfDayUtc = Annotated[str, BeforeValidator(_parse_time_of_day)]
