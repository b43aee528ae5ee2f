"""Sessions of pairs against their replay: what is the same, and planted differences with their causes."""

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
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
from aster_operator.domain.clock import MINUTE_MS, ManualClock
from aster_operator.domain.enums import OrderType, PositionSide
from aster_operator.domain.events import MarkUpdated, OperatorAction, QuoteUpdated
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.pairing import PairKind
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.execution.policy import ExecutionStyle
from aster_operator.execution.reconciliation import RememberedLeg, RememberedPair
from aster_operator.market_data.history import load_history
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions
from aster_operator.runtime.journal import FileJournal, JournalHeader
from aster_operator.runtime.parity_replay import read_session, replay_session
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient

from .faulty_client import Deaf, Slow
from .sessions import ACCOUNT, Bench, open_bench

SYMBOLS = ("BTCUSDT", "ETHUSDT")
MINUTES = 90
HOLD_MINUTES = 20


@dataclass
class Live:
    """How the session that is recorded differs from its replay."""

    taker_fee_e8: int = 40_000
    wrap: Callable[[InProcessClient, SimulatedExchange], Any] = lambda client, _exchange: client
    end: OperatorAction | None = None
    kind: PairKind = PairKind.SAME
    style: ExecutionStyle = ExecutionStyle.MAKER_FIRST
    begins_with: str | None = None
    """A symbol that an earlier session left a pair on."""
    minutes: int = MINUTES


async def trade_live(journal: Path, live: Live | None = None) -> Bench:
    """A session of pairs on the bundled sample, in lock-step, with its journal."""
    live = live or Live()
    exchange = SimulatedExchange.from_history(
        load_history(None, SYMBOLS), ExchangeOptions(substep_ms=5_000, taker_fee_e8=live.taker_fee_e8)
    )
    exchange.create_account(ACCOUNT, {"USDT": Decimal(10_000)})
    remembered = () if live.begins_with is None else await hold(exchange, live.begins_with)
    bench = await open_bench(
        symbols=SYMBOLS,
        hold_minutes=HOLD_MINUTES,
        exchange=exchange,
        wrap=lambda client: live.wrap(client, exchange),
        journal=lambda settings, now_ms: FileJournal(
            journal, JournalHeader(code_version="1", started_ms=now_ms, settings=settings)
        ),
        remembered=remembered,
        run_id="live1",
        kind=live.kind,
        style=live.style,
    )
    await bench.run_minutes(live.minutes)
    if live.end is not None:
        await bench.stop(live.end)
    bench.session._journal.close()
    return bench


async def hold(exchange: SimulatedExchange, symbol: str) -> tuple[RememberedPair, ...]:
    """Open a pair as an earlier session would have."""
    client = InProcessClient(exchange, ACCOUNT, ManualClock(exchange.now_ms))
    exchange.advance_to(exchange.now_ms + 5_000)
    await client.set_hedge_mode(True)
    legs = {}
    for side in (PositionSide.LONG, PositionSide.SHORT):
        report = await client.place_order(
            NewOrder(
                client_order_id=f"earlier-{side[0]}",
                symbol=symbol,
                side=side.opening_side,
                position_side=side,
                order_type=OrderType.MARKET,
                quantity=Decimal("0.02"),
            )
        )
        legs[side] = RememberedLeg(
            quantity=Decimal("0.02"), entry_price=report.average_price, opened_ms=exchange.now_ms
        )
    return (
        RememberedPair(
            pair_ref="live0-1", symbol=symbol, long=legs[PositionSide.LONG], short=legs[PositionSide.SHORT]
        ),
    )


def replayed(journal: Path) -> tuple[SessionRecord, SessionRecord]:
    recorded = read_session(journal)
    venue = EmbeddedVenueOptions(symbols=None)
    again = asyncio.run(replay_session(recorded, venue, ManualClock(recorded.header.started_ms)))
    return recorded.record, again.record


def compared(journal: Path) -> ParityTable:
    return compare_records(*replayed(journal), lookback_minutes=0)


