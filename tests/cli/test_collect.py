"""`collect` and `data download` against a served exchange; bad input is one line and leaves nothing."""

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import Call

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.csv_logs import LOG_COLUMNS
from warm_programs import warm_programs


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """REST address of an embedded exchange in a process of its own."""
    command = [str(warm_programs() / "aster-operator"), "exchange", "serve", "--port", "0", "--json"]
    folder = tmp_path_factory.mktemp("exchange")
    with subprocess.Popen(
        [*command, "--speed", "20"], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["rest"]
        finally:
            process.terminate()


def collected(call: Call, exchange: str, *options: str) -> dict:
    ending = call("collect", "--base-url", exchange, "--symbols", "BTCUSDT,ETHUSDT", "--json", *options)
    assert (ending.returncode, ending.stderr) == (0, "")
    lines = ending.stdout.splitlines()
    assert "--acknowledge" in options or len(lines) == 1
    for line in lines[:-1]:
        assert set(json.loads(line)["flushed"]) == {"rows", "received_ns", "bytes_written"}
    return json.loads(lines[-1])


def test_it_ends_with_rows_gaps_and_bytes(call: Call, exchange: str, tmp_path: Path) -> None:
    summary = collected(call, exchange, "--poll_time", "2.5", "--update_logs", "true", "--log_dir", "logs")
    assert set(summary["rows"]) == {"kline_1m", "bookTicker", "markPrice", "aggTrade", "depth5", "funding"}
    catalog = Catalog(tmp_path / "catalog")
    kept = {stream: catalog.read(stream).height for stream in catalog.streams()}
    assert kept == {stream: rows for stream, rows in summary["rows"].items() if rows}
    assert (summary["gaps"], summary["dropped"], summary["malformed"]) == (0, 0, 0)
    assert summary["bytes"] == sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    for name, columns in LOG_COLUMNS.items():
        lines = (tmp_path / "logs" / f"{name}.csv").read_text().splitlines()
        assert lines[0] == ",".join(columns)
        assert len(lines) - 1 == summary["log_rows"][name] >= 4


def test_no_logs_unless_wanted_and_acknowledgements_when_asked_for(
    call: Call, exchange: str, tmp_path: Path
) -> None:
    options = (
        "--poll-time",
        "1.2",
        "--update-logs",
        "false",
        "--catalog",
        "mine",
        "--acknowledge",
        "--depth",
    )
    summary = collected(call, exchange, *options)
    assert (summary["log_dir"], summary["log_rows"]) == (None, {})
    assert summary["rows"]["depth"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]


def test_all_symbols_and_words_for_people(call: Call, exchange: str) -> None:
    ending = call("collect", "--base-url", exchange, "--symbols", "all", "--poll-time", "1", "--roll-logs")
    assert ending.returncode == 0
    assert "0 gaps" in ending.stdout
    assert "kline_1m" in ending.stdout


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--symbols", "NOPEUSDT"),
            "NOPEUSDT not listed at the venue, which has BTCUSDT, ETHUSDT",
        ),
        (("--symbols", ","), "names no symbol"),
        (("--poll-time", "soon"), "'soon' is neither a number of seconds above 0 nor forever"),
        (("--poll-time", "-1"), "'-1' is neither a number"),
        (("--update-logs", "perhaps"), "'perhaps' is neither true nor false"),
        (("--venue", "moon"), "'moon' is not one of mainnet, testnet, sim"),
        (("--retention-days", "0"), "retention-days"),
        (("--base-url", "ftp://x"), "must start with http"),
        (("--base-url", "http://127.0.0.1:9"), "check the network and the address of the venue"),
    ],
)
def test_bad_input_is_one_line(
    call: Call, exchange: str, tmp_path: Path, options: tuple[str, ...], line: str
) -> None:
    ending = call("collect", "--base-url", exchange, "--poll-time", "1", *options)
    assert ending.returncode == 2
    assert line in ending.stderr
    assert (ending.stdout, ending.stderr.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_is_something_else_is_kept(call: Call, exchange: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "depth5.csv").write_text("mine\n")
    ending = call("collect", "--base-url", exchange, "--symbols", "BTCUSDT", "--poll-time", "1")
    assert ending.returncode == 2
    assert "depth5.csv: its first line is not the header" in ending.stderr
    assert (tmp_path / "logs" / "depth5.csv").read_text() == "mine\n"


def test_downloads_go_on_where_they_were(call: Call, exchange: str, tmp_path: Path) -> None:
    options = (
        "data", "download", "--base-url", exchange, "--symbols", "BTCUSDT", "--what",
        "klines,aggTrades,funding", "--since", "2025-05-07T20:00", "--json",
    )  # fmt: skip
    first = json.loads(call(*options).stdout)
    assert first["rows"]["kline_1m"] >= 240
    again = json.loads(call(*options).stdout)
    assert again["pieces"] <= 3
    rows = Catalog(tmp_path / "catalog").read("kline_1m", ["BTCUSDT"])
    assert rows["open_ms"].is_unique().all()
    assert rows.height == first["rows"]["kline_1m"] + again["rows"]["kline_1m"]
    checked = call("data", "check", "--json")
    assert (checked.returncode, json.loads(checked.stdout)["ok"]) == (0, True)
    whole = json.loads(call(*options, "--until", "2025-05-07T23:00").stdout)
    assert (whole["pieces"], whole["rows"]) == (0, {})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--since", "yesterday"), "'yesterday' is no day or time"),
        (("--since", "2026-01-02", "--until", "2026-01-01"), "is not after --since"),
        (("--since", "2026-01-01", "--what", "news"), "'news' is none of klines, aggTrades, funding"),
        (("--since", "2026-01-01", "--interval", "7m"), "'7m' is none of"),
        ((), "--since"),
    ],
)
def test_bad_downloads_are_one_line(call: Call, tmp_path: Path, options: tuple[str, ...], line: str) -> None:
    ending = call("data", "download", "--symbols", "BTCUSDT", "--base-url", "http://127.0.0.1:9", *options)
    assert ending.returncode == 2
    assert line in ending.stderr
    assert ending.stderr.count("\n") == 1
    with contextlib.suppress(FileNotFoundError):
        assert list((tmp_path / "catalog").iterdir()) == []
