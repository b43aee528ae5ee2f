"""Bars and views that the tests of bar strategies share."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.market import Bar
from aster_operator.strategy.base import BarView
from trading_values import NOW_MS

__all__ = ["bar_at", "bars_of", "view_of"]


def bar_at(minute: int, prices: Sequence[object], volume: object = 10, **changes: Any) -> Bar:
    """The closed bar `minute` minutes after NOW_MS; `prices` are open, high, low, close."""
    open_, high, low, close = (Decimal(str(price)) for price in prices)
    open_ms = NOW_MS + minute * MINUTE_MS
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "open_ms": open_ms,
        "close_ms": open_ms + MINUTE_MS - 1,
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "base_volume": Decimal(str(volume)),
        "quote_volume": Decimal(str(volume)) * close,
        "trades": 1,
        "taker_buy_base_volume": Decimal(0),
        "taker_buy_quote_volume": Decimal(0),
        "is_closed": True,
    }
    return Bar(**(values | changes))


def bars_of(closes: Sequence[object], volumes: Sequence[object] | None = None) -> tuple[Bar, ...]:
    """Consecutive bars that open at the close before and range 1 beyond both ends."""
    numbers = [Decimal(str(close)) for close in closes]
    volumes = volumes or [10] * len(numbers)
    opens = [numbers[0], *numbers[:-1]]
    return tuple(
        bar_at(minute, (open_, max(open_, close) + 1, min(open_, close) - 1, close), volume)
        for minute, (open_, close, volume) in enumerate(zip(opens, numbers, volumes, strict=True))
    )


def view_of(bars: Sequence[Bar], **changes: Any) -> BarView:
    """A calm market around the last close: one tick wide, mark in the middle, no funding."""
    close = bars[-1].close
    values: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "now_ms": bars[-1].close_ms + 1,
        "bars": tuple(bars),
        "bid": close - Decimal("0.1"),
        "ask": close,
        "mark": close,
        "funding_rate": Decimal(0),
        "tick_size": Decimal("0.1"),
        "taker_fee_rate": Decimal("0.0004"),
    }
    return BarView(**(values | changes))
