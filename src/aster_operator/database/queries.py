"""Questions to the books. All sums are exact; nothing is estimated."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Connection, Row, func, literal_column, select

from aster_operator.database.models import IncomeEntry, OrderJournal, Trade
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import LiquidityRole, OrderType, PositionSide, Side
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO

__all__ = [
    "FUNDING_TYPE",
    "NO_TRADES",
    "USD_ASSETS",
    "TradeFigures",
    "figures_by_day",
    "figures_by_symbol",
    "fills",
    "funding_by_day",
    "income_rows",
    "ledgers",
    "live_client_order_ids",
    "totals",
    "venues",
]

FUNDING_TYPE = "FUNDING_FEE"
USD_ASSETS = frozenset({"USDT", "USDC", "USD1", "USDF", "USDS", "USD"})
"""Assets counted at one dollar. Fees in any other asset are reported apart, never converted."""


class TradeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over trades. `realized_pnl` is before fees; `fees` maps the asset to what was paid in it."""

    volume: Decimal
    trades: int
    realized_pnl: Decimal
    fees: dict[str, Decimal]

    @property
    def fees_usd(self) -> Decimal:
        """Fees in dollar assets; see `other_fees` for the rest."""
        return sum((paid for asset, paid in self.fees.items() if asset in USD_ASSETS), ZERO)

    @property
    def other_fees(self) -> dict[str, Decimal]:
        return {asset: paid for asset, paid in self.fees.items() if asset not in USD_ASSETS}


NO_TRADES = TradeFigures(volume=ZERO, trades=0, realized_pnl=ZERO, fees={})

_SUMS = (
    func.sum(Trade.notional).label("volume"),
    func.count().label("trades"),
    func.sum(Trade.realized_pnl).label("realized_pnl"),
    func.sum(Trade.commission).label("commission"),
    Trade.commission_asset,
)


def venues(connection: Connection, selection: Selection) -> list[str]:
    """Venues with trades or income among the selected rows, in alphabetical order."""
    traded = selection.narrow(select(Trade.venue).distinct(), Trade, Trade.timestamp_ms)
    earned = selection.narrow(select(IncomeEntry.venue).distinct(), IncomeEntry, IncomeEntry.time_ms)
    return sorted({*connection.execute(traded).scalars(), *connection.execute(earned).scalars()})


def ledgers(connection: Connection, selection: Selection) -> list[LedgerKey]:
    """Whose books hold trades or income among the selected rows, ordered by venue, account and instance."""
    found: set[tuple[str, str, str]] = set()
    for table, time_ms in ((Trade, Trade.timestamp_ms), (IncomeEntry, IncomeEntry.time_ms)):
        statement = select(table.venue, table.account, table.instance).distinct()
        rows = connection.execute(selection.narrow(statement, table, time_ms))
        found.update((row.venue, row.account, row.instance) for row in rows)
    return [
        LedgerKey(venue=venue, account=account, instance=instance)
        for venue, account, instance in sorted(found)
    ]


def totals(connection: Connection, selection: Selection) -> TradeFigures:
    """Figures over all selected trades; zeros when there are none."""
    statement = select(*_SUMS).group_by(Trade.commission_asset)
    return _joined(connection.execute(selection.narrow(statement, Trade, Trade.timestamp_ms)).all())


def figures_by_day(connection: Connection, selection: Selection) -> dict[date, TradeFigures]:
    """Figures of each UTC day that has trades, oldest first."""
    day = _day_number(Trade.timestamp_ms).label("day")
    statement = select(*_SUMS, day).group_by(day, Trade.commission_asset).order_by(day)
    rows = connection.execute(selection.narrow(statement, Trade, Trade.timestamp_ms)).all()
    days = dict.fromkeys(row.day for row in rows)
    return {_day(number): _joined([row for row in rows if row.day == number]) for number in days}


