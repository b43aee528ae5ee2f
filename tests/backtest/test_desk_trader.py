"""The live desk's rules on the venue of arrays: as the real core trades them on the embedded exchange."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from aster_operator.backtest.feature_sources import CatalogSource
from aster_operator.backtest.features import build_features
from aster_operator.backtest.fine_prices import catalog_prices
from aster_operator.backtest.grid import make_param_grid
from aster_operator.backtest.inputs import InputFile
from aster_operator.backtest.kernels.exits_exchange import exit_levels
from aster_operator.backtest.replay import ReplayVenueOptions, TickReplay, catalog_events
from aster_operator.backtest.replay.desk_trader import DeskTrader
from aster_operator.backtest.replay.outcome import play
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.trades import trade_list
from aster_operator.cli.entry import main
from aster_operator.cli.sim_settings import settings_for_the_sim
from aster_operator.domain.clock import MINUTE_MS, ManualClock
from aster_operator.domain.enums import Side
from aster_operator.domain.fees import FeeRates
from aster_operator.monitoring.ledger import ledger_verdict
from aster_operator.runtime.core_settings import risk_limits
from aster_operator.runtime.embedded_venue import MarketKind
from aster_operator.runtime.session_plan import BarStrategy, rules_of_desk
from aster_operator.runtime.strategy_replay import ReplayOptions, in_process_venue, replay_strategy
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy

from .tick_catalogs import FUNDING_MS, START_MS, put, write_bars, write_ticks

SYMBOL = "BTCUSDT"
EAGER = {
    "ASTER_SYMBOLS": SYMBOL, "TRADING_PAIRS": SYMBOL, "ASTER_ORDER_NOTIONAL": "500", "ASTER_K": "0.3",
    "ASTER_N": "0.5", "ASTER_T": "5", "ASTER_V": "5", "ASTER_REENTRY_COOLDOWN_MIN": "0",
    "ASTER_MAX_FUNDING_ABS_BPS": "20", "ASTER_MAX_SPREAD_TICKS": "50", "MAX_DRAWDOWN_PCT": "100",
    "MAX_DAILY_LOSS_PCT": "100", "LEVERAGE": "25", "ASTER_TAKE_PROFIT_BPS": "20", "ASTER_STOP_LOSS_BPS": "12",
    "ASTER_TRAILING_ACTIVATION_BPS": "9", "ASTER_TRAILING_ACTIVATION_BUFFER_BPS": "0",
    "ASTER_MIN_TAKE_PROFIT_GAP_BPS": "1",
}  # fmt: skip
BROKEN = """
class Broken:
    def on_fill(self, replay, fill):
        pass

    def on_timer(self, replay):
        pass

    def on_bar(self, replay, bar):
