"""Two operators on one account: the second is refused, and told who the first is."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aster_operator.database.account_lock import (
    holding_account,
    holding_account_everywhere,
    holding_account_here,
)
from aster_operator.database.problems import DatabaseProblem

ACCOUNT = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

HOLDER = """
import sys
from aster_operator.database.account_lock import holding_account
with holding_account(sys.argv[1], "mainnet", sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(url: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url, ACCOUNT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_the_second_is_refused_and_the_first_is_named(empty_url: str) -> None:
    first = start_holder(empty_url)
    try:
        with (
            pytest.raises(DatabaseProblem) as caught,
            holding_account(empty_url, "mainnet", ACCOUNT.lower()),
        ):
            pytest.fail("both trade")
        assert f"process {first.pid} on {socket.gethostname()}" in caught.value.line
        assert caught.value.exit_code == 2
    finally:
        end(first)


def test_a_lock_ends_with_its_process_however_that_ends(empty_url: str) -> None:
    first = start_holder(empty_url)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    for _ in range(200):  # a server notices the loss of a connection in its own time
        try:
            with holding_account(empty_url, "mainnet", ACCOUNT):
                return
        except DatabaseProblem:
            continue
    pytest.fail("the lock outlived its process")


@pytest.mark.parametrize(("venue", "account"), [("testnet", ACCOUNT), ("mainnet", "0x" + "12" * 20)])
def test_other_accounts_and_venues_are_free(empty_url: str, venue: str, account: str) -> None:
    with holding_account(empty_url, "mainnet", ACCOUNT), holding_account(empty_url, venue, account):
        pass


def test_the_same_account_can_be_traded_one_after_the_other(empty_url: str) -> None:
    for _ in range(2):
        with holding_account(empty_url, "mainnet", ACCOUNT):
            pass


def test_a_fault_inside_the_block_is_not_the_lock_s(empty_url: str) -> None:
    with pytest.raises(RuntimeError, match="ours"), holding_account(empty_url, "mainnet", ACCOUNT):
        raise RuntimeError("ours")


HOLDER_HERE = """
import sys
from aster_operator.database.account_lock import holding_account_here
with holding_account_here(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has no such names")
def test_on_one_machine_the_second_is_refused_whatever_its_books_and_its_folder() -> None:
    venue = f"sim-of-process-{os.getpid()}"
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER_HERE, venue, ACCOUNT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with pytest.raises(DatabaseProblem) as caught, holding_account_here(venue, ACCOUNT.lower()):
            pytest.fail("both trade")
        assert f"process {first.pid}, this machine" in caught.value.line
        with holding_account_here(f"{venue}-another", ACCOUNT):
            pass
    finally:
        end(first)
    with holding_account_here(venue, ACCOUNT):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel has no such names")
def test_who_is_refused_on_this_machine_leaves_nothing_beside_its_books(tmp_path: Path) -> None:
    label, url = f"sim-of-process-{os.getpid()}-books", f"sqlite:///{tmp_path / 'books.db'}"
    with (
        holding_account_here(label, ACCOUNT),
        pytest.raises(DatabaseProblem, match="another operator trades"),
        holding_account_everywhere(url, "sim", ACCOUNT, label=label),
    ):
        pytest.fail("both trade")
    assert list(tmp_path.iterdir()) == []
    with holding_account_everywhere(url, "sim", ACCOUNT, label=label):
        with pytest.raises(DatabaseProblem), holding_account_here(label, ACCOUNT):
            pytest.fail("both trade")
        with pytest.raises(DatabaseProblem), holding_account(url, "sim", ACCOUNT):
            pytest.fail("both trade")
