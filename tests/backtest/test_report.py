"""`backtest report` and `plot_top_n`: what the page holds, its size, few and many trades, refusals."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aster_operator.backtest import make_param_grid, plot_top_n, run_grid_backtest
from aster_operator.backtest.report.build import write_report
from aster_operator.backtest.report.heatmaps import heatmaps, plateau_cells, varied_parameters
from aster_operator.backtest.report.material import gather
from aster_operator.backtest.report.saved import bars_of, read_sweeps
from aster_operator.backtest.report.series import MAX_TRADES, Line, shown_trades, thin
from aster_operator.cli.entry import main

from .inputs_files import frame_of
from .markets import random_bars, space

NAMES = tuple(f"COIN{number}USDT" for number in range(10))


def one_value_each(**changes: list[float]) -> dict[str, list[float]]:
    return {name: values[:1] for name, values in space().items()} | changes


def write_inputs(folder: Path, spaces: dict[str, dict[str, list[float]]], minutes: int = 1_500) -> Path:
    """An input file and a grid file for these symbols."""
    frames = [frame_of(random_bars(minutes, seed, symbol=name)) for seed, name in enumerate(spaces, start=1)]
    pl.concat(frames).write_parquet(folder / "inputs.parquet")
    grid = {"symbols": {name: {"params": own} for name, own in spaces.items()}}
    (folder / "grid.json").write_text(json.dumps(grid))
    return folder / "inputs.parquet"


def sweep(folder: Path, *more: str) -> Path:
    out = folder / "results"
    arguments = ["--inputs", str(folder / "inputs.parquet"), "--grid", str(folder / "grid.json")]
    assert main(["backtest", "sweep", *arguments, "--out", str(out), "--no-verdict", *more]) == 0
    return out


def report(results: Path, inputs: Path, *more: str) -> int:
    return main(["backtest", "report", "--results", str(results), "--inputs", str(inputs), *more])


def parts_of(page: str, name: str) -> dict[str, object]:
    """The data of the page's figures or maps."""
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    read: dict[str, object] = json.loads(found[1])
    return read


def prose_of(page: str) -> str:
    """What people read: the page without its scripts."""
    return re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_a_report_holds_all_that_is_asked_for(
    tmp_path: Path, semantics: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = write_inputs(tmp_path, {"BTCUSDT": space(k=[0.5, 0.8], n=[0.5])})
    results = sweep(tmp_path, "--semantics", semantics, "--fee-bps", "2", "--cooldown-min", "3")
    capsys.readouterr()
    # Drawing takes seconds: once is enough.
    pictured = () if semantics == "exchange" else ("--no-pictures",)
    assert report(results, inputs, "--json", *pictured) == 0
    answer = json.loads(capsys.readouterr().out)
    page = Path(answer["report"]).read_text(encoding="utf-8")
    assert answer["changed_configs"] == {"BTCUSDT": 0}
    assert answer["bytes"] == Path(answer["report"]).stat().st_size
    assert {key.removeprefix("symbol-BTCUSDT-").split("-")[0] for key in parts_of(page, "figures")} == {
        *("equity", "trades", "walk", "bootstrap", "hour", "weekday", "costs")
    }
    assert parts_of(page, "maps").keys() == {"symbol-BTCUSDT"}
    prose = prose_of(page)
    assert answer["verdicts"]["BTCUSDT"]["verdict"] in prose
    table = pl.read_csv(next(results.glob("backtest_results_*.csv")))
    for name in ("inputs_hash", "grid_hash", "code_version"):
        assert table[name][0] in prose
    assert table["config_id"][0] in prose
    assert "2 bps" in prose
    assert ("are biased" in prose) == (semantics == "vectorbt")
    pictures = [Path(path) for path in answer["pictures"]]
    assert [path.name.split("_BTCUSDT")[0] for path in pictures] == [
        f"backtest_{name}"
        for name in ("equity", "trades", "heatmap", "walk_forward", "bootstrap", "hours", "costs")
        if not pictured
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert all(path.stat().st_size < 500_000 for path in pictures)


def test_a_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each()}, minutes=400)
    assert report(sweep(tmp_path), inputs, "--no-pictures", "--out", str(tmp_path / "page.html")) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]*\b(src|href)=", page)
    assert "@import" not in page.split("<script")[0]
    assert list(tmp_path.glob("*.png")) == []


