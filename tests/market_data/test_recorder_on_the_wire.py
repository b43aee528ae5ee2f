"""The recorder against the embedded exchange over real sockets: rows are what was sent, gaps are noted."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import polars as pl
import pytest

from aster_operator.domain.clock import WallClock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.quality import check_catalog
from aster_operator.market_data.catalog.segments import list_segments
from aster_operator.market_data.recorder.options import RecorderOptions, RecordingSummary
from aster_operator.market_data.recorder.problems import RecorderError
from aster_operator.market_data.recorder.recorder import Recorder
from aster_operator.market_data.recorder.writer import Acknowledgement
from aster_operator.simulator.server import ExchangeServer
from exchange.conftest import QUICK
from exchange.embedded import embedded_exchange

SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Recording:
    """A recorder at work on an embedded exchange, moved by hand."""

    def __init__(self, server: ExchangeServer, client: AsterClient, options: RecorderOptions) -> None:
        self.server = server
        self.client = client
        self.notices: list[str] = []
        self.flushed: list[Acknowledgement] = []
        self.recorder = Recorder(
            client, options, WallClock(), on_flush=self.flushed.append, on_notice=self.notices.append
        )
        self.task = asyncio.create_task(self.recorder.run())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                if self.task.done():
                    self.task.result()
                await asyncio.sleep(0.01)

    def rows(self, stream: str) -> int:
        return self.flushed[-1].rows.get(stream, 0) if self.flushed else 0

    async def play(self, minutes: float = 1.0) -> None:
        """Move the market on, and wait until what it sent has been flushed."""
        self.server.step_to(self.server.exchange.now_ms + int(minutes * 60_000))
        flushes = len(self.flushed)
        await self.until(lambda: len(self.flushed) > flushes + 1)

    def fault(self, verb: str, **arguments: object) -> None:
        self.server.control.call("POST", f"/sim/{verb}", arguments)

    async def end(self) -> RecordingSummary:
        self.recorder.stop()
        return await self.task


@contextlib.asynccontextmanager
async def recording(folder: Path, **changes: object) -> AsyncIterator[Recording]:
    chosen: dict[str, object] = {"catalog": folder / "catalog", "symbols": SYMBOLS, "flush_ms": 20}
    async with embedded_exchange() as server:
        client = AsterClient(
            environment="sim", base_url=server.rest_url, ws_url=server.ws_url, link_settings=QUICK
        )
        async with client:
            at_work = Recording(server, client, RecorderOptions(**(chosen | changes)))
            try:
                # Seeds are the first rows; with them the streams are open too.
                await at_work.until(lambda: at_work.rows("aggTrade") > 0 or not changes.get("seeded", True))
                await at_work.until(lambda: len(at_work.flushed) > 1)
                yield at_work
            finally:
                at_work.recorder.stop()
                await asyncio.gather(at_work.task, return_exceptions=True)


async def sent_trades(recording: Recording, symbol: str) -> list[tuple[int, float, float, bool]]:
    """What the venue says it printed, all of it."""
    found: list[tuple[int, float, float, bool]] = []
    while answer := await recording.client.agg_trades(symbol, from_id=len(found) + 1, limit=1000):
        found += ((each.id, float(each.price), float(each.quantity), each.is_buyer_maker) for each in answer)
    return found


def kept_trades(folder: Path, symbol: str) -> list[tuple[int, float, float, bool]]:
    rows = Catalog(folder / "catalog").read("aggTrade", [symbol])
    return rows.select("trade_id", "price", "quantity", "is_buyer_maker").rows()


async def trades_are_whole(recording: Recording, folder: Path) -> bool:
    """Our trades are the venue's; its newest may still be summed up and not be sent yet."""
    for symbol in SYMBOLS:
        sent, kept = await sent_trades(recording, symbol), kept_trades(folder, symbol)
        if kept != sent[: len(kept)] or len(kept) < len(sent) - 1:
            return False
    return True


