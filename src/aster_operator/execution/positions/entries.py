"""Entering: how large, at which price, and remembered before it is sent."""

from decimal import Decimal

import msgspec

from aster_operator.domain.commands import NotifyLevel, Remember
from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.money import ZERO, plain_text, usd_text
from aster_operator.domain.orders import NewOrder, Refused, Rejected
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.positions.book import PositionBook
from aster_operator.execution.positions.position import ExitKind, ManagedPosition
from aster_operator.execution.positions.protection import exit_order
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.positions.sizing import entry_quantity
from aster_operator.strategy.base import BarDecision, Enter

__all__ = ["EntryDesk"]

_OF_THE_MOMENT = (0, -1003, -1008, -1015, -2013, -2018, -2019, -2021, -2027, -4142)
"""Refusals that say nothing against the kind of request: load, limits, margin, a price that has moved."""


class EntryDesk:
    """Turns an intent to enter into an immediate-or-cancel order at the touch."""

    def __init__(
        self,
        state: CoreState,
        orders: OrderDesk,
        settings: PositionDeskSettings,
        book: PositionBook,
        strategy_name: str,
    ) -> None:
        self._state = state
        self._orders = orders
        self._settings = settings
        self._book = book
        self._strategy_name = strategy_name
        self._sequence = 0
        self._exits_with_entry = settings.exits_with_entry

    def enter(
        self, symbol: str, decision: BarDecision, intent: Enter, balance_usd: Decimal | None
    ) -> BarDecision:
        """Size and send the entry; the decision as it stands afterwards."""
        quote = self._state.market.of(symbol).quote
        if quote is None:
            return _blocked(decision, "no quote yet")
        price = quote.touch(intent.side, passive=False)
        instrument = self._state.instruments[symbol]
        quantity = entry_quantity(self._settings.sizing, instrument, price, balance_usd)
        if isinstance(quantity, Refused):
            return _blocked(decision, f"{quantity.rule}: {quantity.reason}")
        decision = msgspec.structs.replace(
            decision,
            numbers=decision.numbers
            | {
                "quantity": plain_text(quantity),
                "limit_price": plain_text(price),
                "notional_usd": plain_text(quantity * price),
            },
        )
        words = f"{intent.side} {plain_text(quantity)} {symbol} at {plain_text(price)}"
        if not self._settings.enable_trading:
            self._state.notify(
                NotifyLevel.INFO,
                f"dry run, would enter: {words} ({usd_text(quantity * price)}), stop "
                f"{intent.exits.stop_loss_bps} bps, target {intent.exits.take_profit_bps} bps",
            )
            return msgspec.structs.replace(decision, action="would-enter", intent=None)
        refused = self._send(symbol, intent, quantity, price)
        if refused is not None:
            return _blocked(decision, f"{refused.rule}: {refused.reason}")
        self._state.notify(NotifyLevel.INFO, f"entering: {words}, {intent.reason}")
        return decision

    def _send(self, symbol: str, intent: Enter, quantity: Decimal, price: Decimal) -> Refused | None:
        state, side = self._state, intent.side
        position_side = PositionSide.BOTH
        if self._settings.hedge_mode:
            position_side = PositionSide.LONG if side is Side.BUY else PositionSide.SHORT
        market = state.market.of(symbol)
        self._sequence += 1
        position = ManagedPosition(
            position_ref=f"{state.settings.run_id}-{self._strategy_name}-{self._sequence}",
            strategy=self._strategy_name,
            symbol=symbol,
            side=side,
            position_side=position_side,
            plan=intent.exits,
            decided_ms=state.now_ms,
            entry=NewOrder(
                client_order_id=self._orders.next_client_order_id(
                    self._strategy_name, symbol, side, position_side
                ),
                symbol=symbol,
                side=side,
                position_side=position_side,
                order_type=OrderType.LIMIT,
                quantity=quantity,
                price=price,
                time_in_force=TimeInForce.IOC,
                self_trade_prevention=state.settings.policy.self_trade_prevention,
                reason=intent.reason,
            ),
            bid=None if market.quote is None else market.quote.bid,
            ask=None if market.quote is None else market.quote.ask,
            mark_at_entry=None if market.mark is None else market.mark.mark,
        )
        if self._exits_with_entry and intent.exits.take_profit_bps is not None:
            self._send_along(position, price)
        self._remember(position, msgspec.json.encode(position.memory()).decode())
        result = self._orders.submit(position.entry, followers=position.followers)
        if isinstance(result, Refused):
            self._remember(position, None)
            return result
        self._book.add(position)
        position.dirty = False
        return None

    def _send_along(self, position: ManagedPosition, price: Decimal) -> None:
        """Stop and target for the same request. The venue takes no IOC there: what the entry does not fill at
        once is cancelled at once. They are priced from its limit, as good as its fill or the worse."""
        position.reported_entry_price = price
        instrument = self._state.instruments[position.symbol]
        position.followers = tuple(
            exit_order(
                position,
                kind,
                position.entry.quantity or ZERO,
                instrument,
                self._orders.take_client_order_id(
                    self._strategy_name, position.symbol, position.closing_side, position.position_side
                ),
            )
            for kind in (ExitKind.STOP, ExitKind.TAKE_PROFIT)
        )
        position.entry = msgspec.structs.replace(
            position.entry,
            client_order_id=self._orders.next_client_order_id(
                self._strategy_name, position.symbol, position.side, position.position_side
            ),
            time_in_force=TimeInForce.GTC,
        )

    def on_refused(self, position: ManagedPosition, refusal: Rejected) -> None:
        """Where the venue does not take exits with the entry, they go right after the fill from now on."""
        if position.followers and self._exits_with_entry and refusal.code not in _OF_THE_MOMENT:
            self._exits_with_entry = False
            self._state.notify(
                NotifyLevel.WARNING,
                f"exits do not go with the entry here ({refusal.code} {refusal.message}): they follow it",
            )

    def _remember(self, position: ManagedPosition, text: str | None) -> None:
        """A fill that comes after a crash must find what it was meant for."""
        state = self._state
        state.emit(
            Remember(at_ms=state.now_ms, strategy=self._strategy_name, key=position.position_ref, state=text)
        )


def _blocked(decision: BarDecision, why: str) -> BarDecision:
    return msgspec.structs.replace(
        decision, action="blocked", reason=f"{decision.reason}; blocked by {why}", intent=None
    )
