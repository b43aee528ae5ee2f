"""Watching and steering a session from another process: its file, its socket, its journal while it grows."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from aster_operator.config.problems import UserProblem
from aster_operator.domain.events import Event, OperatorAction, OperatorRequested
from aster_operator.execution.core_state import CoreSettings
from aster_operator.runtime.announcement import announced
from aster_operator.runtime.journal import FileJournal, Journal, JournalHeader, read_journal
from aster_operator.runtime.journal_follower import JournalFollower
from aster_operator.runtime.parameter_file import ParameterFile
from aster_operator.runtime.session_file import SessionFile, find_sessions
from aster_operator.runtime.steering import SteeringFailed, SteeringRequest, request_steering
from runtime.sessions import Bench, open_bench


@asynccontextmanager
async def journalled_bench(path: Path) -> AsyncIterator[Bench]:
    def journal(settings: CoreSettings, now_ms: int) -> Journal:
        return FileJournal(path, JournalHeader(code_version="test", started_ms=now_ms, settings=settings))

    bench = await open_bench(symbols=("BTCUSDT", "ETHUSDT"), hold_minutes=600, journal=journal)
    yield bench
    bench.session._journal.close()


@asynccontextmanager
async def watched_bench(state_dir: Path, journal: Path) -> AsyncIterator[Bench]:
    async with (
        journalled_bench(journal) as bench,
        announced(bench.session, state_dir, run_id="run", venue="sim", journal=journal, can_reload=False),
    ):
        yield bench


async def wish(state_dir: Path, action: OperatorAction, detail: str = "") -> str | None:
    """Ask over the socket; the refusal, None when it was taken."""
    (session,) = find_sessions(state_dir)
    assert session.control is not None
    assert stat.S_IMODE(os.stat(session.control).st_mode) == 0o600
    request = SteeringRequest(action=action, tool="test", detail=detail)
    answer = await request_steering(Path(session.control), request)
    return None if answer.accepted else answer.message


async def test_the_owner_pauses_closes_one_pair_closes_all_and_resumes(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    async with watched_bench(tmp_path, path) as bench:
        await bench.run_minutes(30)
        assert bench.held("BTCUSDT") != (0, 0)
        assert bench.held("ETHUSDT") != (0, 0)
        assert await wish(tmp_path, OperatorAction.PAUSE_ENTRIES) is None
        assert await wish(tmp_path, OperatorAction.CLOSE, "ETHUSDT") is None
        await bench.run_minutes(5)
        assert bench.held("ETHUSDT") == (0, 0)
        assert bench.held("BTCUSDT") != (0, 0)
        assert await wish(tmp_path, OperatorAction.CLOSE_ALL) is None
        await bench.run_minutes(30)
        assert bench.held("BTCUSDT") == (0, 0)
        assert "everything closed by" in (bench.core.state.paused or "")
        assert await wish(tmp_path, OperatorAction.RESUME_ENTRIES) is None
        await bench.run_minutes(30)
        assert bench.held("BTCUSDT") != (0, 0)
    assert find_sessions(tmp_path) == []
    _, facts = read_journal(path)
    asked = [fact for fact in facts if isinstance(fact, OperatorRequested)]
    assert [each.action for each in asked] == [
        OperatorAction.PAUSE_ENTRIES,
        OperatorAction.CLOSE,
        OperatorAction.CLOSE_ALL,
        OperatorAction.RESUME_ENTRIES,
    ]
    assert all("(test)" in each.actor and each.event_ms > 0 for each in asked)


async def test_wishes_that_cannot_be_granted_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    async with watched_bench(tmp_path, path) as bench:
        assert "pair or symbol" in (await wish(tmp_path, OperatorAction.CLOSE) or "")
        assert "parameter file" in (await wish(tmp_path, OperatorAction.RELOAD_PARAMETERS) or "")
        assert "not for views" in (await wish(tmp_path, OperatorAction.STOP) or "")
        assert await wish(tmp_path, OperatorAction.CLOSE, "DOGEUSDT") is None
        await bench.driver.settle()
        assert "nothing is held of DOGEUSDT to close" in [notice.message for notice in bench.notices]
    with pytest.raises(SteeringFailed):
        await request_steering(
            tmp_path / "gone.sock", SteeringRequest(action=OperatorAction.CLOSE_ALL, tool="test")
        )


async def test_a_state_directory_with_a_long_name_can_be_steered_too(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    state_dir = tmp_path / ("long" * 30)
    async with watched_bench(state_dir, path):
        assert await wish(state_dir, OperatorAction.PAUSE_ENTRIES) is None


async def test_a_follower_reads_a_growing_journal_as_the_reader_reads_the_finished_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "session.journal"
    facts: list[object] = []
    async with journalled_bench(path) as bench:
        follower = JournalFollower(path)
        for _ in range(10):
            await bench.run_minutes(1)
            while taken := follower.take(100):
                facts += [fact for fact, _ in taken]
            # Everything up to the last tick of the timer is there while the session runs.
            assert bench.core.state.now_ms == max(fact.event_ms for fact in facts if isinstance(fact, Event))
    with follower:
        facts += [fact for fact, _ in follower.take()]
        assert follower.behind_bytes == 0
        header, expected = read_journal(path)
        assert follower.header == header
        assert facts == list(expected)


def test_a_follower_waits_for_the_rest_of_a_record_and_refuses_what_is_no_journal(tmp_path: Path) -> None:
    whole = tmp_path / "other"
    whole.write_bytes(b"\x05\x00\x00\x00hello world")
    with JournalFollower(whole) as follower, pytest.raises(ValueError, match="not a session journal"):
        follower.take()
    part = tmp_path / "part"
    part.write_bytes(b"\x05\x00")
    with JournalFollower(part) as follower:
        assert follower.take() == []
        assert follower.header is None


def test_session_files_of_dead_processes_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    dead = SessionFile(
        run_id="dead", pid=2**22 - 1, venue="sim", account="a", strategy="s", started_ms=0, journal="/x"
    )
    path = dead.write(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "sessions" / "broken.json").write_text("{")
    assert find_sessions(tmp_path) == []


def test_a_parameter_file_is_read_again_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_text("{}")
    file = ParameterFile(path)
    assert file.changed() is None
    assert file.read_again() == "{}"
    path.unlink()
    with pytest.raises(UserProblem, match="No such file"):
        file.read_again()
