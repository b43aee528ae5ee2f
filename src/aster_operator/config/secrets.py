"""Where secrets come from: the text itself, a file, systemd, Google Secret Manager, the system's keyring.

A setting that is a secret takes its text, or says where it is:

    the path of a file                       a file that holds it and nothing else
    credential:NAME                          a credential the service manager passed (systemd)
    gcp:NAME, gcp:projects/P/secrets/NAME    Google Secret Manager, /versions/N for another than the newest
    keyring:SERVICE/NAME                     the keyring of the operating system

A credential that has the name of a setting is taken without being asked for. Every fault is a ValueError
whose text never holds the secret; the settings make one line of it.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

__all__ = [
    "CREDENTIALS_VARIABLE",
    "SECRET_FORMS",
    "checked_secret",
    "credential_path",
    "file_mode_remark",
    "is_placeholder",
    "is_reference",
    "names_a_place",
    "read_secret",
]

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Environment variable with which systemd names the directory of a service's credentials."""

SECRET_FORMS = (
    "the text itself, the path of a file that holds it and nothing else, "  # noqa: S105 - words about it
    "credential:NAME, gcp:NAME or keyring:SERVICE/NAME"
)

_PLACEHOLDER = re.compile(
    r"^(?:your[_\- ].*|<.*>|change[_\-]?me|replace[_\-]?me|todo|x{3,}|.*_here|0x[0-9a-fA-F]*\.{3})$",
    re.IGNORECASE,
)
_PATH_LIKE = re.compile(r"^(?:/|\./|\.\./|~|[A-Za-z]:[\\/])|\.(?:txt|key|pem|secret)$")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_LARGEST_BYTES = 4096
_WRITABLE_BY_OTHERS = 0o022
_READABLE_BY_OTHERS = 0o077


def read_secret(text: str) -> str:
    """The secret that `text` is, or that `text` names. Raises ValueError."""
    scheme, colon, name = text.partition(":")
    source = _SOURCES.get(scheme) if colon else None
    if source is not None:
        return source(name)
    if _names_a_file(text):
        return _read_file(Path(text).expanduser(), "key file")
    if len(text.split()) > 1:
        raise ValueError("holds white space")
    return text


def is_placeholder(value: object) -> bool:
    """True for example text such as `your_api_key_here`, which counts as not set."""
    return isinstance(value, str) and _PLACEHOLDER.fullmatch(value.strip()) is not None


def names_a_place(text: str) -> bool:
    """True when `text` says where the secret is, False when it is the secret itself."""
    return is_reference(text) or _names_a_file(text)


def is_reference(text: str) -> bool:
    """True for `credential:`, `gcp:` and `keyring:` texts."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme in _SOURCES


def checked_secret(text: str, source: str) -> str:
    """`text` without the line end that editors and `echo` leave. Raises ValueError when it is no one word."""
    stripped = text.strip()
    if not stripped:
        raise ValueError(f"{source} is empty")
    if is_placeholder(stripped):
        raise ValueError(f"{source} holds example text, not a key")
    if len(stripped.split()) > 1:
        raise ValueError(f"{source} holds more than one word or line")
    return stripped


def file_mode_remark(path: Path) -> str | None:
    """What is wrong with the permissions of a file that holds secrets; None when nothing is."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return f"can be read by others, {path}: chmod 600 {path}" if mode & _READABLE_BY_OTHERS else None


def credential_path(name: str) -> Path | None:
    """The file of the credential `name` that the service manager passed; None when there is none with text.

    A unit passes an empty credential where the owner has set none.
    """
    folder = os.environ.get(CREDENTIALS_VARIABLE)
    if not folder:
        return None
    path = Path(folder) / name
    try:
        return path if path.is_file() and path.stat().st_size > 0 else None
    except OSError:
        return path  # it is there and cannot be looked at: reading it says why


def _names_a_file(text: str) -> bool:
    try:
        return _PATH_LIKE.search(text) is not None or Path(text).is_file()
    except (OSError, ValueError):  # too long for a file name, or a zero byte: a value, then
        return False


def _read_file(path: Path, kind: str) -> str:
    try:
        status = path.stat()
        if status.st_size > _LARGEST_BYTES:
            raise ValueError(f"{kind} {path} is larger than {_LARGEST_BYTES} bytes")
        if status.st_mode & _WRITABLE_BY_OTHERS:
            raise ValueError(f"{kind} {path} can be written by others; chmod 600 {path}")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{kind} {path} is not text") from None
    except OSError as error:
        raise ValueError(f"{kind} {path} cannot be read ({error.strerror})") from None
    return checked_secret(text, f"{kind} {path}")


def _read_credential(name: str) -> str:
    if not os.environ.get(CREDENTIALS_VARIABLE):
        raise ValueError(f"names the credential {name!r}, but {CREDENTIALS_VARIABLE} is not set")
    if not _NAME.fullmatch(name):
        raise ValueError("names a credential with letters that credentials cannot have")
    path = credential_path(name)
    if path is None:
        raise ValueError(f"names the credential {name!r}, which the service manager did not pass")
    return _read_file(path, "credential")


def _read_google(name: str) -> str:
    from aster_operator.config.secrets_google import read_google_secret

    return read_google_secret(name)


def _read_keyring(name: str) -> str:
    from aster_operator.config.secrets_keyring import read_keyring_secret

    return read_keyring_secret(name)


_SOURCES: dict[str, Callable[[str], str]] = {
    "credential": _read_credential,
    "gcp": _read_google,
    "keyring": _read_keyring,
}
