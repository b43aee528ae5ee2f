"""A session's journal, replayed through a fresh core, reproduces its commands."""

import struct
from pathlib import Path

import msgspec
import pytest

from aster_operator.execution.core_state import CoreSettings
from aster_operator.runtime.journal import FileJournal, Journal, JournalHeader, read_journal
from aster_operator.runtime.replay import verify_journal
from runtime.sessions import open_bench


async def recorded(path: Path, minutes: float = 90) -> None:
    def journal(settings: CoreSettings, now_ms: int) -> Journal:
        return FileJournal(
            path,
            JournalHeader(format_version=1, code_version="test", started_ms=now_ms, settings=settings),
        )

    bench = await open_bench(symbols=("BTCUSDT", "ETHUSDT"), hold_minutes=20, journal=journal)
    await bench.run_minutes(minutes)
    await bench.stop()
    bench.session._journal.close()


async def test_every_command_is_reproduced(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    await recorded(path)
    result = verify_journal(path)
    assert result.reproduced, result.difference
    assert result.events > 5_000
    assert result.commands > 30


async def test_a_journal_cut_short_is_compared_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    await recorded(path, minutes=10)
    whole = path.read_bytes()
    for cut in (1, 3, 50, 1_000):
        path.write_bytes(whole[:-cut])
        assert verify_journal(path).reproduced


async def test_a_changed_journal_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    await recorded(path, minutes=10)
    whole = path.read_bytes()
    (length,) = struct.unpack("<I", whole[:4])
    header = msgspec.msgpack.decode(whole[4 : 4 + length])
    header["settings"]["limits"]["leverage"] += 1
    changed = msgspec.msgpack.encode(header)
    path.write_bytes(struct.pack("<I", len(changed)) + changed + whole[4 + length :])
    result = verify_journal(path)
    assert not result.reproduced
    assert result.difference is not None
    assert "each side" in result.difference


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.file"
    path.write_bytes(b"\x05\x00\x00\x00hello")
    with pytest.raises(ValueError, match="not a session journal"):
        read_journal(path)
