"""Exact arithmetic: what is typed is what is meant, and rounding never crosses the value."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.money import (
    BPS,
    bps_of,
    exact,
    plain_text,
    round_down,
    round_nearest,
    round_up,
)

values = st.decimals(min_value=-(10**9), max_value=10**9, places=8)
steps = st.integers(1, 10**6).map(lambda units: Decimal(units).scaleb(-6))
origins = st.decimals(min_value=-1000, max_value=1000, places=6)


@pytest.mark.parametrize(
    ("given_value", "meant"),
    [
        ("0.1", "0.1"),
        (0.1, "0.1"),
        (1, "1"),
        (1e-7, "0.0000001"),
        ("1E-5", "0.00001"),
        (Decimal("2.50"), "2.50"),
    ],
)
def test_exact_takes_what_a_person_typed(given_value: str | float | Decimal, meant: str) -> None:
    assert exact(given_value) == Decimal(meant)


@pytest.mark.parametrize("nonsense", ["", "ten", "1,5", "0x10", True])
def test_exact_refuses_what_is_no_number(nonsense: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        exact(nonsense)


@pytest.mark.parametrize("endless", ["NaN", "inf", float("-inf"), Decimal("sNaN"), float("nan")])
def test_exact_refuses_what_is_not_finite(endless: str | float | Decimal) -> None:
    with pytest.raises(ValueError, match="is not a finite number"):
        exact(endless)


@pytest.mark.parametrize(
    ("value", "step", "origin", "down", "nearest", "up"),
    [
        ("1.234", "0.01", "0", "1.23", "1.23", "1.24"),
        ("1.235", "0.01", "0", "1.23", "1.24", "1.24"),  # a tie goes to the even step
        ("1.225", "0.01", "0", "1.22", "1.22", "1.23"),
        ("-1.235", "0.01", "0", "-1.24", "-1.24", "-1.23"),
        ("1.25", "0.05", "0", "1.25", "1.25", "1.25"),
        ("7", "2", "1", "7", "7", "7"),
        ("8", "2", "1", "7", "9", "9"),
        ("0.4", "2", "1", "-1", "1", "1"),
    ],
)
def test_rounding_to_steps(value: str, step: str, origin: str, down: str, nearest: str, up: str) -> None:
    arguments = (Decimal(value), Decimal(step), Decimal(origin))
    assert round_down(*arguments) == Decimal(down)
    assert round_nearest(*arguments) == Decimal(nearest)
    assert round_up(*arguments) == Decimal(up)


@pytest.mark.parametrize("rounding", [round_down, round_nearest, round_up])
@pytest.mark.parametrize("step", ["0", "-0.1"])
def test_a_step_must_be_positive(rounding, step: str) -> None:
    with pytest.raises(ValueError, match="step must be positive"):
        rounding(Decimal(1), Decimal(step))


@given(values, steps, origins)
def test_rounding_stays_on_the_grid_and_within_one_step(
    value: Decimal, step: Decimal, origin: Decimal
) -> None:
    down, up, nearest = (rounding(value, step, origin) for rounding in (round_down, round_up, round_nearest))
    for result in (down, up, nearest):
        assert (result - origin) % step == 0
    assert down <= value <= up
    assert up - down in (0, step)
    assert abs(nearest - value) <= step / 2
    assert nearest in (down, up)


@given(values, steps)
def test_rounding_what_is_on_the_grid_changes_nothing(value: Decimal, step: Decimal) -> None:
    on_grid = round_down(value, step)
    assert round_down(on_grid, step) == round_up(on_grid, step) == round_nearest(on_grid, step) == on_grid


@given(
    st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=4),
    st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=4),
    st.sampled_from([Decimal("0.003"), Decimal("0.001"), Decimal("0.7")]),
)
def test_a_quotient_of_full_precision_is_never_rounded_across_itself(
    money: Decimal, price: Decimal, step: Decimal
) -> None:
    quotient = money / price
    assert round_down(quotient, step) <= quotient <= round_up(quotient, step)


def test_the_last_digit_of_a_long_value_is_not_lost() -> None:
    # Its quotient by the step does not fit the precision and would be rounded to 20 steps.
    just_below_ten = Decimal("9.999999999999999999999999999")
    assert round_down(just_below_ten, Decimal("0.5")) == Decimal("9.5")
    assert round_up(-just_below_ten, Decimal("0.5")) == Decimal("-9.5")


@given(values)
def test_plain_text_reads_back_as_the_same_value(value: Decimal) -> None:
    text = plain_text(value)
    assert Decimal(text) == value
    assert "E" not in text
    assert not ("." in text and text.endswith(("0", ".")))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E-5", "0.00001"),
        ("1.2300", "1.23"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("-0.000", "0"),
        ("-0.10", "-0.1"),
        ("0E+2", "0"),
    ],
)
def test_plain_text_as_the_wire_wants_it(value: str, text: str) -> None:
    assert plain_text(Decimal(value)) == text


def test_basis_points() -> None:
    assert bps_of(Decimal(50_000), Decimal(4)) == Decimal(20)
    assert BPS * 10_000 == 1
