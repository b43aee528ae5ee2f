"""Rewards and costs as tables and words for people."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from aster_operator.domain.money import plain_text
from aster_operator.monitoring.points_answer import Fit, PointsAnswer, book_notes
from aster_operator.monitoring.points_books import BookReports
from aster_operator.rewards.profile import NO_PROGRAMME, Liveness, Profile
from aster_operator.rewards.report import EpochReport
from aster_operator.rewards.summary import Totals, sum_up

__all__ = ["print_answer", "print_profiles"]

_EMPTY = (
    "The books hold no trades and no funding that match, so there is nothing to score: trade first, or look "
    "at --venue, --since, --until and --database-url."
)
_NONE_LIVE = (
    "No programme that pays points for trading is known to run. Profiles without an end were documented "
    "once; whether they still run, the venue's own page says."
)
_NOT_KNOWN = "n/a"


def print_answer(answer: PointsAnswer) -> None:
    """Print for each venue its tables, the verdict, what is at risk and what the figures do not hold."""
    console = Console(highlight=False)
    if not answer.books:
        console.print(_EMPTY, soft_wrap=True)
    for book in answer.books:
        console.print(_activity_table(book))
        console.print(_cost_table(book))
        if any(report.points for report in book.epochs):
            console.print(_points_table(book))
        elif any(report.earn for report in book.epochs):
            console.print(_earn_table(book))
        else:
            console.print(_boost_table(book))
        _print_words(console, answer, book)
    if answer.fit is not None:
        _print_fit(console, answer.fit)


def _title(book: BookReports) -> str:
    return book.venue if not book.instance else f"{book.venue} {book.instance}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("Epoch from")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _first_cell(report: EpochReport) -> str:
    return f"{report.epoch.first_day}{'' if report.is_complete else '*'}"


def _activity_table(book: BookReports) -> Table:
    table = _table(f"{_title(book)}: activity", "Trades", "Volume $", "Maker", "Position $h", "Hedged")
    for report in book.epochs:
        table.add_row(
            _first_cell(report),
            f"{report.trades:,}",
            _whole(report.volume_usd),
            _percent(report.maker_volume_usd, report.volume_usd),
            _whole(report.position_usd_hours),
            _percent(report.hedged_usd_hours, report.position_usd_hours),
        )
    return table


def _cost_table(book: BookReports) -> Table:
    table = _table(
        "cost", "Fees $", "Funding $", "Price PnL $", "Cost $", "per $100k", "Open PnL $", "Cost with it"
    )
    for report in book.epochs:
        cost = report.cost
        others = "".join(f" + {plain_text(paid)} {asset}" for asset, paid in cost.other_fees.items())
        table.add_row(
            _first_cell(report),
            _cents(cost.fees_usd + cost.liquidation_fees_usd) + others,
            _cents(cost.funding_usd),
            _cents(cost.realized_pnl_usd),
            _cents(cost.total_usd),
            _cents(report.cost_per_100k_usd),
            _cents(cost.open_pnl_usd),
            _cents(cost.total_with_open_usd),
        )
    totals = sum_up(book.epochs)
    table.add_section()
    cells = tuple(
        _cents(figure)
        for figure in (
            totals.cost_usd,
            totals.cost_per_100k_usd,
            totals.open_pnl_usd,
            totals.cost_with_open_usd,
        )
    )
    table.add_row("total", "", "", "", *cells, style="bold")
    return table


def _points_table(book: BookReports) -> Table:
    table = _table(
        "points, and what 1,000 of them cost",
        *("Low to high", "Base", "At risk", "$ best to worst", "$ base", "$ a point"),
    )
    for report in book.epochs:
        _add_points(table, _first_cell(report), report)
    table.add_section()
    _add_points(table, "total", sum_up(book.epochs), style="bold")
    return table


def _add_points(table: Table, name: str, figures: EpochReport | Totals, style: str | None = None) -> None:
    points, price = figures.points, figures.cost_per_1k_points_usd
    value = figures.break_even_point_value_usd
    if points is None or price is None or value is None:
        return
    table.add_row(
        name,
        f"{_whole(points.low)} to {_whole(points.high)}",
        _whole(points.base),
        f"{figures.hedged_share:.0%}",
        _NOT_KNOWN if price.best is None else f"{_cents(price.best)} to {_cents(price.worst)}",
        _cents(price.base),
        _NOT_KNOWN if value.base is None else f"{value.base:,.5f}",
        style=style,
    )


def _earn_table(book: BookReports) -> Table:
    table = _table(
        "weeks that qualify", "Days", "Qualified", "Missing $", "Missing days", "Break-even USDF $"
    )
    for report in book.epochs:
        if report.earn is not None:
            table.add_row(
                _first_cell(report),
                str(report.active_days),
                "yes" if report.earn.qualified else "no",
                _whole(report.earn.missing_volume_usd),
                str(report.earn.missing_days),
                _whole(report.earn.break_even_collateral_usd),
            )
    return table


def _boost_table(book: BookReports) -> Table:
    table = _table("staking power", "Multiplier", "Volume $ to the next")
    for report in book.epochs:
        if report.boost is not None:
            table.add_row(
                _first_cell(report), str(report.boost.multiplier), _whole(report.boost.next_volume_usd)
            )
    return table


def _print_words(console: Console, answer: PointsAnswer, book: BookReports) -> None:
    console.print(f"Verdict: {answer.verdict_of(book)}", style="bold", soft_wrap=True)
    for line in _risk_lines(answer.profile, book):
        console.print(line, soft_wrap=True)
    for note in book_notes(book):
        console.print(f"- {note}", style="dim", soft_wrap=True)


def _risk_lines(profile: Profile, book: BookReports) -> list[str]:
    """The venue's view on hedged trading, where there is any such trading."""
    share = sum_up(book.epochs).hedged_share
    if share == 0:
        return []
    lines = [
        f"Points at risk: {share:.0%} of the position-hours offset each other on one symbol. What is said "
        "about that:"
    ]
    return lines + [
        f"  [{view.source}, {view.confidence}] {view.text}".replace("[", r"\[")
        for view in profile.stated_views
    ]


