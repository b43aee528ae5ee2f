"""The writer: batches into the segment, forced to the disk, acknowledged. Runs in a thread of its own."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.market_data.catalog.schemas import GAPS
from aster_operator.market_data.catalog.segments import SegmentWriter
from aster_operator.market_data.csv_logs import CsvLogError, CsvLogs
from aster_operator.market_data.recorder.columns import GapRow, batch_of
from aster_operator.market_data.recorder.continuity import Continuity, Hole
from aster_operator.market_data.recorder.intake import Batch
from aster_operator.market_data.recorder.state import save_state

__all__ = ["Acknowledgement", "Writer"]


class Acknowledgement(msgspec.Struct, frozen=True):
    """What is on the disk: every row counted here survives whatever happens next.

    `rows` counts by stream since the recorder started; `received_ns` is the receipt of the newest of them.
    """

    rows: dict[str, int]
    received_ns: int
    bytes_written: int


class Writer:
    """Not safe for several threads at once: the recorder hands it one task after the other."""

    def __init__(self, root: Path, clock: Clock, continuity: Continuity, logs: CsvLogs | None) -> None:
        self._root = root
        self._clock = clock
        self._continuity = continuity
        self._logs = logs
        self._segment: SegmentWriter | None = None
        self._rows: Counter[str] = Counter()
        self._newest_ns = 0
        self._closed_bytes = 0
        self._holes: list[Hole] = []
        self._waiting: list[Batch] = []
        self._ended: list[GapRow] = []
        self.gaps: Counter[str] = Counter()
        """Gaps by cause."""
        self.log_trouble = ""
        """Why the CSV logs could not be written the last time; empty when they were."""

    @property
    def duplicates(self) -> int:
        """Messages that had been recorded before and were left out."""
        return self._continuity.duplicates

    @property
    def segment_rows(self) -> int:
        """Rows in the segment that is open."""
        return 0 if self._segment is None else self._segment.rows

    def write(self, batches: list[Batch]) -> tuple[Acknowledgement, list[Hole]]:
        """Record `batches` and return when they are on the disk, with what can be fetched.

        Raises OSError when the disk refuses; what was given stays to be written by the next call. CSV logs
        that cannot be written hold nothing back: see `log_trouble`.
        """
        now_ns = self._clock.now_ns()
        self._waiting += batches
        if self._segment is None and (self._ended or any(map(_makes_rows, self._waiting))):
            # Before anything is judged: a batch that was judged and could not be kept would be lost unseen.
            self._segment = SegmentWriter(self._root, now_ns)
        for batch in self._waiting:
            self._take(batch, now_ns)
        self._waiting = []
        ended, self._ended = self._ended, []
        self._note_gaps(ended)
        if self._segment is not None:
            self._segment.sync()
        self._write_logs(now_ns // 1_000_000)
        holes, self._holes = self._holes, []
        return self.acknowledgement(), holes

    def _take(self, batch: Batch, now_ns: int) -> None:
        gaps, holes = self._continuity.judge(batch, now_ns)
        self._holes += holes
        for stream, messages in batch.messages.items():
            self._append(stream, messages, "stream")
        for stream, messages in batch.fetched.items():
            self._append(stream, messages, "rest")
        self._note_gaps(gaps)
        if self._logs is not None:
            self._logs.take(batch.messages)
            self._logs.seed(batch.fetched)

    def _write_logs(self, now_ms: int) -> None:
        if self._logs is None:
            return
        try:
            self._logs.tick(now_ms)
            self.log_trouble = ""
        except (OSError, CsvLogError) as error:
            self.log_trouble = str(error)

    def acknowledgement(self) -> Acknowledgement:
        size = self._closed_bytes + (0 if self._segment is None else self._segment.size_bytes)
        return Acknowledgement(dict(self._rows), self._newest_ns, size)

    def _note_gaps(self, gaps: list[GapRow]) -> None:
        self._append(GAPS, gaps, "stream")
        self.gaps.update(gap.cause for gap in gaps if not gap.is_update)

    def end_pairs(self, pairs: list[tuple[str, str]], cause: str, detail: str) -> None:
        """Note that nothing more will come of some (stream, symbol); on the disk with the next `write`."""
        now_ns = self._clock.now_ns()
        ended = (self._continuity.end(pair, cause, detail, now_ns) for pair in pairs)
        self._ended += [gap for gap in ended if gap is not None]

    def _append(self, stream: str, messages: list[Any], source: str) -> None:
        if not messages:
            return
        assert self._segment is not None  # noqa: S101 - opened before anything was judged
        self._segment.append(stream, batch_of(stream, messages, source))
        self._rows[stream] += len(messages)
        newest = messages[-1]
        received_ns = newest.kline.received_ns if stream == "kline_1m" else newest.received_ns
        self._newest_ns = max(self._newest_ns, received_ns)

    def roll(self) -> Path | None:
        """End the segment, so that it can be put into finished files; None when there is none.

        Raises OSError; then the segment goes on.
        """
        segment = self._segment
        if segment is None:
            return None
        segment.sync()
        # How far the recording went must be known before the segment that says so is gone.
        save_state(self._root, self._continuity.marks, clean=False)
        self._segment = None
        self._closed_bytes += segment.size_bytes
        segment.close()
        return segment.path

    def finish(self) -> Path | None:
        """End for good: the state says that the end was orderly."""
        path = self.roll()
        save_state(self._root, self._continuity.marks, clean=True)
        if self._logs is not None:
            self._logs.close()
        return path


def _makes_rows(batch: Batch) -> bool:
    return bool(batch.rows or batch.drops or batch.closings)
