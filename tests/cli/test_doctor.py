"""`doctor` against the embedded exchange: healthy, and with one thing wrong at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_calls import Run

from aster_operator.domain.clock import WallClock
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, embedded_venue
from aster_operator.simulator.server.accounts import DemoAccount

GOOD = {"CAPITAL_USDT": "5000", "LEVERAGE": "5", "MAX_POSITION_SIZE_PCT": "10"}


class Venue:
    def __init__(self, rest: str, ws: str, accounts: tuple[DemoAccount, ...]) -> None:
        self.rest, self.ws, self.accounts = rest, ws, accounts

    def agent(self, index: int) -> dict[str, str]:
        account = self.accounts[index]
        return {"WALLET_ADDRESS": account.user, "ASTER_AGENT_PRIVATE_KEY": account.private_key}


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    """An exchange in a thread of its own, since `run` blocks while its child talks to it."""
    import asyncio
    import threading

    ready = threading.Event()
    found: list[Venue] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        options = EmbeddedVenueOptions(symbols=None, warm_up_ms=3_600_000, pace=60.0)
        async with embedded_venue(options, WallClock()) as started:
            server = started.server
            found.append(Venue(server.rest_url, server.ws_url, server.accounts))
            ready.set()
            await stop.wait()

    def work() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)


def examine(run: Run, venue: Venue, environment: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = run(
        "doctor", "--venue", "sim", "--base-url", venue.rest, "--ws-url", venue.ws, "--json",
        environment=environment,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    report = json.loads(done.stdout)
    return done.returncode, {check["name"]: check for check in report["checks"]} | {"ok": report["ok"]}


def test_a_sound_set_up_passes(run: Run, venue: Venue) -> None:
    code, checks = examine(run, venue, GOOD | venue.agent(1))
    assert code == 0, checks
    assert checks["ok"] is True
    assert "V3 agent" in checks["credentials"]["detail"]
    assert checks["permission to withdraw"]["ok"] is True
    assert "taker 4 bps" in checks["fees BTCUSDT"]["detail"]


def test_an_api_key_is_named_as_such(run: Run, venue: Venue) -> None:
    account = venue.accounts[1]
    keys = {"ASTER_API_KEY": account.api_key, "ASTER_API_SECRET": account.api_secret}
    code, checks = examine(run, venue, GOOD | keys)
    assert code == 0, checks
    assert "V1 API key" in checks["credentials"]["detail"]


def test_a_main_wallet_as_its_own_signer_can_withdraw_and_is_warned_of_loudly(run: Run, venue: Venue) -> None:
    code, checks = examine(run, venue, GOOD | venue.agent(0))
    assert code == 1
    assert "CAN WITHDRAW" in checks["permission to withdraw"]["detail"]
    assert checks["permission to withdraw"]["remedy"]


def test_a_leg_below_one_lot_names_the_capital_that_works(run: Run, venue: Venue) -> None:
    small = {"CAPITAL_USDT": "100", "MAX_POSITION_SIZE_PCT": "1.5", "LEVERAGE": "15"}
    code, checks = examine(run, venue, small | venue.agent(1))
    assert code == 1
    assert "smallest CAPITAL_USDT that works" in checks["symbols"]["detail"]


def test_a_wrong_secret_fails_and_hides_nothing_else(run: Run, venue: Venue) -> None:
    keys = {"ASTER_API_KEY": venue.accounts[1].api_key, "ASTER_API_SECRET": "0" * 64}
    code, checks = examine(run, venue, GOOD | keys)
    assert code == 1
    assert checks["credentials"]["ok"] is False
    assert checks["clock"]["ok"] is True


def test_a_symbol_that_is_not_listed_gets_a_suggestion(run: Run, venue: Venue) -> None:
    code, checks = examine(run, venue, GOOD | venue.agent(1) | {"TRADING_PAIRS": "BTCUSD"})
    assert code == 1
    assert "BTCUSDT" in checks["symbols"]["remedy"]


def test_a_key_file_others_can_read_is_found(run: Run, venue: Venue, tmp_path: Path) -> None:
    key_file = tmp_path / "agent.key"
    key_file.write_text(venue.accounts[1].private_key)
    key_file.chmod(0o644)
    keys = venue.agent(1) | {"ASTER_AGENT_PRIVATE_KEY": str(key_file)}
    code, checks = examine(run, venue, GOOD | keys)
    assert code == 1
    assert "chmod 600" in checks["key file"]["remedy"]


def test_an_unreachable_venue_ends_the_examination_in_time(run: Run, venue: Venue) -> None:
    dead = Venue("http://127.0.0.1:9", venue.ws, venue.accounts)
    code, checks = examine(run, dead, GOOD | venue.agent(1))
    assert code == 1
    assert checks["reachability"]["ok"] is False
