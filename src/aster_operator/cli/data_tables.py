"""What the `data` commands print: tables for people, dictionaries for JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from rich.console import Console
from rich.table import Table

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.coverage import DayCoverage
from aster_operator.market_data.catalog.quality import QualityReport
from aster_operator.monitoring.time_text import utc_text

__all__ = ["check_json", "list_json", "show_check", "show_days", "show_list", "show_rows"]


_WIDE = 200


def _table(*columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def _console() -> Console:
    """Standard output; into a file or a pipe nothing is cut off."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def _by_symbol(days: Sequence[DayCoverage]) -> dict[tuple[str, str], list[DayCoverage]]:
    found: dict[tuple[str, str], list[DayCoverage]] = {}
    for day in days:
        found.setdefault((day.stream, day.symbol), []).append(day)
    return found


def list_json(root: Path, days: Sequence[DayCoverage]) -> dict[str, Any]:
    return {
        "catalog": str(root),
        "streams": [
            {
                "stream": stream,
                "symbol": symbol,
                "rows": sum(day.rows for day in found),
                "bytes": sum(day.bytes for day in found),
                "first_ms": min(day.first_ms for day in found),
                "last_ms": max(day.last_ms for day in found),
                "days": [
                    {
                        "date": day.date,
                        "rows": day.rows,
                        "first_ms": day.first_ms,
                        "last_ms": day.last_ms,
                        "minutes_pct": day.minutes_pct,
                        "bytes": day.bytes,
                    }
                    for day in found
                ],
            }
            for (stream, symbol), found in _by_symbol(days).items()
        ],
    }


def show_list(root: Path, days: Sequence[DayCoverage]) -> None:
    table = _table(
        "Stream", "Symbol", "Rows", "Days", "From (UTC)", "To", "Bytes", right=("Rows", "Days", "Bytes")
    )
    for (stream, symbol), found in _by_symbol(days).items():
        table.add_row(
            stream,
            symbol,
            f"{sum(day.rows for day in found):,}",
            str(len(found)),
            utc_text(min(day.first_ms for day in found)),
            utc_text(max(day.last_ms for day in found)),
            f"{sum(day.bytes for day in found):,}",
        )
    _console().print(table)
    _console().print(
        f"{sum(day.rows for day in days):,} rows, {sum(day.bytes for day in days):,} bytes, {root}"
    )


def show_days(days: Sequence[DayCoverage]) -> None:
    table = _table(
        "Stream", "Symbol", "Day", "Rows", "Minutes with rows", right=("Rows", "Minutes with rows")
    )
    for day in days:
        table.add_row(day.stream, day.symbol, day.date, f"{day.rows:,}", f"{day.minutes_pct:.1f} %")
    _console().print(table)


def show_rows(rows: pl.DataFrame) -> None:
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=10_000, tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True, tbl_formatting="NOTHING", fmt_str_lengths=40,
    ):  # fmt: skip
        print(rows)


def check_json(
    catalog: Catalog,
    report: QualityReport,
    symbols: Sequence[str] | None,
    start_ms: int | None,
    end_ms: int | None,
) -> dict[str, Any]:
    readable = not any("stream=gaps" in line for line in report.unreadable)
    gaps = catalog.gaps(symbols, start_ms=start_ms, end_ms=end_ms).to_dicts() if readable else []
    days = msgspec.to_builtins(report.days)
    totals = {
        name: sum(day[name] for day in days)
        for name in ("rows", "duplicates", "crossed", "out_of_order", "impossible", "missing", "unexplained")
    }
    return {
        "ok": report.ok,
        "catalog": str(catalog.root),
        **totals,
        "unreadable": report.unreadable,
        "days": days,
        "gaps": gaps,
    }


def show_check(report: QualityReport) -> None:
    numbers = ("Rows", "Covered", "Gaps", "Unfilled", "Twice", "Crossed", "Disorder", "Impossible", "Missing")
    table = _table("Stream", "Symbol", "Day", *numbers, right=numbers)
    for day in report.days:
        table.add_row(
            day.stream,
            day.symbol,
            day.date,
            f"{day.rows:,}",
            f"{day.coverage_pct:.1f} %",
            str(day.gaps),
            str(day.unfilled),
            str(day.duplicates),
            str(day.crossed),
            str(day.out_of_order),
            str(day.impossible),
            str(day.missing) if day.missing == day.unexplained else f"{day.missing} (some known)",
            style=None if day.is_good else "red",
        )
    console = _console()
    console.print(table)
    for line in report.unreadable:
        console.print(f"cannot be read: {line}", style="red", soft_wrap=True)
    console.print("Nothing is wrong." if report.ok else "Something is wrong.", style="bold")
