"""The venue's word against the books', and what the core keeps of positions, money and the market."""

from decimal import Decimal
from typing import Any

import pytest
from core_values import (
    LONG,
    SHORT,
    START_MS,
    account_changed,
    fill_of,
    foreign_order,
    market_mark,
    market_quote,
    position_of,
    report_of,
    snapshot_of,
)
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import LiquidityRole, OrderStatus
from aster_operator.domain.fills import IncomeRow
from aster_operator.domain.market import Bar
from aster_operator.domain.orders import OrderReport
from aster_operator.execution.market_view import MarketView
from aster_operator.execution.portfolio import Portfolio
from aster_operator.execution.reconciliation import (
    Reconciliation,
    RememberedLeg,
    RememberedPair,
    own_open_orders,
    reconcile,
)

OWN_ID = "ao849e58a4-BTCUSDT-BL-7"
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def leg_of(opened_ms: int = START_MS, quantity: str = "0.1", price: str = "49000") -> RememberedLeg:
    return RememberedLeg(quantity=Decimal(quantity), entry_price=Decimal(price), opened_ms=opened_ms)


def remembered_pair(ref: str = "old-1", symbol: str = "BTCUSDT", opened_ms: int = START_MS) -> RememberedPair:
    return RememberedPair(pair_ref=ref, symbol=symbol, long=leg_of(opened_ms), short=leg_of(opened_ms))


def resting(client_order_id: str, symbol: str = "BTCUSDT") -> OrderReport:
    order = foreign_order("0.1", LONG, opens=True, client_order_id=client_order_id, symbol=symbol)
    return report_of(order, OrderStatus.NEW, at_ms=START_MS)


def quantities(result: Reconciliation) -> list[tuple[str, str, str]]:
    return [(pair.pair_ref, str(pair.long.quantity), str(pair.short.quantity)) for pair in result.resumed]


# --- reconcile ------------------------------------------------------------------------------------------


def test_a_matched_pair_is_resumed_with_the_venues_quantities_and_prices() -> None:
    snapshot = snapshot_of(
        [position_of("0.1", LONG, entry="50001"), position_of("0.1", SHORT, entry="50002")]
    )
    result = reconcile(snapshot, [remembered_pair()], SYMBOLS)
    (pair,) = result.resumed
    assert quantities(result) == [("old-1", "0.1", "0.1")]
    assert (pair.long.entry_price, pair.short.entry_price) == (50001, 50002)
    assert (pair.long.remembered, pair.short.remembered) == (leg_of(), leg_of())
    assert (result.vanished, result.foreign_symbols, result.notes) == ((), frozenset(), ())


def test_a_lone_leg_is_resumed_to_be_closed() -> None:
    result = reconcile(snapshot_of([position_of("0.1", SHORT)]), [remembered_pair()], SYMBOLS)
    assert quantities(result) == [("old-1", "0", "0.1")]
    assert result.vanished == ()


def test_a_leg_filled_after_the_books_ended_is_found() -> None:
    """The books knew of the pair before its first order."""
    unfilled = RememberedLeg(quantity=Decimal(0), entry_price=Decimal(0), opened_ms=START_MS)
    pair = RememberedPair(pair_ref="old-1", symbol="BTCUSDT", long=unfilled, short=unfilled)
    result = reconcile(snapshot_of([position_of("0.1", LONG)]), [pair], SYMBOLS)
    assert quantities(result) == [("old-1", "0.1", "0")]
    assert result.foreign_symbols == frozenset()


def test_a_pair_the_venue_does_not_hold_has_vanished() -> None:
    result = reconcile(snapshot_of(), [remembered_pair()], SYMBOLS)
    assert (result.resumed, result.vanished) == ((), ("old-1",))


