"""`backtest features` and `backtest sweep` from the command line: files, JSON, refusals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from aster_operator.backtest.grid import PARAMETERS
from aster_operator.backtest.metrics import ORIGINAL_METRICS
from aster_operator.cli.entry import main

from .inputs_files import frame_of, write_grid
from .logs import write_logs
from .markets import random_bars, space

Printed = Callable[[], tuple[str, str]]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.csv"
    both = [frame_of(random_bars(800, seed, symbol=name)) for seed, name in ((1, "BTCUSDT"), (2, "ETHUSDT"))]
    pl.concat(both).sort("bar_ts_ms", "symbol").write_csv(path)
    return path


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.json"
    lists = space(k=[1.0], V=[30])
    path.write_text(json.dumps({"symbols": {"BTCUSDT": {"params": lists}, "ETHUSDT": {"params": lists}}}))
    return path


def sweep(*more: str, inputs: Path, grid: Path, out: Path) -> int:
    return main(["backtest", "sweep", "--inputs", str(inputs), "--grid", str(grid), "--out", str(out), *more])


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_what_a_sweep_leaves_and_prints(
    tmp_path: Path, inputs: Path, grid: Path, semantics: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    code = sweep("--semantics", semantics, "--plot-top", "2", "--json", inputs=inputs, grid=grid, out=out)
    assert code == 0
    answer = json.loads(capsys.readouterr().out)
    assert {"results", "configs", "bars", "seconds", "ns_per_bar_config", "verdicts"} <= answer.keys()
    assert set(answer["verdicts"]) == {"BTCUSDT", "ETHUSDT"}
    for symbol, found in answer["verdicts"].items():
        assert found["verdict"] in {"robust", "fragile", "noise"}
        assert found["line"].startswith(f"{symbol}: {found['verdict']}")
    assert answer["configs"] == 2 * 64
    assert answer["bars"] == 2 * 799
    assert answer["ns_per_bar_config"] == pytest.approx(answer["seconds"] * 1e9 / (2 * 799 * 64))
    assert len(answer["results"]) == 2
    date = Path(answer["results"][0]).stem.split("_")[-1]
    names = {
        f"backtest_{kind}_{symbol}_{date}.csv"
        for kind in ("results", "config")
        for symbol in ("BTCUSDT", "ETHUSDT")
    }
    plots = {f"backtest_top_{symbol}_{date}.html" for symbol in ("BTCUSDT", "ETHUSDT")}
    verdicts = {f"backtest_verdict_{symbol}_{date}.json" for symbol in ("BTCUSDT", "ETHUSDT")}
    assert {path.name for path in out.iterdir()} == names | plots | verdicts
    for symbol in ("BTCUSDT", "ETHUSDT"):
        beside = json.loads((out / f"backtest_verdict_{symbol}_{date}.json").read_text(encoding="utf-8"))
        table = pl.read_csv(out / f"backtest_results_{symbol}_{date}.csv", infer_schema_length=0)
        hashes = {name: table[name][0] for name in ("inputs_hash", "grid_hash", "code_version")}
        assert beside == answer["verdicts"][symbol] | hashes
    ids = []
    for path in answer["results"]:
        table = pl.read_csv(path)
        assert table.columns[:2] == ["config_id", "symbol"]
        assert {*PARAMETERS, *ORIGINAL_METRICS} <= set(table.columns)
        assert table["total_pnl"].is_sorted(descending=True)
        assert set(table["semantics"]) == {semantics}
        config = pl.read_csv(path.replace("results_", "config_"))
        assert config.columns[:2] == ["config_id", "symbol"]
        joined = table.join(config, on="config_id", suffix="_config")
        assert joined.height == 64
        for name in (*PARAMETERS, "inputs_hash", "grid_hash", "code_version"):
            assert joined[name].equals(joined[f"{name}_config"], check_names=False)
        ids += table["config_id"].to_list()
    assert len(set(ids)) == 128
    page = (out / f"backtest_top_BTCUSDT_{date}.html").read_text(encoding="utf-8")
    assert ("biased" in page) == (semantics == "vectorbt")
    assert "<script src=" not in page


def test_the_same_again_gives_the_same_files(tmp_path: Path, inputs: Path, grid: Path) -> None:
    contents = []
    for name, workers in (("a", "1"), ("b", "2")):
        out = tmp_path / name
        assert sweep("--workers", workers, "--symbols", "ETHUSDT", inputs=inputs, grid=grid, out=out) == 0
        contents.append([path.read_bytes() for path in sorted(out.iterdir())])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3


def test_parquet_results_and_a_readable_table(
    tmp_path: Path, inputs: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results"
    assert sweep("--format", "parquet", "--semantics", "vectorbt", inputs=inputs, grid=grid, out=out) == 0
    assert sorted(path.suffix for path in out.iterdir()) == [".json"] * 2 + [".parquet"] * 4
    printed = capsys.readouterr().out
    assert "biased" in printed
    assert "configurations in" in printed


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--semantics", "dream"], "'dream' is not one of exchange, vectorbt"),
        (["--format", "xlsx"], "'xlsx' is not one of csv, parquet"),
        (["--symbols", "XRPUSDT"], "XRPUSDT is not in the grid"),
        (["--fee-bps", "-1"], "greater than or equal to 0"),
    ],
)
def test_refusals_leave_nothing(
    tmp_path: Path,
    inputs: Path,
    grid: Path,
    more: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "results"
    assert sweep(*more, inputs=inputs, grid=grid, out=out) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not out.exists()


def test_a_bad_input_is_refused_before_anything_is_written(
    tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = frame_of(random_bars(300, 3))
    bad = frame_of(random_bars(300, 4, symbol="ETHUSDT")).with_columns(pl.lit(-1.0).alias("close"))
    pl.concat([good, bad]).write_csv(tmp_path / "inputs.csv")
    out = tmp_path / "results"
    assert sweep(inputs=tmp_path / "inputs.csv", grid=grid, out=out) == 2
    assert "row 300, column close: correct it" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("end", "code"),
    [(signal.default_int_handler, 130), (lambda *_: os.kill(os.getpid(), signal.SIGTERM), 143)],
    ids=["interrupted", "terminated"],
)
@pytest.mark.parametrize("moment", ["judging", "writing"])
def test_what_is_ended_leaves_what_was_there_before(
    tmp_path: Path,
    inputs: Path,
    grid: Path,
    end: Callable[..., None],
    code: int,
    moment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not new results beside an old verdict, and no half of a file."""
    out = tmp_path / "results"
    assert sweep(inputs=inputs, grid=grid, out=out) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def ended(table: pl.DataFrame, file_format: str, path: Path) -> None:
        path.write_text("half")
        end(signal.SIGINT, None)

    if moment == "judging":
        study = "aster_operator.cli.backtest_verdicts.study_results"
        monkeypatch.setattr(study, lambda *_, **__: end(signal.SIGINT, None))
    else:
        monkeypatch.setattr("aster_operator.backtest.results.write_table", ended)
    assert sweep("--fee-bps", "1", "--plot-top", "1", inputs=inputs, grid=grid, out=out) == code
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


