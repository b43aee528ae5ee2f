"""What has moved in a spot wallet, and sending from one to another (protocol reference, section 4.8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aster_operator.domain.enums import Side
from aster_operator.simulator.model import TradeRecord, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.agents import address_parameter
from aster_operator.simulator.server.endpoints.orders import week_span
from aster_operator.simulator.server.number_text import atoms_text
from aster_operator.simulator.server.routing import Call, Endpoint
from aster_operator.simulator.spot import SpotExchange
from aster_operator.simulator.spot_books import base_atoms

__all__ = ["SPOT_HISTORY_ENDPOINTS"]

KINDS = frozenset(
    (
        "TRADE_TARGET",
        "TRADE_SOURCE",
        "TRANSFER_SPOT_TO_FUTURE",
        "TRANSFER_FUTURE_TO_SPOT",
        "TRANSFER_SPOT_TO_SPOT",
        "AIRDROP",
        "DIVIDEND",
        "TRANSFER_REFUND",
        "INTERNAL_TRANSFER",
        "TRANSFER",
        "SWAP",
        "COMMISSION_REBATE",
        "CASH_BACK",
        "STAKING_WITHDRAW",
        "STAKING_CLAIM",
        "STAKING_DELEGATE",
    )
)
MIN_TRANSFER_ID, MAX_TRANSFER_ID = 20, 64


@dataclass(frozen=True, slots=True)
class _Row:
    """A change of one asset; of a trade `trade_id` and `symbol` are known."""

    time_ms: int
    asset: str
    atoms: int
    kind: str
    trade_id: int | None = None
    symbol: str = ""


def _traded(trade: TradeRecord) -> Iterator[_Row]:
    spec, instrument = trade.spec, trade.spec.instrument
    quote = (instrument.quote_asset, spec.notional_atoms(trade.ticks, trade.lots))
    base = (instrument.base_asset, base_atoms(spec, trade.lots))
    (given, gave), (got, received) = (quote, base) if trade.side is Side.BUY else (base, quote)
    yield _Row(trade.time_ms, given, -gave, "TRADE_SOURCE", trade.trade_id, spec.symbol)
    net = received - trade.commission_atoms
    yield _Row(trade.time_ms, got, net, "TRADE_TARGET", trade.trade_id, spec.symbol)


def _rows(spot: SpotExchange, account_id: str) -> list[_Row]:
    """Every change of every balance, oldest first: together they are the balances."""
    rows = [_Row(move.time_ms, move.asset, move.atoms, move.kind) for move in spot.moves(account_id)]
    rows.extend(row for trade in spot.trades(account_id, None) for row in _traded(trade))
    return sorted(rows, key=lambda row: row.time_ms)


def transaction_history(call: Call) -> Any:
    """Changes of the spot balances, oldest first; of the last seven days unless times are given."""
    spot = call.exchange.spot
    asset, kind = call.params.optional_text("asset"), call.params.optional_text("type")
    if kind is not None and kind not in KINDS:
        raise refusals.invalid_parameter("type")
    start_ms, end_ms = week_span(call)
    limit = call.params.limit(100, 1000)
    rows = [] if spot is None else _rows(spot, call.account_id)
    found = [
        (number, row)
        for number, row in enumerate(rows, start=1)
        if start_ms <= row.time_ms <= end_ms and asset in (None, row.asset) and kind in (None, row.kind)
    ]
    return [
        {
            "tranId": row.time_ms * 1_000_000 + number,
            "tradeId": row.trade_id,
            "asset": row.asset,
            "symbol": row.symbol,
            "balanceDelta": atoms_text(row.atoms),
            "balanceInfo": row.kind,
            "time": row.time_ms,
            "type": row.kind,
        }
        for number, row in found[-limit:]
    ]


def send_to_address(call: Call) -> Any:
    """Move coins to the spot wallet of another account of this exchange."""
    spot = call.exchange.spot
    if spot is None:
        raise refusals.unsupported_operation()
    target = address_parameter(call, "toAddress").lower()
    if target == call.account_id or not call.exchange.has_account(target):
        raise refusals.invalid_parameter("toAddress")
    asset, amount = call.params.text("asset"), call.params.decimal("amount")
    client_id = call.params.optional_text("clientTranId")
    if client_id is not None and not MIN_TRANSFER_ID <= len(client_id) < MAX_TRANSFER_ID:
        raise VenueRefusal(-4114, "Client tran id length is not valid.")
    number = call.services.spot.send(call.account_id, target, asset, amount, client_id)
    return {"tranId": number, "status": "SUCCESS"}


_BOTH = (1, 3)

SPOT_HISTORY_ENDPOINTS = (
    Endpoint("GET", "transactionHistory", _BOTH, Security.USER_DATA, transaction_history, 30, product="api"),
    Endpoint("POST", "asset/sendToAddress", (1,), Security.TRANSFER, send_to_address, 5, product="api"),
)