def test_a_pair_without_positions_waits_for_the_orders_it_left_behind() -> None:
    result = reconcile(snapshot_of([], [resting(OWN_ID)]), [remembered_pair()], SYMBOLS)
    (pair,) = result.resumed
    assert pair.holds_nothing
    assert result.vanished == ()
    elsewhere = reconcile(snapshot_of([], [resting(OWN_ID, "ETHUSDT")]), [remembered_pair()], SYMBOLS)
    assert (elsewhere.resumed, elsewhere.vanished) == ((), ("old-1",))


def test_a_position_nobody_remembers_is_foreign() -> None:
    result = reconcile(snapshot_of([position_of("0.3", SHORT, symbol="ETHUSDT")]), [], SYMBOLS)
    assert result.foreign_symbols == {"ETHUSDT"}
    (note,) = result.notes
    assert note.startswith("SHORT 0.3 ETHUSDT on the account is not ours: left alone")


def test_a_side_nobody_remembers_is_foreign_too() -> None:
    one_sided = RememberedPair(pair_ref="old-1", symbol="BTCUSDT", long=leg_of(), short=None)
    snapshot = snapshot_of([position_of("0.1", LONG), position_of("0.2", SHORT)])
    result = reconcile(snapshot, [one_sided], SYMBOLS)
    assert quantities(result) == [("old-1", "0.1", "0")]
    assert result.foreign_symbols == {"BTCUSDT"}


def test_positions_on_other_symbols_are_none_of_our_business() -> None:
    result = reconcile(snapshot_of([position_of("9", LONG, symbol="DOGEUSDT")]), [], SYMBOLS)
    assert (result.foreign_symbols, result.notes) == (frozenset(), ())


def test_a_pair_on_a_symbol_that_is_not_traded_any_more_is_left_alone() -> None:
    snapshot = snapshot_of([position_of("0.1", side, symbol="SOLUSDT") for side in (LONG, SHORT)])
    result = reconcile(snapshot, [remembered_pair(symbol="SOLUSDT")], SYMBOLS)
    assert (result.resumed, result.vanished, result.foreign_symbols) == ((), (), frozenset())
    assert result.notes == ("pair old-1 is still held, but SOLUSDT is not traded any more: left alone",)


def test_own_orders_are_strays_and_foreign_orders_are_reported() -> None:
    orders = [resting(OWN_ID), resting("web_9f"), resting("web_else", "DOGEUSDT")]
    snapshot = snapshot_of([], orders)
    result = reconcile(snapshot, [], SYMBOLS)
    assert [order.client_order_id for order in own_open_orders(snapshot)] == [OWN_ID]
    assert result.notes == ("order 1 on BTCUSDT is not ours: left alone",)


def test_of_two_pairs_on_one_symbol_the_newer_keeps_the_position() -> None:
    pairs = [remembered_pair("old-1", opened_ms=10), remembered_pair("new-1", opened_ms=20)]
    snapshot = snapshot_of([position_of("0.1", LONG), position_of("0.1", SHORT)])
    result = reconcile(snapshot, pairs, SYMBOLS)
    assert quantities(result) == [("new-1", "0.1", "0.1")]
    assert result.vanished == ("old-1",)
    assert reconcile(snapshot, pairs[::-1], SYMBOLS) == result


positions = st.builds(
    position_of,
    st.integers(1, 9),
    st.sampled_from([LONG, SHORT]),
    symbol=st.sampled_from(["BTCUSDT", "ETHUSDT", "DOGEUSDT"]),
)
orders = st.builds(resting, st.sampled_from([OWN_ID, "web_1"]), st.sampled_from(SYMBOLS))
memories = st.builds(
    lambda ref, symbol, long, short, opened_ms: RememberedPair(
        pair_ref=f"p{ref}",
        symbol=symbol,
        long=leg_of(opened_ms) if long else None,
        short=leg_of(opened_ms) if short else None,
    ),
    st.integers(0, 10**6),
    st.sampled_from([*SYMBOLS, "DOGEUSDT"]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 100),
)


