"""What a session did, in numbers: built from the books, the finished pairs and the ledger comparison."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aster_operator.domain.enums import LiquidityRole
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO, plain_text, usd_text
from aster_operator.domain.pairing import venue_symbol
from aster_operator.execution.pair_book import PairSummary
from aster_operator.monitoring.ledger import LedgerComparison

__all__ = ["OpenPairFigures", "SessionReport", "build_report", "render_report"]

_CENT = Decimal("0.01")
_MINUTE_MS = 60_000


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report's stable fields (`demo --json`), then ours. Money in USD, quantities in base units.

    `cost_per_100k_usd` is everything the session cost, price effects and funding included, for each 100,000
    USD traded; negative when it earned. `market_pnl_usd` is apart from it: what prices did to pairs while
    they were complete, zero for two legs of one perpetual. `other_income_usd` was settled beside trades and
    funding, such as the fee of a liquidation; `transfers_usd` was moved in or out and is no result.
    `hold_minutes_*` are of pairs closed because their time was over.
    """

    ledger: str
    strategy: str
    symbols: tuple[str, ...]
    market_minutes: int
    rotations: int
    volume_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    realized_pnl_usd: Decimal
    unrealized_pnl_usd: Decimal
    hold_minutes_min: float | None
    max_imbalance_base: Decimal
    max_imbalance_ms: int
    cost_per_100k_usd: Decimal | None
    open_positions: int
    seed: int | None
    hold_minutes_avg: float | None
    hold_minutes_max: float | None
    pairs_opened: int
    pairs_closed_by_risk: int
    trades: int
    maker_share_pct: Decimal | None
    max_imbalance_by_symbol: dict[str, Decimal]
    opening_equity_usd: Decimal
    closing_equity_usd: Decimal
    trades_compared: int
    income_rows_compared: int
    wallet_compared: bool
    ledger_differences: tuple[str, ...]
    stopped_early: bool
    market_pnl_usd: Decimal = ZERO
    other_income_usd: Decimal = ZERO
    transfers_usd: Decimal = ZERO


class OpenPairFigures(msgspec.Struct, frozen=True):
    """What the report wants to know of a pair that is not finished."""

    name: str
    worst_imbalance: Decimal
    longest_imbalance_ms: int
    market_pnl_usd: Decimal = ZERO


def build_report(
    *,
    strategy: str,
    symbols: Sequence[str],
    market_minutes: int,
    seed: int | None,
    fills: Sequence[Fill],
    income: Sequence[IncomeRow],
    pairs: Sequence[PairSummary],
    still_open: Sequence[OpenPairFigures],
    open_positions: int,
    unrealized_pnl: Decimal,
    opening_equity: Decimal,
    ledger: LedgerComparison,
    stopped_early: bool = False,
    pair_names: Sequence[str] = (),
    spot: Decimal = ZERO,
) -> SessionReport:
    """Sum a session up. `pairs` are the finished ones, `still_open` those that are not finished yet;
    `pair_names` are the pairings', the symbols by default; `income` is all
    settled cash but what repeats trades. `spot` is what spot trades have brought before
    fees, coins still held at the marks: their venue tells no PnL."""
    sums = _Sums.of(fills, income, unrealized_pnl, spot)
    # A pair that a limit or its owner closed early says nothing about the rule on holding.
    holds_ms = [pair.hold_ms for pair in pairs if pair.hold_ms is not None and pair.rotated]
    imbalances = _imbalances(pairs, still_open)
    names = pair_names or tuple(symbols)
    worst = {name: max((size for other, size, _ in imbalances if other == name), default=ZERO)
             for name in names}  # fmt: skip
    market_pnl = sum((pair.market_pnl_usd for pair in pairs), ZERO)
    market_pnl += sum((pair.market_pnl_usd for pair in still_open), ZERO)
    return SessionReport(
        ledger=ledger.verdict,
        strategy=strategy,
        symbols=tuple(symbols),
        market_minutes=market_minutes,
        rotations=sum(1 for pair in pairs if pair.rotated),
        volume_usd=sums.volume,
        fees_usd=sums.fees,
        funding_usd=sums.funding,
        realized_pnl_usd=sums.realized,
        unrealized_pnl_usd=unrealized_pnl,
        hold_minutes_min=min(holds_ms) / _MINUTE_MS if holds_ms else None,
        max_imbalance_base=max(worst.values(), default=ZERO),
        max_imbalance_ms=max((duration_ms for _, _, duration_ms in imbalances), default=0),
        cost_per_100k_usd=sums.cost_per_100k(market_pnl),
        open_positions=open_positions,
        seed=seed,
        hold_minutes_avg=sum(holds_ms) / len(holds_ms) / _MINUTE_MS if holds_ms else None,
        hold_minutes_max=max(holds_ms) / _MINUTE_MS if holds_ms else None,
        pairs_opened=len(pairs) + len(still_open),
        pairs_closed_by_risk=sum(1 for pair in pairs if _closed_by_risk(pair)),
        trades=len(fills),
        maker_share_pct=sums.maker_share_pct,
        max_imbalance_by_symbol=worst,
        opening_equity_usd=opening_equity,
        closing_equity_usd=opening_equity + sums.net + sums.moved,
        trades_compared=ledger.trades_compared,
        income_rows_compared=ledger.income_rows_compared,
        wallet_compared=ledger.wallet_compared,
        ledger_differences=ledger.differences,
        stopped_early=stopped_early,
        market_pnl_usd=market_pnl,
        other_income_usd=sums.other,
        transfers_usd=sums.moved,
    )


