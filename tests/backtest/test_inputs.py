"""Bad grids and bad inputs: one line that names the file and the place, exit code 2, nothing written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aster_operator.backtest.grid import PARAMETERS, make_param_grid, read_grid
from aster_operator.backtest.inputs import InputFile, needed_columns
from aster_operator.backtest.problems import BacktestProblem

from .inputs_files import frame_of, write_grid
from .markets import random_bars, space

GRID = make_param_grid(space())
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return frame_of(random_bars(120, 1))


def cell(column: str, value: Any) -> Change:
    """Put `value` into row 50."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        values = table[column].to_list()
        values[49] = value
        return table.with_columns(pl.Series(column, values, strict=False))

    return change


def swapped(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table[:49], table[50:51], table[49:50], table[51:]])


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize(
    ("change", "place", "complaint"),
    [
        (cell("close", None), "row 50, column close", "is empty"),
        (cell("vol1m", float("nan")), "row 50, column vol1m", "is empty"),
        (cell("funding_bps", None), "row 50, column funding_bps", "is empty"),
        (cell("rs_vol_10m_bps", None), "row 50, column rs_vol_10m_bps", "is empty"),
        (cell("low", 0.0), "row 50, column low", "0 is not above 0"),
        (cell("open", -5.0), "row 50, column open", "-5 is not above 0"),
        (cell("high", 1.0), "row 50, column high", "1 is below open or close"),
        (cell("close", float("inf")), "row 50, column close", "inf is not a finite number"),
        (cell("symbol", None), "row 50, column symbol", "the symbol is empty"),
        (cell("bar_ts_ms", None), "row 50, column bar_ts_ms", "the time is missing or not one"),
        (cell("bar_ts_ms", float("nan")), "row 50, column bar_ts_ms", "the time is missing or not one"),
        (cell("bar_ts_ms", 1767225659999.5), "row 50, column bar_ts_ms", "the time is missing or not one"),
        (cell("bid_px", 1e9), "row 50, column bid_px", "the book is crossed"),
        (lambda table: table.drop("mark_px"), "column mark_px", "the column is missing"),
        (lambda table: table.drop("symbol"), "column symbol", "the column is missing"),
        (lambda table: table.drop("bar_ts_ms"), "column bar_ts_ms", "the column is missing"),
        (lambda table: table.drop("avg_vol_30m"), "column avg_vol_30m", "--windows 10,30"),
        (swapped, "row 51, column bar_ts_ms", "is earlier than the row before it"),
        (lambda table: pl.concat([table[:50], table[49:]]), "row 51, column bar_ts_ms", "is there twice"),
        (lambda table: pl.concat([table[:49], table[50:]]), "row 50, column bar_ts_ms", "--allow-gaps"),
        (lambda table: table[:0], "", "the file has no rows"),
    ],
)
def test_bad_inputs(
    tmp_path: Path, table: pl.DataFrame, suffix: str, change: Change, place: str, complaint: str
) -> None:
    path = tmp_path / f"inputs{suffix}"
    bad = change(table)
    if suffix == ".parquet":
        bad.write_parquet(path)
    else:
        bad.lazy().sink_csv(path, compression="gzip" if suffix == ".csv.gz" else "uncompressed")
    with pytest.raises(BacktestProblem) as caught:
        InputFile(path).bars("BTCUSDT", GRID, "exchange")
    text = str(caught.value)
    assert str(path) in text
    assert place in text
    assert complaint in text
    assert "\n" not in text


