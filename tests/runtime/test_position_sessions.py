"""Single positions over real minutes: protected at once, nothing orphaned, through faults and deaths."""

from collections import Counter
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import cast

import polars as pl
import pytest

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, WallClock
from aster_operator.domain.enums import OrderType
from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.ledger import ledger_verdict
from aster_operator.runtime.fault_scenarios import SCENARIOS, FaultScenario
from aster_operator.runtime.session_plan import BarStrategy
from aster_operator.runtime.strategy_replay import ReplayOptions, ReplayResult, replay_strategy
from aster_operator.strategy.base import BarDecision, BarView, Strategy
from runtime.position_sessions import ACCOUNT, Killed, Life, desk_of, settings_with

SYMBOLS = ("BTCUSDT", "ETHUSDT")


async def replayed(faults: str = "none", minutes: int = 240, seed: int = 1, **settings: str) -> ReplayResult:
    return await replay_strategy(
        settings_with(**settings),
        ReplayOptions(
            strategy=BarStrategy(strategy="midfreq", symbols=SYMBOLS),
            minutes=minutes,
            faults=faults,
            seed=seed,
        ),
        ledger_verdict,
        WallClock(),
    )


@pytest.mark.parametrize("faults", SCENARIOS)
async def test_every_entry_is_protected_or_closed_and_no_exit_is_orphaned(faults: str) -> None:
    minutes = 240 if faults == "storm" else 150  # a storm lets few entries through
    result = await replayed(faults, minutes)
    assert result.decisions == 2 * minutes
    assert result.entries >= 3
    assert result.entries == sum(result.exits_by_reason.values())
    assert result.unprotected_ms_max <= 500
    assert result.orphan_exits == 0
    assert result.ledger == "match"


async def test_equal_input_has_an_equal_fingerprint_and_other_parameters_another() -> None:
    first = await replayed("storm", 120)
    again = await replayed("storm", 120)
    other = await replayed("storm", 120, ASTER_K="3")
    assert first.fingerprint == again.fingerprint
    assert other.fingerprint != first.fingerprint


@pytest.mark.parametrize("seed", range(4))
async def test_after_a_sudden_death_nothing_is_doubled_unprotected_or_orphaned(seed: int) -> None:
    seen = await die_and_live(seed, deaths=5)
    assert seen["died"] >= 3


async def die_and_live(seed: int, deaths: int, faults: str = "none") -> Counter[str]:
    """Kill the session in the middle of an order, again and again; look at the venue after each restart."""
    random, life = Random(seed), Life(settings_with(), seed=seed, faults=faults)
    seen: Counter[str] = Counter()
    for _ in range(deaths):
        try:
            driver, core = await life.session(kill_after=random.randint(1, 9))
            await driver.run(life.now_ms + 4 * HOUR_MS)
            seen["survived"] += 1
        except Killed:
            seen["died"] += 1
        for _ in range(random.randint(0, 3)):
            await life.step()
        driver, core = await life.session()
        seen["held at restart"] += bool(life.held())
        # An order of unknown outcome is given its time to turn up.
        await driver.run(life.now_ms + MINUTE_MS)
        life.check_quiet(core)
        assert all(count == 1 for count in entries_at_once(life).values())
    return seen


def entries_at_once(life: Life) -> Counter[str]:
    """Entries by symbol that opened what is held now: more than one would be a double entry."""
    opened: Counter[str] = Counter()
    held = life.held()
    for symbol in held:
        orders = {
            trade.order_id
            for trade in life.exchange.trades(ACCOUNT, symbol)
            if trade.realized_atoms == 0 and trade.time_ms >= last_flat_ms(life, symbol)
        }
        opened[symbol] = len(orders)
    return opened


def last_flat_ms(life: Life, symbol: str) -> int:
    lots, flat_ms = 0, 0
    for trade in life.exchange.trades(ACCOUNT, symbol):
        if lots == 0:
            flat_ms = trade.time_ms
        lots += trade.lots * trade.side.sign
    return flat_ms


async def test_a_trailing_stop_of_ours_survives_a_restart() -> None:
    life = Life(settings_with(ASTER_TAKE_PROFIT_BPS="500", ASTER_STOP_LOSS_BPS="400"))
    driver, core = await life.session()
    await driver.run(
        until_ms=life.now_ms + 12 * HOUR_MS,
        until=lambda: any(
            position.trail is not None and position.trail.armed for position in desk_of(core).book.active()
        ),
    )
    (before,) = (p for p in desk_of(core).book.active() if p.trail is not None and p.trail.armed)
    assert before.trail is not None
    driver, core = await life.session()
    await driver.settle()
    after = desk_of(core).book.on_symbol(before.symbol)
    assert after is not None and after.trail is not None  # noqa: PT018
    assert after.trail.armed
    assert (after.trail.best - before.trail.best) * before.side.sign >= 0
    assert after.plan == before.plan
    assert after.position_ref == before.position_ref


