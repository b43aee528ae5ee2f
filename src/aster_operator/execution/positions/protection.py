"""Exit orders of a position: which it needs, at which prices, and how each is written for the venue."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from aster_operator.domain.enums import OrderType, PositionSide, WorkingType
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import BPS
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.positions.position import ExitKind, ManagedPosition
from aster_operator.execution.positions.settings import PositionDeskSettings

__all__ = ["exit_order", "exit_price", "needed_exits", "trails_itself"]

_BPS_PER_PCT = Decimal(100)


def trails_itself(position: ManagedPosition, settings: PositionDeskSettings) -> bool:
    """True when the operator has to run the trailing stop: the venue does not take its callback."""
    callback_bps = position.plan.trailing_callback_bps
    if callback_bps is None:
        return False
    callback_pct = callback_bps / _BPS_PER_PCT
    return not settings.min_callback_pct <= callback_pct <= settings.max_callback_pct


def needed_exits(position: ManagedPosition) -> Iterator[ExitKind]:
    """What must rest at the venue while something is held: the stop first."""
    yield ExitKind.STOP
    if position.plan.take_profit_bps is not None:
        yield ExitKind.TAKE_PROFIT
    if position.plan.trailing_callback_bps is not None and position.trail is None:
        yield ExitKind.TRAILING


def exit_price(position: ManagedPosition, kind: ExitKind, instrument: Instrument) -> Decimal:
    """Trigger of a take-profit or stop, activation of a trailing stop, on the tick.

    Rounded so that a target is never nearer than planned and a stop never further.
    """
    plan, entry, sign = position.plan, position.entry_price, position.side.sign
    bps = {
        ExitKind.STOP: plan.stop_loss_bps,
        ExitKind.TAKE_PROFIT: plan.take_profit_bps,
        ExitKind.TRAILING: plan.trailing_activation_bps,
    }[kind]
    if bps is None:
        raise ValueError(f"the plan of {position.position_ref} has no {kind}")
    raw = entry * (1 + (-sign if kind is ExitKind.STOP else sign) * bps * BPS)
    # Up for a long, down for a short: away from entry for targets, towards it for the stop.
    return instrument.round_price_aggressive(raw, position.side)


def exit_order(
    position: ManagedPosition,
    kind: ExitKind,
    quantity: Decimal,
    instrument: Instrument,
    client_order_id: str,
) -> NewOrder:
    """The order for one exit. One-way positions say reduce-only, hedged ones their position side."""
    one_way = position.position_side is PositionSide.BOTH
    base = NewOrder(
        client_order_id=client_order_id,
        symbol=position.symbol,
        side=position.closing_side,
        position_side=position.position_side,
        order_type=OrderType.MARKET,
        quantity=quantity,
        reduce_only=one_way,
        reason=f"{kind} of {position.position_ref}",
    )
    return _as(base, kind, position, instrument)


def _as(base: NewOrder, kind: ExitKind, position: ManagedPosition, instrument: Instrument) -> NewOrder:
    if kind is ExitKind.CLOSE:
        return replace(base, reason=position.detail or base.reason)
    price = exit_price(position, kind, instrument)
    if kind is ExitKind.STOP:
        return replace(
            base, order_type=OrderType.STOP_MARKET, stop_price=price, working_type=WorkingType.MARK_PRICE
        )
    if kind is ExitKind.TAKE_PROFIT:
        return replace(
            base,
            order_type=OrderType.TAKE_PROFIT_MARKET,
            stop_price=price,
            working_type=WorkingType.CONTRACT_PRICE,
        )
    callback_bps = position.plan.trailing_callback_bps
    return replace(
        base,
        order_type=OrderType.TRAILING_STOP_MARKET,
        activation_price=price,
        callback_rate_pct=None if callback_bps is None else callback_bps / _BPS_PER_PCT,
        working_type=WorkingType.CONTRACT_PRICE,
    )
