"""The recorder: streams in, a durable catalog and CSV logs out, until told to stop.

The event loop only collects messages. A thread writes them, twice a second; another one turns finished
segments into Parquet files, compacts days that are over and lets old ones go.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import polars as pl

from aster_operator.domain.clock import Clock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.errors import ExchangeError
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.durable import CatalogLock
from aster_operator.market_data.catalog.layout import is_catalog
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import GAPS
from aster_operator.market_data.csv_logs import CsvLogs
from aster_operator.market_data.recorder.archivist import Archivist
from aster_operator.market_data.recorder.backfill import Backfill
from aster_operator.market_data.recorder.continuity import Continuity
from aster_operator.market_data.recorder.feeds import Feeds
from aster_operator.market_data.recorder.intake import Intake
from aster_operator.market_data.recorder.options import RecorderOptions, RecordingSummary
from aster_operator.market_data.recorder.state import Recovered, recover
from aster_operator.market_data.recorder.universe import TRADING, chosen_symbols, listed_symbols
from aster_operator.market_data.recorder.writer import Acknowledgement, Writer

__all__ = ["Recorder"]

_Result = TypeVar("_Result")
_WARNINGS_KEPT: Final = 20
_LAST_FILLS_S: Final = 5.0
"""How long the end waits for holes that are still being fetched."""


class Recorder:
    """Records the market of `client`'s venue.

    `on_flush` hears what is on the disk, `on_notice` one line about anything out of the ordinary; both are
    called on the event loop.
    """

    def __init__(
        self,
        client: AsterClient,
        options: RecorderOptions,
        clock: Clock,
        *,
        on_flush: Callable[[Acknowledgement], None] = lambda _: None,
        on_notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._on_flush = on_flush
        self._on_notice = on_notice
        self._intake = Intake(room=options.room)
        self._feeds = Feeds(client, self._intake, options, self._notice)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="recorder-disk")
        self._stop = asyncio.Event()
        self._owed = 0
        self._in_trouble = False
        self._log_trouble = ""
        self._warnings: Counter[str] = Counter()
        self._started_ns = 0
        self._symbols: list[str] = []

    def stop(self) -> None:
        """End in good order: what was heard is written and put into finished files."""
        self._stop.set()

    async def run(self, seconds: float | None = None) -> RecordingSummary:
        """Record for `seconds`, or until `stop`. Returns what was recorded.

        Raises RecorderError for symbols the venue does not list, CsvLogError and CatalogError for files that
        are in the way, ExchangeError when the venue cannot be reached at the start, OSError.
        """
        options = self._options
        listed = await listed_symbols(self._client)
        self._symbols = list(chosen_symbols(listed, options.symbols))
        with CatalogLock(options.catalog):
            recovered = await asyncio.to_thread(recover, options.catalog)
            logs = None
            if options.log_dir is not None:
                logs = CsvLogs(
                    options.log_dir,
                    self._symbols,
                    self._clock.now_ms(),
                    roll_daily=options.roll_logs,
                    delete=options.delete_logs,
                )
            continuity = _continuity(recovered)
            writer = Writer(options.catalog, self._clock, continuity, logs)
            archivist = Archivist(options, self._clock, self._notice)
            try:
                return await self._record(seconds, writer, archivist, recovered, logs)
            finally:
                self._disk.shutdown(wait=True)
                archivist.close()

    async def _record(
        self,
        seconds: float | None,
        writer: Writer,
        archivist: Archivist,
        recovered: Recovered,
        logs: CsvLogs | None,
    ) -> RecordingSummary:
        self._started_ns = self._clock.monotonic_ns()
        backfill = Backfill(
            self._client,
            self._intake,
            self._clock,
            trades_limit=self._options.trades_limit,
            funding_known=await self._funding_known(),
            on_failure=self._notice,
        )
        if recovered.torn_bytes or recovered.damaged_bytes:
            self._notice(
                f"repaired the segments of a recording that broke off: {recovered.torn_bytes} bytes of a row "
                f"that was never whole cut off, {recovered.damaged_bytes} damaged bytes skipped"
            )
        archivist.begin(recovered.segments)
        try:
            await self._feeds.open(self._symbols)
            helpers = [asyncio.create_task(backfill.run(), name="backfill")]
            if self._options.seeded:
                helpers.append(asyncio.create_task(backfill.seed(self._symbols), name="seeds"))
            helpers.append(asyncio.create_task(self._watch_listings(writer, logs, backfill), name="listings"))
            try:
                await self._write_until_stopped(seconds, writer, archivist, backfill, helpers)
            finally:
                await self._feeds.close()
                await _cancelled(helpers)
        finally:
            await self._flush(writer, backfill)
            last = await self._on_disk(writer.finish)
            await archivist.finish(last)
        return self._summary(writer, archivist, recovered, logs)

    async def _funding_known(self) -> dict[str, int]:
        try:
            return await asyncio.to_thread(_funding_known, self._options)
        except CatalogError as problem:
            # Rates that are fetched twice are kept once; what is broken must not keep the rest from coming.
            self._notice(str(problem))
            return {}

    async def _write_until_stopped(
        self,
        seconds: float | None,
        writer: Writer,
        archivist: Archivist,
        backfill: Backfill,
        helpers: list["asyncio.Task[None]"],
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        rolled = loop.time()
        while not self._stop.is_set() and (deadline is None or loop.time() < deadline):
            await self._until_next_flush(None if deadline is None else deadline - loop.time())
            await self._flush(writer, backfill)
            is_due = loop.time() - rolled >= self._options.segment_ms / 1000
            if not self._in_trouble and (is_due or writer.segment_rows >= self._options.segment_rows):
                try:
                    archivist.add(await self._on_disk(writer.roll))
                    rolled = loop.time()
                except OSError as error:
                    self._note_trouble(error)
            for task in helpers:
                if task.done() and not task.cancelled() and (failure := task.exception()) is not None:
                    raise failure
        await self._feeds.fence()
        await self._flush(writer, backfill)
        if not self._stop.is_set():
            try:
                async with asyncio.timeout(_LAST_FILLS_S):
                    await backfill.settled()
            except TimeoutError:
                self._notice("some holes could not be filled before the end")

    async def _until_next_flush(self, left_s: float | None) -> None:
        """Sleep to the next mark of our clock, so that each second of the logs begins with its row."""
        period_ms = self._options.flush_ms
        wait_s = (period_ms - self._clock.now_ms() % period_ms) / 1000
        if left_s is not None:
            wait_s = min(wait_s, max(left_s, 0.0))
        try:
            async with asyncio.timeout(wait_s):
                await self._stop.wait()
        except TimeoutError:
            return

    async def _flush(self, writer: Writer, backfill: Backfill) -> None:
        batches = self._intake.take()
        self._owed += sum(batch.rows for batch in batches)
        try:
            acknowledged, holes = await self._on_disk(writer.write, batches)
        except OSError as error:
            # The rows wait in the writer and their room stays taken, so that memory is bounded.
            self._note_trouble(error)
            return
        self._in_trouble = False
        if writer.log_trouble and not self._log_trouble:
            self._notice(f"the CSV logs cannot be written: {writer.log_trouble}; trying again")
        self._log_trouble = writer.log_trouble
        self._intake.free(self._owed)
        self._owed = 0
        backfill.want(holes)
        self._on_flush(acknowledged)

    def _note_trouble(self, error: OSError) -> None:
        if not self._in_trouble:
            self._notice(f"the catalog cannot be written: {error.strerror or error}; trying again")
        self._in_trouble = True

    async def _on_disk(self, function: Callable[..., _Result], *arguments: Any) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._disk, function, *arguments)

    async def _watch_listings(self, writer: Writer, logs: CsvLogs | None, backfill: Backfill) -> None:
        """New symbols are followed when all are wanted; those that stop trading leave a gap that says so."""
        while True:
            await asyncio.sleep(self._options.universe_ms / 1000)
            try:
                listed = await listed_symbols(self._client)
            except ExchangeError as error:
                self._notice(f"the list of symbols could not be read: {error}")
                continue
            for symbol in list(self._symbols):
                status = listed.get(symbol)
                if status != TRADING:
                    await self._end_symbol(writer, logs, symbol, status)
            if self._options.symbols is None:
                fresh = sorted(
                    symbol
                    for symbol, status in listed.items()
                    if status == TRADING and symbol not in self._symbols
                )
            else:
                fresh = [
                    symbol
                    for symbol in self._options.symbols
                    if symbol not in self._symbols and listed.get(symbol) == TRADING
                ]
            if fresh:
                await self._begin_symbols(logs, backfill, fresh)

    async def _begin_symbols(self, logs: CsvLogs | None, backfill: Backfill, fresh: list[str]) -> None:
        self._notice(f"now also recording {', '.join(fresh)}")
        await self._feeds.add(fresh)
        self._symbols += fresh
        if logs is not None:
            logs.symbols = list(self._symbols)
        if self._options.seeded:
            await backfill.seed(fresh)

    async def _end_symbol(
        self, writer: Writer, logs: CsvLogs | None, symbol: str, status: str | None
    ) -> None:
        cause = "symbol delisted" if status is None else "symbol not trading"
        self._notice(f"{symbol}: {cause}" + (f" ({status})" if status else ""))
        await self._feeds.remove(symbol)
        self._symbols.remove(symbol)
        if logs is not None:
            logs.symbols = list(self._symbols)
        pairs = [(stream, symbol) for stream in self._feeds.streams]
        await self._on_disk(writer.end_pairs, pairs, cause, status or "")

    def _notice(self, line: str) -> None:
        self._warnings[line] += 1
        self._on_notice(line)

    def _summary(
        self, writer: Writer, archivist: Archivist, recovered: Recovered, logs: CsvLogs | None
    ) -> RecordingSummary:
        rows = dict.fromkeys((*self._feeds.streams, "funding"), 0) | writer.acknowledgement().rows
        rows.pop(GAPS, None)
        return RecordingSummary(
            symbols=len(self._symbols),
            seconds=round((self._clock.monotonic_ns() - self._started_ns) / 1e9, 3),
            rows=rows,
            gaps=writer.gaps.total(),
            gaps_by_cause=dict(writer.gaps),
            bytes=archivist.bytes_written,
            files=archivist.files,
            received=self._intake.received,
            dropped=self._intake.dropped,
            duplicates=writer.duplicates,
            malformed=self._feeds.malformed,
            torn_bytes=recovered.torn_bytes,
            damaged_bytes=recovered.damaged_bytes,
            catalog=str(self._options.catalog),
            log_dir=None if self._options.log_dir is None else str(self._options.log_dir),
            log_rows={} if logs is None else logs.rows,
            log_bytes=0 if logs is None else logs.size_bytes,
            warnings=[line for line, _ in self._warnings.most_common(_WARNINGS_KEPT)],
        )


def _continuity(recovered: Recovered) -> Continuity:
    detail = "the recorder was stopped" if recovered.was_clean else "the recorder ended without a goodbye"
    return Continuity(recovered.marks, "restart", detail)


def _funding_known(options: RecorderOptions) -> dict[str, int]:
    """Up to when the settled rates of each symbol are in the catalog."""
    from aster_operator.market_data.catalog.catalog import Catalog

    if not is_catalog(options.catalog):
        return {}
    newest = Catalog(options.catalog).scan("funding").group_by("symbol").agg(pl.col("funding_ms").max())
    return dict(collected(newest, options.catalog, "funding").iter_rows())


async def _cancelled(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