async def until_whole(recording: Recording, folder: Path) -> None:
    async with asyncio.timeout(20):
        while not await trades_are_whole(recording, folder):  # noqa: ASYNC110 - the venue is asked anew
            await asyncio.sleep(0.02)


async def test_rows_are_what_was_sent(tmp_path: Path) -> None:
    async with recording(tmp_path, with_depth=True, with_liquidations=True) as at_work:
        await at_work.play(2)
        summary = await at_work.end()
        catalog = Catalog(tmp_path / "catalog")
        assert await trades_are_whole(at_work, tmp_path)
        for symbol in SYMBOLS:
            bars = catalog.read("kline_1m", [symbol]).filter(pl.col("is_closed"))
            sent = await at_work.client.klines(symbol, "1m", limit=3)
            ours = bars.select("open_ms", "open", "high", "low", "close", "base_volume", "trades").rows()[-2:]
            assert ours == [
                (
                    bar.open_time, float(bar.open), float(bar.high), float(bar.low), float(bar.close),
                    float(bar.volume), bar.trades,
                )
                for bar in sent[:2]
            ]  # fmt: skip
            last = catalog.read("bookTicker", [symbol]).sort("received_ns").tail(1)
            quote = (await at_work.client.book_ticker(symbol))[0]
            assert last.select("bid_price", "ask_price").row(0) == (
                float(quote.bid_price),
                float(quote.ask_price),
            )
    assert {name for name, count in summary.rows.items() if count} == {
        "kline_1m", "bookTicker", "markPrice", "aggTrade", "depth5", "depth",
    }  # fmt: skip
    assert (summary.gaps, summary.dropped, summary.malformed, summary.duplicates) == (0, 0, 0, 0)
    assert summary.bytes == sum(path.stat().st_size for path in (tmp_path / "catalog").rglob("*.parquet"))
    assert list_segments(tmp_path / "catalog") == []
    assert check_catalog(catalog).ok
    assert sum(summary.rows.values()) == sum(catalog.read(name).height for name in catalog.streams())


async def test_what_a_cut_took_is_fetched_and_noted(tmp_path: Path) -> None:
    async with recording(tmp_path) as at_work:
        await at_work.play(1)
        at_work.fault("sockets", action="cut")
        at_work.server.step_to(at_work.server.exchange.now_ms + 180_000)
        await at_work.until(lambda: any("heard again" in notice for notice in at_work.notices))
        await at_work.play(1)
        await at_work.until(
            lambda: Catalog(tmp_path / "catalog").gaps().filter(pl.col("is_filled")).height >= 4
        )
        await at_work.end()
        assert await trades_are_whole(at_work, tmp_path)
    catalog = Catalog(tmp_path / "catalog")
    gaps = catalog.gaps()
    assert set(gaps["cause"]) == {"reconnect"}
    assert set(gaps["affected_stream"]) == {"kline_1m", "bookTicker", "markPrice", "aggTrade", "depth5"}
    assert set(gaps["symbol"]) == set(SYMBOLS)
    counted = gaps.filter(pl.col("affected_stream").is_in(["kline_1m", "aggTrade"]))
    assert counted["is_filled"].all()
    assert not gaps.filter(~pl.col("affected_stream").is_in(["kline_1m", "aggTrade"]))["is_filled"].any()
    bars = counted.filter(pl.col("affected_stream") == "kline_1m")["missed"]
    assert bars.to_list() == [3, 3]
    assert check_catalog(catalog).ok


