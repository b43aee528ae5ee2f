"""Nonces rise strictly across tasks, threads, restarts and processes."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.exchange.errors import AgentKeyInUse
from aster_operator.exchange.signing.nonce import RESERVE_US, acquire_nonces

AGENT = "0x5eDcBC07dCDa1079E06Bf434B17836D7A762f6FB"


@given(st.lists(st.integers(0, 2**52), min_size=1, max_size=50))
def test_nonces_rise_strictly_whatever_the_clock_says(clock: list[int]) -> None:
    source = acquire_nonces(AGENT, "rising", None)
    try:
        nonces = [source.next_us(now) for now in clock]
    finally:
        source.release()
    assert all(later > earlier for earlier, later in itertools.pairwise(nonces))


def test_nonce_is_the_time_when_the_clock_moves() -> None:
    source = acquire_nonces(AGENT, "moving", None)
    try:
        assert [source.next_us(now) for now in (1000, 2000, 3000)] == [1000, 2000, 3000]
    finally:
        source.release()


def test_threads_never_share_a_nonce() -> None:
    source = acquire_nonces(AGENT, "threads", None)
    taken: list[int] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(source.next_us(5) for _ in range(500))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    source.release()
    assert len(set(taken)) == 2000


def test_two_users_in_one_process_share_the_source(tmp_path: Path) -> None:
    first = acquire_nonces(AGENT, "mainnet", tmp_path)
    second = acquire_nonces(AGENT.lower(), "mainnet", tmp_path)
    assert first is second
    first.release()
    assert second.next_us(10) < second.next_us(10)
    second.release()


def test_a_restart_goes_on_above_the_last_nonce_even_with_the_clock_set_back(tmp_path: Path) -> None:
    first = acquire_nonces(AGENT, "mainnet", tmp_path)
    last = first.next_us(5_000_000)
    first.release()
    second = acquire_nonces(AGENT, "mainnet", tmp_path)
    assert second.next_us(1_000_000) == last + 1
    second.release()


def test_after_a_crash_the_mark_on_disk_is_above_every_nonce_given_out(tmp_path: Path) -> None:
    # A process that dies without releasing leaves only what it had written.
    script = (
        "import os, sys; from pathlib import Path\n"
        "from aster_operator.exchange.signing.nonce import acquire_nonces\n"
        f"s = acquire_nonces({AGENT!r}, 'mainnet', Path(sys.argv[1]))\n"
        "print([s.next_us(n) for n in (7_000_000, 7_000_000, 7_900_000)][-1], flush=True); os._exit(9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 9, run.stderr
    source = acquire_nonces(AGENT, "mainnet", tmp_path)
    reopened = source.next_us(0)
    source.release()
    assert int(run.stdout) < reopened <= int(run.stdout) + RESERVE_US + 1


def test_a_second_process_is_refused_and_told_who_holds_the_agent(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from aster_operator.exchange.signing.nonce import acquire_nonces\n"
        "from aster_operator.exchange.errors import AgentKeyInUse\n"
        "try:\n"
        f"    acquire_nonces({AGENT!r}, sys.argv[2], Path(sys.argv[1]))\n"
        "except AgentKeyInUse as error:\n"
        "    print(error.holder_pid); sys.exit(3)\n"
    )
    source = acquire_nonces(AGENT, "mainnet", tmp_path)
    source.next_us(1)
    try:
        command = [sys.executable, "-c", script, str(tmp_path)]
        refused = subprocess.run([*command, "mainnet"], capture_output=True, text=True, check=False)
        other_venue = subprocess.run([*command, "testnet"], capture_output=True, text=True, check=False)
    finally:
        source.release()
    assert (refused.returncode, refused.stdout.strip()) == (3, str(os.getpid())), refused.stderr
    assert other_venue.returncode == 0, other_venue.stderr


def test_the_refusal_names_the_process_in_one_line() -> None:
    error = AgentKeyInUse(AGENT, 4711)
    assert "process 4711" in str(error)
    assert "\n" not in str(error)


def test_the_mark_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    source = acquire_nonces(AGENT, "mainnet", tmp_path)
    source.release()
    (mark,) = (tmp_path / "agents").iterdir()
    assert mark.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("content", ["", "rubbish\nrubbish\n", "12\n"])
def test_an_unreadable_mark_does_not_stop_the_start(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / f"mainnet-{AGENT.lower()}.nonce").write_text(content)
    source = acquire_nonces(AGENT, "mainnet", tmp_path)
    assert source.next_us(42) == 42
    source.release()


def test_a_clock_that_was_ahead_does_not_use_up_the_future(tmp_path: Path) -> None:
    source = acquire_nonces(AGENT, "testnet", tmp_path)
    try:
        source.accepted(source.next_us(1_000_000_000))
        assert source.next_us(90_000_000_000) == 90_000_000_000
        source.rewind(2_000_000_000)
        assert source.next_us(2_000_000_001) == 2_000_000_001
        source.rewind(500_000_000)
        assert source.next_us(500_000_001) == 1_000_000_001, "never below an accepted one"
        source.rewind(1_000_000_000)
        assert source.next_us(1_000_000_000) == 1_000_000_002, "a second ahead is no reason"
    finally:
        source.release()
    mark = next(tmp_path.rglob("*.nonce")).read_text().splitlines()[1]
    assert int(mark) < 10_000_000_000
