"""One recorded session for all tests of the views."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from watched import Facts, read_facts, record_session, replica_of

from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.source import StreamHead


@pytest.fixture(scope="session")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watched") / "session.journal"
    asyncio.run(record_session(path))
    return path


@pytest.fixture(scope="session")
def recorded(journal: Path) -> tuple[StreamHead, Facts]:
    return read_facts(journal)


@pytest.fixture(scope="session")
def replica(recorded: tuple[StreamHead, Facts]) -> SessionReplica:
    """Everything the session did, folded in. For reading only."""
    return replica_of(*recorded)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from demo_to_look_at import Demo

    demo = Demo(tmp_path_factory.mktemp("demo"))
    demo.until(
        lambda now: len(now["pairs"]) == 2 and all(pair["phase"] == "holding" for pair in now["pairs"])
    )
    yield demo
    demo.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from demo_to_look_at import CHROMIUM
    from playwright import sync_api as playwright

    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test for every error it meets and every request that leaves this machine."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, color_scheme="dark")
    page, faults = context.new_page(), []
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "console",
        lambda message: (
            message.type == "error" and "favicon" not in str(message.location) and faults.append(message.text)
        ),
    )
    page.on(
        "request",
        lambda request: (
            not request.url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))
            and faults.append(f"left this machine: {request.url}")
        ),
    )
    page.faults = faults
    yield page
    context.close()
