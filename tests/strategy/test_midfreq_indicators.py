"""Indicators against independent calculations: real minutes, gaps, bars without trades, flat prices."""

import functools
import math
from decimal import Decimal, localcontext

import polars as pl
import pytest
from bar_views import bar_at
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.market import Bar
from aster_operator.market_data.history import sample_data_path
from aster_operator.strategy.bar_history import Arrival, BarHistory
from aster_operator.strategy.midfreq.indicators import (
    mean_volume,
    return_bps,
    rogers_satchell_variance,
    rogers_satchell_volatility_bps,
)

REAL_BARS = 1_000


def real_minutes(symbol: str) -> pl.DataFrame:
    frame = pl.read_parquet(sample_data_path() / "klines_1m.parquet").filter(pl.col("symbol") == symbol)
    # Holes as a venue that was down leaves them, some minutes without a trade, some that stand still.
    minute = pl.int_range(pl.len())
    frame = frame.head(REAL_BARS).with_columns(
        base_volume=pl.when(minute % 97 == 5).then(0.0).otherwise(pl.col("base_volume"))
    )
    flat = [
        pl.when(minute % 53 < 4).then(pl.col("open")).otherwise(pl.col(name)).alias(name)
        for name in ("high", "low", "close")
    ]
    return frame.with_columns(*flat).filter((minute % 211 != 100) & (minute % 307 > 2))


def bars_from(frame: pl.DataFrame) -> list[Bar]:
    first_ms = frame["open_time_ms"][0]
    return [
        bar_at(
            (row["open_time_ms"] - first_ms) // 60_000,
            (row["open"], row["high"], row["low"], row["close"]),
            row["base_volume"],
        )
        for row in frame.iter_rows(named=True)
    ]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize(("volatility_window", "volume_window"), [(2, 3), (10, 60), (30, 30)])
def test_every_value_equals_a_rolling_calculation_over_the_table(
    symbol: str, volatility_window: int, volume_window: int
) -> None:
    frame = real_minutes(symbol)
    high, low, open_, close = (pl.col(name) for name in ("high", "low", "open", "close"))
    variance = (high / open_).log() * (high / close).log() + (low / open_).log() * (low / close).log()
    ret = 1e4 * (close / close.shift(1) - 1.0)
    table = frame.select(ret=ret, variance=variance, volume=pl.col("base_volume"))
    history = BarHistory(max(volatility_window, volume_window, 2))
    compared = 0
    for row, bar in enumerate(bars_from(frame)):
        assert history.add(bar) is Arrival.NEW
        bars = history.bars
        if len(bars) < max(volatility_window, volume_window, 2):
            continue
        variances = table["variance"][row + 1 - volatility_window : row + 1]
        volumes = table["volume"][row + 1 - volume_window : row + 1]
        volatility = 1e4 * math.sqrt(max(0.0, float(variances.sum()) / volatility_window))
        measured = rogers_satchell_volatility_bps(bars[-volatility_window:])
        assert return_bps(bars) == pytest.approx(table["ret"][row], rel=1e-12, abs=1e-12)
        assert mean_volume(bars[-volume_window:]) == pytest.approx(
            float(volumes.sum()) / volume_window, rel=1e-12
        )
        assert measured == pytest.approx(volatility, rel=1e-12, abs=1e-12)
        # The definition itself rounds the price ratios: that is all it differs from the truth.
        assert measured == pytest.approx(exact_volatility_bps(bars[-volatility_window:]), rel=1e-9, abs=1e-9)
        compared += 1
    assert compared > 900


@functools.cache  # a bar is in as many windows as the longest has bars
def exact_variance(bar: Bar) -> Decimal:
    with localcontext(prec=50):
        up, down = bar.high.ln() - bar.open.ln(), bar.low.ln() - bar.open.ln()
        end = bar.close.ln() - bar.open.ln()
        return up * (up - end) + down * (down - end)


def exact_volatility_bps(bars: tuple[Bar, ...]) -> float:
    """By definition, with fifty digits."""
    with localcontext(prec=50):
        total = sum((exact_variance(bar) for bar in bars), Decimal(0))
        return float(10_000 * (max(total, Decimal(0)) / len(bars)).sqrt())


def test_a_flat_bar_has_no_variance_and_a_window_of_them_no_volatility() -> None:
    assert rogers_satchell_variance(100.0, 100.0, 100.0, 100.0) == 0.0
    assert rogers_satchell_volatility_bps([bar_at(n, (100, 100, 100, 100)) for n in range(5)]) == 0.0


def test_a_drift_alone_has_no_variance() -> None:
    assert rogers_satchell_variance(100.0, 110.0, 100.0, 110.0) == 0.0


def test_a_close_beyond_its_high_gives_no_imaginary_volatility() -> None:
    assert rogers_satchell_volatility_bps([bar_at(0, (100, 101, 100, 102))]) == 0.0


def test_empty_windows_are_refused() -> None:
    for measure in (mean_volume, rogers_satchell_volatility_bps, return_bps):
        with pytest.raises(ValueError, match="bar"):
            measure([])


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=80),
    st.integers(1, 12),
)
def test_whatever_arrives_a_minute_counts_once_and_in_order(minutes: list[int], capacity: int) -> None:
    history = BarHistory(capacity)
    accepted = [
        minute for minute in minutes if history.add(bar_at(minute, (1, 1, 1, 1), minute)) is Arrival.NEW
    ]
    newest, expected = -1, []
    for minute in minutes:
        if minute > newest:
            newest = minute
            expected.append(minute)
    assert accepted == expected
    assert [int(bar.base_volume) for bar in history.bars] == expected[-capacity:]


def test_arrivals_are_told_apart() -> None:
    history = BarHistory(5)
    assert history.add(bar_at(1, (1, 2, 1, 2), is_closed=False)) is Arrival.RUNNING
    assert history.add(bar_at(1, (1, 2, 1, 2))) is Arrival.NEW
    assert history.add(bar_at(1, (1, 9, 1, 9))) is Arrival.REPEATED
    assert history.add(bar_at(0, (1, 2, 1, 2))) is Arrival.LATE
    assert history.add(bar_at(2, (1, 2, 0, 2))) is Arrival.INVALID
    assert history.add(bar_at(2, (1, 2, 1, 2), -1)) is Arrival.INVALID
    assert [bar.close for bar in history.bars] == [2]
    assert history.resized(1).bars == history.bars
    assert math.isclose(mean_volume(history.bars), 10.0)
