"""The five caches: seeded, live, honest about age, whole again after a loss."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.market_data.caches import MarketCaches
from exchange import payloads
from exchange.conftest import QUICK
from exchange.scripted_venue import Answer, Received, ScriptedVenue, scripted_venue

V3 = "/fapi/v3/"


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions are many, and of other objects
            await asyncio.sleep(0.002)


def _trade(number: int) -> dict:
    return {"a": number, "p": "60000.1", "q": "0.1", "f": number, "l": number, "T": 1000 + number, "m": False}


def _script(venue: ScriptedVenue, newest_trade: list[int]) -> None:
    ticker = {
        "symbol": "BTCUSDT",
        "bidPrice": "1.0",
        "bidQty": "1",
        "askPrice": "2.0",
        "askQty": "2",
        "time": 5,
        "lastUpdateId": 9,
    }
    premium = {
        "symbol": "BTCUSDT",
        "markPrice": "1.5",
        "indexPrice": "1.6",
        "lastFundingRate": "-0.0001",
        "nextFundingTime": 8,
        "time": 5,
    }
    kline = [1, "1", "2", "0.5", "1.5", "10", 60_000, "15", 3, "5", "7", "0"]
    book = {"lastUpdateId": 3, "E": 5, "T": 5, "bids": [["1.0", "1"]], "asks": [["2.0", "1"]]}
    venue.always("GET", V3 + "ticker/bookTicker", Answer([ticker, ticker | {"symbol": "OTHER"}]))
    venue.always("GET", V3 + "premiumIndex", Answer([premium]))
    venue.always("GET", V3 + "klines", Answer([kline]))
    venue.always("GET", V3 + "depth", Answer(book))

    def trades(_request: Received) -> Answer:
        return Answer([_trade(n) for n in range(max(1, newest_trade[0] - 20), newest_trade[0] + 1)])

    venue.always("GET", V3 + "aggTrades", trades)


@contextlib.asynccontextmanager
async def _caches(**options: object) -> AsyncIterator[tuple[ScriptedVenue, MarketCaches, ManualClock, list]]:
    clock = ManualClock(1_770_000_000_000)
    newest = [40]
    async with scripted_venue() as venue:
        _script(venue, newest)
        client = AsterClient(
            environment="sim", base_url=venue.url, ws_url=venue.ws_url, clock=clock, link_settings=QUICK
        )
        async with client, MarketCaches(client, ["BTCUSDT"], clock=clock, **options) as caches:
            yield venue, caches, clock, newest


def _frame(stream: str, data: object) -> dict:
    return {"stream": stream, "data": data}


async def test_rest_seeds_all_five() -> None:
    async with _caches() as (_, caches, _, _):
        assert caches.latest_bbo["BTCUSDT"].ask == 2.0
        assert caches.latest_funding["BTCUSDT"].funding_rate == -0.0001
        assert caches.latest_kline_1m["BTCUSDT"].close == 1.5
        assert caches.latest_l2["BTCUSDT"].bids == ((1.0, 1.0),)
        assert [trade.trade_id for trade in caches.recent_agg_trades["BTCUSDT"]] == list(range(20, 41))
        assert set(caches.latest_bbo) == {"BTCUSDT"}


async def test_streams_take_over() -> None:
    async with _caches() as (venue, caches, _, _):
        for name, data in [
            ("btcusdt@bookTicker", payloads.book_ticker()),
            ("btcusdt@markPrice@1s", payloads.MARK),
            ("btcusdt@kline_1m", payloads.KLINE),
            ("btcusdt@aggTrade", payloads.AGG_TRADE | {"a": 41}),
            ("btcusdt@depth5", payloads.DEPTH),
        ]:
            await venue.send(_frame(name, data))
        await caches.fence()
        assert caches.latest_bbo["BTCUSDT"].ask == 60000.1
        assert caches.latest_funding["BTCUSDT"].mark == 60000.05
        assert caches.latest_kline_1m["BTCUSDT"].is_closed
        assert caches.latest_l2["BTCUSDT"].bids[1] == (59999.9, 3.0)
        assert caches.recent_agg_trades["BTCUSDT"][-1].trade_id == 41
        assert caches.malformed == 0


async def test_age_is_known_by_stream() -> None:
    async with _caches() as (venue, caches, clock, _):
        clock.advance_ms(700)
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker()))
        await caches.fence()
        clock.advance_ms(300)
        age = caches.staleness("BTCUSDT")
        assert (age.bbo_ms, age.kline_ms, age.l2_ms) == (300, 1000, 1000)
        assert caches.staleness("NEVER").bbo_ms is None


async def test_a_loss_is_visible_and_missed_trades_are_fetched() -> None:
    async with _caches() as (venue, caches, clock, newest):
        await venue.send(_frame("btcusdt@aggTrade", payloads.AGG_TRADE | {"a": 41}))
        await caches.fence()
        newest[0] = 50
        venue.refuse_sockets = True
        venue.cut()
        await _until(lambda: caches.stale_since_ms is not None)
        assert caches.stale_since_ms == clock.now_ms()
        venue.refuse_sockets = False
        await _until(lambda: caches.statistics.seeds == 2)
        assert caches.stale_since_ms is None
        assert [trade.trade_id for trade in caches.recent_agg_trades["BTCUSDT"]] == list(range(20, 51))


async def test_what_was_heard_before_a_loss_gives_way_to_a_snapshot_after_it() -> None:
    async with _caches() as (venue, caches, clock, _):
        clock.advance_ms(1000)
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(700, b="7.0", a="8.0")))
        await caches.fence()
        assert caches.latest_bbo["BTCUSDT"].bid == 7.0
        # An answer over REST that is older than what the stream has told changes nothing.
        clock.advance_ms(1000)
        await caches.seed()
        assert caches.latest_bbo["BTCUSDT"].bid == 7.0
        # The quote moved back while the connection was lost, and no stream will tell.
        clock.advance_ms(1000)
        seeds = caches.statistics.seeds
        venue.cut()
        await _until(lambda: caches.statistics.seeds > seeds)
        assert caches.latest_bbo["BTCUSDT"].bid == 1.0


async def test_quotes_and_books_older_than_the_newest_are_dropped_and_counted() -> None:
    async with _caches() as (venue, caches, clock, _):
        clock.advance_ms(1000)
        for number, bid in ((700, "7.0"), (699, "6.0"), (701, "7.5")):
            quote = payloads.book_ticker(number, b=bid, a="8.0", E=1_770_000_000_000 + number)
            await venue.send(_frame("btcusdt@bookTicker", quote))
        for number, bid in ((50, "5.0"), (49, "4.0")):
            book = payloads.DEPTH | {"u": number, "b": [[bid, "1"]], "E": 1_770_000_000_000 + number}
            await venue.send(_frame("btcusdt@depth5", book))
        await caches.fence()
        assert caches.latest_bbo["BTCUSDT"].bid == 7.5
        assert caches.latest_l2["BTCUSDT"].bids[0][0] == 5.0
        assert caches.statistics.out_of_order == 2
        # A venue that begins anew counts from below, at a later time.
        late = payloads.book_ticker(3, b="9.0", a="9.5", E=1_770_000_009_000)
        await venue.send(_frame("btcusdt@bookTicker", late))
        await caches.fence()
        assert caches.latest_bbo["BTCUSDT"].bid == 9.0


async def test_gaps_duplicates_and_old_trades_are_counted() -> None:
    async with _caches() as (venue, caches, _, _):
        for number in (41, 41, 43, 42, 44):
            await venue.send(_frame("btcusdt@aggTrade", payloads.AGG_TRADE | {"a": number}))
        await caches.fence()
        assert (caches.statistics.trade_gaps, caches.statistics.out_of_order) == (1, 2)
        assert [trade.trade_id for trade in caches.recent_agg_trades["BTCUSDT"]][-3:] == [41, 43, 44]


@pytest.mark.parametrize("bad", ["NaN", "inf", "-1", "x", None])
async def test_numbers_that_are_none_never_reach_a_cache(bad: object) -> None:
    async with _caches() as (venue, caches, _, _):
        before = caches.latest_bbo["BTCUSDT"]
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(b=bad)))
        await caches.fence()
        assert caches.latest_bbo["BTCUSDT"] is before
        assert caches.malformed == 1


async def test_trades_are_bounded() -> None:
    async with _caches(trades_kept=10) as (venue, caches, _, _):
        for number in range(41, 90):
            await venue.send(_frame("btcusdt@aggTrade", payloads.AGG_TRADE | {"a": number}))
        await caches.fence()
        assert [trade.trade_id for trade in caches.recent_agg_trades["BTCUSDT"]] == list(range(80, 90))
