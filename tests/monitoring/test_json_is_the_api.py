"""What the commands print with --json is what the API answers, of one and the same session and books."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import jsonschema
import polars as pl
import pytest
from demo_to_look_at import PAGES

from warm_programs import warm_programs

sys.path.insert(0, str(Path(__file__).parents[1] / "database"))
from books_values import DAY_ONE_MS, make_fill, make_income

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.layout import date_of
from aster_operator.market_data.catalog.parts import add_rows


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ASTER", "DB_"))}
    return subprocess.Popen(
        [warm_programs() / "aster-operator", *arguments],
        cwd=folder,
        env=environment | {"DATABASE_URL": f"sqlite:///{folder / 'books.db'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(folder: Path, *arguments: str) -> Any:
    process = command(folder, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out, parse_float=Decimal)


@contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """The first line of a dashboard in that folder, without a session that runs."""
    process = command(folder, "dashboard", "--port", "0", "--json", *arguments)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.fixture
def served(journal: Path) -> Iterator[dict[str, str]]:
    with serving(journal.parent, "--journal", str(journal)) as first_line:
        yield first_line


def answered(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        return json.load(answer, parse_float=Decimal)


def test_the_contract_of_the_first_line_and_of_the_paths(served: dict[str, str]) -> None:
    assert sorted(served) == ["api_url", "metrics_url", "token", "url"]
    root = served["url"].rstrip("/")
    for path in (*PAGES, "/healthz", "/metrics", "/api/openapi.json"):
        with urllib.request.urlopen(root + path, timeout=20) as answer:  # noqa: S310
            assert answer.status == 200, path
            assert served["token"] not in answer.read().decode(), path


def test_top_prints_what_the_api_answers(served: dict[str, str], journal: Path) -> None:
    from_top = printed(journal.parent, "top", "--json", "--journal", str(journal))
    # The first line comes before the journal is read to its end: bounded in time, each asking an answer.
    until = monotonic() + 30
    while (answer := answered(f"{served['api_url']}/now")) != from_top and monotonic() < until:
        pass
    assert from_top == answer


def test_a_dashboard_waits_for_no_reader_of_tables() -> None:
    """Beside a session it would be a second of processor time and 70 MiB for nothing."""
    names = "import sys, aster_operator.cli.dashboard_parts, aster_operator.monitoring.web.server\n"
    source = f"{names}print(sorted({{'numpy', 'polars', 'pyarrow'}} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", source], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


# --- the books ------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A folder with books of two venues, a session that failed, a gap in the catalog and a crash file."""
    engine = open_books(f"sqlite:///{tmp_path / 'books.db'}")
    mine = TradeRecorder(engine, LedgerKey(venue="mainnet", account="0xabc"), "run-1")
    mine.start_run("delta-neutral", DAY_ONE_MS, seed=None, settings_fingerprint="f")
    mine.record_fills(
        [
            make_fill(1, price=Decimal("67890.123456789")),
            make_fill(2, symbol="ETHUSDT", commission=Decimal("0.1"), commission_asset="ASTER"),
            make_fill(3, event_ms=DAY_ONE_MS + DAY_MS),
        ]
    )
    mine.record_income_rows(
        [make_income(1), make_income(2, income_type="INSURANCE_CLEAR", income=Decimal("-2.25"))]
    )
    mine.finish_run(DAY_ONE_MS + 60_000, "failed")
    TradeRecorder(engine, LedgerKey(venue="sim", account="0xabc", instance="life-1"), "run-2").record_fill(
        make_fill(4)
    )
    engine.dispose()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"crash-{DAY_ONE_MS + 5}-1.log").write_text("it fell over")
    gap = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"], "event_ms": [DAY_ONE_MS], "received_ns": [1], "source": ["stream"],
            "affected_stream": ["aggTrade"], "start_ms": [DAY_ONE_MS], "end_ms": [DAY_ONE_MS + 60_000],
            "cause": ["disconnect"], "detail": [""], "missed": [None], "is_filled": [False],
        },
        schema_overrides={"missed": pl.Int64},
    )  # fmt: skip
    add_rows(tmp_path / "catalog", "gaps", gap, "add-1.parquet")
    return tmp_path


def test_what_is_printed_of_the_books_is_what_the_api_answers_and_describes(kept: Path) -> None:
    day = date_of(DAY_ONE_MS)
    pairs = (
        ("/books", "/books", ("db", "stats")),
        ("/points", "/points", ("points", "--profile", "dawn-crystal")),
        ("/report", f"/report?day={day}", ("report", "--day", day)),
        ("/report", "/report?last_run=true", ("report", "--last-run")),
    )
    answers = {}
    with serving(kept, "--profile", "dawn-crystal") as served:
        document = answered(f"{served['api_url']}/openapi.json")
        for path, asked, words in pairs:
            answer = answers[asked] = answered(served["api_url"] + asked)
            shown = printed(kept, *words, "--json")
            assert answer == (shown["report"] if path == "/report" else shown), asked
            described = document["paths"][f"/api{path}"]["get"]["responses"]["200"]["content"]
            schema = described["application/json"]["schema"]
            jsonschema.validate(answer, {**schema, "components": document["components"]})
    assert [venue["venue"] for venue in answers["/books"]["venues"]] == ["mainnet", "sim"]
    assert answers["/points"]["books"][0]["total"]["points"]["high"] > 0
    of_day, of_session = answers[f"/report?day={day}"], answers["/report?last_run=true"]
    assert [gap["cause"] for gap in of_day["data_gaps"]] == ["disconnect"]
    assert "crash file" in str(of_day["warnings"])
    assert (of_day["period"]["name"], of_session["period"]["run_id"]) == (day, "run-1")
