"""The archivist: segments into finished files, days that are over into one file, old days away.

Works in a thread of its own, one task after the other, so that recording never waits for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from aster_operator.domain.clock import Clock
from aster_operator.market_data.catalog.maintenance import compact, expire, newest_day, settle_replacements
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.sealing import seal_segment
from aster_operator.market_data.recorder.options import RecorderOptions

__all__ = ["Archivist"]


class Archivist:
    """Serves one recording. `on_notice` hears one line about each thing that failed."""

    def __init__(self, options: RecorderOptions, clock: Clock, on_notice: Callable[[str], None]) -> None:
        self._options = options
        self._clock = clock
        self._on_notice = on_notice
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="archivist")
        self._tasks: list[Future[None]] = []
        self._ending = False
        self._compacted_before = ""
        self._unsealed: list[tuple[Path, bool]] = []
        """Segments that could not be made finished files yet, and whether this recording wrote them."""
        self.bytes_written = 0
        self.files = 0

    def begin(self, segments: Sequence[Path]) -> None:
        """Finish what an earlier recording left, then tidy up."""
        self._later(lambda: settle_replacements(self._options.catalog))
        for path in segments:
            self._later(partial(self._seal, path, counts=False))
        self._later(self._tidy)

    def add(self, segment: Path | None) -> None:
        """Turn a segment that has ended into finished files, some time soon."""
        if segment is not None:
            self._later(partial(self._seal, segment, counts=True))
            self._later(self._tidy)

    async def finish(self, segment: Path | None) -> None:
        """Seal the last segment and return when all segments are finished files."""
        self._ending = True
        if segment is not None:
            self._later(partial(self._seal, segment, counts=True))
        if self._options.retention_days is not None:
            self._later(self._expire)
        await asyncio.gather(*(asyncio.wrap_future(task) for task in self._tasks))

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _later(self, work: Callable[[], None]) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(self._thread.submit(self._guarded, work))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (OSError, CatalogError) as error:
            # Nothing is lost: a segment stays, is read as it is, and is tried again with the next one.
            self._loop.call_soon_threadsafe(self._on_notice, f"finished files: {error}")

    def _seal(self, segment: Path, *, counts: bool) -> None:
        waiting, self._unsealed = [*self._unsealed, (segment, counts)], []
        problems: list[OSError | CatalogError] = []
        for path, is_of_this_run in waiting:
            try:
                sealed = seal_segment(self._options.catalog, path)
            except (OSError, CatalogError) as problem:
                self._unsealed.append((path, is_of_this_run))
                problems.append(problem)
                continue
            if is_of_this_run:
                self.bytes_written += sealed.bytes_written
                self.files += sealed.files
        if problems:
            raise problems[0]

    def _tidy(self) -> None:
        """Compact once for each new day, market time."""
        today = newest_day(self._options.catalog, self._clock.now_ms())
        if today is None or today == self._compacted_before:
            return
        if self._options.retention_days is not None:
            self._expire()
        compact(self._options.catalog, self._clock, before_day=today, go_on=lambda: not self._ending)
        if not self._ending:
            self._compacted_before = today

    def _expire(self) -> None:
        if self._options.retention_days is not None:
            expire(self._options.catalog, self._options.retention_days, self._clock.now_ms())
