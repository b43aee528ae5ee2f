"""From a served exchange into a catalog, and through the strategy: the same whatever the driver."""

import json
import subprocess
from pathlib import Path

import pytest
from cli_calls import Call

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.conversion.klines import closed_bars
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, MarketKind, embedded_exchange
from warm_programs import warm_programs

SYMBOLS = ("BTCUSDT", "ETHUSDT")
EAGER = {
    "ASTER_K": "0.2", "ASTER_N": "0.2", "ASTER_T": "5", "ASTER_V": "5", "ASTER_REENTRY_COOLDOWN_MIN": "0",
    "ASTER_MAX_FUNDING_ABS_BPS": "20", "ASTER_MAX_SPREAD_TICKS": "50",
}  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some minutes of market time, recorded by `collect` from an exchange in a process of its own."""
    folder = tmp_path_factory.mktemp("recorded")
    program = [str(warm_programs() / "aster-operator")]
    serve = [*program, "exchange", "serve", "--port", "0", "--json", "--speed", "60", "--no-spot"]
    with subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = json.loads(process.stdout.readline())["rest"]
            collect = ["collect", "--base-url", address, "--symbols", ",".join(SYMBOLS), "--poll-time", "6"]
            done = subprocess.run([*program, *collect, "--update-logs", "false"], cwd=folder, check=False)
            assert done.returncode == 0
        finally:
            process.terminate()
    return folder / "catalog"


@pytest.mark.parametrize("market", ["ticks", "minutes"])
def test_the_fingerprint_of_a_recording_is_the_same_in_process_and_over_the_wire(
    call: Call, catalog: Path, market: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in EAGER.items():
        monkeypatch.setenv(name, value)
    answers = []
    for driver in ("in-process", "wire"):
        done = call(
            "backtest", "replay", "--catalog", str(catalog), "--market", market, "--driver", driver, "--json",
            "--hours", "0.07",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["decisions"] >= 6
    for name in first.keys() - {"seconds"}:
        assert first[name] == second[name], name


def test_the_bars_and_marks_of_played_ticks_are_those_that_were_recorded(catalog: Path) -> None:
    exchange = embedded_exchange(EmbeddedVenueOptions(symbols=SYMBOLS, market=MarketKind.TICKS, data=catalog))
    start_ms, recorded = exchange.now_ms, Catalog(catalog)
    while (next_ms := exchange.next_step_ms()) is not None and next_ms <= (exchange.end_ms or 0):
        exchange.advance_to(next_ms)
    for symbol in SYMBOLS:
        bars = closed_bars(recorded, "1m", [symbol]).rows(named=True)
        played = {bar.open_ms: bar for bar in exchange.klines(symbol, 60_000, None, None, 1_500)}
        spec = exchange.contracts()[symbol]
        whole = [bar for bar in bars if bar["open_time_ms"] in played]
        # The minute in which the recording began was only heard in part.
        whole = [bar for bar in whole if bar["open_time_ms"] != start_ms // MINUTE_MS * MINUTE_MS]
        assert len(whole) > 30
        for bar in whole:
            twin, tick = played[bar["open_time_ms"]], float(spec.instrument.tick_size)
            prices = (twin.open_ticks, twin.high_ticks, twin.low_ticks, twin.close_ticks)
            assert prices == tuple(round(bar[name] / tick) for name in ("open", "high", "low", "close"))
            assert twin.lots == round(bar["base_volume"] * float(spec.lots_per_unit))
        marks = recorded.read("markPrice", [symbol]).sort("event_ms", "received_ns")
        last = marks.filter(marks["event_ms"] <= exchange.now_ms).row(-1, named=True)
        assert exchange.mark(symbol).mark_e8 == round(last["mark_price"] * 10**8)
        assert exchange.mark(symbol).funding_rate_e8 == round(last["funding_rate"] * 10**8)
