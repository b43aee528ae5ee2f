"""Domain values for tests of the books."""

from decimal import Decimal
from typing import Any

from aster_operator.database.selection import LedgerKey
from aster_operator.domain.closed_trades import ClosedTrade, ExitReason, MarketMeanwhile
from aster_operator.domain.commands import RecordDecision, RecordPositionClosed, RecordPositionOpened
from aster_operator.domain.enums import LiquidityRole, OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.orders import NewOrder

DAY_ONE_MS = 1_771_545_600_000  # 2026-02-20T00:00Z
BOOK = LedgerKey(venue="sim", account="0xabc", instance="life-1")


def make_fill(trade_id: int, **changes: Any) -> Fill:
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "trade_id": trade_id,
        "order_id": 10_000 + trade_id,
        "client_order_id": f"ao12345678-BTCUSDT-BL-{trade_id}",
        "side": Side.BUY,
        "position_side": PositionSide.LONG,
        "price": Decimal("67890.1"),
        "quantity": Decimal("0.003"),
        "realized_pnl": Decimal("-0.1"),
        "commission": Decimal("0.08146812"),
        "commission_asset": "USDT",
        "role": LiquidityRole.TAKER,
        "event_ms": DAY_ONE_MS + trade_id,
        "order_type": OrderType.LIMIT,
    }
    return Fill(**(values | changes))


def make_order(number: int = 0, **changes: Any) -> NewOrder:
    values: dict[str, Any] = {
        "client_order_id": f"ao12345678-BTCUSDT-BL-{number}",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "position_side": PositionSide.LONG,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal("0.003"),
        "price": Decimal("67890.1"),
        "time_in_force": TimeInForce.GTX,
        "reason": "open leg one",
    }
    return NewOrder(**(values | changes))


def make_income(number: int, **changes: Any) -> IncomeRow:
    values: dict[str, Any] = {
        "transaction_id": str(9_000_000 + number),
        "symbol": "BTCUSDT",
        "income_type": "FUNDING_FEE",
        "income": Decimal("-0.02036703"),
        "asset": "USDT",
        "time_ms": DAY_ONE_MS + number,
    }
    return IncomeRow(**(values | changes))


def make_opened(ref: str = "p1", **changes: Any) -> RecordPositionOpened:
    values: dict[str, Any] = {
        "at_ms": DAY_ONE_MS,
        "position_ref": ref,
        "pair_ref": "pair-1",
        "symbol": "BTCUSDT",
        "position_side": PositionSide.LONG,
        "opened_ms": DAY_ONE_MS,
        "entry_price": Decimal("67890.1"),
        "quantity": Decimal("0.003"),
        "leverage": 15,
    }
    return RecordPositionOpened(**(values | changes))


def make_closed(ref: str = "p1", **changes: Any) -> RecordPositionClosed:
    values: dict[str, Any] = {
        "at_ms": DAY_ONE_MS + 5_700_500,
        "position_ref": ref,
        "closed_ms": DAY_ONE_MS + 5_700_500,
        "entry_price": Decimal("67890.1"),
        "exit_price": Decimal("67990.1"),
        "quantity": Decimal("0.003"),
        "realized_pnl": Decimal("0.3"),
        "reason": "held long enough",
    }
    return RecordPositionClosed(**(values | changes))


def make_decision(**changes: Any) -> RecordDecision:
    values: dict[str, Any] = {
        "at_ms": DAY_ONE_MS + 7,
        "strategy": "delta-neutral",
        "symbol": "BTCUSDT",
        "action": "hold",
        "reason": "pair is 12 of 90 minutes old",
        "numbers": {"age_min": "12"},
    }
    return RecordDecision(**(values | changes))


def make_closed_trade(**changes: Any) -> ClosedTrade:
    values: dict[str, Any] = {
        "position_ref": "run-midfreq-1",
        "strategy": "midfreq",
        "symbol": "ETHUSDT",
        "side": Side.BUY,
        "position_side": PositionSide.BOTH,
        "quantity": Decimal("0.003"),
        "reason": ExitReason.TAKE_PROFIT,
        "detail": "",
        "decided_ms": DAY_ONE_MS,
        "entry_client_order_id": "ao12345678-ETHUSDT-BB-0",
        "entry_order_id": 7,
        "entry_filled_ms": DAY_ONE_MS + 5,
        "entry_price": Decimal("2500.1"),
        "protected_ms": DAY_ONE_MS + 9,
        "unprotected_ms": 4,
        "exit_client_order_id": None,
        "exit_order_id": None,
        "exit_sent_ms": None,
        "exit_filled_ms": DAY_ONE_MS + 60_000,
        "exit_price": Decimal("2505.2"),
        "fees_usd": Decimal("0.006"),
        "funding_usd": Decimal(0),
        "gross_pnl_usd": Decimal("0.0153"),
        "net_pnl_usd": Decimal("0.0093"),
        "market": MarketMeanwhile(base_volume=Decimal("12.5"), mae_bps=Decimal("3.25")),
    }
    return ClosedTrade(**(values | changes))
