"""V1: HMAC-SHA256 over the raw query followed by the raw body (protocol reference, section 2.1)."""

import hashlib

from aster_operator.exchange.credentials import ApiKeyCredentials

__all__ = ["ApiKeySigner"]

_BLOCK_BYTES = 64


class ApiKeySigner:
    """Signs text with the secret of an API key."""

    __slots__ = ("_inner", "_outer", "api_key")

    def __init__(self, credentials: ApiKeyCredentials) -> None:
        self.api_key = credentials.api_key.reveal()
        secret = credentials.api_secret.reveal().encode()
        if len(secret) > _BLOCK_BYTES:
            secret = hashlib.sha256(secret).digest()
        block = secret.ljust(_BLOCK_BYTES, b"\0")
        # The key is hashed once, here: each signature goes on from copies of the two states (RFC 2104).
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def signature(self, text: str) -> str:
        """Return the lower-case hex signature of `text` as it goes on the wire."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()

    def sign(self, text: str) -> str:
        """Return `text` with its signature as the last parameter."""
        joint = "&" if text else ""
        return f"{text}{joint}signature={self.signature(text)}"

    def __repr__(self) -> str:
        return "ApiKeySigner(api_key='********')"