def test_one_configuration_and_no_trade(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each(k=[1e6])}, minutes=400)
    assert report(sweep(tmp_path), inputs, "--no-pictures") == 0
    page = next((tmp_path / "results").glob("*.html")).read_text(encoding="utf-8")
    assert parts_of(page, "maps") == {}
    assert "never trades" in prose_of(page)
    assert "no configuration ever trades" in capsys.readouterr().out
    # Nothing earned and nothing paid is neither a gain nor a loss.
    assert not re.search(r"[+-]0\.00\b", prose_of(page))


def test_figures_have_their_room_before_they_are_drawn(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each(k=[0.5, 0.8])}, minutes=300)
    assert report(sweep(tmp_path), inputs, "--no-pictures") == 0
    page = next((tmp_path / "results").glob("*.html")).read_text(encoding="utf-8")
    drawn = re.findall(r'<div class="plot"[^>]*>', page)
    assert len(drawn) == len(parts_of(page, "figures")) + len(parts_of(page, "maps"))
    assert all(re.search(r"min-height: \d{3}px", plot) for plot in drawn)


@pytest.mark.filterwarnings("error::UserWarning")
def test_a_symbol_that_no_font_here_may_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = write_inputs(tmp_path, {"币安人生USDT": one_value_each(k=[1e6])}, minutes=300)
    assert report(sweep(tmp_path), inputs) == 0
    assert capsys.readouterr().err == ""
    assert list((tmp_path / "results").glob("backtest_equity_币安人生USDT_*.png"))


def test_ten_symbols_of_which_some_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = write_inputs(tmp_path, {name: one_value_each(k=[0.5, 0.8]) for name in NAMES}, minutes=300)
    results = sweep(tmp_path)
    capsys.readouterr()
    assert report(results, inputs, "--no-pictures", "--json") == 0
    everything = json.loads(capsys.readouterr().out)
    assert everything["symbols"] == list(NAMES)
    assert everything["bytes"] < 8_000_000
    assert report(results, inputs, "--no-pictures", "--symbols", "COIN3USDT", "--json") == 0
    assert json.loads(capsys.readouterr().out)["symbols"] == ["COIN3USDT"]


def test_ten_thousand_trades_stay_small(tmp_path: Path) -> None:
    minutes = 60_000
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each(k=[0.05], n=[0.05])}, minutes=minutes)
    results = sweep(tmp_path, "--cooldown-min", "0")
    from aster_operator.backtest.inputs import InputFile

    (saved,) = read_sweeps(results)
    assert saved.ranked["n_trades"][0] >= 10_000
    written = write_report([gather(saved, bars_of(saved, InputFile(inputs)), top=3)], tmp_path / "page.html")
    assert written.page.stat().st_size < 6_000_000
    assert f"{saved.ranked['n_trades'][0]:,} trades drawn" in written.page.read_text(encoding="utf-8")


