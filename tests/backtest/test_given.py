"""The library's functions called as people call them: tables of polars or pandas, dictionaries of lists."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from aster_operator.backtest import (
    build_ranked_metrics,
    build_signals,
    make_param_grid,
    plot_top_n,
    run_grid_backtest,
)
from aster_operator.backtest.problems import BacktestProblem

from .inputs_files import frame_of
from .markets import random_bars, space

BARS = random_bars(1_500, 4)
TABLE = frame_of(BARS)


def as_pandas(table: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: table[name].to_numpy() for name in table.columns})


def by_index(table: pl.DataFrame) -> pd.DataFrame:
    frame = as_pandas(table)
    times = pd.to_datetime(frame.pop("bar_ts_ms"), unit="ms", utc=True)
    return frame.set_index(pd.DatetimeIndex(times))


def by_timestamp(table: pl.DataFrame) -> pd.DataFrame:
    frame = as_pandas(table)
    frame["timestamp"] = pd.to_datetime(frame.pop("bar_ts_ms"), unit="ms", utc=True)
    return frame


FORMS = {
    "polars": lambda table: table,
    "pandas": as_pandas,
    "pandas by index": by_index,
    "pandas by timestamp": by_timestamp,
    "polars lazily": lambda table: table.lazy(),
    "columns": lambda table: table.to_dict(as_series=False),
    "without a symbol": lambda table: as_pandas(table.drop("symbol")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_a_table_gives_what_its_bars_give(form: str, semantics: str) -> None:
    expected = run_grid_backtest(BARS, make_param_grid(space()), semantics=semantics, workers=1)
    found = run_grid_backtest(FORMS[form](TABLE), space(), semantics=semantics, workers=1)
    assert np.array_equal(found.totals, expected.totals, equal_nan=True)
    assert (found.first_bar_ms, found.last_bar_ms) == (expected.first_bar_ms, expected.last_bar_ms)
    left, right = build_ranked_metrics(found), build_ranked_metrics(expected)
    assert left.drop("symbol").equals(right.drop("symbol"))


def test_signals_and_plots_take_tables_too(tmp_path: Path) -> None:
    grid = make_param_grid(space())
    expected, found = build_signals(BARS, grid), build_signals(as_pandas(TABLE), space())
    assert np.array_equal(found.counts, expected.counts)
    result = run_grid_backtest(TABLE, grid, workers=1)
    best = plot_top_n(result, by_index(TABLE), str(tmp_path / "top.html"), n=2)
    assert best == build_ranked_metrics(result)["config_id"].head(2).to_list()
    assert "<html" in (tmp_path / "top.html").read_text(encoding="utf-8")


def test_the_path_of_a_file_is_a_table(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "inputs.csv")
    expected = run_grid_backtest(TABLE, space(), workers=1)
    for path in (tmp_path / "inputs.csv", str(tmp_path / "inputs.csv")):
        assert np.array_equal(
            run_grid_backtest(path, space(), workers=1).totals, expected.totals, equal_nan=True
        )


def test_missing_minutes_are_refused_unless_they_are_allowed(tmp_path: Path) -> None:
    gapped = pl.concat([TABLE[:700], TABLE[760:]])
    for call in (run_grid_backtest, build_signals):
        with pytest.raises(BacktestProblem, match="allow_gaps=True"):
            call(gapped, space())
        call(gapped, space(), allow_gaps=True)
    result = run_grid_backtest(gapped, space(), allow_gaps=True)
    assert result.bars == gapped.height
    assert plot_top_n(result, gapped, tmp_path / "top.html", n=1) == [
        build_ranked_metrics(result)["config_id"][0]
    ]


def test_a_grid_tells_its_configurations_by_name() -> None:
    grid = make_param_grid(space())
    told = list(grid)
    assert len(told) == len(grid)
    assert [one["sl_bps"] for one in told] == grid.column("sl_bps").tolist()


def test_plots_of_what_is_no_result(tmp_path: Path) -> None:
    result = run_grid_backtest(TABLE, space(), workers=1)
    with pytest.raises(BacktestProblem, match="give what run_grid_backtest returned"):
        plot_top_n(build_ranked_metrics(result), TABLE, tmp_path / "top.html")  # type: ignore[arg-type]
    with pytest.raises(BacktestProblem, match="that is a folder"):
        plot_top_n(result, TABLE, tmp_path)


@pytest.mark.parametrize("make", [np.array, pd.Series, tuple, list])
def test_lists_of_every_kind_make_a_grid(make: type) -> None:
    grid = make_param_grid({name: make(values) for name, values in space().items()})
    assert np.array_equal(grid.values, make_param_grid(space()).values)


def test_a_grid_of_single_numbers_is_none() -> None:
    with pytest.raises(BacktestProblem, match="not a list with values"):
        make_param_grid(space() | {"k": np.float64(1.5)})


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (42, "bars cannot be made of int"),
        ([1.0, 2.0], "bars cannot be made of list"),
        (pl.concat([TABLE, TABLE.with_columns(symbol=pl.lit("ETHUSDT"))]), "several symbols"),
        (TABLE.drop("mark_px"), "the table, column mark_px"),
        (TABLE.head(0), "no rows"),
        (TABLE.with_columns(close=pl.lit(-1.0)), "the table, row 1, column close"),
        (as_pandas(TABLE).drop(columns="bar_ts_ms"), "column bar_ts_ms"),
    ],
)
def test_what_is_no_table_of_bars_is_refused(given: object, complaint: str) -> None:
    with pytest.raises(BacktestProblem, match=complaint) as caught:
        run_grid_backtest(given, space(), workers=1)
    assert "\n" not in str(caught.value)
