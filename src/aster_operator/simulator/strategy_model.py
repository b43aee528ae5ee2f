"""Strategy orders of the venue: OTO, OCO, OTOCO and chase (protocol reference, section 4.5)."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from aster_operator.domain.enums import PositionSide, Side, TimeInForce
from aster_operator.simulator.model import OrderRequest, SimulatedOrder

__all__ = [
    "ChaseRequest",
    "DrivenOn",
    "QuantityUnit",
    "StrategyOrder",
    "StrategyStatus",
    "StrategyType",
    "SubOrder",
    "Trigger",
    "TriggerAction",
]


class StrategyType(StrEnum):
    OTO = "OTO"
    OCO = "OCO"
    OTOCO = "OTOCO"
    CHASE = "CHASE"


class StrategyStatus(StrEnum):
    """`strategyStatus`; live answers show WORKING, the other words are this exchange's own."""

    WORKING = "WORKING"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


class DrivenOn(StrEnum):
    """Event of the driving sub-order that sets off a trigger."""

    NEW = "NEW"
    PARTIALLY_FILLED_OR_FILLED = "PARTIALLY_FILLED_OR_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    STOPPED = "STOPPED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class TriggerAction(StrEnum):
    PLACE_ORDER = "PLACE_ORDER"
    CANCEL_ORDER = "CANCEL_ORDER"


class QuantityUnit(StrEnum):
    BASE = "BASE"
    QUOTE = "QUOTE"


@dataclass(frozen=True, slots=True)
class Trigger:
    """When sub-order `driven_id` meets `driven_on`, do `action` to the sub-order that owns this trigger."""

    driven_id: int
    driven_on: DrivenOn
    action: TriggerAction


@dataclass(slots=True)
class SubOrder:
    """One leg. `order` is None until it has been placed; `refused` says why it never was."""

    sub_id: int
    request: OrderRequest
    triggers: tuple[Trigger, ...] = ()
    order: SimulatedOrder | None = None
    refused: str = ""

    @property
    def is_waiting(self) -> bool:
        return self.order is None and not self.refused


@dataclass(slots=True)
class ChaseRequest:
    """A limit order that follows the best price of its own side. Offsets in quote units, or percent."""

    symbol: str
    side: Side
    quantity: Decimal
    quantity_unit: QuantityUnit = QuantityUnit.BASE
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    chase_offset: Decimal = Decimal(0)
    max_chase_offset: Decimal | None = None
    max_chase_offset_is_pct: bool = False
    time_in_force: TimeInForce = TimeInForce.GTX
    client_strategy_id: str | None = None


@dataclass(slots=True)
class StrategyOrder:
    """A strategy and its legs. `book_ms` is the time of the book a chase started from."""

    strategy_id: int
    account_id: str
    symbol: str
    client_strategy_id: str
    strategy_type: StrategyType
    created_ms: int
    updated_ms: int
    sub_orders: list[SubOrder] = field(default_factory=list)
    status: StrategyStatus = StrategyStatus.WORKING
    failure_code: int = 0
    failure_reason: str = ""
    chase: ChaseRequest | None = None
    book_ms: int = 0

    @property
    def is_open(self) -> bool:
        return self.status is StrategyStatus.WORKING
