"""Which sessions run here, and where each can be watched and steered: one small file for each.

`STATE_DIR/sessions/RUN.json`, readable by its owner only, is written when a session is ready and removed when
it ends. After a crash it stays; a reader tells by the process number.
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["SessionFile", "find_sessions"]

_FOLDER = "sessions"


class SessionFile(msgspec.Struct, frozen=True, kw_only=True):
    """One running session. `journal` and `control` are absolute paths; `control` is its steering socket.

    Holds no secret. `started_ms` is market time.
    """

    run_id: str
    pid: int
    venue: str
    account: str
    strategy: str
    started_ms: int
    journal: str
    control: str | None = None
    can_reload: bool = False

    @property
    def is_alive(self) -> bool:
        """Whether the process that wrote it still runs."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it runs, as somebody else
        return True

    def write(self, state_dir: Path) -> Path:
        """Write it where `find_sessions` looks, whole or not at all. Raises OSError."""
        folder = state_dir / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.run_id}.json"
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(self))
        part.replace(path)
        return path


def find_sessions(state_dir: Path) -> list[SessionFile]:
    """Sessions whose process is alive, the one that started last first. Files that cannot be read are left
    out: they belong to somebody else, or are being written."""
    found: list[tuple[float, SessionFile]] = []
    for path in (state_dir / _FOLDER).glob("*.json"):
        with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
            session = msgspec.json.decode(path.read_bytes(), type=SessionFile)
            if session.is_alive:
                found.append((path.stat().st_mtime, session))
    return [session for _, session in sorted(found, key=lambda each: each[0], reverse=True)]