_ON_SMALL_DISKS = """
import resource, sys
from pathlib import Path
import polars as pl
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.tables import replace_files

table = pl.DataFrame({f"column_{number}": [float(number)] * 40 for number in range(25)})
place = Path(sys.argv[1]) / "table.parquet"
table.write_parquet(place)
size = place.stat().st_size
place.unlink()
for room in range(1, size, 37):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        replace_files({place: table.write_parquet})
    except BacktestProblem as problem:
        assert "the file cannot be written" in str(problem), problem
    else:
        raise AssertionError(f"written into {room} of {size} bytes")
    assert list(place.parent.iterdir()) == []
"""


def test_a_disk_that_is_full_before_the_end_of_a_table(tmp_path: Path) -> None:
    """Wherever it is full: the last bytes of a Parquet file fail with another error than the first."""
    done = subprocess.run(
        [sys.executable, "-c", _ON_SMALL_DISKS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr


def test_a_place_that_cannot_be_written(
    tmp_path: Path, inputs: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert sweep(inputs=inputs, grid=grid, out=tmp_path / "file") == 2
    assert "not a folder" in capsys.readouterr().err
    assert sweep(inputs=inputs, grid=grid, out=tmp_path / "file" / "below") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_from_logs_to_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_logs(tmp_path / "logs", 60, 5)
    out_csv, out_parquet = tmp_path / "f.csv.gz", tmp_path / "f.parquet"
    code = main(
        [
            *["backtest", "features", "--log_dir", str(tmp_path / "logs"), "--windows", "10,30"],
            *["--out_csv", str(out_csv), "--out-parquet", str(out_parquet), "--json"],
        ]
    )
    assert code == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"] == 120
    assert answer["symbols"] == ["BTCUSDT", "ETHUSDT"]
    grid = write_grid(
        tmp_path / "grid.json", space(k=[0.3], n=[0.3], V=[30], spread_max=[5.0]), tick_size=0.1
    )
    tables = []
    for path in (out_csv, out_parquet):
        out = tmp_path / path.suffix
        assert sweep("--json", inputs=path, grid=grid, out=out) == 0
        tables.append(pl.read_csv(json.loads(capsys.readouterr().out)["results"][0]).drop("inputs_hash"))
    assert tables[0].equals(tables[1])
    assert tables[0]["n_trades"].max() > 0


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "give one of the two"),
        (["--log-dir", "a", "--catalog", "b"], "give one of the two"),
        (["--log-dir", "none"], "the folder is not there"),
        (["--log-dir", ".", "--windows", "10,x"], "'x' is not a number of bars"),
        (["--log-dir", ".", "--windows", "0"], "'0' is not a number of bars"),
        (["--log-dir", ".", "--out-csv", "f.parquet"], "is not the name of a csv file"),
        (["--catalog", "."], "is no catalog"),
        (["--log-dir", "."], "the log kline.csv is not there"),
    ],
)
def test_bad_feature_commands(
    tmp_path: Path,
    options: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["backtest", "features", *options]) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_symbol_that_was_not_recorded_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_logs(tmp_path / "logs", 20, 5)
    wanted = ["--log-dir", str(tmp_path / "logs"), "--symbols", "ETHUSDT,XRPUSDT", "--windows", "10"]
    assert main(["backtest", "features", *wanted, "--out-csv", str(tmp_path / "f.csv")]) == 2
    assert "there are no bars of XRPUSDT, only of ETHUSDT" in capsys.readouterr().err
    assert not (tmp_path / "f.csv").exists()


