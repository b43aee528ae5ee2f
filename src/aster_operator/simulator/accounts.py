"""Futures accounts: wallets, positions with exact cost, symbol settings, open-order exposure.

All money in atoms, quantities in lots; a short position has negative lots and a negative cost.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.enums import MarginType, PositionSide, SelfTradePrevention, Side
from aster_operator.simulator.model import ContractSpec, IncomeRecord, SimulatedOrder, TradeRecord

__all__ = ["DEFAULT_LEVERAGE", "Account", "Position", "SymbolSettings", "is_closing", "rounded_share"]

DEFAULT_LEVERAGE = 20


def rounded_share(amount: int, part: int, whole: int) -> int:
    """`amount x part / whole` rounded half to even; `whole` positive."""
    quotient, remainder = divmod(amount * part, whole)
    twice = 2 * remainder
    if twice > whole or (twice == whole and quotient & 1):
        quotient += 1
    return quotient


@dataclass(slots=True)
class Position:
    """One (symbol, position side). `cost_atoms` is the exact signed cost of the open lots."""

    spec: ContractSpec
    position_side: PositionSide
    lots: int = 0
    cost_atoms: int = 0
    isolated_wallet_atoms: int = 0
    accumulated_realized_atoms: int = 0
    updated_ms: int = 0

    def apply_fill(self, signed_lots: int, ticks: int) -> int:
        """Trade `signed_lots` at `ticks`; return the realised profit in atoms.

        A reduction takes out its share of the cost, rounded half to even; the rounding stays in the cost of
        what is left, so that over the life of a position the realised sum is exact.
        """
        unit = ticks * self.spec.atoms_per_tick_lot
        realized = 0
        if self.lots and (self.lots > 0) != (signed_lots > 0):
            closing = min(abs(signed_lots), abs(self.lots))
            signed_closing = closing if signed_lots > 0 else -closing
            cost_out = rounded_share(self.cost_atoms, closing, abs(self.lots))
            realized = -signed_closing * unit - cost_out
            self.cost_atoms -= cost_out
            self.lots += signed_closing
            signed_lots -= signed_closing
            self.accumulated_realized_atoms += realized
        self.lots += signed_lots
        self.cost_atoms += signed_lots * unit
        return realized

    def unrealized_atoms(self, mark_e8: int) -> int:
        """Profit if closed at the mark."""
        if self.lots == 0:
            return 0
        return self.spec.notional_at_mark_atoms(mark_e8, self.lots) - self.cost_atoms

    @property
    def entry_price(self) -> Decimal:
        """Average entry; zero when flat."""
        if self.lots == 0:
            return Decimal(0)
        ticks = Decimal(self.cost_atoms) / (self.lots * self.spec.atoms_per_tick_lot)
        return ticks * self.spec.instrument.tick_size


@dataclass(slots=True)
class SymbolSettings:
    """What an account has set for a symbol."""

    leverage: int = DEFAULT_LEVERAGE
    margin_type: MarginType = MarginType.CROSSED
    fees_e8: tuple[int, int] | None = None


def is_closing(order: SimulatedOrder) -> bool:
    """True when the order can only reduce its position, and so needs no margin."""
    if order.position_side is PositionSide.BOTH:
        return order.reduce_only or order.close_position
    return order.side is not order.position_side.opening_side


@dataclass
class Account:
    """Everything the exchange knows about one user of the futures wallet."""

    account_id: str
    hedge_mode: bool = False
    multi_assets: bool = False
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER
    fee_tier: int = 0
    updated_ms: int = 0
    in_liquidation: bool = False
    wallet_atoms: dict[str, int] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    settings: dict[str, SymbolSettings] = field(default_factory=dict)
    orders: dict[int, SimulatedOrder] = field(default_factory=dict)
    open_orders: dict[int, SimulatedOrder] = field(default_factory=dict)
    open_client_ids: dict[tuple[str, str], SimulatedOrder] = field(default_factory=dict)
    client_ids: dict[tuple[str, str], SimulatedOrder] = field(default_factory=dict)
    """The latest order of each client id, open or not."""
    unfilled_ends: deque[SimulatedOrder] = field(default_factory=deque)
    """Orders that ended without a fill, oldest first: the venue forgets them after a week."""
    exposure_atoms: dict[tuple[str, PositionSide, Side], int] = field(default_factory=dict)
    trades: list[TradeRecord] = field(default_factory=list)
    income: list[IncomeRecord] = field(default_factory=list)

    def setting(self, symbol: str) -> SymbolSettings:
        found = self.settings.get(symbol)
        if found is None:
            found = self.settings[symbol] = SymbolSettings()
        return found

    def fee_rates_e8(self, spec: ContractSpec) -> tuple[int, int]:
        """(maker, taker), the account's own where it has some."""
        found = self.settings.get(spec.symbol)
        own = None if found is None else found.fees_e8
        return own if own is not None else (spec.maker_fee_e8, spec.taker_fee_e8)

    def position(self, spec: ContractSpec, position_side: PositionSide) -> Position:
        """The position, created flat when it was never touched."""
        key = (spec.symbol, position_side)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(spec, position_side)
        return found

    def held_lots(self, symbol: str, position_side: PositionSide) -> int:
        found = self.positions.get((symbol, position_side))
        return found.lots if found is not None else 0

    def closable_lots(self, order: SimulatedOrder) -> int:
        """Lots by which `order`, if it only closes, may still reduce its position."""
        held = self.held_lots(order.symbol, order.position_side)
        return max(0, -held * order.side.sign)

    def open_positions(self) -> Iterator[Position]:
        for position in self.positions.values():
            if position.lots:
                yield position

    def wallet(self, asset: str) -> int:
        return self.wallet_atoms.get(asset, 0)

    def cross_wallet(self, asset: str) -> int:
        """Wallet without what isolated positions have taken."""
        wallet = self.wallet_atoms.get(asset, 0)
        for position in self.positions.values():
            if position.isolated_wallet_atoms and position.spec.instrument.margin_asset == asset:
                wallet -= position.isolated_wallet_atoms
        return wallet

    def is_isolated(self, symbol: str) -> bool:
        found = self.settings.get(symbol)
        return found is not None and found.margin_type is MarginType.ISOLATED

    def reserve(self, order: SimulatedOrder, lots: int, ticks: int) -> None:
        """Count `lots` more (or, negative, fewer) of an opening order towards the open-order exposure."""
        if is_closing(order):
            return
        key = (order.symbol, order.position_side, order.side)
        value = self.exposure_atoms.get(key, 0) + order.spec.notional_atoms(ticks, lots)
        if value:
            self.exposure_atoms[key] = value
        else:
            self.exposure_atoms.pop(key, None)
