"""One recorded session for all tests of the views."""

import asyncio
from pathlib import Path

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
