"""What the owner is told about limits: once when one is crossed, not at every tick that it stays so."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.strategy.limit_rules import Level
from aster_operator.strategy.risk_limits import LimitReading

__all__ = ["RiskWatch"]

_CLEAR_SHARE = Decimal("0.9")
"""A warning is over when the value has gone back by a tenth of the level it was given at."""
_UNKNOWN_PATIENCE_MS = 60_000
"""A value may be missing this long (a position just opened, a stream just connected) before it is said."""

_Key = tuple[str, str, str]


@dataclass(slots=True)
class RiskWatch:
    """Remembers what was said. `readings` are the newest, for those who show them. `account_every_ms` is how
    often the account is read while something is held: until it was read once, or a minute after it should
    have been, nothing is missing yet that the venue tells only there."""

    account_every_ms: int = 0
    readings: dict[_Key, LimitReading] = field(default_factory=dict)
    _said: dict[_Key, Level] = field(default_factory=dict)
    _unknown_since_ms: dict[_Key, int] = field(default_factory=dict)

    def observe(
        self, readings: Iterable[LimitReading], now_ms: int, account_ms: int | None = None
    ) -> list[LimitReading]:
        """Take in every reading of this instant; return those the owner must hear of now. `account_ms` is
        when the account was last read."""
        self.readings = {
            (reading.rule.setting, reading.rule.aspect, reading.subject): reading for reading in readings
        }
        for key, level in tuple(self._said.items()):
            # What cannot be known here is not said again for every new pair.
            if key not in self.readings and level is not Level.UNKNOWN:
                del self._said[key]
        for key in tuple(self._unknown_since_ms):
            if key not in self.readings:
                del self._unknown_since_ms[key]
        return [
            reading
            for key, reading in self.readings.items()
            if self._is_news(key, reading, now_ms, account_ms)
        ]

    def _is_news(self, key: _Key, reading: LimitReading, now_ms: int, account_ms: int | None) -> bool:
        said = self._said.get(key, Level.OK)
        if reading.level is Level.UNKNOWN:
            since_ms = self._unknown_since_ms.setdefault(key, now_ms)
            patience_ms = _UNKNOWN_PATIENCE_MS
            if reading.from_account and (account_ms is None or account_ms < since_ms):
                patience_ms += self.account_every_ms
            if said is Level.UNKNOWN or now_ms - since_ms < patience_ms:
                return False
            self._said[key] = Level.UNKNOWN
            return True
        self._unknown_since_ms.pop(key, None)
        if reading.level is Level.OK:
            if said is Level.UNKNOWN or _is_clear(reading):
                self._said.pop(key, None)
            return False
        if said is reading.level or said is Level.ACT:
            if reading.level is Level.WARN and _is_clear_of_acting(reading):
                self._said[key] = Level.WARN
            return False
        self._said[key] = reading.level
        return True


def _is_clear(reading: LimitReading) -> bool:
    return reading.value is not None and _has_left(reading, reading.warn_at)


def _is_clear_of_acting(reading: LimitReading) -> bool:
    return reading.value is not None and _has_left(reading, reading.act_at)


def _has_left(reading: LimitReading, bound: Decimal) -> bool:
    if reading.value is None:
        return False
    if reading.rule.falls:
        return reading.value > bound / _CLEAR_SHARE
    return reading.value < bound * _CLEAR_SHARE
