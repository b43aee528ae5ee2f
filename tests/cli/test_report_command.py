"""`report` on books with known content: the right sums, what went wrong, and a mail that arrives."""

import json
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Call

sys.path.insert(0, str(Path(__file__).parents[1] / "database"))
sys.path.insert(0, str(Path(__file__).parents[1] / "monitoring"))
sys.path.insert(0, str(Path(__file__).parents[2]))
from books_values import DAY_ONE_MS, make_closed, make_fill, make_income, make_opened
from mail_server import serving_mail
from tests.backtest.inputs_files import frame_of, write_grid
from tests.backtest.markets import random_bars

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.market_data.catalog.layout import date_of
from aster_operator.market_data.catalog.parts import add_rows

DAY = date_of(DAY_ONE_MS)
ONE_CONFIGURATION = {
    "k": 1.2, "T": 10, "n": 1.2, "V": 10, "tp_bps": 150, "sl_bps": 25, "activation_bps": 50,
    "activation_buffer_bps": 0.5, "callback_bps": 5, "min_tp_gap_bps": 4,
    "spread_max": 0.5, "funding_max": 1.5,
}  # fmt: skip


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path / 'books.db'}"
    engine = open_books(address)
    recorder = TradeRecorder(engine, LedgerKey(venue="mainnet", account="0xabc"), "run-1")
    recorder.record_fills([make_fill(1), make_fill(2, symbol="ETHUSDT", realized_pnl=Decimal("-3.5"))])
    recorder.record_income_rows(
        [make_income(1), make_income(2, income_type="INSURANCE_CLEAR", income=Decimal("-2.25"))]
    )
    recorder.record_position_opened(make_opened())
    recorder.record_position_closed(make_closed())
    engine.dispose()
    return address


def report(call: Call, url: str, *options: str) -> dict[str, object]:
    done = call("report", "--day", DAY, "--json", "--database-url", url, *options)
    assert (done.returncode, done.stderr) == (0, "")
    whole = json.loads(done.stdout, parse_float=Decimal)["report"]
    assert isinstance(whole, dict)
    return whole


def test_sums_are_those_of_the_books(call: Call, url: str) -> None:
    (venue,) = report(call, url)["venues"]  # type: ignore[misc]
    stats = json.loads(call("db", "stats", "--json", "--database-url", url).stdout)["venues"][0]["total"]
    total = venue["total"]
    realized, fees, funding = (Decimal(stats[f"{name}_usd"]) for name in ("realized_pnl", "fees", "funding"))
    assert venue["venue"] == "mainnet"
    assert Decimal(str(total["net_pnl_usd"])) == realized - fees + funding
    expected = -(realized - fees + funding) * 100_000 / Decimal(stats["volume_usd"])
    assert abs(Decimal(str(total["cost_per_100k_usd"])) - expected) < Decimal("0.0001")
    assert (
        sum(Decimal(str(of["net_pnl_usd"])) for of in venue["symbols"].values()) == realized - fees + funding
    )


def test_what_went_wrong_is_listed(call: Call, url: str, tmp_path: Path) -> None:
    log = tmp_path / "session.log"
    entry = {"level": "warning", "event": "user stream lost", "timestamp": f"{DAY}T10:00:00Z"}
    other_day = entry | {"timestamp": "2020-01-01T00:00:00Z", "event": "long ago"}
    calm = entry | {"level": "info", "event": "all is well"}
    log.write_text("\n".join([*map(json.dumps, (entry, entry, other_day, calm)), "no JSON at all"]))
    start = DAY_ONE_MS
    gap = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"], "event_ms": [start], "received_ns": [1], "source": ["stream"],
            "affected_stream": ["aggTrade"], "start_ms": [start], "end_ms": [start + 60_000],
            "cause": ["disconnect"], "detail": [""], "missed": [None], "is_filled": [False],
        },
        schema_overrides={"missed": pl.Int64},
    )  # fmt: skip
    add_rows(tmp_path / "catalog", "gaps", gap, "add-1.parquet")
    sweeps = tmp_path / "sweeps"
    sweeps.mkdir()
    for date, pnl in (("20260101", 1.0), ("20260201", 7.5)):
        pl.DataFrame(
            {
                "config_id": [4],
                "symbol": ["BTCUSDT"],
                "semantics": ["vectorbt"],
                "total_pnl": [pnl],
                "n_trades": [3],
                "sharpe": [float("inf")],
            }
        ).write_csv(sweeps / f"backtest_results_BTCUSDT_{date}.csv")
    whole = report(call, url, "--session-log", str(log), "--sweeps", str(sweeps))
    assert whole["warnings"] == ["warning: user stream lost (2 times)"]
    assert [gap["cause"] for gap in whole["data_gaps"]] == ["disconnect"]  # type: ignore[union-attr]
    assert whole["top_configurations"] == [
        {
            "symbol": "BTCUSDT",
            "config_id": "4",
            "total_pnl": Decimal("7.5"),
            "n_trades": 3,
            "sharpe": None,
            "biased": True,
        }
    ]
    kinds = {event["kind"] for event in whole["venues"][0]["risk_events"]}  # type: ignore[index]
    assert "liquidation" in kinds
    beside = (
        "a verdict on BTCUSDT: none that was found on backtest_results_BTCUSDT_20260201.csv lies beside it"
    )
    assert whole["missing"] == [beside]
    (sweeps / "backtest_results_BTCUSDT_20260202.csv").write_bytes(b"")
    broken = report(call, url, "--session-log", str(log), "--sweeps", str(sweeps))
    assert "cannot be read" in str(broken["missing"])
    text = call("report", "--day", DAY, "--sweeps", str(sweeps), "--database-url", url).stdout
    assert "cannot be read" in text