def test_a_cell_that_is_no_number_is_named(tmp_path: Path, table: pl.DataFrame) -> None:
    path = tmp_path / "inputs.csv"
    cell("ask_px", "abc")(table.with_columns(pl.col("ask_px").cast(pl.String))).write_csv(path)
    with pytest.raises(BacktestProblem, match="'abc' is not a number") as caught:
        InputFile(path)
    assert f"{path}, row 50, column ask_px" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x00\x01", "column symbol"),
        (b"", "not a readable csv file"),
        (b"a,a\n1,2\n", "the column is there twice"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "inputs.csv"
    path.write_bytes(content)
    with pytest.raises(BacktestProblem, match=complaint):
        InputFile(path)


def test_a_file_that_was_cut_off(tmp_path: Path, table: pl.DataFrame) -> None:
    path = tmp_path / "inputs.csv.gz"
    pl.concat([table] * 40).lazy().sink_csv(path, compression="gzip")
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(BacktestProblem, match="not a readable csv file"):
        InputFile(path)


def test_other_files(tmp_path: Path, table: pl.DataFrame) -> None:
    with pytest.raises(BacktestProblem, match="the file is not there"):
        InputFile(tmp_path / "none.csv")
    with pytest.raises(BacktestProblem, match="unknown kind of file"):
        InputFile(tmp_path / "none.xlsx")
    (tmp_path / "bad.parquet").write_text("nonsense")
    with pytest.raises(BacktestProblem, match="not a readable parquet file"):
        InputFile(tmp_path / "bad.parquet")
    table.write_parquet(tmp_path / "good.parquet")
    with pytest.raises(BacktestProblem, match="XRPUSDT is not in the file, which has BTCUSDT"):
        InputFile(tmp_path / "good.parquet").bars("XRPUSDT", GRID, "exchange")


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_columns_that_are_not_needed_may_be_missing(
    tmp_path: Path, table: pl.DataFrame, semantics: str
) -> None:
    needed = needed_columns(GRID, semantics, has_tick_size=False)
    opening = ["opening_loss_bps"] if semantics == "exchange" else []
    path = tmp_path / "inputs.parquet"
    table.select("symbol", "bar_ts_ms", *needed, *opening).write_parquet(path)
    assert len(InputFile(path).bars("BTCUSDT", GRID, semantics)) == table.height


@pytest.mark.parametrize(
    "times",
    [
        pl.col("bar_ts_ms").cast(pl.Float64).alias("bar_ts_ms"),
        pl.from_epoch("bar_ts_ms", time_unit="ms").alias("timestamp"),
        pl.from_epoch("bar_ts_ms", time_unit="ms").dt.replace_time_zone("UTC").alias("timestamp"),
        pl.from_epoch("bar_ts_ms", time_unit="ms").dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").alias("timestamp"),
        pl.col("bar_ts_ms").alias("timestamp"),
    ],
    ids=["float", "naive", "utc", "iso", "ms"],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_times_as_people_have_them(tmp_path: Path, table: pl.DataFrame, suffix: str, times: pl.Expr) -> None:
    other = table.select(times, pl.all().exclude("bar_ts_ms", "timestamp"))
    path = tmp_path / f"inputs{suffix}"
    other.write_parquet(path) if suffix == ".parquet" else other.write_csv(path)
    bars = InputFile(path).bars("BTCUSDT", GRID, "exchange")
    assert bars.close_ms.tolist() == table["bar_ts_ms"].to_list()


def test_times_that_are_none(tmp_path: Path, table: pl.DataFrame) -> None:
    path = tmp_path / "inputs.csv"
    table.drop("bar_ts_ms").with_columns(pl.lit("noon").alias("timestamp")).write_csv(path)
    with pytest.raises(BacktestProblem, match="row 1, column timestamp"):
        InputFile(path).bars("BTCUSDT", GRID, "exchange")


def test_gaps_may_be_allowed(tmp_path: Path, table: pl.DataFrame) -> None:
    path = tmp_path / "inputs.parquet"
    pl.concat([table[:49], table[60:]]).write_parquet(path)
    assert len(InputFile(path).bars("BTCUSDT", GRID, "exchange", allow_gaps=True)) == table.height - 11


# --- grids ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "place", "complaint"),
    [
        ("{", "", "not JSON, line 1"),
        ("[]", "", 'no object "symbols"'),
        ('{"symbols": {}}', "symbols", "names no symbol"),
        ('{"symbols": {"X": {}}}', "symbols.X", 'no object "params"'),
        ('{"symbols": {"X": {"params": {}, "tic": 1}}}', "symbols.X.tic", "unknown key"),
        ('{"symbols": {"X": {"params": {}}}, "fee_bps": 2}', "fee_bps", "unknown key"),
        ('{"symbols": {"X": {}, "X": {}}}', "X", "the key is there twice"),
        ('{"symbols": {"X": {"params": {"k": [1], "n": [2], "k": [3]}}}}', "k", "the key is there twice"),
        ('{"symbols": {"../X": {"params": {}}}}', "symbols.../X", "cannot be a symbol"),
        ('{"symbols": {"X\\nY": {"params": {}}}}', "symbols.X", "cannot be a symbol"),
        (f'{{"symbols": {{"X": {{"params": {{"k": [{"9" * 5000}]}}}}}}}}', "", "a number that is too large"),
        ('{"symbols": {"X": {"params": {"q": [1]}}}}', "symbols.X.params.q", "unknown parameter"),
        ('{"symbols": {"X": {"params": {}}}}', "symbols.X.params.k", "the parameter is missing"),
    ],
)
def test_bad_grid_files(tmp_path: Path, content: str, place: str, complaint: str) -> None:
    path = tmp_path / "grid.json"
    path.write_text(content)
    with pytest.raises(BacktestProblem, match=complaint) as caught:
        read_grid(path)
    assert str(path) in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("k", [], "not a list with values"),
        ("k", 1.5, "not a list with values"),
        ("k", ["a"], "'a' is not a number"),
        ("k", [True], "True is not a number"),
        ("k", [0], "0 is not above 0"),
        ("T", [10.5], "not a whole number"),
        ("V", [0], "not a whole number"),
        ("tp_bps", [-1], "-1 is not above 0"),
        ("min_tp_gap_bps", [-1], "-1 is below 0"),
        ("sl_bps", [10_000], "100 % of the price"),
        ("n", [10**400], "the number is too large"),
        ("funding_max", [1, 1.0], "listed twice"),
    ],
)
def test_bad_parameters(tmp_path: Path, name: str, values: Any, complaint: str) -> None:
    path = write_grid(tmp_path / "grid.json", space() | {name: values})
    with pytest.raises(BacktestProblem, match=complaint) as caught:
        read_grid(path)
    assert f"{path}, symbols.BTCUSDT.params.{name}" in str(caught.value)


