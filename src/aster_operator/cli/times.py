"""Days and times typed on the command line, as market time."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aster_operator.config.problems import UserProblem

if TYPE_CHECKING:
    from aster_operator.database.selection import Selection

__all__ = ["parse_time_ms", "selection"]


def parse_time_ms(text: str, option: str) -> int:
    """Milliseconds since 1970 of an ISO day or time; UTC unless it says otherwise. Raises UserProblem."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UserProblem(
            f"{text!r} is no day or time", option, "write 2026-02-20 or 2026-02-20T08:00 (UTC)"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def selection(*, venue: str | None, symbol: str | None, since: str | None, until: str | None) -> "Selection":
    """The rows that the options of a command ask for. Raises UserProblem for a time that is none."""
    # Only here: it loads what speaks to databases, for which commands without one would wait.
    from aster_operator.database.selection import Selection

    return Selection(
        venue=venue,
        symbol=symbol.upper() if symbol is not None else None,
        since_ms=parse_time_ms(since, "--since") if since is not None else None,
        until_ms=parse_time_ms(until, "--until") if until is not None else None,
    )
