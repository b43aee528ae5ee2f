"""Rules for changing leverage, margin type, position mode and isolated margin (protocol reference, 4.6)."""

from decimal import Decimal

from aster_operator.domain.enums import MarginType, PositionSide
from aster_operator.simulator.accounts import Account
from aster_operator.simulator.admission import Admission
from aster_operator.simulator.auto_exchange import AutoExchange
from aster_operator.simulator.clearing import Clearing
from aster_operator.simulator.margin import initial_margin_atoms, max_notional_usd, symbol_exposure_atoms
from aster_operator.simulator.model import ATOMS, ConfigEvent
from aster_operator.simulator.refusals import money_atoms, refuse
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["SettingsRules"]

_MAX_LEVERAGE = 125


class SettingsRules:
    """Changes of an account's settings; every refusal is raised as VenueRefusal and changes nothing."""

    def __init__(
        self, state: ExchangeState, admission: Admission, clearing: Clearing, exchange: AutoExchange
    ) -> None:
        self._state = state
        self._admission = admission
        self._clearing = clearing
        self._exchange = exchange

    def set_leverage(self, account: Account, market: Market, leverage: int) -> int:
        """Return the highest notional in USD at the new leverage."""
        spec, setting = market.spec, account.setting(market.spec.symbol)
        cap = max_notional_usd(spec, leverage)
        if not 1 <= leverage <= _MAX_LEVERAGE or cap == 0:
            raise refuse(-4028, leverage)
        if symbol_exposure_atoms(account, spec, market.mark_e8) > cap * ATOMS:
            raise refuse(-2027)
        held = any(position.spec.symbol == spec.symbol for position in account.open_positions())
        if leverage < setting.leverage and held and account.is_isolated(spec.symbol):
            raise refuse(-4161)
        before = setting.leverage
        setting.leverage = leverage
        if leverage < before and self._admission.available(account, spec.instrument.margin_asset) < 0:
            setting.leverage = before
            raise refuse(-2028)
        self._state.publish(
            ConfigEvent(account.account_id, self._state.now_ms, symbol=spec.symbol, leverage=leverage)
        )
        return cap

    def set_margin_type(self, account: Account, market: Market, margin_type: MarginType) -> None:
        symbol = market.spec.symbol
        setting = account.setting(symbol)
        if account.multi_assets and margin_type is MarginType.ISOLATED:
            raise refuse(-4168)
        if setting.margin_type is margin_type:
            raise refuse(-4046)
        if any(order.symbol == symbol for order in account.open_orders.values()):
            raise refuse(-4047)
        if any(position.spec.symbol == symbol for position in account.open_positions()):
            raise refuse(-4048)
        setting.margin_type = margin_type
        sides = (PositionSide.LONG, PositionSide.SHORT) if account.hedge_mode else (PositionSide.BOTH,)
        positions = tuple(account.position(market.spec, side) for side in sides)
        asset = market.spec.instrument.margin_asset
        self._clearing.publish_account(account, asset, "MARGIN_TYPE_CHANGE", positions)

    def set_hedge_mode(self, account: Account, hedge: bool) -> None:
        if account.hedge_mode == hedge:
            raise refuse(-4059)
        if account.open_orders:
            raise refuse(-4067)
        if any(account.open_positions()):
            raise refuse(-4068)
        account.hedge_mode = hedge
        self._state.publish(ConfigEvent(account.account_id, self._state.now_ms, hedge_mode=hedge))

    def set_multi_assets(self, account: Account, enabled: bool) -> None:
        """Pooling needs every symbol on cross margin; ending it covers what is owed first.

        Raises VenueRefusal: -4168 with isolated margin, -2019 when a margin asset alone would not carry the
        positions.
        """
        isolated = any(setting.margin_type is MarginType.ISOLATED for setting in account.settings.values())
        if enabled and isolated:
            raise refuse(-4168)
        if not enabled and account.multi_assets:
            for asset in tuple(account.wallet_atoms):
                self._exchange.cover(account, asset)
            account.multi_assets = False
            margined = {position.spec.instrument.margin_asset for position in account.open_positions()}
            if any(self._admission.available(account, asset) < 0 for asset in margined):
                account.multi_assets = True
                raise refuse(-2019)
        account.multi_assets = enabled
        self._state.publish(ConfigEvent(account.account_id, self._state.now_ms, multi_assets=enabled))

    def change_position_margin(
        self, account: Account, market: Market, position_side: PositionSide, amount: Decimal
    ) -> None:
        """Move `amount` (negative: back) between the cross wallet and an isolated position."""
        spec = market.spec
        atoms = money_atoms(amount)
        if atoms == 0:
            raise refuse(-4055)
        if not account.is_isolated(spec.symbol):
            raise refuse(-4049)
        if account.hedge_mode == (position_side is PositionSide.BOTH):
            raise refuse(-4060)
        position = account.position(spec, position_side)
        if position.lots == 0:
            raise refuse(-4054)
        asset = spec.instrument.margin_asset
        if atoms > 0 and atoms > self._admission.available(account, asset):
            raise refuse(-4050)
        if atoms < 0:
            notional = spec.notional_at_mark_atoms(market.mark_e8, position.lots)
            needed = initial_margin_atoms(notional, account.setting(spec.symbol).leverage)
            free = position.isolated_wallet_atoms + min(0, notional - position.cost_atoms) - needed
            if -atoms > free:
                raise refuse(-4051)
        position.isolated_wallet_atoms += atoms
        position.updated_ms = self._state.now_ms
        self._clearing.publish_account(account, asset, "MARGIN_TRANSFER", (position,))
