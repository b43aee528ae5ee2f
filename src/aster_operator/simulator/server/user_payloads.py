"""Payloads of the user stream, keys exactly as protocol reference, section 7 lists them."""

from typing import Any

from aster_operator.domain.enums import MarginType, OrderType, Side
from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import (
    AccountEvent,
    ConfigEvent,
    MarginCallEvent,
    OrderEvent,
    PositionView,
)
from aster_operator.simulator.server.number_text import atoms_text, symbol_text, trimmed_atoms_text

__all__ = ["account_update", "config_update", "listen_key_expired", "margin_call", "order_update"]


def order_update(event: OrderEvent) -> dict[str, Any]:
    order, trade = event.order, event.trade
    text = symbol_text(order.spec)
    open_notional = text.notional(order.spec.notional_atoms(order.price_ticks, order.remaining_lots))
    payload: dict[str, Any] = {
        "s": order.symbol,
        "c": order.client_order_id,
        "S": order.side.value,
        "o": order.order_type.value,
        "f": order.time_in_force.value,
        "q": text.quantity(order.lots),
        "p": text.price(order.price_ticks),
        "ap": text.average(order.average_price),
        "sp": text.price(order.stop_ticks),
        "x": event.execution.value,
        "X": order.status.value,
        "i": order.order_id,
        "l": text.quantity(0 if trade is None else trade.lots),
        "z": text.quantity(order.filled_lots),
        "L": text.price(0 if trade is None else trade.ticks),
    }
    if trade is not None:
        payload["N"] = order.spec.instrument.margin_asset
        payload["n"] = atoms_text(trade.commission_atoms)
    payload |= {
        "T": event.time_ms,
        "t": 0 if trade is None else trade.trade_id,
        "b": open_notional if order.side is Side.BUY else "0",
        "a": open_notional if order.side is Side.SELL else "0",
        "m": trade is not None and trade.is_maker,
        "R": order.reduce_only,
        "wt": order.working_type.value,
        "ot": order.original_type.value,
        "ps": order.position_side.value,
        "cp": order.close_position,
        "rp": "0" if trade is None else trimmed_atoms_text(trade.realized_atoms),
    }
    if order.original_type is OrderType.TRAILING_STOP_MARKET:
        payload["AP"] = text.price(order.activation_ticks)
        payload["cr"] = plain_text(order.callback_rate_pct)
    return {"e": "ORDER_TRADE_UPDATE", "E": event.time_ms, "T": event.time_ms, "o": payload}


def _position(position: PositionView) -> dict[str, Any]:
    text = symbol_text(position.spec)
    return {
        "s": position.spec.symbol,
        "pa": text.quantity(position.lots),
        "ep": text.average(position.entry_price),
        "cr": trimmed_atoms_text(position.accumulated_realized_atoms),
        "up": atoms_text(position.unrealized_atoms),
        "mt": "isolated" if position.margin_type is MarginType.ISOLATED else "cross",
        "iw": atoms_text(position.isolated_wallet_atoms),
        "ps": position.position_side.value,
        "ma": position.spec.instrument.margin_asset,
    }


def account_update(event: AccountEvent) -> dict[str, Any]:
    return {
        "e": "ACCOUNT_UPDATE",
        "E": event.time_ms,
        "T": event.time_ms,
        "a": {
            "m": event.reason,
            "B": [
                {
                    "a": balance.asset,
                    "wb": atoms_text(balance.wallet_atoms),
                    "cw": atoms_text(balance.cross_wallet_atoms),
                    "bc": trimmed_atoms_text(balance.change_atoms),
                }
                for balance in event.balances
            ],
            "P": [_position(position) for position in event.positions],
        },
    }


def config_update(event: ConfigEvent, hedge_mode: bool, multi_assets: bool) -> dict[str, Any]:
    payload: dict[str, Any] = {"e": "ACCOUNT_CONFIG_UPDATE", "E": event.time_ms, "T": event.time_ms}
    if event.symbol is not None:
        payload["ac"] = {"s": event.symbol, "l": event.leverage}
    else:
        payload["ai"] = {"j": multi_assets, "f": False, "d": hedge_mode}
    return payload


def margin_call(event: MarginCallEvent) -> dict[str, Any]:
    """`cw` is told only when the call is for the cross positions."""
    payload: dict[str, Any] = {"e": "MARGIN_CALL", "E": event.time_ms}
    if event.cross_wallet_atoms is not None:
        payload["cw"] = trimmed_atoms_text(event.cross_wallet_atoms)
    payload["p"] = [
        {
            "s": position.spec.symbol,
            "ps": position.position_side.value,
            "pa": symbol_text(position.spec).quantity(position.lots),
            "mt": position.margin_type.value,
            "iw": trimmed_atoms_text(position.isolated_wallet_atoms),
            "mp": trimmed_atoms_text(mark_e8),
            "up": trimmed_atoms_text(position.unrealized_atoms),
            "mm": trimmed_atoms_text(maintenance_atoms),
        }
        for position, mark_e8, maintenance_atoms in event.positions
    ]
    return payload


def listen_key_expired(time_ms: int) -> dict[str, Any]:
    return {"e": "listenKeyExpired", "E": time_ms}
