"""The mid-frequency decision as tables: signals, blockers at their exact boundaries, levels, warm-up."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from bar_views import bar_at, bars_of, view_of
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import Side
from aster_operator.strategy.base import BarDecision, BarView, Enter, ExitPlan, OwnPosition
from aster_operator.strategy.midfreq.blockers import judge, opening_loss_limit_bps
from aster_operator.strategy.midfreq.levels import exit_levels
from aster_operator.strategy.midfreq.parameters import SymbolParameters
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy

QUICK = SymbolParameters(volatility_window_bars=3, volume_window_bars=3)
CALM = [60_000, 60_010, 60_000]
UP, DOWN = [*CALM, 60_100], [*CALM, 59_900]
LOUD = [10, 10, 10, 40]


def decide(view: BarView, parameters: SymbolParameters = QUICK) -> BarDecision:
    return MidFrequencyStrategy({"BTCUSDT": parameters}).on_bar_closed(view)


@pytest.mark.parametrize(
    ("closes", "volumes", "action", "side"),
    [
        (UP, LOUD, "enter", Side.BUY),
        (DOWN, LOUD, "enter", Side.SELL),
        ([*CALM, 60_001], LOUD, "wait", None),
        (UP, [10, 10, 10, 11], "wait", None),
        (UP[1:], [10, 10, 40], "enter", Side.BUY),
    ],
    ids=["long", "short", "no momentum", "no volume", "windows just full"],
)
def test_signals(closes: list[int], volumes: list[int], action: str, side: Side | None) -> None:
    decision = decide(view_of(bars_of(closes, volumes)))
    assert decision.action == action, decision.reason
    assert (decision.intent.side if isinstance(decision.intent, Enter) else None) is side
    assert {"ret_bps", "rs_vol_bps", "threshold_bps", "bar_volume", "avg_volume"} <= set(decision.numbers)
    assert [verdict.name for verdict in decision.verdicts] == ["gap", "spread", "funding", "opening_loss"]


def test_the_thresholds_themselves_are_no_signal() -> None:
    flat = [bar_at(minute, (100, 100, 100, 100)) for minute in range(3)]
    assert decide(view_of([*flat, bar_at(3, (100, 100, 100, 100), 40)])).numbers["momentum"] == "none"
    # Volatility is zero in a flat market: the least move is momentum. Volume at its limit is not above it.
    moved = [*flat, bar_at(3, (101, 101, 101, 101), 10)]
    at_limit = decide(view_of(moved), msgspec.structs.replace(QUICK, volume_ratio_n=1.0))
    assert (at_limit.numbers["momentum"], at_limit.numbers["volume_regime"]) == ("long", "below")


def test_a_market_without_any_volume_gives_no_signal() -> None:
    assert decide(view_of(bars_of(UP, [0, 0, 0, 0]))).action == "wait"


@pytest.mark.parametrize("bars", [1, 2])
def test_no_signal_before_both_windows_are_full(bars: int) -> None:
    decision = decide(view_of(bars_of(UP, LOUD)[-bars:]))
    assert (decision.action, decision.intent) == ("warm-up", None)
    assert decision.numbers["bars"] == str(bars)


def test_a_return_over_missing_minutes_is_not_traded_and_counts_nothing_twice() -> None:
    bars = bars_of(UP, LOUD)
    with_gap = (
        *bars[:3],
        msgspec.structs.replace(
            bars[3], open_ms=bars[3].open_ms + 60_000, close_ms=bars[3].close_ms + 60_000
        ),
    )
    decision = decide(view_of(with_gap))
    assert decision.action == "blocked"
    assert [verdict.name for verdict in decision.verdicts if not verdict.passed] == ["gap"]
    assert decision.numbers["ret_bps"] == decide(view_of(bars)).numbers["ret_bps"]


def test_a_held_position_is_kept() -> None:
    position = OwnPosition(side=Side.BUY, quantity=Decimal(1), entry_price=Decimal(60_000), opened_ms=1)
    decision = decide(view_of(bars_of(UP, LOUD), position=position))
    assert (decision.action, decision.intent) == ("hold", None)


def verdict_of(name: str, side: Side | None, parameters: SymbolParameters = QUICK, **market: Any) -> bool:
    values = {key: None if value is None else Decimal(str(value)) for key, value in market.items()}
    verdicts = judge(view_of(bars_of(UP), **values), parameters, side)
    return next(verdict.passed for verdict in verdicts if verdict.name == name)


TWO_BPS = msgspec.structs.replace(QUICK, max_spread_bps=Decimal(2))


@pytest.mark.parametrize(
    ("parameters", "bid", "ask", "passed"),
    [
        (TWO_BPS, "99.99", "100.01", True),
        (TWO_BPS, "99.9899", "100.01", False),
        (QUICK, "100.0", "100.2", True),
        (QUICK, "100.0", "100.20001", False),
        (QUICK, "100.1", "100.1", True),
        (QUICK, "100.2", "100.1", False),
        (QUICK, None, "100.1", False),
        (QUICK, "100.1", None, False),
    ],
)
def test_spread_at_its_limit(parameters: SymbolParameters, bid: str, ask: str, passed: bool) -> None:
    assert verdict_of("spread", Side.BUY, parameters, bid=bid, ask=ask, mark="100") is passed


@pytest.mark.parametrize(
    ("rate", "passed"),
    [("0.00015", True), ("-0.00015", True), ("0.000150001", False), ("-0.000150001", False), (None, False)],
)
def test_funding_at_its_limit(rate: str, passed: bool) -> None:
    assert verdict_of("funding", None, funding_rate=rate) is passed


@pytest.mark.parametrize(
    ("side", "bid", "ask", "mark", "passed"),
    [
        (Side.BUY, "100.03", "100.05", "100", True),
        (Side.BUY, "100.03", "100.0501", "100", False),
        (Side.SELL, "100", "100.02", "100.05", True),
        (Side.SELL, "100", "100.02", "100.0501", False),
        (Side.BUY, "99", "99.1", "100", True),
        (None, "100", "101", "100", True),
        (Side.BUY, "100", "100.1", None, False),
        (None, "100", "100.1", None, True),
        (Side.BUY, "100.04", "100.1", "100", True),
        (Side.BUY, "100.04", "100.1001", "100", False),
    ],
)
def test_opening_loss_at_its_limit(side: Side | None, bid: str, ask: str, mark: str, passed: bool) -> None:
    assert verdict_of("opening_loss", side, bid=bid, ask=ask, mark=mark) is passed


@pytest.mark.parametrize(("spread", "limit"), [(0, 5), ("2.5", 5), (3, 6), (5, 10), (80, 10)])
def test_the_limit_of_the_opening_loss(spread: object, limit: int) -> None:
    assert opening_loss_limit_bps(Decimal(str(spread))) == limit


@pytest.mark.parametrize(
    ("fee", "loss", "funding", "expected"),
    [
        ("4", "0", "0", ("8", "8.5", "20")),
        ("4", "3", "-0.8", ("11.1", "11.6", "20")),
        ("0", "0", "0", ("0", "8", "20")),
        ("10", "10", "8", ("31", "31.5", "35.5")),
        ("4", "-2", "0", ("8", "8.5", "20")),
    ],
)
def test_levels(fee: str, loss: str, funding: str, expected: tuple[str, ...]) -> None:
    levels = exit_levels(
        QUICK,
        taker_fee_bps=Decimal(fee),
        opening_loss_bps=Decimal(loss),
        funding_bps=Decimal(funding),
    )
    got = (levels.be_floor_bps, levels.activation_bps, levels.take_profit_bps)
    assert got == tuple(Decimal(text) for text in expected)
    assert levels.plan().stop_loss_bps == 12


@given(st.decimals(0, 100, places=2), st.decimals(-20, 20, places=3), st.decimals(-75, 75, places=3))
def test_no_target_inside_what_the_trade_costs(fee: Decimal, loss: Decimal, funding: Decimal) -> None:
    levels = exit_levels(QUICK, taker_fee_bps=fee, opening_loss_bps=loss, funding_bps=funding)
    assert levels.activation_bps >= 2 * fee + loss + abs(funding) / 8
    assert levels.take_profit_bps >= levels.activation_bps + QUICK.min_take_profit_gap_bps


@pytest.mark.parametrize(
    "wrong",
    [
        {"stop_loss_bps": Decimal(0)},
        {"stop_loss_bps": Decimal(12), "take_profit_bps": Decimal(-1)},
        {"stop_loss_bps": Decimal(12), "trailing_activation_bps": Decimal(5)},
    ],
)
def test_a_plan_without_sense_cannot_be_made(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(ValueError, match="bps"):
        ExitPlan(**wrong)


def test_the_same_view_gives_the_same_decision() -> None:
    view = view_of(bars_of(UP, LOUD))
    strategy = MidFrequencyStrategy({"BTCUSDT": QUICK})
    strategy.on_bar_closed(view_of(bars_of(DOWN, LOUD)))
    assert strategy.on_bar_closed(view) == decide(view)
