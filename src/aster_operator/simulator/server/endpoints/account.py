"""Balances, positions and account settings (protocol reference, section 4.6)."""

from bisect import bisect_right
from collections import deque
from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import MarginType, PositionSide, SelfTradePrevention
from aster_operator.domain.money import plain_text
from aster_operator.simulator.api import PositionRiskView
from aster_operator.simulator.model import ATOMS, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.render import (
    account_json,
    balance_json,
    bracket_json,
    position_risk_json,
    rate_text,
)
from aster_operator.simulator.server.routing import Call, Endpoint, MarginChange

__all__ = ["ACCOUNT_ENDPOINTS"]

SUCCESS = {"code": 200, "msg": "success"}
MARGIN_CHANGES_KEPT = 5_000


def balance(call: Call) -> Any:
    """Balances of every asset."""
    view = call.exchange.account(call.account_id)
    return [balance_json(call.account_id, asset) for asset in view.assets]


def account(call: Call) -> Any:
    """Totals, assets and positions, flat ones too."""
    return account_json(call.exchange.account(call.account_id))


def position_risk(call: Call) -> Any:
    """Positions with mark price, liquidation price and margin."""
    spec = call.optional_spec()
    positions = call.exchange.positions(call.account_id, None if spec is None else spec.symbol)
    return [position_risk_json(position) for position in positions]


def set_leverage(call: Call) -> Any:
    """Leverage of a symbol, 1 to 125."""
    spec = call.spec()
    leverage = call.params.integer("leverage")
    if not 1 <= leverage <= 125:
        raise VenueRefusal(-4028, f"Leverage {leverage} is not valid")
    max_notional = call.exchange.set_leverage(call.account_id, spec.symbol, leverage)
    return {"leverage": leverage, "maxNotionalValue": str(max_notional), "symbol": spec.symbol}


def set_margin_type(call: Call) -> Any:
    """ISOLATED or CROSSED for a symbol."""
    spec = call.spec()
    margin_type = call.params.choice("marginType", MarginType, refusals.invalid_parameter("marginType"))
    call.exchange.set_margin_type(call.account_id, spec.symbol, margin_type)
    return SUCCESS


def change_position_margin(call: Call) -> Any:
    """Add to (type 1) or take from (type 2) the margin of an isolated position."""
    spec = call.spec()
    amount = call.params.decimal("amount")
    kind = call.params.integer("type", 1, 2)
    position_side = (
        call.params.optional_choice(
            "positionSide", PositionSide, VenueRefusal(-4060, "Invalid position side.")
        )
        or PositionSide.BOTH
    )
    if amount <= 0:
        raise VenueRefusal(-4055, "Amount must be positive.")
    signed = amount if kind == 1 else -amount
    call.exchange.change_position_margin(call.account_id, spec.symbol, position_side, signed)
    changes = call.services.margin_changes.setdefault(call.account_id, deque(maxlen=MARGIN_CHANGES_KEPT))
    changes.append(
        MarginChange(spec.symbol, position_side.value, plain_text(amount), kind, call.exchange.now_ms)
    )
    return {
        "amount": float(amount),
        "code": 200,
        "msg": "Successfully modify position margin.",
        "type": kind,
    }


def position_margin_history(call: Call) -> Any:
    """Margin added and removed by hand."""
    spec = call.spec()
    kind = call.params.optional_integer("type", 1, 2)
    start_ms, end_ms = call.params.time_span()
    rows = [
        {
            "amount": change.amount,
            "asset": spec.instrument.margin_asset,
            "symbol": change.symbol,
            "time": change.time_ms,
            "type": change.kind,
            "positionSide": change.position_side,
        }
        for change in call.services.margin_changes.get(call.account_id, ())
        if change.symbol == spec.symbol
        and (kind is None or change.kind == kind)
        and (start_ms is None or change.time_ms >= start_ms)
        and (end_ms is None or change.time_ms <= end_ms)
    ]
    return rows[-call.params.limit(500, 500) :]


def leverage_bracket(call: Call) -> Any:
    """Brackets as an array, also for one symbol (section 4.6)."""
    spec = call.optional_spec()
    specs = call.exchange.contracts().values() if spec is None else (spec,)
    return [bracket_json(each) for each in specs]


def position_mode(call: Call) -> Any:
    """True in hedge mode."""
    return {"dualSidePosition": call.exchange.account(call.account_id).hedge_mode}


def set_position_mode(call: Call) -> Any:
    """Hedge mode on or off."""
    call.exchange.set_hedge_mode(call.account_id, call.params.flag("dualSidePosition"))
    return SUCCESS


def multi_assets(call: Call) -> Any:
    """True in multi-assets mode."""
    return {"multiAssetsMargin": call.exchange.account(call.account_id).multi_assets}


def set_multi_assets(call: Call) -> Any:
    """Multi-assets mode on or off."""
    call.exchange.set_multi_assets(call.account_id, call.params.flag("multiAssetsMargin"))
    return SUCCESS


def stp_mode(call: Call) -> Any:
    """Self-trade prevention of the account."""
    return {"stpMode": call.exchange.account(call.account_id).self_trade_prevention.value}


