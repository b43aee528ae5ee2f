"""Our books against the venue's: trade by trade, fee by fee, to the last digit."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.pairing import Market, market_of
from aster_operator.domain.spot_wallets import SpotWallets, spot_changes

__all__ = ["LedgerComparison", "compare_ledgers", "ledger_verdict"]

_COMPARED = (
    "order_id",
    "side",
    "position_side",
    "price",
    "quantity",
    "realized_pnl",
    "commission",
    "commission_asset",
    "role",
    "event_ms",
)
_SHOWN_DIFFERENCES = 20


class LedgerComparison(msgspec.Struct, frozen=True, kw_only=True):
    """`differences` is empty when the books match; each line names the row, the field and both values."""

    trades_compared: int
    income_rows_compared: int
    wallet_compared: bool
    differences: tuple[str, ...]
    incomplete: bool = False
    """The venue could not be read: nothing was compared, and our side may lack something."""

    @classmethod
    def unread(cls, since: str, cause: str) -> "LedgerComparison":
        """Of a venue that could not be read at the end; `since` in words is up to when ours is complete."""
        return cls(
            trades_compared=0,
            income_rows_compared=0,
            wallet_compared=False,
            differences=(
                f"books are incomplete since {since}: the venue could not be read ({cause})",
                "the next start on these books reads from the venue what is missing",
            ),
            incomplete=True,
        )

    @property
    def matches(self) -> bool:
        return not self.differences

    @property
    def verdict(self) -> str:
        if self.incomplete:
            return "incomplete"
        return "match" if self.matches else "mismatch"


def compare_ledgers(
    *,
    own_fills: Sequence[Fill],
    venue_fills: Sequence[Fill],
    own_income: Sequence[IncomeRow],
    venue_income: Sequence[IncomeRow],
    wallets: tuple[Decimal, Decimal] | None,
    spot_wallets: SpotWallets | None = None,
) -> LedgerComparison:
    """Compare all trades of a session and all its settled cash, then the wallets they add up to.

    Income rows that repeat trades must be left out (`settled_cash`). `wallets` are the balances at the start
    and at the end (None leaves them out): the difference must be realised PnL, less commissions, plus settled
    cash, exactly. Money in the margin asset. `spot_wallets` likewise are the assets of the spot wallet at
    both ends, which spot trades and their commissions must explain.
    """
    differences = [*_compare_fills(own_fills, venue_fills), *_compare_income(own_income, venue_income)]
    if wallets is not None:
        perpetual = [fill for fill in own_fills if market_of(fill.symbol) is Market.PERP]
        differences += _compare_wallets(wallets, perpetual, own_income)
    if spot_wallets is not None:
        spot = [fill for fill in own_fills if market_of(fill.symbol) is Market.SPOT]
        differences += _compare_spot_wallets(spot_wallets, spot)
    return LedgerComparison(
        trades_compared=len(venue_fills),
        income_rows_compared=len(venue_income),
        wallet_compared=wallets is not None,
        differences=tuple(differences[:_SHOWN_DIFFERENCES]),
    )


def ledger_verdict(
    own_fills: Sequence[Fill],
    venue_fills: Sequence[Fill],
    own_income: Sequence[IncomeRow],
    venue_income: Sequence[IncomeRow],
    wallets: tuple[Decimal, Decimal] | None,
    spot_wallets: SpotWallets | None = None,
) -> str:
    """ "match" or "mismatch", for runs that only want to know; see `compare_ledgers`."""
    return compare_ledgers(
        own_fills=own_fills,
        venue_fills=venue_fills,
        own_income=own_income,
        venue_income=venue_income,
        wallets=wallets,
        spot_wallets=spot_wallets,
    ).verdict


def _compare_wallets(
    wallets: tuple[Decimal, Decimal], fills: Sequence[Fill], income: Sequence[IncomeRow]
) -> list[str]:
    opening, closing = wallets
    earned = sum((fill.realized_pnl - fill.commission for fill in fills), ZERO)
    expected = opening + earned + sum((row.income for row in income), ZERO)
    if expected == closing:
        return []
    return [f"wallet: our books add up to {plain_text(expected)}, the venue holds {plain_text(closing)}"]


def _compare_spot_wallets(wallets: SpotWallets, fills: Sequence[Fill]) -> list[str]:
    expected = dict(wallets.opening)
    for fill in fills:
        for asset, change in spot_changes(fill, wallets.coins[fill.symbol]).items():
            expected[asset] = expected.get(asset, ZERO) + change
    return [
        f"spot wallet: our books add up to {plain_text(expected.get(asset, ZERO))} {asset}, the venue holds "
        f"{plain_text(wallets.closing.get(asset, ZERO))}"
        for asset in sorted(expected.keys() | wallets.closing.keys())
        if expected.get(asset, ZERO) != wallets.closing.get(asset, ZERO)
    ]


def _compare_fills(own: Sequence[Fill], venue: Sequence[Fill]) -> list[str]:
    ours = {(fill.symbol, fill.trade_id): fill for fill in own}
    theirs = {(fill.symbol, fill.trade_id): fill for fill in venue}
    differences = []
    if len(ours) != len(own):
        differences.append(f"our books hold {len(own) - len(ours)} trades twice")
    for key in sorted(ours.keys() | theirs.keys()):
        name = f"trade {key[1]} of {key[0]}"
        our_fill, their_fill = ours.get(key), theirs.get(key)
        if our_fill is None:
            differences.append(f"{name}: missing in our books")
        elif their_fill is None:
            differences.append(f"{name}: unknown to the venue")
        else:
            differences += [
                f"{name}, {field}: ours {getattr(our_fill, field)}, venue's {getattr(their_fill, field)}"
                for field in _COMPARED
                if getattr(our_fill, field) != getattr(their_fill, field)
            ]
    return differences


def _compare_income(own: Sequence[IncomeRow], venue: Sequence[IncomeRow]) -> list[str]:
    ours = {row.identity: row for row in own}
    theirs = {row.identity: row for row in venue}
    differences = []
    for key in sorted(ours.keys() | theirs.keys()):
        our_row, their_row = ours.get(key), theirs.get(key)
        name = " ".join(f"{key[1]} row {key[0]} {key[3]}".split())
        if our_row is None:
            differences.append(f"{name}: missing in our books")
        elif their_row is None:
            differences.append(f"{name}: unknown to the venue")
        elif our_row.income != their_row.income:
            differences.append(
                f"{name}: ours {our_row.income} {our_row.asset}, venue's {their_row.income} {their_row.asset}"
            )
    return differences
