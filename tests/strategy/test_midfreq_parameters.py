"""The parameter file: what is read, and every fault named at once."""

import json
from decimal import Decimal
from typing import Any

import pytest

from aster_operator.strategy.base import ParameterFaults
from aster_operator.strategy.midfreq.parameters import SymbolParameters, read_parameters
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy

SECTION: dict[str, Any] = {
    "k": 1.1, "T": 20, "n": 2, "V": 40, "tp_bps": 25, "sl_bps": 15, "activation_bps": 9,
    "activation_buffer_bps": 0, "callback_bps": 12.5, "min_tp_gap_bps": 3, "spread_max": 1.5,
    "funding_max": 2,
}  # fmt: skip


def faults_of(document: Any, symbols: tuple[str, ...] = ("ETHUSDT",)) -> list[str]:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ParameterFaults) as caught:
        read_parameters(text, symbols)
    return list(caught.value.faults)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in SECTION.items() if name != key}


def test_every_key_arrives_under_its_name() -> None:
    read = read_parameters(json.dumps({"ethusdt": SECTION | {"enable_trading": False}}), ("ETHUSDT",))
    assert read["ETHUSDT"] == SymbolParameters(
        momentum_k=1.1,
        volatility_window_bars=20,
        volume_ratio_n=2.0,
        volume_window_bars=40,
        take_profit_bps=Decimal(25),
        stop_loss_bps=Decimal(15),
        trailing_activation_bps=Decimal(9),
        trailing_activation_buffer_bps=Decimal(0),
        trailing_callback_bps=Decimal("12.5"),
        min_take_profit_gap_bps=Decimal(3),
        max_spread_bps=Decimal("1.5"),
        max_funding_bps=Decimal(2),
        enable_trading=False,
    )


def test_without_spread_max_the_spread_counts_in_ticks() -> None:
    read = read_parameters(json.dumps({"ETHUSDT": without("spread_max")}), ("ETHUSDT",))["ETHUSDT"]
    assert (read.max_spread_bps, read.max_spread_ticks) == (None, 2)


def test_the_form_of_the_grid_is_read_too() -> None:
    grid = {"symbols": {"ETHUSDT": {"params": {key: [value] for key, value in SECTION.items()}}}}
    assert read_parameters(json.dumps(grid), ("ETHUSDT",)) == read_parameters(
        json.dumps({"ETHUSDT": SECTION}), ("ETHUSDT",)
    )


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("k", 0, "above 0"),
        ("k", "1.3", "must be a number"),
        ("k", None, "must be a number"),
        ("k", True, "must be a number"),
        ("T", 0, "at least 1"),
        ("T", 1.5, "whole number"),
        ("V", 1_441, "at most 1440"),
        ("sl_bps", -1, "above 0"),
        ("funding_max", -0.1, "at least 0"),
        ("callback_bps", [6, 7], "must be a number"),
        ("enable_trading", "yes", "true or false"),
        ("calback_bps", 6, "did you mean callback_bps?"),
    ],
)
def test_one_fault(key: str, value: Any, words: str) -> None:
    (fault,) = faults_of({"ETHUSDT": SECTION | {key: value}})
    assert fault.startswith(f"ETHUSDT.{key}: ")
    assert words in fault


def test_all_faults_are_named_at_once() -> None:
    faults = faults_of(
        {"ETHUSDT": without("n") | {"k": -1, "T": "x", "bogus": 1}, "BTCUSDT": 5}, ("ETHUSDT", "SOLUSDT")
    )
    assert [fault.split(":")[0] for fault in faults] == [
        "ETHUSDT.k", "ETHUSDT.T", "ETHUSDT.bogus", "ETHUSDT.n", "BTCUSDT", "SOLUSDT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON"),
        ("[1]", "must be a JSON object"),
        ('{"ETHUSDT": {"k": NaN}}', "finite|number|missing"),
        ('{"ETHUSDT": 1, "ETHUSDT": 2}', "given twice"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_no_parameters_at_all(text: str, words: str) -> None:
    with pytest.raises(ParameterFaults, match=words):
        read_parameters(text, ("ETHUSDT",))


def test_the_strategy_takes_defaults_or_the_file() -> None:
    assert MidFrequencyStrategy.from_json(None, ("ETHUSDT",)).warm_up_bars == 30
    chosen = MidFrequencyStrategy.from_json(json.dumps({"ETHUSDT": SECTION}), ("ETHUSDT",))
    assert chosen.warm_up_bars == 40
    assert chosen.trades("ETHUSDT")
