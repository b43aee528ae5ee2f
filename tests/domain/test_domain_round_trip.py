"""The journal's promise: every event and every command reads back as the value that was written."""

import types
import typing
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster_operator.domain.commands import Command
from aster_operator.domain.enums import OrderStatus, OrderType, PositionSide, Side
from aster_operator.domain.events import Event
from aster_operator.domain.orders import Approved, OrderState

EVENTS = typing.get_args(Event)
COMMANDS = typing.get_args(Command)
STATES = typing.get_args(OrderState)

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Decimal: st.decimals(
        allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12
    ),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=12),
    bool: st.booleans(),
    type(None): st.none(),
}


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Any value a field of this type may hold."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if origin is Approved:
        return values_of(arguments[0]).map(Approved)
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    hints = typing.get_type_hints(annotation)
    fields = {field.name: values_of(hints[field.name]) for field in msgspec.structs.fields(annotation)}
    return st.builds(annotation, **fields)


def reads_back(value: Any, union: Any) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(value), type=union) == value


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_every_event_reads_back(kind: type, data: st.DataObject) -> None:
    reads_back(data.draw(values_of(kind)), Event)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_every_command_reads_back(kind: type, data: st.DataObject) -> None:
    reads_back(data.draw(values_of(kind)), Command)


@pytest.mark.parametrize("kind", STATES, ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_order_state_reads_back(kind: type, data: st.DataObject) -> None:
    reads_back(data.draw(values_of(kind)), OrderState)


def test_the_unions_are_as_long_as_their_modules_say() -> None:
    assert len(EVENTS) == 20
    assert len(COMMANDS) == 12
    assert len(STATES) == 8


def test_decimals_keep_every_digit() -> None:
    price = Decimal("95700.10000000")
    assert str(msgspec.json.decode(msgspec.json.encode(price), type=Decimal)) == "95700.10000000"


# --- the small rules of the vocabularies ----------------------------------------------------------------


def test_sides_and_their_opposites() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert PositionSide.LONG.opening_side is Side.BUY
    assert PositionSide.SHORT.opening_side is Side.SELL
    assert PositionSide.LONG.closing_side is Side.SELL
    assert PositionSide.SHORT.closing_side is Side.BUY
    with pytest.raises(ValueError, match="BOTH has no opening side"):
        PositionSide.BOTH.opening_side  # noqa: B018 - the property raises


def test_which_orders_wait_and_which_take_any_price() -> None:
    assert {kind for kind in OrderType if not kind.is_conditional} == {OrderType.LIMIT, OrderType.MARKET}
    assert {kind for kind in OrderType if not kind.executes_as_market} == {
        OrderType.LIMIT,
        OrderType.STOP,
        OrderType.TAKE_PROFIT,
    }


def test_which_states_are_final() -> None:
    assert {status for status in OrderStatus if status.is_final} == {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
    }
