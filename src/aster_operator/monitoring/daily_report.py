"""What a day or a session brought, gathered from the books, the catalog, the logs and the last sweep.

Nothing is estimated: an amount that is not known is None, a source that is not there says so in `missing`.
Unrealised results of open positions are not in the books, and so not in the report.
"""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from aster_operator.config.masking import mask_text
from aster_operator.config.problems import one_line
from aster_operator.database import queries
from aster_operator.database.models import OrderJournal, Position, SessionRun, TradeLifecycle
from aster_operator.database.selection import Selection
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.money import ZERO
from aster_operator.monitoring.sweep_results import Configuration, SweepJudgement, last_sweep

__all__ = [
    "DailyReport",
    "DataGap",
    "Period",
    "RiskEvent",
    "SymbolFigures",
    "VenueReport",
    "build_daily_report",
    "log_warnings",
]

_FOUR_PLACES = Decimal("0.0001")
_LIQUIDATION_TYPE = "INSURANCE_CLEAR"
_ORDINARY_EXITS = frozenset({ExitReason.TAKE_PROFIT, ExitReason.TRAILING_STOP, ExitReason.SIGNAL,
                             ExitReason.DAILY_CUTOFF, ExitReason.OWNER})  # fmt: skip
_MOST_LINES = 50


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What the report is about: market time in ms, `since_ms` included, `until_ms` not."""

    name: str
    since_ms: int
    until_ms: int
    run_id: str | None = None


class SymbolFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of one symbol, or of all. `net_pnl_usd` is after fees and funding; `cost_per_100k_usd` is what
    each 100,000 USD of volume cost, negative when it earned, None without volume."""

    trades: int
    volume_usd: Decimal
    realized_pnl_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    net_pnl_usd: Decimal
    cost_per_100k_usd: Decimal | None
    other_fees: dict[str, Decimal] = {}
    """Fees in coins, which nobody converts; `net_pnl_usd` is without them."""


class RiskEvent(msgspec.Struct, frozen=True, kw_only=True):
    at_ms: int
    kind: str
    symbol: str
    detail: str


class DataGap(msgspec.Struct, frozen=True, kw_only=True):
    symbol: str
    stream: str
    start_ms: int
    end_ms: int | None
    cause: str


