"""Mark price, funding rate and its settlement."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import MarginType
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.funding import MarkPricer, funding_rate_e8, impact_price_e8
from aster_operator.simulator.model import ATOMS, AccountEvent, MarkEvent

from .helpers import (
    START_MS,
    flat_bars,
    make_exchange,
    place,
    play_minutes,
    record,
    symbol_history,
    with_account,
)

SPEC = contract_for_prices("BTCUSDT", [])
HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("premium", "hours", "expected"),
    [
        (30_000, 8, 10_000),
        (30_000, 4, 5_000),
        (120_000, 8, 70_000),
        (-120_000, 8, -70_000),
        (0, 8, 10_000),
        (0, 1, 1_250),
        (9_000_000, 8, 3_000_000),
        (-9_000_000, 4, -2_000_000),
    ],
)
def test_funding_rates_of_the_reference(premium: int, hours: int, expected: int) -> None:
    """avg P = 0.03 %, N = 8 -> 0.01 %; N = 4 -> 0.005 %; avg P = 0.12 % -> 0.07 % (section 9.5)."""
    assert funding_rate_e8(premium, 10_000, hours) == expected


def test_impact_price_is_the_average_over_the_impact_notional() -> None:
    # 4000 USDT: 0.04 BTC at 50,000 and the other 2000 at 40,000.
    levels = [(500_000, 40), (400_000, 1000)]
    price = impact_price_e8(levels, SPEC)
    assert price == int(Decimal(4000) / (Decimal("0.04") + Decimal("0.05")) * ATOMS)
    assert impact_price_e8([(500_000, 10)], SPEC) is None


def test_the_mark_is_a_median_and_never_runs_away_with_the_last_price() -> None:
    pricer = MarkPricer(SPEC, START_MS, 600_000)
    pricer.update(START_MS, 600_000, 600_001, 599_999, 600_001)
    calm = pricer.mark_e8
    pricer.update(START_MS + 1, 600_000, 900_000, 599_999, 600_001)
    assert abs(pricer.mark_e8 - calm) <= calm * pricer.funding_rate_e8 // ATOMS
    assert pricer.mark_e8 % SPEC.mark_quantum_e8 == 0


def _with_funding(rate: float) -> SimulatedExchange:
    bars = flat_bars(60_000.0, 10)
    start_ms = START_MS + 8 * HOUR_MS - 5 * 60_000
    funding = ((START_MS + 8 * HOUR_MS, rate),)
    history = symbol_history("BTCUSDT", bars, start_ms=start_ms, funding=funding)
    exchange = SimulatedExchange.from_history(
        RecordedHistory({"BTCUSDT": history}), ExchangeOptions(substep_ms=5000)
    )
    exchange.advance_to(exchange.now_ms)
    return exchange


@pytest.mark.parametrize("rate", [0.0001, -0.00025])
def test_longs_pay_shorts_at_the_recorded_rate(rate: float) -> None:
    exchange = with_account(with_account(_with_funding(rate)), "bob")
    place(exchange, "alice", "BUY", quantity="0.5")
    place(exchange, "bob", "SELL", quantity="0.3")
    assert exchange.mark("BTCUSDT").funding_rate_e8 == round(rate * ATOMS)
    marks: list[int] = []
    exchange.subscribe(lambda event: marks.append(event.mark_e8) if isinstance(event, MarkEvent) else None)
    events = record(exchange)
    exchange.advance_to(START_MS + 8 * HOUR_MS)
    paid = {
        name: sum(row.atoms for row in exchange.income(name) if row.income_type == "FUNDING_FEE")
        for name in ("alice", "bob")
    }
    notional = SPEC.notional_at_mark_atoms(marks[-1], 500)
    assert paid["alice"] == -round(Decimal(notional) * Decimal(str(rate)))
    assert paid["bob"] == round(Decimal(notional * 3 // 5) * Decimal(str(rate)))
    updates = [event for event in events if isinstance(event, AccountEvent) and event.reason == "FUNDING_FEE"]
    assert [(event.account_id, event.positions) for event in updates] == [("alice", ()), ("bob", ())]
    assert exchange.funding_history("BTCUSDT", None, None, 5) == [
        ("BTCUSDT", START_MS + 8 * HOUR_MS, round(rate * ATOMS))
    ]
    assert exchange.mark("BTCUSDT").next_funding_ms == START_MS + 16 * HOUR_MS
    assert exchange.audit().balanced
    play_minutes(exchange, 3)
    assert len(exchange.funding_history(None, None, None, 5)) == 1


def test_funding_of_an_isolated_position_comes_out_of_its_margin() -> None:
    exchange = with_account(_with_funding(0.001))
    exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    place(exchange, "alice", "BUY", quantity="0.5")
    before = exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms
    cross = exchange.account("alice").assets[0].cross_wallet_atoms
    events = record(exchange)
    exchange.advance_to(START_MS + 8 * HOUR_MS)
    after = exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms
    row = exchange.income("alice")[-1]
    assert (row.income_type, row.atoms) == ("FUNDING_FEE", after - before)
    assert row.atoms < 0
    assert exchange.account("alice").assets[0].cross_wallet_atoms == cross
    update = next(event for event in events if isinstance(event, AccountEvent))
    assert [view.isolated_wallet_atoms for view in update.positions] == [after]


def test_without_a_record_the_rate_is_computed_from_the_premium() -> None:
    exchange = make_exchange(flat_bars(60_000.0, 5))
    play_minutes(exchange, 4)
    # No premium to speak of: the interest rate.
    assert 9_000 <= exchange.mark("BTCUSDT").funding_rate_e8 <= 11_000


def test_scripted_funding() -> None:
    exchange = with_account(make_exchange(flat_bars(60_000.0, 5)))
    place(exchange, "alice", "SELL", quantity="1")
    exchange.control.settle_funding("BTCUSDT", Decimal("0.01"))
    received = exchange.income("alice")[-1].atoms
    assert 599 * ATOMS < received < 601 * ATOMS
    exchange.control.set_funding_rate("BTCUSDT", Decimal("-0.005"))
    assert exchange.mark("BTCUSDT").funding_rate_e8 == -500_000
    assert exchange.audit().balanced
