"""`db init`, `db stats` and `db export` on books with known content."""

import csv
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Call

sys.path.insert(0, str(Path(__file__).parents[1] / "database"))
from books_values import DAY_ONE_MS, make_closed, make_fill, make_income, make_opened, make_order

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import HEAD_REVISION, open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.clock import DAY_MS

PRICE = Decimal("67890.123456789")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Books with three trades on two days, one position, two fundings and one order."""
    address = f"sqlite:///{tmp_path / 'books.db'}"
    engine = open_books(address)
    recorder = TradeRecorder(engine, LedgerKey(venue="sim", account="0xabc"), "run-1")
    recorder.record_fills(
        [
            make_fill(1, price=PRICE),
            make_fill(2, event_ms=DAY_ONE_MS + DAY_MS, symbol="ETHUSDT"),
            make_fill(
                3, event_ms=DAY_ONE_MS + DAY_MS + 1, commission=Decimal("0.1"), commission_asset="ASTER"
            ),
        ]
    )
    recorder.record_income_rows([make_income(1), make_income(2, income=Decimal("0.03"))])
    recorder.record_position_opened(make_opened())
    recorder.record_position_closed(make_closed())
    recorder.record_order_intent(make_order(), DAY_ONE_MS)
    engine.dispose()
    return address


def test_init_makes_the_books_and_can_be_repeated(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PATH", "mine.db")
    for _ in range(2):
        done = call("db", "init")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"Database ready: {tmp_path / 'mine.db'} (schema {HEAD_REVISION})\n"


def test_stats_as_json_are_exact(call: Call, url: str) -> None:
    done = call("db", "stats", "--json", "--database-url", url)
    assert (done.returncode, done.stderr) == (0, "")
    (figures,) = json.loads(done.stdout)["venues"]
    assert figures["venue"] == "sim"
    first = PRICE * Decimal("0.003")
    assert Decimal(figures["total"]["volume_usd"]) == first + 2 * Decimal("203.6703")
    assert figures["total"]["trades"] == 3
    assert figures["total"]["fees_usd"] == "0.16293624"
    assert figures["total"]["other_fees"] == {"ASTER": "0.1"}
    assert figures["total"]["funding_usd"] == "0.00963297"
    assert [(day["date"], day["trades"], day["funding_usd"]) for day in figures["days"]] == [
        ("2026-02-20", 1, "0.00963297"),
        ("2026-02-21", 2, "0"),
    ]
    assert [(row["symbol"], row["trades"]) for row in figures["symbols"]] == [("BTCUSDT", 2), ("ETHUSDT", 1)]


@pytest.mark.parametrize(
    ("options", "trades"),
    [
        ([], 3),
        (["--symbol", "btcusdt"], 2),
        (["--since", "2026-02-21"], 2),
        (["--until", "2026-02-21"], 1),
        (["--since", "2026-02-21T00:00:00.001"], 1),
        (["--since", "2026-02-21T01:00+01:00"], 2),
        (["--venue", "mainnet"], 0),
        (["--venue", "sim"], 3),
    ],
)
def test_stats_can_be_narrowed(options: list[str], trades: int, call: Call, url: str) -> None:
    done = call("db", "stats", "--json", "--database-url", url, *options)
    assert sum(venue["total"]["trades"] for venue in json.loads(done.stdout)["venues"]) == trades


def test_play_money_and_real_money_are_never_added(call: Call, url: str) -> None:
    engine = open_books(url)
    TradeRecorder(engine, LedgerKey(venue="mainnet", account="0xabc"), "run-2").record_fill(make_fill(1))
    engine.dispose()
    venues = json.loads(call("db", "stats", "--json", "--database-url", url).stdout)["venues"]
    assert {venue["venue"]: venue["total"]["trades"] for venue in venues} == {"mainnet": 1, "sim": 3}


def test_stats_for_people(call: Call, url: str) -> None:
    done = call("db", "stats", "--database-url", url)
    assert done.returncode == 0
    assert "2026-02-20" in done.stdout
    assert "0.08 + 0.1 ASTER" in done.stdout
    assert "ETHUSDT" in done.stdout


def test_stats_of_empty_books_say_so(call: Call) -> None:
    done = call("db", "stats")
    assert (done.returncode, done.stdout) == (0, "The books hold no trades that match.\n")


def test_trades_as_csv_keep_every_digit(call: Call, url: str, tmp_path: Path) -> None:
    done = call("db", "export", "--out", "trades.csv", "--database-url", url)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "3 rows of trades written to trades.csv\n"
    records = list(csv.DictReader(io.StringIO((tmp_path / "trades.csv").read_text())))
    assert records[0]["price"] == "67890.123456789"
    assert records[0]["timestamp"] == "2026-02-20T00:00:00.001000"
    assert [record["trade_id"] for record in records] == ["1", "2", "3"]


def test_tables_go_to_standard_output_as_json(call: Call, url: str) -> None:
    counts = {}
    for table in ("trades", "positions", "funding", "orders"):
        done = call("db", "export", "--table", table, "--format", "json", "--out", "-", "--database-url", url)
        assert done.returncode == 0
        counts[table] = len(json.loads(done.stdout))
    assert counts == {"trades": 3, "positions": 1, "funding": 2, "orders": 1}


def test_parquet_holds_decimals(call: Call, url: str, tmp_path: Path) -> None:
    done = call(
        "db",
        "export",
        "--format",
        "parquet",
        "--out",
        "t.parquet",
        "--symbol",
        "BTCUSDT",
        "--database-url",
        url,
    )
    assert done.returncode == 0
    frame = pl.read_parquet(tmp_path / "t.parquet")
    assert frame["price"].to_list() == [PRICE, Decimal("67890.1")]
    assert frame.schema["price"] == pl.Decimal(38, 18)
    assert frame.schema["timestamp"] == pl.Datetime("ms")
    empty = call(
        "db", "export", "--format", "parquet", "--out", "e.parquet", "--venue", "paper", "--database-url", url
    )
    assert empty.returncode == 0
    assert pl.read_parquet(tmp_path / "e.parquet").schema == frame.schema


@pytest.mark.parametrize("table", ["trades", "positions", "funding", "orders"])
def test_every_table_fits_parquet(table: str, call: Call, url: str, tmp_path: Path) -> None:
    done = call(
        "db", "export", "--table", table, "--format", "parquet", "--out", "t.parquet", "--database-url", url
    )
    assert (done.returncode, len(pl.read_parquet(tmp_path / "t.parquet")) > 0) == (0, True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--format", "parquet", "--out", "-"], "Parquet cannot go to standard output, --out: name a file"),
        (["--out", "nowhere/t.csv"], "No such file or directory, nowhere/t.csv: check the path"),
        (["--out", "."], "Is a directory, .: name a file, not a directory"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_problem(
    options: list[str], problem: str, call: Call, url: str
) -> None:
    done = call("db", "export", "--database-url", url, *options)
    assert done.returncode == 2
    assert done.stderr == f"aster-operator: {problem}\n"


def test_an_amount_too_fine_for_parquet_is_refused_not_rounded(call: Call, url: str) -> None:
    engine = open_books(url)
    TradeRecorder(engine, LedgerKey(venue="sim", account="0xabc"), "run-1").record_fill(
        make_fill(4, realized_pnl=Decimal("1e-19"))
    )
    engine.dispose()
    done = call("db", "export", "--format", "parquet", "--out", "t.parquet", "--database-url", url)
    assert done.returncode == 2
    assert "does not fit a Parquet decimal, column realized_pnl: use --format csv or json" in done.stderr
