"""Client order ids: the venue takes them, we know our own, and the same intent has the same id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.client_ids import (
    CLIENT_ORDER_ID_PATTERN,
    derive_client_order_id,
    is_own_client_order_id,
)
from aster_operator.domain.enums import PositionSide, Side

LAST_SEQUENCE = 36**8 - 1

intents = st.tuples(
    st.text(max_size=30),
    st.text(max_size=20),
    st.one_of(st.text(max_size=30), st.sampled_from(["BTCUSDT", "1000SHIBUSDT", "币安人生USDT", "币安人生"])),
    st.sampled_from(list(Side)),
    st.sampled_from(list(PositionSide)),
    st.integers(0, LAST_SEQUENCE),
)


@given(intents)
def test_every_id_is_taken_by_the_venue_and_recognised(intent) -> None:
    client_order_id = derive_client_order_id(*intent)
    assert len(client_order_id) <= 36
    assert CLIENT_ORDER_ID_PATTERN.fullmatch(client_order_id)
    assert is_own_client_order_id(client_order_id)
    assert client_order_id == derive_client_order_id(*intent)


@given(intents, st.integers(0, LAST_SEQUENCE))
def test_another_sequence_is_another_id(intent, other: int) -> None:
    *rest, sequence = intent
    same = derive_client_order_id(*rest, other) == derive_client_order_id(*rest, sequence)
    assert same == (other == sequence)


def test_run_strategy_symbol_and_sides_all_count() -> None:
    ids = {
        derive_client_order_id(run, strategy, symbol, side, position_side, 7)
        for run in ("run-1", "run-2")
        for strategy in ("delta-neutral", "midfreq")
        for symbol in ("BTCUSDT", "BTC-USDT", "ETHUSDT")
        for side in Side
        for position_side in PositionSide
    }
    assert len(ids) == 2 * 2 * 3 * 2 * 3


def test_parts_do_not_run_into_each_other() -> None:
    left = derive_client_order_id("run", "1-x", "BTCUSDT", Side.BUY, PositionSide.LONG, 0)
    right = derive_client_order_id("run-1", "x", "BTCUSDT", Side.BUY, PositionSide.LONG, 0)
    assert left != right


def test_an_id_is_the_same_on_every_machine() -> None:
    assert derive_client_order_id(
        "run-1", "delta-neutral", "BTCUSDT", Side.BUY, PositionSide.LONG, 46_655
    ) == ("ao849e58a4-BTCUSDT-BL-zzz")


@pytest.mark.parametrize("sequence", [-1, 36**8])
def test_a_sequence_out_of_range_is_refused(sequence: int) -> None:
    with pytest.raises(ValueError, match="sequence must be in"):
        derive_client_order_id("run", "s", "BTCUSDT", Side.BUY, PositionSide.LONG, sequence)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "web_4f8a2c",
        "autoclose-1746576000000123456",
        "adl_autoclose",
        "ao12345678-BTCUSDT-BL",
        "ao1234567g-BTCUSDT-BL-0",
        "ao12345678-BTCUSDT-XL-0",
        "ao12345678-BTCUSDT-BL-0\n",
        "AO12345678-BTCUSDT-BL-0",
        "x-ao12345678-BTCUSDT-BL-0",
    ],
)
def test_ids_of_others_are_foreign(foreign: str) -> None:
    assert not is_own_client_order_id(foreign)
