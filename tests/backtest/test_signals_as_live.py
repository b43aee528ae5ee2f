"""The sweep's signals and levels are those of the live strategy, bar for bar."""

from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from aster_operator.backtest.feature_sources import CsvLogSource
from aster_operator.backtest.features import build_features, write_features
from aster_operator.backtest.grid import PARAMETERS, SIGNAL_PARAMETERS, make_param_grid
from aster_operator.backtest.inputs import InputFile
from aster_operator.backtest.semantics_exchange import ExchangeOptions, ExchangeSemantics
from aster_operator.backtest.signals import build_signals
from aster_operator.domain.enums import Side
from aster_operator.domain.market import Bar
from aster_operator.strategy.base import BarDecision, BarView, Enter
from aster_operator.strategy.midfreq.parameters import SymbolParameters
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy

from .logs import MINUTE_MS, write_logs
from .markets import space

MINUTES = 240
FEE = Decimal("0.0004")


def exact(value: float) -> Decimal:
    return Decimal(repr(float(value)))


def live_bars(rows: list[dict[str, float]]) -> list[Bar]:
    none = Decimal(0)
    return [
        Bar(
            symbol="BTCUSDT",
            interval="1m",
            open_ms=int(row["bar_ts_ms"]) - MINUTE_MS + 1,
            close_ms=int(row["bar_ts_ms"]),
            open=exact(row["open"]),
            high=exact(row["high"]),
            low=exact(row["low"]),
            close=exact(row["close"]),
            base_volume=exact(row["vol1m"]),
            quote_volume=none,
            trades=0,
            taker_buy_base_volume=none,
            taker_buy_quote_volume=none,
            is_closed=True,
        )
        for row in rows
    ]


def decisions(rows: list[dict[str, float]], parameters: SymbolParameters) -> list[BarDecision]:
    """What the live strategy decides at the close of each row."""
    strategy = MidFrequencyStrategy({"BTCUSDT": parameters})
    bars = live_bars(rows)
    needed = strategy.warm_up_bars
    return [
        strategy.on_bar_closed(
            BarView(
                symbol="BTCUSDT",
                now_ms=bars[index].close_ms + 1,
                bars=tuple(bars[max(0, index + 1 - needed) : index + 1]),
                bid=exact(row["bid_px"]),
                ask=exact(row["ask_px"]),
                mark=exact(row["mark_px"]),
                funding_rate=exact(row["funding_rate"]),
                tick_size=Decimal("0.1"),
                taker_fee_rate=FEE,
            )
        )
        for index, row in enumerate(rows)
    ]


@pytest.mark.parametrize("in_ticks", [True, False])
def test_every_decision_to_enter_is_a_signal_and_the_other_way_round(tmp_path: Path, in_ticks: bool) -> None:
    write_logs(tmp_path, MINUTES, 21, symbols=("BTCUSDT",))
    table = build_features(CsvLogSource(tmp_path), (10, 30))
    write_features(table, tmp_path / "f.parquet")
    rows = table.table.to_dicts()
    values = space(k=[0.2, 0.8], n=[0.7, 1.05], spread_max=[0.05], funding_max=[0.8, 1.2], sl_bps=[10.0])
    grid = make_param_grid(values | {"tp_bps": [20.0], "activation_bps": [8.0], "callback_bps": [3.0]})
    bars = InputFile(tmp_path / "f.parquet").bars("BTCUSDT", grid, "exchange", has_tick_size=in_ticks)
    signals = build_signals(bars, grid, tick_size=0.1 if in_ticks else None)
    entered = 0
    for number, signal_set in enumerate(grid.signal_sets):
        chosen = dict(zip(SIGNAL_PARAMETERS, signal_set, strict=True))
        parameters = SymbolParameters(
            momentum_k=float(chosen["k"]),
            volatility_window_bars=int(chosen["T"]),
            volume_ratio_n=float(chosen["n"]),
            volume_window_bars=int(chosen["V"]),
            max_spread_bps=None if in_ticks else exact(chosen["spread_max"]),
            max_funding_bps=exact(chosen["funding_max"]),
        )
        intents = [decision.intent for decision in decisions(rows, parameters)]
        long, short = signals.entries(number, len(bars))
        assert [isinstance(intent, Enter) and intent.side is Side.BUY for intent in intents] == long.tolist()
        assert [
            isinstance(intent, Enter) and intent.side is Side.SELL for intent in intents
        ] == short.tolist()
        entered += int(long.sum() + short.sum())
    assert entered > 50


def test_levels_are_those_of_the_live_strategy(tmp_path: Path) -> None:
    write_logs(tmp_path, MINUTES, 22, symbols=("BTCUSDT",))
    table = build_features(CsvLogSource(tmp_path), (10,))
    write_features(table, tmp_path / "f.parquet")
    values = space(T=[10], V=[10], k=[0.1], n=[0.1])
    grid = make_param_grid(values)
    bars = InputFile(tmp_path / "f.parquet").bars("BTCUSDT", grid, "exchange", has_tick_size=True)
    semantics = ExchangeSemantics(bars, grid, ExchangeOptions(fee_bps=4.0, tick_size=0.1))
    parameters = SymbolParameters(
        momentum_k=0.1, volatility_window_bars=10, volume_ratio_n=0.1, volume_window_bars=10
    )
    seen = 0
    for bar, decision in enumerate(decisions(table.table.to_dicts(), parameters)):
        if isinstance(decision.intent, Enter):
            floor = float(decision.numbers["be_floor_bps"])
            assert semantics.floor_bps[bar] == pytest.approx(floor, rel=1e-12)
            activation = max(8.0, semantics.floor_bps[bar] + 0.5)
            assert float(decision.numbers["activation_bps"]) == pytest.approx(activation, rel=1e-12)
            assert float(decision.numbers["take_profit_bps"]) == pytest.approx(
                max(20.0, activation + 4.0), rel=1e-12
            )
            seen += 1
    assert seen > 20
    assert np.isfinite(semantics.floor_bps[1:]).all()
    assert set(SIGNAL_PARAMETERS) < set(PARAMETERS)
