"""When an order of a pair rests and when it crosses: what resting saves against what the market does."""

import math
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.market import Bar
from aster_operator.execution.market_view import MarketView
from aster_operator.execution.pair import PairLeg
from aster_operator.execution.resting_rule import RestingRule, is_worth_resting
from aster_operator.strategy.expected_cost import CostAssumptions
from execution.core_values import START_MS, market_quote

MINUTE = math.sqrt(60)
"""A second's volatility is a minute's divided by this."""


@pytest.mark.parametrize(
    ("saved_bps", "bps_a_minute", "look_ms", "rests"),
    [
        (4, 3.3, 5_000, True),  # bitcoin in a calm week
        (4, 9, 5_000, True),  # a smaller coin
        (4, 17, 5_000, True),
        (4, 18, 5_000, False),
        (4, 18, 2_000, True),  # whoever looks more often loses less
        (3.5, 17, 5_000, False),  # spot, where resting is not free
        (9, 36, 5_000, True),  # a wide spread is worth waiting for
        (4, 100, 500, False),
        (0, 1, 5_000, False),  # nothing to be saved
        (4, 0, 600_000, True),
    ],
)
def test_resting_is_weighed_against_what_the_market_does(
    saved_bps: float, bps_a_minute: float, look_ms: int, rests: bool
) -> None:
    assert is_worth_resting(saved_bps, bps_a_minute / MINUTE, look_ms) is rests


def test_the_cost_of_a_fill_is_the_mean_move_between_two_looks() -> None:
    """Measured on a random walk: resting at the touch until the price comes through it."""
    random, step_bps = Random(5), 3.0
    lost = []
    for _ in range(20_000):
        while (move := random.gauss(0, step_bps)) >= 0:
            pass  # it went away: the order is moved after it
        lost.append(-move)
    mean = sum(lost) / len(lost)
    assert is_worth_resting(mean * 1.03, step_bps / math.sqrt(5), 5_000)
    assert not is_worth_resting(mean * 0.97, step_bps / math.sqrt(5), 5_000)


@given(st.floats(0, 50), st.floats(0, 50), st.integers(0, 600_000), st.floats(1, 4))
def test_more_saved_favours_resting_more_movement_and_rarer_looks_do_not(
    saved: float, volatility: float, look_ms: int, more: float
) -> None:
    if is_worth_resting(saved, volatility, look_ms):
        assert is_worth_resting(saved * more, volatility, look_ms)
        assert is_worth_resting(saved, volatility / more, look_ms)
        assert is_worth_resting(saved, volatility, int(look_ms / more))


def market_of(moves_bps: list[float], spread: str = "0.2", symbol: str = "BTCUSDT") -> MarketView:
    """A market whose closed minutes have made these moves."""
    market, close = MarketView(spot_symbols=frozenset({"BTCUSDT:SPOT"})), 50_000.0
    for number, move in enumerate([0.0, *moves_bps]):
        close *= math.exp(move / 10_000)
        opened_ms, price = START_MS + number * 60_000, Decimal(str(round(close, 4)))
        market.apply_bar(
            Bar(
                symbol=symbol,
                interval="1m",
                open_ms=opened_ms,
                close_ms=opened_ms + 59_999,
                open=price,
                high=price,
                low=price,
                close=price,
                base_volume=Decimal(1),
                quote_volume=price,
                trades=1,
                taker_buy_base_volume=Decimal(0),
                taker_buy_quote_volume=Decimal(0),
                is_closed=True,
            )
        )
    bid = Decimal(str(round(close, 4)))
    market.apply_quote(market_quote(bid, bid + Decimal(spread), symbol=symbol, at_ms=START_MS))
    return market


def leg(symbol: str = "BTCUSDT") -> PairLeg:
    return PairLeg(symbol, PositionSide.SHORT)


LOOK_MS = 5_000
CALM, WILD = [5.0, -5.0] * 30, [30.0, -30.0] * 30


def test_the_accounts_own_fees_and_the_spread_are_what_is_saved() -> None:
    dear = CostAssumptions(
        fees={"BTCUSDT": FeeRates(symbol="BTCUSDT", maker=Decimal(0), taker=Decimal("0.0004"))}
    )
    cheap = CostAssumptions(
        fees={"BTCUSDT": FeeRates(symbol="BTCUSDT", maker=Decimal(0), taker=Decimal("0.00002"))}
    )
    assert RestingRule(dear, market_of(CALM), LOOK_MS).may_rest(leg())
    assert not RestingRule(cheap, market_of(CALM), LOOK_MS).may_rest(leg()), "0.2 bps are not worth it"
    wide = market_of(CALM, spread="25")
    assert RestingRule(cheap, wide, LOOK_MS).may_rest(leg()), "but a spread of 5 bps is"


def test_one_wild_minute_is_enough_and_it_is_forgotten_in_an_hour_or_two() -> None:
    rule = RestingRule(CostAssumptions(), market_of(CALM), LOOK_MS)
    assert rule.may_rest(leg())
    falls = RestingRule(CostAssumptions(), market_of([*CALM, -140.0]), LOOK_MS)
    assert not falls.may_rest(leg())
    assert RestingRule(CostAssumptions(), market_of([*CALM, -140.0, *CALM, *CALM]), LOOK_MS).may_rest(leg())


def test_orders_rest_while_nothing_is_known_and_the_first_hour_needs_no_quotes() -> None:
    assert RestingRule(CostAssumptions(), MarketView(), LOOK_MS).may_rest(leg())
    assert RestingRule(CostAssumptions(), market_of(WILD[:20]), LOOK_MS).may_rest(leg()), (
        "too little is known"
    )
    assert not RestingRule(CostAssumptions(), market_of(WILD), LOOK_MS).may_rest(leg())


def test_a_spot_market_moves_like_its_perpetual() -> None:
    rule = RestingRule(CostAssumptions(), market_of(WILD), LOOK_MS)
    assert not rule.may_rest(leg("BTCUSDT:SPOT"))
