"""One line for each finished trade of a single position, in `orders_YYYYMMDD.csv`, a file a UTC day."""

import csv
from decimal import Decimal
from pathlib import Path

from aster_operator.database.rows import lifecycle_row, naive_utc
from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.money import plain_text

__all__ = ["TradeLog"]


class TradeLog:
    """Appends to the file of the day on which the trade ended; the header is written once in each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, trade: ClosedTrade, at_ms: int) -> Path:
        """Add one line and return its file. Raises OSError when it cannot be written."""
        ended_ms = trade.exit_filled_ms or at_ms
        row = {"ts_unix_ms": ended_ms, "ts_dt_utc": naive_utc(ended_ms).isoformat(), **lifecycle_row(trade)}
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"orders_{naive_utc(ended_ms):%Y%m%d}.csv"
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({name: _text(value) for name, value in row.items()})
        return path


def _text(value: object) -> object:
    """Empty for what is not known, never zero."""
    return "" if value is None else plain_text(value) if isinstance(value, Decimal) else value
