"""An entry and its two exits in one request: the venue itself rests the exits with the entry's first fill."""

from msgspec.structs import replace

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.calls.strategy_orders import (
    DrivenOn,
    StrategyCalls,
    StrategyLeg,
    StrategyType,
    Trigger,
    TriggerAction,
)
from aster_operator.exchange.domain_calls import DomainCalls
from aster_operator.exchange.errors import ExchangeError, UnknownOutcome

__all__ = ["EntryWithExitsCalls"]

_STRATEGY_ID_LENGTH = 28
"""As for a chase; the venue names no other."""


class EntryWithExitsCalls(DomainCalls, StrategyCalls):
    """Implements `EntryWithExits`."""

    @property
    def takes_exits_with_entry(self) -> bool:
        """True for an agent's key: strategy orders are a call of V3 alone."""
        return self._rest.uses_agent

    async def place_entry_with_exits(self, entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> OrderReport:
        """Place an entry and its two exits in one request (OTOCO); return the entry's report.

        `entry` in domain values, neither IOC nor FOK. `exits` rest from its first fill on; the first to fill
        cancels the other. Raises OrderRejected (-4142: one would trigger at once) or another RequestRefused
        when nothing was placed, UnknownOutcome when it may have been. Weight 51. Section 4.5.
        """
        await self.place_strategy_order(
            StrategyType.OTOCO,
            [_leg(entry), _follower(exits[0], sibling=3), _follower(exits[1], sibling=2)],
            client_strategy_id=entry.client_order_id[-_STRATEGY_ID_LENGTH:],
        )
        try:
            return await self.query_order(entry.symbol, entry.client_order_id)
        except ExchangeError as error:
            # It was taken: what became of the entry is for the caller to find out.
            raise UnknownOutcome(
                "POST placeStrategyOrder", str(error), entry.client_order_id, None
            ) from error


def _leg(order: NewOrder) -> StrategyLeg:
    """The order as a leg. A leg cannot name a self-trade prevention: the account's own counts."""
    hedge = order.position_side is not PositionSide.BOTH
    return StrategyLeg(
        symbol=order.symbol,
        side=order.side,
        type=order.order_type,
        position_side=order.position_side,
        quantity=order.quantity,
        price=order.price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
        working_type=order.working_type,
        reduce_only=True if order.reduce_only and not hedge else None,
        price_protect=True if order.price_protect else None,
        client_order_id=order.client_order_id,
    )


def _follower(order: NewOrder, *, sibling: int) -> StrategyLeg:
    """A leg that is placed with the first fill of leg 1 and cancelled with the first of its sibling."""
    filled = DrivenOn.PARTIALLY_FILLED_OR_FILLED
    return replace(
        _leg(order),
        first=Trigger(driven_by=1, driven_on=filled, action=TriggerAction.PLACE_ORDER),
        second=Trigger(driven_by=sibling, driven_on=filled, action=TriggerAction.CANCEL_ORDER),
    )
