"""List parameters in every dialect clients use (protocol reference, section 4.4)."""

import ast
import json
import re
from typing import Any

from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.params import Params

__all__ = ["parse_items", "parse_orders"]

MAX_LIST_CHARACTERS = 65_536
MAX_NESTING = 64
_PYTHON_WORDS = {"true": "True", "false": "False", "null": "None"}


def parse_orders(name: str, text: str) -> list[Params]:
    """The objects of a batch: strict JSON, Python's `str(list)` with quotes swapped, or single quotes.

    Raises VenueRefusal(-1130) when it is none of these.
    """
    if len(text) > MAX_LIST_CHARACTERS or text.count("[") + text.count("{") > MAX_NESTING:
        raise refusals.invalid_parameter(name)
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        rows = _python_literal(name, text)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise refusals.invalid_parameter(name)
    return [Params({str(key): _as_text(name, value) for key, value in row.items()}) for row in rows]


def _python_literal(name: str, text: str) -> Any:
    words = re.sub(r"\b(true|false|null)\b(?=\s*[,}\]])", lambda match: _PYTHON_WORDS[match.group(1)], text)
    try:
        return ast.literal_eval(words)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise refusals.invalid_parameter(name) from None


def _as_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if value is None:
        return ""
    raise refusals.invalid_parameter(name)


def parse_items(text: str) -> list[str]:
    """The items of `[1,2]`, `["1","2"]`, `["a","b"]` or `[a,b]` as texts."""
    inner = text.strip().removeprefix("[").removesuffix("]")
    items = [item.strip().strip("\"'") for item in inner.split(",")]
    return [item for item in items if item]
