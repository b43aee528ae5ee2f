"""What a session must know again about the account after a restart: the equities that losses count from,
and what was held this week."""

from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.commands import Remember
from aster_operator.domain.money import ZERO
from aster_operator.strategy.equity_marks import EquityMarks

__all__ = ["ACCOUNT_MEMORY", "AccountMemory", "AccountMemoryKeeper"]

ACCOUNT_MEMORY = ("account", "risk")
"""Name and key that the books keep it under."""
_EVERY_MS = MINUTE_MS


class AccountMemory(msgspec.Struct, frozen=True, kw_only=True):
    """`held_usd_hours` is of the UTC week that began at `week_ms`; `marks` None: no equity was ever seen.
    All of it as of `as_of_ms`."""

    marks: EquityMarks | None = None
    week_ms: int = 0
    held_usd_hours: Decimal = ZERO
    as_of_ms: int = 0

    @classmethod
    def of_text(cls, text: str) -> "AccountMemory":
        """Raises msgspec.DecodeError for text that is none."""
        return msgspec.json.decode(text, type=cls)


class AccountMemoryKeeper:
    """Decides when what is known is worth writing down: at most once a minute, when it has changed."""

    def __init__(self, known: AccountMemory) -> None:
        self._written = known

    def command(self, memory: AccountMemory, *, at_once: bool = False) -> Remember | None:
        """What to write now; None when nothing changed or it was written a moment ago."""
        written = self._written
        unchanged = (memory.marks, memory.week_ms, memory.held_usd_hours) == (
            written.marks,
            written.week_ms,
            written.held_usd_hours,
        )
        early = not at_once and memory.as_of_ms - written.as_of_ms < _EVERY_MS
        if unchanged or early:
            return None
        self._written = memory
        strategy, key = ACCOUNT_MEMORY
        text = msgspec.json.encode(memory).decode()
        return Remember(at_ms=memory.as_of_ms, strategy=strategy, key=key, state=text)
