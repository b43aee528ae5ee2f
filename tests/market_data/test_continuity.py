"""What is missing and what came twice, for any order in which messages arrive."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_rows import START_MS, bar, mark, quote, trade

from aster_operator.market_data.recorder.continuity import Continuity, Hole, Mark
from aster_operator.market_data.recorder.intake import Batch, Closing, Drop, Loss

TRADES = ("aggTrade", "BTCUSDT")
QUOTES = ("bookTicker", "BTCUSDT")
BARS = ("kline_1m", "BTCUSDT")


class Recording:
    """Feeds batches and collects what is kept, missing and to be fetched."""

    def __init__(self, marks: dict[tuple[str, str], Mark] | None = None) -> None:
        self.continuity = Continuity(marks or {}, "restart", "it was stopped")
        self.kept: list[int] = []
        self.gaps: list[Any] = []
        self.holes: list[Hole] = []

    def hear(self, stream: str, messages: list[Any], *, lost: tuple[tuple[str, str], ...] = ()) -> None:
        batch = Batch((Loss(lost, "reconnect", "cut"),) if lost else ())
        batch.messages = {stream: messages}
        self._judge(batch, stream)

    def fetch(self, stream: str, messages: list[Any], closing: Closing | None = None) -> None:
        batch = Batch()
        batch.fetched = {stream: messages}
        batch.closings = [closing] if closing else []
        self._judge(batch, stream)

    def _judge(self, batch: Batch, stream: str) -> None:
        gaps, holes = self.continuity.judge(batch, 1)
        self.gaps += gaps
        self.holes += holes
        for message in (*batch.messages.get(stream, ()), *batch.fetched.get(stream, ())):
            self.kept.append(message.trade_id if stream == "aggTrade" else message.event_ms)

    def told(self) -> list[tuple[str, int | None, bool]]:
        return [(gap.cause, gap.missed, gap.is_filled) for gap in self.gaps]


def test_consecutive_trades_have_no_holes() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(n) for n in (5, 6, 7)])
    recording.hear("aggTrade", [trade(8)])
    assert (recording.kept, recording.holes, recording.gaps) == ([5, 6, 7, 8], [], [])


def test_a_hole_is_noted_at_once_and_again_when_it_is_filled() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(5), trade(9)])
    hole = recording.holes[0]
    assert (hole.first_id, hole.last_id, hole.cause) == (6, 8, "lost")
    assert (hole.start_ms, hole.end_ms) == (START_MS + 5, START_MS + 9)
    assert recording.told() == [("lost", 3, False)]
    closing = Closing(*TRADES, 6, 8)
    recording.fetch("aggTrade", [trade(n) for n in (4, 5, 6, 7, 8, 9, 10)], closing)
    # The one before the first heard is a seed; the one after the last is nobody's business yet.
    assert recording.kept == [5, 9, 4, 6, 7, 8]
    assert recording.told()[1:] == [("lost", 3, True)]
    assert recording.gaps[1].is_update


def test_what_cannot_be_fetched_stays_a_gap_with_the_reason() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(5), trade(9)])
    recording.fetch("aggTrade", [trade(7)], Closing(*TRADES, 6, 8, "the venue was down"))
    assert recording.told()[1:] == [("lost", 3, False)]
    assert "the venue was down" in recording.gaps[1].detail


def test_late_trades_are_taken_and_repeated_ones_are_not() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(n) for n in (5, 7, 6, 7, 6, 8)])
    assert recording.kept == [5, 7, 6, 8]
    assert recording.continuity.duplicates == 2
    recording.fetch("aggTrade", [trade(6)], Closing(*TRADES, 6, 6))
    assert recording.told() == [("lost", 1, False), ("lost", 1, True)]


def test_a_cut_without_loss_is_a_filled_gap() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(5)])
    recording.hear("aggTrade", [trade(6)], lost=(TRADES,))
    assert recording.told() == [("reconnect", 0, True)]


def test_a_cut_with_loss_names_its_cause() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(5)])
    recording.hear("aggTrade", [trade(9)], lost=(TRADES,))
    assert (recording.holes[0].cause, recording.holes[0].detail) == ("reconnect", "cut")


def test_a_venue_that_counts_anew_after_a_cut_is_followed() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(500)])
    fresh = [trade(1), trade(2)]
    for place, message in enumerate(fresh):
        message.event_ms = START_MS + 600 + place
    recording.hear("aggTrade", fresh, lost=(TRADES,))
    recording.hear("aggTrade", [trade(2)])
    assert recording.kept == [500, 1, 2]
    # Nobody knows how many came before the first one of the new count.
    assert recording.told() == [("reconnect", None, False)]
    assert "counts anew" in recording.gaps[0].detail


@pytest.mark.parametrize(("first", "hole"), [(101, None), (105, (101, 104)), (100, None), (3, None)], ids=str)
def test_a_restart_knows_where_it_was(first: int, hole: tuple[int, int] | None) -> None:
    recording = Recording({TRADES: Mark(START_MS - 5, 100)})
    recording.hear("aggTrade", [trade(first)])
    found = [(each.first_id, each.last_id) for each in recording.holes]
    assert found == ([] if hole is None else [hole])
    assert recording.kept == [first]
    assert [gap.cause for gap in recording.gaps] == ["restart"]
    assert (recording.gaps[0].missed is None) == ("anew" in recording.gaps[0].detail) == (first == 3)


def test_quiet_streams_lose_only_what_a_cut_may_have_taken() -> None:
    recording = Recording()
    recording.hear("bookTicker", [quote(5), quote(900)])
    assert recording.gaps == []
    recording.hear("bookTicker", [quote(950), quote(960)], lost=(QUOTES,))
    gap = recording.gaps[0]
    assert (gap.start_ms, gap.end_ms, gap.cause) == (START_MS + 900, START_MS + 950, "reconnect")
    assert (gap.missed, gap.is_filled) == (None, False)
    assert len(recording.gaps) == 1


def test_two_cuts_before_a_message_are_one_gap() -> None:
    recording = Recording()
    recording.hear("bookTicker", [quote(5)])
    recording.hear("bookTicker", [], lost=(QUOTES,))
    recording.hear("bookTicker", [quote(9)], lost=(QUOTES,))
    assert [gap.start_ms for gap in recording.gaps] == [START_MS + 5]


def test_missed_minutes_are_fetched_and_running_bars_are_all_kept() -> None:
    recording = Recording()
    recording.hear("kline_1m", [bar(0), bar(1, is_closed=False), bar(1, is_closed=False), bar(3), bar(3)])
    hole = recording.holes[0]
    assert hole.last_id - hole.first_id == 1
    recording.fetch("kline_1m", [bar(n) for n in range(5)], Closing(*BARS, hole.first_id, hole.last_id))
    assert len(recording.kept) == 2 + 2 + 2
    assert recording.told() == [("lost", 2, False), ("lost", 2, True)]


def test_a_settled_funding_is_asked_for_once() -> None:
    recording = Recording()
    recording.hear("markPrice", [mark(1, next_funding_ms=8_000), mark(2, next_funding_ms=8_000)])
    assert recording.holes == []
    recording.hear("markPrice", [mark(3, next_funding_ms=16_000)])
    recording.hear("markPrice", [mark(4, next_funding_ms=16_000)])
    assert [(hole.stream, hole.start_ms) for hole in recording.holes] == [("funding", 8_000)]


def test_dropped_messages_are_a_gap_and_dropped_trades_a_hole() -> None:
    recording = Recording()
    recording.hear("aggTrade", [trade(1)])
    batch = Batch()
    batch.drops = {QUOTES: Drop(START_MS + 5), TRADES: Drop(START_MS + 6)}
    batch.drops[QUOTES].add(START_MS + 9)
    gaps, _ = recording.continuity.judge(batch, 1)
    assert [(gap.cause, gap.start_ms, gap.end_ms, gap.missed) for gap in gaps] == [
        ("dropped buffer", START_MS + 5, START_MS + 9, 1)
    ]
    recording.hear("aggTrade", [trade(4)])
    assert recording.holes[0].cause == "dropped buffer"


def test_a_symbol_that_ends_leaves_an_open_gap() -> None:
    recording = Recording()
    recording.hear("bookTicker", [quote(5)])
    gap = recording.continuity.end(QUOTES, "symbol delisted", "", 1)
    assert gap is not None
    assert (gap.start_ms, gap.end_ms, gap.cause) == (START_MS + 5, None, "symbol delisted")
    assert recording.continuity.end(("depth5", "BTCUSDT"), "symbol delisted", "", 1) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_arrives_each_trade_is_kept_once_and_every_other_is_in_a_hole(data: st.DataObject) -> None:
    """Messages lost, repeated and out of order; holes are then filled from the venue."""
    sent = list(range(100, 160))
    lost = data.draw(st.sets(st.sampled_from(sent[1:-1])))
    arriving = [number for number in sent if number not in lost]
    repeated = data.draw(st.lists(st.sampled_from(arriving), max_size=10))
    order = {number: number + data.draw(st.integers(0, 3)) for number in arriving[1:-1]}
    arriving = [arriving[0], *sorted(arriving[1:-1], key=lambda n: (order[n], n)), *repeated, arriving[-1]]
    recording = Recording()
    position = 0
    while position < len(arriving):
        size = data.draw(st.integers(1, 20))
        recording.hear("aggTrade", [trade(number) for number in arriving[position : position + size]])
        position += size
    heard = set(arriving)
    assert sorted(recording.kept) == sorted(heard)
    in_holes = {n for hole in recording.holes for n in range(hole.first_id, hole.last_id + 1)}
    assert in_holes >= set(sent) - heard
    for hole in recording.holes:
        answer = [trade(number) for number in range(hole.first_id, hole.last_id + 1)]
        recording.fetch("aggTrade", answer, Closing(*TRADES, hole.first_id, hole.last_id))
    assert sorted(recording.kept) == sent
    assert all(gap.is_filled for gap in recording.gaps if gap.is_update)
