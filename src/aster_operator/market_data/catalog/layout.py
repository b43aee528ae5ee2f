"""Where things lie in a catalog: `stream=…/symbol=…/date=…/*.parquet`, and segments that are not finished.

File names say where rows come from: `seg-` from a segment of that name, `add-` added by a download or a
conversion, `day-` a whole day compacted. Names that begin with a dot are being written, or say what a
compaction replaces; readers of other programs skip them.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.schemas import is_stream
from aster_operator.market_data.catalog.segments import SEGMENT_FOLDER

__all__ = [
    "LAST_DAY",
    "REPLACEMENT",
    "DataFile",
    "Partition",
    "Replacement",
    "added_name",
    "compacted_name",
    "date_of",
    "day_start_ms",
    "finished_files",
    "is_catalog",
    "partition_folder",
    "partitions",
    "read_replacement",
    "sealed_name",
    "streams_in",
    "symbols_in",
]

REPLACEMENT: Final = ".replacement.json"
"""Beside the files of a partition while a compaction takes their place."""
LAST_DAY: Final = 2_932_896
"""9999-12-31, in days since 1970: later there is no name for a partition."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class Partition(NamedTuple):
    """One symbol's day (`2026-02-01`, UTC) of one stream."""

    stream: str
    symbol: str
    date: str


class DataFile(NamedTuple):
    partition: Partition
    path: Path


class Replacement(msgspec.Struct, frozen=True):
    """What a compaction is about: `files` are void from the moment `into` exists."""

    into: str
    files: tuple[str, ...]


def date_of(time_ms: int) -> str:
    """The UTC day that contains `time_ms`, as in the names of partitions: from 1970 to 9999."""
    day = min(max(time_ms // DAY_MS, 0), LAST_DAY)
    return datetime.fromtimestamp(day * 86_400, tz=UTC).strftime("%Y-%m-%d")


def day_start_ms(day: str) -> int:
    """Start of a day written 2026-02-01. Raises ValueError."""
    year, month, number = (int(part) for part in day.split("-"))
    return (date(year, month, number).toordinal() - date(1970, 1, 1).toordinal()) * DAY_MS


def is_catalog(path: Path) -> bool:
    """True for a folder that holds streams or segments."""
    if not path.is_dir():
        return False
    return (path / SEGMENT_FOLDER).is_dir() or any(is_stream(name) for name in _children(path, "stream"))


def partition_folder(root: Path, partition: Partition) -> Path:
    return (
        root
        / f"stream={partition.stream}"
        / f"symbol={quote(partition.symbol, safe='')}"
        / f"date={partition.date}"
    )


def sealed_name(segment: Path) -> str:
    return f"seg-{segment.stem}.parquet"


def added_name(now_ns: int, process_id: int) -> str:
    return f"add-{now_ns:020d}-{process_id}.parquet"


def compacted_name(now_ns: int) -> str:
    return f"day-{now_ns:020d}.parquet"


def _children(folder: Path, key: str) -> list[str]:
    """Values of the sub-folders named `key=value`, decoded and sorted."""
    try:
        entries = list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    head = f"{key}="
    return sorted(unquote(entry.name[len(head) :]) for entry in entries if entry.name.startswith(head))


def streams_in(root: Path) -> list[str]:
    return [name for name in _children(root, "stream") if is_stream(name)]


def symbols_in(root: Path, stream: str) -> list[str]:
    return _children(root / f"stream={stream}", "symbol")


def partitions(
    root: Path,
    stream: str,
    symbols: Collection[str] | None = None,
    *,
    first_day: str = "",
    last_day: str = "9999-99-99",
) -> Iterator[Partition]:
    """The partitions of a stream by symbol and day, both bounds included."""
    for symbol in symbols_in(root, stream):
        if symbols is not None and symbol not in symbols:
            continue
        folder = root / f"stream={stream}" / f"symbol={quote(symbol, safe='')}"
        for day in _children(folder, "date"):
            if _DATE.fullmatch(day) and first_day <= day <= last_day:
                yield Partition(stream, symbol, day)


def read_replacement(folder: Path) -> Replacement | None:
    """The compaction that is under way in a partition; None when there is none, or its note is not whole."""
    try:
        return msgspec.json.decode((folder / REPLACEMENT).read_bytes(), type=Replacement)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def finished_files(
    root: Path, partition: Partition, unfinished_segments: Collection[str] = ()
) -> list[DataFile]:
    """The files that hold a partition's rows once each.

    `unfinished_segments` are names of segments (without suffix) that are read themselves: files made from
    them are left out, and so are files that a compaction has replaced.
    """
    folder = partition_folder(root, partition)
    replacement = read_replacement(folder)
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".parquet"))
    except FileNotFoundError:
        return []
    void: set[str] = {f"seg-{segment}.parquet" for segment in unfinished_segments}
    if replacement is not None:
        void.update(replacement.files if replacement.into in names else ())
    return [
        DataFile(partition, folder / name) for name in names if not name.startswith(".") and name not in void
    ]
