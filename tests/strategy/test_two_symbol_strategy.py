"""Pairs of two symbols: when one is opened, how large, which way round, what is said when it is not."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.instruments import LotFilter
from aster_operator.domain.pairing import LegHedge, Pairing
from aster_operator.strategy.expected_cost import CostAssumptions
from aster_operator.strategy.intents import (
    Beta,
    ClosePair,
    CycleDecision,
    CycleView,
    OpenPair,
    PairPhase,
    PairStatus,
    SymbolMarket,
)
from aster_operator.strategy.parameters import DeltaNeutralParameters
from aster_operator.strategy.risk_manager import RiskManager
from aster_operator.strategy.two_symbol_pairs import TwoSymbolStrategy
from trading_values import BTC, ETH, NOW_MS, instrument_of, leg_of, limits_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
CROSS, CARRY = Pairing.cross("BTCUSDT", "ETHUSDT"), Pairing.carry("BTCUSDT")
MARKS = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000), "BTCUSDT:SPOT": Decimal(50_000)}
FINE = LotFilter(Decimal("0.000001"), Decimal(1000), Decimal("0.000001"))
INSTRUMENTS = {
    "BTCUSDT": BTC,
    "ETHUSDT": ETH,
    "BTCUSDT:SPOT": instrument_of("BTCUSDT:SPOT", base_asset="BTC", lot=FINE, market_lot=FINE),
}
WELL_KNOWN = Beta(value=Decimal("0.8"), correlation=Decimal("0.9"), minutes=480)


def strategy_of(pairing: Pairing, **parameters: Any) -> TwoSymbolStrategy:
    return TwoSymbolStrategy(
        DeltaNeutralParameters(
            symbols=pairing.symbols,
            pairings=(pairing,),
            daily_volume_target_usd=Decimal(1_000_000),
            **parameters,
        ),
        RiskManager(limits_of(), INSTRUMENTS),
    )


def market_of(symbol: str, **changes: Any) -> SymbolMarket:
    mark = MARKS[symbol]
    values: dict[str, Any] = {
        "symbol": symbol,
        "bid": mark - 1,
        "ask": mark + 1,
        "bid_quantity": Decimal(1),
        "ask_quantity": Decimal(2),
        "mark": mark,
        "funding_rate": Decimal(0) if ":" in symbol else Decimal("0.0001"),
        "next_funding_ms": NOW_MS + HOUR_MS,
        "stale": None,
    }
    return SymbolMarket(**(values | changes))


def view_of(*pairs: PairStatus, beta: Beta | None = WELL_KNOWN, **changes: Any) -> CycleView:
    values: dict[str, Any] = {
        "now_ms": NOW_MS,
        "markets": {symbol: market_of(symbol) for symbol in MARKS},
        "pairs": pairs,
        "volume_today_usd": Decimal(0),
        "reopen_after_ms": {},
        "entries_blocked": None,
        "betas": {} if beta is None else {CROSS.name: beta},
        "spot_cash_usd": Decimal(100_000),
    }
    return CycleView(**(values | changes))


def only(decisions: tuple[CycleDecision, ...]) -> CycleDecision:
    (decision,) = decisions
    return decision


def opening(pairing: Pairing, view: CycleView, **parameters: Any) -> OpenPair:
    decision = only(strategy_of(pairing, **parameters).run_cycle(view))
    assert isinstance(decision.intent, OpenPair), decision.reason
    return decision.intent


def pair_of(long: str, short: str, name: str, **changes: Any) -> PairStatus:
    values: dict[str, Any] = {
        "pair_ref": "run-1",
        "long": leg_of(LONG, long, quantity=Decimal("0.1"), mark=MARKS[long]),
        "short": leg_of(SHORT, short, quantity=Decimal("0.1"), mark=MARKS[short]),
        "phase": PairPhase.HOLDING,
        "held_since_ms": NOW_MS - 2 * HOUR_MS,
        "pnl_usd": Decimal(0),
        "net_delta_usd": Decimal(0),
        "gross_usd": Decimal(10_000),
        "name": name,
    }
    return PairStatus(**(values | changes))


# --- cross ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta", "used"),
    [("0.8", "0.8"), ("1", "1"), ("1.6", "1.6"), ("0.1", "0.33"), ("9", "3"), ("-1", "0.33")],
)
def test_the_legs_hedge_each_other_in_their_ratio(beta: str, used: str) -> None:
    known = Beta(value=Decimal(beta), correlation=Decimal("0.9"), minutes=480)
    intent = opening(CROSS, view_of(beta=known))
    quantities = {intent.long_symbol: intent.quantity, intent.short_symbol: intent.short_quantity or 0}
    notional = {symbol: quantities[symbol] * MARKS[symbol] for symbol in quantities}
    assert max(notional.values()) <= 5_000, "no leg is larger than a leg may be"
    assert max(notional.values()) > 4_900
    moved = notional["BTCUSDT"] * Decimal(used) - notional["ETHUSDT"]
    assert abs(moved) <= 2, "to a lot of the finer leg"
    hedges = {intent.long_symbol: intent.long_hedge, intent.short_symbol: intent.short_hedge}
    assert hedges["BTCUSDT"] == LegHedge(beta=Decimal(used))
    assert hedges["ETHUSDT"].weight == pytest.approx(Decimal(2_000) / (50_000 * Decimal(used)))
    lead = intent.long_symbol if intent.lead is LONG else intent.short_symbol
    assert lead == "BTCUSDT", "its lots are worth more: what it fills the other can follow"


@pytest.mark.parametrize(
    ("btc_rate", "eth_rate", "long"),
    [
        ("0.0001", "0.0001", "ETHUSDT"),  # the BTC leg is larger: short it, and be paid more
        ("0.0001", "0.0009", "BTCUSDT"),
        ("-0.0002", "0.0001", "BTCUSDT"),
        ("0.0005", "-0.0001", "ETHUSDT"),
    ],
)
def test_the_side_that_is_paid_is_taken(btc_rate: str, eth_rate: str, long: str) -> None:
    markets = view_of().markets | {
        "BTCUSDT": market_of("BTCUSDT", funding_rate=Decimal(btc_rate)),
        "ETHUSDT": market_of("ETHUSDT", funding_rate=Decimal(eth_rate)),
    }
    assert opening(CROSS, view_of(markets=markets)).long_symbol == long


def test_without_a_stamp_before_its_end_a_pair_is_opened_as_written() -> None:
    markets = {
        symbol: msgspec.structs.replace(market, next_funding_ms=NOW_MS + 7 * HOUR_MS)
        for symbol, market in view_of().markets.items()
    }
    assert opening(CROSS, view_of(markets=markets)).long_symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": None}, "hedge ratio: 0 of 60 minutes known"),
        (
            {"beta": Beta(value=Decimal(1), correlation=Decimal("0.9"), minutes=59)},
            "hedge ratio: 59 of 60 minutes known",
        ),
        (
            {"beta": Beta(value=Decimal(1), correlation=Decimal("0.3"), minutes=480)},
            "do not move together, correlation 0.30 of at least 0.5",
        ),
        ({"entries_blocked": "session is stopping"}, "session is stopping"),
        ({"reopen_after_ms": {CROSS.name: NOW_MS + 60_000}}, "cooling down for 1.0 min"),
        ({"volume_today_usd": Decimal(1_000_000)}, "volume budget"),
    ],
)
def test_why_no_pair_is_opened(changes: dict[str, Any], words: str) -> None:
    decision = only(strategy_of(CROSS).run_cycle(view_of(**changes)))
    assert (decision.symbol, decision.action, decision.intent) == (CROSS.name, "wait", None)
    assert words in decision.reason


@pytest.mark.parametrize("symbol", CROSS.symbols)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"stale": "no quote yet"}, "market data: no quote yet"),
        ({"next_funding_ms": NOW_MS + 30_000}, "within 60 s of a funding stamp"),
        ({"funding_rate": Decimal("0.06")}, "beyond the threshold"),
    ],
)
def test_either_market_can_stand_against_it(symbol: str, change: dict[str, Any], words: str) -> None:
    markets = view_of().markets | {symbol: market_of(symbol, **change)}
    decision = only(strategy_of(CROSS).run_cycle(view_of(markets=markets)))
    assert decision.intent is None
    assert decision.reason.startswith(f"{symbol}: ")
    assert words in decision.reason


def test_a_held_pair_rotates_whichever_way_round_it_is_held() -> None:
    for long, short in (CROSS.symbols, CROSS.symbols[::-1]):
        pair = pair_of(long, short, CROSS.name)
        late = view_of(pair, now_ms=NOW_MS + 10 * HOUR_MS)
        decision = only(strategy_of(CROSS).run_cycle(late))
        assert decision.action == "rotate", decision.reason
        assert isinstance(decision.intent, ClosePair)
        assert not decision.intent.urgent


def test_a_pair_of_other_settings_is_held_out_and_closed() -> None:
    young = pair_of("BTCUSDT", "BTCUSDT", "BTCUSDT", held_since_ms=NOW_MS - 60_000)
    decisions = {each.symbol: each for each in strategy_of(CROSS).run_cycle(view_of(young))}
    assert decisions["BTCUSDT"].action == "hold"
    assert "of no pairing of this session" in decisions["BTCUSDT"].reason
    assert decisions[CROSS.name].reason == "BTCUSDT: held by the pair BTCUSDT"

    old = msgspec.structs.replace(young, held_since_ms=NOW_MS - 3 * HOUR_MS)
    intent = {each.symbol: each.intent for each in strategy_of(CROSS).run_cycle(view_of(old))}["BTCUSDT"]
    assert isinstance(intent, ClosePair)
    assert not intent.urgent


# --- carry ----------------------------------------------------------------------------------------------


def test_spot_is_bought_with_its_fee_on_top_and_worked_first() -> None:
    fees = {"BTCUSDT:SPOT": FeeRates(symbol="BTCUSDT:SPOT", maker=Decimal(0), taker=Decimal("0.0004"))}
    intent = opening(CARRY, view_of(), costs=CostAssumptions(fees=fees))
    assert (intent.long_symbol, intent.short_symbol, intent.lead) == ("BTCUSDT:SPOT", "BTCUSDT", LONG)
    left = intent.quantity * (1 - Decimal("0.0004"))
    assert intent.short_quantity is not None
    assert intent.short_quantity <= left < intent.short_quantity + Decimal("0.000002")
    assert intent.short_quantity % BTC.lot.step == 0
    assert intent.name == "BTCUSDT:SPOT/BTCUSDT"


def test_no_more_coins_than_the_spot_wallet_pays() -> None:
    intent = opening(CARRY, view_of(spot_cash_usd=Decimal(1_000)))
    assert intent.quantity * 50_000 < 1_000
    poor = only(strategy_of(CARRY).run_cycle(view_of(spot_cash_usd=Decimal(10))))
    assert poor.intent is None
    assert "below the smallest order" in poor.reason
