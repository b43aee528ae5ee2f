"""`backtest replay --strategy delta-neutral`: pairs on recorded minutes through the real core."""

import json
from typing import Any

import pytest

from aster_operator.cli.entry import main
from aster_operator.runtime.strategy_replay import PairReplayResult


def replayed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    capsys.readouterr()
    command = ["backtest", "replay", "--strategy", "delta-neutral", "--symbols", "ETHUSDT", "--json"]
    assert main([*command, *options]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.fixture(autouse=True)
def half_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSITION_HOLD_TIME_MIN", "20")


def test_pairs_are_opened_held_and_rotated(capsys: pytest.CaptureFixture[str]) -> None:
    found = replayed(capsys, "--hours", "1.5")
    assert found.keys() == set(PairReplayResult.__struct_fields__)
    assert found["ledger"] == "match"
    assert found["rotations"] == found["exits_by_reason"]["rotation"] >= 2
    assert found["entries"] == sum(found["exits_by_reason"].values())
    assert found["shortest_hold_ms"] >= 20 * 60_000
    assert 0 < found["longest_imbalance_ms"] <= 60_000
    assert found["volume_usd"] > 10_000
    assert found["symbols"] == ["ETHUSDT"]
    assert found["net_pnl_usd"] < 0


def test_in_process_as_over_the_wire_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    near, again = (replayed(capsys, "--hours", "0.6") for _ in range(2))
    far = replayed(capsys, "--hours", "0.6", "--driver", "wire")
    assert near["fingerprint"] == again["fingerprint"] == far["fingerprint"]
    assert replayed(capsys, "--hours", "0.6", "--seed", "2")["fingerprint"] != near["fingerprint"]


def test_lost_answers_cost_nothing_of_the_books(capsys: pytest.CaptureFixture[str]) -> None:
    assert replayed(capsys, "--hours", "0.6", "--faults", "storm")["ledger"] == "match"


def test_people_read_what_matters_of_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--strategy", "delta-neutral", "--symbols", "ETHUSDT", "--hours", "0.6"]
    assert main(["backtest", "replay", *options]) == 0
    printed = capsys.readouterr().out
    assert "Shortest hold" in printed
    assert "Orphan exits" not in printed


@pytest.mark.parametrize(
    ("options", "setting", "complaint"),
    [
        (["--venue", "arrays"], {}, "on the embedded exchange"),
        (["--params", "midfreq.json"], {}, "on the embedded exchange"),
        ([], {"PAIR_KIND": "carry"}, "pairs with a spot leg are not replayed"),
    ],
)
def test_what_goes_with_single_positions_alone_is_refused(
    options: list[str],
    setting: dict[str, str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "midfreq.json").write_text("{}")
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    assert main(["backtest", "replay", "--strategy", "delta-neutral", *options]) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
