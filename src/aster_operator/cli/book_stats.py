"""Figures of the books for people."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table

from aster_operator.database import queries
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.monitoring.pictures.books import VenueFigures

__all__ = ["print_tables"]


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
