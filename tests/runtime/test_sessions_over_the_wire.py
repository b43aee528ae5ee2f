"""Whole sessions over real REST and WebSocket on loopback: the demo's parts, and a venue already there."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from aster_operator.cli.session_output import session_report
from aster_operator.cli.venues import connect, connect_embedded
from aster_operator.config.settings import Settings, load_settings
from aster_operator.domain.clock import WallClock
from aster_operator.execution.core import TradingCore
from aster_operator.execution.policy import ExecutionPolicy
from aster_operator.monitoring.session_report import SessionReport
from aster_operator.runtime.demo import DemoOptions, DemoRun
from aster_operator.runtime.live_run import LiveRun
from aster_operator.runtime.replay import verify_journal
from aster_operator.simulator.options import CALM_SUBSTEP_MS, WATCHED_SUBSTEP_MS
from aster_operator.simulator.server.serve import ExchangeServer, ServerSettings
from runtime.sessions import LIMITS, new_exchange, open_bench

SETTINGS = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "10",
    "TRADING_PAIRS": "BTCUSDT,ETHUSDT",
    "DAILY_VOLUME_TARGET": "1000000",
    "POSITION_HOLD_TIME_MIN": "20",
}


def settings_for(folder: Path, **more: str) -> Settings:
    folder.mkdir(exist_ok=True)
    return load_settings(
        overrides=SETTINGS | {"DB_PATH": str(folder / "books.db"), "STATE_DIR": str(folder)} | more
    )


async def demo(folder: Path, hours: float = 2.0, seed: int = 1, **more: str) -> SessionReport:
    clock = WallClock()
    run = DemoRun(
        settings_for(folder, **more),
        DemoOptions(hours=hours, seed=seed),
        clock=clock,
        connect=lambda venue, account: connect_embedded(venue, account, clock),
    )
    result = await run.run()
    return session_report(
        result.core,
        result.books,
        market_minutes=result.market_minutes,
        seed=seed,
        interrupted=result.interrupted,
        whole_account=True,
    )


async def test_the_demo_rotates_and_its_books_match(tmp_path: Path) -> None:
    # More than one of the two symbols can trade in a day.
    report = await demo(tmp_path, hours=1.5, DAILY_VOLUME_TARGET="2000000")
    assert report.ledger == "match", report.ledger_differences
    assert report.rotations >= 4
    assert report.trades_compared == report.trades > 20
    assert report.hold_minutes_min is not None
    assert report.hold_minutes_min >= 20
    assert report.market_minutes == 90


async def test_the_same_seed_gives_the_same_report_and_another_seed_another(tmp_path: Path) -> None:
    first, again = await demo(tmp_path / "a", hours=0.5), await demo(tmp_path / "b", hours=0.5)
    assert first == again
    assert first.rotations
    other = await demo(tmp_path / "c", hours=0.5, seed=2)
    assert other.ledger == "match"
    assert other != first


async def test_the_wire_changes_nothing(tmp_path: Path) -> None:
    """The same session in process and over REST and WebSocket: the same volume, fees and PnL to the digit."""
    wire = await demo(tmp_path, hours=1)
    policy = ExecutionPolicy(repeg_ms=2_000, lead_deadline_ms=60_000, slippage_cap_bps=Decimal(10))
    bench = await open_bench(
        symbols=("BTCUSDT", "ETHUSDT"),
        hold_minutes=20,
        policy=policy,
        run_id="demo1",
        limits=LIMITS,
        exchange=new_exchange(substep_ms=WATCHED_SUBSTEP_MS, calm_substep_ms=CALM_SUBSTEP_MS),
    )
    await bench.run_minutes(60 - 5 / 60)
    await bench.stop()
    portfolio = bench.core.state.portfolio
    assert (wire.volume_usd, wire.fees_usd, wire.realized_pnl_usd, wire.trades) == (
        portfolio.volume,
        portfolio.fees,
        portfolio.realized_pnl,
        portfolio.fill_count,
    )


@pytest.mark.parametrize("skew_ms", [-10_000, 10_000])
@pytest.mark.parametrize("scheme", ["agent", "hmac"])
async def test_a_clock_ten_seconds_off_is_measured_and_said(
    tmp_path: Path, skew_ms: int, scheme: str
) -> None:
    """Live session in both signature schemes on a venue whose clock differs: warned, corrected, traded."""
    exchange = new_exchange()
    server_settings = ServerSettings(pace=900.0, security_skew_ms=skew_ms)
    async with ExchangeServer(server_settings, exchange=exchange, clock=WallClock()) as server:
        account = server.accounts[1]
        keys = (
            {"WALLET_ADDRESS": account.user, "ASTER_AGENT_PRIVATE_KEY": account.private_key}
            if scheme == "agent"
            else {"ASTER_API_KEY": account.api_key, "ASTER_API_SECRET": account.api_secret}
        )
        settings = settings_for(tmp_path, VENUE="sim", CYCLE_INTERVAL_S="60", **keys)
        clock = WallClock()
        client = connect(settings, clock, "sim", base_url=server.rest_url, ws_url=server.ws_url)
        warnings: list[str] = []
        cores: list[TradingCore] = []
        run = LiveRun(
            settings,
            client,
            venue="sim",
            account=client.account_label,
            clock=clock,
            flatten_on_stop=True,
            watch=lambda core, _start_ms, _end_ms: cores.append(core),
            on_warning=warnings.append,
            tick=lambda: run.interrupt() if cores[0].state.portfolio.fill_count >= 4 else None,
        )
        try:
            async with asyncio.timeout(60):
                result = await run.run()
        finally:
            await client.close()
    assert any("10.0 s" in warning for warning in warnings), warnings
    report = session_report(
        result.core,
        result.books,
        market_minutes=result.market_minutes,
        seed=None,
        interrupted=True,
        whole_account=False,
    )
    assert report.ledger == "match", report.ledger_differences
    assert report.open_positions == 0
    assert report.trades >= 4
    (journal,) = (tmp_path / "journals").glob("*.journal")
    replayed = verify_journal(journal)
    assert replayed.reproduced, replayed.difference
