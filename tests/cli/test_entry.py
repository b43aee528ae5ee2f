"""Every ending of a command: an exit code, at most one line for each problem, never a traceback."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_calls import Call, Ending, Run

from aster_operator.cli.app import COMMANDS, build_app
from aster_operator.config.masking import register_secret

ENTRY = "import sys; from aster_operator.cli.entry import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def call_raising(call: Call, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Ending]:
    """Call the entry while the command line meets a statement instead of doing its work."""

    def call_with(statement: str) -> Ending:
        names: dict[str, Any] = {}
        exec(f"def fail(arguments):\n    {statement}", names)  # noqa: S102
        monkeypatch.setattr("aster_operator.cli.app.run_app", names["fail"])
        return call()

    return call_with


@pytest.fixture
def run(start: Run) -> Run:
    """Here it is the start itself that is looked at."""
    return start


def test_the_version_is_one_line(run: Run) -> None:
    done = run("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"aster-operator \d+\.\d+\.\d+\S*\n", done.stdout)
    assert done.stderr == ""


def test_without_arguments_the_help_is_shown(run: Run) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run("--help").stdout
    words = " ".join(done.stdout.split())
    assert [name for name, source in COMMANDS.items() if f" {name} {source.summary}" not in words] == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_quick_answers_load_nothing_heavy(arguments: list[str], run: Run) -> None:
    source = ENTRY.replace(
        "sys.exit(main(sys.argv[1:]))",
        "code = main(sys.argv[1:]); print(sorted(sys.modules), file=sys.stderr); sys.exit(code)",
    )
    done = run(*arguments, source=source)
    assert done.returncode == 0
    heavy = {"sqlalchemy", "polars", "aiohttp", "alembic", "pydantic", "numpy", "rich.console", "coincurve"}
    assert heavy & set(re.findall(r"'([\w.]+)'", done.stderr)) == set()


def _commands() -> list[list[str]]:
    """Every command of the tree, as the words that call it."""
    import typer

    root = typer.main.get_command(build_app())
    found: list[list[str]] = []

    def walk(command: object, path: list[str]) -> None:
        if not hasattr(command, "list_commands"):
            found.append(path)
            return
        context = command.make_context("x", [], resilient_parsing=True)  # type: ignore[attr-defined]
        for name in command.list_commands(context):
            walk(command.get_command(context, name), [*path, name])  # type: ignore[attr-defined]

    walk(root, [])
    return found


COMMAND_PATHS = _commands()


@pytest.mark.parametrize("path", COMMAND_PATHS, ids=" ".join)
def test_every_command_has_help_with_an_example(path: list[str], call: Call) -> None:
    done = call(*path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"Examples?:\n(?:.*\n)*?\s+aster-operator {' '.join(path)}\b", done.stdout)
    options = re.findall(
        r"^  (?:-\w, )?(--[\w-]+)(?:, \S+)*(?: <?[\w|\[\]/.]+>?)?(  +\S)?", done.stdout, re.MULTILINE
    )
    assert options


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str, call: Call) -> None:
    text = " ".join(call(name, "--help").stdout.split())
    assert COMMANDS[name].summary.rstrip(".") in text


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["foo"], "no command 'foo'; there are: "),
        (["dbs"], "no command 'dbs', did you mean 'db': see aster-operator --help"),
        (["--nope"], "no such option: --nope: see aster-operator --help"),
        (["db"], "a command is missing: see aster-operator db --help"),
        (["db", "stat"], "no such command 'stat', did you mean 'stats': see aster-operator db --help"),
        (["db", "stats", "--jsn"], "no such option: --jsn (Possible options: --json"),
        (
            ["db", "stats", "extra"],
            "got unexpected extra argument(s) (extra): see aster-operator db stats --help",
        ),
        (["db", "stats", "--venue", "moon"], "invalid value for '--venue': 'moon' is not one of"),
        (["db", "stats", "--since", "soon"], "'soon' is no day or time, --since: write 2026-02-20"),
        (["db", "export"], "missing option '--out': see aster-operator db export --help"),
        (["db", "export", "--out"], "option '--out' requires an argument"),
        (
            ["db", "export", "--out", "x", "--format", "xml"],
            "invalid value for '--format': 'xml' is not one of",
        ),
        (
            ["db", "init", "--env-file", "no.env"],
            "the settings file does not exist, no.env: copy .env.example",
        ),
        (
            ["db", "init", "--database-url", "sqlite:///no/x.db"],
            "the directory of the database does not exist",
        ),
        (
            ["db", "init", "--database-url", "mysql://h/x"],
            "DATABASE_URL is no database address, command line",
        ),
        (["--version", "db"], "invalid value: --version stands alone"),
    ],
    ids=str,
)
def test_bad_input_is_one_line_and_exit_code_two(arguments: list[str], expected: str, call: Call) -> None:
    done = call(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"aster-operator: {expected}")
    assert done.stderr.count("\n") == 1


def test_all_faults_of_the_settings_are_printed_with_the_warnings_first(run: Run) -> None:
    done = run("db", "init", environment={"LEVERAGE": "-1", "CAPITAL_USDT": "x", "ASTER_API_KEEY": "y"})
    assert done.returncode == 2
    assert [line.split(",")[0] for line in done.stderr.splitlines()] == [
        "aster-operator: warning: ASTER_API_KEEY is no setting",
        "aster-operator: CAPITAL_USDT=x is not allowed",
        "aster-operator: LEVERAGE=-1 is not allowed",
    ]


# --- endings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [1, 20, 120, 250, 500, 1200])
def test_an_interrupt_during_any_import_ends_quietly_with_130(position: int, run: Run) -> None:
    """Ctrl-C while the n-th module is being imported; beyond the last one the command simply succeeds."""
    source = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job has none
        "from aster_operator.cli.entry import main\n"
        "seen = 0\n"
        "def interrupt(event, arguments):\n"
        "    global seen\n"
        "    if event == 'import':\n"
        "        seen += 1\n"
        f"        if seen == {position}:\n"
        "            print('interrupted', file=sys.stdout, flush=True)\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.addaudithook(interrupt)\n"
        "sys.exit(main(['db', 'stats']))\n"
    )
    done = run(source=source)
    assert done.stderr == ""
    assert done.returncode == (130 if "interrupted" in done.stdout else 0)
    assert position > 250 or "interrupted" in done.stdout


@pytest.mark.parametrize(
    ("statement", "code", "error"),
    [
        ("raise KeyboardInterrupt", 130, ""),
        ("raise BaseExceptionGroup('g', [ValueError(1), KeyboardInterrupt()])", 130, ""),
        ("raise SystemExit(3)", 3, ""),
        ("return 5", 5, ""),
        ("import typer; raise typer.Abort", 130, ""),
        (
            "import typer; raise typer.Abort from EOFError()",
            2,
            "a question got no answer, standard input: run it in a terminal, or pass the option it asks for",
        ),
        (
            "from aster_operator.config.problems import UserProblem; raise UserProblem('a', 'b', 'c')",
            2,
            "a, b: c",
        ),
        (
            "from aster_operator.config.problems import UserProblem;"
            "inner = ExceptionGroup('h', [UserProblem('d')]);"
            "raise ExceptionGroup('g', [UserProblem('a', 'b', 'c'), inner])",
            2,
            "a, b: c\naster-operator: d",
        ),
        (
            "import nonexistent_package",
            2,
            f"the package nonexistent_package is not installed, {sys.prefix}: run make install",
        ),
        ("open('/nowhere/file')", 2, "No such file or directory, /nowhere/file: check the path"),
        (
            "raise OSError(98, 'Address already in use')",
            2,
            "Address already in use, the operating system: stop what is using the port, "
            "or choose another with --port",
        ),
        (
            "raise OSError(28, 'No space left on device', 'x.db')",
            2,
            "No space left on device, x.db: free some space on the disk",
        ),
        (
            "from aster_operator.exchange.errors import UnknownOutcome;"
            "raise UnknownOutcome('POST /fapi/v3/order', 'timeout', 'ao1', None)",
            2,
            None,
        ),
    ],
)
def test_each_ending_has_its_code_and_its_line(
    statement: str, code: int, error: str | None, call_raising: Callable[[str], Ending]
) -> None:
    done = call_raising(statement)
    assert done.returncode == code
    if error is None:
        assert done.stderr.startswith("aster-operator: ")
        assert done.stderr.count("\n") == 1
    else:
        assert done.stderr == (f"aster-operator: {error}\n" if error else "")


def test_a_fault_of_ours_is_one_line_and_a_masked_crash_file(
    call_raising: Callable[[str], Ending], tmp_path: Path
) -> None:
    secret = "0x" + "ab" * 32
    register_secret("Zq9secret")
    statement = f"raise RuntimeError('Zq9secret and {secret}\\nsecond line')"
    done = call_raising(statement)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    (crash,) = (tmp_path / "logs").glob("crash-*.log")
    assert f"please report it with {Path('logs') / crash.name}" in done.stderr
    assert done.stderr.startswith("aster-operator: unexpected RuntimeError: *** and *** second line, a fault")
    text = crash.read_text()
    assert "Traceback" in text
    assert "RuntimeError: *** and ***" in text
    assert "Zq9secret" not in text
    assert secret not in text
    assert crash.stat().st_mode & 0o077 == 0


def test_a_crash_file_goes_elsewhere_when_its_place_cannot_be_written(
    call_raising: Callable[[str], Ending], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file, not a directory")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("LOG_DIR", "blocked")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    assert call_raising("raise RuntimeError('x')").returncode == 1
    assert len(list((tmp_path / "elsewhere").glob("crash-*.log"))) == 1


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "from aster_operator.cli import app, entry\n"
        "def talk(arguments):\n"
        "    while True: print('line')\n"
        "app.run_app = talk\n"
        "sys.exit(entry.main([]))\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.readline() == b"line\n"
    writer.stdout.close()
    assert writer.wait(timeout=30) == 141
    assert writer.stderr.read() == b""
    writer.stderr.close()


def test_python_dash_m_and_the_console_script_are_one(run: Run) -> None:
    script = Path(sys.executable).parent / "aster-operator"
    if not script.exists():
        pytest.skip("the console script is not installed next to this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == run("--version").stdout


def test_the_package_itself_is_the_command() -> None:
    command = [sys.executable, "-m", "aster_operator", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "aster-operator")
    wrong = subprocess.run([*command[:3], "nonsense"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
