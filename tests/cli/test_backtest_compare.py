"""`backtest compare`: the contract, the costs, bad input."""

import json
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Run

from aster_operator.market_data.history import sample_data_path

FIELDS = {
    "execution", "volume_usd", "cost_per_100k_usd", "fees_usd", "funding_usd", "pairs", "rotations",
    "hold_minutes_min", "lone_leg_ms_max", "imbalance_base_max", "limits_breached", "ledger",
}  # fmt: skip


def test_maker_first_costs_at_most_half_at_the_same_volume(run: Run) -> None:
    done = run(
        "backtest", "compare", "--strategy", "delta-neutral", "--executions", "maker-first,taker",
        "--symbols", "BTCUSDT", "--days", "0.5", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    maker_first, taker = json.loads(done.stdout)["runs"]
    assert maker_first.keys() >= FIELDS
    assert (maker_first["execution"], taker["execution"]) == ("maker-first", "taker")
    for found in (maker_first, taker):
        assert found["ledger"] == "match"
        assert found["limits_breached"] == 0
        assert found["hold_minutes_min"] >= 90
        assert found["rotations"] >= 5
    assert maker_first["cost_per_100k_usd"] <= taker["cost_per_100k_usd"] / 2
    assert maker_first["volume_usd"] == pytest.approx(taker["volume_usd"], rel=0.2)
    assert maker_first["lone_leg_ms_max"] <= 60_000


def test_a_single_kline_file_without_funding_will_do(run: Run, tmp_path: Path) -> None:
    minutes = pl.read_parquet(sample_data_path() / "klines_1m.parquet")
    file = tmp_path / "ETHUSDT.parquet"
    minutes.filter(pl.col("symbol") == "ETHUSDT").head(300).write_parquet(file)
    done = run("backtest", "compare", "--data", str(file), "--executions", "taker", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["runs"]
    assert found["symbols"] == ["ETHUSDT"]
    assert found["volume_usd"] > 0


BAD = [
    (("--executions", "hope"), "hope"),
    (("--strategy", "martingale"), "martingale"),
    (("--data", "nowhere.parquet"), "nowhere.parquet"),
    (("--days", "400"), "the data hold 3.00 days"),
    (("--symbols", "FOOUSDT"), "FOOUSDT"),
]


@pytest.mark.parametrize(("arguments", "said"), BAD)
def test_bad_input_is_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("backtest", "compare", *arguments)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
