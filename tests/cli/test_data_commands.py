"""`data ls`, `head`, `check`, `convert` and `compact` on a catalog of the bundled minutes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Call

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.conversion.klines import klines_to_catalog
from aster_operator.market_data.csv_logs import LOG_COLUMNS
from aster_operator.market_data.history import load_history, sample_data_path

MINUTES = str(sample_data_path())


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog of the bundled minutes."""
    folder = tmp_path_factory.mktemp("minutes") / "catalog"
    klines_to_catalog(sample_data_path(), folder, "add-1-1.parquet")
    return folder


def test_minutes_become_a_catalog(call: Call, tmp_path: Path) -> None:
    told = json.loads(call("data", "convert", MINUTES, "catalog", "--json").stdout)
    assert told["rows"]["kline_1m"] == Catalog(tmp_path / "catalog").read("kline_1m").height


def test_ls_tells_what_is_there(call: Call, minutes: Path) -> None:
    listed = json.loads(call("data", "ls", "--catalog", str(minutes), "--json").stdout)
    rows = {(each["stream"], each["symbol"]): each for each in listed["streams"]}
    history = load_history()
    for symbol, found in history.symbols.items():
        entry = rows["kline_1m", symbol]
        assert (entry["rows"], entry["first_ms"]) == (len(found.close), found.open_time_ms[0])
        assert sum(day["rows"] for day in entry["days"]) == entry["rows"]
        assert [day["minutes_pct"] for day in entry["days"][:1]] == [100.0]
    words = call("data", "ls", "--catalog", str(minutes), "--by-day", "--streams", "kline_1m").stdout
    assert "100.0 %" in words


def test_head_shows_the_first_rows(call: Call, minutes: Path) -> None:
    options = ("data", "head", "kline_1m", "--catalog", str(minutes), "--symbols", "BTCUSDT", "--rows", "3")
    first = load_history().symbols["BTCUSDT"]
    told = json.loads(call(*options, "--json").stdout)
    assert [row["close"] for row in told["rows"]] == list(first.close[:3])
    assert "open_ms" in call(*options).stdout


def test_check_passes_good_data_and_fails_bad(call: Call, minutes: Path, tmp_path: Path) -> None:
    assert call("data", "check", "--catalog", str(minutes)).returncode == 0
    broken = tmp_path / "broken"
    shutil.copytree(minutes, broken)
    file = sorted((broken / "stream=kline_1m" / "symbol=BTCUSDT").rglob("*.parquet"))[0]
    shutil.copy(file, file.with_name("add-2-2.parquet"))
    ending = call("data", "check", "--catalog", str(broken), "--json")
    told = json.loads(ending.stdout)
    assert (ending.returncode, told["ok"], told["duplicates"]) == (1, False, 1440)
    compacted = json.loads(call("data", "compact", "--catalog", str(broken), "--json").stdout)
    assert compacted["duplicates"] == 1440
    assert call("data", "check", "--catalog", str(broken)).returncode == 0
    file = next((broken / "stream=kline_1m").rglob("*.parquet"))
    file.write_bytes(b"not parquet at all")
    ending = call("data", "check", "--catalog", str(broken))
    assert ending.returncode == 1
    assert str(file) in ending.stdout


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 4] ^= 4
    file.write_bytes(content)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def change_a_type(file: Path) -> None:
    rows = pl.read_parquet(file, hive_partitioning=False)
    rows.with_columns(pl.col("close").cast(pl.String)).write_parquet(file)


@pytest.mark.parametrize("damage", [flip_a_bit, cut_short, change_a_type])
def test_check_names_a_damaged_file(
    call: Call, minutes: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(minutes, tmp_path / "catalog")
    file = sorted((tmp_path / "catalog" / "stream=kline_1m").rglob("*.parquet"))[0]
    damage(file)
    ending = call("data", "check", "--json")
    told = json.loads(ending.stdout)
    assert (ending.returncode, told["ok"], len(told["unreadable"])) == (1, False, 1)
    assert told["unreadable"][0].startswith(f"{file.relative_to(tmp_path)}: ")


@pytest.mark.parametrize("damage", [cut_short, change_a_type])
@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "ls"),
        ("data", "head", "kline_1m"),
        ("data", "compact"),
        ("data", "convert", "catalog", "out", "--to", "csv"),
        ("data", "convert", "catalog", "out", "--to", "klines"),
        ("backtest", "replay", "--catalog", "catalog", "--hours", "0.1"),
    ],
    ids=str,
)
def test_a_damaged_file_is_named_in_one_line(
    call: Call, minutes: Path, tmp_path: Path, arguments: tuple[str, ...], damage: Callable[[Path], None]
) -> None:
    shutil.copytree(minutes, tmp_path / "catalog")
    file = sorted((tmp_path / "catalog" / "stream=kline_1m").rglob("*.parquet"))[0]
    damage(file)
    ending = call(*arguments)
    if damage is change_a_type and arguments[1] == "ls":
        assert ending.returncode == 0  # It looks at no prices.
        return
    assert ending.returncode == 2
    assert f"{file.relative_to(tmp_path)}: " in ending.stderr
    assert "move it out of the catalog" in ending.stderr
    assert ending.stderr.count("\n") == 1


def test_a_log_that_is_no_text_is_named_in_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "markPrice.csv").write_bytes(
        ",".join(LOG_COLUMNS["markPrice"]).encode() + b"\r\n\xff\xfe\r\n"
    )
    ending = call("data", "convert", "logs", "out")
    assert ending.returncode == 2
    assert "markPrice.csv: not a readable CSV file" in ending.stderr
    assert ending.stderr.count("\n") == 1


def test_minutes_come_out_as_they_went_in(call: Call, minutes: Path, tmp_path: Path) -> None:
    ending = call("data", "convert", str(minutes), "out", "--to", "klines", "--json")
    assert ending.returncode == 0
    assert load_history(tmp_path / "out") == load_history()


def test_old_days_can_be_deleted(call: Call, minutes: Path, tmp_path: Path) -> None:
    shutil.copytree(minutes, tmp_path / "catalog")
    newest = max(Catalog(tmp_path / "catalog").read("funding")["funding_ms"])
    told = json.loads(call("data", "compact", "--retention-days", "2", "--json").stdout)
    assert told["expired"] > 0
    listed = json.loads(call("data", "ls", "--json").stdout)["streams"]
    assert min(each["first_ms"] for each in listed) >= newest // DAY_MS * DAY_MS - DAY_MS
    assert Catalog(tmp_path / "catalog").read("kline_1m").height == 2 * 1440


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("ls",), "catalog: is no catalog"),
        (("check", "--catalog", "nowhere"), "nowhere: is no catalog"),
        (("head", "gossip", "--catalog", "CATALOG"), "'gossip' is no stream"),
        (("ls", "--catalog", "CATALOG", "--streams", "gossip"), "'gossip' is no stream"),
        (("ls", "--catalog", "CATALOG", "--since", "soon"), "'soon' is no day or time"),
        (("convert", "nowhere", "out"), "nowhere: no such file or folder"),
        (("convert", ".", "out"), "holds neither CSV logs"),
        (("convert", "CATALOG", "out", "--to", "catalog"), "is a catalog already"),
        (("convert", MINUTES, "out", "--to", "csv"), "is no catalog: only a catalog becomes csv"),
        (("head",), "stream"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(
    call: Call, minutes: Path, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    ending = call("data", *(str(minutes) if word == "CATALOG" else word for word in arguments))
    assert ending.returncode == 2
    assert line in ending.stderr.lower() if line == "stream" else line in ending.stderr
    assert ending.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
