"""Reading a `.env` file with line numbers, so that a fault can be pointed at."""

import io
import os
from pathlib import Path

from dotenv.parser import parse_stream

from aster_operator.config.problems import UserProblem

__all__ = ["ENV_FILE_VARIABLE", "EnvFile", "read_env_file"]

ENV_FILE_VARIABLE = "ASTER_OPERATOR_ENV_FILE"
"""Environment variable that names the settings file; empty: read none."""


class EnvFile:
    """Keys of a file with value and line number. `bad_lines` could not be understood."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.values: dict[str, str] = {}
        self.line_numbers: dict[str, int] = {}
        self.bad_lines: list[int] = []
        self.repeated: list[str] = []

    def where(self, key: str) -> str:
        return f"{self.path} line {self.line_numbers[key]}"


def read_env_file(named: str | None) -> EnvFile:
    """Read the file a person named, or the default one when there is one.

    Raises UserProblem when a named file is missing, and when a file cannot be read or is no text.
    """
    if named is None:
        named = os.environ.get(ENV_FILE_VARIABLE)
        if named == "":
            return EnvFile(None)
    path = Path(named) if named is not None else Path(".env")
    if named is None and not path.is_file():
        return EnvFile(None)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserProblem(
            "the settings file does not exist",
            str(path),
            "copy .env.example there, or name another --env-file",
        ) from None
    except UnicodeDecodeError:
        raise UserProblem("the settings file is not UTF-8 text", str(path), "save it as UTF-8") from None
    except OSError as error:
        raise UserProblem(
            f"the settings file cannot be read ({error.strerror})", str(path), "check its permissions"
        ) from None
    return _parse(path, text)


def _parse(path: Path, text: str) -> EnvFile:
    file = EnvFile(path)
    for binding in parse_stream(io.StringIO(text)):
        # A binding's text begins with the blank lines above it.
        leading = binding.original.string
        line = binding.original.line + leading[: len(leading) - len(leading.lstrip())].count("\n")
        if binding.error or (binding.key is not None and binding.value is None):
            file.bad_lines.append(line)
        elif binding.key is not None and binding.value is not None:
            key = binding.key.upper()
            if key in file.values:
                file.repeated.append(key)
            file.values[key] = binding.value
            file.line_numbers[key] = line
    return file