def _print_fit(console: Console, fit: Fit) -> None:
    if fit.calibration is None:
        console.print(f"No calibration: {fit.refusal}", style="bold", soft_wrap=True)
        return
    table = _table("calibration", "Official", "Fitted", "Residual")
    for row in fit.calibration.rows:
        table.add_row(
            str(row.epoch.first_day), _whole(row.official), f"{row.fitted:,.1f}", f"{row.residual:+,.1f}"
        )
    console.print(table)
    for name, weight in fit.calibration.weights.items():
        console.print(f"  {name} = {weight:,.6f}", soft_wrap=True)
    if fit.calibration.not_identified:
        console.print(f"  no records for {', '.join(fit.calibration.not_identified)}", soft_wrap=True)
    console.print(fit.calibration.statement, style="bold", soft_wrap=True)


def _whole(amount: Decimal | None) -> str:
    return _NOT_KNOWN if amount is None else f"{amount:,.0f}"


def _cents(amount: Decimal | None) -> str:
    return _NOT_KNOWN if amount is None else f"{amount:,.2f}"


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{part / whole:.0%}" if whole else "-"


# --- the profiles ---------------------------------------------------------------------------------------


def print_profiles(profiles: Sequence[Profile], today: date) -> None:
    """List profiles with their dates and what these say about `today`."""
    console = Console(highlight=False)
    table = Table()
    for column in ("Name", "From", "To"):
        table.add_column(column, no_wrap=True)
    for column in ("State", "Programme"):
        table.add_column(column)
    for profile in profiles:
        table.add_row(
            profile.name,
            str(profile.first or "-"),
            str(profile.last or "-"),
            profile.liveness(today),
            f"{profile.title} (version {profile.version})",
        )
    console.print(table)
    if not any(profile.liveness(today) is Liveness.WITHIN_DATES for profile in profiles):
        console.print(_NONE_LIVE, soft_wrap=True)
    looked_up = min(profile.checked for profile in profiles)
    console.print(f"Default: {NO_PROGRAMME}. Sources last read: {looked_up}.", soft_wrap=True)
