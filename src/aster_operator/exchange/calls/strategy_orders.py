"""Chase and strategy orders: OTO, OCO, OTOCO (protocol reference, section 4.5). V3 alone.

They raise UnknownOutcome when the venue may have acted without saying so; they are never sent twice.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce, WorkingType
from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.rate_limits import Priority
from aster_operator.exchange.signing.parameters import Parameters, ParameterValue
from aster_operator.exchange.wire.orders import StrategyRecord

__all__ = ["DrivenOn", "StrategyCalls", "StrategyLeg", "StrategyType", "Trigger", "TriggerAction"]

_SIGNED = Security.SIGNED
CHASE: Final = Endpoint(
    method="POST", name="chase", security=_SIGNED, v1=None, orders=1, priority=Priority.ORDER
)
PLACE: Final = Endpoint(
    method="POST",
    name="placeStrategyOrder",
    security=_SIGNED,
    weight=50,
    v1=None,
    orders=3,
    priority=Priority.ORDER,
)
UPDATE: Final = Endpoint(
    method="POST",
    name="updateStrategyOrder",
    security=_SIGNED,
    weight=50,
    v1=None,
    orders=3,
    priority=Priority.ORDER,
)
OPEN: Final = read("strategyOpenOrder", _SIGNED, 5, v1=None)
HISTORY: Final = read("strategyHistoryOrder", _SIGNED, 5, v1=None)


class StrategyType(StrEnum):
    """OTO: one triggers another. OCO: one cancels the other. OTOCO: one triggers a cancelling pair."""

    OTO = "OTO"
    OCO = "OCO"
    OTOCO = "OTOCO"
    CHASE = "CHASE"


class DrivenOn(StrEnum):
    """State of the driving leg at which a trigger fires."""

    NEW = "NEW"
    PARTIALLY_FILLED_OR_FILLED = "PARTIALLY_FILLED_OR_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    STOPPED = "STOPPED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class TriggerAction(StrEnum):
    """What a trigger does to its leg."""

    PLACE_ORDER = "PLACE_ORDER"
    CANCEL_ORDER = "CANCEL_ORDER"


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to a leg when leg number `driven_by` (1 is the first) reaches `driven_on`."""

    driven_by: int
    driven_on: DrivenOn
    action: TriggerAction


class StrategyLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One order of a strategy; the fields as in a single order, with up to two triggers."""

    symbol: str
    side: Side
    type: OrderType
    position_side: PositionSide | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    working_type: WorkingType | None = None
    reduce_only: bool | None = None
    close_position: bool | None = None
    price_protect: bool | None = None
    client_order_id: str | None = None
    activation_price: Decimal | None = None
    callback_rate: Decimal | None = None
    first: Trigger | None = None
    second: Trigger | None = None

    def wire(self, number: int) -> dict[str, ParameterValue]:
        """Return the leg as the venue spells it; `number` is its place, from 1."""
        fields: dict[str, ParameterValue] = {
            "strategySubId": str(number),
            "securityType": "USDT_FUTURES",
            "symbol": self.symbol,
            "side": self.side,
            "positionSide": self.position_side,
            "type": self.type,
            "quantity": self.quantity,
            "price": self.price,
            "stopPrice": self.stop_price,
            "timeInForce": self.time_in_force,
            "workingType": self.working_type,
            "reduceOnly": _flag(self.reduce_only),
            "closePosition": _flag(self.close_position),
            "priceProtect": _flag(self.price_protect),
            "clientOrderId": self.client_order_id,
            "activationPrice": self.activation_price,
            "callbackRate": self.callback_rate,
        }
        for slot, trigger in (("first", self.first), ("second", self.second)):
            if trigger is not None:
                fields[f"{slot}DrivenId"] = str(trigger.driven_by)
                fields[f"{slot}DrivenOn"] = trigger.driven_on
                fields[f"{slot}Trigger"] = trigger.action
        return {name: value for name, value in fields.items() if value is not None}


def _flag(value: bool | None) -> str | None:
    return None if value is None else ("true" if value else "false")


_LEGS = {StrategyType.OTO: 2, StrategyType.OCO: 2, StrategyType.OTOCO: 3}


def legs_text(strategy_type: StrategyType, legs: Sequence[StrategyLeg]) -> list[dict[str, ParameterValue]]:
    """Return the legs for the wire. Raises ValueError for a number the type does not have."""
    wanted = _LEGS.get(strategy_type)
    if wanted is None or len(legs) != wanted:
        raise ValueError(f"{strategy_type} has {wanted or 'no'} legs, was {len(legs)}")
    for leg in legs:
        if leg.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            raise ValueError(f"a leg of a strategy cannot be {leg.time_in_force}")
    return [leg.wire(number) for number, leg in enumerate(legs, 1)]


class StrategyCalls(Calls):
    """Orders that drive other orders at the venue."""

    async def chase(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        *,
        quantity_unit: str = "BASE",
        position_side: PositionSide | None = None,
        reduce_only: bool | None = None,
        chase_offset: Decimal | None = None,
        max_chase_offset: Decimal | None = None,
        max_chase_offset_type: str | None = None,
        time_in_force: TimeInForce | None = None,
        client_strategy_id: str | None = None,
    ) -> StrategyRecord:
        """Rest a post-only order at the touch and let the venue move it with the market each second.

        `quantity_unit` BASE or QUOTE; offsets in quote units (`max_chase_offset_type` PERCENTAGE: percent).
        It ends by fill, `cancel`, or when the market runs further than `max_chase_offset` from where it
        began. `symbol` as the venue lists it. `side` is BUY or SELL. `quantity` is in units of the base
        asset. `position_side` is needed in hedge mode. `reduce_only` belongs to one-way mode. `chase_offset`
        is a price distance. `time_in_force` is how long it rests. `client_strategy_id` is a name of your own.
        Raises FilterViolation, InsufficientMargin, UnknownOutcome. Weight 1. Section 4.5.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "side": side,
            "positionSide": position_side,
            "quantityUnit": quantity_unit,
            "quantity": quantity,
            "reduceOnly": reduce_only,
            "chaseOffset": chase_offset,
            "chaseOffsetType": None if chase_offset is None else "ABSOLUTE",
            "maxChaseOffset": max_chase_offset,
            "maxChaseOffsetType": max_chase_offset_type,
            "timeInForce": time_in_force,
            "clientStrategyId": client_strategy_id,
        }
        return await self._rest.call(CHASE, parameters, StrategyRecord, client_order_id=client_strategy_id)

    async def place_strategy_order(
        self,
        strategy_type: StrategyType,
        legs: Sequence[StrategyLeg],
        *,
        client_strategy_id: str | None = None,
        builder: str | None = None,
        fee_rate: Decimal | None = None,
    ) -> StrategyRecord:
        """Place an entry with its exits, or a cancelling pair, in one request.

        `strategy_type` is OTO, OCO or OTOCO. `legs` are its sub-orders in order. `builder` is an approved
        builder's address and `fee_rate` what it charges (a fraction). Raises ValueError for a wrong number of
        legs, OrderRejected (-4142: a leg would trigger at once), UnknownOutcome carrying
        `client_strategy_id`. Weight 50. Section 4.5.
        """
        parameters: Parameters = {
            "strategyType": strategy_type,
            "clientStrategyId": client_strategy_id,
            "subOrderList": legs_text(strategy_type, legs),
            "builder": builder,
            "feeRate": fee_rate,
        }
        return await self._rest.call(PLACE, parameters, StrategyRecord, client_order_id=client_strategy_id)

    async def update_strategy_order(
        self, strategy_id: int, strategy_type: StrategyType, legs: Sequence[StrategyLeg]
    ) -> list[StrategyRecord]:
        """Change the legs of a strategy; the answer tells each leg's fate.

        `strategy_id` is the venue's. `strategy_type` is OTO, OCO or OTOCO. `legs` are its sub-orders in
        order. Raises RequestRefused, UnknownOutcome. Weight 50. Section 4.5.
        """
        parameters: Parameters = {
            "strategyId": strategy_id,
            "strategyType": strategy_type,
            "subOrderList": legs_text(strategy_type, legs),
        }
        return await self._rest.call(UPDATE, parameters, list[StrategyRecord])

    async def strategy_open_order(
        self,
        strategy_type: StrategyType,
        *,
        strategy_id: int | None = None,
        client_strategy_id: str | None = None,
    ) -> StrategyRecord:
        """Return one open strategy with its legs. Give exactly one id.

        `strategy_type` is OTO, OCO or OTOCO. It is named by `strategy_id` or `client_strategy_id`. Raises
        RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section 4.5.
        """
        parameters = _identity(strategy_type, strategy_id, client_strategy_id)
        return await self._rest.call(OPEN, parameters, StrategyRecord)

    async def strategy_history_order(
        self,
        strategy_type: StrategyType,
        *,
        strategy_id: int | None = None,
        client_strategy_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[StrategyRecord]:
        """Return finished strategies of the last 90 days; `limit` up to 1000.

        `strategy_type` is OTO, OCO or OTOCO. It is named by `strategy_id` or `client_strategy_id`. `start_ms`
        and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 5. Section 4.5.
        """
        parameters = _identity(strategy_type, strategy_id, client_strategy_id) | {
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        answer: StrategyRecord | list[StrategyRecord] = await self._rest.call(
            HISTORY, parameters, StrategyRecord | list[StrategyRecord]
        )
        return answer if isinstance(answer, list) else [answer]


def _identity(
    strategy_type: StrategyType, strategy_id: int | None, client_strategy_id: str | None
) -> Parameters:
    if (strategy_id is None) == (client_strategy_id is None):
        raise ValueError("give exactly one of strategy_id and client_strategy_id")
    return {
        "strategyType": strategy_type,
        "strategyId": strategy_id,
        "clientStrategyId": client_strategy_id,
    }
