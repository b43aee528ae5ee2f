"""What to record and where; what came of it."""

from pathlib import Path
from typing import Any

import msgspec

__all__ = ["RecorderOptions", "RecordingSummary"]


class RecorderOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`symbols` None records all that trade, also those listed later. Times in ms.

    `log_dir` None writes no CSV logs. `room` bounds the messages that wait for the disk, `trades_limit` the
    trades that are fetched for one hole. A segment becomes finished files after `segment_ms` or
    `segment_rows`. `retention_days` None keeps everything.
    """

    catalog: Path
    symbols: tuple[str, ...] | None
    log_dir: Path | None = None
    roll_logs: bool = False
    delete_logs: bool = False
    with_depth: bool = False
    with_liquidations: bool = False
    seeded: bool = True
    flush_ms: int = 500
    segment_ms: int = 3_600_000
    segment_rows: int = 20_000_000
    room: int = 400_000
    trades_limit: int = 50_000
    universe_ms: int = 600_000
    retention_days: int | None = None


class RecordingSummary(msgspec.Struct, kw_only=True):
    """What a recording did: rows by stream, rows of the gaps table, bytes of the finished files."""

    symbols: int
    seconds: float
    rows: dict[str, int]
    gaps: int
    gaps_by_cause: dict[str, int]
    bytes: int
    files: int
    received: int
    """Messages heard."""
    dropped: int
    duplicates: int
    malformed: int
    torn_bytes: int
    """Cut off the end of segments that a crash had left."""
    damaged_bytes: int
    catalog: str
    log_dir: str | None
    log_rows: dict[str, int]
    log_bytes: int
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found
