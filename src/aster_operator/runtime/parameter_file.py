"""A strategy's parameter file, read again when it changes."""

from contextlib import suppress
from pathlib import Path

from aster_operator.config.problems import UserProblem

__all__ = ["ParameterFile"]


class ParameterFile:
    """Tells of new content, once for each change; whether it is valid is for the strategy to judge."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = self._read()
        self._stamp = self._stamped()

    def changed(self) -> str | None:
        """The new content since the last call, None when there is none or the file cannot be read now."""
        try:
            stamp = self._stamped()
            if stamp == self._stamp:
                return None
            text = self._read()
        except (OSError, UserProblem):
            return None  # being replaced just now: the next look finds it
        self._stamp = stamp
        if text == self.text:
            return None
        self.text = text
        return text

    def read_again(self) -> str:
        """The content now, changed or not. Raises UserProblem when the file cannot be read."""
        stamp = self._stamp
        with suppress(OSError):  # a file that is not there cannot be read either
            stamp = self._stamped()
        self.text = self._read()
        self._stamp = stamp
        return self.text

    def _stamped(self) -> tuple[int, int, int]:
        status = self.path.stat()
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            raise UserProblem(
                f"{self.path}: {reason}", "the parameter file", "name one that can be read"
            ) from error
