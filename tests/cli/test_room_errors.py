"""Errors of the rooms below end as one line with a remedy."""

import importlib
import inspect

import pytest

from aster_operator.cli.room_errors import ROOM_REMEDIES, room_line
from aster_operator.exchange import errors


@pytest.mark.parametrize("name", ROOM_REMEDIES)
def test_every_listed_name_is_a_class(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), attribute), Exception)


@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.ExchangeError) and kind.__module__ == errors.__name__
    ],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_the_exchange_has_a_line(kind: type[Exception]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "the venue said so")
    line = room_line(error)
    assert line is not None
    assert line.startswith("the venue said so")


def test_the_nearest_ancestor_speaks() -> None:
    banned = errors.IpBanned(-1003, "Way too many requests", 418, "GET /fapi/v3/depth", 60.0)
    limited = errors.RateLimited(-1003, "Too many requests", 429, "GET /fapi/v3/depth", 1.0)
    assert "lifts the ban" in str(room_line(banned))
    assert "wait a minute" in str(room_line(limited))


def test_other_errors_have_no_line() -> None:
    assert room_line(ValueError("x")) is None
