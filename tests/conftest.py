"""What every test shares: no settings file of the machine is ever read, and no skip goes unseen."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

os.environ["ASTER_OPERATOR_ENV_FILE"] = ""

# A busy machine is no fault of the code: examples have no deadline.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")


_LONGEST = (
    "test_architecture.py",
    "runtime/test_positions_killed.py",
    "docs/test_commands_in_documents.py",
    "examples/test_notebooks.py",
    "runtime/test_delta_neutral_session.py",
    "runtime/test_position_sessions.py",
    "execution/test_execution_machine.py",
    "backtest/test_validation_study.py",
    "backtest/test_against_vectorbt.py",
    "market_data/test_recorder_killed.py",
)
"""Files that take a worker half a minute and more. They go first: one that began last would keep a worker
busy while the others stand idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, all else as it was found."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> Iterator[None]:
    """A command run within a test sets up logs for a stream that is closed when the test is over."""
    yield
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, even in quiet runs."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in reasons.items():
        terminalreporter.write_line(f"SKIPPED {count} tests: {reason}", yellow=True, bold=True)
