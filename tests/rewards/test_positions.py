"""Positions rebuilt from fills: sizes, times and the part that offsets itself."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_values import MONDAY_MS, make_fill, pair_fills, records_of

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.rewards.epochs import WEEK_MS, EpochWeek
from aster_operator.rewards.features import collect_features, split_by_epoch
from aster_operator.rewards.positions import position_history
from aster_operator.rewards.records import (
    CollateralSnapshot,
    FillRecord,
    FundingRecord,
    HourPnl,
    LiquidationRecord,
    Mark,
    Market,
    PositionInterval,
    Records,
    hourly_pnl,
)

LONG, SHORT, BOTH = PositionSide.LONG, PositionSide.SHORT, PositionSide.BOTH
D = Decimal


def at(hours: float) -> int:
    return MONDAY_MS + round(hours * HOUR_MS)


def gross_and_hedged(intervals: Iterable[PositionInterval]) -> tuple[Decimal, Decimal]:
    features = collect_features(Records(intervals=tuple(intervals)))
    return features.position_usd_hours, features.hedged_usd_hours


def fill(hours: float, side: Side, position_side: PositionSide, quantity: str, **more: object) -> FillRecord:
    return make_fill(time_ms=at(hours), side=side, position_side=position_side, quantity=D(quantity), **more)


@pytest.mark.parametrize(
    ("fills", "gross", "hedged"),
    [
        # 1 BTC of 100 USD for two hours
        ([fill(0, Side.BUY, LONG, "1"), fill(2, Side.SELL, LONG, "1")], 200, 0),
        # opened in two steps, closed in two
        ([fill(0, Side.SELL, SHORT, "1"), fill(1, Side.SELL, SHORT, "1"),
          fill(2, Side.BUY, SHORT, "2")], 300, 0),
        # still open at the end, ten hours
        ([fill(0, Side.BUY, LONG, "1")], 1000, 0),
        # both legs for two hours: all of it offset
        ([*pair_fills(at(0), opens=True, quantity=D(1), fee_usd=D(0)),
          *pair_fills(at(2), opens=False, quantity=D(1), fee_usd=D(0))], 400, 400),
        # a short of a third of the long: as much of the long offset
        ([fill(0, Side.BUY, LONG, "3"), fill(0, Side.SELL, SHORT, "1"),
          fill(1, Side.SELL, LONG, "3"), fill(1, Side.BUY, SHORT, "1")], 400, 200),
        # the other direction on another symbol offsets nothing
        ([fill(0, Side.BUY, LONG, "1"), fill(0, Side.SELL, SHORT, "1", symbol="ETHUSDT"),
          fill(1, Side.SELL, LONG, "1"), fill(1, Side.BUY, SHORT, "1", symbol="ETHUSDT")], 200, 0),
        # one-way mode: a sale beyond the position turns it around, nothing offsets
        ([fill(0, Side.BUY, BOTH, "1"), fill(1, Side.SELL, BOTH, "3"), fill(2, Side.BUY, BOTH, "2")], 300, 0),
        # one-way positions of two own accounts offset each other
        ([fill(0, Side.BUY, BOTH, "1"), fill(0, Side.SELL, BOTH, "1", account="0xdef"),
          fill(1, Side.SELL, BOTH, "1"), fill(1, Side.BUY, BOTH, "1", account="0xdef")], 200, 200),
        # a spot trade makes no position
        ([fill(0, Side.BUY, BOTH, "1", market=Market.SPOT)], 0, 0),
    ],
)  # fmt: skip
def test_position_hours(fills: list[FillRecord], gross: int, hedged: int) -> None:
    history = position_history(fills, at(10))
    assert gross_and_hedged(history.intervals) == (gross, hedged)
    assert history.unexplained_closes == 0


def test_a_position_is_valued_at_the_last_own_trade_or_at_marks() -> None:
    fills = [
        fill(0, Side.BUY, LONG, "1"),
        fill(1, Side.BUY, LONG, "1", price=D(120)),
        fill(2, Side.SELL, LONG, "2"),
    ]
    assert gross_and_hedged(position_history(fills, at(2)).intervals)[0] == 100 + 2 * 120
    marks = [Mark("BTCUSDT", at(0.5), D(110)), Mark("BTCUSDT", at(1.5), D(140))]
    assert gross_and_hedged(position_history(fills, at(2), marks).intervals)[0] == 50 + 55 + 120 + 140


def test_a_mark_of_another_symbol_changes_nothing() -> None:
    fills = [fill(0, Side.BUY, LONG, "1")]
    marks = [Mark("ETHUSDT", at(0), D(7))]
    assert gross_and_hedged(position_history(fills, at(1), marks).intervals)[0] == 100


def test_a_close_without_its_opening_is_counted_and_makes_no_position() -> None:
    history = position_history([fill(0, Side.SELL, LONG, "1"), fill(1, Side.BUY, SHORT, "1")], at(5))
    assert history.intervals == ()
    assert history.unexplained_closes == 2


def test_nothing_after_the_end_counts() -> None:
    fills = [fill(0, Side.BUY, LONG, "1"), fill(5, Side.BUY, LONG, "1")]
    assert gross_and_hedged(position_history(fills, at(2)).intervals)[0] == 200


steps = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.sampled_from([LONG, SHORT, BOTH]),
        st.integers(1, 50),
        st.sampled_from(["BTCUSDT", "ETHUSDT"]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=30,
)


@given(steps)
def test_the_offset_part_is_a_part_and_equal_in_both_directions(
    moves: list[tuple[int, Side, PositionSide, int, str, str]],
) -> None:
    fills = [
        fill(hours, side, leg, str(quantity), symbol=symbol, account=account)
        for hours, side, leg, quantity, symbol, account in moves
    ]
    history = position_history(sorted(fills, key=lambda one: one.time_ms), at(500))
    for interval in history.intervals:
        assert 0 <= interval.hedged_share <= 1
        assert interval.notional_usd > 0
        assert interval.start_ms < interval.end_ms
    gross, hedged = gross_and_hedged(history.intervals)
    assert 0 <= hedged <= gross + D("1e-15")


@given(steps, st.integers(0, 500), st.integers(0, 500))
def test_splitting_by_epoch_loses_nothing(
    moves: list[tuple[int, Side, PositionSide, int, str, str]], since: int, length: int
) -> None:
    fills = sorted(
        (
            fill(hours, side, leg, str(quantity), symbol=symbol, account=account)
            for hours, side, leg, quantity, symbol, account in moves
        ),
        key=lambda one: one.time_ms,
    )
    records = records_of(fills, at(500))
    parts = split_by_epoch(records, at(since), at(since + length), EpochWeek.MONDAY)
    epochs = [epoch for epoch, _ in parts]
    assert epochs == sorted(set(epochs))
    inside = [one for one in fills if at(since) <= one.time_ms < at(since + length)]
    assert [one for _, part in parts for one in part.fills] == inside
    for epoch, part in parts:
        for interval in part.intervals:
            assert max(epoch.start_ms, at(since)) <= interval.start_ms
            assert interval.end_ms <= min(epoch.end_ms, at(since + length))
    if since == 0 and length == 500:
        assert (
            sum(gross_and_hedged(part.intervals)[0] for _, part in parts)
            == gross_and_hedged(records.intervals)[0]
        )


def test_a_position_held_across_the_border_is_cut_there() -> None:
    records = records_of(
        [fill(7 * 24 - 1, Side.BUY, LONG, "1"), fill(7 * 24 + 2, Side.SELL, LONG, "1")], at(200)
    )
    (first, one), (second, other) = split_by_epoch(records, 0, at(400), EpochWeek.MONDAY)
    assert second.start_ms - first.start_ms == WEEK_MS
    assert (gross_and_hedged(one.intervals)[0], gross_and_hedged(other.intervals)[0]) == (100, 200)
    assert (len(one.fills), len(other.fills)) == (1, 1)


def test_every_kind_of_record_goes_to_its_epoch() -> None:
    records = Records(
        hours=(HourPnl("a", at(0), D(1)), HourPnl("a", at(170), D(2))),
        collateral=(
            CollateralSnapshot(
                account="a", day_ms=at(24), margin_usd=D(10), programme_share=D("0.5"), is_cross=True
            ),
        ),
        liquidations=(LiquidationRecord("BTCUSDT", at(169), D(5)),),
        funding=(FundingRecord("BTCUSDT", at(8), D("-0.1")), FundingRecord("BTCUSDT", at(176), D("0.3"))),
    )
    (_, one), (_, other) = split_by_epoch(records, 0, at(400), EpochWeek.MONDAY)
    assert (one.hours[0].pnl_usd, other.hours[0].pnl_usd) == (1, 2)
    assert (len(one.collateral or ()), other.collateral) == (1, ())
    assert (one.liquidations, other.liquidations[0].fee_usd) == ((), 5)
    assert (one.funding[0].amount_usd, other.funding[0].amount_usd) == (D("-0.1"), D("0.3"))


def test_hours_before_the_time_asked_for_do_not_count_but_the_one_it_lies_in_does() -> None:
    records = Records(hours=(HourPnl("a", at(3), D(1)), HourPnl("a", at(4), D(2)), HourPnl("a", at(5), D(4))))
    ((_, part),) = split_by_epoch(records, at(4.5), at(100), EpochWeek.MONDAY)
    assert [hour.pnl_usd for hour in part.hours] == [2, 4]


# --- the other sums -------------------------------------------------------------------------------------


def test_profits_and_losses_net_within_the_window_of_an_account() -> None:
    fills = [
        fill(0.2, Side.SELL, LONG, "1", realized_pnl=D(10)),
        fill(0.8, Side.BUY, SHORT, "1", realized_pnl=D(-4)),
        fill(1.1, Side.BUY, SHORT, "1", realized_pnl=D(-100)),
        fill(1.2, Side.BUY, SHORT, "1", realized_pnl=D(7), account="other"),
        fill(1.3, Side.BUY, BOTH, "1", realized_pnl=D(1000), market=Market.SPOT),
    ]
    hours = hourly_pnl(fills)
    assert [(hour.account, hour.pnl_usd) for hour in hours] == [("0xabc", 6), ("0xabc", -100), ("other", 7)]
    by_hour = collect_features(Records(hours=hours))
    assert (by_hour.won_usd, by_hour.lost_usd) == (13, 100)
    by_day = collect_features(Records(hours=hours), pnl_window_hours=24)
    assert (by_day.won_usd, by_day.lost_usd) == (7, 94)


def test_isolated_margin_does_not_count_and_none_recorded_is_not_none_held() -> None:
    assert collect_features(Records()).asset_usd_hours is None
    snapshots = tuple(
        CollateralSnapshot(
            account="a", day_ms=at(0), margin_usd=D(100), programme_share=D("0.25"), is_cross=is_cross
        )
        for is_cross in (True, False)
    )
    assert collect_features(Records(collateral=())).asset_usd_hours == 0
    assert collect_features(Records(collateral=snapshots)).asset_usd_hours == 100 * 24 * D("0.25")
    with pytest.raises(ValueError, match="programme_share must be between 0 and 1"):
        CollateralSnapshot(account="a", day_ms=0, margin_usd=D(1), programme_share=D(2), is_cross=True)


def test_what_is_open_is_worth_what_its_prices_say() -> None:
    history = position_history(
        [
            fill(0, Side.BUY, LONG, "2", price=D(100)),
            fill(1, Side.BUY, LONG, "2", price=D(110)),
            fill(2, Side.SELL, LONG, "1", price=D(120)),
            fill(3, Side.SELL, LONG, "3", price=D(90)),
        ],
        at(9),
    )
    found = [history.open_pnl_at(at(hour)) for hour in (0, 1, 2, 3, 4)]
    assert found == [0, 0, 20, 45, 0], "at the price of the last own trade, of the average paid"


def test_two_legs_of_one_symbol_are_worth_their_entry_prices_whatever_the_price_does() -> None:
    legs = [fill(0, Side.BUY, LONG, "2", price=D(101)), fill(0, Side.SELL, SHORT, "2", price=D(100))]
    later = [
        Mark(symbol=legs[0].symbol, time_ms=at(hour), price=D(price)) for hour, price in ((1, 50), (2, 999))
    ]
    history = position_history(legs, at(9), later)
    assert [history.open_pnl_at(at(hour)) for hour in (1, 2, 3)] == [-2, -2, -2]