async def test_a_stop_of_the_session_leaves_positions_protected_and_flatten_leaves_none() -> None:
    life = Life(settings_with(ASTER_TAKE_PROFIT_BPS="500", ASTER_STOP_LOSS_BPS="400"))
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.held()))
    driver._session.request(OperatorAction.STOP, "the owner", life.now_ms)
    await driver.settle()
    await driver.run(life.now_ms + MINUTE_MS)
    assert core.stopped
    assert life.held()
    assert set(life.stops()) >= set(life.held())
    driver, core = await life.session()
    driver._session.request(OperatorAction.FLATTEN, "the owner", life.now_ms)
    await driver.settle()
    await driver.run(life.now_ms + MINUTE_MS)
    assert core.stopped
    assert not life.held()
    assert not life.exchange.open_orders(ACCOUNT, None)
    assert life.books.trades[-1].reason == "OWNER"


async def test_every_bar_leaves_a_decision_with_every_verdict_and_every_trade_its_row() -> None:
    life = Life(settings_with(ASTER_MAX_OPEN_POSITIONS="1"))
    driver, _ = await life.session()
    await driver.run(life.now_ms + 6 * HOUR_MS)
    books = life.books
    per_symbol = Counter(decision.symbol for decision in books.decisions)
    assert per_symbol == {"BTCUSDT": 360, "ETHUSDT": 360}
    late = books.decisions[-1].numbers
    assert {"ret_bps", "rs_vol_bps", "avg_volume", "blocker.spread", "blocker.cooldown"} <= set(late)
    assert any("open_positions" in decision.reason for decision in books.decisions)
    assert books.trades
    for trade in books.trades:
        assert trade.gross_pnl_usd is not None
        assert trade.net_pnl_usd == trade.gross_pnl_usd - (trade.fees_usd or 0) + trade.funding_usd
        assert trade.market.mae_bps is not None
        assert trade.market.base_volume is not None
        assert trade.entry_filled_ms is not None
        assert trade.protected_ms is not None
    assert set(books.closed) == {trade.position_ref for trade in books.trades}


async def test_a_dry_run_says_what_it_would_do_and_sends_nothing() -> None:
    settings = settings_with()
    result = await replay_strategy(
        settings,
        ReplayOptions(
            strategy=BarStrategy(strategy="midfreq", symbols=SYMBOLS, enable_trading=False), minutes=240
        ),
        lambda *_: "match",
        WallClock(),
    )
    assert (result.entries, result.fees_usd) == (0, 0)
    assert result.decisions == 480


class Quiet(Strategy):
    """A third strategy: never trades."""

    name = "quiet"
    warm_up_bars = 3

    def on_bar_closed(self, view: BarView) -> BarDecision:
        return BarDecision(action="wait", reason=f"{len(view.bars)} bars")


async def test_a_third_strategy_is_found_by_its_import_path() -> None:
    result = await replay_strategy(
        settings_with(),
        ReplayOptions(strategy=BarStrategy(strategy=f"{__name__}:Quiet", symbols=SYMBOLS), minutes=10),
        lambda *_: "match",
        WallClock(),
    )
    assert (result.decisions, result.entries) == (20, 0)


async def test_exits_say_their_prices_and_what_triggers_them() -> None:
    life = Life(settings_with(ASTER_TRAILING_CALLBACK_BPS="15"))
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.held()))
    (position,) = list(desk_of(core).book.active())[:1]
    orders = {order.original_type: order for order in life.exchange.open_orders(ACCOUNT, position.symbol)}
    assert set(orders) == {
        OrderType.STOP_MARKET,
        OrderType.TAKE_PROFIT_MARKET,
        OrderType.TRAILING_STOP_MARKET,
    }
    assert all(
        order.reduce_only and order.remaining_lots == abs(life.held()[position.symbol])
        for order in orders.values()
    )
    assert orders[OrderType.STOP_MARKET].working_type == "MARK_PRICE"
    assert orders[OrderType.TAKE_PROFIT_MARKET].working_type == "CONTRACT_PRICE"
    assert position.trail is None


@pytest.mark.parametrize("minutes", [86, 108])
async def test_a_trade_of_the_last_moment_whose_report_was_lost_is_in_the_books(
    minutes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entered on the last bar and closed at once: there is no later moment of the market to ask in."""
    monkeypatch.setitem(
        cast("dict[str, FaultScenario]", SCENARIOS), "deaf", FaultScenario(lose_event=Decimal(1))
    )
    sample = files("aster_operator.market_data") / "sample" / "klines_1m.parquet"
    with sample.open("rb") as file:
        recorded = pl.read_parquet(file)
    recorded.filter(pl.col("symbol") == "ETHUSDT").head(minutes).write_parquet(tmp_path / "ETHUSDT.parquet")
    result = await replay_strategy(
        settings_with(),
        ReplayOptions(
            strategy=BarStrategy(strategy="midfreq", symbols=("ETHUSDT",)), data=tmp_path, faults="deaf"
        ),
        ledger_verdict,
        WallClock(),
    )
    assert result.exits_by_reason["OWNER"] == 1
    assert (sum(result.exits_by_reason.values()), result.ledger) == (result.entries, "match")
