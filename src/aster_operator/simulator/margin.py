"""Margin arithmetic: brackets, initial and maintenance margin, available balance, liquidation price.

Formulas: protocol reference, sections 9.1 and 9.2. Money in atoms, rounded against the account.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from aster_operator.domain.enums import PositionSide, Side
from aster_operator.simulator.accounts import Account, Position
from aster_operator.simulator.model import ATOMS, ContractSpec

__all__ = [
    "CrossSums",
    "Leg",
    "available_atoms",
    "cross_health",
    "cross_sums",
    "initial_margin_atoms",
    "liquidation_price",
    "maintenance_margin_atoms",
    "max_notional_usd",
    "open_order_margin_atoms",
    "position_liquidation_price",
    "symbol_exposure_atoms",
]


def max_notional_usd(spec: ContractSpec, leverage: int) -> int:
    """Largest position notional in USD allowed at `leverage`; 0 when no bracket allows that much leverage."""
    return spec.notional_caps.get(leverage, 0)


def maintenance_margin_atoms(spec: ContractSpec, notional_atoms: int) -> int:
    """Notional x ratio - cum of the bracket that holds the (absolute) notional."""
    notional = abs(notional_atoms)
    if notional == 0:
        return 0
    ratio_e8 = cumulative = 0
    for _, cap, ratio_e8, cumulative in spec.brackets_atoms:  # noqa: B007 - the last one holds the rest
        if notional <= cap:
            break
    return max(0, -(-notional * ratio_e8 // ATOMS) - cumulative)


def initial_margin_atoms(notional_atoms: int, leverage: int) -> int:
    """Notional over leverage, rounded up."""
    return -(-abs(notional_atoms) // leverage)


def symbol_exposure_atoms(account: Account, spec: ContractSpec, mark_e8: int) -> int:
    """Largest notional the account could reach in the symbol: position and open orders together."""
    if account.hedge_mode:
        return sum(_sides_exposure(account, spec, mark_e8))
    return _one_way_exposure(account, spec, mark_e8)


def open_order_margin_atoms(account: Account, spec: ContractSpec, mark_e8: int) -> int:
    """Initial margin of open orders beyond that of the position (section 9.1).

    One-way: the larger of the buy-side and the sell-side exposure net of the position. Hedge: per side.
    """
    leverage = account.setting(spec.symbol).leverage
    if not account.hedge_mode:
        held = abs(_notional(account, spec, PositionSide.BOTH, mark_e8))
        return initial_margin_atoms(_one_way_exposure(account, spec, mark_e8) - held, leverage)
    long_open = account.exposure_atoms.get((spec.symbol, PositionSide.LONG, Side.BUY), 0)
    short_open = account.exposure_atoms.get((spec.symbol, PositionSide.SHORT, Side.SELL), 0)
    return initial_margin_atoms(long_open + short_open, leverage)


def _one_way_exposure(account: Account, spec: ContractSpec, mark_e8: int) -> int:
    held = _notional(account, spec, PositionSide.BOTH, mark_e8)
    buys = account.exposure_atoms.get((spec.symbol, PositionSide.BOTH, Side.BUY), 0)
    sells = account.exposure_atoms.get((spec.symbol, PositionSide.BOTH, Side.SELL), 0)
    return max(abs(held), abs(held + buys), abs(held - sells))


def _sides_exposure(account: Account, spec: ContractSpec, mark_e8: int) -> tuple[int, int]:
    long_open = account.exposure_atoms.get((spec.symbol, PositionSide.LONG, Side.BUY), 0)
    short_open = account.exposure_atoms.get((spec.symbol, PositionSide.SHORT, Side.SELL), 0)
    return (
        abs(_notional(account, spec, PositionSide.LONG, mark_e8)) + long_open,
        abs(_notional(account, spec, PositionSide.SHORT, mark_e8)) + short_open,
    )


def _notional(account: Account, spec: ContractSpec, position_side: PositionSide, mark_e8: int) -> int:
    held = account.positions.get((spec.symbol, position_side))
    if held is None or held.lots == 0:
        return 0
    return spec.notional_at_mark_atoms(mark_e8, held.lots)


@dataclass(slots=True)
class CrossSums:
    """Sums over one margin asset of an account, in atoms."""

    unrealized: int = 0
    cross_unrealized: int = 0
    position_initial: int = 0
    cross_position_initial: int = 0
    open_order_initial: int = 0
    maintenance: int = 0
    cross_maintenance: int = 0


def cross_sums(
    account: Account, asset: str | None, specs: Mapping[str, ContractSpec], marks_e8: Mapping[str, int]
) -> CrossSums:
    """Margin sums of the symbols margined in `asset`; all of them together when `asset` is None."""
    sums = CrossSums()
    for position in account.positions.values():
        if position.lots == 0 or asset not in (None, position.spec.instrument.margin_asset):
            continue
        symbol = position.spec.symbol
        mark_e8 = marks_e8[symbol]
        notional = position.spec.notional_at_mark_atoms(mark_e8, position.lots)
        unrealized = notional - position.cost_atoms
        initial = initial_margin_atoms(notional, account.setting(symbol).leverage)
        maintenance = maintenance_margin_atoms(position.spec, notional)
        sums.unrealized += unrealized
        sums.position_initial += initial
        sums.maintenance += maintenance
        if not account.is_isolated(symbol):
            sums.cross_unrealized += unrealized
            sums.cross_position_initial += initial
            sums.cross_maintenance += maintenance
    for symbol in {key[0] for key in account.exposure_atoms}:
        spec = specs[symbol]
        if asset in (None, spec.instrument.margin_asset):
            sums.open_order_initial += open_order_margin_atoms(account, spec, marks_e8[symbol])
    return sums


def cross_health(account: Account, asset: str | None, marks_e8: Mapping[str, int]) -> tuple[int, int]:
    """(unrealised, maintenance margin) of the cross positions: what is judged at each mark."""
    unrealized = maintenance = 0
    for position in account.positions.values():
        if not position.lots:
            continue
        spec = position.spec
        symbol = spec.instrument.symbol
        if asset not in (None, spec.instrument.margin_asset) or account.is_isolated(symbol):
            continue
        notional = spec.notional_at_mark_atoms(marks_e8[symbol], position.lots)
        unrealized += notional - position.cost_atoms
        maintenance += maintenance_margin_atoms(spec, notional)
    return unrealized, maintenance


def available_atoms(cross_wallet_atoms: int, sums: CrossSums) -> int:
    """crossWallet + crossUnPnl - crossPositionIM - openOrderIM (section 9.1), not clamped at zero."""
    return cross_wallet_atoms + sums.cross_unrealized - sums.cross_position_initial - sums.open_order_initial


@dataclass(frozen=True, slots=True)
class Leg:
    """One position in the liquidation formula: signed quantity, entry, ratio and cum of its bracket."""

    quantity: Decimal
    entry_price: Decimal
    maintenance_ratio: Decimal
    cumulative: Decimal


def liquidation_price(
    wallet: Decimal, legs: Sequence[Leg], other_maintenance: Decimal, other_unrealized: Decimal
) -> Decimal:
    """Mark at which margin balance equals maintenance margin (section 9.2); zero when there is none.

    `wallet` is the cross wallet, or the isolated wallet of a single leg; the `other_` sums are over all
    other cross contracts (zero for isolated).
    """
    numerator = wallet - other_maintenance + other_unrealized
    denominator = Decimal(0)
    for leg in legs:
        size = abs(leg.quantity)
        numerator += leg.cumulative - leg.quantity * leg.entry_price
        denominator += size * leg.maintenance_ratio - leg.quantity
    if denominator == 0:
        return Decimal(0)
    price = numerator / denominator
    return price if price > 0 else Decimal(0)


def position_liquidation_price(
    wallet_atoms: int, positions: Iterable[Position], other_maintenance: int, other_unrealized: int
) -> Decimal:
    """As `liquidation_price`, picking the bracket each leg would be in at that very price (iterated)."""
    held = [position for position in positions if position.lots]
    if not held:
        return Decimal(0)
    spec = held[0].spec
    chosen = [_bracket_at(spec, abs(position.cost_atoms)) for position in held]
    price = Decimal(0)
    for _ in range(len(spec.brackets) + 1):
        legs = [
            Leg(
                spec.quantity_of(position.lots),
                position.entry_price,
                spec.brackets[index].maintenance_ratio,
                spec.brackets[index].cumulative,
            )
            for position, index in zip(held, chosen, strict=True)
        ]
        price = liquidation_price(
            Decimal(wallet_atoms) / ATOMS,
            legs,
            Decimal(other_maintenance) / ATOMS,
            Decimal(other_unrealized) / ATOMS,
        )
        again = [
            _bracket_at(spec, int(abs(spec.quantity_of(position.lots)) * price * ATOMS)) for position in held
        ]
        if again == chosen:
            break
        chosen = again
    return price


def _bracket_at(spec: ContractSpec, notional_atoms: int) -> int:
    for index, bracket in enumerate(spec.brackets_atoms):
        if notional_atoms <= bracket[1]:
            return index
    return len(spec.brackets) - 1
