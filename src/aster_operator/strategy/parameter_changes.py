"""What a person changed in a parameter file, for the message that says so."""

from collections.abc import Iterator, Mapping
from typing import Any

from aster_operator.strategy.base import ParameterFaults, read_json_object

__all__ = ["changes_text"]

_NAMED = 6


def changes_text(before: str | None, after: str) -> str | None:
    """The keys whose values differ between two texts of a file, `ETHUSDT.k 1.3 → 0.2`, the first few of them;
    None where it says the same. `before` None: the strategy's own defaults stood."""
    try:
        old = {} if before is None else dict(_flat(read_json_object(before)))
        new = dict(_flat(read_json_object(after)))
    except ParameterFaults:  # a strategy may read texts of a kind of its own
        return None if before == after else "the file reads otherwise"
    changed = [key for key in {**old, **new} if key not in old or key not in new or old[key] != new[key]]
    if not changed:
        return None
    named = [f"{key} {_shown(old, key)} → {_shown(new, key)}" for key in changed[:_NAMED]]
    more = [f"{len(changed) - _NAMED} more"] if len(changed) > _NAMED else []
    return ", ".join(named + more)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def _shown(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "unset"
