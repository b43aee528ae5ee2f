"""Segments: what was recorded since the last finished files, appended block by block and crash-safe.

A segment is a magic line and frames. A frame is a mark, a kind, a length, a CRC-32 and the payload, which is
compressed by zstd. Kinds: `S` names a stream and its Arrow schema, `B` is one record batch of a stream. A
frame that was not written whole fails its checksum: at the end of the file it is a torn tail, in the middle
damage, which is skipped to the next mark.
"""

import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa

from aster_operator.market_data.catalog.durable import make_folder, sync_folder
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import stream_schema

__all__ = [
    "SEGMENT_FOLDER",
    "Block",
    "SegmentScan",
    "SegmentWriter",
    "list_segments",
    "read_block",
    "scan_segment",
    "truncate_tail",
]

SEGMENT_FOLDER: Final = "segments"
_SUFFIX: Final = ".segment"
_MAGIC: Final = b"aster-segment 1\n"
_MARK: Final = b"\xa5\x5aSEG\x00"
_HEAD: Final = struct.Struct("<6scBIII")
"""Mark, kind, stream number, length, length before compression, checksum of all that and the payload."""
_LEVEL: Final = 1


def list_segments(root: Path) -> list[Path]:
    """The segments of a catalog, oldest first."""
    return sorted((root / SEGMENT_FOLDER).glob(f"*{_SUFFIX}"))


class SegmentWriter:
    """Appends blocks to a new segment. Rows are safe when `sync` has returned."""

    def __init__(self, root: Path, started_ns: int) -> None:
        folder = root / SEGMENT_FOLDER
        make_folder(folder)
        self.path = folder / f"{started_ns:020d}{_SUFFIX}"
        self._codec = pa.Codec("zstd", compression_level=_LEVEL)
        self._numbers: dict[str, int] = {}
        self._descriptor = os.open(
            self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        )
        self.size_bytes = 0
        self.rows = 0
        self._pending: list[bytes] = [_MAGIC]
        try:
            self.sync()
            sync_folder(folder)
        except OSError:
            # Nothing is in it yet, and the next try makes another.
            os.close(self._descriptor)
            self.path.unlink(missing_ok=True)
            raise

    def append(self, stream: str, batch: pa.RecordBatch) -> None:
        """Add rows of `stream`, whose schema is that of `stream_schema(stream).arrow_with_symbol`."""
        number = self._numbers.get(stream)
        if number is None:
            number = self._numbers[stream] = len(self._numbers)
            description = stream.encode() + b"\0" + batch.schema.serialize().to_pybytes()
            self._frame(b"S", number, description)
        self._frame(b"B", number, batch.serialize())
        self.rows += batch.num_rows

    def _frame(self, kind: bytes, number: int, payload: bytes | pa.Buffer) -> None:
        packed = self._codec.compress(payload, asbytes=True)
        length, plain = len(packed), len(payload)
        checksum = _checksum(kind, number, length, plain, packed)
        self._pending += (_HEAD.pack(_MARK, kind, number, length, plain, checksum), packed)

    def sync(self) -> None:
        """Write what was appended and force it to the disk. After an OSError it may be called again."""
        data = b"".join(self._pending)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:] if written else data)
        except OSError:
            # What did get written stays; a frame that is half there continues with its other half.
            self._pending = [data[written:]]
            self.size_bytes += written
            raise
        self._pending = []
        self.size_bytes += written
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Sync and close. The file stays until its rows are in finished files."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)


def _checksum(kind: bytes, number: int, length: int, plain: int, packed: bytes | memoryview) -> int:
    return zlib.crc32(packed, zlib.crc32(b"%c%d:%d:%d" % (kind, number, length, plain)))


class Block(NamedTuple):
    """Where one record batch lies in a segment."""

    stream: str
    schema: pa.Schema
    start: int
    length: int
    plain_length: int


class SegmentScan(NamedTuple):
    """What a segment holds. `good_bytes` end with the last whole frame; `damaged_bytes` lie before that."""

    path: Path
    blocks: list[Block]
    good_bytes: int
    damaged_bytes: int
    torn_bytes: int


def scan_segment(path: Path) -> SegmentScan:
    """Find the whole blocks of a segment. Raises CatalogError for a file that is none, OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            return SegmentScan(path, [], 0, 0, 0)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
            return _scan(path, data, view)


def _scan(path: Path, data: mmap.mmap, view: memoryview) -> SegmentScan:
    size = len(view)
    head = bytes(view[: len(_MAGIC)])
    if head != _MAGIC:
        if _MAGIC.startswith(head):  # Cut off while the file was being made.
            return SegmentScan(path, [], 0, 0, size)
        raise CatalogError(f"{path}: is not a segment of this version: move it out of the catalog")
    schemas: dict[int, tuple[str, pa.Schema]] = {}
    blocks: list[Block] = []
    position = good = len(_MAGIC)
    damaged = 0
    while position < size:
        frame = _frame_at(view, position)
        if frame is None:
            position = data.find(_MARK, position + 1)
            if position < 0:
                break
            continue
        kind, number, length, plain = frame
        start, end = position + _HEAD.size, position + _HEAD.size + length
        damaged += position - good
        if kind == b"S":
            schemas[number] = _described(bytes(view[start:end]), plain)
        elif number in schemas:
            blocks.append(Block(*schemas[number], start, length, plain))
        else:  # The description of its stream is among what was damaged.
            damaged += end - position
        position = good = end
    return SegmentScan(path, blocks, good, damaged, size - good)


def _frame_at(view: memoryview, position: int) -> tuple[bytes, int, int, int] | None:
    """(kind, stream number, length, plain length) of the whole frame at `position`, if there is one."""
    if position + _HEAD.size > len(view):
        return None
    mark, kind, number, length, plain, checksum = _HEAD.unpack_from(view, position)
    start = position + _HEAD.size
    if mark != _MARK or start + length > len(view):
        return None
    if _checksum(kind, number, length, plain, view[start : start + length]) != checksum:
        return None
    return kind, number, length, plain


def _unpack(packed: bytes, plain_length: int) -> pa.Buffer:
    return pa.Codec("zstd").decompress(packed, decompressed_size=plain_length)


def _described(packed: bytes, plain_length: int) -> tuple[str, pa.Schema]:
    name, _, schema = _unpack(packed, plain_length).to_pybytes().partition(b"\0")
    return name.decode(), pa.ipc.read_schema(pa.py_buffer(schema))


def read_block(descriptor: int, block: Block) -> pa.RecordBatch:
    """The rows of `block`; a column that this version added since is null."""
    packed = os.pread(descriptor, block.length, block.start)
    batch = pa.ipc.read_record_batch(_unpack(packed, block.plain_length), block.schema)
    wanted = stream_schema(block.stream).arrow_with_symbol
    if batch.schema.equals(wanted):
        return batch
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(batch.num_rows, field.type)
        for field in wanted
    ]
    return pa.record_batch(columns, names=wanted.names)


def truncate_tail(scan: SegmentScan) -> None:
    """Cut the torn tail off, for good."""
    if scan.torn_bytes:
        with scan.path.open("r+b") as file:
            file.truncate(scan.good_bytes)
            os.fsync(file.fileno())
