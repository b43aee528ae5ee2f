"""V1: HMAC-SHA256 over the raw query followed by the raw body (protocol reference, section 2.1)."""

import hashlib

from aster_operator.exchange.credentials import ApiKeyCredentials

__all__ = ["ApiKeySigner"]

_BLOCK_BYTES = 64
_sha256 = hashlib.sha256


class ApiKeySigner:
    """Signs text with the secret of an API key."""

    __slots__ = ("_inner", "_outer", "api_key")

    def __init__(self, credentials: ApiKeyCredentials) -> None:
        self.api_key = credentials.api_key.reveal()
        secret = credentials.api_secret.reveal().encode()
        if len(secret) > _BLOCK_BYTES:
            secret = _sha256(secret).digest()
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        # The two padded keys of RFC 2104. Hashing them again with every text costs less than copying a hash
        # that has read them already: such a copy is an allocation, a block of 64 bytes is nothing.
        self._inner = bytes(byte ^ 0x36 for byte in block)
        self._outer = bytes(byte ^ 0x5C for byte in block)

    def signature(self, text: str) -> str:
        """Return the lower-case hex signature of `text` as it goes on the wire."""
        return _sha256(self._outer + _sha256(self._inner + text.encode()).digest()).hexdigest()

    def sign(self, text: str) -> str:
        """Return `text` with its signature as the last parameter."""
        joint = "&" if text else ""
        return f"{text}{joint}signature={self.signature(text)}"

    def __repr__(self) -> str:
        return "ApiKeySigner(api_key='********')"
