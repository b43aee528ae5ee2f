"""Streams over the wire: decoding, fences, healing, change-over, limits."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import pytest

from aster_operator.domain.clock import WallClock
from aster_operator.domain.enums import LiquidityRole, MarginType, OrderStatus, OrderType, PositionSide, Side
from aster_operator.domain.events import (
    AccountChanged,
    BarUpdated,
    DepthUpdated,
    Feed,
    FeedStatusChanged,
    LeverageChanged,
    MarkUpdated,
    OrderChanged,
    QuoteUpdated,
    TradePrinted,
)
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.client_protocol import MarketChannel
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.errors import TransportFailed
from aster_operator.exchange.streams.market import MarketStream, MessageStream
from aster_operator.exchange.streams.names import names_of, partial_depth
from aster_operator.exchange.streams.shard import shards_of
from aster_operator.exchange.streams.spot_quotes import SpotQuoteStream
from exchange import payloads
from exchange.conftest import QUICK
from exchange.scripted_venue import Answer, ScriptedVenue

ALL = MarketChannel(symbol="BTCUSDT", trades=True, depth=True)


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that the loop will bring about; the test's timeout bounds it."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - conditions are many, and of other objects
            await asyncio.sleep(0.002)


def _frame(stream: str, data: object) -> dict:
    return {"stream": stream, "data": data}


@contextlib.asynccontextmanager
async def _market(client: AsterClient, *channels: MarketChannel) -> AsyncIterator[tuple[MarketStream, list]]:
    events: list = []
    stream = await client.open_market_stream(channels or (ALL,), events.append)
    yield stream, events
    await stream.close()


async def test_every_market_event_arrives_typed_and_in_order(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        assert venue.socket_paths == ["/stream"]
        assert venue.subscribed() == set(names_of(ALL))
        frames = [
            ("btcusdt@bookTicker", payloads.book_ticker()),
            ("btcusdt@markPrice@1s", payloads.MARK),
            ("btcusdt@kline_1m", payloads.KLINE),
            ("btcusdt@aggTrade", payloads.AGG_TRADE),
            ("btcusdt@depth5", payloads.DEPTH),
        ]
        for name, data in frames:
            await venue.send(_frame(name, data))
        await stream.fence()
    assert [type(event) for event in events] == [
        QuoteUpdated, MarkUpdated, BarUpdated, TradePrinted, DepthUpdated,
    ]  # fmt: skip
    quote, mark, bar, trade, depth = events
    assert quote.quote.ask == Decimal("60000.1")
    assert (mark.mark.funding_rate, mark.mark.next_funding_ms) == (Decimal("0.0001"), 1770019200000)
    assert bar.bar.is_closed
    assert (bar.bar.open, bar.bar.taker_buy_base_volume) == (Decimal("60000.0"), Decimal("6.5"))
    assert trade.trade.taker_side is Side.SELL
    assert [level.price for level in depth.depth.bids] == [Decimal("60000.0"), Decimal("59999.9")]
    assert all(event.received_ns > 0 for event in events)


async def test_a_fence_waits_for_all_that_was_sent_before(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _market(client) as (stream, events):
        for number in range(500):
            await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(number)))
        await stream.fence()
        assert [event.event_ms - 1770000000100 for event in events] == list(range(500))


async def test_a_book_with_one_side_alone_has_no_best_quote(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    """The venue prints the empty side as zero: a spread over half the price, or over nothing at all."""
    async with _market(client) as (stream, events):
        for changes in ({"b": "0.0", "B": "0"}, {"a": "0.0", "A": "0"}, {"b": "0", "a": "0"}, {}):
            await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(**changes)))
        await stream.fence()
    assert [event.quote.bid for event in events] == [Decimal("60000.0")]


async def test_a_spot_book_with_one_side_alone_has_no_best_quote_either(venue: ScriptedVenue) -> None:
    events: list = []
    clock = WallClock()
    stream = SpotQuoteStream(
        ["BTCUSDT:SPOT"], events.append, ws_url=venue.ws_url, clock=clock, now_ms=clock.now_ms
    )
    await stream.open()
    told = {"s": "BTCUSDT", "b": "60000.0", "B": "1", "a": "60000.1", "A": "1"}
    for changes in ({"b": "0.0", "B": "0"}, {"a": "0.0", "A": "0"}, {}):
        await venue.send(_frame("btcusdt@bookTicker", told | changes))
    await stream.fence()
    await stream.close()
    assert [event.quote.bid for event in events] == [Decimal("60000.0")]


async def test_a_fence_counts_an_empty_pong(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.empty_pongs = True
    async with _market(client) as (stream, _):
        await stream.fence()
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(stream.fence())


async def test_arrays_deliver_each_of_their_members(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _market(client) as (stream, events):
        await venue.send(_frame("!markPrice@arr@1s", [payloads.MARK, payloads.MARK | {"s": "ETHUSDT"}]))
        await stream.fence()
    assert [event.mark.symbol for event in events] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize(
    "garbage",
    [
        "not json",
        "",
        "[]",
        "{}",
        '{"stream": "btcusdt@bookTicker"}',
        json.dumps(_frame("btcusdt@bookTicker", payloads.book_ticker(b="NaN"))),
        json.dumps(_frame("btcusdt@bookTicker", {"e": "bookTicker"})),
        json.dumps(_frame("btcusdt@bookTicker", payloads.book_ticker(b=None))),
    ],
)
async def test_garbage_is_counted_and_the_rest_goes_on(
    venue: ScriptedVenue, client: AsterClient, garbage: str
) -> None:
    async with _market(client) as (stream, events):
        await venue.send(garbage)
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker()))
        await stream.fence()
        assert stream.messages.malformed == 1
    assert [type(event) for event in events] == [QuoteUpdated]


async def test_a_binary_frame_is_garbage_or_a_message_like_any_other(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        await venue.send_binary(b"\x00\xff\xfe")
        await venue.send_binary(json.dumps(_frame("btcusdt@bookTicker", payloads.book_ticker())).encode())
        await stream.fence()
        assert stream.messages.malformed == 1
    assert [type(event) for event in events] == [QuoteUpdated]


async def test_events_of_tomorrow_are_counted_not_complained_about(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        await venue.send(_frame("btcusdt@new", {"e": "newThing", "x": 1}))
        await stream.fence()
        assert (stream.messages.unknown, stream.messages.malformed, events) == (1, 0, [])


async def test_a_connection_that_only_brings_garbage_is_renewed(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (_, events):
        for _ in range(20):
            await venue.send("garbage", socket=0)
        await venue.until_sockets(2)
        await _until(lambda: len(events) == 2)
    assert [event.healthy for event in events] == [False, True]


async def test_a_lost_connection_is_announced_repaired_and_subscribed_again(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(7)))
        await stream.fence()
        venue.control.clear()
        venue.cut()
        await venue.until_sockets(2)
        await _until(lambda: len(events) == 3)
        assert venue.subscribed() == set(names_of(ALL))
        await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(8)))
        await stream.fence()
    lost, back = events[1:3]
    assert (lost.healthy, back.healthy, lost.feed) == (False, True, Feed.MARKET)
    # Market time may be far from ours: the status carries the last one seen.
    assert lost.event_ms == back.event_ms == 1770000000107
    assert isinstance(events[3], QuoteUpdated)


async def test_the_loss_of_a_second_connection_is_told_while_the_first_is_down(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    statuses: list[tuple[bool, str]] = []
    stream = await client.open_message_stream(
        [f"s{n}usdt@bookTicker" for n in range(201)], lambda *_: None, lambda *s: statuses.append(s)
    )
    assert stream.stale_since_ms is None
    venue.refuse_sockets = True
    venue.cut(0)
    await _until(lambda: len(statuses) == 1)
    since = stream.stale_since_ms
    assert since is not None
    venue.cut(1)
    await _until(lambda: len(statuses) == 2)
    assert stream.stale_since_ms == since
    venue.refuse_sockets = False
    await _until(lambda: len(statuses) == 3)
    assert [healthy for healthy, _ in statuses] == [False, False, True]
    assert stream.stale_since_ms is None


async def test_connections_that_do_not_hold_are_made_ever_more_slowly(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    statuses: list[bool] = []
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=["btcusdt@bookTicker"],
        on_message=lambda *_: None,
        on_status=lambda healthy, _detail: statuses.append(healthy),
        clock=client.clock,
        settings=QUICK._replace(backoff_initial_s=0.01, backoff_max_s=30.0, stable_s=0.2, silence_s=5),
    )
    await stream.open()
    link = stream._shards[0].link
    venue.drop_at_once = True
    venue.cut()
    await _until(lambda: statuses.count(True) >= 4)
    assert link._backoff_s >= 0.01 * 2**4
    venue.drop_at_once = False
    # A connection that holds makes up for those before it.
    await _until(lambda: stream.is_healthy and link._backoff_s == 0.01)
    await stream.close()


async def test_a_silent_half_open_connection_is_noticed(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _market(client) as (_, events):
        venue.autoping = False
        await _until(lambda: bool(events))
        venue.autoping = True
        await venue.until_sockets(2)
        await _until(lambda: events[-1].healthy)
    assert "silent" in events[0].detail


async def test_a_quiet_connection_that_answers_pings_is_left_alone(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        await _until(lambda: stream.messages._shards[0].link.socket.reads > 5)
        assert events == []
        assert len(venue.sockets) == 1


@pytest.mark.parametrize(
    ("stream_name", "renewed"),
    [("btcusdt@markPrice@1s", True), ("!markPrice@arr", True), ("btcusdt@kline_1m", False)],
)
async def test_a_connection_that_only_answers_pings_is_renewed_where_messages_are_due(
    venue: ScriptedVenue, client: AsterClient, stream_name: str, renewed: bool
) -> None:
    statuses: list[tuple[bool, str]] = []
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=[stream_name],
        on_message=lambda *_: None,
        on_status=lambda *status: statuses.append(status),
        clock=client.clock,
        settings=QUICK._replace(silence_s=0.02, idle_s=0.1),
    )
    await stream.open()
    if renewed:
        await venue.until_sockets(2)
        await _until(lambda: len(statuses) >= 2)
        assert statuses[0][1].startswith("idle: pings are answered")
        assert stream.statistics[0].losses >= 1
    else:
        link = stream._shards[0].link
        await _until(lambda: link.socket is not None and link.socket.reads > 12)
        assert statuses == []
    await stream.close()


async def test_a_fence_across_a_loss_holds_on_the_next_connection(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (stream, events):
        venue.autoping = False
        fence = asyncio.create_task(stream.fence())
        await asyncio.sleep(0)
        venue.cut()
        venue.autoping = True
        await fence
        assert [event.healthy for event in events if isinstance(event, FeedStatusChanged)] == [False, True]


async def test_reconnecting_goes_on_until_the_venue_is_back(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    async with _market(client) as (_, events):
        venue.refuse_sockets = True
        venue.cut()
        await _until(lambda: bool(events))
        venue.refuse_sockets = False
        await _until(lambda: events[-1].healthy)
    assert [event.healthy for event in events] == [False, True]


async def test_a_venue_that_is_not_there_is_an_error_at_opening(
    client: AsterClient, venue: ScriptedVenue
) -> None:
    venue.refuse_sockets = True
    with pytest.raises(TransportFailed):
        await client.open_market_stream([ALL], lambda _: None)


async def test_a_consumer_that_fails_is_heard(venue: ScriptedVenue, client: AsterClient) -> None:
    def consume(event) -> None:
        if isinstance(event, QuoteUpdated):
            raise ZeroDivisionError("a bug of the consumer")

    stream = await client.open_market_stream([ALL], consume)
    await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker()))
    with pytest.raises(ZeroDivisionError):
        await stream.fence()
    client._streams.clear()


async def test_closing_goes_on_past_a_stream_whose_consumer_failed(
    venue: ScriptedVenue, agent: AgentCredentials
) -> None:
    def consume(*_: object) -> None:
        raise ZeroDivisionError("a bug of the consumer")

    client = AsterClient(
        agent, environment="sim", base_url=venue.url, ws_url=venue.ws_url, link_settings=QUICK
    )
    await client.open_market_stream([ALL], lambda _: None)
    failing = await client.open_message_stream(["btcusdt@bookTicker"], consume, lambda *_: None)
    # In two fragments, which take another way through the socket than whole messages.
    text = json.dumps(_frame("btcusdt@bookTicker", payloads.book_ticker())).encode()
    transport = venue.sockets[1]._req.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.write(bytes([0x01, 5]) + text[:5])
    transport.write(bytes([0x80, 126]) + len(text[5:]).to_bytes(2, "big") + text[5:])
    with pytest.raises(ZeroDivisionError):
        await failing.fence()
    with pytest.raises(ZeroDivisionError):
        await client.close()
    await _until(lambda: venue.open_sockets == 0)
    assert {task.get_name() for task in asyncio.all_tasks()}.isdisjoint({"stream-link"})


async def test_a_subscription_made_during_a_change_over_holds_on_the_new_connection(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=["btcusdt@bookTicker", "bnbusdt@bookTicker"],
        on_message=lambda *_: None,
        on_status=lambda *_: None,
        clock=client.clock,
        settings=QUICK._replace(max_age_s=0.1, silence_s=5, overlap_s=0.3),
    )
    await stream.open()
    await venue.until_sockets(2)
    link = stream._shards[0].link
    await _until(lambda: len(link.sockets) == 2)
    venue.control.clear()
    await stream.subscribe(["ethusdt@bookTicker"])
    await stream.unsubscribe(["bnbusdt@bookTicker"])
    assert [(c["method"], c["params"]) for c in venue.control] == [
        ("SUBSCRIBE", ["ethusdt@bookTicker"]),
        ("SUBSCRIBE", ["ethusdt@bookTicker"]),
        ("UNSUBSCRIBE", ["bnbusdt@bookTicker"]),
        ("UNSUBSCRIBE", ["bnbusdt@bookTicker"]),
    ]
    await stream.close()


async def test_the_change_over_before_the_cut_loses_and_doubles_nothing(venue: ScriptedVenue, client) -> None:
    received: list[int] = []
    statuses: list[tuple[bool, str]] = []
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=["btcusdt@bookTicker"],
        on_message=lambda _name, message, _at: received.append(message.update_id),
        on_status=lambda *status: statuses.append(status),
        clock=client.clock,
        settings=QUICK._replace(max_age_s=0.15, silence_s=5),
    )
    await stream.open()
    number = 0
    # Both connections carry the same stream, as the venue's do, each subscriber from when it subscribed.
    while stream.statistics[0].changeovers < 3:
        number += 1
        for index, socket in enumerate(venue.sockets):
            if not socket.closed and sum(c["method"] == "SUBSCRIBE" for c in venue.control) > index:
                with contextlib.suppress(ConnectionError):
                    await venue.send(_frame("btcusdt@bookTicker", payloads.book_ticker(number)), index)
        await asyncio.sleep(0.001)
    await stream.fence()
    await stream.close()
    assert received == list(range(1, number + 1))
    assert stream.statistics[0].duplicates > 0
    assert statuses == []


async def test_a_failed_change_over_keeps_the_old_connection(venue: ScriptedVenue, client) -> None:
    statuses: list = []
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=["btcusdt@bookTicker"],
        on_message=lambda *_: None,
        on_status=lambda *status: statuses.append(status),
        clock=client.clock,
        settings=QUICK._replace(max_age_s=0.05, changeover_retry_s=0.05, silence_s=5),
    )
    await stream.open()
    venue.refuse_sockets = True
    await _until(lambda: venue.refused >= 2)
    await stream.fence()
    assert (len(venue.sockets), statuses) == (1, [])
    venue.refuse_sockets = False
    await _until(lambda: stream.statistics[0].changeovers >= 1)
    await stream.close()


# --- subscriptions and limits --------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "sockets"), [(1, 1), (200, 1), (201, 2), (450 * 5, 12)])
def test_streams_are_spread_evenly_over_the_fewest_sockets(count: int, sockets: int) -> None:
    names = [f"s{n}@bookTicker" for n in range(count)]
    shards = shards_of([*names, *names])
    assert len(shards) == sockets
    assert max(map(len, shards)) <= 200
    assert max(map(len, shards)) - min(map(len, shards)) <= 1
    assert sorted(name for shard in shards for name in shard) == sorted(names)


async def test_hundreds_of_streams_share_sockets_within_the_limits(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    channels = [MarketChannel(symbol=f"S{n}USDT") for n in range(150)]
    async with _market(client, *channels) as (stream, _):
        assert stream.messages.sockets == len(venue.sockets) == 3
        assert len(venue.control) <= 6
        assert len(await stream.messages.subscriptions()) >= 450


async def test_streams_are_added_and_removed_while_running(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _market(client, MarketChannel(symbol="BTCUSDT", marks=False, bars=False)) as (stream, _):
        await stream.messages.subscribe(["ethusdt@bookTicker", "btcusdt@bookTicker"])
        await stream.messages.unsubscribe(["btcusdt@bookTicker", "never@there"])
        assert await stream.messages.subscriptions() == ["ethusdt@bookTicker"]
        venue.control.clear()
        venue.cut()
        await venue.until_sockets(2)
        await stream.fence()
        assert venue.subscribed() == {"ethusdt@bookTicker"}


async def test_a_subscription_without_an_answer_fails_the_opening(
    venue: ScriptedVenue, client: AsterClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue.acknowledge = False
    opening = asyncio.create_task(client.open_market_stream([ALL], lambda _: None))
    await venue.until_sockets(1)
    await _until(lambda: bool(venue.control))
    venue.cut()
    with pytest.raises(TransportFailed, match="SUBSCRIBE"):
        await opening


def test_stream_names_out_of_the_vocabulary_are_refused() -> None:
    with pytest.raises(ValueError, match="levels"):
        partial_depth("BTCUSDT", 7)
    with pytest.raises(ValueError, match="speed_ms"):
        partial_depth("BTCUSDT", 5, 333)
    assert partial_depth("BTCUSDT", 10, 100) == "btcusdt@depth10@100ms"


# --- user stream ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _user(venue: ScriptedVenue, client: AsterClient) -> AsyncIterator[tuple]:
    keys = iter(["key1", "key2", "key3", "key4"])
    current = ["key0"]

    def new_key(_request) -> Answer:
        current[0] = next(keys)
        return Answer({"listenKey": current[0]})

    venue.always("POST", "/fapi/v3/listenKey", new_key)
    events: list = []
    stream = await client.open_user_stream(events.append)
    await venue.until_sockets(1)
    yield stream, events
    await stream.close()


async def test_own_orders_and_account_changes(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _user(venue, client) as (stream, events):
        assert venue.socket_paths == ["/ws/key1"]
        for message in payloads.USER_MESSAGES[:5]:
            await venue.send(message)
        await stream.fence()
    changed, account, leverage = events
    assert isinstance(changed, OrderChanged)
    assert (changed.report.status, changed.report.average_price) == (OrderStatus.FILLED, Decimal("60000.10"))
    fill = changed.fill
    assert (fill.role, fill.commission, fill.commission_asset, fill.trade_id) == (
        LiquidityRole.TAKER,
        Decimal("0.21000035"),
        "USDT",
        9001,
    )
    assert isinstance(account, AccountChanged)
    (position,) = account.positions
    assert (position.quantity, position.position_side, position.margin_type) == (
        Decimal("-0.010"),
        PositionSide.SHORT,
        MarginType.CROSSED,
    )
    assert isinstance(leverage, LeverageChanged)
    assert (leverage.symbol, leverage.leverage) == ("BTCUSDT", 25)


async def test_an_order_that_did_not_trade_has_no_fill(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _user(venue, client) as (stream, events):
        quiet = payloads.order_update(x="NEW", X="NEW", l="0", L="0", z="0", t=0, ap="0")
        del quiet["o"]["n"], quiet["o"]["N"]
        await venue.send(quiet)
        free = payloads.order_update(m=True)
        del free["o"]["n"], free["o"]["N"]
        await venue.send(free)
        forced = payloads.order_update(c="autoclose-1", o="LIQUIDATION", x="CALCULATED", X="NEW_ADL")
        await venue.send(forced)
        await stream.fence()
    assert events[0].fill is None
    assert (events[1].fill.commission, events[1].fill.role) == (Decimal(0), LiquidityRole.MAKER)
    assert events[2].report.order_type is OrderType.LIMIT
    assert events[2].fill is not None


async def test_an_expired_listen_key_is_replaced(venue: ScriptedVenue, client: AsterClient) -> None:
    async with _user(venue, client) as (_, events):
        await venue.send({"e": "listenKeyExpired", "E": 1770000000200})
        await venue.until_sockets(2)
        await _until(lambda: len(events) == 2)
        assert venue.socket_paths == ["/ws/key1", "/ws/key2"]
    assert [(event.feed, event.healthy) for event in events] == [(Feed.USER, False), (Feed.USER, True)]


async def test_a_user_message_that_cannot_be_read_breaks_the_feed(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    # It may have been a fill: the consumer must be told to look.
    async with _user(venue, client) as (stream, events):
        await venue.send(payloads.order_update(L="NaN"))
        await venue.until_sockets(2)
        await _until(lambda: len(events) == 2)
        assert stream.malformed == 1
    assert [event.healthy for event in events] == [False, True]


async def test_a_listen_key_that_was_replaced_behind_our_back_is_noticed(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    """The venue extends the account's key whatever key it is told: the old connection lives and is dumb."""
    from aster_operator.exchange.streams.user import UserStream

    rounds = asyncio.Semaphore(0)

    async def sleep(_seconds: float) -> None:
        await rounds.acquire()

    venue.next("POST", "/fapi/v3/listenKey", Answer({"listenKey": "k1"}))
    venue.always("POST", "/fapi/v3/listenKey", Answer({"listenKey": "k2"}))
    venue.always("PUT", "/fapi/v3/listenKey", Answer({}))
    events: list = []
    stream = UserStream(
        ws_url=venue.ws_url, keys=client, on_event=events.append, clock=client.clock, settings=QUICK,
        sleep=sleep,
    )  # fmt: skip
    await stream.open()
    rounds.release()
    await _until(lambda: [event.healthy for event in events] == [False, True])
    rounds.release()
    await _until(lambda: len([r for r in venue.requests if r.method == "PUT"]) == 2)
    await stream.close()
    assert ["k1" in r.text for r in venue.requests if r.method == "PUT"] == [True, False]
    assert len(events) == 2


