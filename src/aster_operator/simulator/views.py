"""Account state as the account, balance and positionRisk endpoints show it (protocol reference, 4.6)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from aster_operator.domain.enums import PositionSide
from aster_operator.simulator.accounts import Account, Position
from aster_operator.simulator.admission import Admission
from aster_operator.simulator.api import AccountView, AssetView, PositionRiskView
from aster_operator.simulator.margin import (
    initial_margin_atoms,
    maintenance_margin_atoms,
    max_notional_usd,
    open_order_margin_atoms,
    position_liquidation_price,
)
from aster_operator.simulator.model import ATOMS
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["Views"]


class Views:
    """Reads the state; changes nothing."""

    def __init__(self, state: ExchangeState, admission: Admission) -> None:
        self._state = state
        self._admission = admission

    def account(self, account: Account) -> AccountView:
        assets = {market.spec.instrument.margin_asset for market in self._state.markets.values()}
        listed = [*account.wallet_atoms, *sorted(assets - account.wallet_atoms.keys())]
        rows = tuple(self.asset(account, asset) for asset in listed)
        counted = rows if account.multi_assets else [row for row in rows if row.asset in assets]
        return AccountView(
            account_id=account.account_id,
            hedge_mode=account.hedge_mode,
            multi_assets=account.multi_assets,
            self_trade_prevention=account.self_trade_prevention,
            assets=rows,
            positions=tuple(self.positions(account, None)),
            fee_tier=account.fee_tier,
            updated_ms=account.updated_ms,
            totals=self._totals(account, counted),
        )

    def asset(self, account: Account, asset: str) -> AssetView:
        sums = self._admission.sums(account, asset)
        cross_wallet = account.cross_wallet(asset)
        available = max(0, self._admission.available(account, asset))
        # Unrealised profit carries positions but cannot leave the venue.
        free = cross_wallet - sums.cross_position_initial - sums.open_order_initial
        free += min(0, sums.cross_unrealized)
        max_withdraw = max(0, min(available, free))
        if account.multi_assets:
            available, max_withdraw = self._pooled(account, asset, available)
        return AssetView(
            asset=asset,
            wallet_atoms=account.wallet(asset),
            cross_wallet_atoms=cross_wallet,
            unrealized_atoms=sums.unrealized,
            cross_unrealized_atoms=sums.cross_unrealized,
            maintenance_atoms=sums.maintenance,
            position_initial_atoms=sums.position_initial,
            open_order_initial_atoms=sums.open_order_initial,
            available_atoms=available,
            max_withdraw_atoms=max_withdraw,
            updated_ms=account.updated_ms,
        )

    def _pooled(self, account: Account, asset: str, available: int) -> tuple[int, int]:
        """(available, withdrawable) of one asset of a pool that has `available` in USD.

        In units of the asset, at its collateral value.
        """
        collateral = self._state.collateral
        worth_e8 = collateral.price_e8(asset) * collateral.ratio_e8(asset) // ATOMS
        if worth_e8 == 0:
            return 0, max(0, account.wallet(asset))
        unrealized = max(0, self._admission.sums(account, None).cross_unrealized)
        free = max(0, available - unrealized) * ATOMS // worth_e8
        return available * ATOMS // worth_e8, max(0, min(free, account.cross_wallet(asset)))

    def _totals(self, account: Account, rows: Sequence[AssetView]) -> AssetView:
        """The rows added up, in USD."""
        collateral = self._state.collateral

        def total(name: str) -> int:
            return sum(collateral.value_atoms(row.asset, getattr(row, name)) for row in rows)

        available, withdrawable = total("available_atoms"), total("max_withdraw_atoms")
        if account.multi_assets:
            # Each row shows the whole pool in its own units.
            available = max(0, self._admission.available(account, ""))
            withdrawable = min(available, withdrawable)
        return AssetView(
            asset="USD",
            wallet_atoms=total("wallet_atoms"),
            cross_wallet_atoms=total("cross_wallet_atoms"),
            unrealized_atoms=total("unrealized_atoms"),
            cross_unrealized_atoms=total("cross_unrealized_atoms"),
            maintenance_atoms=total("maintenance_atoms"),
            position_initial_atoms=total("position_initial_atoms"),
            open_order_initial_atoms=total("open_order_initial_atoms"),
            available_atoms=available,
            max_withdraw_atoms=withdrawable,
            updated_ms=account.updated_ms,
        )

    def positions(self, account: Account, symbol: str | None) -> Sequence[PositionRiskView]:
        """One row per symbol in one-way mode, LONG and SHORT rows in hedge mode; flat ones too."""
        markets: Iterable[Market] = self._state.markets.values()
        if symbol is not None:
            markets = (self._state.market(symbol),)
        sides = (PositionSide.LONG, PositionSide.SHORT) if account.hedge_mode else (PositionSide.BOTH,)
        return [self._risk(account, market, side) for market in markets for side in sides]

    def _risk(self, account: Account, market: Market, side: PositionSide) -> PositionRiskView:
        spec, mark_e8 = market.spec, market.mark_e8
        position = account.positions.get((spec.symbol, side)) or Position(spec, side)
        setting = account.setting(spec.symbol)
        notional = spec.notional_at_mark_atoms(mark_e8, position.lots)
        unrealized = notional - position.cost_atoms
        isolated = account.is_isolated(spec.symbol)
        return PositionRiskView(
            spec=spec,
            position_side=side,
            lots=position.lots,
            entry_price=position.entry_price,
            mark_e8=mark_e8,
            unrealized_atoms=unrealized,
            liquidation_price=self.liquidation_price(account, position),
            leverage=setting.leverage,
            max_notional=max_notional_usd(spec, setting.leverage),
            margin_type=setting.margin_type,
            isolated_margin_atoms=position.isolated_wallet_atoms + unrealized if isolated else 0,
            isolated_wallet_atoms=position.isolated_wallet_atoms,
            notional_atoms=notional,
            initial_atoms=initial_margin_atoms(notional, setting.leverage),
            open_order_initial_atoms=self._open_order_margin(account, market, side),
            maintenance_atoms=maintenance_margin_atoms(spec, notional),
            updated_ms=position.updated_ms,
        )

    @staticmethod
    def _open_order_margin(account: Account, market: Market, side: PositionSide) -> int:
        spec = market.spec
        if side is PositionSide.BOTH:
            return open_order_margin_atoms(account, spec, market.mark_e8)
        exposure = account.exposure_atoms.get((spec.symbol, side, side.opening_side), 0)
        return initial_margin_atoms(exposure, account.setting(spec.symbol).leverage)

    def liquidation_price(self, account: Account, position: Position) -> Decimal:
        """Section 9.2; zero when flat or out of reach."""
        if position.lots == 0:
            return Decimal(0)
        spec = position.spec
        if account.is_isolated(spec.symbol):
            return position_liquidation_price(position.isolated_wallet_atoms, (position,), 0, 0)
        legs = [each for each in account.open_positions() if each.spec.symbol == spec.symbol]
        asset = spec.instrument.margin_asset
        sums = self._admission.sums(account, None if account.multi_assets else asset)
        maintenance, unrealized = sums.cross_maintenance, sums.cross_unrealized
        mark_e8 = self._state.marks_e8[spec.symbol]
        for leg in legs:
            notional = spec.notional_at_mark_atoms(mark_e8, leg.lots)
            maintenance -= maintenance_margin_atoms(spec, notional)
            unrealized -= notional - leg.cost_atoms
        pool = self._state.collateral.pool_atoms
        wallet = pool(account) if account.multi_assets else account.cross_wallet(asset)
        return position_liquidation_price(wallet, legs, maintenance, unrealized)
