"""`demo`, `run`, `exchange serve` and `replay` as a person or a script calls them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from cli_calls import Run

sys.path.insert(0, str(Path(__file__).parents[1] / "monitoring"))
from mail_server import serving_mail

from aster_operator.market_data.history import sample_data_path

CONTRACT = {
    "ledger", "strategy", "symbols", "market_minutes", "rotations", "volume_usd", "fees_usd", "funding_usd",
    "realized_pnl_usd", "unrealized_pnl_usd", "hold_minutes_min", "max_imbalance_base", "max_imbalance_ms",
    "cost_per_100k_usd", "open_positions", "seed",
}  # fmt: skip


PROGRAM = (sys.executable, "-m", "aster_operator.cli.entry")


@contextmanager
def started(
    folder: Path, *arguments: str, program: Sequence[str | Path] = PROGRAM
) -> Iterator["subprocess.Popen[str]"]:
    """A process of ours that is ended by the block, whatever happens in it."""
    process = subprocess.Popen(
        [*program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_demo_json_is_one_object_with_the_contract(run: Run) -> None:
    done = run("demo", "--hours", "1", "--json", "--seed", "3")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert report.keys() >= CONTRACT
    assert report["ledger"] == "match"
    assert report["seed"] == 3
    assert report["market_minutes"] == 60
    assert isinstance(report["volume_usd"], float)
    assert report["volume_usd"] > 0


def test_demo_report_reads_well_and_says_where_the_books_are(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--hours", "0.5")
    assert done.returncode == 0, done.stderr
    assert "ledger: match" in done.stdout
    assert "Cost per $100k" in done.stdout
    (books,) = (tmp_path / "runs" / "demo").glob("*.db")
    stats = run("db", "stats", "--json", "--database-url", f"sqlite:///{books}")
    assert stats.returncode == 0, stats.stderr
    assert json.loads(stats.stdout)


def test_ctrl_c_flattens_reports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with started(tmp_path, "demo", "--speed", "600") as process:
        assert process.stderr is not None
        assert "RECONCILED" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stdout + stderr
    assert "ledger: match" in stdout
    assert "0 positions open" in stdout


def test_exchange_serve_prints_its_line_first_and_ends_with_zero(tmp_path: Path) -> None:
    with started(tmp_path, "exchange", "serve", "--port", "0", "--json") as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line.keys() >= {"rest", "ws", "control", "control_token", "accounts"}
        first, second = line["accounts"][:2]
        assert first["user"] == first["signer"]
        assert second["user"] != second["signer"]
        assert first.keys() >= {"user", "signer", "private_key", "api_key", "api_secret"}
        port = int(line["rest"].rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_run_on_a_served_exchange_then_replay_its_journal(run: Run, tmp_path: Path) -> None:
    with (
        started(tmp_path, "exchange", "serve", "--port", "0", "--json", "--speed", "600") as process,
        serving_mail() as mailbox,
    ):
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        account = line["accounts"][1]
        done = run(
            "run", "--venue", "sim", "--base-url", line["rest"], "--ws-url", line["ws"], "--poll-time", "2",
            "--on-stop", "flatten", "--json",
            environment={
                "REPORT_ON_COMPLETION": "true",
                "NOTIFY_REPORT_URLS": f"mailto://127.0.0.1:{mailbox.port}?to=me@example.com&from=d@example.com",
                "WALLET_ADDRESS": account["user"],
                "ASTER_AGENT_PRIVATE_KEY": account["private_key"],
                "CAPITAL_USDT": "5000",
                "LEVERAGE": "5",
                "MAX_POSITION_SIZE_PCT": "10",
                "DAILY_VOLUME_TARGET": "1000000",
            },
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ledger"] == "match"
    assert report["open_positions"] == 0
    assert "BTCUSDT" in mailbox.part("plain")
    assert account["private_key"][2:] not in done.stderr + done.stdout
    (journal,) = (tmp_path / "runs" / "journals").glob("*.journal")
    assert account["private_key"][2:].encode() not in journal.read_bytes()
    replayed = run("replay", "--verify", str(journal), "--json")
    assert replayed.returncode == 0, replayed.stdout
    assert json.loads(replayed.stdout)["reproduced"] is True


def test_two_lives_of_an_exchange_do_not_mix_in_one_database(run: Run, tmp_path: Path) -> None:
    for _ in range(2):
        with started(tmp_path, "exchange", "serve", "--port", "0", "--json", "--speed", "600") as process:
            assert process.stdout is not None
            line = json.loads(process.stdout.readline())
            account = line["accounts"][1]
            done = run(
                "run", "--venue", "sim", "--base-url", line["rest"], "--ws-url", line["ws"],
                "--poll-time", "2", "--on-stop", "flatten", "--json",
                environment={
                    "ASTER_API_KEY": account["api_key"],
                    "ASTER_API_SECRET": account["api_secret"],
                    "CAPITAL_USDT": "5000",
                    "LEVERAGE": "5",
                    "MAX_POSITION_SIZE_PCT": "10",
                    "DAILY_VOLUME_TARGET": "1000000",
                },
            )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert report["ledger"] == "match", report["ledger_differences"]
        assert report["trades"] > 0


BAD_INPUT = [
    (("demo",), {"LEVERAGE": "-5"}, "LEVERAGE=-5"),
    (("demo",), {"CAPITAL_USDT": "much"}, "CAPITAL_USDT=much"),
    (("demo",), {"TRADING_PAIRS": "FOOUSDT"}, "FOOUSDT"),
    (
        ("demo",),
        {"CAPITAL_USDT": "100", "MAX_POSITION_SIZE_PCT": "1.5", "LEVERAGE": "15"},
        "smallest CAPITAL_USDT that works is 432",
    ),
    (("demo",), {"DB_PATH": "no/such/folder/books.db"}, "no/such/folder"),
    (("demo", "--data", "nowhere.parquet"), {}, "nowhere.parquet"),
    (("demo", "--hours", "many"), {}, "--hours"),
    (("run", "--venue", "mainnet"), {}, "needs credentials"),
    (("run", "--venue", "moon"), {}, "moon"),
    (("run", "--strategy", "hope"), {}, "hope"),
    (("run", "--poll-time", "-3"), {}, "--poll-time"),
    (
        ("run", "--venue", "sim"),
        {"ORDER_API_KEY": "/no/such/key", "ORDER_SECRET_KEY": "/no/such/secret"},
        "/no/such/key",
    ),
    (("exchange", "serve", "--speed", "warp"), {}, "warp"),
    (("replay", "nothing.journal"), {}, "nothing.journal"),
    (("rum",), {}, "did you mean"),
]


@pytest.mark.parametrize(("arguments", "environment", "said"), BAD_INPUT)
def test_bad_input_is_one_clear_line_each_and_exit_code_two(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    done = run(*arguments, environment=environment)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert all(line.startswith("aster-operator: ") for line in done.stderr.splitlines())
    assert done.stdout == ""
    assert not list(tmp_path.glob("logs/crash*"))


KEYS = {
    "WALLET_ADDRESS": "0x36db6E4a7b6C0985cc8921AF52e2023b19100eD7",
    "ASTER_AGENT_PRIVATE_KEY": "0x" + "11" * 32,
}


def test_mainnet_says_what_the_venue_says_and_wants_to_be_confirmed(run: Run) -> None:
    first = run("run", "--venue", "mainnet", environment=KEYS)
    assert first.returncode == 2
    assert "discourages hedging and wash trading" in first.stderr
    assert "--i-understand-hedged-farming" in first.stderr
    second = run("run", "--venue", "mainnet", "--i-understand-hedged-farming", environment=KEYS)
    assert second.returncode == 2
    assert "--yes-real-money" in second.stderr


@pytest.mark.parametrize("command", [("demo",), ("exchange", "serve")])
def test_a_taken_port_is_named(run: Run, command: tuple[str, ...]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(*command, "--port", str(port))
    assert done.returncode == 2, done.stderr
    assert str(port) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["demo", "run", "exchange", "replay", "db stats"])
def test_help_shows_an_example(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert f"aster-operator {command}" in done.stdout.split("Example")[1]


def test_demo_plays_other_data_with_the_symbols_it_finds_there(run: Run, tmp_path: Path) -> None:
    minutes = pl.read_parquet(sample_data_path() / "klines_1m.parquet")
    file = tmp_path / "minutes.parquet"
    renamed = minutes.filter(pl.col("symbol") == "ETHUSDT").head(120).with_columns(symbol=pl.lit("NEARUSDT"))
    renamed.write_parquet(file)
    done = run("demo", "--data", str(file), "--hours", "2", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["symbols"] == ["NEARUSDT"]
    assert report["ledger"] == "match"


def test_a_remark_about_the_settings_is_made_once(run: Run) -> None:
    done = run("demo", "--hours", "0.02", "--json", environment={"ASTER_STRATEGY": "midfreq"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("ASTER_STRATEGY is no setting, environment: it is ignored") == 1
