"""Times and numbers no venue means: they are refused one by one, and stop neither recording nor sealing."""

import json
from pathlib import Path

import pytest
from market_rows import START_MS, frame_of, quote

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.recorder.columns import batch_of
from aster_operator.market_data.recorder.intake import Intake

QUOTE = {"e": "bookTicker", "u": 7, "E": START_MS, "T": START_MS, "s": "BTCUSDT", "b": "1", "B": "1"} | {
    "a": "2",
    "A": "1",
}
TRADE = {"e": "aggTrade", "E": START_MS, "s": "BTCUSDT", "a": 7, "p": "1", "q": "1", "f": 7, "l": 7} | {
    "T": START_MS,
    "m": True,
}
MICROSECONDS = START_MS * 1000


def heard(stream: str, message: dict[str, object]) -> tuple[int, int]:
    """Messages kept, messages refused."""
    intake, refused = Intake(room=10), []
    receive = intake.receiver(lambda payload, _received_ns: refused.append(payload))
    receive(memoryview(json.dumps({"stream": stream, "data": message}).encode()), 1)
    (batch,) = intake.take()
    for name, messages in batch.messages.items():
        batch_of(name, messages, "stream")
    return batch.rows, len(refused)


@pytest.mark.parametrize(
    ("message", "changes"),
    [
        (QUOTE, {"E": MICROSECONDS}),
        (QUOTE, {"E": -1}),
        (QUOTE, {"T": MICROSECONDS}),
        (QUOTE, {"u": 10**30}),
        (TRADE, {"T": MICROSECONDS}),
        (TRADE, {"a": 2**63}),
    ],
)
def test_a_number_that_cannot_be_kept_is_refused(
    message: dict[str, object], changes: dict[str, object]
) -> None:
    stream = f"btcusdt@{message['e']}"
    assert heard(stream, message) == (1, 0)
    assert heard(stream, message | changes) == (0, 1)


def test_rows_of_years_without_a_name_are_kept_in_the_last_and_first_day(tmp_path: Path) -> None:
    strange = [quote(1), quote(2), quote(3), quote(4)]
    for message, time_ms in zip(strange[1:], (MICROSECONDS, 2 * MICROSECONDS, -5), strict=True):
        message.event_ms = time_ms
    written = add_rows(tmp_path, "bookTicker", frame_of("bookTicker", strange), "seg-1.parquet")
    assert {partition.date: rows for partition, rows in written.items()} == {
        "1970-01-01": 1,
        "2026-02-02": 1,
        "9999-12-31": 2,
    }
    assert Catalog(tmp_path).read("bookTicker")["update_id"].to_list() == [4, 1, 2, 3]
