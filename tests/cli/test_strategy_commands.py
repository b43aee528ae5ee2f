"""new-strategy, backtest replay and run --strategy: what they refuse, and the form of their answers."""

import json
from pathlib import Path

import pytest
from cli_calls import Call

CONTRACT = {
    "decisions", "entries", "exits_by_reason", "unprotected_ms_max", "unprotected_ms_total", "orphan_exits",
    "net_pnl_usd", "fees_usd", "funding_usd", "events", "seconds", "ledger", "fingerprint",
}  # fmt: skip
EAGER = {
    "ASTER_K": "0.2", "ASTER_N": "0.2", "ASTER_T": "5", "ASTER_V": "5", "ASTER_REENTRY_COOLDOWN_MIN": "0",
    "ASTER_MAX_FUNDING_ABS_BPS": "20", "ASTER_MAX_SPREAD_TICKS": "50",
}  # fmt: skip
"""A strategy that trades often."""


@pytest.mark.parametrize("faults", ["none", "storm"])
def test_the_answer_of_a_replay_is_the_same_in_process_and_over_the_wire(call: Call, faults: str) -> None:
    answers = []
    for driver in ("in-process", "wire"):
        done = call(
            "backtest", "replay", "--strategy", "midfreq", "--hours", "2", "--driver", driver, "--json",
            "--order_notional", "500", "--faults", faults,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert set(first) >= CONTRACT
    assert first["entries"] > 0
    for name in CONTRACT - {"seconds"}:
        assert first[name] == second[name], name


def test_what_a_storm_leads_to_is_the_same_in_process_and_over_the_wire(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers that are lost make the core look again every 100 ms: time passes without the market moving, and
    the marks of those seconds are events too, at which it asks after its orders."""
    for name, value in EAGER.items():
        monkeypatch.setenv(name, value)
    answers = []
    for driver in ("in-process", "wire"):
        done = call(
            "backtest", "replay", "--strategy", "midfreq", "--hours", "1", "--driver", driver, "--json",
            "--order-notional", "500", "--faults", "storm",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["entries"] > 20
    for name in CONTRACT - {"seconds"}:
        assert first[name] == second[name], name


def test_a_new_strategy_runs_as_it_is(call: Call, tmp_path: Path) -> None:
    folder = str(tmp_path / "mine")
    assert call("new-strategy", "three-bars", "--folder", folder).returncode == 0
    done = call(
        "backtest",
        "replay",
        "--strategy",
        f"{folder}/three_bars.py:ThreeBarsStrategy",
        "--hours",
        "0.5",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decisions"] == 60
    again = call("new-strategy", "three-bars", "--folder", folder)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new-strategy", "Three Bars"], "lower case"),
        (["new-strategy", "midfreq"], "built in"),
        (["backtest", "replay", "--strategy", "nobody"], "no strategy"),
        (["backtest", "replay", "--faults", "earthquake"], "is not one of none"),
        (["backtest", "replay", "--params", "nowhere.json"], "No such file"),
        (["backtest", "replay", "--data", "nowhere"], "nowhere"),
        (["run", "--strategy", "midfreq,three-bars"], "one other strategy"),
        (["run", "--strategy", "midfreq", "--enable-trading", "perhaps"], "neither true nor false"),
        (["run", "--strategy", "midfreq", "--order-notional", "-5"], "ASTER_ORDER_NOTIONAL"),
        (["run", "--strategy", "delta-neutral,midfreq", "--symbols", "BTCUSDT"], "two strategies"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(call: Call, arguments: list[str], words: str) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