def test_results_by_another_version_are_said_to_be_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each(k=[0.5, 0.8])}, minutes=500)
    results = sweep(tmp_path)
    path = next(results.glob("backtest_results_*.csv"))
    table = pl.read_csv(path)
    table.with_columns(pl.col("total_pnl") + pl.Series([1.0, 0.0])).write_csv(path)
    capsys.readouterr()
    assert report(results, inputs, "--no-pictures", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["changed_configs"] == {"BTCUSDT": 1}
    assert printed.err.count("\n") == 1
    assert "another version of the program" in printed.err


def as_it_is(folder: Path) -> None:
    """Nothing is spoilt."""


def change_config(results: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path = next(results.glob("backtest_config_*.csv"))
    change(pl.read_csv(path)).write_csv(path)


@pytest.mark.parametrize(
    ("spoil", "more", "complaint"),
    [
        (as_it_is, ["--symbols", "XRPUSDT"], "XRPUSDT has no results, only BTCUSDT"),
        (as_it_is, ["--out", "page.pdf"], "is not the name of an .html file"),
        (lambda folder: (folder / "inputs.parquet").unlink(), [], "the file is not there"),
        (
            lambda folder: write_inputs(folder, {"BTCUSDT": one_value_each()}, minutes=401),
            [],
            "not the inputs of the sweep",
        ),
        (
            lambda folder: change_config(folder / "results", lambda table: table.drop("fee_bps")),
            [],
            "columns are missing, fee_bps",
        ),
        (
            lambda folder: change_config(folder / "results", lambda table: table.head(0)),
            [],
            "not of one sweep",
        ),
        (
            lambda folder: change_config(
                folder / "results", lambda table: table.with_columns(k=pl.lit(None, dtype=pl.Float64))
            ),
            [],
            "a parameter is empty",
        ),
        (
            lambda folder: next((folder / "results").glob("backtest_config_*")).unlink(),
            [],
            "not a readable result",
        ),
        (
            lambda folder: [path.unlink() for path in (folder / "results").iterdir()],
            [],
            "there are no results of a sweep",
        ),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    tmp_path: Path,
    spoil: Callable[[Path], object],
    more: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = write_inputs(tmp_path, {"BTCUSDT": one_value_each()}, minutes=400)
    results = sweep(tmp_path)
    spoil(tmp_path)
    capsys.readouterr()
    assert report(results, inputs, *more) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert not list(results.glob("*.html"))


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(tmp_path / "none", tmp_path / "none.csv") == 2
    assert "name a sweep's --out folder" in capsys.readouterr().err


# --- from Python ----------------------------------------------------------------------------------------


def test_plot_top_n_draws_the_best(tmp_path: Path) -> None:
    bars = random_bars(1_000, 3)
    result = run_grid_backtest(bars, make_param_grid(space(k=[0.5], n=[0.5])), workers=1)
    chosen = plot_top_n(result, bars, tmp_path / "top.html", n=2)
    assert len(chosen) == 2
    page = (tmp_path / "top.html").read_text(encoding="utf-8")
    figures = parts_of(page, "figures")
    assert len(figures) == 3
    assert [trace["name"] for trace in figures["plots-equity"]["data"][::2]] == chosen  # type: ignore[index]
    biased = replace(result, semantics="vectorbt")
    plot_top_n(biased, bars, tmp_path / "biased.html", n=1)
    assert "are biased" in prose_of((tmp_path / "biased.html").read_text(encoding="utf-8"))


def test_a_thinned_line_keeps_its_ends_and_its_extremes() -> None:
    values = np.random.default_rng(1).normal(size=50_000).cumsum()
    line = thin(Line(np.arange(50_000, dtype=np.int64), values), 400)
    assert len(line.values) <= 404
    assert (line.time_ms[0], line.time_ms[-1]) == (0, 49_999)
    assert (line.values.min(), line.values.max()) == (values.min(), values.max())
    assert np.array_equal(values[line.time_ms], line.values)


def test_of_many_trades_the_largest_are_drawn() -> None:
    pnl = np.random.default_rng(2).normal(size=10_000)
    rows = shown_trades(pnl)
    assert len(rows) <= MAX_TRADES
    assert set(np.argsort(-np.abs(pnl))[:100]) <= set(rows.tolist())
    assert np.array_equal(shown_trades(pnl[:5]), np.arange(5))


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ([[5.0]], [[False]]),
        ([[5.0, 4.0]], [[True, True]]),
        ([[9.0, 4.0]], [[False, True]]),
        ([[-5.0, -5.0]], [[False, False]]),
        ([[5.0, float("nan")]], [[False, False]]),
        ([[1.0, 8.0, 1.0], [1.0, 1.0, 1.0]], [[True, False, True], [True, True, True]]),
    ],
)
def test_level_ground_and_needles(values: list[list[float]], level: list[list[bool]]) -> None:
    assert plateau_cells(np.array(values)).tolist() == level


def test_a_cell_sums_up_the_configurations_with_its_values() -> None:
    bars = random_bars(1_500, 4)
    from aster_operator.backtest import build_ranked_metrics

    ranked = build_ranked_metrics(run_grid_backtest(bars, make_param_grid(space(k=[0.5, 0.8])), workers=1))
    names = varied_parameters(ranked)
    assert set(names) == {"k", "T", "n", "V", "tp_bps", "sl_bps", "activation_bps", "callback_bps"}
    maps = list(heatmaps(ranked, names))
    assert len(maps) == 28
    found = next(one for one in maps if {one.x, one.y} == {"k", "sl_bps"})
    for row, y in enumerate(found.y_values):
        for column, x in enumerate(found.x_values):
            own = ranked.filter((pl.col(found.x) == x) & (pl.col(found.y) == y))["total_pnl"]
            assert found.values[0][row, column] == pytest.approx(own.median())
            assert found.values[1][row, column] == pytest.approx(own.max())
