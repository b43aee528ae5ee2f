"""The end of a session on the terminal: the report, as a person or a program reads it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from rich.console import Console

    from aster_operator.config.settings import Settings
    from aster_operator.domain.fills import Fill
    from aster_operator.execution.core import TradingCore
    from aster_operator.execution.pair import Pair
    from aster_operator.monitoring.ledger import LedgerComparison
    from aster_operator.monitoring.session_report import SessionReport
    from aster_operator.runtime.trading_session import BothBooks

__all__ = ["ledger_exit_code", "session_report", "show_report"]


def session_report(
    core: "TradingCore",
    books: "BothBooks",
    *,
    market_minutes: int,
    seed: int | None,
    interrupted: bool,
    whole_account: bool,
) -> "SessionReport":
    """Compare the books and sum the session up.

    `whole_account` is False where others may trade on the account too: then only our own trades are
    compared, and not the wallet they add up to.
    """
    from aster_operator.domain.client_ids import is_own_client_order_id
    from aster_operator.monitoring.session_report import OpenPairFigures, build_report

    def ours(client_order_id: str) -> bool:
        return whole_account or is_own_client_order_id(client_order_id)

    pairs = core.settings.delta_neutral
    own_fills = [fill for fill in books.own_fills if ours(fill.client_order_id)]
    return build_report(
        strategy=core.strategy_name,
        symbols=core.settings.symbols,
        market_minutes=market_minutes,
        seed=seed,
        fills=own_fills,
        income=books.own_income,
        pairs=core.state.pairs.finished,
        still_open=[
            OpenPairFigures(
                pair.name, pair.worst_imbalance, pair.longest_imbalance_ms, _market_pnl(core, pair)
            )
            for pair in core.state.pairs.active()
        ],
        open_positions=books.open_positions,
        unrealized_pnl=books.unrealized_pnl,
        opening_equity=books.opening_wallet + _spot_worth(core, books),
        ledger=_ledger(books, own_fills, ours, whole_account=whole_account),
        spot=_spot_result(core, own_fills),
        stopped_early=interrupted,
        pair_names=() if pairs is None else tuple(pairing.name for pairing in pairs.pairs),
    )


def _ledger(
    books: "BothBooks", own_fills: "list[Fill]", ours: "Callable[[str], bool]", *, whole_account: bool
) -> "LedgerComparison":
    from aster_operator.monitoring.ledger import LedgerComparison, compare_ledgers
    from aster_operator.runtime.books_mark import utc_text

    if books.incomplete is not None:
        return LedgerComparison.unread(utc_text(books.incomplete.since_ms), books.incomplete.cause)
    return compare_ledgers(
        own_fills=own_fills,
        venue_fills=[fill for fill in books.venue_fills if ours(fill.client_order_id)],
        own_income=books.own_income,
        venue_income=books.venue_income,
        wallets=(books.opening_wallet, books.closing_wallet) if whole_account else None,
        spot_wallets=books.spot_wallets if whole_account else None,
    )


def ledger_exit_code(report: "SessionReport") -> int:
    """0 for books that match the venue's; 130 when the session was stopped early with such books; else 1."""
    if report.ledger != "match":
        return 1
    return 130 if report.stopped_early else 0


def _spot_worth(core: "TradingCore", books: "BothBooks") -> "Decimal":
    """The spot wallet at the start, in quote units at the marks of now; zero without one."""
    from aster_operator.domain.money import ZERO

    worth, wallets = ZERO, books.spot_wallets
    if wallets is None:
        return worth
    for asset in {quote for _, quote in wallets.coins.values()}:
        worth += wallets.opening.get(asset, ZERO)
    for symbol, (base, _) in wallets.coins.items():
        worth += wallets.opening.get(base, ZERO) * (core.state.market.mark_of(symbol) or ZERO)
    return worth


def _spot_result(core: "TradingCore", fills: "list[Fill]") -> "Decimal":
    """What spot trades have brought before fees: money back, and the coins still held at the marks."""
    from aster_operator.domain.money import ZERO
    from aster_operator.domain.pairing import Market, market_of

    result = ZERO
    for fill in fills:
        if market_of(fill.symbol) is Market.SPOT:
            mark = core.state.market.mark_of(fill.symbol) or fill.price
            result += fill.side.sign * fill.quantity * (mark - fill.price)
    return result


def _market_pnl(core: "TradingCore", pair: "Pair") -> "Decimal":
    marks = [core.state.market.mark_of(leg.symbol) or leg.entry_price for leg in pair.legs]
    return pair.market_pnl_at(marks[0], marks[1])


def show_report(
    report: "SessionReport", settings: "Settings", console: "Console", *, json_output: bool
) -> None:
    """Print the report: one JSON object on standard output, or a panel; then where the books are."""
    from aster_operator.cli.json_output import print_json
    from aster_operator.monitoring.session_report import render_report

    if json_output:
        print_json(report)
    else:
        console.print(render_report(report))
    if settings.database_server_url is None:
        books = settings.db_path
        default = type(settings).model_fields["db_path"].default
        where = "" if books == default else f" --database-url sqlite:///{books}"
        hint = f"books: {books}   (aster-operator db stats{where})"
        console.print(hint, style="dim", highlight=False, soft_wrap=True)
