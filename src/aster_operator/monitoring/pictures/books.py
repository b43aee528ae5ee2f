"""What `db stats` shows and /api/books answers: the sums of the books, venue by venue."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from sqlalchemy import Connection

from aster_operator.database import queries
from aster_operator.database.selection import Selection
from aster_operator.domain.money import ZERO, plain_text

__all__ = [
    "Books",
    "BooksOfDay",
    "BooksOfSymbol",
    "BooksOfVenue",
    "BooksTotal",
    "VenueFigures",
    "books_picture",
    "gather_figures",
]

_Exact = Annotated[str, msgspec.Meta(description="A decimal as text, so that no reader rounds it.")]


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


class _Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over trades, USD. `realized_pnl_usd` is before fees; `other_fees` were paid in assets without a
    known price, by asset."""

    volume_usd: _Exact
    trades: int
    realized_pnl_usd: _Exact
    fees_usd: _Exact
    other_fees: dict[str, _Exact]


class BooksOfSymbol(_Sums, frozen=True, kw_only=True):
    symbol: str


class BooksTotal(_Sums, frozen=True, kw_only=True):
    """`funding_usd` is settled funding: negative was paid."""

    funding_usd: _Exact


class BooksOfDay(BooksTotal, frozen=True, kw_only=True):
    """`date` is the UTC day."""

    date: str


class BooksOfVenue(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: play money and real money never add up. Days oldest first."""

    venue: str
    total: BooksTotal
    days: list[BooksOfDay]
    symbols: list[BooksOfSymbol]


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts are texts, every digit."""

    venues: list[BooksOfVenue]


def gather_figures(connection: Connection, selection: Selection) -> list[VenueFigures]:
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


def books_picture(figures: list[VenueFigures]) -> Books:
    """The figures as one object."""
    return Books(venues=[_venue(of_venue) for of_venue in figures])


def _venue(figures: VenueFigures) -> BooksOfVenue:
    return BooksOfVenue(
        venue=figures.venue,
        total=BooksTotal(**_sums(figures.total), funding_usd=plain_text(figures.total_funding)),
        days=[
            BooksOfDay(date=day, **_sums(of_day), funding_usd=plain_text(figures.funding.get(day, ZERO)))
            for day, of_day in figures.days.items()
        ],
        symbols=[BooksOfSymbol(symbol=symbol, **_sums(of)) for symbol, of in figures.symbols.items()],
    )


def _sums(figures: queries.TradeFigures) -> dict[str, Any]:
    return {
        "volume_usd": plain_text(figures.volume),
        "trades": figures.trades,
        "realized_pnl_usd": plain_text(figures.realized_pnl),
        "fees_usd": plain_text(figures.fees_usd),
        "other_fees": {asset: plain_text(paid) for asset, paid in figures.other_fees.items()},
    }
