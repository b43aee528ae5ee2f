"""SUBSCRIBE and its relatives, with the venue's error texts (protocol reference, section 6.1)."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aster_operator.simulator.server.subscriptions import ControlProtocol, Subscriptions
from simulator_server.trader import Recorder


@pytest.fixture
def control() -> ControlProtocol:
    return ControlProtocol(Subscriptions(), Recorder(), combined=False)


def ask(control: ControlProtocol, **message: object) -> dict[str, object]:
    return control.answer(json.dumps(message).encode())


def test_subscriptions_come_and_go(control: ControlProtocol) -> None:
    assert ask(control, method="SUBSCRIBE", params=["a@depth", "b@depth"], id=1) == {"result": None, "id": 1}
    assert ask(control, method="SUBSCRIBE", params=["a@depth"]) == {"result": None, "id": None}
    listed = {"result": ["a@depth", "b@depth"], "id": 3}
    assert ask(control, method="LIST_SUBSCRIPTIONS", id=3) == listed
    assert ask(control, method="UNSUBSCRIBE", params=["a@depth", "never"], id=4) == {"result": None, "id": 4}
    assert ask(control, method="LIST_SUBSCRIPTIONS", id=5) == {"result": ["b@depth"], "id": 5}


def test_the_wrapping_is_a_property(control: ControlProtocol) -> None:
    assert ask(control, method="GET_PROPERTY", params=["combined"], id=1) == {"result": False, "id": 1}
    assert ask(control, method="SET_PROPERTY", params=["combined", True], id=2) == {"result": None, "id": 2}
    assert ask(control, method="GET_PROPERTY", params=["combined"], id=3) == {"result": True, "id": 3}


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ('{"method":"SET_PROPERTY","params":["color",true],"id":1}', 0, "Unknown property"),
        ('{"method":"GET_PROPERTY","params":["color"],"id":1}', 0, "Unknown property"),
        (
            '{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}',
            1,
            "Invalid value type: expected Boolean",
        ),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 1, "Invalid value type: expected Boolean"),
        ('{"method":"SET_PROPERTY","params":[7,true]}', 2, "Invalid request: property name must be a string"),
        (
            '{"method":"GET_PROPERTY","params":["combined",true,1]}',
            2,
            "Invalid request: too many parameters",
        ),
        ('{"method":"LIST_SUBSCRIPTIONS","params":["x"]}', 2, "Invalid request: too many parameters"),
        (
            '{"method":"SUBSCRIBE","params":["x"],"id":"one"}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        (
            '{"method":"SUBSCRIBE","params":["x"],"id":-1}',
            2,
            "Invalid request: request ID must be an unsigned integer",
        ),
        ('{"params":["x"],"id":1}', 2, "Invalid request: missing field `method` at line 1 column 23"),
        ("{", 3, "Invalid JSON: expected value at line 1 column 2"),
        ("\n  ?", 3, "Invalid JSON: expected value at line 2 column 3"),
        ("", 3, "Invalid JSON: expected value at line 1 column 1"),
    ],
)
def test_mistakes_are_answered_with_the_venues_texts(
    control: ControlProtocol, text: str, code: int, message: str
) -> None:
    assert control.answer(text.encode()) == {"code": code, "msg": message}


def test_an_unknown_method_names_the_known_ones(control: ControlProtocol) -> None:
    answer = ask(control, method="LOGIN", id=1)
    assert answer["code"] == 2
    assert str(answer["msg"]).startswith(
        "Invalid request: unknown variant `LOGIN`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`"
    )


def test_two_hundred_streams_are_the_limit(control: ControlProtocol) -> None:
    names = [f"s{index}@depth" for index in range(201)]
    assert ask(control, method="SUBSCRIBE", params=names, id=1)["code"] == 2
    assert ask(control, method="SUBSCRIBE", params=names[:200], id=2) == {"result": None, "id": 2}
    assert ask(control, method="SUBSCRIBE", params=names[200:], id=3)["code"] == 2


@given(
    st.binary(max_size=200)
    | st.binary(max_size=20).map(lambda noise: b'{"method":"' + noise + b'","params":["' + noise + b'"]}')
)
@example(b'{"method":"SUBSCRIBE","params":["\xff"],"id":1}')
@example(b'{"method":"SUBSCRIBE","params":["\\ud800"],"id":1}')
@example(b'{"method":["SUBSCRIBE"],"params":[],"id":1}')
def test_any_bytes_get_an_answer(text: bytes) -> None:
    answer = ControlProtocol(Subscriptions(), Recorder(), combined=False).answer(text)
    assert set(answer) in ({"code", "msg"}, {"result", "id"})


@given(st.lists(st.tuples(st.sampled_from("ar"), st.integers(0, 3), st.sampled_from("xyz")), max_size=60))
def test_opening_and_closing_of_streams_is_told_exactly_once(steps: list[tuple[str, int, str]]) -> None:
    subscriptions, opened = Subscriptions(), set[str]()
    subscriptions.on_first = opened.add
    subscriptions.on_last = opened.remove
    people = [Recorder() for _ in range(4)]
    held: set[tuple[int, str]] = set()
    for action, person, name in steps:
        if action == "a":
            subscriptions.add(people[person], name)
            held.add((person, name))
        else:
            subscriptions.remove(people[person], name)
            held.discard((person, name))
        assert opened == {stream for _, stream in held}
        subscriptions.publish(name, {})
    for person in people:
        subscriptions.forget(person)
    assert opened == set()