def test_a_mail_arrives_as_html_and_text_and_its_password_stays_out_of_sight(
    call: Call, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "a-mail-password"
    with serving_mail() as mailbox:
        address = f"mailto://desk:{password}@127.0.0.1:{mailbox.port}?to=me@example.com&from=desk@example.com"
        monkeypatch.setenv("NOTIFY_URLS", address)
        dry = call("report", "--day", DAY, "--send", "--dry-run", "--database-url", url)
        assert (dry.returncode, mailbox.messages) == (0, [])
        assert "mailto (target 1): would be sent" in dry.stdout
        refused = call("report", "--day", DAY, "--send", "--database-url", url)
        assert refused.returncode == 1  # the server knows another password
        assert "not sent" in refused.stdout
        monkeypatch.setenv(
            "NOTIFY_URLS", f"mailto://127.0.0.1:{mailbox.port}?to=me@example.com&from=desk@example.com"
        )
        page = tmp_path / "page.html"
        sent = call("report", "--day", DAY, "--send", "--html", str(page), "--database-url", url)
        assert sent.returncode == 0, sent.stdout
        assert mailbox.messages[0]["Subject"] == f"Aster Operator: {DAY}"
        assert "<table" in mailbox.part("html")
        assert "liquidation" in mailbox.part("plain")
        assert "ETHUSDT" in page.read_text()
    for done in (dry, refused, sent):
        assert password not in done.stdout + done.stderr


def test_a_sweep_tells_its_verdict_when_it_is_done(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame_of(random_bars(400, 1)).write_csv(tmp_path / "inputs.csv")
    write_grid(tmp_path / "grid.json", {name: [value] for name, value in ONE_CONFIGURATION.items()})
    command = (
        "backtest",
        "sweep",
        "--inputs",
        str(tmp_path / "inputs.csv"),
        "--grid",
        str(tmp_path / "grid.json"),
    )
    unset = call(*command, "--out", str(tmp_path / "none"), "--send")
    assert (unset.returncode, (tmp_path / "none").exists()) == (2, False)
    assert "no target is set" in unset.stderr
    with serving_mail() as mailbox:
        address = f"mailto://127.0.0.1:{mailbox.port}?to=me@example.com&from=desk@example.com"
        monkeypatch.setenv("NOTIFY_URLS", address)
        done = call(*command, "--out", str(tmp_path / "out"), "--send", "--json")
        assert done.returncode == 0, done.stderr
        text = mailbox.part("plain")
        mailbox.refuses = True
        refused = call(*command, "--out", str(tmp_path / "out"), "--send")
        assert (refused.returncode, "did not take the report" in refused.stderr) == (1, True)
    whole = json.loads(done.stdout)
    assert whole["deliveries"] == [{"target": "mailto (target 1)", "sent": True, "reason": ""}]
    assert whole["verdicts"]["BTCUSDT"]["line"] in " ".join(text.split())
    assert "cfg_0000" in text


def test_a_report_without_a_target_is_not_sent(call: Call, url: str) -> None:
    done = call("report", "--send", "--database-url", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no target is set" in done.stderr
    done = call("report", "--day", "yesterday", "--database-url", url)
    assert done.returncode == 2
    assert call("report", "--last-run", "--database-url", url).returncode == 2
