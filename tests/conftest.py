"""What every test shares: no settings file of the machine is ever read, and no skip goes unseen."""

import os
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

os.environ["ASTER_OPERATOR_ENV_FILE"] = ""

# A busy machine is no fault of the code: examples have no deadline.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")


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
