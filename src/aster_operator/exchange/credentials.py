"""The two kinds of key the venue knows, secrets masked by type (protocol reference, section 1.3)."""

import re
from typing import Final, NoReturn

from coincurve import PrivateKey

from aster_operator.exchange.signing.keccak import keccak256

__all__ = [
    "AgentCredentials",
    "ApiKeyCredentials",
    "Credentials",
    "CredentialsError",
    "Secret",
    "address_of_private_key",
    "checksum_address",
]

_ADDRESS = re.compile(r"^0x[0-9a-fA-F]{40}$")
_PRIVATE_KEY = re.compile(r"^(0x)?[0-9a-fA-F]{64}$")
_PRINTABLE = re.compile(r"^[\x21-\x7e]+$")


class CredentialsError(ValueError):
    """Credentials that cannot work; the text says which part and why, never its value."""


class Secret:
    """Text that shows as stars wherever it is printed, logged or traced. `reveal()` gives it out."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text: Final = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret('********')"

    def __str__(self) -> str:
        return "********"

    def __format__(self, spec: str) -> str:
        return format("********", spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def checksum_address(raw: bytes) -> str:
    """Return the 20 bytes of an address in the mixed-case spelling of EIP-55."""
    lower = raw.hex()
    digest = keccak256(lower.encode()).hex()
    pairs = zip(lower, digest, strict=False)
    return "0x" + "".join(c.upper() if int(h, 16) >= 8 else c for c, h in pairs)


def address_of_private_key(secret: bytes) -> str:
    """Return the checksummed address that belongs to a 32-byte private key."""
    public = PrivateKey(secret).public_key.format(compressed=False)[1:]
    return checksum_address(keccak256(public)[-20:])


class AgentCredentials:
    """V3: `signer` is the agent (API wallet) that `user`, the main wallet, has approved; its key signs.

    A main wallet may be its own signer (`user == signer`). Addresses keep the case they are given in.
    Raises CredentialsError for a malformed part and for a key that does not belong to `signer`.
    """

    __slots__ = ("private_key", "signer", "user")

    def __init__(self, user: str, signer: str, private_key: str | Secret) -> None:
        key = (private_key.reveal() if isinstance(private_key, Secret) else private_key).strip()
        self.user: Final = _checked_address(user, "user (main wallet)")
        self.signer: Final = _checked_address(signer, "signer (agent)")
        if not _PRIVATE_KEY.fullmatch(key):
            raise CredentialsError("private key of the agent must be 64 hex digits, with or without 0x")
        self.private_key: Final = Secret(key.removeprefix("0x").removeprefix("0X").lower())
        try:
            derived = address_of_private_key(self.secret_bytes())
        except ValueError:
            raise CredentialsError("private key of the agent is not a valid secp256k1 key") from None
        if derived.lower() != self.signer.lower():
            raise CredentialsError(
                f"private key belongs to {derived}, not to the signer {self.signer}: "
                "use the agent's own key, or correct the signer"
            )

    @classmethod
    def from_private_key(cls, private_key: str | Secret, user: str | None = None) -> "AgentCredentials":
        """Derive the signer's address from the key; without `user` the wallet is its own agent."""
        key = private_key.reveal() if isinstance(private_key, Secret) else private_key
        if not _PRIVATE_KEY.fullmatch(key.strip()):
            raise CredentialsError("private key of the agent must be 64 hex digits, with or without 0x")
        try:
            signer = address_of_private_key(bytes.fromhex(key.strip().removeprefix("0x")))
        except ValueError:
            raise CredentialsError("private key of the agent is not a valid secp256k1 key") from None
        return cls(user or signer, signer, key)

    def secret_bytes(self) -> bytes:
        return bytes.fromhex(self.private_key.reveal())

    @property
    def is_main_wallet(self) -> bool:
        """True when the key is the main wallet's own: it may approve agents, and withdraw."""
        return self.user.lower() == self.signer.lower()

    @property
    def account(self) -> str:
        """Label of the trading account: the main wallet."""
        return self.user

    def __repr__(self) -> str:
        return f"AgentCredentials(user={self.user!r}, signer={self.signer!r}, private_key='********')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled")


class ApiKeyCredentials:
    """V1: an API key and its HMAC secret, both case sensitive. No new ones are issued since 2026-03-25.

    Raises CredentialsError for an empty or unprintable part.
    """

    __slots__ = ("api_key", "api_secret")

    def __init__(self, api_key: str | Secret, api_secret: str | Secret) -> None:
        self.api_key: Final = _checked_text(api_key, "API key")
        self.api_secret: Final = _checked_text(api_secret, "API secret")

    @property
    def account(self) -> str:
        """Label of the trading account: the first letters of the key, enough to tell two apart."""
        return f"key-{self.api_key.reveal()[:6]}"

    def __repr__(self) -> str:
        return "ApiKeyCredentials(api_key='********', api_secret='********')"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not pickled")


Credentials = AgentCredentials | ApiKeyCredentials


def _checked_address(text: str, what: str) -> str:
    stripped = text.strip()
    if not _ADDRESS.fullmatch(stripped):
        raise CredentialsError(f"{what} must be 0x and 40 hex digits, was {len(stripped)} characters long")
    return stripped


def _checked_text(value: str | Secret, what: str) -> Secret:
    text = (value.reveal() if isinstance(value, Secret) else value).strip()
    if not _PRINTABLE.fullmatch(text):
        raise CredentialsError(f"{what} must not be empty and must hold printable characters only")
    return Secret(text)
