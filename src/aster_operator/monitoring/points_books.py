"""The books as records that reward programmes are scored on."""

from decimal import Decimal
from operator import attrgetter

import msgspec
from sqlalchemy import Connection

from aster_operator.database import queries
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO
from aster_operator.rewards.positions import position_history
from aster_operator.rewards.profile import Profile
from aster_operator.rewards.records import (
    Context,
    FillRecord,
    FundingRecord,
    LiquidationRecord,
    Records,
    hourly_pnl,
)
from aster_operator.rewards.report import EpochReport, report_epochs

__all__ = ["BookReports", "read_books"]

_LIQUIDATION_FEE_TYPE = "INSURANCE_CLEAR"


class BookReports(msgspec.Struct, frozen=True, kw_only=True):
    """The epochs of one venue, own accounts together. `instance` tells lives of an embedded exchange apart;
    `unexplained_closes` as in `PositionHistory`."""

    venue: str
    instance: str
    accounts: tuple[str, ...]
    epochs: tuple[EpochReport, ...]
    unexplained_closes: int


def read_books(
    connection: Connection, selection: Selection, profile: Profile, context: Context
) -> list[BookReports]:
    """Figures of every venue that has something in the selected time, in the order of their names.

    Everything is read, whatever the time asked for: what was held at that time was opened earlier. A position
    that is still open counts up to the last record of its books.
    """
    groups: dict[tuple[str, str], list[LedgerKey]] = {}
    for key in queries.ledgers(connection, Selection(venue=selection.venue)):
        groups.setdefault((key.venue, key.instance), []).append(key)
    reports = [_read_venue(connection, keys, selection, profile, context) for keys in groups.values()]
    return [report for report in reports if report.epochs]


def _read_venue(
    connection: Connection, keys: list[LedgerKey], selection: Selection, profile: Profile, context: Context
) -> BookReports:
    fills, income = _read_accounts(connection, keys)
    known_until_ms = max((record.time_ms for record in (*fills, *income)), default=0) + 1
    since_ms = 0 if selection.since_ms is None else selection.since_ms
    history = position_history(fills, known_until_ms)
    epochs = report_epochs(
        Records(
            fills=tuple(fills),
            intervals=history.intervals,
            hours=hourly_pnl(fill for fill in fills if fill.time_ms >= since_ms),
            funding=tuple(row for row in income if isinstance(row, FundingRecord)),
            liquidations=tuple(row for row in income if isinstance(row, LiquidationRecord)),
        ),
        profile,
        context,
        since_ms=since_ms,
        until_ms=known_until_ms if selection.until_ms is None else min(selection.until_ms, known_until_ms),
        known_until_ms=known_until_ms,
        open_pnl_at=history.open_pnl_at,
    )
    return BookReports(
        venue=keys[0].venue,
        instance=keys[0].instance,
        accounts=tuple(key.account for key in keys),
        epochs=tuple(epochs),
        unexplained_closes=history.unexplained_closes,
    )


def _read_accounts(
    connection: Connection, keys: list[LedgerKey]
) -> tuple[list[FillRecord], list[FundingRecord | LiquidationRecord]]:
    """Trades and settled income of the accounts, in the order of time."""
    fills: list[FillRecord] = []
    income: list[FundingRecord | LiquidationRecord] = []
    for key in keys:
        book = Selection(book=key)
        fills += [
            FillRecord.of(fill, key.account, _fee_usd(fill)) for fill in queries.fills(connection, book)
        ]
        income += [
            record for row in queries.income_rows(connection, book) if (record := _income(row)) is not None
        ]
    return sorted(fills, key=_time_of), sorted(income, key=_time_of)


_time_of = attrgetter("time_ms")


def _fee_usd(fill: Fill) -> Decimal | None:
    """The fee in dollars; None when it was paid in another asset, whose price the books do not hold."""
    return fill.commission if fill.commission_asset in queries.USD_ASSETS or not fill.commission else None


def _income(row: IncomeRow) -> FundingRecord | LiquidationRecord | None:
    """Funding and liquidation fees in dollars; other rows repeat what trades say, or are transfers."""
    if row.asset not in queries.USD_ASSETS:
        return None
    if row.income_type == queries.FUNDING_TYPE:
        return FundingRecord(row.symbol, row.time_ms, row.income)
    if row.income_type == _LIQUIDATION_FEE_TYPE:
        return LiquidationRecord(row.symbol, row.time_ms, max(-row.income, ZERO))
    return None
