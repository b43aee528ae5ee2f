"""Listen keys: one per account and product, valid for sixty minutes, renewed by their owner (section 4.7)."""

from dataclasses import dataclass
from hashlib import sha256

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, Clock
from aster_operator.simulator.server import refusals

__all__ = ["ListenKeys"]


@dataclass(slots=True)
class _Key:
    text: str
    account_id: str
    expires_ms: int


class ListenKeys:
    """The keys of one product. Validity runs on the security clock; `grace_ms` spares clients that renew at
    exactly sixty minutes. `product` keeps the keys of two products apart."""

    def __init__(
        self,
        clock: Clock,
        seed: int,
        validity_ms: int = HOUR_MS,
        grace_ms: int = 2 * MINUTE_MS,
        *,
        product: str = "",
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._product = product
        self._validity_ms = validity_ms
        self._grace_ms = grace_ms
        self._by_account: dict[str, _Key] = {}
        self._by_text: dict[str, _Key] = {}
        self._issued = 0

    def create(self, account_id: str) -> str:
        """The account's active key, extended, or a new one."""
        key = self._active(account_id)
        if key is None:
            self._issued += 1
            material = f"listen key {self._product}{self._seed} {account_id} {self._issued}"
            key = _Key(sha256(material.encode()).hexdigest(), account_id, 0)
            self._by_account[account_id] = self._by_text[key.text] = key
        key.expires_ms = self._clock.now_ms() + self._validity_ms
        return key.text

    def extend(self, account_id: str, supplied: str | None) -> None:
        """Raises VenueRefusal(-1125) without an active key or with one that is not the account's."""
        key = self._active(account_id)
        if key is None or (supplied is not None and supplied != key.text):
            raise refusals.invalid_listen_key()
        key.expires_ms = self._clock.now_ms() + self._validity_ms

    def close(self, account_id: str, supplied: str | None) -> None:
        key = self._active(account_id)
        if key is None or (supplied is not None and supplied != key.text):
            raise refusals.invalid_listen_key()
        self._drop(key)

    def current(self, account_id: str) -> str | None:
        """Text of the account's key while events may still go to it."""
        key = self._by_account.get(account_id)
        return None if key is None else key.text

    def account_of(self, text: str) -> str | None:
        """Whose key this is, None for anything else."""
        key = self._by_text.get(text)
        return None if key is None else key.account_id

    def expire_due(self) -> list[str]:
        """Forget the keys whose time and grace are over and return them."""
        now_ms = self._clock.now_ms()
        return self._expire(
            [key for key in self._by_account.values() if key.expires_ms + self._grace_ms <= now_ms]
        )

    def expire_now(self, account_id: str | None = None) -> list[str]:
        """Forget the key of one account, or all keys, at once (fault injection)."""
        return self._expire(
            [key for key in self._by_account.values() if account_id is None or key.account_id == account_id]
        )

    def _expire(self, keys: list[_Key]) -> list[str]:
        for key in keys:
            self._drop(key)
        return [key.text for key in keys]

    def _active(self, account_id: str) -> _Key | None:
        key = self._by_account.get(account_id)
        if key is not None and key.expires_ms + self._grace_ms <= self._clock.now_ms():
            return None
        return key

    def _drop(self, key: _Key) -> None:
        self._by_account.pop(key.account_id, None)
        self._by_text.pop(key.text, None)
