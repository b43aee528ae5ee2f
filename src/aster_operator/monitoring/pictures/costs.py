"""The Costs and points page as plain values: what trading cost by day, and what a programme may give."""

from decimal import Decimal

import msgspec
from sqlalchemy import Connection

from aster_operator.database import queries
from aster_operator.database.selection import Selection
from aster_operator.domain.money import ZERO
from aster_operator.monitoring.points_books import BookReports, read_books
from aster_operator.monitoring.replica.market_history import AccountSample
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.rewards.profile import Profile
from aster_operator.rewards.records import Context

__all__ = ["BookCosts", "Costs", "DayCosts", "EpochRow", "SessionCosts", "book_costs", "session_costs"]

_HUNDRED_THOUSAND = Decimal(100_000)


class SessionCosts(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of the running session, USD. `cost_per_100k_usd` is what equity has lost for each 100,000 USD
    traded; None before the first trade or while equity is not known."""

    volume_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    realized_pnl_usd: Decimal
    maker_share_pct: Decimal | None
    cost_per_100k_usd: Decimal | None
    series: tuple[AccountSample, ...]


class DayCosts(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day of the books, USD. `other_fees` were paid in assets without a known price."""

    day: str
    volume_usd: Decimal
    trades: int
    realized_pnl_usd: Decimal
    fees_usd: Decimal
    other_fees: dict[str, Decimal]
    funding_usd: Decimal
    net_usd: Decimal
    cost_per_100k_usd: Decimal | None


class EpochRow(msgspec.Struct, frozen=True, kw_only=True):
    """One week of a reward programme: a range of points and what 1,000 of them cost. None: nobody knows, or
    the programme pays none. `points_at_risk` come with positions the venue says it adjusts."""

    venue: str
    first_day: str
    last_day: str
    is_complete: bool
    volume_usd: Decimal
    maker_volume_usd: Decimal
    position_usd_hours: Decimal
    cost_usd: Decimal
    cost_per_100k_usd: Decimal | None
    points_low: Decimal | None
    points_base: Decimal | None
    points_high: Decimal | None
    points_at_risk: Decimal | None
    cost_per_1k_points_usd: Decimal | None


class BookCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What the books say, newest first."""

    profile: str
    days: tuple[DayCosts, ...]
    epochs: tuple[EpochRow, ...]


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """`session` is None while none is followed; `books` None when there are none, `problem` says why."""

    session: SessionCosts | None
    books: BookCosts | None
    problem: str | None = None


def session_costs(replica: SessionReplica, *, samples: int = 1_440) -> SessionCosts:
    """The running session's sums, with one sample a minute."""
    portfolio, series = replica.state.portfolio, tuple(replica.market.account)[-samples:]
    first = next((each.equity_usd for each in replica.market.account if each.equity_usd is not None), None)
    equity, volume = replica.state.equity_usd(), portfolio.volume
    cost = None
    if first is not None and equity is not None and volume:
        cost = (first - equity) * _HUNDRED_THOUSAND / volume
    return SessionCosts(
        volume_usd=volume,
        fees_usd=portfolio.fees,
        funding_usd=portfolio.funding,
        realized_pnl_usd=portfolio.realized_pnl,
        maker_share_pct=portfolio.maker_volume * 100 / volume if volume else None,
        cost_per_100k_usd=cost,
        series=series,
    )


def book_costs(
    connection: Connection, selection: Selection, profile_name: str, profile: Profile
) -> BookCosts:
    """The selected books by day, and by epoch of a programme."""
    reports = read_books(connection, selection, profile, Context())
    return BookCosts(
        profile=profile_name,
        days=tuple(reversed(_days(connection, selection))),
        epochs=tuple(sorted(_epochs(reports), key=lambda row: row.first_day, reverse=True)),
    )


def _days(connection: Connection, selection: Selection) -> list[DayCosts]:
    traded = queries.figures_by_day(connection, selection)
    funding = queries.funding_by_day(connection, selection)
    rows = []
    for day in sorted(traded.keys() | funding.keys()):
        figures, settled = traded.get(day, queries.NO_TRADES), funding.get(day, ZERO)
        net = figures.realized_pnl - figures.fees_usd + settled
        volume = figures.volume
        rows.append(
            DayCosts(
                day=day.isoformat(),
                volume_usd=volume,
                trades=figures.trades,
                realized_pnl_usd=figures.realized_pnl,
                fees_usd=figures.fees_usd,
                other_fees=figures.other_fees,
                funding_usd=settled,
                net_usd=net,
                cost_per_100k_usd=-net * _HUNDRED_THOUSAND / volume if volume else None,
            )
        )
    return rows


def _epochs(reports: list[BookReports]) -> list[EpochRow]:
    return [
        EpochRow(
            venue=report.venue,
            first_day=epoch.epoch.first_day.isoformat(),
            last_day=epoch.epoch.last_day.isoformat(),
            is_complete=epoch.is_complete,
            volume_usd=epoch.volume_usd,
            maker_volume_usd=epoch.maker_volume_usd,
            position_usd_hours=epoch.position_usd_hours,
            cost_usd=epoch.cost.total_usd,
            cost_per_100k_usd=epoch.cost_per_100k_usd,
            points_low=None if epoch.points is None else epoch.points.low,
            points_base=None if epoch.points is None else epoch.points.base,
            points_high=None if epoch.points is None else epoch.points.high,
            points_at_risk=epoch.points_at_risk,
            cost_per_1k_points_usd=(
                None if epoch.cost_per_1k_points_usd is None else epoch.cost_per_1k_points_usd.base
            ),
        )
        for report in reports
        for epoch in report.epochs
    ]