def _closed_by_risk(pair: PairSummary) -> bool:
    """Closed before its time by a limit or a lost leg, not at its owner's wish."""
    return pair.hold_ms is not None and not pair.rotated and not pair.owner_closed


def _imbalances(
    pairs: Sequence[PairSummary], still_open: Sequence[OpenPairFigures]
) -> list[tuple[str, Decimal, int]]:
    """Name, worst imbalance and its longest duration of every pair."""
    found = [(pair.symbol, pair.worst_imbalance, pair.longest_imbalance_ms) for pair in pairs]
    return found + [(pair.name, pair.worst_imbalance, pair.longest_imbalance_ms) for pair in still_open]


class _Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a session's fills and funding, USD. `net` is everything earned, unrealised included;
    `moved` was paid in or out."""

    volume: Decimal
    maker_volume: Decimal
    fees: Decimal
    realized: Decimal
    funding: Decimal
    other: Decimal
    moved: Decimal
    net: Decimal

    @classmethod
    def of(
        cls, fills: Sequence[Fill], income: Sequence[IncomeRow], unrealized: Decimal, spot: Decimal
    ) -> "_Sums":
        fees = sum((fill.commission_value for fill in fills), ZERO)
        realized = sum((fill.realized_pnl for fill in fills), ZERO) + spot
        moved = sum((row.income for row in income if row.moves_money), ZERO)
        settled = sum((row.income for row in income if row.is_funding), ZERO)
        other = sum((row.income for row in income), ZERO) - settled - moved
        makers = (fill.notional for fill in fills if fill.role is LiquidityRole.MAKER)
        return cls(
            volume=sum((fill.notional for fill in fills), ZERO),
            maker_volume=sum(makers, ZERO),
            fees=fees,
            realized=realized,
            funding=settled,
            other=other,
            moved=moved,
            net=realized - fees + settled + other + unrealized,
        )

    def cost_per_100k(self, market_pnl: Decimal) -> Decimal | None:
        if not self.volume:
            return None
        return ((market_pnl - self.net) * 100_000 / self.volume).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)

    @property
    def maker_share_pct(self) -> Decimal | None:
        if not self.volume:
            return None
        return (self.maker_volume * 100 / self.volume).quantize(_CENT, ROUND_HALF_EVEN)


def render_report(report: SessionReport) -> RenderableType:
    """The report as a person reads it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(style="dim")
    rows = [
        ("Market time", f"{report.market_minutes / 60:.1f} h", ", ".join(report.symbols)),
        (
            "Volume",
            usd_text(report.volume_usd),
            f"{report.trades} trades, {_pct(report.maker_share_pct)} as maker",
        ),
        ("Rotations", str(report.rotations), f"{report.pairs_opened} pairs opened"),
        (
            "Hold time",
            _minutes(report.hold_minutes_min),
            f"shortest; average {_minutes(report.hold_minutes_avg)}",
        ),
        ("Fees", usd_text(report.fees_usd, 4), "paid"),
        ("Funding", usd_text(report.funding_usd, 4), "settled, positive was received"),
        ("Realised PnL", usd_text(report.realized_pnl_usd, 4), "before fees and funding"),
        ("Unrealised PnL", usd_text(report.unrealized_pnl_usd, 4), f"{report.open_positions} positions open"),
        ("Equity", usd_text(report.closing_equity_usd), f"from {usd_text(report.opening_equity_usd)}"),
        ("Worst imbalance", _imbalance(report), f"for {report.max_imbalance_ms / 1000:.1f} s of market time"),
        (
            "Cost per $100k",
            _optional_usd(report.cost_per_100k_usd),
            "fees, funding and price effects together",
        ),
    ]
    if report.other_income_usd:
        other = usd_text(report.other_income_usd, 4)
        rows.insert(6, ("Other income", other, "settled beside: a liquidation's fee, a rebate"))
    if report.transfers_usd:
        rows.append(("Transfers", usd_text(report.transfers_usd, signed=True), "moved in or out, no result"))
    if report.market_pnl_usd:
        market = usd_text(report.market_pnl_usd, signed=True)
        rows.append(("Market PnL", market, "what prices did to complete pairs, not in the cost"))
    for row in rows:
        table.add_row(*row)
    matches = report.ledger == "match"
    verdict = Text(f"ledger: {report.ledger}", style="bold green" if matches else "bold red")
    compared = Text(
        "  nothing could be compared with the exchange's books"
        if report.ledger == "incomplete"
        else f"  {report.trades_compared} trades and {report.income_rows_compared} settled rows compared "
        f"with the exchange's books{', and the wallet they add up to' if report.wallet_compared else ''}",
        style="dim",
    )
    differences = [Text(f"  {line}", style="red") for line in report.ledger_differences]
    return Panel(
        Group(table, Text(), verdict + compared, *differences),
        title=f"Report: {report.strategy}",
        border_style="green" if matches else "red",
    )


def _optional_usd(amount: Decimal | None) -> str:
    return "n/a" if amount is None else usd_text(amount)


def _pct(share: Decimal | None) -> str:
    return "n/a" if share is None else f"{share} %"


def _minutes(minutes: float | None) -> str:
    return "n/a" if minutes is None else f"{minutes:.1f} min"


def _imbalance(report: SessionReport) -> str:
    """The worst of each symbol: units of different coins cannot be compared."""
    return ", ".join(
        f"{plain_text(size)} {venue_symbol(name.split('/')[0]).removesuffix('USDT')}"
        for name, size in report.max_imbalance_by_symbol.items()
    )
