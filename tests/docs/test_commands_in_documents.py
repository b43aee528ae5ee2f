"""Every command and Python example of the documents is run, or listed here with the reason why not."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import PAGES, ROOT, blocks, commands, name_of, rows, section

from warm_programs import warm_programs

README = ROOT / "README.md"

NOT_RUN = {
    "aster-operator doctor --venue testnet": "needs keys and the venue",
    "aster-operator run --venue testnet": "needs keys and the venue",
    "aster-operator run --venue paper": "reads the real venue's public data",
    "aster-operator doctor --venue mainnet": "needs keys and the venue",
    "aster-operator collect --symbols BTCUSDT,ETHUSDT --poll-time forever": (
        "reads the real venue's public data"
    ),
    "aster-operator collect --symbols all --poll-time forever --update-logs false --retention-days 90": (
        "reads the real venue's public data"
    ),
    "aster-operator run --venue mainnet --i-understand-hedged-farming": "trades real money",
    "aster-operator run --dashboard --dashboard-port 8765": "trades on the venue of the settings, with keys",
}
"""Commands that no test may run. `make` targets are not run either, but checked with `make --dry-run`: `make
run` and `make test` are what a fresh clone is tested with (`.ci/run`), and this very suite is `make test`."""

SHORTER = (
    (r"\bdemo(?! --hours)", "demo --hours 0.1"),
    (r"--hours (?!0\.1)\S+", "--hours 0.1"),
    (r"--days \S+", "--days 0.02"),
    (r"--poll-time \S+", "--poll-time 4"),
    (r"--speed \S+", "--speed 300"),
)
"""What is changed in a command so that it takes seconds."""

SERVE = "aster-operator exchange serve"
ALL = [(page, command) for page in PAGES for command in commands(page)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script_of(page: Path, port: int) -> str:
    """The page's commands as one script; an exchange it serves runs beside the rest, until SIGINT."""
    lines = ["set -euo pipefail"]
    served = False
    for command in commands(page):
        if command in NOT_RUN or command.startswith("make"):
            continue
        for pattern, replacement in SHORTER:
            command = re.sub(pattern, replacement, command)
        command = command.replace("8545", str(port))
        if command.startswith(SERVE):
            target = re.findall(r"> (\S+)", command)[0]
            lines += [
                f"{command} & exchange=$!",
                "trap 'kill -INT $exchange 2>/dev/null || true' EXIT",
                f"until [ -s {target} ]; do kill -0 $exchange; sleep 0.05; done",
            ]
            served = True
        else:
            lines.append(command)
    return "\n".join([*lines, "kill -INT $exchange; wait $exchange" if served else "true"])


def run(
    command: list[str], folder: Path, *, warm: Path | None = None, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command, with the programs as installed or with `warm` ones before them."""
    kept = {key: os.environ[key] for key in ("LANG", "HOME", "PYTHONPATH", "TMPDIR") if key in os.environ}
    programs = [str(folder) for folder in (warm, Path(sys.executable).parent) if folder is not None]
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | {"PATH": ":".join([*programs, os.environ["PATH"]])} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which somebody has followed the README from top to bottom, with programs as installed."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
    done = run(["bash", "-c", script_of(README, free_port())], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if page != README and commands(page)], ids=name_of)
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    done = run(["bash", "-c", script_of(page, free_port())], tmp_path, warm=warm_programs())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("page", "command"),
    [(page, command) for page, command in ALL if command.startswith("make")],
    ids=lambda value: value if isinstance(value, str) else name_of(value),
)
def test_a_make_target_exists_and_its_recipe_is_sound(page: Path, command: str) -> None:
    done = run(["bash", "-c", command.replace("make", "make --dry-run", 1)], ROOT)
    assert done.returncode == 0, done.stderr


def test_make_run_is_the_demo() -> None:
    done = run(["make", "--dry-run", "run", "ARGS=--json"], ROOT)
    assert "aster-operator demo --json" in done.stdout


def test_what_is_not_run_is_still_written_somewhere() -> None:
    assert set(NOT_RUN) - {command for _, command in ALL} == set()


# --- what the README's commands leave behind ------------------------------------------------------------


def test_the_readme_can_be_followed(walked: Path) -> None:
    assert (walked / "report.json").read_text().count("\n") == 1
    assert (walked / "trades.csv").read_text().startswith("id,timestamp,")
    assert list((walked / "runs" / "journals").glob("*.journal"))
    assert (walked / ".env").stat().st_mode & 0o077 == 0


def fields_in(heading: str, summary: str) -> set[str]:
    """Field names of the table in the README's section that follows `summary`."""
    text = section(README, heading).split(summary)[1].split("</details>")[0]
    return {name for row in rows(text) for name in re.findall(r"`(\w+)`", row[0])}


def test_the_readme_lists_the_fields_of_the_report(walked: Path) -> None:
    report = json.loads((walked / "report.json").read_text())
    assert fields_in("For scripts", "demo --json</code>") == set(report)


def test_the_readme_lists_the_fields_of_the_exchange_line(walked: Path) -> None:
    first = json.loads((walked / "exchange.json").read_text().splitlines()[0])
    assert fields_in("For scripts", "exchange serve --json</code>") == set(first) | {"ca_file"}
    for account in first["accounts"]:
        assert set(account) == {"user", "signer", "private_key", "api_key", "api_secret"}
        assert all(f"`{name}`" in section(README, "For scripts") for name in account)


def test_the_readme_explains_every_line_of_the_report(tmp_path: Path) -> None:
    shown = run(["aster-operator", "demo", "--hours", "0.1"], tmp_path, warm=warm_programs(), COLUMNS="140")
    assert shown.returncode == 0, shown.stderr
    labels = re.findall(r"^│ (\S(?:\S| (?! ))*) {2,}", shown.stdout, re.MULTILINE)
    assert {"Volume", "Hold time", "Cost per $100k"} <= set(labels)
    explained = " ".join(row[0] for row in rows(section(README, "What the report says")))
    assert [label for label in labels if label not in explained] == []


# --- Python -----------------------------------------------------------------------------------------------

EXAMPLES = [
    pytest.param(block.text, id=f"{name_of(page)}:{block.line}")
    for page in PAGES
    for block in blocks(page)
    if block.language == "python"
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_python_example_runs(example: str, walked: Path) -> None:
    done = run(["python", "-c", example], walked, warm=warm_programs(), DB_PATH="practice.db")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_examples_see_the_trades(walked: Path) -> None:
    import pandas as pd

    outputs = [
        run([sys.executable, "-c", str(example.values[0])], walked, DB_PATH="practice.db").stdout
        for example in EXAMPLES
        if "README.md" in str(example.id)
    ]
    assert outputs[0] == "Today's volume: $0.00\n"  # what was traded in the recorded past is not today's
    frame = pd.read_csv(walked / "trading_history.csv")
    assert list(frame.columns) == ["timestamp", "symbol", "side", "price", "quantity", "pnl"]
    assert len(frame) >= 2