def test_a_grid_as_a_text_editor_saves_it(tmp_path: Path) -> None:
    path = write_grid(tmp_path / "grid.json", space())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_grid(path)[0].symbol == "BTCUSDT"


def test_a_grid_of_ten_billion_is_refused_with_its_size(tmp_path: Path) -> None:
    lists = {name: [float(value) for value in range(1, 11)] for name in PARAMETERS[:10]}
    path = write_grid(tmp_path / "grid.json", space() | lists)
    with pytest.raises(BacktestProblem, match="10,000,000,000 configurations"):
        read_grid(path)


def test_a_grid_is_every_combination_the_last_parameter_fastest() -> None:
    values = space(k=[1.0, 2.0], funding_max=[1.5, 3.0])
    grid = make_param_grid(values)
    assert len(grid) == 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2 * 2
    assert grid.column("funding_max")[:2].tolist() == [1.5, 3.0]
    assert len({tuple(row) for row in grid.values}) == len(grid)
    again = grid.take(range(len(grid)))  # type: ignore[arg-type]
    for one in (grid, again):
        for row in (0, 17, len(one) - 1):
            signal = one.signal_sets[one.signal_of[row]]
            exits = one.exit_sets[one.exit_of[row]]
            assert [*signal[:4], *exits, *signal[4:]] == one.values[row].tolist()


def test_sizes_of_the_contract_are_read(tmp_path: Path) -> None:
    content = {"symbols": {"btcusdt": {"params": space(), "tick_size": 0.1, "lot_size": 0.001}}}
    (tmp_path / "grid.json").write_text(json.dumps(content))
    grid = read_grid(tmp_path / "grid.json")[0]
    assert (grid.symbol, grid.tick_size, grid.lot_size) == ("BTCUSDT", 0.1, 0.001)
