"""Secrets in the keyring of the operating system (`pip install "aster-operator[keyring]"`).

macOS Keychain, Windows Credential Locker, GNOME Keyring and KWallet, whichever is there.
"""

import importlib
from types import ModuleType

from aster_operator.config.secrets import checked_secret

__all__ = ["read_keyring_secret", "store_keyring_secret"]


def read_keyring_secret(reference: str) -> str:
    """The secret that `SERVICE/NAME` names. Raises ValueError."""
    service, name = _parts(reference)
    keyring = _keyring()
    errors = importlib.import_module("keyring.errors")
    try:
        text = keyring.get_password(service, name)
    except errors.KeyringError as error:
        raise ValueError(f"cannot be read from the keyring ({error or type(error).__name__})") from None
    if text is None:
        raise ValueError(f"names {service}/{name}, which the keyring does not hold")
    return checked_secret(str(text), f"the keyring's {service}/{name}")


def store_keyring_secret(reference: str, secret: str) -> None:
    """Put `secret` under `SERVICE/NAME`. Raises ValueError, also when something is there already."""
    service, name = _parts(reference)
    keyring = _keyring()
    errors = importlib.import_module("keyring.errors")
    try:
        if keyring.get_password(service, name) is not None:
            raise ValueError(f"the keyring holds {service}/{name} already; choose another name")
        keyring.set_password(service, name, secret)
    except errors.KeyringError as error:
        raise ValueError(f"the keyring cannot be used ({error or type(error).__name__})") from None


def _parts(reference: str) -> tuple[str, str]:
    service, slash, name = reference.partition("/")
    if not (service and slash and name):
        raise ValueError("must be written keyring:SERVICE/NAME")
    return service, name


def _keyring() -> ModuleType:
    try:
        return importlib.import_module("keyring")
    except ModuleNotFoundError:
        raise ValueError('needs the package keyring; run pip install "aster-operator[keyring]"') from None
