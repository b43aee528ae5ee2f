"""Duplicates, late events and gaps of the market, by the venue's numbers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.exchange.streams.sequence import MarketSequence
from aster_operator.exchange.wire.streams import MarketFrame
from exchange import payloads


def _trade(number: int, symbol: str = "BTCUSDT"):
    return _message("aggTrade", payloads.AGG_TRADE | {"a": number, "s": symbol})


def _quote(number: int):
    return _message("bookTicker", payloads.book_ticker(number))


def _message(stream: str, data: dict):
    frame = msgspec.json.decode(msgspec.json.encode({"stream": stream, "data": data}), type=MarketFrame)
    return frame.data


@pytest.mark.parametrize(
    ("numbers", "delivered", "duplicates", "late", "gaps"),
    [
        ([1, 2, 3], [1, 2, 3], 0, 0, 0),
        ([1, 2, 2, 1, 3], [1, 2, 3], 2, 0, 0),
        ([1, 4, 5], [1, 4, 5], 0, 0, 1),
        ([1, 3, 2, 4], [1, 3, 2, 4], 0, 1, 1),
        ([1, 3, 2, 2], [1, 3, 2], 1, 1, 1),
    ],
)
def test_trades_are_delivered_once_each(numbers, delivered, duplicates, late, gaps) -> None:
    sequence = MarketSequence()
    assert [n for n in numbers if sequence.admits(_trade(n))] == delivered
    assert (sequence.duplicates, sequence.out_of_order, sequence.gaps) == (duplicates, late, gaps)


def test_symbols_are_counted_apart() -> None:
    sequence = MarketSequence()
    assert all(sequence.admits(_trade(n, symbol)) for n, symbol in [(5, "A"), (1, "B"), (6, "A"), (2, "B")])
    assert (sequence.duplicates, sequence.gaps) == (0, 0)


def test_a_quote_older_than_the_one_before_is_dropped_one_as_old_is_not() -> None:
    sequence = MarketSequence()
    assert [sequence.admits(_quote(n)) for n in (5, 6, 6, 4, 7)] == [True, True, True, False, True]
    assert sequence.out_of_order == 1


def test_after_a_lost_connection_numbers_may_begin_anew() -> None:
    sequence = MarketSequence()
    for number in (100, 101):
        assert sequence.admits(_trade(number))
        assert sequence.admits(_quote(number))
    sequence.rejoin()
    assert [sequence.admits(_trade(n)) for n in (3, 4, 4)] == [True, True, False]
    assert [sequence.admits(_quote(n)) for n in (3, 4, 2)] == [True, True, False]


def test_a_gap_across_a_lost_connection_is_counted() -> None:
    sequence = MarketSequence()
    assert sequence.admits(_trade(100))
    sequence.rejoin()
    assert sequence.admits(_trade(110))
    assert sequence.gaps == 1


@given(st.lists(st.integers(1, 60), max_size=80))
def test_no_number_is_ever_delivered_twice(numbers: list[int]) -> None:
    sequence = MarketSequence()
    delivered = [n for n in numbers if sequence.admits(_trade(n))]
    assert len(delivered) == len(set(delivered))
    assert len(delivered) + sequence.duplicates == len(numbers)
    if numbers:
        assert {n for n in numbers if n >= numbers[0]} == set(delivered)
