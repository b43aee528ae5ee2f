"""The replica knows what the session knows, and says so when it does not."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched import Facts, record_session, replica_of

from aster_operator.domain.commands import Notify, NotifyLevel, RecordDecision
from aster_operator.domain.events import Event, TimerFired
from aster_operator.monitoring.pictures.decisions import decisions_picture
from aster_operator.monitoring.pictures.lab import lab_picture, report_path
from aster_operator.monitoring.pictures.market import market_picture
from aster_operator.monitoring.pictures.now import now_picture
from aster_operator.monitoring.pictures.system import ViewHealth, system_picture
from aster_operator.monitoring.pictures.trades import trade_life, trades_picture
from aster_operator.monitoring.replica.buffers import Buffer, BufferSizes
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.replica.timings import Histogram
from aster_operator.monitoring.web.panels.other_panels import ranking_html
from aster_operator.monitoring.web.source import StreamHead

Recorded = tuple[StreamHead, Facts]


async def test_the_replica_ends_with_what_the_session_knows(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"
    bench = await record_session(path, minutes=40)
    from watched import read_facts

    replica = replica_of(*read_facts(path))
    own, theirs = replica.state, bench.core.state
    assert replica.fault is None
    assert (own.now_ms, own.equity_usd(), own.paused) == (theirs.now_ms, theirs.equity_usd(), theirs.paused)
    assert own.portfolio == theirs.portfolio
    assert list(own.pairs.active()) == list(theirs.pairs.active())
    assert replica.entries_blocked() == bench.core.entries_blocked()


def test_now_shows_what_is_held_and_how_the_limits_stand(replica: SessionReplica) -> None:
    now = now_picture(replica)
    assert now.reconciled
    assert now.fault is None
    assert now.paused == "entries paused by anna (test)"
    assert [pair.name for pair in now.pairs] == ["BTCUSDT"]
    (pair,) = now.pairs
    assert pair.phase == "holding"
    assert pair.legs[0].quantity == pair.legs[1].quantity > 0
    assert pair.age_ms is not None
    assert 0 < pair.age_ms <= (pair.hold_ms or 0) + 600_000
    assert {limit.name for limit in now.limits} >= {"STOP_LOSS_PCT (loss)", "MAX_DRAWDOWN_PCT (drawdown)"}
    assert all(limit.level in ("ok", "warn", "act", "unknown") for limit in now.limits)
    assert len(now.equity) > 60
    assert [feed.symbol for feed in now.feeds] == ["BTCUSDT", "ETHUSDT"]


def test_market_has_candles_samples_and_own_fills(replica: SessionReplica) -> None:
    market = market_picture(replica, "ETHUSDT", minutes=60)
    assert len(market.candles) == 60
    assert all(candle.low <= min(candle.open, candle.close) for candle in market.candles)
    assert market.fills
    assert all(fill.at_ms >= market.candles[0].open_ms for fill in market.fills)
    assert {fill.opens for fill in market.fills} == {True, False}
    assert market.bids
    assert market.bids[0].price < market.asks[0].price
    with pytest.raises(KeyError):
        market_picture(replica, "DOGEUSDT")


def test_decisions_are_tied_to_the_orders_that_followed(replica: SessionReplica) -> None:
    page = decisions_picture(replica, action="open")
    assert page.total == len(page.rows) > 2
    assert all(row.orders for row in page.rows)
    known = replica.activity.orders
    assert all(known[name].decision == row.number for row in page.rows for name in row.orders)
    everything = decisions_picture(replica, limit=500)
    assert everything.total == len(replica.activity.decisions)
    second = decisions_picture(replica, offset=2, limit=3)
    assert second.rows == everything.rows[2:5]
    assert decisions_picture(replica, symbol="DOGEUSDT").rows == ()
    assert all("held" in row.reason for row in decisions_picture(replica, text="HELD").rows)


def test_the_reasons_that_stood_in_the_way_are_counted() -> None:
    replica = SessionReplica.__new__(SessionReplica)
    from aster_operator.monitoring.replica.activity import ActivityLog

    replica.activity = ActivityLog(BufferSizes())
    numbers = {
        "blocker.spread": "BLOCKED 9 ticks against 2 ticks",
        "blocker.funding": "ok 1 against 9",
        "k": "1",
    }
    for at_ms in (60_000, 120_000):
        replica.activity._decided(
            RecordDecision(
                at_ms=at_ms,
                strategy="midfreq",
                symbol="ETHUSDT",
                action="blocked",
                reason="long",
                numbers=numbers,
            )
        )
    replica.activity._decided(
        RecordDecision(
            at_ms=180_000,
            strategy="midfreq",
            symbol="ETHUSDT",
            action="wait",
            reason="12.5 bps to go",
            numbers={},
        )
    )
    picture = decisions_picture(replica)
    assert [(row.cause, row.count, row.last_ms) for row in picture.why_not] == [
        ("spread", 2, 120_000),
        ("… bps to go", 1, 180_000),
    ]
    assert [(v.name, v.passed) for v in picture.rows[1].verdicts] == [("spread", False), ("funding", True)]
    assert picture.rows[1].numbers == {"k": "1"}


def test_a_pair_has_a_life_from_the_decision_to_the_end(replica: SessionReplica) -> None:
    trades = trades_picture(replica)
    assert trades.total == len(trades.rows) >= 4
    assert trades.net_pnl_usd == sum(row.net_pnl_usd for row in trades.rows if row.net_pnl_usd is not None)
    closed = trades.rows[0]
    assert "anna (test)" in closed.reason
    life = trade_life(replica, closed.ref)
    words = [step.what for step in life.steps]
    assert words[0].startswith("decided: open")
    assert words[-1].startswith("closed: ")
    assert any("filled as" in each for each in words)
    assert [step.at_ms for step in life.steps] == sorted(step.at_ms for step in life.steps)
    assert life.candles
    with pytest.raises(KeyError):
        trade_life(replica, "nobody")


def test_fees_of_all_rounds_are_the_fees_of_the_session(replica: SessionReplica) -> None:
    rounds = replica.activity.rounds.values()
    assert sum(each.fees_usd for each in rounds) == replica.state.portfolio.fees
    outcomes = system_picture(replica, ViewHealth(source="test")).orders
    ended = [each for each in replica.activity.orders.values() if each.outcome in outcomes]
    assert sum(outcomes.values()) == len(ended)
    assert outcomes["filled"] > 0


def test_system_tells_who_asked_for_what(replica: SessionReplica) -> None:
    system = system_picture(replica, ViewHealth(source="test"))
    assert [(wish.action, wish.actor, wish.detail) for wish in system.wishes] == [
        ("close", "anna (test)", "ETHUSDT"),
        ("pause_entries", "anna (test)", ""),
    ]
    assert system.log[0].at_ms >= system.log[-1].at_ms
    assert not any(system.dropped.values())


def test_a_session_that_does_something_else_is_noticed(recorded: Recorded) -> None:
    head, facts = recorded
    foreign = Notify(at_ms=1, level=NotifyLevel.INFO, message="never said")
    first = next(place for place, fact in enumerate(facts) if isinstance(fact, TimerFired))
    replica = replica_of(head, [*facts[: first + 1], foreign])
    assert replica.fault is not None
    assert "Notify" in replica.fault
    silent = [fact for fact in facts[:3000] if not isinstance(fact, RecordDecision)]
    assert "out of step" in (replica_of(head, silent).fault or "")
    cut = next(
        place
        for place in range(2_000, len(facts))
        if not isinstance(facts[place], Event) and isinstance(facts[place + 1], Event)
    )
    shorter = [*facts[:cut], *facts[cut + 1 :]]
    assert "did not send" in (replica_of(head, shorter).fault or "")


def test_a_core_that_cannot_follow_is_said_and_the_rest_goes_on(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, facts = recorded
    replica = replica_of(head, facts[:500])

    def broken(event: object) -> None:
        raise RuntimeError("of another version")

    monkeypatch.setattr(replica._core, "handle", broken)
    for fact in facts[500:1000]:
        replica.apply(fact)
    assert "cannot follow event" in (replica.fault or "")
    assert replica.events + replica.commands == 1000
    assert now_picture(replica).fault == replica.fault


def test_small_buffers_forget_the_oldest_and_count_it(recorded: Recorded) -> None:
    head, facts = recorded
    sizes = BufferSizes(
        candles_per_symbol=10, samples=10, decisions=5, orders=4, fills=3, trades=2, notices=2
    )
    replica = SessionReplica(head.settings, head.started_ms, sizes)
    for fact in facts:
        replica.apply(fact)
    assert replica.fault is None
    picture = decisions_picture(replica)
    assert (len(picture.rows), picture.dropped > 0) == (5, True)
    assert len(replica.activity.orders) == 4
    assert len(market_picture(replica, "BTCUSDT").candles) == 10
    dropped = system_picture(replica, ViewHealth(source="test")).dropped
    assert all(count > 0 for name, count in dropped.items() if name != "trades")


@given(st.lists(st.integers(), max_size=30), st.integers(1, 10))
def test_a_buffer_keeps_the_newest(entries: list[int], size: int) -> None:
    buffer: Buffer[int] = Buffer(size)
    for entry in entries:
        buffer.append(entry)
    assert list(buffer) == entries[-size:]
    assert len(buffer) + buffer.dropped == len(entries)


@given(st.lists(st.floats(0, 20_000), min_size=1, max_size=50), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_never_below_the_value_it_stands_for(values: list[float], share: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    rank = max(1, -(-int(share * 100) * len(values) // 100))
    quantile = histogram.quantile_ms(share)
    assert quantile is not None
    assert quantile >= sorted(values)[rank - 1]
    assert histogram.count == sum(histogram.counts) == len(values)


def test_the_lab_lists_rankings_and_refuses_other_files(tmp_path: Path) -> None:
    assert "no sweep results" in (lab_picture(tmp_path / "none").problem or "")
    ranking = tmp_path / "backtest_results_ETHUSDT_20260101.csv"
    rows = ["config_id,semantics,k,T,tp_bps,total_pnl"]
    rows += [
        f"{i},exchange,{k},{t},5,{k * 10 - t}" for i, (k, t) in enumerate([(1, 5), (1, 9), (2, 5), (2, 9)])
    ]
    ranking.write_text("\n".join(rows))
    (tmp_path / "report.html").write_text("<p>")
    (tmp_path / "secret.txt").write_text("no")
    lab = lab_picture(tmp_path)
    assert lab.ranking is not None
    assert lab.ranking.parameters == ("k", "T")
    assert lab.ranking.heatmap is not None
    assert lab.ranking.heatmap.cells == ((5.0, 15.0), (1.0, 11.0))
    assert {file.name for file in lab.files} == {ranking.name, "report.html"}
    assert report_path(tmp_path, "report.html").name == "report.html"
    for name in ("secret.txt", "../report.html", "/etc/passwd"):
        with pytest.raises(KeyError):
            report_path(tmp_path, name)
    assert lab.ranking.verdict is None
    assert lab.ranking.columns == ("config_id", "total_pnl", "k", "T"), "what came of it first, no constants"
    ranking.write_bytes(b"")
    assert "cannot be read" in (lab_picture(tmp_path).problem or "")


def test_the_lab_shows_a_verdict_only_beside_the_results_it_was_found_on(tmp_path: Path) -> None:
    ranking = tmp_path / "backtest_results_ETHUSDT_20260101.csv"
    # Hashes that look like numbers are none.
    ranking.write_text("config_id,k,total_pnl,inputs_hash,grid_hash\n1,1,5,0012345678901234,12e4\n")
    beside = tmp_path / "backtest_verdict_ETHUSDT_20260101.json"
    for grid_hash, shown in (("12e4", True), ("cc", False)):
        found = {
            "verdict": "noise",
            "line": "ETHUSDT: noise (luck)",
            "inputs_hash": "0012345678901234",
            "grid_hash": grid_hash,
        }
        beside.write_bytes(msgspec.json.encode(found))
        lab = lab_picture(tmp_path)
        assert lab.ranking is not None
        assert (lab.ranking.verdict is not None) is shown
        html = ranking_html(lab.ranking)
        assert ("noise</span> ETHUSDT: noise (luck)" in html) is shown
        assert ("not judged" in html) is not shown
    assert [file.name for file in lab.files] == [ranking.name]


def test_pictures_are_plain_values(replica: SessionReplica) -> None:
    for picture in (now_picture(replica), market_picture(replica), trades_picture(replica)):
        assert msgspec.convert(msgspec.to_builtins(picture), type(picture), str_keys=True) is not None
