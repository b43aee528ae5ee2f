"""What every test shares: no settings file of the machine is ever read, and no skip goes unseen."""

import os
from collections import Counter

import pytest

os.environ["ASTER_OPERATOR_ENV_FILE"] = ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why tests were skipped, even in quiet runs."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    )
    for reason, count in reasons.items():
        terminalreporter.write_line(f"SKIPPED {count} tests: {reason}", yellow=True, bold=True)
