"""The verbs of the control API, in Python: what a script may do to the venue itself."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.domain.enums import Side, SymbolStatus
from aster_operator.simulator.engine import Engine
from aster_operator.simulator.market_source import MarketSource
from aster_operator.simulator.model import ATOMS, ContractSpec
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["ExchangeControl"]

_FIXED_WHILE_LISTED = frozenset({"symbol", "base_asset", "quote_asset", "margin_asset", "tick_size", "lot"})
_LOT_FIELDS = {
    "min_quantity": "lot",
    "max_quantity": "lot",
    "market_min_quantity": "market_lot",
    "market_max_quantity": "market_lot",
}


class ExchangeControl:
    """Deliberate interference. Everything a verb sets off has happened when it returns, and is audited.

    Unknown symbols and accounts raise VenueRefusal, senseless values ValueError.
    """

    def __init__(
        self, state: ExchangeState, engine: Engine, list_market: Callable[[MarketSource], None]
    ) -> None:
        self._state = state
        self._engine = engine
        self._list_market = list_market

    # --- prices

    def set_mark_price(self, symbol: str, price: Decimal | None) -> None:
        """Pin the mark (None lets it float again) and let triggers and liquidations follow."""
        market = self._state.market(symbol)
        if price is not None and not (price.is_finite() and price > 0):
            raise ValueError(f"mark price must be positive, was {price}")
        market.pricer.override(None if price is None else int(price * ATOMS))
        self._state.publish_mark(market)
        self._engine.follow_mark(market)

    def gap_book(self, symbol: str, move_pct: Decimal) -> None:
        """Jump the market by `move_pct` percent, for good: book, trades and index from now on are shifted.

        Account orders the price jumps over fill at their own price.
        """
        market = self._state.market(symbol)
        if not move_pct.is_finite() or move_pct <= -100:
            raise ValueError(f"move_pct must be above -100, was {move_pct}")
        base = market.last_ticks or market.pricer.index_ticks
        self._engine.shift(market, int(base * move_pct / 100))

    def empty_side(self, symbol: str, side: Side) -> None:
        """Take the market's own orders off one side, BUY being the bids, until `restore_side`."""
        market = self._state.market(symbol)
        market.emptied_sides.add(side)
        market.book.side(side).rewrite({})
        self._engine.after_trading(market)

    def restore_side(self, symbol: str, side: Side) -> None:
        """Let the market quote this side again, from its next step on."""
        self._state.market(symbol).emptied_sides.discard(side)

    def cap_fills(self, symbol: str, quantity: Decimal | None) -> None:
        """Force partial fills: no order gets more than `quantity` from the market at once; None ends it.

        What an order could have taken beyond the cap is withdrawn. Between accounts nothing is capped.
        """
        market = self._state.market(symbol)
        lots = None if quantity is None else market.spec.quantity_to_lots(quantity)
        if lots is not None and lots <= 0:
            raise ValueError(f"the cap must be at least one lot, was {quantity}")
        market.fill_cap_lots = lots

    # --- accounts

    def force_liquidation(self, account_id: str, symbol: str) -> None:
        """Liquidate the account's positions in the symbol whatever its margin."""
        market = self._state.market(symbol)
        self._engine.liquidator.force(self._state.account(account_id), market)
        self._engine.after_trading(market)

    def force_adl(self, account_id: str, symbol: str) -> None:
        """Deleverage the account's positions in the symbol at the mark, against the market."""
        market = self._state.market(symbol)
        self._engine.liquidator.force_adl(self._state.account(account_id), market)
        self._engine.after_trading(market)

    def settle_funding(self, symbol: str, rate: Decimal) -> None:
        """Settle funding now at `rate` (a fraction: 0.001 = 0.1 %), beside the schedule."""
        self._engine.settle_funding(self._state.market(symbol), int(rate * ATOMS))

    def set_funding_rate(self, symbol: str, rate: Decimal) -> None:
        """Fix the rate of the next scheduled settlement."""
        pricer = self._state.market(symbol).pricer
        pricer.set_recorded_rate(pricer.next_funding_ms, int(rate * ATOMS))

    def set_fees(
        self,
        maker_fee_e8: int,
        taker_fee_e8: int,
        *,
        symbol: str | None = None,
        account_id: str | None = None,
    ) -> None:
        """Set fee rates of a symbol (None: all), for one account or (None) as everybody's default."""
        names = [self._state.market(symbol).spec.symbol] if symbol else list(self._state.markets)
        for name in names:
            if account_id is not None:
                self._state.account(account_id).setting(name).fees_e8 = (maker_fee_e8, taker_fee_e8)
            else:
                market = self._state.markets[name]
                self._replace_spec(
                    market, replace(market.spec, maker_fee_e8=maker_fee_e8, taker_fee_e8=taker_fee_e8)
                )

    # --- symbols

    def set_filter(self, symbol: str, /, **changes: Any) -> None:
        """Change filters of a listed symbol by the field names of `Instrument`, or `min_quantity`,
        `max_quantity`, `market_min_quantity`, `market_max_quantity`. Tick and step are fixed while listed.
        """
        market = self._state.market(symbol)
        instrument = market.spec.instrument
        fields: dict[str, Any] = {}
        for name, value in changes.items():
            if name in _LOT_FIELDS:
                target = _LOT_FIELDS[name]
                lot = fields.get(target, getattr(instrument, target))
                fields[target] = msgspec.structs.replace(lot, **{name.removeprefix("market_"): value})
            elif name in _FIXED_WHILE_LISTED or not hasattr(instrument, name):
                raise ValueError(f"{symbol}: {name} cannot be changed")
            else:
                fields[name] = value
        changed = msgspec.structs.replace(instrument, **fields)
        self._replace_spec(market, replace(market.spec, instrument=changed))

    def set_status(self, symbol: str, status: SymbolStatus) -> None:
        """Change the listing status; only TRADING accepts orders that open."""
        self.set_filter(symbol, status=status)

    def halt(self, symbol: str, halted: bool) -> None:
        """Stop (or resume) all trading of a symbol; its prices go on moving."""
        self._state.market(symbol).halted = halted

    def list_symbol(self, source: MarketSource) -> None:
        """List a new market now. Raises ValueError when the symbol is listed already."""
        self._list_market(source)

    def delist_symbol(self, symbol: str) -> None:
        """Cancel all orders, close all positions at the mark against the market, refuse everything after."""
        market = self._state.market(symbol)
        market.halted = True
        for account in tuple(self._state.accounts.values()):
            for order in list(self._engine.desk.open_of(account, symbol)):
                self._engine.desk.cancel(order)
            self._engine.liquidator.force_adl(account, market, prefix="delist_")
        self._engine.after_trading(market)
        self.set_filter(symbol, status=SymbolStatus.CLOSE)

    def _replace_spec(self, market: Market, spec: ContractSpec) -> None:
        market.spec = market.pricer.spec = spec
        self._state.specs[spec.symbol] = spec
