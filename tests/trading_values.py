"""Plain values that the tests of strategy and execution share."""

from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import PositionSide, SymbolStatus
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.strategy.intents import LegStatus
from aster_operator.strategy.parameters import RiskLimits

__all__ = ["BTC", "ETH", "NOW_MS", "instrument_of", "leg_of", "limits_of"]

NOW_MS = 1_746_576_000_000
"""2025-05-07 00:00:00 UTC, a funding stamp."""


def instrument_of(symbol: str = "BTCUSDT", **changes: Any) -> Instrument:
    base = symbol.removesuffix("USDT")
    values: dict[str, Any] = {
        "symbol": symbol,
        "base_asset": base,
        "quote_asset": "USDT",
        "margin_asset": "USDT",
        "status": SymbolStatus.TRADING,
        "price_precision": 1,
        "quantity_precision": 3,
        "tick_size": Decimal("0.1"),
        "min_price": Decimal("0.1"),
        "max_price": Decimal(4_529_764),
        "lot": LotFilter(Decimal("0.001"), Decimal(1000), Decimal("0.001")),
        "market_lot": LotFilter(Decimal("0.001"), Decimal(120), Decimal("0.001")),
        "min_notional": Decimal(5),
        "percent_price_up": Decimal("1.05"),
        "percent_price_down": Decimal("0.95"),
        "market_take_bound": Decimal("0.05"),
        "trigger_protect": Decimal("0.05"),
        "liquidation_fee": Decimal("0.0125"),
        "max_num_orders": 200,
        "max_num_algo_orders": 10,
    }
    return Instrument(**(values | changes))


BTC = instrument_of("BTCUSDT")
ETH = instrument_of("ETHUSDT")


def limits_of(**changes: Any) -> RiskLimits:
    """$10,000 at 5x, a leg of $5,000 (10 %)."""
    values: dict[str, Any] = {
        "capital_usd": Decimal(10_000),
        "leverage": 5,
        "max_position_size_pct": Decimal(10),
    }
    return RiskLimits(**(values | changes))


def leg_of(side: PositionSide, symbol: str = "BTCUSDT", **changes: Any) -> LegStatus:
    """A leg of 0.1 base units that the venue has spoken of, at a mark of 50,000."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "position_side": side,
        "quantity": Decimal("0.1"),
        "mark": Decimal(50_000),
        "unrealized_usd": Decimal(0),
        "liquidation_price": Decimal(0),
        "adl_quantile": 0,
    }
    return LegStatus(**(values | changes))