@given(
    st.lists(positions, max_size=6, unique_by=lambda p: (p.symbol, p.position_side)),
    st.lists(orders, max_size=3),
    st.lists(memories, max_size=4, unique_by=lambda p: p.pair_ref),
)
def test_every_position_is_accounted_for_exactly_once(
    held: list[Any], open_orders: list[OrderReport], memory: list[RememberedPair]
) -> None:
    result = reconcile(snapshot_of(held, open_orders), memory, SYMBOLS)
    assert result == reconcile(snapshot_of(held[::-1], open_orders), memory, SYMBOLS)
    on_ours = {(p.symbol, p.position_side): abs(p.quantity) for p in held if p.symbol in SYMBOLS}
    resumed: dict[Any, Decimal] = {}
    for pair in result.resumed:
        for side, leg in ((LONG, pair.long), (SHORT, pair.short)):
            if leg.quantity:
                assert (leg.symbol, side) not in resumed, "one position, one pair"
                resumed[(leg.symbol, side)] = leg.quantity
    for key, quantity in on_ours.items():
        assert resumed.pop(key, quantity) == quantity
        assert (
            any(key[0] in (p.long.symbol, p.short.symbol) for p in result.resumed)
            or key[0] in result.foreign_symbols
        )
    assert resumed == {}, "nothing is resumed that is not held"
    refs = [pair.pair_ref for pair in result.resumed] + list(result.vanished)
    assert len(refs) == len(set(refs))
    assert set(refs) <= {pair.pair_ref for pair in memory}


# --- portfolio ------------------------------------------------------------------------------------------


def test_a_snapshot_replaces_positions_and_balance_but_not_the_sums() -> None:
    portfolio = Portfolio()
    order = foreign_order("0.1", LONG)
    portfolio.book_fill(
        fill_of(
            order, "0.1", "50000", trade_id=1, at_ms=START_MS, commission=Decimal(2), realized_pnl=Decimal(7)
        )
    )
    portfolio.apply_account(account_changed([position_of("5", LONG)], at_ms=START_MS))
    portfolio.apply_snapshot(snapshot_of().account, (position_of("0.2", SHORT, entry="49000"),), START_MS)
    assert [(p.position_side, p.quantity) for p in portfolio.open_positions()] == [(SHORT, Decimal("-0.2"))]
    assert portfolio.held("BTCUSDT", LONG).quantity == 0
    assert (portfolio.volume, portfolio.fees, portfolio.realized_pnl) == (5000, 2, 7)
    assert portfolio.held("BTCUSDT", SHORT).unrealized_pnl(Decimal(48_000)) == 200


def test_the_balance_is_of_the_margin_asset_whoever_tells_it() -> None:
    portfolio = Portfolio()
    portfolio.apply_snapshot(snapshot_of(wallet="4000", other_assets="6000").account, (), START_MS)
    assert portfolio.wallet_balance == 4_000
    portfolio.apply_account(account_changed(at_ms=START_MS, wallet="3990"))
    assert portfolio.wallet_balance == 3_990


def test_volume_is_kept_by_utc_day_and_role() -> None:
    portfolio = Portfolio()
    order = foreign_order("0.1", LONG)
    for trade_id, (at_ms, role) in enumerate(
        [
            (START_MS, LiquidityRole.MAKER),
            (START_MS, LiquidityRole.TAKER),
            (START_MS + DAY_MS, LiquidityRole.TAKER),
        ]
    ):
        portfolio.book_fill(fill_of(order, "0.1", "50000", trade_id=trade_id, at_ms=at_ms, role=role))
    assert portfolio.volume_on_day(START_MS + 1) == 10_000
    assert portfolio.volume_on_day(START_MS + DAY_MS) == 5_000
    assert portfolio.volume_on_day(START_MS - DAY_MS) == 0
    assert (portfolio.maker_volume, portfolio.fill_count) == (5_000, 3)


