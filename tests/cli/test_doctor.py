"""`doctor` against the embedded exchange: healthy, and with one thing wrong at a time."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cli_calls import Run
from served_venue import Venue, served_venue

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.exchange import AgentCredentials, AsterClient

GOOD = {"CAPITAL_USDT": "5000", "LEVERAGE": "5", "MAX_POSITION_SIZE_PCT": "10"}


@pytest.fixture(scope="module")
def venue() -> Iterator[Venue]:
    with served_venue() as found:
        yield found


def client_of(venue: Venue, index: int) -> AsterClient:
    account = venue.accounts[index]
    keys = AgentCredentials(account.user, account.signer, account.private_key)
    return AsterClient(keys, environment="sim", base_url=venue.rest, ws_url=venue.ws)


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
    assert "smallest CAPITAL_USDT that works" in checks["size BTCUSDT"]["detail"]


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


def test_a_wrong_socket_address_fails_both_streams_and_hides_nothing_else(run: Run, venue: Venue) -> None:
    deaf = Venue(venue.rest, "ws://127.0.0.1:9", venue.accounts)
    code, checks = examine(run, deaf, GOOD | venue.agent(1))
    assert code == 1
    failed = {name for name, check in checks.items() if name != "ok" and not check["ok"]}
    assert failed == {"market stream", "user stream"}
    assert "--ws-url" in checks["market stream"]["remedy"]


def test_one_symbol_that_is_not_listed_hides_no_other(run: Run, venue: Venue) -> None:
    code, checks = examine(run, venue, GOOD | venue.agent(1) | {"TRADING_PAIRS": "NOPEUSDT,BTCUSDT"})
    assert code == 1
    assert checks["symbols"]["ok"] is False
    assert checks["size BTCUSDT"]["ok"] is checks["fees BTCUSDT"]["ok"] is True


AGENTS = {
    "no trading": ({"can_perp_trade": False}, "agent may trade perpetuals"),
    "soon over": ({"expires_ms": DAY_MS}, "agent expiry"),
    "withdrawals": ({"can_withdraw": True, "ip_whitelist": "127.0.0.1 ::1"}, "permission to withdraw"),
    "another address": ({"ip_whitelist": "10.1.1.1"}, "credentials"),
}


@pytest.mark.parametrize("case", AGENTS)
def test_what_is_wrong_with_an_agent_is_said(case: str, run: Run, venue: Venue) -> None:
    rights, failing = AGENTS[case]
    key = f"{sorted(AGENTS).index(case) + 3}" * 64
    agent = AgentCredentials.from_private_key(key)

    async def approve() -> None:
        async with client_of(venue, 0) as wallet:
            chosen = {"expires_ms": 30 * DAY_MS} | rights
            chosen["expires_ms"] += await wallet.server_time()
            await wallet.approve_agent(case, agent.signer, **chosen)

    asyncio.run(approve())
    keys = {"WALLET_ADDRESS": venue.accounts[0].user, "ASTER_AGENT_PRIVATE_KEY": key}
    code, checks = examine(run, venue, GOOD | keys)
    assert code == 1
    assert [name for name, check in checks.items() if name != "ok" and not check["ok"]] == [failing]
    assert checks[failing]["remedy"]


def test_what_nobody_owns_is_in_the_way_on_traded_symbols(run: Run, venue: Venue, tmp_path: Path) -> None:
    async def trade() -> None:
        async with client_of(venue, 2) as client:
            await client.new_order(
                symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal("0.01")
            )
            price = (await client.get_mark_price("BTCUSDT") * Decimal("0.99")).quantize(Decimal("0.1"))
            await client.new_order(
                symbol="BTCUSDT", side=Side.BUY, type=OrderType.LIMIT, quantity=Decimal("0.01"), price=price,
                time_in_force=TimeInForce.GTC, new_client_order_id="web_1",
            )  # fmt: skip

    asyncio.run(trade())
    settings = GOOD | venue.agent(2) | {"LEVERAGE": "20", "DB_PATH": str(tmp_path / "none.db")}
    code, checks = examine(run, venue, settings)
    assert code == 1
    for name in ("open positions", "open orders", "position mode"):
        assert checks[name]["ok"] is False
        assert checks[name]["remedy"]
    assert "0.01 BTCUSDT (nobody owns it)" in checks["open positions"]["detail"]
    assert "web_1" in checks["open orders"]["detail"]
    assert not (tmp_path / "none.db").exists()
    _, elsewhere = examine(run, venue, settings | {"TRADING_PAIRS": "ETHUSDT"})
    for name in ("open positions", "open orders"):
        assert elsewhere[name]["ok"] is True
        assert "BTCUSDT" in elsewhere[name]["remedy"]


def test_isolated_margin_does_not_go_with_multi_asset_mode(run: Run, venue: Venue) -> None:
    async def switch(enabled: bool) -> None:
        async with client_of(venue, 1) as client:
            await client.change_multi_assets_mode(enabled=enabled)

    asyncio.run(switch(True))
    try:
        code, checks = examine(run, venue, GOOD | venue.agent(1) | {"MARGIN_TYPE": "ISOLATED"})
    finally:
        asyncio.run(switch(False))
    assert code == 1
    assert checks["multi-asset mode"]["ok"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ("--base-url", "ftp://nowhere"),
        ("--ws-url", "http://nowhere"),
        ("--venue", "moon"),
        ("--colour", "red"),
        ("--env-file", "/no/such/file"),
    ],
)
def test_bad_input_ends_with_two_and_one_line(run: Run, venue: Venue, arguments: tuple[str, str]) -> None:
    done = run(
        "doctor", "--venue", "sim", "--base-url", venue.rest, "--ws-url", venue.ws, "--json", *arguments
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
