"""Spot wallets, their clearing and their audit: base and quote change hands, nothing is margined."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from aster_operator.domain.enums import OrderStatus, Side
from aster_operator.simulator.accounts import Account, rounded_share
from aster_operator.simulator.model import ATOMS, ContractSpec, ExecutionType, SimulatedOrder, TradeRecord
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.state import ExchangeState, Market

__all__ = [
    "SpotAccount",
    "SpotClearing",
    "SpotLedger",
    "SpotMove",
    "SpotTradeRecord",
    "base_atoms",
    "delivered",
]


def base_atoms(spec: ContractSpec, lots: int) -> int:
    """Lots of the pair in atoms of its base asset. Exact: steps are whole atoms."""
    return lots * int(spec.instrument.lot.step * ATOMS)


@dataclass(frozen=True, slots=True)
class SpotTradeRecord(TradeRecord):
    """An own spot execution; the commission is taken from what was received."""

    commission_asset: str


@dataclass(frozen=True, slots=True)
class SpotMove:
    """Money that came (or, negative, left) without a trade; `kind` in the venue's words."""

    asset: str
    atoms: int
    kind: str
    time_ms: int


@dataclass
class SpotAccount(Account):
    """Balances by asset: `wallet_atoms` is the whole, `locked_atoms` what open orders hold."""

    locked_atoms: dict[str, int] = field(default_factory=dict)
    moves: list[SpotMove] = field(default_factory=list)

    def free_atoms(self, asset: str) -> int:
        return self.wallet(asset) - self.locked_atoms.get(asset, 0)

    def reserve(self, order: SimulatedOrder, lots: int, ticks: int) -> None:
        """Lock (or, negative, unlock) what `lots` of a resting order may have to deliver."""
        asset, atoms = delivered(order.spec, order.side, lots, ticks)
        held = self.locked_atoms.get(asset, 0) + atoms
        if held:
            self.locked_atoms[asset] = held
        else:
            self.locked_atoms.pop(asset, None)


def delivered(spec: ContractSpec, side: Side, lots: int, ticks: int) -> tuple[str, int]:
    """(asset, atoms) a trade takes from the account."""
    if side is Side.BUY:
        return spec.instrument.quote_asset, spec.notional_atoms(ticks, lots)
    return spec.instrument.base_asset, base_atoms(spec, lots)


@dataclass
class SpotLedger:
    """Purses of the spot venue by asset. The market may owe: it is the source of all liquidity."""

    deposits: dict[str, int] = field(default_factory=dict)
    fees: dict[str, int] = field(default_factory=dict)
    market: dict[str, int] = field(default_factory=dict)

    def deposit(self, account: Account, asset: str, atoms: int) -> None:
        _add(self.deposits, asset, atoms)
        _add(account.wallet_atoms, asset, atoms)

    def move(self, account: Account, asset: str, atoms: int) -> None:
        """Between the account and whoever is on the other side, via the market's purse."""
        _add(account.wallet_atoms, asset, atoms)
        _add(self.market, asset, -atoms)

    def charge_fee(self, account: Account, asset: str, atoms: int) -> None:
        _add(account.wallet_atoms, asset, -atoms)
        _add(self.fees, asset, atoms)

    def audit(self, accounts: Iterable[Account]) -> tuple[int, dict[str, int]]:
        """(difference in atoms over all assets, every purse)."""
        sums = {asset: -atoms for asset, atoms in self.deposits.items()}
        detail: dict[str, int] = {}
        for account in accounts:
            for asset, atoms in account.wallet_atoms.items():
                detail[f"spot:wallet:{account.account_id}:{asset}"] = atoms
                _add(sums, asset, atoms)
        for name, purse in (("fees", self.fees), ("market", self.market)):
            for asset, atoms in purse.items():
                detail[f"spot:{name}:{asset}"] = atoms
                _add(sums, asset, atoms)
        return sum(abs(atoms) for atoms in sums.values()), detail


class SpotClearing:
    """Books spot executions; the counterpart of `Clearing` for `Matcher`."""

    def __init__(self, state: ExchangeState, desk: OrderDesk, ledger: SpotLedger) -> None:
        self._state = state
        self._desk = desk
        self._ledger = ledger

    def trade(
        self,
        market: Market,
        taker: SimulatedOrder | None,
        maker: SimulatedOrder | None,
        taker_side: Side,
        ticks: int,
        lots: int,
    ) -> None:
        """Book `lots` at `ticks` between `taker` and `maker`; None is the market."""
        trade_id = self._state.publish_trade(market, ticks, lots, buyer_is_maker=taker_side is Side.SELL)
        if maker is not None:
            self._settle(market, maker, ticks, lots, trade_id, is_maker=True)
        if taker is not None:
            self._settle(market, taker, ticks, lots, trade_id, is_maker=False)

    def _settle(
        self, market: Market, order: SimulatedOrder, ticks: int, lots: int, trade_id: int, *, is_maker: bool
    ) -> None:
        spec, now_ms = market.spec, self._state.now_ms
        account = self._state.accounts[order.account_id]
        gives = delivered(spec, order.side, lots, ticks)
        gets = delivered(spec, order.side.opposite, lots, ticks)
        commission = rounded_share(gets[1], spec.maker_fee_e8 if is_maker else spec.taker_fee_e8, ATOMS)
        if is_maker:
            account.reserve(order, -lots, order.price_ticks)
        self._ledger.move(account, gives[0], -gives[1])
        self._ledger.move(account, *gets)
        self._ledger.charge_fee(account, gets[0], commission)
        account.updated_ms = order.updated_ms = now_ms
        order.filled_lots += lots
        market.book.side(order.side).recount(order.price_ticks)
        order.cost_atoms += spec.notional_atoms(ticks, lots)
        is_filled = order.filled_lots == order.lots
        order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        if is_filled:
            self._desk.close(order)
        record = SpotTradeRecord(
            trade_id,
            order.order_id,
            order.client_order_id,
            account.account_id,
            spec,
            order.side,
            order.position_side,
            ticks,
            lots,
            0,
            commission,
            is_maker,
            now_ms,
            gets[0],
        )
        account.trades.append(record)
        self._desk.announce(order, ExecutionType.TRADE, record)


def _add(purse: dict[str, int], asset: str, atoms: int) -> None:
    purse[asset] = purse.get(asset, 0) + atoms
