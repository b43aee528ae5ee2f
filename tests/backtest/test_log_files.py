"""CSV logs read in pieces: every number is the one Python reads, wherever a piece ends."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.backtest import log_files
from aster_operator.backtest.log_files import read_log
from aster_operator.backtest.problems import BacktestProblem

COLUMNS = ("ts_unix_ms", "symbol", "a", "b")
HEADER = "ts_unix_ms,ts_dt_utc,symbol,a,x,b,y"

plain_numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**25), 10**25).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=8).map(lambda value: f"{value:f}"),
    st.tuples(st.integers(0, 2**64), st.integers(0, 22)).map(lambda pair: f"{pair[0]}e-{pair[1]:02}"),
    st.from_regex(r"\A-?[0-9]{1,22}\.[0-9]{0,22}\Z", fullmatch=True),
    st.from_regex(r"\A-?[0-9]{0,8}\.[0-9]{1,8}\Z", fullmatch=True),
)
symbols = st.sampled_from(
    ["BTCUSDT", "X", "1000PEPEUSDT", "A_VERY_LONG_SYMBOL_OF_MORE_THAN_32_LETTERS", "ÄUSDT"]
)


def rows_of(file: Path) -> list[tuple[str, int, float, float]]:
    found = []
    for rows in read_log(file, COLUMNS):
        for number, time, (a, b) in zip(rows.symbol_of, rows.time_ms, rows.values, strict=True):
            found.append(("" if number < 0 else rows.symbols[number], int(time), float(a), float(b)))
    return found


@given(
    st.lists(
        st.tuples(symbols, st.integers(0, 2**50), plain_numbers, plain_numbers), min_size=1, max_size=30
    ),
    st.one_of(st.integers(1, 200), st.just(100_000)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@settings(max_examples=250, deadline=None)
def test_every_number_is_the_one_python_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, int, str, str]],
    piece: int,
    newline: str,
    ends: bool,
) -> None:
    file = tmp_path_factory.mktemp("log") / "log.csv"
    lines = [HEADER, *(f"{time},2026-01-01 00:00:00.0,{name},{a},,{b},1" for name, time, a, b in rows)]
    file.write_text(newline.join(lines) + newline * ends, encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "_CHUNK_BYTES", piece)
        assert rows_of(file) == [(name, time, float(a), float(b)) for name, time, a, b in rows]


odd_fields = st.sampled_from(
    [
        "",
        " ",
        "nan",
        "NULL",
        '""',
        '"7.5"',
        " 8",
        "abc",
        "inf",
        "-",
        ".",
        "1.2.3",
        "1e5",
        "--1",
        "5\x00",
        "é",
        "1_0",
    ]
)
fields = st.one_of(plain_numbers, plain_numbers, plain_numbers, odd_fields)
lines_of_a_log = st.one_of(
    st.tuples(st.integers(0, 2**50), symbols, fields, fields).map(
        lambda row: f"{row[0]},2026-01-01 00:00:00.0,{row[1]},{row[2]},,{row[3]},1"
    ),
    st.tuples(odd_fields, symbols, fields).map(lambda row: f"{row[0]},,{row[1]},{row[2]},,1,1,2,3"),
    st.tuples(symbols, fields).map(lambda row: f"1,,{row[0]},2,,{row[1]}"),
    st.just(""),
)


def told(file: Path) -> tuple[list[tuple[str, int, float, float]], str]:
    """The rows up to the first that is wrong, as text since NaN equals nothing, and the complaint."""
    found: list[tuple[str, int, float, float]] = []
    try:
        for rows in read_log(file, COLUMNS):
            for number, time, (a, b) in zip(rows.symbol_of, rows.time_ms, rows.values, strict=True):
                if number >= 0:
                    found.append((rows.symbols[number], int(time), float(a), float(b)))
    except BacktestProblem as problem:
        return found, str(problem)
    return found, ""


def plainly(file: Path) -> tuple[list[tuple[str, int, float, float]], str]:
    """What `told` must tell, one field after the other in plain Python."""
    found = []
    header, *lines = file.read_bytes().split(b"\n")
    names = header.strip().decode().split(",")
    row = 0
    for line in lines:
        cells = line.removesuffix(b"\r").split(b",")
        if cells == [b""]:
            continue
        row += 1
        values, unknown = {}, False
        for name, cell in zip(names, cells, strict=False):
            text = cell.strip().strip(b'"')
            if name == "symbol":
                values[name] = cell.decode()
            elif name in COLUMNS and text.lower() in (b"", b"nan", b"none", b"null", b"na"):
                unknown = True
            elif name in COLUMNS:
                try:
                    values[name] = float(text)
                except ValueError:
                    return found, f"{text.decode(errors='replace')!r} is not a number: {row}, {name}"
                if not np.isfinite(values[name]):
                    return found, f"{text.decode()} is not finite: {row}, {name}"
        if len(cells) < names.index("b") + 1:
            return found, f"the row has too few columns: {row}"
        if not unknown:
            found.append((values["symbol"], int(values["ts_unix_ms"]), values["a"], values["b"]))
    return found, ""


@given(
    st.lists(lines_of_a_log, max_size=40),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.integers(1, 200), st.just(100_000)),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=250, deadline=None)
def test_a_log_with_odd_rows_is_read_as_in_plain_python(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], short: int | None, piece: int, newline: str
) -> None:
    file = tmp_path_factory.mktemp("log") / "log.csv"
    if short is not None:
        lines.insert(short, "1700000000000,,BTCUSDT,1.5")
    file.write_bytes(newline.join([HEADER, *lines, ""]).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_files, "_CHUNK_BYTES", piece)
        (rows, complaint), (expected, reason) = told(file), plainly(file)
    assert rows == expected
    what, _, where = reason.partition(": ")
    assert complaint.startswith(what)
    if where:
        row, _, column = where.partition(", ")
        assert f"row {row}, column {column}" in complaint if column else f"row {row}" in complaint


def test_lines_longer_than_a_block_and_many_short_ones(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    lines, expected = [HEADER], []
    for number in range(20_000):
        filler = "x" * 200_000 if number in (0, 7_000, 19_999) else "," * 90_000 if number == 9_000 else ""
        lines.append(f"{number},,{'ABC'[number % 3]},{number}.25,{'x' * (number % 90)},{-number},{filler}")
        expected.append(("ABC"[number % 3], number, number + 0.25, float(-number)))
    file.write_text("\n".join(lines) + "\n")
    assert rows_of(file) == expected


@pytest.mark.parametrize("word", ["", "NaN", "nan", "None", '""', " "])
def test_what_is_not_known_yet_is_left_out(tmp_path: Path, word: str) -> None:
    file = tmp_path / "log.csv"
    file.write_text(f"{HEADER}\n1,,A,{word},,2,\n\n2,,A,1,,2,\n")
    assert [row[0] for row in rows_of(file)] == ["", "A"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (f"{HEADER}\n1,,A,1,,2,\n2,,A,abc,,2,\n", "'abc' is not a number: "),
        (f"{HEADER}\n1,,A,1,,2,\n2,,A,inf,,2,\n", "inf is not finite: "),
        (f"{HEADER}\n1,,A,1,,2,\n2,,A,1\n", "row 2"),
        (f"{HEADER}\n1,,A,1,,2,\nyesterday,,A,1,,2,\n", "row 2, column ts_unix_ms"),
        (f"{HEADER}\n1,,A,1,,2,\n1e300,,A,1,,2,\n", "1e300 is no time"),
        ("ts_unix_ms,symbol,a\n1,A,1\n", "column b"),
        (f"{HEADER},a\n1,,A,1,,2,,\n", "the column is there twice"),
        ("", "the file is empty"),
    ],
)
def test_a_bad_log_is_named_with_row_and_column(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "log.csv"
    file.write_text(text)
    with pytest.raises(BacktestProblem) as problem:
        rows_of(file)
    assert complaint.split(": ")[0] in str(problem.value)
    assert str(file) in str(problem.value)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_that_is_being_written_does_not_count(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "log.csv"
    text = f"{HEADER}\n1,,A,1,,2,\n2,,A,1.25,,2.5,9\n"
    file.write_text(text[:-cut])
    whole = [("A", 1, 1.0, 2.0), ("A", 2, 1.25, 2.5)]
    # Without its last column the line may have lost digits; without its newline only what is not read.
    assert rows_of(file) == (whole if cut <= 2 else whole[:1])


def test_an_error_counts_the_rows_of_all_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log.csv"
    lines = [f"{number},,A,{number},,2," for number in range(1, 500)]
    lines[412] = "413,,A,?,,2,"
    file.write_text("\n".join([HEADER, *lines]) + "\n")
    monkeypatch.setattr(log_files, "_CHUNK_BYTES", 300)
    with pytest.raises(BacktestProblem, match="row 413, column a"):
        rows_of(file)


def test_more_odd_fields_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log.csv"
    file.write_text(
        "\n".join([HEADER, *(f"{number},,A{number % 40},,,2," for number in range(1, 500))]) + "\n"
    )
    monkeypatch.setattr(log_files, "_ODD_FIELDS", 16)
    monkeypatch.setattr(log_files, "_MOST_SYMBOLS", 8)
    found = rows_of(file)
    assert [row[1] for row in found] == list(range(1, 500))
    assert all(np.isnan(row[2]) for row in found)