def income(transaction_id: str, income_type: str, amount: str) -> IncomeRow:
    return IncomeRow(
        transaction_id=transaction_id,
        symbol="BTCUSDT",
        income_type=income_type,
        income=Decimal(amount),
        asset="USDT",
        time_ms=START_MS,
    )


def test_settled_rows_count_once_and_what_repeats_fills_or_is_no_result_enters_no_sum() -> None:
    portfolio = Portfolio()
    rows = [
        income("1", "FUNDING_FEE", "-1.5"),
        income("1", "FUNDING_FEE", "-1.5"),
        income("2", "FUNDING_FEE", "0.5"),
        income("1", "COMMISSION", "-9"),
        income("1", "REALIZED_PNL", "9"),
        income("1", "TRANSFER", "100"),
        income("1", "INSURANCE_CLEAR", "-4"),
        income("3", "A_KIND_NOBODY_KNOWS", "1"),
    ]
    assert [portfolio.book_income(row) for row in rows] == [True, False, True, True, True, True, True, True]
    assert (portfolio.funding, portfolio.other_income) == (-1, -3)
    assert portfolio.book_income(income("4", "FUNDING_FEE", "7"), counts=False)
    assert portfolio.funding == -1, "of before this session"


# --- market ---------------------------------------------------------------------------------------------


def test_an_older_price_never_replaces_a_newer() -> None:
    market = MarketView()
    market.apply_quote(market_quote("2", "3", at_ms=20))
    market.apply_quote(market_quote("1", "2", at_ms=10))
    market.apply_mark(market_mark("2", at_ms=20))
    market.apply_mark(market_mark("1", at_ms=10))
    view = market.of("BTCUSDT")
    assert view.quote is not None
    assert (view.quote.bid, market.mark_of("BTCUSDT")) == (2, 2)
    assert market.mark_of("ETHUSDT") is None


@pytest.mark.parametrize(
    ("quote_ms", "mark_ms", "words"),
    [
        (None, 0, "no quote yet"),
        (0, None, "no mark price yet"),
        (100_000, 85_000, None),
        (100_000, 84_999, "mark price is 15.0 s old"),
        (40_000, 100_000, None),
        (39_999, 100_000, "quote is 60.0 s old"),
    ],
)
def test_staleness_in_words(quote_ms: int | None, mark_ms: int | None, words: str | None) -> None:
    market = MarketView()
    if quote_ms is not None:
        market.apply_quote(market_quote(at_ms=quote_ms))
    if mark_ms is not None:
        market.apply_mark(market_mark(at_ms=mark_ms))
    assert market.of("BTCUSDT").staleness(100_000, 15_000, 60_000) == words


def test_the_funding_stamp_just_passed_is_remembered() -> None:
    market = MarketView()
    market.apply_mark(market_mark(at_ms=10, next_funding_ms=100))
    assert market.of("BTCUSDT").last_funding_ms is None
    market.apply_mark(market_mark(at_ms=101, next_funding_ms=200))
    assert market.of("BTCUSDT").last_funding_ms == 100
    market.apply_mark(market_mark(at_ms=102, next_funding_ms=200))
    assert market.of("BTCUSDT").last_funding_ms == 100


def test_only_closed_bars_are_kept_and_only_newer_ones() -> None:
    def bar(open_ms: int, *, closed: bool) -> Bar:
        one = Decimal(1)
        return Bar(
            symbol="BTCUSDT",
            interval="1m",
            open_ms=open_ms,
            close_ms=open_ms + 59_999,
            open=one,
            high=one,
            low=one,
            close=one,
            base_volume=one,
            quote_volume=one,
            trades=1,
            taker_buy_base_volume=one,
            taker_buy_quote_volume=one,
            is_closed=closed,
        )

    market = MarketView()
    for update in (bar(60_000, closed=True), bar(120_000, closed=False), bar(0, closed=True)):
        market.apply_bar(update)
    assert market.of("BTCUSDT").last_closed_bar == bar(60_000, closed=True)
