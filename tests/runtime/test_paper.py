"""Paper trading: public streams of a served exchange stand for the live market."""

import asyncio
from decimal import Decimal
from pathlib import Path

from aster_operator.cli.session_output import session_report
from aster_operator.cli.venues import connect
from aster_operator.domain.clock import WallClock
from aster_operator.exchange.conformance import ConformancePlan, run_conformance
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.journal_follower import JournalFollower
from aster_operator.runtime.live_run import LiveRun
from aster_operator.runtime.paper import PaperClient
from aster_operator.simulator.server.serve import ExchangeServer, ServerSettings
from runtime.sessions import new_exchange
from runtime.test_sessions_over_the_wire import settings_for


async def paper_client(server: ExchangeServer, folder: Path) -> PaperClient:
    settings = settings_for(folder, VENUE="paper")
    clock = WallClock()
    live = connect(
        settings, clock, "paper", base_url=server.rest_url, ws_url=server.ws_url, keys_needed=False
    )
    return await PaperClient.open(live, ("BTCUSDT", "ETHUSDT"), Decimal(10_000), clock)


def noted_levels(folder: Path) -> dict[str, int]:
    """Levels of the newest order book of each symbol in the journal that a session left."""
    with JournalFollower(next(folder.rglob("*.journal"))) as follower:
        while follower.take():
            pass
        return {symbol: len(book.bids) for symbol, book in follower.depth.items()}


async def test_a_session_on_paper_trades_on_the_live_market_and_sends_no_order(tmp_path: Path) -> None:
    exchange = new_exchange()
    async with ExchangeServer(ServerSettings(pace=600.0), exchange=exchange, clock=WallClock()) as server:
        client = await paper_client(server, tmp_path)
        cores: list[TradingCore] = []
        run = LiveRun(
            settings_for(tmp_path, VENUE="paper", CYCLE_INTERVAL_S="60"),
            client,
            venue="paper",
            account="paper",
            clock=WallClock(),
            flatten_on_stop=True,
            watch=lambda core, _start_ms, _end_ms: cores.append(core),
            tick=lambda: run.interrupt() if cores[0].state.portfolio.fill_count >= 4 else None,
        )
        try:
            async with asyncio.timeout(60):
                result = await run.run()
        finally:
            await client.close()
        for account in server.accounts:
            assert not exchange.trades(account.account_id, None), "nothing was traded at the venue"
    report = session_report(
        result.core,
        result.books,
        market_minutes=result.market_minutes,
        seed=None,
        interrupted=True,
        whole_account=True,
    )
    assert report.ledger == "match", report.ledger_differences
    assert noted_levels(tmp_path) == {"BTCUSDT": 5, "ETHUSDT": 5}, "the live market's books, for the views"
    assert report.trades >= 4
    assert report.open_positions == 0


async def test_the_paper_client_keeps_the_contract_of_a_venue(tmp_path: Path) -> None:
    async with ExchangeServer(
        ServerSettings(pace=60.0), exchange=new_exchange(substep_ms=1_000), clock=WallClock()
    ) as server:
        client = await paper_client(server, tmp_path)
        try:
            async with asyncio.timeout(60):
                report = await run_conformance(client, ConformancePlan(symbol="BTCUSDT"))
        finally:
            await client.close()
    assert report.ok, report.text()