def check_sums(table: ParityTable) -> None:
    """Everything adds up, exactly."""
    assert sum(table.by_cause.values()) == table.difference_usd
    for row in table.rows:
        assert sum(row.parts.values()) == (row.difference_usd or 0)
        if row.difference_usd is not None:
            assert row.difference_usd == (row.live_usd or 0) - (row.replayed_usd or 0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journals" / "live-1.journal"


@pytest.mark.parametrize("end", [None, OperatorAction.STOP, OperatorAction.FLATTEN])
@pytest.mark.parametrize("kind", [PairKind.SAME, PairKind.CROSS])
def test_a_session_and_its_replay_are_the_same(
    journal: Path, end: OperatorAction | None, kind: PairKind
) -> None:
    # Two symbols that hedge each other are one pair, and so half as many in a time.
    minutes = 150 if kind is PairKind.CROSS else MINUTES
    asyncio.run(trade_live(journal, Live(end=end, kind=kind, minutes=minutes)))
    table = compared(journal)
    assert len(table.rows) >= 4
    assert table.is_identical, [row for row in table.rows if row.parts or row.note]
    check_sums(table)


def test_another_fee_is_a_fee(journal: Path) -> None:
    asyncio.run(trade_live(journal, Live(taker_fee_e8=60_000, style=ExecutionStyle.TAKER)))
    table = compared(journal)
    check_sums(table)
    assert len(table.rows) >= 4
    assert all(row.note == "" for row in table.rows)
    assert {cause for cause, value in table.by_cause.items() if value} == {Cause.FEE}
    # Half as much again is paid by takers: the replay pays 4 bps, the session paid 6.
    paid = sum(pair.fees_usd for pair in read_session(journal).record.pairs.pairs.values())
    assert table.by_cause[Cause.FEE] == pytest.approx(-paid / 3, rel=Decimal("1e-6"))


def test_orders_that_come_late_are_found_in_the_market_and_at_the_touch(journal: Path) -> None:
    asyncio.run(trade_live(journal, Live(wrap=Slow)))
    table = compared(journal)
    check_sums(table)
    assert not table.is_identical
    assert table.rows[0].parts[Cause.LATENCY]
    # Both hear the same market and decide by the same rules; late resting orders meet another queue.
    causes = {cause for row in table.rows for cause in row.parts}
    assert not causes & {Cause.BLOCKER, Cause.FUNDING}
    assert any("later than replayed" in row.note for row in table.rows)


def test_prices_nobody_heard_are_missing_data(journal: Path) -> None:
    start = load_history(None, SYMBOLS).start_ms // MINUTE_MS

    def deaf(client: InProcessClient, _exchange: SimulatedExchange) -> Deaf:
        def is_unheard(event: StreamEvent) -> bool:
            return isinstance(event, QuoteUpdated | MarkUpdated) and (
                19 <= event.event_ms // MINUTE_MS - start < 30
            )

        return Deaf(client, is_unheard)

    asyncio.run(trade_live(journal, Live(wrap=deaf)))
    table = compared(journal)
    check_sums(table)
    first = next(row for row in table.rows if row.parts)
    assert first.parts[Cause.MISSING_DATA]
    assert "had no market" in first.note


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[SessionRecord, SessionRecord]:
    """A session that took up a pair of an earlier one, and its replay."""
    path = tmp_path_factory.mktemp("parity") / "a.journal"
    asyncio.run(trade_live(path, Live(begins_with="ETHUSDT")))
    return replayed(path)


def test_a_pair_of_an_earlier_session_is_named_and_in_no_sum(
    both: tuple[SessionRecord, SessionRecord],
) -> None:
    table = compare_records(*both, lookback_minutes=0)
    check_sums(table)
    begun = [row for row in table.rows if row.difference_usd is None]
    assert [(row.symbol, "held when the session began" in row.note) for row in begun] == [("ETHUSDT", True)]
    assert all(row.live_usd is not None and row.replayed_usd is not None for row in table.rows if row.parts)


@pytest.mark.parametrize(
    ("decision", "cause"),
    [
        ({"action": "wait", "reason": "cooling down for 3.0 min"}, Cause.BLOCKER),
        ({"action": "wait", "reason": "market data: quote is 90 s old"}, Cause.MISSING_DATA),
        (
            {"action": "wait", "reason": "the plan reaches today's volume at less cost with X"},
            Cause.SIGNAL,
        ),
        ({"action": "work", "reason": "pair is opening"}, Cause.LATENCY),
        (None, Cause.MISSING_DATA),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_a_pair_of_one_side_has_the_cause_the_other_gives(
    both: tuple[SessionRecord, SessionRecord],
    decision: dict[str, str] | None,
    cause: Cause,
    is_live: bool,
) -> None:
    whole, lacking = deepcopy(both[0]), deepcopy(both[0])
    name = "BTCUSDT"
    refs = [ref for ref, pair in whole.pairs.pairs.items() if pair.name == name]
    gone = lacking.pairs.pairs.pop(refs[1])
    if decision is None:
        lacking.pairs.decisions[name] = []
    else:
        lacking.pairs.decisions[name] = [
            msgspec.structs.replace(each, **decision) if abs(each.at_ms - gone.decided_ms) <= 10_000 else each
            for each in lacking.pairs.decisions[name]
        ]
    pair = (whole, lacking) if is_live else (lacking, whole)
    table = compare_records(*pair, lookback_minutes=0)
    check_sums(table)
    alone = [row for row in table.rows if row.note.startswith("only ")]
    assert len(alone) == 1
    assert alone[0].parts.keys() == {cause}
    assert table.difference_usd == alone[0].difference_usd
    earned = alone[0].live_usd if is_live else alone[0].replayed_usd
    assert alone[0].difference_usd == (earned if is_live else -(earned or 0))


def test_another_size_is_size_and_funding_is_funding(both: tuple[SessionRecord, SessionRecord]) -> None:
    live, again = both[0], deepcopy(both[0])
    refs = [ref for ref, pair in again.pairs.pairs.items() if pair.name == "BTCUSDT" and pair.ended_ms]
    halved, funded = again.pairs.pairs[refs[0]], again.pairs.pairs[refs[1]]
    for leg in halved.legs.values():
        for end in (leg.opening, leg.closing):
            end.quantity, end.cost = end.quantity / 2, end.cost / 2
    funded.funding_usd += Decimal("0.25")
    table = compare_records(live, again, lookback_minutes=0)
    check_sums(table)
    rows = [row for row in table.rows if row.parts]
    assert [row.parts.keys() for row in rows] == [{Cause.SIZE}, {Cause.FUNDING}]
    assert rows[1].parts == {Cause.FUNDING: Decimal("-0.25")}


def test_only_pairs_since_a_time_take_part(both: tuple[SessionRecord, SessionRecord]) -> None:
    last = max(pair.decided_ms for pair in both[0].pairs.pairs.values())
    table = compare_records(*both, lookback_minutes=0, since_ms=last)
    assert 1 <= len(table.rows) <= 2


# --- the command --------------------------------------------------------------------------------------------


def test_the_command(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(trade_live(journal, Live(taker_fee_e8=60_000, style=ExecutionStyle.TAKER)))
    folder = ["--journals", str(journal.parent)]
    capsys.readouterr()
    assert main(["backtest", "parity", "--session", "live-1", *folder, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["paired"] == len(answer["trades"]) >= 4
    assert {trade["side"] for trade in answer["trades"]} == {"pair"}
    assert not answer["identical"]
    assert sum(answer["by_cause"].values()) == pytest.approx(answer["difference_usd"])
    assert answer["difference_usd"] == pytest.approx(answer["live_usd"] - answer["replayed_usd"])
    assert main(["backtest", "parity", "--session", "live-1", *folder]) == 0
    assert "fee" in capsys.readouterr().out


def test_a_session_with_a_spot_leg_is_refused_in_one_line(
    journal: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    async def carry() -> None:
        bench = await open_bench(
            kind=PairKind.CARRY,
            journal=lambda settings, now_ms: FileJournal(
                journal, JournalHeader(code_version="1", started_ms=now_ms, settings=settings)
            ),
        )
        bench.session._journal.close()

    asyncio.run(carry())
    capsys.readouterr()
    assert main(["backtest", "parity", "--session", str(journal)]) == 2
    printed = capsys.readouterr()
    assert "spot leg" in printed.err
    assert printed.err.count("\n") == 1
