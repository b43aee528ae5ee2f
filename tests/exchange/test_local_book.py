"""The local order book equals the venue's, whatever the wire does to the messages."""

import asyncio
import gzip
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.exchange.errors import MalformedResponse, TransportFailed
from aster_operator.exchange.streams.local_book import BookKeeper, BookState, LocalBook
from aster_operator.exchange.wire.market import DepthRecord, LevelRecord
from aster_operator.exchange.wire.streams import DepthMessage

RAW = Path(__file__).parents[2].parent / "shared" / "data" / "wire" / "binance_usdm" / "ws_raw"


def _levels(changes: dict[int, int]) -> list[LevelRecord]:
    return [LevelRecord(Decimal(price), Decimal(quantity)) for price, quantity in changes.items()]


class _Venue:
    """A book that changes and says so; ids jump as the venue's do."""

    def __init__(self, spot: bool = False) -> None:
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.update_id = 1000
        self.spot = spot

    def change(self, side: str, price: int, quantity: int, jump: int) -> DepthMessage:
        book = self.bids if side == "b" else self.asks
        if quantity:
            book[price] = quantity
        else:
            book.pop(price, None)
        previous, self.update_id = self.update_id, self.update_id + jump
        changes = _levels({price: quantity})
        return DepthMessage(
            1,
            "BTCUSDT",
            previous + 1 if self.spot else self.update_id,
            self.update_id,
            changes if side == "b" else [],
            changes if side == "a" else [],
            1,
            None if self.spot else previous,
        )

    def snapshot(self) -> DepthRecord:
        return DepthRecord(
            last_update_id=self.update_id, bids=_levels(self.bids), asks=_levels(self.asks), output_ms=1
        )

    def truth(self) -> tuple[list, list]:
        bids = [(Decimal(p), Decimal(q)) for p, q in sorted(self.bids.items(), reverse=True)]
        return bids, [(Decimal(p), Decimal(q)) for p, q in sorted(self.asks.items())]


def _shown(book: LocalBook) -> tuple[list, list]:
    top = book.top(10_000, 0)
    return [(x.price, x.quantity) for x in top.bids], [(x.price, x.quantity) for x in top.asks]


CHANGE = st.tuples(
    st.sampled_from("ba"),
    st.integers(1, 8),
    st.integers(0, 5),
    st.integers(1, 50),
    st.sampled_from("kkkkkkdx"),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(CHANGE, max_size=80), st.booleans())
def test_the_book_is_the_venues_under_loss_and_duplication(changes: list[tuple], spot: bool) -> None:
    venue, book = _Venue(spot), LocalBook("BTCUSDT", spot=spot)
    for side, price, quantity, jump, fate in changes:
        message = venue.change(side, price, quantity, jump)
        if fate == "x":
            continue  # lost on the way
        for _ in range(2 if fate == "d" else 1):
            if not book.apply(message):
                book.join(venue.snapshot())
        if book.is_live:
            assert _shown(book) == venue.truth()
    # One more message settles whatever loss came last.
    message = venue.change("b", 1, 1, 1)
    if not book.apply(message):
        book.join(venue.snapshot())
    message = venue.change("a", 9, 1, 1)
    assert book.apply(message)
    assert book.is_live
    assert _shown(book) == venue.truth()


def test_events_before_the_snapshot_are_dropped_and_later_ones_applied() -> None:
    venue, book = _Venue(), LocalBook("BTCUSDT")
    early = [venue.change("b", n, 1, 3) for n in range(1, 4)]
    snapshot = venue.snapshot()
    late = [venue.change("a", n, 2, 5) for n in range(4, 7)]
    for message in early + late:
        assert not book.apply(message)
    assert book.join(snapshot)
    assert book.state is BookState.LIVE
    assert _shown(book) == venue.truth()


def test_a_snapshot_older_than_the_kept_events_does_not_join() -> None:
    venue, book = _Venue(), LocalBook("BTCUSDT")
    old = venue.snapshot()
    venue.change("b", 1, 1, 3)
    assert not book.apply(venue.change("b", 2, 1, 3))
    assert not book.join(old)
    assert book.join(venue.snapshot())