def test_the_verdict_is_shown_to_people_and_can_be_left_out(
    tmp_path: Path, inputs: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(inputs=inputs, grid=grid, out=tmp_path / "judged") == 0
    assert "BTCUSDT: " in capsys.readouterr().out
    assert sweep("--no-verdict", "--json", inputs=inputs, grid=grid, out=tmp_path / "unjudged") == 0
    assert json.loads(capsys.readouterr().out)["verdicts"] == {}
    assert not list((tmp_path / "unjudged").glob("backtest_verdict_*"))


def test_finer_prices_settle_what_a_bar_does_not_say(
    tmp_path: Path, grid: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_logs(tmp_path / "logs", 400, 4)
    inputs = tmp_path / "made.csv"
    features = ["backtest", "features", "--log-dir", str(tmp_path / "logs"), "--windows", "10,30,60"]
    assert main([*features, "--out-csv", str(inputs)]) == 0
    hashes, ambiguous = set(), []
    for number, more in enumerate(([], ["--fine-log-dir", str(tmp_path / "logs")])):
        capsys.readouterr()
        out = tmp_path / f"out{number}"
        assert sweep("--no-verdict", "--json", *more, inputs=inputs, grid=grid, out=out) == 0
        table = pl.read_csv(json.loads(capsys.readouterr().out)["results"][0])
        assert table["n_trades"].sum() > 0
        hashes.add(table["inputs_hash"][0])
        ambiguous.append(table["ambiguous_bars"].sum())
    assert len(hashes) == 2
    assert ambiguous[1] == 0 < ambiguous[0]


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--fine-log-dir", "{none}"], "the folder is not there"),
        (["--fine-catalog", "{none}"], "{none}"),
        (["--fine-log-dir", "{none}", "--fine-catalog", "{none}"], "give one of the two"),
        (["--fine-log-dir", "{none}", "--semantics", "vectorbt"], "resolved on bars"),
    ],
)
def test_finer_prices_that_cannot_be_used(
    tmp_path: Path,
    inputs: Path,
    grid: Path,
    more: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    none = str(tmp_path / "nowhere")
    out = tmp_path / "out"
    assert sweep(*(word.format(none=none) for word in more), inputs=inputs, grid=grid, out=out) == 2
    assert complaint.format(none=none) in capsys.readouterr().err.replace("\n", " ")
    assert not out.exists()
