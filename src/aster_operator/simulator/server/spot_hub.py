"""The streams of the spot markets: their own speeds, executionReport and outboundAccountPosition.

Protocol reference, sections 6.3, 7.3 and 11.4.
"""

from typing import Any

from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import (
    BookEvent,
    ExchangeEvent,
    ForceOrderEvent,
    KlineEvent,
    MarkEvent,
    OrderEvent,
    TradeEvent,
)
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.market_feed import MarketFeed
from aster_operator.simulator.server.market_side import SpotSide
from aster_operator.simulator.server.number_text import symbol_text, trimmed_atoms_text
from aster_operator.simulator.server.stream_hub import MarketHub
from aster_operator.simulator.server.stream_names import parse_spot_stream
from aster_operator.simulator.server.subscriptions import Subscriptions
from aster_operator.simulator.spot import SpotExchange
from aster_operator.simulator.spot_books import SpotTradeRecord

__all__ = ["SpotStreamHub", "account_position", "execution_report"]

_Holding = tuple[int, int]


def execution_report(event: OrderEvent) -> dict[str, Any]:
    """The spot order event; commission and its asset only with a trade."""
    order, trade = event.order, event.trade
    text = symbol_text(order.spec)
    last_atoms = 0 if trade is None else trade.spec.notional_atoms(trade.ticks, trade.lots)
    payload: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": order.order_type.value,
        "f": order.time_in_force.value,
        "q": text.quantity(order.lots),
        "p": text.price(order.price_ticks),
        "ap": text.average(order.average_price),
        "P": text.price(order.stop_ticks),
        "x": event.execution.value,
        "X": order.status.value,
        "i": order.order_id,
        "l": text.quantity(0 if trade is None else trade.lots),
        "z": text.quantity(order.filled_lots),
        "L": text.price(0 if trade is None else trade.ticks),
    }
    if isinstance(trade, SpotTradeRecord):
        payload["n"] = trimmed_atoms_text(trade.commission_atoms)
        payload["N"] = trade.commission_asset
    return payload | {
        "T": event.time_ms,
        "t": 0 if trade is None else trade.trade_id,
        "m": trade is not None and trade.is_maker,
        "ot": order.original_type.value,
        "O": order.created_ms,
        "Z": text.notional(order.cost_atoms),
        "Y": text.notional(last_atoms),
        "Q": "0",
        "e": "executionReport",
        "E": event.time_ms,
    }


def account_position(changed: dict[str, _Holding], reason: str, time_ms: int) -> dict[str, Any]:
    """Free and locked atoms of the assets that have changed."""
    return {
        "B": [
            {"a": asset, "f": trimmed_atoms_text(free), "l": trimmed_atoms_text(locked)}
            for asset, (free, locked) in changed.items()
        ],
        "e": "outboundAccountPosition",
        "T": time_ms,
        "E": time_ms,
        "m": reason,
    }


class SpotStreamHub(MarketHub):
    """Market streams of the spot side, and the user events of its accounts.

    An order tells of itself in the middle of a change, so the balances it moved are told with the next
    event of the market or step of time, whichever is first.
    """

    def __init__(
        self,
        exchange: ExchangeApi,
        spot: SpotExchange,
        subscriptions: Subscriptions,
        listen_keys: ListenKeys,
    ) -> None:
        side = SpotSide(exchange, spot)
        self._spot = spot
        self._moved: dict[str, None] = {}
        self._told: dict[str, dict[str, _Holding]] = {}
        super().__init__(side, MarketFeed(side), subscriptions, listen_keys, parse_spot_stream)

    def on_event(self, event: ExchangeEvent) -> None:
        """The spot side's listener."""
        if isinstance(event, OrderEvent):
            account_id = event.order.account_id
            key = self._heard_key(account_id)
            if key is not None:
                self._subscriptions.publish(key, execution_report(event))
            self._moved[account_id] = None
        elif isinstance(event, BookEvent | TradeEvent | MarkEvent | KlineEvent | ForceOrderEvent):
            if self._moved and isinstance(event, BookEvent | KlineEvent):
                self.tell_balances("ORDER")
            self._on_market(event)

    def on_time(self, time_ms: int) -> None:
        self.tell_balances("ORDER")
        super().on_time(time_ms)

    def transferred(self, account_id: str, *, to_spot: bool) -> None:
        """Money has come from or gone to the futures wallet."""
        self.tell_balances("ORDER")
        self._moved[account_id] = None
        self.tell_balances("DEPOSIT" if to_spot else "WITHDRAW")

    def tell_balances(self, reason: str) -> None:
        """Tell every account whose balances have changed since they were last looked at."""
        moved, self._moved = self._moved, {}
        for account_id in moved:
            held = {
                each.asset: (each.free_atoms, each.locked_atoms) for each in self._spot.balances(account_id)
            }
            before = self._told.get(account_id, {})
            changed = {asset: holding for asset, holding in held.items() if before.get(asset) != holding}
            self._told[account_id] = held
            key = self._heard_key(account_id)
            if changed and key is not None:
                self._subscriptions.publish(key, account_position(changed, reason, self._side.now_ms))
