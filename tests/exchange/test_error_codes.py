"""Every code of the reference has its class and its answer to "may it be sent again?"."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.exchange import errors
from aster_operator.exchange.error_codes import ERROR_CODES, FailureClass, rule_of
from aster_operator.exchange.errors import ExchangeError, RequestRefused, refusal_of, shortened

# Section 8.2 of the protocol reference, code by code.
REFERENCE = [
    *range(-1007, -999), -1010, -1011, -1013, -1014, -1015, -1016, -1020, -1021, -1022, -1023,
    *range(-1106, -1099), *range(-1121, -1107), -1125, -1127, -1128, -1130, -1136,
    -2010, -2011, -2013, -2014, -2015, -2016, *range(-2028, -2017), -2031,
    *range(-4033, -3999), *range(-4062, -4043), *range(-4088, -4062), -4104, -4114, -4115, -4118, -4131,
    -4135, -4137, -4138, -4139, -4140, -4141, -4142, -4144, -4161, -4164, -4165, -4168, -4183, -4184,
    -4225, -5047, *range(-5053, -5049), -5060, -5076,
]  # fmt: skip

EXPECTED = [
    (-1001, errors.VenueUnavailable, True),
    (-1003, errors.RateLimited, True),
    (-1006, errors.VenueUnavailable, True),
    (-1007, errors.VenueUnavailable, True),
    (-1015, errors.RateLimited, True),
    (-1021, errors.ClockSkew, True),
    (-1022, errors.AuthenticationFailed, False),
    (-1111, errors.FilterViolation, False),
    (-1121, errors.InvalidRequest, False),
    (-1125, errors.ListenKeyUnknown, False),
    (-2011, errors.OrderNotFound, False),
    (-2013, errors.OrderNotFound, False),
    (-2015, errors.AuthenticationFailed, False),
    (-2019, errors.InsufficientMargin, False),
    (-2021, errors.OrderRejected, False),
    (-2022, errors.OrderRejected, False),
    (-4046, errors.NoChangeNeeded, False),
    (-4059, errors.NoChangeNeeded, False),
    (-4047, errors.ChangeBlocked, False),
    (-4061, errors.PositionModeMismatch, False),
    (-4164, errors.FilterViolation, False),
    (-4225, errors.ClockSkew, True),
]


@pytest.mark.parametrize("code", REFERENCE)
def test_every_code_of_the_reference_is_in_the_table(code: int) -> None:
    rule = ERROR_CODES[code]
    error = refusal_of(code, "words", 400, "POST order")
    assert type(error) is not RequestRefused or rule.failure is FailureClass.OTHER
    assert error.retriable is rule.retriable
    assert str(code) in str(error)


def test_the_table_holds_nothing_the_reference_does_not_know() -> None:
    assert set(ERROR_CODES) == set(REFERENCE)


def test_the_list_above_is_the_reference() -> None:
    reference = Path(__file__).parents[2].parent / "shared" / "docs" / "aster-protocol.md"
    if not reference.exists():
        pytest.skip("the protocol reference is not beside the repository")
    section = reference.read_text().split("### 8.2")[1].split("### 8.3")[0]
    named = set()
    for row in section.splitlines():
        cells = row.split("|")
        if len(cells) < 4 or "-" not in cells[1]:
            continue
        for first, last in re.findall(r"(-\d{4})(?: to (-\d{4}))?", cells[1]):
            named.update(range(int(last), int(first) + 1) if last else [int(first)])
    assert named == set(REFERENCE)


@pytest.mark.parametrize(("code", "kind", "retriable"), EXPECTED)
def test_codes_callers_act_on(code: int, kind: type[RequestRefused], retriable: bool) -> None:
    error = refusal_of(code, "words", 400, "POST order")
    assert type(error) is kind
    assert error.retriable is retriable


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, errors.AuthenticationFailed),
        (403, errors.AuthenticationFailed),
        (418, errors.IpBanned),
        (429, errors.RateLimited),
        (500, errors.VenueUnavailable),
        (503, errors.VenueUnavailable),
        (400, RequestRefused),
    ],
)
def test_status_decides_where_there_is_no_code(status: int, kind: type[RequestRefused]) -> None:
    assert type(refusal_of(0, "", status, "GET x")) is kind


def test_a_code_of_tomorrow_is_a_definite_refusal() -> None:
    assert rule_of(-9999).failure is FailureClass.OTHER
    assert not refusal_of(-9999, "new", 400, "GET x").retriable


def test_the_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    drawn = set(re.findall(r"[├└│ ─]*([A-Z]\w+)(?:\s|$)", errors.__doc__ or "", re.MULTILINE))
    classes = {
        name
        for name in errors.__all__
        if isinstance(getattr(errors, name), type) and issubclass(getattr(errors, name), ExchangeError)
    }
    assert classes <= drawn


@pytest.mark.parametrize(
    "text",
    [
        "symbol=X&signature=0x{hex}",
        '{{"signature":"{hex}"}}',
        "listenKey={key}",
        "apiKey: {key}",
        "X-MBX-APIKEY: {key}",
        "privateKey={hex}",
    ],
)
def test_secrets_are_masked_in_bodies(text: str) -> None:
    filled = text.format(hex="ab" * 65, key="pqia91ma19a5s61cv6a81va65sdf19v8")
    assert "abab" not in shortened(filled)
    assert "pqia91" not in shortened(filled)


@given(st.binary(max_size=3000))
def test_bodies_are_short_and_on_one_line(body: bytes) -> None:
    assert len(shortened(body)) <= 201
    assert len(shortened(body).splitlines()) <= 1
