"""The daily report as people read it: text for chat and terminal, HTML for mail."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from html import escape

from aster_operator.domain.money import plain_text
from aster_operator.monitoring.daily_report import DailyReport, SymbolFigures
from aster_operator.monitoring.notifications import Message

__all__ = ["report_html", "report_message", "report_text"]

_HEAD = ("", "Trades", "Volume $", "Realised $", "Fees $", "Funding $", "Net $", "Cost/100k $")
_STYLE = "border-collapse:collapse;font:14px sans-serif"
_CELL = "padding:3px 10px;border-bottom:1px solid #ddd;text-align:"


def report_message(report: DailyReport) -> Message:
    """The report as a message; its level says whether somebody should look."""
    title = f"Aster Operator: {report.period.name}"
    liquidated = any(event.kind == "liquidation" for venue in report.venues for event in venue.risk_events)
    return Message(
        title=title,
        text=report_text(report),
        html=report_html(report),
        level="failure" if liquidated else "warning" if report.needs_attention else "success",
    )


# --- text ---------------------------------------------------------------------------------------------------


def report_text(report: DailyReport) -> str:
    """Plain text with aligned columns."""
    parts = [f"Report: {report.period.name}"]
    for venue in report.venues:
        parts.append(f"{venue.venue}\n{_text_table(_money_rows(venue.symbols, venue.total))}")
    if not report.venues:
        parts.append("No trades and no income.")
    parts += [f"{name}\n" + "\n".join(f"- {line}" for line in lines) for name, lines in _lists(report)]
    return "\n\n".join(parts) + "\n"


def _text_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


# --- HTML ---------------------------------------------------------------------------------------------------


def report_html(report: DailyReport) -> str:
    """One HTML page without anything that is loaded from elsewhere."""
    parts = [f"<h2>Report: {escape(report.period.name)}</h2>"]
    for venue in report.venues:
        parts.append(f"<h3>{escape(venue.venue)}</h3>{_html_table(_money_rows(venue.symbols, venue.total))}")
    if not report.venues:
        parts.append("<p>No trades and no income.</p>")
    for name, lines in _lists(report):
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        parts.append(f"<h3>{escape(name)}</h3><ul>{items}</ul>")
    return f'<html><body style="font:14px sans-serif">{"".join(parts)}</body></html>'


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        aligned = ["left", *["right"] * (len(row) - 1)]
        return "".join(
            f'<{tag} style="{_CELL}{side}">{escape(cell)}</{tag}>'
            for cell, side in zip(row, aligned, strict=True)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows[1:])
    return f'<table style="{_STYLE}"><tr>{cells(rows[0], "th")}</tr>{body}</table>'


# --- both ---------------------------------------------------------------------------------------------------


def _money_rows(symbols: dict[str, SymbolFigures], total: SymbolFigures) -> list[tuple[str, ...]]:
    named = [*symbols.items(), ("all", total)]
    return [_HEAD, *((name, *_money_cells(figures)) for name, figures in named)]


def _money_cells(figures: SymbolFigures) -> tuple[str, ...]:
    others = "".join(f" + {plain_text(paid)} {asset}" for asset, paid in figures.other_fees.items())
    return (
        f"{figures.trades:,}",
        _usd(figures.volume_usd),
        _usd(figures.realized_pnl_usd, signed=True),
        _usd(figures.fees_usd) + others,
        _usd(figures.funding_usd, signed=True),
        _usd(figures.net_pnl_usd, signed=True),
        "n/a" if figures.cost_per_100k_usd is None else _usd(figures.cost_per_100k_usd),
    )


def _usd(amount: Decimal, *, signed: bool = False) -> str:
    return f"{amount:+,.2f}" if signed else f"{amount:,.2f}"


def _lists(report: DailyReport) -> list[tuple[str, list[str]]]:
    """The lists that have something to say, with their headings."""
    events = [
        f"{_clock(event.at_ms)} {venue.venue} {event.symbol}: {event.kind}, {event.detail}".rstrip(", ")
        for venue in report.venues
        for event in venue.risk_events
    ]
    gaps = [
        f"{gap.symbol} {gap.stream}: {_clock(gap.start_ms)} to "
        f"{'now' if gap.end_ms is None else _clock(gap.end_ms)}, {gap.cause}"
        for gap in report.data_gaps
    ]
    best = [
        f"{row.symbol} {row.config_id}: PnL {_number(row.total_pnl)}, "
        f"{'n/a' if row.n_trades is None else row.n_trades} trades, Sharpe {_number(row.sharpe)}"
        f"{', biased: it fills on the bar of the signal' if row.biased else ''}"
        for row in report.top_configurations
    ]
    believed = [f"{found.line}, {found.date}" for found in report.sweep_verdicts]
    lists = [
        ("Risk events", events),
        ("Runtime warnings", report.warnings),
        ("Data gaps", gaps),
        ("Can the last sweep be believed?", believed),
        ("Top configurations of the last sweep (chosen among many: expect less)", best),
        ("Not looked at", report.missing),
    ]
    return [(name, lines) for name, lines in lists if lines]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.2f}"


def _clock(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
