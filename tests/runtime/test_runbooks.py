"""Every runbook is drilled: it is brought about, the page's command is run, the page's promise is checked."""

import asyncio
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.clock import WallClock
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import Feed
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.pairing import PairKind
from aster_operator.simulator.server.serve import ExchangeServer
from aster_operator.simulator.server.settings import ServerSettings
from runtime.sessions import new_exchange
from runtime.test_pair_faults import (
    DEADLINE_MS,
    POLLED_MS,
    Outage,
    close_by_hand,
    cut,
    ends_flat,
    failing,
    liquidate,
    lopsided,
    opened,
    run_watching,
    session,
    tell,
)
from warm_programs import warm_programs

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
SAME = PairKind.SAME
PROGRAM = "aster-operator"


def command_of(page: str) -> list[str]:
    """The one command that a page tells its reader to run, as arguments of the program."""
    (text,) = re.findall(r"```text\n(.+)\n```", (RUNBOOKS / f"{page}.md").read_text(encoding="utf-8"))
    program, *arguments = text.split()
    assert program == PROGRAM
    return arguments


async def follow(
    page: str, folder: Path, *more: str, wrap: tuple[str, ...] = (), **environment: str
) -> tuple[int, str]:
    """Run the command of a page; exit code and all it printed."""
    program = (
        [*wrap, sys.executable, "-m", "aster_operator.cli.entry"] if wrap else [warm_programs() / PROGRAM]
    )
    process = await asyncio.create_subprocess_exec(
        *wrap, *program, *command_of(page), *more,
        cwd=folder, env={"PATH": os.environ["PATH"], "ASTER_OPERATOR_ENV_FILE": ""} | environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(100):
        output, _ = await process.communicate()
    text = output.decode()
    assert "Traceback" not in text
    assert process.returncode is not None
    return process.returncode, text


def at(server: ExchangeServer) -> tuple[str, ...]:
    return ("--venue", "sim", "--base-url", server.rest_url, "--ws-url", server.ws_url, "--json")


def sound(server: ExchangeServer) -> dict[str, str]:
    account = server.accounts[1]
    return {
        "WALLET_ADDRESS": account.user,
        "ASTER_AGENT_PRIVATE_KEY": account.private_key,
        "CAPITAL_USDT": "5000",
        "LEVERAGE": "5",
        "MAX_POSITION_SIZE_PCT": "10",
    }


def failed(text: str) -> dict[str, str]:
    """Names and details of the checks that did not pass."""
    line = next(line for line in text.splitlines() if line.startswith("{"))
    return {check["name"]: check["detail"] for check in json.loads(line)["checks"] if not check["ok"]}


# --- a pair in trouble ----------------------------------------------------------------------------------


async def test_exchange_down(tmp_path: Path) -> None:
    bench, outage = await opened(SAME), Outage()
    failing(bench.client, outage)
    outage.is_on = True
    fills = len(bench.books.fills)
    await run_watching(bench, 3 * 60)
    assert Feed.REST in bench.core.state.feeds_down
    assert len(bench.books.fills) == fills, "nothing is opened meanwhile"
    code, text = await follow(
        "exchange-down", tmp_path, "--venue", "sim", "--base-url", "http://127.0.0.1:9",
        "--ws-url", "ws://127.0.0.1:9", WALLET_ADDRESS="", CAPITAL_USDT="5000",
    )  # fmt: skip
    assert code != 0
    assert "127.0.0.1" in text
    outage.is_on = False
    await run_watching(bench, 90)
    assert bench.core.state.pairs.active(), "what is hedged is held on"
    await ends_flat(bench)


async def test_user_stream_dead() -> None:
    bench = await opened(SAME)
    await cut(bench)
    await close_by_hand(bench)
    assert await run_watching(bench, 30) <= POLLED_MS
    assert bench.core.state.pairs.finished
    tell(bench, Feed.USER, healthy=True)
    await ends_flat(bench)


async def test_lone_leg() -> None:
    first: list[PositionSide] = []

    def refuses_the_second(order: NewOrder) -> str | None:
        if not order.opens_position:
            return None
        first.append(order.position_side)
        return "refuse" if order.position_side is not first[0] else None

    bench = await session(SAME, refuses_the_second)
    assert await run_watching(bench, 150) <= DEADLINE_MS
    assert bench.core.state.pairs.finished, "the attempt was given up"
    assert all(pair.close_reason for pair in bench.core.state.pairs.finished)
    await ends_flat(bench)


async def test_liquidation() -> None:
    bench = await opened(SAME)
    await liquidate(bench)
    assert await run_watching(bench, 30) <= POLLED_MS
    assert lopsided(bench) is None
    assert bench.core.state.pairs.finished
    await ends_flat(bench)


# --- keys and clock -------------------------------------------------------------------------------------


async def test_key_revoked(tmp_path: Path) -> None:
    async with ExchangeServer(ServerSettings(), exchange=new_exchange(), clock=WallClock()) as server:
        revoked = sound(server) | {"ASTER_AGENT_PRIVATE_KEY": "0x" + "17" * 32}
        code, text = await follow("key-revoked", tmp_path, *at(server), **revoked)
        assert code != 0
        assert any("credentials" in name or "key" in name or "account" in name for name in failed(text)), text
        assert "17" * 32 not in text
        code, text = await follow("key-revoked", tmp_path, *at(server), **sound(server))
        assert (code, failed(text)) == (0, {})


async def test_clock_off(tmp_path: Path) -> None:
    for skew_ms, said in ((10_000, True), (0, False)):  # a clock that is right is not spoken of
        server_settings = ServerSettings(security_skew_ms=skew_ms)
        async with ExchangeServer(server_settings, exchange=new_exchange(), clock=WallClock()) as server:
            _, text = await follow("clock-off", tmp_path, *at(server), **sound(server))
        assert ("clock" in failed(text)) is said, text


# --- disk, books, releases ------------------------------------------------------------------------------


def names_in(folder: Path, pattern: str) -> list[str]:
    return [path.name for path in folder.glob(pattern)]


def books(folder: Path) -> str:
    address = f"sqlite:///{folder / 'aster-operator.db'}"
    engine = open_books(address)
    TradeRecorder(engine, LedgerKey(venue="sim", account="0xabc"), "run-1")
    engine.dispose()
    return address


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk needs root")
async def test_disk_full(tmp_path: Path) -> None:
    books(tmp_path)
    (tmp_path / "small").mkdir()
    on_small_disk = (
        "unshare", "--mount", "bash", "-c",
        'mount -t tmpfs -o size=64k small small; "$@"; code=$?; ls -A small >&2; exit $code', "small",
    )  # fmt: skip
    code, text = await follow("disk-full", tmp_path, wrap=on_small_disk)
    assert code == 2
    assert "No space left" in text or "full" in text
    assert len(text.splitlines()) == 1, "one line, and nothing is left on the small disk"
    code, _ = await follow("disk-full", tmp_path)
    assert code == 0
    assert (tmp_path / "small" / "books.backup").stat().st_size > 64 * 1024


async def test_database_locked(tmp_path: Path) -> None:
    books(tmp_path)
    holder = sqlite3.connect(tmp_path / "aster-operator.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    code, text = await follow("database-locked", tmp_path)
    assert code == 0, text
    assert (tmp_path / "books.backup").exists()
    holder.execute("ROLLBACK")
    holder.close()


async def test_bad_deploy(tmp_path: Path) -> None:
    books(tmp_path)

    def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [warm_programs() / PROGRAM, *arguments],
            cwd=tmp_path, env={"PATH": os.environ["PATH"]},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert call("db", "backup", "--out", "before.backup").returncode == 0
    newer = sqlite3.connect(tmp_path / "aster-operator.db")
    newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.commit()
    newer.close()
    refused = call("db", "stats")
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1
    code, text = await follow("bad-deploy", tmp_path)
    assert code == 0, text
    assert call("db", "stats").returncode == 0
    assert len(names_in(tmp_path, "aster-operator.db*")) > 1, "the newer file was moved aside"


async def test_upside_down_config(tmp_path: Path) -> None:
    faults = ("LEVERAGE=900", "CAPITAL_USDT=-5", "VENUE=moon", "TRADING_PAIRS=", "LEVERGE=3", "no key at all")
    (tmp_path / "aster.env").write_text("\n".join(faults))
    code, text = await follow("upside-down-config", tmp_path)
    assert code == 2
    for name in ("LEVERAGE", "CAPITAL_USDT", "VENUE", "LEVERGE", "KEY=value"):
        assert name in text
    assert names_in(tmp_path, "*.db") == []


# --- the pages ------------------------------------------------------------------------------------------

PAGES = sorted(path for path in RUNBOOKS.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_has_its_parts_and_its_drill(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = ["You see", "What the operator does by itself", "You do", "Then"]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == headings
    assert f"test_{page.stem.replace('-', '_')}" in globals()
    assert f"]({page.name})" in (RUNBOOKS / "README.md").read_text(encoding="utf-8")


def test_there_is_a_page_for_every_kind_of_bad_day() -> None:
    assert len(PAGES) == 10