"""
CHOSEN = BarStrategy(strategy="midfreq", symbols=(SYMBOL,))


def settings(**more: str):  # type: ignore[no-untyped-def]
    return settings_for_the_sim(None, EAGER | more)


def on_arrays(catalog: Path, latency_ms: int = 0, **more: str):  # type: ignore[no-untyped-def]
    events = catalog_events(catalog, SYMBOL)
    contract = contract_for_prices(SYMBOL, [])
    chosen = settings(**more)
    fee = Decimal(contract.taker_fee_e8) / 10**8
    fees = {SYMBOL: FeeRates(symbol=SYMBOL, maker=Decimal(0), taker=fee)}
    desk = rules_of_desk(chosen, CHOSEN, fees)
    trader = DeskTrader(
        MidFrequencyStrategy.from_json(desk.parameters, (SYMBOL,)),
        contract.instrument,
        desk,
        risk_limits(chosen),
        deposit_usd=chosen.capital_usdt,
    )
    return events, ReplayVenueOptions(latency_ms=latency_ms), trader


async def through_the_core(catalog: Path, **more: str):  # type: ignore[no-untyped-def]
    options = ReplayOptions(strategy=CHOSEN, data=catalog, market=MarketKind.TICKS)
    async with in_process_venue(options) as venue:
        found = await replay_strategy(settings(**more), options, ledger_verdict, ManualClock(0), venue=venue)
        return found, await venue.client.fills(SYMBOL, 0)


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ticks")
    write_ticks(folder / "catalog", 32, 2)
    return folder / "catalog"


def traded(rows: object) -> list[tuple[int, float, float]]:
    return [(side, price, quantity) for _, side, price, quantity in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("callback_bps", ["6", "10"])
def test_as_the_real_core_on_the_embedded_exchange(catalog: Path, callback_bps: str) -> None:
    """The same entries and exits, at the same times and prices; with a callback the venue does not take, and
    with one that it does. The first mark of the next period is the first thing heard after a settlement."""
    core, fills = asyncio.run(through_the_core(catalog, ASTER_TRAILING_CALLBACK_BPS=callback_bps))
    events, options, trader = on_arrays(catalog, ASTER_TRAILING_CALLBACK_BPS=callback_bps)
    replay = TickReplay(events, options)
    replay.run(trader)
    replay.wind_down(trader, trader.flatten)
    theirs = [(fill.event_ms, fill.side.sign, float(fill.price), float(fill.quantity)) for fill in fills]
    ours = [(int(fill.time_ms), fill.side, fill.price, fill.quantity) for fill in replay.fills]
    assert len(ours) == len(theirs) > 14
    assert traded(ours) == traded(theirs)
    # What follows from news goes out a moment after it, and fills before anything else is heard.
    assert all(0 <= mine - its <= 1 for (mine, *_), (its, *_) in zip(ours, theirs, strict=True))
    assert trader.exits_by_reason == core.exits_by_reason
    assert trader.decisions == core.decisions
    assert core.funding_usd != 0
    assert replay.fees == pytest.approx(float(core.fees_usd))
    assert replay.funding == pytest.approx(float(core.funding_usd), abs=1e-6)
    assert replay.cash == pytest.approx(float(core.net_pnl_usd), abs=1e-6)


@pytest.mark.parametrize("latency_ms", [0, 35, 1_500])
def test_by_leaps_as_event_by_event(catalog: Path, latency_ms: int) -> None:
    outcomes = []
    for every_event in (False, True):
        events, options, trader = on_arrays(catalog, latency_ms)
        outcomes.append(play(events, options, trader, every_event=every_event))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].entries > 5
    assert outcomes[0].ledger == "match"
    assert outcomes[0].orphan_exits == 0


def test_latency_costs(catalog: Path) -> None:
    results = [play(*on_arrays(catalog, latency_ms)).net_pnl for latency_ms in (0, 3_000)]
    assert results[0] != results[1]


@pytest.mark.parametrize("callback_bps", ["6", "12"])
def test_the_sweep_trades_as_the_live_desk(tmp_path: Path, callback_bps: str) -> None:
    """The same entries at the same prices, the same ends in the same minutes: with a callback below what the
    venue takes, which the operator trails on the mark, and with one that the venue trails on the last price.
    """
    write_ticks(tmp_path, 60, 2)
    write_bars(tmp_path)
    events, options, trader = on_arrays(tmp_path, ASTER_TRAILING_CALLBACK_BPS=callback_bps)
    TickReplay(events, options).run(trader)
    space = {"k": 0.3, "T": 5, "n": 0.5, "V": 5, "tp_bps": 20, "sl_bps": 12, "activation_bps": 9}
    space |= {"activation_buffer_bps": 0, "callback_bps": float(callback_bps), "min_tp_gap_bps": 1}
    grid = make_param_grid(
        {name: [value] for name, value in (space | {"spread_max": 1, "funding_max": 20}).items()}
    )
    table = build_features(CatalogSource(tmp_path), [5]).table
    bars = InputFile.of_table(table).bars(SYMBOL, grid, "exchange", has_tick_size=True)
    bars = replace(bars, fine=catalog_prices(tmp_path, bars))
    costs = ExchangeOptions(options.taker_fee_bps, 0.0, 500.0, tick_size=0.1, lot_size=0.001, cooldown_bars=0)
    swept = trade_list(run_grid_backtest(bars, grid, options=costs), bars, "cfg_0000")
    swept = swept.filter(swept["exit_reason"] != "open")
    lived = [trade for trade in trader.trades if trade.reason is not None]
    assert len(lived) > 15
    assert swept["side"].to_list() == ["long" if trade.side > 0 else "short" for trade in lived]
    assert (swept["entry_ms"] + 1).to_list() == [trade.decided_ms // MINUTE_MS * MINUTE_MS for trade in lived]
    assert swept["entry_price"].to_list() == pytest.approx([trade.entry_price for trade in lived], rel=1e-12)
    assert (swept["exit_ms"] // MINUTE_MS).to_list() == [trade.exited_ms // MINUTE_MS for trade in lived]
    # The tape of trades does not tell the touch of the moment.
    gaps = np.abs(swept["exit_price"].to_numpy() / [trade.exit_price for trade in lived] - 1)
    assert np.median(gaps) < 1e-4


def test_levels_lie_on_the_tick_as_live() -> None:
    """A target never nearer than planned, a stop never further."""
    rng = np.random.default_rng(3)
    instrument = contract_for_prices(SYMBOL, []).instrument
    tick = float(instrument.tick_size)
    for _ in range(300):
        entry = instrument.round_price_nearest(Decimal(rng.uniform(20_000, 120_000)))
        bps, side = Decimal(str(rng.integers(1, 400) / 4)), Side.BUY if rng.random() < 0.5 else Side.SELL
        for distance in (bps, -bps):
            live = instrument.round_price_aggressive(entry * (1 + side.sign * distance / 10_000), side)
            level = exit_levels(float(entry), side.sign, float(distance), tick)
            assert level == pytest.approx(float(live), abs=tick / 1e3)


# --- from the command line ------------------------------------------------------------------------------

CONTRACT = {
    "decisions", "entries", "exits_by_reason", "unprotected_ms_max", "unprotected_ms_total", "orphan_exits",
    "net_pnl_usd", "fees_usd", "funding_usd", "events", "seconds", "ledger", "fingerprint",
}  # fmt: skip

OTHERS = """
from aster_operator.backtest.replay import venue as v

