"""Domain values as rows of the books."""

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.commands import RecordDecision, RecordPositionOpened
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import NewOrder, OrderState

__all__ = [
    "decision_row",
    "income_row",
    "lifecycle_row",
    "naive_utc",
    "order_row",
    "position_row",
    "state_name",
    "trade_row",
]


def naive_utc(time_ms: int) -> datetime:
    """The instant as a naive datetime in UTC, as the `timestamp` columns hold it, to the millisecond."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None, microsecond=milliseconds * 1000)


def state_name(state: OrderState) -> str:
    """Name of a state as the journal spells it: `PartlyFilled` is `partly_filled`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(state).__name__).lower()


def trade_row(fill: Fill) -> dict[str, Any]:
    return {
        "timestamp": naive_utc(fill.event_ms),
        "timestamp_ms": fill.event_ms,
        "symbol": fill.symbol,
        "side": str(fill.side),
        "position_side": str(fill.position_side),
        "order_type": str(fill.order_type),
        "quantity": fill.quantity,
        "price": fill.price,
        "notional": fill.notional,
        "order_id": str(fill.order_id),
        "client_order_id": fill.client_order_id,
        "trade_id": fill.trade_id,
        "realized_pnl": fill.realized_pnl,
        "commission": fill.commission,
        "commission_asset": fill.commission_asset,
        "role": str(fill.role),
        "status": "FILLED",
    }


def income_row(row: IncomeRow) -> dict[str, Any]:
    return {
        "transaction_id": row.transaction_id,
        "symbol": row.symbol,
        "income_type": row.income_type,
        "income": row.income,
        "asset": row.asset,
        "time_ms": row.time_ms,
        "timestamp": naive_utc(row.time_ms),
        "trade_id": row.trade_id,
    }


def position_row(command: RecordPositionOpened) -> dict[str, Any]:
    return {
        "position_ref": command.position_ref,
        "pair_ref": command.pair_ref,
        "opened_at": naive_utc(command.opened_ms),
        "opened_ms": command.opened_ms,
        "symbol": command.symbol,
        "position_side": str(command.position_side),
        "entry_price": command.entry_price,
        "quantity": command.quantity,
        "leverage": command.leverage,
        "notional": command.quantity * command.entry_price,
        "hold_time_minutes": 0,
        "is_active": True,
        "hedge_weight": command.hedge.weight,
        "hedge_beta": command.hedge.beta,
    }


def order_row(order: NewOrder, sequence: int, at_ms: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": str(order.side),
        "position_side": str(order.position_side),
        "order_type": str(order.order_type),
        "quantity": order.quantity,
        "price": order.price,
        "order_json": msgspec.json.encode(order).decode(),
        "reason": order.reason,
        "intended_ms": at_ms,
        "state": "pending",
        "state_ms": at_ms,
        "filled_quantity": ZERO,
        "detail": "",
    }


def decision_row(command: RecordDecision) -> dict[str, Any]:
    return {
        "at_ms": command.at_ms,
        "timestamp": naive_utc(command.at_ms),
        "strategy": command.strategy,
        "symbol": command.symbol,
        "action": command.action,
        "reason": command.reason,
        "numbers_json": msgspec.json.encode(command.numbers).decode(),
    }


def lifecycle_row(trade: ClosedTrade) -> dict[str, Any]:
    """Every field of a closed trade, those about the market beside the others; the venue's ids as text."""
    row = msgspec.structs.asdict(trade)
    row |= msgspec.structs.asdict(row.pop("market"))
    for name in ("side", "position_side", "reason"):
        row[name] = str(row[name])
    for name in ("entry_order_id", "exit_order_id"):
        row[name] = None if row[name] is None else str(row[name])
    return row
