"""`--pair` on the command line: every kind compared, demonstrated and run; what cannot be, in one line."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Run

from aster_operator.market_data.history import sample_data_path
from warm_programs import warm_programs

KEYS = {
    "WALLET_ADDRESS": "0x36db6E4a7b6C0985cc8921AF52e2023b19100eD7",
    "ASTER_AGENT_PRIVATE_KEY": "0x" + "11" * 32,
}


@pytest.mark.parametrize(
    ("kind", "symbols"),
    [("cross", ["BTCUSDT", "ETHUSDT"]), ("carry", ["BTCUSDT:SPOT", "BTCUSDT", "ETHUSDT:SPOT", "ETHUSDT"])],
)
def test_both_executions_of_a_kind_are_compared(run: Run, kind: str, symbols: list[str]) -> None:
    done = run(
        "backtest", "compare", "--pair", kind, "--days", "0.2", "--seed", "2", "--json",
        environment={"POSITION_HOLD_TIME_MIN": "45"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    maker_first, taker = json.loads(done.stdout)["runs"]
    for found in (maker_first, taker):
        assert found["symbols"] == symbols
        assert found["ledger"] == "match"
        assert found["limits_breached"] == 0
        assert found["hold_minutes_min"] >= 45
        assert found["lone_leg_ms_max"] <= 60_000
        assert found["rotations"] >= 4
    # Over days it is half at most; over these few hours one pair's price move is a tenth of the taker's cost.
    assert maker_first["cost_per_100k_usd"] <= taker["cost_per_100k_usd"] * 0.5
    assert maker_first["volume_usd"] == pytest.approx(taker["volume_usd"], rel=0.2)


@pytest.mark.parametrize("kind", ["cross", "carry"])
def test_the_demo_of_a_kind_ends_with_books_that_match(run: Run, kind: str) -> None:
    done = run("demo", "--hours", "1", "--pair", kind, "--json", environment={"POSITION_HOLD_TIME_MIN": "20"})
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["ledger"], report["wallet_compared"]) == ("match", True)
    assert report["rotations"] >= 1
    assert report["pairs_closed_by_risk"] == 0, "what is closed at the end of the demo is closed by wish"
    names = {"cross": ["BTCUSDT/ETHUSDT"], "carry": ["BTCUSDT:SPOT/BTCUSDT", "ETHUSDT:SPOT/ETHUSDT"]}
    assert list(report["max_imbalance_by_symbol"]) == names[kind]
    moved = report["closing_equity_usd"] - report["opening_equity_usd"] - report["market_pnl_usd"]
    assert report["cost_per_100k_usd"] == pytest.approx(-moved * 100_000 / report["volume_usd"], abs=0.01)


def test_carry_runs_on_a_served_exchange(run: Run, tmp_path: Path) -> None:
    command = ("exchange", "serve", "--port", "0", "--json", "--speed", "600")
    with subprocess.Popen(
        [warm_programs() / "aster-operator", *command],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as served:  # fmt: skip
        assert served.stdout is not None
        line = json.loads(served.stdout.readline())
        account = line["accounts"][1]
        done = run(
            "run", "--venue", "sim", "--pair", "carry", "--base-url", line["rest"], "--ws-url", line["ws"],
            "--symbols", "BTCUSDT", "--poll-time", "3", "--on-stop", "flatten", "--json",
            environment={
                "WALLET_ADDRESS": account["user"],
                "ASTER_AGENT_PRIVATE_KEY": account["private_key"],
                "CAPITAL_USDT": "10000",
                "LEVERAGE": "5",
                "MAX_POSITION_SIZE_PCT": "8",
                "DAILY_VOLUME_TARGET": "1000000",
            },
        )  # fmt: skip
        served.terminate()
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["ledger"], report["open_positions"]) == ("match", 0)
    assert report["volume_usd"] > 0
    (journal,) = (tmp_path / "runs" / "journals").glob("*.journal")
    replayed = run("replay", "--verify", str(journal), "--json")
    assert json.loads(replayed.stdout)["reproduced"] is True


BAD = [
    (("demo", "--pair", "both"), "'both' is not one of same, cross, carry"),
    (("backtest", "compare", "--pair", "cross", "--symbols", "BTCUSDT"), "an odd number of symbols (1)"),
    (("backtest", "compare", "--pair", "cross", "--symbols", "BTCUSDT/BTCUSDT"), "names a symbol twice"),
    (("backtest", "compare", "--pair", "cross", "--symbols", "BTCUSDT/FOOUSDT"), "FOOUSDT"),
    (("backtest", "compare", "--pair", "carry", "--symbols", "BTCUSDT/ETHUSDT"), "joins two symbols"),
    (("run", "--venue", "paper", "--pair", "carry"), "paper trading has no spot market"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_what_cannot_be_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_cross_pair_needs_data_of_two_symbols(run: Run, tmp_path: Path) -> None:
    minutes = pl.read_parquet(sample_data_path() / "klines_1m.parquet")
    file = tmp_path / "ETHUSDT.parquet"
    minutes.filter(pl.col("symbol") == "ETHUSDT").head(300).write_parquet(file)
    done = run("backtest", "compare", "--pair", "cross", "--data", str(file))
    assert done.returncode == 2
    assert "a cross pair needs two symbols, the data have ETHUSDT" in done.stderr


def test_carry_sizes_count_spot_in_full(run: Run) -> None:
    done = run(
        "backtest", "compare", "--pair", "carry", "--days", "0.1",
        environment={"CAPITAL_USDT": "10000", "LEVERAGE": "5", "MAX_POSITION_SIZE_PCT": "10"},
    )  # fmt: skip
    assert done.returncode == 2
    assert "need 120 % of CAPITAL_USDT, for spot is paid in full" in done.stderr
    assert "set it to 8.33 or less" in done.stderr


@pytest.mark.parametrize("kind", ["cross", "carry"])
def test_only_hedging_one_symbol_is_what_the_venue_speaks_of(run: Run, kind: str) -> None:
    pairs = "BTCUSDT/ETHUSDT" if kind == "cross" else "BTCUSDT"
    done = run("run", "--venue", "mainnet", "--pair", kind, "--symbols", pairs, environment=KEYS)
    assert done.returncode == 2
    assert "--yes-real-money" in done.stderr
    assert "hedged-farming" not in done.stderr
