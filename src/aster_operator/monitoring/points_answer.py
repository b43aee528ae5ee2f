"""Everything that `aster-operator points` shows, before it is laid out."""

from datetime import date
from decimal import Decimal

import msgspec

from aster_operator.monitoring.points_books import BookReports
from aster_operator.rewards.calibration import Calibration
from aster_operator.rewards.profile import Profile
from aster_operator.rewards.records import Context
from aster_operator.rewards.summary import epoch_notes, verdict

__all__ = ["Fit", "PointsAnswer", "book_notes"]


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the official totals: a calibration, or why it was refused."""

    calibration: Calibration | None
    refusal: str | None


class PointsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is shown."""

    profile: Profile
    context: Context
    today: date
    point_value_usd: Decimal | None
    books: tuple[BookReports, ...]
    fit: Fit | None

    def verdict_of(self, book: BookReports) -> str:
        return verdict(book.epochs, self.profile, self.today, self.point_value_usd)


def book_notes(book: BookReports) -> list[str]:
    """What the figures of a venue do not hold, one sentence each."""
    found = epoch_notes(book.epochs)
    if book.unexplained_closes:
        found.append(
            f"{book.unexplained_closes} trades closed positions whose opening the books do not hold: "
            "position-hours are too low."
        )
    if any(report.position_usd_hours for report in book.epochs):
        found.append(
            "Positions are valued at the last own trade of their symbol and counted to the last record; "
            "what is open is in the cost only where that is said."
        )
    return found
