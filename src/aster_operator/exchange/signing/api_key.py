"""V1: HMAC-SHA256 over the raw query followed by the raw body (protocol reference, section 2.1)."""

import hmac

from aster_operator.exchange.credentials import ApiKeyCredentials

__all__ = ["ApiKeySigner"]


class ApiKeySigner:
    """Signs text with the secret of an API key."""

    __slots__ = ("_secret", "api_key")

    def __init__(self, credentials: ApiKeyCredentials) -> None:
        self.api_key = credentials.api_key.reveal()
        self._secret = credentials.api_secret.reveal().encode()

    def signature(self, text: str) -> str:
        """Return the lower-case hex signature of `text` as it goes on the wire."""
        return hmac.digest(self._secret, text.encode(), "sha256").hex()

    def sign(self, text: str) -> str:
        """Return `text` with its signature as the last parameter."""
        joint = "&" if text else ""
        return f"{text}{joint}signature={self.signature(text)}"

    def __repr__(self) -> str:
        return "ApiKeySigner(api_key='********')"
