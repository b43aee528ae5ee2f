"""A session against its replay: nothing differs when nothing differed, and planted differences are found."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from aster_operator.backtest.parity.attribution import compare_records
from aster_operator.backtest.parity.record import SessionRecord
from aster_operator.backtest.parity.table import Cause, ParityTable
from aster_operator.cli.entry import main
from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, ManualClock
from aster_operator.domain.commands import RecordDecision, RecordTrade
from aster_operator.domain.events import BarUpdated, OperatorAction
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.execution.core import TradingCore
from aster_operator.market_data.history import load_history
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions
from aster_operator.runtime.journal import FileJournal, JournalHeader
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver
from aster_operator.runtime.memory_books import MemoryBooks
from aster_operator.runtime.parity_replay import read_session, replay_session
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_plan import BarStrategy, SessionPlan, with_plan
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient

from .faulty_client import Deaf, Slow
from .position_sessions import settings_with

ACCOUNT = "live"
SYMBOLS = ("ETHUSDT",)
HOURS = 3


@dataclass
class Live:
    """How the session that is recorded differs from its replay."""

    taker_fee_e8: int = 40_000
    wrap: Callable[[InProcessClient, SimulatedExchange], Any] = lambda client, _exchange: client
    flatten: bool = False


async def trade_live(journal: Path, live: Live) -> None:
    """A session on the bundled sample, in lock-step, with its journal."""
    settings = settings_with(TRADING_PAIRS=",".join(SYMBOLS), ASTER_ORDER_NOTIONAL="500")
    exchange = SimulatedExchange.from_history(
        load_history(None, SYMBOLS), ExchangeOptions(substep_ms=5_000, taker_fee_e8=live.taker_fee_e8)
    )
    exchange.create_account(ACCOUNT, {"USDT": Decimal(10_000)})
    clock = ManualClock(exchange.now_ms)
    stepper = ExchangeStepper(exchange)
    await stepper.step()
    client = live.wrap(InProcessClient(exchange, ACCOUNT, clock), exchange)
    plan = SessionPlan(bar_strategies=(BarStrategy(strategy="midfreq", symbols=SYMBOLS),))
    ready = await prepare_venue(
        client,
        (),
        risk_limits(settings),
        max_clock_uncertainty_ms=1_000,
        positions=plan.single_positions(settings),
    )
    chosen = core_settings(settings, run_id="live1", account=ACCOUNT, instruments=ready.instruments)
    core = TradingCore(with_plan(chosen, settings, plan, ready, {}))
    header = JournalHeader(code_version="1", started_ms=exchange.now_ms, settings=core.settings)
    session = Session(
        client=client,
        core=core,
        books=MemoryBooks(),
        journal=FileJournal(journal, header),
        clock=clock,
        start_ms=exchange.now_ms,
    )
    driver = LockstepDriver(session, stepper)
    await driver.start()
    await driver.run(exchange.now_ms + HOURS * HOUR_MS)
    if live.flatten:
        session.request(OperatorAction.FLATTEN, "the owner", stepper.now_ms)
        await driver.settle()
        await driver.run(stepper.now_ms + HOUR_MS)
    session._journal.close()


def compared(journal: Path) -> ParityTable:
    recorded = read_session(journal)
    venue = EmbeddedVenueOptions(symbols=None)
    replayed = asyncio.run(replay_session(recorded, venue, ManualClock(recorded.header.started_ms)))
    return compare_records(recorded.record, replayed.record, lookback_minutes=replayed.lookback_minutes)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "live-1.journal"


def check_sums(table: ParityTable) -> None:
    """Everything adds up, exactly."""
    assert sum(table.by_cause.values()) == table.difference_usd
    for row in table.rows:
        assert sum(row.parts.values()) == row.difference_usd
        assert row.difference_usd == (row.live_usd or 0) - (row.replayed_usd or 0)


@pytest.mark.parametrize("flatten", [False, True])
def test_a_session_and_its_replay_are_the_same(journal: Path, flatten: bool) -> None:
    asyncio.run(trade_live(journal, Live(flatten=flatten)))
    table = compared(journal)
    assert len(table.rows) >= 5
    assert table.is_identical
    assert table.difference_usd == 0
    check_sums(table)


def test_another_fee_is_a_fee(journal: Path) -> None:
    asyncio.run(trade_live(journal, Live(taker_fee_e8=60_000)))
    table = compared(journal)
    check_sums(table)
    assert len(table.rows) >= 5
    assert all(row.note == "" for row in table.rows)
    assert {cause for cause, value in table.by_cause.items() if value} == {Cause.FEE}
    # Half as much again: the replay pays 4 bps, the session paid 6.
    paid = sum(trade.fees_usd or Decimal(0) for trade in read_session(journal).record.trades.values())
    assert table.by_cause[Cause.FEE] == pytest.approx(-paid / 3, rel=Decimal("1e-6"))


def test_orders_that_come_late_are_latency(journal: Path) -> None:
    asyncio.run(trade_live(journal, Live(wrap=Slow)))
    table = compared(journal)
    check_sums(table)
    assert not table.is_identical
    others = sum(abs(value) for cause, value in table.by_cause.items() if cause is not Cause.LATENCY)
    assert abs(table.by_cause[Cause.LATENCY]) > 100 * others
    assert any(row.note.startswith("only ") for row in table.rows)


def test_minutes_nobody_heard_are_missing_data(journal: Path) -> None:
    start = load_history(None, SYMBOLS).start_ms // MINUTE_MS

    def deaf(client: InProcessClient, exchange: SimulatedExchange) -> Deaf:
        def is_unheard(event: StreamEvent) -> bool:
            return isinstance(event, BarUpdated) and 60 <= event.bar.open_ms // MINUTE_MS - start < 90

        return Deaf(client, is_unheard)

    asyncio.run(trade_live(journal, Live(wrap=deaf)))
    table = compared(journal)
    check_sums(table)
    differing = [row for row in table.rows if row.parts]
    assert differing
    assert table.by_cause[Cause.SIGNAL] == table.by_cause[Cause.BLOCKER] == 0
    for row in differing:
        assert max(row.parts, key=lambda cause: abs(row.parts[cause])) is Cause.MISSING_DATA, row
        assert start + 60 <= row.bar_ms // MINUTE_MS < start + 90 + 15


# --- causes one by one ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> SessionRecord:
    """What a session leaves, to be changed by hand."""
    path = tmp_path_factory.mktemp("parity") / "a.journal"
    asyncio.run(trade_live(path, Live()))
    return read_session(path).record


def without(record: SessionRecord, place: int, **decision: Any) -> tuple[SessionRecord, tuple[str, int]]:
    """A copy of `record` that lacks a trade and decided otherwise on its bar."""
    copy = SessionRecord(dict(record.trades), dict(record.decisions), record.bars, record.last_ms)
    key = sorted(copy.trades)[place]
    del copy.trades[key]
    if decision:
        copy.decisions[key] = msgspec.structs.replace(copy.decisions[key], **decision)
    return copy, key


@pytest.mark.parametrize(
    ("decision", "cause"),
    [
        ({"action": "wait", "reason": "no momentum"}, Cause.SIGNAL),
        ({"action": "blocked", "reason": "long signal blocked: spread 9 against 2"}, Cause.BLOCKER),
        (
            {"action": "blocked", "reason": "short; blocked by market_data: quote is 300.9 s old"},
            Cause.MISSING_DATA,
        ),
        ({"action": "blocked", "reason": "short; blocked by bar_age: 300000 ms"}, Cause.MISSING_DATA),
        ({"action": "enter", "reason": "long"}, Cause.LATENCY),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_a_trade_of_one_side_has_the_cause_the_other_gives(
    both: SessionRecord, decision: dict[str, str], cause: Cause, is_live: bool
) -> None:
    lacking, key = without(both, 2, **decision)
    pair = (both, lacking) if is_live else (lacking, both)
    table = compare_records(*pair, lookback_minutes=10)
    check_sums(table)
    earned = both.trades[key].net_pnl_usd
    assert earned is not None
    assert table.by_cause[cause] == (earned if is_live else -earned)
    assert sum(1 for row in table.rows if row.parts) == 1


def test_what_follows_from_a_difference_has_its_cause(both: SessionRecord) -> None:
    lacking, _ = without(both, 2, action="wait", reason="no momentum")
    held, _ = without(lacking, 2, action="blocked", reason="blocked: one_position position open against free")
    table = compare_records(both, held, lookback_minutes=10)
    check_sums(table)
    assert {cause for cause, value in table.by_cause.items() if value} == {Cause.SIGNAL}


def test_funding_is_told_apart_and_unknown_results_are_left_out(both: SessionRecord) -> None:
    changed = SessionRecord(dict(both.trades), both.decisions, both.bars, both.last_ms)
    first, second = sorted(both.trades)[:2]
    trade = both.trades[first]
    assert trade.net_pnl_usd is not None
    more = Decimal("0.25")
    changed.trades[first] = msgspec.structs.replace(
        trade, funding_usd=trade.funding_usd + more, net_pnl_usd=trade.net_pnl_usd + more
    )
    changed.trades[second] = msgspec.structs.replace(both.trades[second], net_pnl_usd=None)
    table = compare_records(changed, both, lookback_minutes=10)
    assert table.by_cause[Cause.FUNDING] == more == table.difference_usd
    unknown = [row for row in table.rows if row.difference_usd is None]
    assert [(row.symbol, row.bar_ms) for row in unknown] == [second]
    assert not table.is_identical


def test_only_trades_since_a_time_take_part(both: SessionRecord) -> None:
    last = max(both.trades, key=lambda key: key[1])
    table = compare_records(both, both, lookback_minutes=10, since_ms=last[1] + MINUTE_MS)
    assert [(row.symbol, row.bar_ms) for row in table.rows] == [last]


# --- the command --------------------------------------------------------------------------------------------


def test_the_command(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(trade_live(journal, Live(taker_fee_e8=60_000)))
    folder = ["--journals", str(journal.parent)]
    capsys.readouterr()
    assert main(["backtest", "parity", "--session", "live-1", *folder, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["session"] == "live-1"
    assert answer["paired"] == len(answer["trades"]) >= 5
    assert not answer["identical"]
    assert sum(answer["by_cause"].values()) == pytest.approx(answer["difference_usd"])
    assert main(["backtest", "parity", "--since", "2020-01-01", *folder]) == 0
    printed = capsys.readouterr().out
    assert "fee" in printed
    assert "replayed" in printed


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "give one of the two"),
        (["--session", "a", "--since", "2020-01-01"], "give one of the two"),
        (["--session", "nobody"], "there is no session nobody"),
        (["--since", "2100-01-01"], "no session was running then"),
        (["--since", "yesterday"], "--since"),
        (["--session", "junk"], "is not a session journal"),
        (["--session", "junk", "--market", "dreams"], "'dreams' is not one of minutes, ticks"),
    ],
)
def test_refusals_are_one_line(
    tmp_path: Path,
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    journals = tmp_path / "runs" / "journals"
    journals.mkdir(parents=True)
    if "junk" in options:
        (journals / "junk.journal").write_bytes(b"no journal")
    assert main(["backtest", "parity", *options]) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1


def test_records_take_commands_as_a_journal_does(both: SessionRecord) -> None:
    again = SessionRecord()
    for decision in both.decisions.values():
        again.command(decision)
    for trade in both.trades.values():
        again.command(RecordTrade(at_ms=trade.decided_ms, trade=trade))
    assert again.trades == both.trades
    assert all(isinstance(decision, RecordDecision) for decision in again.decisions.values())
