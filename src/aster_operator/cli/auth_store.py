"""Where `aster-operator auth` puts a secret it made or was given, so that it never lies about in clear."""

import os
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path

from aster_operator.config.problems import UserProblem
from aster_operator.config.secrets_keyring import store_keyring_secret

__all__ = ["Store", "keep_secret"]

_CREDENTIAL_STORE = Path("/etc/credstore.encrypted")
_TIMEOUT_S = 60


class Store(StrEnum):
    """Places that can keep a secret."""

    KEYRING = "keyring"
    SYSTEMD = "systemd"
    FILE = "file"
    STDOUT = "stdout"


def keep_secret(store: Store, key: str, label: str, secret: str, file: Path | None = None) -> str:
    """Keep `secret` and return what to write as the setting `key`; empty when nothing has to be written.

    `label` tells several keys apart where they lie side by side. Nothing is ever replaced. `stdout` keeps
    nothing: the caller prints. Raises UserProblem.
    """
    if store is Store.KEYRING:
        reference = f"aster-operator/{key}-{label}"
        try:
            store_keyring_secret(reference, secret)
        except ValueError as error:
            raise UserProblem(str(error), "keyring", "or choose another --store") from None
        return f"keyring:{reference}"
    if store is Store.SYSTEMD:
        _encrypt_credential(key, secret)
        return ""
    if store is Store.FILE:
        path = file if file is not None else Path(f"{key.lower()}.key")
        _write_file(path, secret)
        return str(path.absolute())
    return ""


def _write_file(path: Path, secret: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UserProblem(
            "there is a file already, and keys are never overwritten", str(path), "name another --out"
        ) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UserProblem(
            f"the key cannot be written ({error.strerror})", str(path), "name another --out"
        ) from None


def _encrypt_credential(name: str, secret: str) -> None:
    """Encrypt with the machine's own key, TPM where there is one; the text goes through a pipe, not `ps`."""
    program = shutil.which("systemd-creds")
    if program is None:
        raise UserProblem(
            "systemd-creds is not here",
            "this machine",
            "install systemd 250 or newer, or choose another --store",
        )
    target = _CREDENTIAL_STORE / name
    if target.exists():
        raise UserProblem(
            "there is a credential already, and keys are never overwritten",
            str(target),
            "move it away first",
        )
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        done = subprocess.run(  # noqa: S603 - a program of the system with arguments of ours
            [program, "encrypt", f"--name={name}", "-", str(target)],
            input=secret,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except OSError as error:
        raise UserProblem(
            f"credentials cannot be written ({error.strerror})", str(target), "run it as root"
        ) from None
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        last = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise UserProblem(f"systemd-creds failed: {last}", str(target), "run it as root")
