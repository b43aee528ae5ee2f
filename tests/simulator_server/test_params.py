from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import Side
from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server.endpoints.lists import parse_items, parse_orders
from aster_operator.simulator.server.number_text import fixed_text, trimmed_atoms_text
from aster_operator.simulator.server.params import MAX_PARAMETERS, Params, read_params
from simulator_server.trader import refusal_code


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        (b"a=1&b=2", b"", {"a": "1", "b": "2"}),
        (b"", b"a=1", {"a": "1"}),
        (b"a=query", b"a=body&b=2", {"a": "query", "b": "2"}),
        (b"a=x%3Ay%2Fz+w", b"", {"a": "x:y/z w"}),
        (b"a=%20&&b=", b"", {"a": " ", "b": ""}),
        (b"a=1", b'{"a": 2}', {"a": "1"}),
        (b"a=caf%C3%A9", b"", {"a": "café"}),
        (b"flag", b"", {"flag": ""}),
    ],
)
def test_query_and_body_become_named_texts(query: bytes, body: bytes, expected: dict[str, str]) -> None:
    assert dict(read_params(query, body)) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (b"a=1&a=2", -1101),
        (b"&".join(b"p%d=1" % index for index in range(MAX_PARAMETERS + 1)), -1101),
        (b"a=%FF%FE", -1100),
        (b"\xff=1", -1100),
    ],
)
def test_what_cannot_be_read_is_refused(query: bytes, code: int) -> None:
    with pytest.raises(VenueRefusal) as caught:
        read_params(query, b"")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", "1"), ("0.001", "0.001"), ("1e-05", "0.00001"), ("1E3", "1000"), ("-2.5", "-2.5"), (".5", "0.5")],
)
def test_decimals_in_every_spelling(text: str, expected: str) -> None:
    assert Params({"price": text}).decimal("price") == Decimal(expected)


@pytest.mark.parametrize("text", ["NaN", "inf", "1,5", "1_000", "0x1", "١٢", "1e999", "9" * 30, "1 ", "--1"])
def test_what_is_no_bounded_decimal_is_illegal(text: str) -> None:
    with pytest.raises(VenueRefusal) as caught:
        Params({"price": text}).decimal("price")
    assert caught.value.code == -1100


@pytest.mark.parametrize("text", ["True", "TRUE", "true", "tRue"])
def test_flags_in_any_case(text: str) -> None:
    assert Params({"x": text}).flag("x") is True


def test_missing_and_empty_parameters_have_their_codes() -> None:
    params = Params({"empty": ""})
    for read, code in (
        (lambda: params.text("absent"), -1102),
        (lambda: params.text("empty"), -1102),
        (lambda: params.optional_text("empty"), -1105),
        (lambda: params.integer("absent"), -1102),
        (lambda: Params({"x": "yes"}).flag("x"), -1130),
        (lambda: Params({"x": "12a"}).integer("x"), -1130),
        (lambda: Params({"x": "9" * 40}).integer("x"), -1130),
        (lambda: Params({"x": "UP"}).choice("x", Side, VenueRefusal(-1117, "Invalid side.")), -1117),
        (lambda: Params({"startTime": "2", "endTime": "1"}).time_span(), -1023),
    ):
        with pytest.raises(VenueRefusal) as caught:
            read()
        assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        '[{"symbol":"BTCUSDT","reduceOnly":true,"quantity":"1"}]',
        '[{"symbol": "BTCUSDT", "reduceOnly": True, "quantity": 1}]',
        "[{'symbol': 'BTCUSDT', 'reduceOnly': True, 'quantity': '1'}]",
        "[{'symbol': 'BTCUSDT', 'reduceOnly': true, 'quantity': '1'}]",
    ],
)
def test_batches_in_every_dialect(text: str) -> None:
    (order,) = parse_orders("batchOrders", text)
    assert dict(order) == {"symbol": "BTCUSDT", "reduceOnly": "true", "quantity": "1"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[1]", "[{", "[" * 100_000, '[{"a":{"b":1}}]', "open('x')", "[{}]" * 2]
)
def test_broken_batches_are_refused(text: str) -> None:
    with pytest.raises(VenueRefusal) as caught:
        parse_orders("batchOrders", text)
    assert caught.value.code == -1130


@pytest.mark.parametrize("text", ["[1,2]", '["1","2"]', "[ '1' , '2' ]", "1,2", "[1, 2,]"])
def test_id_lists_in_every_dialect(text: str) -> None:
    assert parse_items(text) == ["1", "2"]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes) -> None:
    assert refusal_code(lambda: read_params(query, body)) in (None, -1100, -1101)


@given(st.text(max_size=300))
def test_any_text_is_a_batch_or_refused(text: str) -> None:
    assert refusal_code(lambda: parse_orders("batchOrders", text)) in (None, -1130)


@given(st.integers(-(10**20), 10**20), st.integers(0, 10))
def test_fixed_text_is_exact(value: int, decimals: int) -> None:
    text = fixed_text(value, decimals)
    assert Decimal(text) == Decimal(value).scaleb(-decimals)
    assert len(text.partition(".")[2]) == decimals


@given(st.integers(-(10**20), 10**20))
def test_trimmed_text_is_exact_and_short(atoms: int) -> None:
    text = trimmed_atoms_text(atoms)
    assert Decimal(text) == Decimal(atoms).scaleb(-8)
    assert "." not in text or text[-1] not in "0."