@pytest.mark.parametrize("kind", ["lose_event", "duplicate_event", "reorder_event"])
async def test_trades_are_whole_whatever_the_wire_does(tmp_path: Path, kind: str) -> None:
    async with recording(tmp_path) as at_work:
        await at_work.play(0.2)
        at_work.fault("fault", kind=kind, stream="*@aggTrade", probability=0.3)
        await at_work.play(2)
        at_work.fault("heal")
        await at_work.play(1)
        await until_whole(at_work, tmp_path)
        summary = await at_work.end()
    if kind == "duplicate_event":
        assert (summary.gaps, summary.duplicates > 0) == (0, True)
    else:
        assert set(summary.gaps_by_cause) == {"lost"}
    days = check_catalog(Catalog(tmp_path / "catalog")).days
    for day in days:
        if kind == "reorder_event" and day.stream == "aggTrade":
            # It is what the wire did. Two that changed places show when they came in two reads from it.
            day.out_of_order = 0
    assert [day for day in days if not day.is_good] == []


async def test_a_stalled_connection_is_replaced_and_noted(tmp_path: Path) -> None:
    async with recording(tmp_path) as at_work:
        await at_work.play(0.2)
        at_work.fault("sockets", action="half_open")
        await at_work.until(lambda: any("heard again" in notice for notice in at_work.notices))
        await at_work.play(1)
        await at_work.end()
    gaps = Catalog(tmp_path / "catalog").gaps()
    assert set(gaps["cause"]) == {"reconnect"}
    assert gaps["detail"].str.contains("silent").any()


async def test_a_restart_fills_what_was_missed_meanwhile(tmp_path: Path) -> None:
    async with recording(tmp_path) as at_work:
        await at_work.play(1)
        await at_work.end()
        at_work.server.step_to(at_work.server.exchange.now_ms + 120_000)
        again = Recording(
            at_work.server,
            at_work.client,
            RecorderOptions(catalog=tmp_path / "catalog", symbols=SYMBOLS, flush_ms=20),
        )
        await again.until(lambda: again.rows("kline_1m") > 0)
        await again.play(2)
        await until_whole(again, tmp_path)
        summary = await again.end()
    assert set(summary.gaps_by_cause) == {"restart"}
    assert set(Catalog(tmp_path / "catalog").gaps()["detail"].str.split(";").list.first()) == {
        "the recorder was stopped"
    }


async def test_a_disk_that_is_too_slow_costs_rows_that_are_counted(tmp_path: Path) -> None:
    async with recording(tmp_path, room=50, seeded=False, flush_ms=1500) as at_work:
        at_work.server.step_to(at_work.server.exchange.now_ms + 120_000)
        await at_work.until(lambda: bool(at_work.flushed) and at_work.rows("gaps") > 0)
        summary = await at_work.end()
    assert summary.dropped > 0
    gaps = Catalog(tmp_path / "catalog").gaps().filter(pl.col("cause") == "dropped buffer")
    others = gaps.filter(pl.col("affected_stream") != "aggTrade")
    assert 0 < others["missed"].sum() <= summary.dropped


async def test_a_symbol_that_is_delisted_is_noted_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with recording(tmp_path, universe_ms=50) as at_work:
        await at_work.play(1)
        at_work.fault("delist", symbol="ETHUSDT")
        await at_work.until(lambda: any("ETHUSDT" in notice for notice in at_work.notices))
        await at_work.play(1)
        summary = await at_work.end()
    assert summary.symbols == 1
    gaps = Catalog(tmp_path / "catalog").gaps(["ETHUSDT"])
    assert gaps["end_ms"].null_count() == gaps.height == 5
    assert set(gaps["cause"]) <= {"symbol delisted", "symbol not trading"}


async def test_unknown_symbols_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    async with embedded_exchange() as server:
        client = AsterClient(environment="sim", base_url=server.rest_url, ws_url=server.ws_url)
        async with client:
            options = RecorderOptions(catalog=tmp_path / "catalog", symbols=("NOPEUSDT",))
            with pytest.raises(RecorderError, match="NOPEUSDT not listed at the venue, which has BTCUSDT"):
                await Recorder(client, options, WallClock()).run(1)
    assert not (tmp_path / "catalog").exists()
