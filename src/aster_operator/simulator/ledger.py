"""The venue's books. Double entry: whatever one purse loses another gains, in whole atoms.

The purses are the accounts' wallets (kept by the accounts, the insurance fund being one of them), the fees
collected, the fees of builders that have no account, the funding clearing (rounding residue) and the market:
the nameless counterparty that owns the synthetic liquidity. The market carries a real position per symbol, so
its unrealised result is part of the balance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aster_operator.simulator.accounts import Account
from aster_operator.simulator.api import AuditReport
from aster_operator.simulator.model import ContractSpec

__all__ = ["Ledger", "MarketPosition"]


@dataclass(slots=True)
class MarketPosition:
    """What the synthetic side of a symbol holds: lots and their cumulative signed cost, funding received."""

    spec: ContractSpec
    lots: int = 0
    cost_atoms: int = 0
    funding_atoms: int = 0

    def equity_atoms(self, mark_e8: int) -> int:
        """Everything the market has won or lost in this symbol so far, valued at the mark."""
        return self.spec.notional_at_mark_atoms(mark_e8, self.lots) - self.cost_atoms + self.funding_atoms


@dataclass
class Ledger:
    """Purses by asset. Every method books both sides of one movement."""

    deposits: dict[str, int] = field(default_factory=dict)
    fees: dict[str, int] = field(default_factory=dict)
    funding_clearing: dict[str, int] = field(default_factory=dict)
    exchanged: dict[str, int] = field(default_factory=dict)
    """The other side of the auto-exchanges, by asset."""
    builder_fees: dict[str, int] = field(default_factory=dict)
    """Fees of builders that have no account here to be paid to, by asset."""
    market: dict[str, MarketPosition] = field(default_factory=dict)

    def deposit(self, account: Account, asset: str, atoms: int) -> None:
        """Money enters (or, negative, leaves) the venue."""
        _add(self.deposits, asset, atoms)
        _add(account.wallet_atoms, asset, atoms)

    def charge_fee(self, account: Account, asset: str, atoms: int) -> None:
        """The account pays (or, negative, is paid) a commission."""
        _add(account.wallet_atoms, asset, -atoms)
        _add(self.fees, asset, atoms)

    def pay_builder(self, account: Account, builder: Account | None, asset: str, atoms: int) -> None:
        """The account pays the builder of its order; None: one without an account here."""
        _add(account.wallet_atoms, asset, -atoms)
        _add(self.builder_fees if builder is None else builder.wallet_atoms, asset, atoms)

    def credit_realized(self, account: Account, asset: str, atoms: int) -> None:
        """Profit leaves an account's position and enters its wallet; the position's cost has absorbed it."""
        _add(account.wallet_atoms, asset, atoms)

    def transfer(self, source: Account, target: Account, asset: str, atoms: int) -> None:
        """Move money from one wallet to another."""
        _add(source.wallet_atoms, asset, -atoms)
        _add(target.wallet_atoms, asset, atoms)

    def auto_exchange(self, account: Account, asset: str, atoms: int) -> None:
        """The account gets (or, negative, gives) an asset in an exchange with the venue."""
        _add(account.wallet_atoms, asset, atoms)
        _add(self.exchanged, asset, -atoms)

    def pay_funding(self, account: Account, asset: str, atoms: int) -> None:
        """The account receives funding (negative: pays); the clearing purse is the other side."""
        _add(account.wallet_atoms, asset, atoms)
        _add(self.funding_clearing, asset, -atoms)

    def pay_market_funding(self, spec: ContractSpec, atoms: int) -> None:
        """The market's own position receives funding out of the clearing purse."""
        self.market_position(spec).funding_atoms += atoms
        _add(self.funding_clearing, spec.instrument.margin_asset, -atoms)

    def market_position(self, spec: ContractSpec) -> MarketPosition:
        found = self.market.get(spec.symbol)
        if found is None:
            found = self.market[spec.symbol] = MarketPosition(spec)
        return found

    def market_trade(self, spec: ContractSpec, signed_lots: int, ticks: int) -> None:
        """The market traded `signed_lots` against an account."""
        position = self.market_position(spec)
        position.lots += signed_lots
        position.cost_atoms += spec.notional_atoms(ticks, signed_lots)

    def audit(self, accounts: Iterable[Account], marks_e8: Mapping[str, int]) -> AuditReport:
        """Recompute every purse; `marks_e8` by symbol. Positions must cancel out and money must add up."""
        detail: dict[str, int] = {}
        sums: dict[str, int] = {asset: -atoms for asset, atoms in self.deposits.items()}
        lots: dict[str, int] = {symbol: position.lots for symbol, position in self.market.items()}
        for account in accounts:
            for asset, atoms in account.wallet_atoms.items():
                detail[f"wallet:{account.account_id}:{asset}"] = atoms
                _add(sums, asset, atoms)
            for position in account.open_positions():
                symbol = position.spec.symbol
                unrealized = position.unrealized_atoms(marks_e8[symbol])
                detail[f"unrealized:{account.account_id}:{symbol}:{position.position_side}"] = unrealized
                _add(sums, position.spec.instrument.margin_asset, unrealized)
                lots[symbol] = lots.get(symbol, 0) + position.lots
        for symbol, held in self.market.items():
            equity = held.equity_atoms(marks_e8[symbol])
            detail[f"market:{symbol}"] = equity
            _add(sums, held.spec.instrument.margin_asset, equity)
        for name, purse in self._purses():
            for asset, atoms in purse.items():
                detail[f"{name}:{asset}"] = atoms
                _add(sums, asset, atoms)
        for asset, atoms in self.deposits.items():
            detail[f"deposits:{asset}"] = atoms
        unmatched = {symbol: count for symbol, count in lots.items() if count}
        detail.update({f"unmatched_lots:{symbol}": count for symbol, count in unmatched.items()})
        difference = sum(abs(atoms) for atoms in sums.values())
        return AuditReport(difference == 0 and not unmatched, difference, detail)

    def _purses(self) -> tuple[tuple[str, dict[str, int]], ...]:
        return (
            ("fees", self.fees),
            ("funding_clearing", self.funding_clearing),
            ("exchanged", self.exchanged),
            ("builder_fees", self.builder_fees),
        )


def _add(purse: dict[str, int], asset: str, atoms: int) -> None:
    purse[asset] = purse.get(asset, 0) + atoms
