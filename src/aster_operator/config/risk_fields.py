"""Parsers of settings that are no plain number: moments, and factors by the time of the day."""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_settings import NoDecode

__all__ = ["OptionalMoment", "SizeHours"]

_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)=(\S+)")


def _parse_moment(value: object) -> object:
    """Milliseconds of a UTC date or time; None for nothing."""
    if value is None or isinstance(value, int):
        return value
    text = str(value).strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _parse_hours(value: object) -> object:
    """(first minute, end minute, factor) of each window of the UTC day."""
    if isinstance(value, tuple | list):
        return tuple(value)
    windows = []
    for item in str(value).split(","):
        found = _WINDOW.fullmatch(item.strip())
        if found is None:
            raise ValueError(f"{item.strip()!r} is no time window with a factor")
        start_hour, start_minute, end_hour, end_minute, text = found.groups()
        try:
            factor = Decimal(text)
        except InvalidOperation:
            raise ValueError(f"{text!r} is no factor") from None
        if not (factor.is_finite() and 0 <= factor <= 1):
            raise ValueError(f"{text} is no factor from 0 to 1")
        start, end = 60 * int(start_hour) + int(start_minute), 60 * int(end_hour) + int(end_minute)
        if start == end:
            raise ValueError(f"{item.strip()!r} is an empty window")
        windows.append((start, end, factor))
    return tuple(windows)


OptionalMoment = Annotated[int | None, BeforeValidator(_parse_moment)]
SizeHours = Annotated[tuple[tuple[int, int, Decimal], ...], NoDecode, BeforeValidator(_parse_hours)]