async def test_the_listen_key_is_kept_alive(venue: ScriptedVenue, client: AsterClient) -> None:
    from aster_operator.exchange.streams.user import UserStream

    rounds = asyncio.Semaphore(0)

    async def sleep(seconds: float) -> None:
        assert seconds == 1800
        await rounds.acquire()

    venue.always("POST", "/fapi/v3/listenKey", Answer({"listenKey": "k1"}))
    expired = Answer({"code": -1125, "msg": "This listenKey does not exist."}, status=400)
    busy = Answer({"code": -1000, "msg": "?"}, status=400)
    venue.next("PUT", "/fapi/v3/listenKey", Answer({}), busy, expired)
    events: list = []
    stream = UserStream(
        ws_url=venue.ws_url,
        keys=client,
        on_event=events.append,
        clock=client.clock,
        settings=QUICK,
        sleep=sleep,
    )
    await stream.open()
    for _ in range(2):
        rounds.release()
    await _until(lambda: len([r for r in venue.requests if r.method == "PUT"]) == 2)
    assert events == []
    rounds.release()
    await _until(lambda: [event.healthy for event in events] == [False, True])
    await stream.close()
    assert all("k1" in r.text for r in venue.requests if r.method == "PUT")


async def test_copies_of_an_event_that_differ_in_spelling_are_delivered_once(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    """Two connections may send one event at different times and with its members in another order."""
    received: list[str] = []
    stream = MessageStream(
        ws_url=venue.ws_url,
        streams=["btcusdt@markPrice@1s", "btcusdt@kline_1m", "!bookTicker"],
        on_message=lambda name, _message, _at: received.append(name),
        on_status=lambda *_: None,
        clock=client.clock,
        settings=QUICK._replace(max_age_s=0.1, silence_s=5, overlap_s=0.5),
    )
    await stream.open()
    await venue.until_sockets(2)
    await _until(lambda: len(stream._shards[0].link.sockets) == 2)
    frames = [
        _frame("btcusdt@markPrice@1s", payloads.MARK),
        _frame("btcusdt@kline_1m", payloads.KLINE),
        _frame("!bookTicker", [payloads.book_ticker(1), payloads.book_ticker(2)]),
    ]
    for frame in frames:
        text = json.dumps(frame)
        later = json.loads(text)
        for event in later["data"] if isinstance(later["data"], list) else [later["data"]]:
            event["E"] += 3
        await venue.send(text, 0)
        await venue.send(json.dumps(later, sort_keys=True, indent=1), 1)
    await stream.fence()
    await stream._shards[0].link._young.fence(2)
    await stream.close()
    assert received == [frame["stream"] for frame in frames]
    assert stream.statistics[0].duplicates == 3