class VenueReport(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: play money and real money never add up."""

    venue: str
    total: SymbolFigures
    symbols: dict[str, SymbolFigures]
    risk_events: list[RiskEvent]


class DailyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `missing` says what could not be looked at, and why."""

    period: Period
    venues: list[VenueReport]
    warnings: list[str]
    data_gaps: list[DataGap]
    top_configurations: list[Configuration]
    sweep_verdicts: list[SweepJudgement]
    missing: list[str]

    @property
    def needs_attention(self) -> bool:
        return bool(self.warnings or self.data_gaps or any(venue.risk_events for venue in self.venues))


def build_daily_report(
    connection: Connection,
    period: Period,
    *,
    catalog_root: Path | None = None,
    log_lines: Iterable[str] | None = None,
    sweep_folder: Path | None = None,
    crash_folder: Path | None = None,
) -> DailyReport:
    """Gather everything about `period`. Raises CatalogError for a catalog that cannot be read."""
    missing: list[str] = []
    selection = Selection(since_ms=period.since_ms, until_ms=period.until_ms, run_id=period.run_id)
    warnings = _session_warnings(connection, selection)
    if log_lines is None:
        missing.append("runtime warnings of the log: no log was given")
    else:
        warnings += log_warnings(log_lines, period)
    warnings += _crashes(crash_folder, period)
    gaps = None if catalog_root is None else _gaps(catalog_root, period)
    if gaps is None:
        missing.append("data gaps: there is no catalog")
    sweep = last_sweep(sweep_folder)
    missing += sweep.missing
    return DailyReport(
        period=period,
        venues=[_venue(connection, name, selection) for name in queries.venues(connection, selection)],
        warnings=warnings,
        data_gaps=gaps or [],
        top_configurations=sweep.configurations,
        sweep_verdicts=sweep.verdicts,
        missing=missing,
    )


# --- money ------------------------------------------------------------------------------------------------


def _venue(connection: Connection, venue: str, selection: Selection) -> VenueReport:
    chosen = msgspec.structs.replace(selection, venue=venue)
    funding: dict[str, Decimal] = {}
    for row in queries.income_rows(connection, chosen, queries.FUNDING_TYPE):
        if row.asset in queries.USD_ASSETS:
            funding[row.symbol] = funding.get(row.symbol, ZERO) + row.income
    by_symbol = queries.figures_by_symbol(connection, chosen)
    symbols = {
        symbol: _figures(by_symbol.get(symbol, queries.NO_TRADES), funding.get(symbol, ZERO))
        for symbol in sorted(by_symbol.keys() | funding.keys())
    }
    total = _figures(queries.totals(connection, chosen), sum(funding.values(), ZERO))
    return VenueReport(
        venue=venue, total=total, symbols=symbols, risk_events=_risk_events(connection, chosen)
    )


def _figures(trades: queries.TradeFigures, funding: Decimal) -> SymbolFigures:
    net = trades.realized_pnl - trades.fees_usd + funding
    cost = None
    if trades.volume:
        cost = (-net * 100_000 / trades.volume).quantize(_FOUR_PLACES, ROUND_HALF_EVEN)
    return SymbolFigures(
        trades=trades.trades,
        volume_usd=trades.volume,
        realized_pnl_usd=trades.realized_pnl,
        fees_usd=trades.fees_usd,
        funding_usd=funding,
        net_pnl_usd=net,
        cost_per_100k_usd=cost,
        other_fees=trades.other_fees,
    )


# --- what went wrong ---------------------------------------------------------------------------------------


def _risk_events(connection: Connection, selection: Selection) -> list[RiskEvent]:
    events = [
        RiskEvent(
            at_ms=row.time_ms, kind="liquidation", symbol=row.symbol, detail=f"{row.income} {row.asset}"
        )
        for row in queries.income_rows(connection, selection, _LIQUIDATION_TYPE)
    ]
    events += _early_closes(connection, selection)
    exits = selection.narrow(select(TradeLifecycle), TradeLifecycle, TradeLifecycle.exit_filled_ms)
    events += [
        RiskEvent(
            at_ms=trade.exit_filled_ms or trade.decided_ms,
            kind=f"exit {trade.reason}",
            symbol=trade.symbol,
            detail=one_line(trade.detail),
        )
        for trade in _rows(connection, exits)
        if trade.reason not in _ORDINARY_EXITS
    ]
    orders = selection.narrow(select(OrderJournal), OrderJournal, OrderJournal.intended_ms)
    events += [
        RiskEvent(
            at_ms=order.state_ms,
            kind=f"order {order.state}",
            symbol=order.symbol,
            detail=one_line(order.detail),
        )
        for order in _rows(connection, orders)
        if order.state in ("rejected", "unknown")
    ]
    return sorted(events, key=lambda event: (event.at_ms, event.kind, event.symbol))


def _early_closes(connection: Connection, selection: Selection) -> list[RiskEvent]:
    """Pairs that ended for another reason than that their time was over; one event for both legs."""
    closed = selection.narrow(select(Position), Position, Position.closed_ms)
    pairs: dict[str, RiskEvent] = {}
    single = {row.position_ref for row in _rows(connection, selection.narrow(
        select(TradeLifecycle), TradeLifecycle, TradeLifecycle.exit_filled_ms))}  # fmt: skip
    for leg in _rows(connection, closed):
        reason = one_line(leg.close_reason or "no reason was kept")
        if leg.closed_ms is None or leg.position_ref in single or reason.startswith("rotate "):
            continue
        pairs[leg.pair_ref] = RiskEvent(
            at_ms=leg.closed_ms, kind="closed early", symbol=leg.symbol, detail=reason
        )
    return list(pairs.values())


def _rows(connection: Connection, statement: Any) -> list[Any]:
    return list(connection.execute(statement).all())


def _session_warnings(connection: Connection, selection: Selection) -> list[str]:
    """Sessions that did not end in good order."""
    statement = selection.narrow(select(SessionRun), _Anything, SessionRun.started_ms)
    statement = (
        statement if selection.run_id is None else statement.where(SessionRun.run_id == selection.run_id)
    )
    return [
        f"session {run.run_id} of {run.strategy} at {run.venue}: "
        + ("it has no end: it runs, or was killed" if run.ended_ms is None else f"it ended: {run.outcome}")
        for run in _rows(connection, statement)
        if run.ended_ms is None or run.outcome not in ("finished", "interrupted")
    ]


class _Anything:
    """Selections narrow `session_runs` by time only."""

    venue = SessionRun.venue
    run_id = SessionRun.run_id
    symbol = SessionRun.strategy


def log_warnings(lines: Iterable[str], period: Period) -> list[str]:
    """Warnings and errors of JSON log lines within `period`, masked, equal ones once with their number."""
    found: Counter[str] = Counter()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if not isinstance(entry, dict) or entry.get("level") not in ("warning", "error", "critical"):
            continue
        at_ms = _time_of(entry.get("timestamp"))
        if at_ms is None or period.since_ms <= at_ms < period.until_ms:
            found[mask_text(one_line(f"{entry['level']}: {entry.get('event', '')}"))] += 1
    lines_out = [text if times == 1 else f"{text} ({times} times)" for text, times in found.most_common()]
    more = len(lines_out) - _MOST_LINES
    return [*lines_out[:_MOST_LINES], *([f"and {more} other warnings"] if more > 0 else [])]


def _time_of(text: object) -> int | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _crashes(folder: Path | None, period: Period) -> list[str]:
    """Crash files whose name says a time within `period`."""
    names = [] if folder is None or not folder.is_dir() else sorted(folder.glob("crash-*.log"))
    return [
        f"crash file {path}"
        for path in names
        if (number := path.name.split("-")[1]).isdigit() and period.since_ms <= int(number) < period.until_ms
    ]


# --- data -----------------------------------------------------------------------------------------------


def _gaps(catalog_root: Path, period: Period) -> list[DataGap] | None:
    """Gaps that were not filled; None without a catalog."""
    if not catalog_root.is_dir():
        return None
    # Only here: it loads what reads tables, for which whoever needs no report would wait and pay memory.
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.layout import is_catalog

    if not is_catalog(catalog_root):
        return None
    frame = Catalog(catalog_root).gaps(start_ms=period.since_ms, end_ms=period.until_ms)
    return [
        DataGap(
            symbol=row["symbol"],
            stream=row["affected_stream"],
            start_ms=row["start_ms"],
            end_ms=row["end_ms"],
            cause=row["cause"],
        )
        for row in frame.iter_rows(named=True)
        if not row["is_filled"]
    ]
