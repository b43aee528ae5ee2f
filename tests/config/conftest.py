"""Settings tests run in an empty directory, with none of our keys in the environment."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from aster_operator.config.fields import field_key
from aster_operator.config.settings import Settings


@pytest.fixture(autouse=True)
def _clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASTER_OPERATOR_ENV_FILE", raising=False)
    for key in {field_key(field) for field in Settings.model_fields.values()} & os.environ.keys():
        monkeypatch.delenv(key)


@pytest.fixture
def write_env(tmp_path: Path) -> Callable[[str], str]:
    """Write `.env` in the working directory and return its path."""

    def write(text: str) -> str:
        path = tmp_path / ".env"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    return write