def test_a_gap_is_counted_and_asks_for_a_snapshot() -> None:
    venue, book = _Venue(), LocalBook("BTCUSDT")
    book.join(venue.snapshot())
    assert book.apply(venue.change("b", 1, 1, 1))
    venue.change("b", 2, 1, 1)
    assert not book.apply(venue.change("b", 3, 1, 1))
    assert (book.gaps, book.is_live) == (1, False)


def test_a_level_that_is_no_number_is_an_error_that_names_the_field() -> None:
    venue, book = _Venue(), LocalBook("BTCUSDT")
    book.join(venue.snapshot())
    message = venue.change("b", 1, 1, 1)
    message.bids[0] = LevelRecord(Decimal("NaN"), Decimal(1))
    with pytest.raises(MalformedResponse, match="field b"):
        book.apply(message)


def test_waiting_without_a_snapshot_is_bounded() -> None:
    venue, book = _Venue(), LocalBook("BTCUSDT")
    for _ in range(25_000):
        book.apply(venue.change("b", 1, 1, 1))
    assert len(book._waiting) <= 10_000
    assert book.dropped > 0
    book.join(venue.snapshot())
    assert _shown(book) == venue.truth()


async def test_the_keeper_joins_resyncs_and_reports() -> None:
    venue = _Venue()
    told: list[tuple[str, bool]] = []
    fetches = asyncio.Event()
    failing = [True]

    async def fetch(_symbol: str) -> DepthRecord:
        fetches.set()
        if failing:
            failing.pop()
            raise TransportFailed("GET depth", "down", may_have_arrived=False)
        return venue.snapshot()

    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    keeper = BookKeeper(
        ["BTCUSDT"],
        fetch=fetch,
        clock=ManualClock(5),
        on_live=lambda *told_now: told.append(told_now),
        sleep=sleep,
    )
    runner = asyncio.create_task(keeper.run())
    assert keeper.top("BTCUSDT") is None
    keeper.take(venue.change("b", 1, 1, 1))
    async with asyncio.timeout(5):
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0)
    keeper.take(venue.change("a", 2, 1, 1))
    top = keeper.top("BTCUSDT")
    assert top is not None
    assert (len(top.bids), len(top.asks)) == (1, 1)
    keeper.lost()
    assert keeper.top("BTCUSDT") is None
    keeper.take(venue.change("a", 3, 1, 1))
    async with asyncio.timeout(5):
        while len(told) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert told == [("BTCUSDT", True), ("BTCUSDT", False), ("BTCUSDT", True)]
    assert keeper.resyncs >= 2
    runner.cancel()
    await asyncio.gather(runner, return_exceptions=True)


def _sides(book: LocalBook) -> tuple[Decimal, Decimal]:
    top = book.top(1, 0)
    return top.bids[0].price, top.asks[0].price


def test_a_recorded_stream_joins_its_snapshot_and_never_crosses() -> None:
    recording = RAW / "btcusdt_20230404.dat.gz"
    if not recording.exists():
        pytest.skip("recorded wire fixtures are not beside the repository")
    book = LocalBook("BTCUSDT")
    joined = applied = 0
    with gzip.open(recording, "rt") as lines:
        for line in lines:
            body = line.partition(" ")[2]
            if '"lastUpdateId"' in body and '"bids"' in body:
                raw = msgspec.json.decode(body)
                record = msgspec.convert(raw.get("data", raw), DepthRecord, strict=False)
                book.join(record)
                joined += 1
            elif '"depthUpdate"' in body:
                raw = msgspec.json.decode(body)
                message = msgspec.convert(raw.get("data", raw), DepthMessage, strict=False)
                accepted = book.apply(message)
                if joined:
                    assert accepted
                    applied += book.is_live
                    if book.is_live:
                        bid, ask = _sides(book) if applied % 200 == 1 else (Decimal(0), Decimal(1))
                        assert bid < ask
    assert (joined, book.gaps) == (1, 0)
    assert applied > 1000
