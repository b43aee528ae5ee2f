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

__all__ = ["BookFigures", "gather", "print_json", "print_tables"]


class BookFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Trades by day and by symbol, settled funding by day (signed), and the sum of all."""

    days: dict[str, queries.TradeFigures]
    symbols: dict[str, queries.TradeFigures]
    funding: dict[str, Decimal]
    total: queries.TradeFigures


def gather(connection: Connection, selection: Selection) -> BookFigures:
    """Read all figures of the selected rows."""
    by_day = queries.figures_by_day(connection, selection)
    funding = queries.funding_by_day(connection, selection)
    return BookFigures(
        days={
            day.isoformat(): by_day.get(day, queries.NO_TRADES)
            for day in sorted(by_day.keys() | funding.keys())
        },
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


def print_json(figures: BookFigures) -> None:
    """Print one JSON object; amounts are texts, so that no reader rounds them."""
    days = [
        {"date": day, **_as_json(of_day), "funding_usd": plain_text(figures.funding.get(day, ZERO))}
        for day, of_day in figures.days.items()
    ]
    total = _as_json(figures.total) | {"funding_usd": plain_text(sum(figures.funding.values(), ZERO))}
    symbols = [{"symbol": symbol, **_as_json(of_symbol)} for symbol, of_symbol in figures.symbols.items()]
    print(json.dumps({"total": total, "days": days, "symbols": symbols}))


def print_tables(figures: BookFigures) -> None:
    """Print a table by day and one by symbol."""
    console = Console()
    if not figures.days:
        console.print("The books hold no trades that match.")
        return
    by_day = _table("UTC day", with_funding=True)
    for day, of_day in figures.days.items():
        by_day.add_row(day, *_cells(of_day), _money(figures.funding.get(day, ZERO)))
    by_day.add_section()
    by_day.add_row("total", *_cells(figures.total), _money(sum(figures.funding.values(), ZERO)), style="bold")
    console.print(by_day)
    by_symbol = _table("Symbol", with_funding=False)
    for symbol, of_symbol in figures.symbols.items():
        by_symbol.add_row(symbol, *_cells(of_symbol))
    console.print(by_symbol)


def _table(first: str, *, with_funding: bool) -> Table:
    table = Table(title_justify="left")
    table.add_column(first)
    names = ["Volume $", "Trades", "Realised PnL $", "Fees $", *(["Funding $"] if with_funding else [])]
    for name in names:
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
