"""`backtest weekly`: from the settings and recorded days to files, BigQuery and mail; and what it refuses."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from google_cloud import PROJECT, GoogleCloud

from aster_operator.cli.entry import main
from backtest.logs import START_MS, write_logs
from backtest.markets import space
from monitoring.mail_server import serving_mail

RECORDED_MINUTES = 1440 + 120
RANKED = f"{PROJECT}.aster.backtest_ranked"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day and two hours from 2026-01-01 on."""
    folder = tmp_path_factory.mktemp("recorded") / "logs"
    write_logs(folder, RECORDED_MINUTES, seed=5)
    return folder


@pytest.fixture
def desk(tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a grid and the settings of a run on 2026-01-03."""
    monkeypatch.chdir(tmp_path)
    lists = space(k=[0.5, 1.0], V=[30])
    symbols = {name: {"params": lists, "tick_size": 0.1} for name in ("BTCUSDT", "ETHUSDT")}
    (tmp_path / "grid.json").write_text(json.dumps({"symbols": symbols}))
    for key, value in {
        "ASTER_BACKTEST_CONFIG_FILE": "grid.json",
        "ASTER_BACKTEST_QUERY_SYMBOLS": "BTCUSDT,ETHUSDT",
        "ASTER_BACKTEST_RUN_DATE": "2026-01-03",
        "ASTER_BACKTEST_START_DATE": "2026-01-02",
        "ASTER_LOG_DIR": str(logs),
        "ASTER_BQ_PROJECT": PROJECT,
    }.items():
        monkeypatch.setenv(key, value)
    return tmp_path


def judged_weekly(*more: str) -> int:
    return main(["backtest", "weekly", "--json", *more])


def weekly(*more: str) -> int:
    return main(["backtest", "weekly", "--no-verdict", "--json", *more])


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert weekly(*more) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


def test_a_run_leaves_inputs_ranking_and_configurations(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weekly() == 0
    found = answer(capsys)
    assert (found["first_day"], found["last_day"], found["run_date"]) == (
        "2026-01-02", "2026-01-02", "2026-01-03",
    )  # fmt: skip
    assert found["recorded"] == {"BTCUSDT": 120, "ETHUSDT": 120}
    names = {
        f"backtest_{name}_20260103.csv"
        for name in (
            "inputs", "ranked", "config_map", "results_BTCUSDT", "results_ETHUSDT", "config_BTCUSDT",
            "config_ETHUSDT",
        )
    }  # fmt: skip
    assert {path.name for path in (desk / "backtests").iterdir()} == names
    inputs = pl.read_csv(found["inputs"])
    # Of the chosen day alone, and its windows were full before it began.
    assert inputs["bar_ts_ms"].min() == START_MS + 1441 * 60_000 - 1
    assert inputs["rs_vol_60m_bps"].null_count() == 0
    ranked, configurations = pl.read_csv(found["ranked"]), pl.read_csv(found["config_map"])
    assert ranked.height == configurations.height == found["configs"] == 2 * 128
    assert ranked["config_id"].n_unique() == 2 * 128
    assert ranked["total_pnl"].is_sorted(descending=True)
    own = ranked.filter(pl.col("symbol") == "BTCUSDT")
    assert own.equals(pl.read_csv(desk / "backtests" / "backtest_results_BTCUSDT_20260103.csv"))


def test_verdicts_lie_beside_the_results_and_the_report_tells_them(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged_weekly() == 0
    found = answer(capsys)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        place = Path("backtests") / f"backtest_verdict_{symbol}_20260103.json"
        assert str(place) in found["results"]
        beside = json.loads(place.read_text())
        assert beside.items() >= found["verdicts"][symbol].items()
    assert main(["db", "init"]) == 0
    capsys.readouterr()
    told = ["report", "--day", "2026-01-02", "--sweeps", "backtests"]
    assert main([*told, "--json"]) == 0
    judgements = [
        {"symbol": symbol, "date": "20260103", "verdict": own["verdict"], "line": own["line"]}
        for symbol, own in found["verdicts"].items()
    ]
    assert answer(capsys)["report"]["sweep_verdicts"] == judgements
    assert main(told) == 0
    text = capsys.readouterr().out
    assert all(f"- {own['line']}, 20260103" in text for own in judgements)

    # Results of another run under the same name: what was found before says nothing of them.
    assert weekly("--slippage-bps", "3") == 0
    capsys.readouterr()
    assert main([*told, "--json"]) == 0
    whole = answer(capsys)["report"]
    assert whole["sweep_verdicts"] == []
    assert [line for line in whole["missing"] if "a verdict on" in line] == [
        f"a verdict on {symbol}: none that was found on backtest_results_{symbol}_20260103.csv lies beside it"
        for symbol in ("BTCUSDT", "ETHUSDT")
    ]


def test_what_is_missing_of_the_days_is_said(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert weekly() == 0
    said = capsys.readouterr().err
    assert "BTCUSDT: 120 of 1,440 minutes are there, 2026-01-02 to 2026-01-02" in said


def test_the_last_seven_full_days_unless_others_are_named(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASTER_BACKTEST_START_DATE")
    monkeypatch.setenv("ASTER_BACKTEST_RUN_DATE", "2026-01-09")
    assert weekly("--dry-run") == 0
    found = answer(capsys)
    assert (found["first_day"], found["last_day"]) == ("2026-01-02", "2026-01-08")
    assert list(desk.iterdir()) == [desk / "grid.json"]


@pytest.mark.parametrize("part_size", ["1", "7", "64"])
def test_configurations_at_a_time_change_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, part_size: str
) -> None:
    assert weekly("--out", "whole") == 0
    monkeypatch.setenv("ASTER_BACKTEST_CHUNK_SIZE", part_size)
    assert weekly("--out", "parts") == 0
    whole = {path.name: path.read_bytes() for path in (desk / "whole").iterdir()}
    assert whole == {path.name: path.read_bytes() for path in (desk / "parts").iterdir()}


def test_names_of_the_settings_win_and_inputs_may_be_there_already(
    desk: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTER_BACKTEST_INPUTS_CSV", "kept/inputs.csv.gz")
    monkeypatch.setenv("ASTER_BACKTEST_RANKED_CSV", "kept/ranked.csv")
    monkeypatch.setenv("ASTER_BACKTEST_CONFIG_MAP_CSV", "kept/map.parquet")
    assert weekly() == 0
    assert sorted(path.name for path in (desk / "kept").iterdir()) == [
        "inputs.csv.gz", "map.parquet", "ranked.csv",
    ]  # fmt: skip
    first = (desk / "kept" / "ranked.csv").read_bytes()
    monkeypatch.setenv("ASTER_BACKTEST_BUILD_INPUTS", "false")
    monkeypatch.setenv("ASTER_LOG_DIR", "gone")
    capsys.readouterr()
    assert weekly() == 0
    assert answer(capsys)["first_day"] is None
    assert (desk / "kept" / "ranked.csv").read_bytes() == first


def test_a_catalog_is_read_where_there_is_one(
    desk: Path, logs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["data", "convert", str(logs), "catalog"]) == 0
    monkeypatch.setenv("ASTER_LOG_DIR", "gone")
    capsys.readouterr()
    assert weekly("--out", "from-catalog") == 0
    found = answer(capsys)
    assert found["source"] == "catalog"
    assert weekly("--log-dir", str(logs), "--out", "from-logs") == 0
    columns = ["symbol", "bar_ts_ms", "close", "bid_px", "mark_px", "rs_vol_30m_bps"]
    tables = [
        pl.read_csv(f"{folder}/backtest_inputs_20260103.csv").select(columns)
        for folder in ("from-catalog", "from-logs")
    ]
    assert tables[0].equals(tables[1])


def test_results_are_uploaded_once_for_each_run_date(
    desk: Path, google: GoogleCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTER_BQ_ENABLE_BACKTEST_UPLOAD", "true")
    assert weekly("--upload-inputs") == 0
    loaded = answer(capsys)["bigquery"]
    assert [(row["table"], row["outcome"], row["rows"]) for row in loaded] == [
        ("backtest_ranked", "loaded", 256), ("backtest_config_map", "loaded", 256),
        ("backtest_inputs", "loaded", 240),
    ]  # fmt: skip
    assert weekly("--upload-inputs") == 0
    assert {row["outcome"] for row in answer(capsys)["bigquery"]} == {"there"}
    monkeypatch.setenv("ASTER_BACKTEST_QUERY_SYMBOLS", "BTCUSDT")
    assert weekly() == 0
    assert google.rows(f"SELECT run_date, symbol, COUNT(*) FROM `{RANKED}` GROUP BY 1, 2") == [  # noqa: S608
        ("2026-01-03", "BTCUSDT", 128)
    ]
    types = {field["name"]: field["type"] for field in google.tables[RANKED]["schema"]["fields"]}
    assert (types["run_date"], types["n_trades"], types["total_pnl"], types["symbol"]) == (
        "DATE", "INT64", "FLOAT64", "STRING",
    )  # fmt: skip


def old_output(desk: Path, date: str, name: str = "backtest_ranked", kind: str = "csv") -> Path:
    path = desk / "backtests" / f"{name}_{date}.{kind}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    return path


def test_old_outputs_go_and_nothing_else(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, old_symbol = old_output(desk, "20251205"), old_output(desk, "20251205", "backtest_results_BTCUSDT")
    verdict = old_output(desk, "20251205", "backtest_verdict_BTCUSDT", "json")
    young, mine = old_output(desk, "20251206"), old_output(desk, "20200101", "notes_on_backtest")
    grid = old_output(desk, "20200101", "backtest_best")
    assert weekly("--dry-run") == 0
    assert answer(capsys)["would_remove"] == [
        str(Path("backtests") / path.name) for path in (old, old_symbol, verdict)
    ]
    assert weekly() == 0
    assert [path.exists() for path in (old, old_symbol, verdict, young, mine, grid)] == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]


def test_what_was_not_uploaded_is_not_removed(
    desk: Path, google: GoogleCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTER_BQ_ENABLE_BACKTEST_UPLOAD", "true")
    old = old_output(desk, "20251201")
    google.refuse["/upload/"] = 99
    assert weekly() == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["kept_until_uploaded"] == [str(Path("backtests") / old.name)]
    assert "check project, network and rights" in said.err.splitlines()[-1]
    assert (desk / "backtests" / "backtest_ranked_20260103.csv").exists()
    google.refuse.clear()
    assert weekly() == 0
    assert old.exists()
    # The run of the old day done again, and so uploaded.
    monkeypatch.setenv("ASTER_BACKTEST_RUN_DATE", "2025-12-01")
    monkeypatch.setenv("ASTER_BACKTEST_END_DATE", "2026-01-02")
    assert weekly() == 0
    monkeypatch.setenv("ASTER_BACKTEST_RUN_DATE", "2026-01-03")
    assert weekly() == 0
    assert not old.exists()


def test_whoever_is_named_gets_the_verdicts_when_it_is_done_uploaded_or_not(
    desk: Path, google: GoogleCloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    google.refuse["/upload/"] = 99
    with serving_mail() as mailbox:
        for key, value in {
            "ASTER_EMAIL_BACKTEST_ON_COMPLETION": "true",
            "ASTER_EMAIL_BACKTEST_ENABLE": "true",
            "ASTER_EMAIL_SMTP_HOST": "127.0.0.1",
            "ASTER_EMAIL_SMTP_PORT": str(mailbox.port),
            "ASTER_EMAIL_TO_BACKTEST": "desk@example.com",
        }.items():
            monkeypatch.setenv(key, value)
        assert main(["backtest", "weekly", "--json", "--bigquery"]) == 2
        text = " ".join(mailbox.part("plain").split())
        found = answer(capsys)
        assert [delivery["sent"] for delivery in found["deliveries"]] == [True]
        assert mailbox.messages[0]["To"] == "desk@example.com"
        assert all(verdict["line"] in text for verdict in found["verdicts"].values())
        assert "BTCUSDT: 120 of 1,440 minutes are there" in text
        assert "not everything is in BigQuery" in text


@pytest.mark.parametrize(
    ("settings", "more", "words"),
    [
        ({"ASTER_BACKTEST_CONFIG_FILE": ""}, (), "no grid is named, backtest weekly: set ASTER_BACKTEST"),
        ({"ASTER_BACKTEST_CONFIG_FILE": "gone.json"}, (), "the grid cannot be read"),
        ({"ASTER_BACKTEST_START_DATE": "2026-02-31"}, (), "2026-02-31 is no day, ASTER_BACKTEST_START_DATE"),
        ({"ASTER_BACKTEST_START_DATE": "2026-01-05"}, (), "is after the last day, 2026-01-02"),
        ({"ASTER_BACKTEST_QUERY_SYMBOLS": "XRPUSDT"}, (), "none of XRPUSDT is in the grid"),
        ({"ASTER_LOG_DIR": "gone"}, (), "the recorded market is not there, gone"),
        ({"ASTER_BACKTEST_BUILD_INPUTS": "false"}, (), "set ASTER_BACKTEST_INPUTS_CSV"),
        ({"ASTER_BACKTEST_RANKED_CSV": "a.xlsx"}, (), "unknown kind of file, a.xlsx"),
        (
            {"ASTER_BACKTEST_RANKED_CSV": "a.csv", "ASTER_BACKTEST_INPUTS_CSV": "a.csv"}, (),
            "ASTER_BACKTEST_INPUTS_CSV and ASTER_BACKTEST_RANKED_CSV name one file",
        ),
        ({"ASTER_BACKTEST_RUN_DATE": "2024-01-03", "ASTER_BACKTEST_START_DATE": ""}, (), "there are no bars"),
        ({}, ("--send",), "no target is set, backtest weekly --send"),
        ({"ASTER_BQ_PROJECT": "My Project"}, ("--bigquery",), "is no project id"),
        ({}, ("--log-dir", "a", "--catalog", "b"), "give one of the two"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_and_leaves_nothing(
    desk: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    more: tuple[str, ...],
    words: str,
) -> None:
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    assert words in refusal(capsys, *more)
    assert [path.name for path in desk.iterdir()] == ["grid.json"]
