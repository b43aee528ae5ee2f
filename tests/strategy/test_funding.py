"""Funding as it is expected: what legs pay, that legs of one symbol cancel, and which way round is paid."""

from decimal import Decimal
from typing import Any

import pytest

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.strategy.funding import (
    leg_forecast_usd,
    pair_forecast_usd,
    sides_that_are_paid,
    stamps_until,
)
from aster_operator.strategy.intents import SymbolMarket
from trading_values import NOW_MS

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
USD = Decimal(10_000)


def market(symbol: str = "BTCUSDT", rate: str | None = "0.0001", **changes: Any) -> SymbolMarket:
    values: dict[str, Any] = {
        "symbol": symbol,
        "bid": None,
        "ask": None,
        "bid_quantity": None,
        "ask_quantity": None,
        "mark": None,
        "funding_rate": None if rate is None else Decimal(rate),
        "next_funding_ms": NOW_MS + HOUR_MS,
        "stale": None,
    }
    return SymbolMarket(**(values | changes))


@pytest.mark.parametrize(
    ("last_hours", "until_hours", "stamps"),
    [(None, 0.5, 0), (None, 1, 1), (None, 8.9, 1), (None, 9, 2), (-3, 9, 3), (None, 25, 4)],
)
def test_stamps_are_counted_to_the_end_of_the_hold(
    last_hours: int | None, until_hours: float, stamps: int
) -> None:
    last_ms = None if last_hours is None else NOW_MS + last_hours * HOUR_MS
    of = market(last_funding_ms=last_ms)
    assert stamps_until(of, NOW_MS, NOW_MS + int(until_hours * HOUR_MS)) == stamps


@pytest.mark.parametrize(
    ("rate", "side", "expected"),
    [("0.0001", LONG, "-1"), ("0.0001", SHORT, "1"), ("-0.0002", LONG, "2"), (None, LONG, None)],
)
def test_longs_pay_a_positive_rate(rate: str | None, side: PositionSide, expected: str | None) -> None:
    found = leg_forecast_usd(market(rate=rate), side, USD, NOW_MS, NOW_MS + 2 * HOUR_MS)
    assert found == (None if expected is None else Decimal(expected))


def test_two_legs_of_one_symbol_pay_each_other() -> None:
    for rate in ("0.003", None):
        assert pair_forecast_usd(market(rate=rate), market(rate=rate), USD, NOW_MS, NOW_MS + HOUR_MS) == 0


@pytest.mark.parametrize(
    ("btc", "eth", "sides"),
    [
        ("0.0001", "0.0003", ("BTCUSDT", "ETHUSDT")),  # short the one that longs pay more for
        ("0.0003", "0.0001", ("ETHUSDT", "BTCUSDT")),
        ("0.0001", "0.0001", ("BTCUSDT", "ETHUSDT")),
        ("0.0003", None, ("BTCUSDT", "ETHUSDT")),
    ],
)
def test_a_pair_of_two_symbols_is_turned_to_the_side_that_is_paid(
    btc: str | None, eth: str | None, sides: tuple[str, str]
) -> None:
    found = sides_that_are_paid(market(rate=btc), market("ETHUSDT", eth), NOW_MS, NOW_MS + 2 * HOUR_MS)
    assert found == sides
