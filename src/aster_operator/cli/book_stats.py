"""Figures of the books for people and for programs."""

import json
from decimal import Decimal
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from aster_operator.database import queries
from aster_operator.database.selection import Selection
from aster_operator.domain.money import ZERO, plain_text

__all__ = ["VenueFigures", "gather", "print_json", "print_tables"]


class VenueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of one venue by day and by symbol, settled funding by day (signed), and the sum of all."""

    venue: str
    days: dict[str, queries.TradeFigures]
    symbols: dict[str, queries.TradeFigures]
    funding: dict[str, Decimal]
    total: queries.TradeFigures

    @property
    def total_funding(self) -> Decimal:
        return sum(self.funding.values(), ZERO)


def gather(connection: Connection, selection: Selection) -> list[VenueFigures]:
    """Read the figures of the selected rows, venue by venue: play money and real money never add up."""
    return [
        _gather_venue(connection, venue, msgspec.structs.replace(selection, venue=venue))
        for venue in queries.venues(connection, selection)
    ]


def _gather_venue(connection: Connection, venue: str, selection: Selection) -> VenueFigures:
    by_day = queries.figures_by_day(connection, selection)
    funding = queries.funding_by_day(connection, selection)
    days = sorted(by_day.keys() | funding.keys())
    return VenueFigures(
        venue=venue,
        days={day.isoformat(): by_day.get(day, queries.NO_TRADES) for day in days},
        symbols=queries.figures_by_symbol(connection, selection),
        funding={day.isoformat(): amount for day, amount in funding.items()},
        total=queries.totals(connection, selection),
    )


def _as_json(figures: queries.TradeFigures) -> dict[str, Any]:
    return {
        "volume_usd": plain_text(figures.volume),
        "trades": figures.trades,
        "realized_pnl_usd": plain_text(figures.realized_pnl),
        "fees_usd": plain_text(figures.fees_usd),
        "other_fees": {asset: plain_text(paid) for asset, paid in figures.other_fees.items()},
    }


def _venue_json(figures: VenueFigures) -> dict[str, Any]:
    return {
        "venue": figures.venue,
        "total": _as_json(figures.total) | {"funding_usd": plain_text(figures.total_funding)},
        "days": [
            {"date": day, **_as_json(of_day), "funding_usd": plain_text(figures.funding.get(day, ZERO))}
            for day, of_day in figures.days.items()
        ],
        "symbols": [{"symbol": symbol, **_as_json(of)} for symbol, of in figures.symbols.items()],
    }


def print_json(figures: list[VenueFigures]) -> None:
    """Print one JSON object; amounts are texts, so that no reader rounds them."""
    print(json.dumps({"venues": [_venue_json(of_venue) for of_venue in figures]}))


def print_tables(figures: list[VenueFigures]) -> None:
    """Print for each venue a table by day and one by symbol."""
    console = Console()
    if not figures:
        console.print("The books hold no trades that match.")
    for of_venue in figures:
        console.print(_day_table(of_venue))
        console.print(_symbol_table(of_venue))


def _day_table(figures: VenueFigures) -> Table:
    table = _table(figures.venue, "UTC day", "Funding $")
    for day, of_day in figures.days.items():
        table.add_row(day, *_cells(of_day), _money(figures.funding.get(day, ZERO)))
    table.add_section()
    table.add_row("total", *_cells(figures.total), _money(figures.total_funding), style="bold")
    return table


def _symbol_table(figures: VenueFigures) -> Table:
    table = _table(figures.venue, "Symbol")
    for symbol, of_symbol in figures.symbols.items():
        table.add_row(symbol, *_cells(of_symbol))
    return table


def _table(venue: str, first: str, *more: str) -> Table:
    table = Table(title=venue, title_justify="left")
    table.add_column(first)
    for name in ("Volume $", "Trades", "Realised PnL $", "Fees $", *more):
        table.add_column(name, justify="right")
    return table


def _cells(figures: queries.TradeFigures) -> tuple[str, str, str, str]:
    others = "".join(f" + {plain_text(paid)} {asset}" for asset, paid in figures.other_fees.items())
    return (
        _money(figures.volume),
        f"{figures.trades:,}",
        _money(figures.realized_pnl),
        _money(figures.fees_usd) + others,
    )


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"