def set_stp_mode(call: Call) -> Any:
    """Self-trade prevention that orders without their own use."""
    mode = call.params.choice("stpMode", SelfTradePrevention, refusals.invalid_parameter("stpMode"))
    call.exchange.set_self_trade_prevention(call.account_id, mode)
    return SUCCESS


def commission_rate(call: Call) -> Any:
    """Maker and taker rate of the account."""
    spec = call.spec()
    maker_e8, taker_e8 = call.exchange.fee_rates_e8(call.account_id, spec.symbol)
    return {
        "symbol": spec.symbol,
        "makerCommissionRate": rate_text(maker_e8),
        "takerCommissionRate": rate_text(taker_e8),
    }


def remaining_openable_notional(call: Call) -> Any:
    """What the account could still open in a symbol at a leverage: money first, then the bracket."""
    spec = call.spec()
    leverage = call.params.integer("leverage", 1, 125)
    view = call.exchange.account(call.account_id)
    free = sum(asset.available_atoms for asset in view.assets if asset.asset == spec.instrument.margin_asset)
    caps = [each.notional_cap for each in spec.brackets if each.initial_leverage >= leverage]
    held = sum(
        abs(position.notional_atoms) for position in call.exchange.positions(call.account_id, spec.symbol)
    )
    openable = min(free * leverage, max(0, max(caps, default=0) * ATOMS - held))
    return {"remainingOpenableNotionalValue": float(Decimal(openable) / ATOMS)}


def _adl_score(position: PositionRiskView) -> Decimal:
    """Profit in percent of the entry times leverage: who is most profitable and most leveraged (9.3)."""
    entry_notional = position.entry_price * abs(position.spec.quantity_of(position.lots))
    if entry_notional == 0:
        return Decimal(0)
    return Decimal(position.unrealized_atoms) / entry_notional * position.leverage


def adl_quantile(call: Call) -> Any:
    """Rank 0 to 4 of each open position among all accounts' positions of the same direction."""
    wanted = call.optional_spec()
    everyone: dict[tuple[str, bool], list[Decimal]] = {}
    for other in call.services.registry.accounts():
        for position in call.exchange.positions(other.account_id, None if wanted is None else wanted.symbol):
            if position.lots:
                everyone.setdefault((position.spec.symbol, position.lots > 0), []).append(
                    _adl_score(position)
                )
    for scores in everyone.values():
        scores.sort()
    rows: dict[str, dict[str, int]] = {}
    hedge = call.exchange.account(call.account_id).hedge_mode
    for position in call.exchange.positions(call.account_id, None if wanted is None else wanted.symbol):
        quantiles = rows.setdefault(
            position.spec.symbol, {"LONG": 0, "SHORT": 0, "HEDGE" if hedge else "BOTH": 0}
        )
        if position.lots:
            scores = everyone[position.spec.symbol, position.lots > 0]
            rank = bisect_right(scores, _adl_score(position))
            quantiles[position.position_side.value] = min(4, rank * 5 // (len(scores) + 1))
    answers = [{"symbol": symbol, "adlQuantile": quantiles} for symbol, quantiles in rows.items()]
    if wanted is None:
        return answers
    return answers[0]


_BOTH = (1, 3)
_TRADE, _READ = Security.TRADE, Security.USER_DATA

ACCOUNT_ENDPOINTS = (
    Endpoint("GET", "balance", (1, 2, 3), _READ, balance, 5),
    Endpoint("GET", "account", (1, 2, 3, 4), _READ, account, 5),
    Endpoint("GET", "accountWithJoinMargin", (3,), _READ, account, 5),
    Endpoint("GET", "positionRisk", (1, 2, 3), _READ, position_risk, 5),
    Endpoint("POST", "leverage", _BOTH, _TRADE, set_leverage),
    Endpoint("POST", "marginType", _BOTH, _TRADE, set_margin_type),
    Endpoint("POST", "positionMargin", _BOTH, _TRADE, change_position_margin),
    Endpoint("GET", "positionMargin/history", _BOTH, _READ, position_margin_history),
    Endpoint("GET", "leverageBracket", _BOTH, _READ, leverage_bracket),
    Endpoint("GET", "positionSide/dual", _BOTH, _READ, position_mode, 30),
    Endpoint("POST", "positionSide/dual", _BOTH, _TRADE, set_position_mode),
    Endpoint("GET", "multiAssetsMargin", _BOTH, _READ, multi_assets, 30),
    Endpoint("POST", "multiAssetsMargin", _BOTH, _TRADE, set_multi_assets),
    Endpoint("GET", "stpMode", (3,), _READ, stp_mode, 30),
    Endpoint("POST", "stpMode", (3,), _TRADE, set_stp_mode),
    Endpoint("GET", "commissionRate", _BOTH, _READ, commission_rate, 20),
    Endpoint("GET", "remainingOpenableNotionalValue", (1,), _READ, remaining_openable_notional, 20),
    Endpoint("GET", "adlQuantile", _BOTH, _READ, adl_quantile, 5),
)