class BuysOnce:
    def on_bar(self, replay, bar):
        if not replay.orders_sent:
            replay.market(+1, 0.01)

    def on_fill(self, replay, fill):
        if replay.position > 0:
            replay.take_profit(-1, 0.01, fill.price * 1.0005)

    def on_timer(self, replay):
        pass

def on_event(time_ms, kind, market, orders, account, state):
    if kind == v.QUOTE_EVENT and account[v.POSITION] == 0 and state[0] == 0:
        state[0] = v.submit(orders, account, time_ms, 1, v.MARKET, 0.01, 0.0, 0.0, False)

class Nothing:
    pass
"""


def replayed(*more: str, catalog: Path) -> int:
    return main(
        ["backtest", "replay", "--catalog", str(catalog), "--venue", "arrays", "--symbols", SYMBOL, *more]
    )


def test_the_command(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in EAGER.items():
        monkeypatch.setenv(name, value)
    answers = []
    for more in ([], ["--every-event"], ["--latency-ms", "900"], ["--hours", "0.2"]):
        assert replayed("--json", *more, catalog=catalog) == 0
        answers.append(json.loads(capsys.readouterr().out))
    whole, steps, late, part = answers
    assert set(whole) >= CONTRACT
    for name in CONTRACT - {"seconds"}:
        assert whole[name] == steps[name], name
    assert whole["entries"] == sum(whole["exits_by_reason"].values()) > 7
    assert whole["events"] == len(catalog_events(catalog, SYMBOL))
    assert late["fingerprint"] != whole["fingerprint"]
    assert late["unprotected_ms_max"] == 900
    assert part["market_minutes"] == 11
    assert part["decisions"] < whole["decisions"]


def test_what_was_settled_before_the_first_quote_is_no_event_and_moves_no_beginning(tmp_path: Path) -> None:
    """A recorder fetches the settlements of the day before; the market begins with the first quote."""
    write_ticks(tmp_path, 20, 3)
    alone = catalog_events(tmp_path, SYMBOL)
    times = START_MS - np.array([1, 2, 3]) * FUNDING_MS
    put(
        tmp_path / "before", "funding", SYMBOL, times, {"funding_ms": times, "funding_rate": np.full(3, 1e-4)}
    )
    for file in (tmp_path / "before").rglob("*.parquet"):
        aim = tmp_path / file.relative_to(tmp_path / "before")
        aim.parent.mkdir(parents=True, exist_ok=True)
        file.rename(aim)
    found = catalog_events(tmp_path, SYMBOL)
    assert found.times_ms.tolist() == alone.times_ms.tolist()
    assert found.kinds.tolist() == alone.kinds.tolist()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return {}['x']", "strategy Broken: KeyError: 'x'"),
        ("replay.market(+1, 0)", "strategy Broken: ValueError: no order: side 1, quantity 0"),
    ],
)
def test_a_strategy_for_arrays_that_raises_is_named_with_its_line(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], body: str, words: str
) -> None:
    file = tmp_path / "broken_for_arrays.py"
    file.write_text(f"{BROKEN}        {body}\n", encoding="utf-8")
    assert replayed("--strategy", f"{file}:Broken", catalog=catalog) == 2
    told = capsys.readouterr().err
    assert words in told
    assert f"{file} line 10: mend the strategy" in told


def test_a_function_that_numba_cannot_compile_is_named(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "uncompiled.py"
    file.write_text("def hook(time_ms):\n    pass\n", encoding="utf-8")
    assert replayed("--strategy", f"{file}:hook", catalog=catalog) == 2
    told = capsys.readouterr().err
    assert "strategy hook: numba cannot compile it" in told
    assert f"{file} line 1: mend the strategy" in told
    assert "\x1b[" not in told


def test_strategies_written_for_arrays(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = tmp_path / "others.py"
    others.write_text(OTHERS)
    assert replayed("--strategy", f"{others}:BuysOnce", "--json", catalog=catalog) == 0
    bars = json.loads(capsys.readouterr().out)
    assert (bars["entries"], bars["exits_by_reason"]) == (1, {"TP": 1})
    assert bars["decisions"] == 32
    assert replayed("--strategy", f"{others}:on_event", "--json", catalog=catalog) == 0
    seen = json.loads(capsys.readouterr().out)
    assert (seen["entries"], seen["exits_by_reason"], seen["ledger"]) == (1, {}, "match")
    assert replayed("--strategy", f"{others}:Nothing", catalog=catalog) == 2
    assert "no Strategy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--faults", "storm"], "no faults"),
        (["--driver", "wire"], "no wire"),
        (["--symbols", "ETHUSDT"], "ETHUSDT: there are no events"),
        (["--catalog", "nowhere"], "nowhere"),
        (["--strategy", "nobody"], "no strategy"),
        (["--venue", "clouds"], "is not one of exchange, arrays"),
        (["--latency-ms", "5", "--venue", "exchange"], "--venue arrays alone"),
    ],
)
def test_what_arrays_cannot_do(
    catalog: Path, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(*more, catalog=catalog) == 2
    told = capsys.readouterr().err
    assert words in told
    assert "Traceback" not in told


@pytest.mark.parametrize("venue", ["arrays", "exchange"])
@pytest.mark.parametrize(
    ("stream", "column", "value", "words"),
    [
        ("bookTicker", "bid_price", 500.0, "crossed"),
        ("bookTicker", "ask_price", 0.0, "not above 0"),
        ("aggTrade", "price", float("nan"), "not above 0"),
        ("markPrice", "mark_price", -1.0, "not above 0"),
    ],
)
def test_ticks_that_cannot_be_are_named(
    tmp_path: Path,
    venue: str,
    stream: str,
    column: str,
    value: float,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    times = START_MS + 100 * np.arange(200)
    ones = np.ones(200)
    streams = {
        "bookTicker": {
            "bid_price": 100 * ones, "bid_quantity": ones, "ask_price": 101 * ones, "ask_quantity": ones,
        },
        "aggTrade": {
            "trade_id": np.arange(200), "trade_ms": times, "price": 100 * ones, "quantity": ones,
            "is_buyer_maker": ones > 0,
        },
        "markPrice": {
            "mark_price": 100 * ones, "index_price": 100 * ones, "funding_rate": 0 * ones,
            "next_funding_ms": np.full(200, times[-1] + 1),
        },
    }  # fmt: skip
    streams[stream][column][100] = value
    for name, columns in streams.items():
        put(tmp_path, name, SYMBOL, times, columns)
    assert replayed("--venue", venue, "--market", "ticks", catalog=tmp_path) == 2
    told = capsys.readouterr().err
    assert words in told
    assert f"101 ({times[100]} ms)" in told
    assert len(told.strip().splitlines()) == 1


def test_without_marks_there_is_no_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = START_MS + 100 * np.arange(50)
    ones = np.ones(50)
    put(tmp_path, "bookTicker", SYMBOL, times, {
        "bid_price": 100 * ones, "bid_quantity": ones, "ask_price": 101 * ones, "ask_quantity": ones,
    })  # fmt: skip
    assert replayed(catalog=tmp_path) == 2
    assert "has no marks" in capsys.readouterr().err