def figures_by_symbol(connection: Connection, selection: Selection) -> dict[str, TradeFigures]:
    """Figures of each symbol that has trades, in alphabetical order."""
    statement = (
        select(*_SUMS, Trade.symbol).group_by(Trade.symbol, Trade.commission_asset).order_by(Trade.symbol)
    )
    rows = connection.execute(selection.narrow(statement, Trade, Trade.timestamp_ms)).all()
    symbols = dict.fromkeys(row.symbol for row in rows)
    return {symbol: _joined([row for row in rows if row.symbol == symbol]) for symbol in symbols}


def _joined(rows: Sequence[Row[*tuple[Any, ...]]]) -> TradeFigures:
    """One figure from rows that differ in the commission asset."""
    return TradeFigures(
        volume=sum((row.volume for row in rows), ZERO),
        trades=sum(row.trades for row in rows),
        realized_pnl=sum((row.realized_pnl for row in rows), ZERO),
        fees={row.commission_asset: row.commission for row in rows},
    )


def _day_number(time_ms: Any) -> ColumnElement[int]:
    """Days from the epoch to the day of a column. The divisor is part of the text: PostgreSQL holds two
    parameters for different, and an expression with one for ungrouped."""
    number: ColumnElement[int] = time_ms // literal_column(str(DAY_MS), BigInteger)
    return number


def _day(number: int) -> date:
    return datetime.fromtimestamp(number * DAY_MS / 1000, UTC).date()


def funding_by_day(connection: Connection, selection: Selection) -> dict[date, Decimal]:
    """Settled funding of each UTC day in dollar assets, signed: negative was paid."""
    day = _day_number(IncomeEntry.time_ms).label("day")
    statement = (
        select(day, func.sum(IncomeEntry.income).label("income"))
        .where(IncomeEntry.income_type == FUNDING_TYPE, IncomeEntry.asset.in_(USD_ASSETS))
        .group_by(day)
        .order_by(day)
    )
    rows = connection.execute(selection.narrow(statement, IncomeEntry, IncomeEntry.time_ms))
    return {_day(row.day): row.income for row in rows}


def fills(connection: Connection, selection: Selection) -> list[Fill]:
    """The selected trades as fills, in the order of their time and number."""
    statement = select(Trade.__table__).order_by(Trade.timestamp_ms, Trade.symbol, Trade.trade_id)
    rows = connection.execute(selection.narrow(statement, Trade, Trade.timestamp_ms))
    return [
        Fill(
            symbol=row.symbol,
            trade_id=row.trade_id,
            order_id=int(row.order_id),
            client_order_id=row.client_order_id,
            side=Side(row.side),
            position_side=PositionSide(row.position_side),
            price=row.price,
            quantity=row.quantity,
            realized_pnl=row.realized_pnl,
            commission=row.commission,
            commission_asset=row.commission_asset,
            role=LiquidityRole(row.role),
            event_ms=row.timestamp_ms,
            order_type=OrderType(row.order_type),
        )
        for row in rows
    ]


def income_rows(
    connection: Connection, selection: Selection, income_type: str | None = None
) -> list[IncomeRow]:
    """The selected settled income, oldest first."""
    statement = select(IncomeEntry.__table__).order_by(IncomeEntry.time_ms, IncomeEntry.id)
    if income_type is not None:
        statement = statement.where(IncomeEntry.income_type == income_type)
    rows = connection.execute(selection.narrow(statement, IncomeEntry, IncomeEntry.time_ms))
    return [
        IncomeRow(
            transaction_id=row.transaction_id,
            symbol=row.symbol,
            income_type=row.income_type,
            income=row.income,
            asset=row.asset,
            time_ms=row.time_ms,
            trade_id=row.trade_id,
        )
        for row in rows
    ]


def live_client_order_ids(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    """(symbol, client order id) of every journalled order that may still be alive at the venue."""
    alive = ("pending", "working", "partly_filled", "unknown")
    statement = select(OrderJournal.symbol, OrderJournal.client_order_id).where(OrderJournal.state.in_(alive))
    statement = selection.narrow(statement, OrderJournal, OrderJournal.intended_ms).order_by(OrderJournal.id)
    return [(row.symbol, row.client_order_id) for row in connection.execute(statement)]
