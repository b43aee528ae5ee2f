"""Turns decoding failures into the name of the field and what was wrong with it."""

import re

__all__ = ["field_of"]

_AT = re.compile(r" - at `\$\.?(.*?)`$")
_MISSING = re.compile(r"missing required field `([^`]+)`")


def field_of(error: Exception) -> tuple[str, str]:
    """Return (path of the field in the message, problem) of a decoding error; the path may be empty."""
    text = str(error)
    location = _AT.search(text)
    path = location[1] if location else ""
    problem = text[: location.start()] if location else text
    missing = _MISSING.search(problem)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
    return path, problem
