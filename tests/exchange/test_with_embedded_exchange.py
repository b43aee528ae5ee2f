"""Client and embedded exchange were written apart, from the same reference: here they meet."""

import asyncio
from decimal import Decimal

import pytest

from aster_operator.domain.enums import MarginType, OrderStatus, OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.events import AccountChanged, BarUpdated, OrderChanged, QuoteUpdated
from aster_operator.domain.orders import NewOrder
from aster_operator.exchange.client_protocol import MarketChannel
from aster_operator.exchange.errors import FilterViolation, OrderNotFound
from exchange.conftest import QUICK
from exchange.embedded import client_of, embedded_exchange


@pytest.mark.parametrize("scheme", ["v3", "v1"])
async def test_a_round_trip_leaves_the_same_story_in_stream_and_history(scheme: str) -> None:
    async with embedded_exchange() as server, client_of(server, scheme) as client:
        events: list = []
        await client.measure_clock()
        btc = (await client.instruments())["BTCUSDT"]
        await client.set_hedge_mode(True)
        await client.set_hedge_mode(True)
        await client.set_margin_type("BTCUSDT", MarginType.CROSSED)
        assert await client.set_leverage("BTCUSDT", 10) == 10
        stream = await client.open_user_stream(events.append)
        opened = await client.place_market_order(
            "BTCUSDT", Side.BUY, Decimal("0.01"), PositionSide.LONG, client_order_id=f"open-{scheme}"
        )
        assert (opened.status, opened.filled_quantity) == (OrderStatus.FILLED, Decimal("0.01"))
        quote = await client.quote("BTCUSDT")
        resting = NewOrder(
            client_order_id=f"rest-{scheme}",
            symbol="BTCUSDT",
            side=Side.BUY,
            position_side=PositionSide.LONG,
            order_type=OrderType.LIMIT,
            quantity=Decimal("0.01"),
            price=btc.round_price_passive(quote.bid * Decimal("0.99"), Side.BUY),
            time_in_force=TimeInForce.GTX,
        )
        assert (await client.place_order(resting)).status is OrderStatus.NEW
        (open_order,) = await client.open_orders("BTCUSDT")
        assert open_order.client_order_id == resting.client_order_id
        assert (await client.cancel_order("BTCUSDT", resting.client_order_id)).status is OrderStatus.CANCELED
        with pytest.raises(OrderNotFound):
            await client.cancel_order("BTCUSDT", resting.client_order_id)
        with pytest.raises(FilterViolation):
            await client.place_market_order("BTCUSDT", Side.BUY, Decimal("0.00001"), PositionSide.LONG)
        closed = await client.close_position("BTCUSDT", PositionSide.LONG)
        assert closed is not None
        await stream.fence()
        streamed = [e.fill for e in events if isinstance(e, OrderChanged) and e.fill is not None]
        account = await client.account_snapshot()
        told = await client.fills("BTCUSDT", server.exchange.now_ms - 86_400_000)
        rows = await client.income_rows(server.exchange.now_ms - 86_400_000)
    assert [f.trade_id for f in told] == [f.trade_id for f in streamed]
    assert [f.client_order_id for f in told] == [f.client_order_id for f in streamed]
    for ours, theirs in zip(streamed, told, strict=True):
        assert (ours.price, ours.quantity, ours.commission, ours.role, ours.realized_pnl) == (
            theirs.price,
            theirs.quantity,
            theirs.commission,
            theirs.role,
            theirs.realized_pnl,
        )
    cash = sum(row.income for row in rows if row.income_type in ("COMMISSION", "REALIZED_PNL"))
    assert cash == sum(f.realized_pnl - f.commission for f in told)
    last = [e for e in events if isinstance(e, AccountChanged)][-1]
    assert last.balances[0].wallet_balance == account.balances[0].wallet_balance


async def test_market_time_is_the_time_being_played() -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:
        assert abs(await client.market_time_ms() - server.exchange.now_ms) < 10_000
        running = (await client.bars("BTCUSDT", limit=3))[-1]
        assert not running.is_closed


async def test_a_fence_follows_each_step_of_a_lockstep_market() -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:
        events: list = []
        stream = await client.open_market_stream([MarketChannel(symbol="BTCUSDT")], events.append)
        for _ in range(30):
            server.driver.step_to(server.exchange.now_ms + 5000)
            await stream.fence()
        await stream.close()
    assert any(isinstance(event, QuoteUpdated) for event in events)
    assert any(isinstance(event, BarUpdated) for event in events)
    assert [e.event_ms for e in events if isinstance(e, QuoteUpdated)] == sorted(
        e.event_ms for e in events if isinstance(e, QuoteUpdated)
    )


async def test_tls_with_an_authority_of_its_own() -> None:
    async with embedded_exchange(tls=True) as server, client_of(server, "v3") as client:
        assert server.rest_url.startswith("https://")
        assert "BTCUSDT" in await client.instruments()
        stream = await client.open_market_stream([MarketChannel(symbol="BTCUSDT")], lambda _: None)
        await stream.fence()


async def test_local_books_follow_the_venues_through_a_lost_connection() -> None:
    async with embedded_exchange() as server, client_of(server, "v3", link_settings=QUICK) as client:
        told: list[tuple[str, bool]] = []
        books = await client.open_order_books(["BTCUSDT"], on_live=lambda *now: told.append(now))

        async def step_until_live() -> None:
            async with asyncio.timeout(20):
                while books.top("BTCUSDT") is None:
                    server.driver.step_to(server.exchange.now_ms + 5000)
                    await books.fence()
                    await asyncio.sleep(0.01)

        async def compare() -> None:
            for _ in range(20):
                # The market moves every five seconds; the stream is thinned to 100 ms, so that what changes
                # then is sent a moment later.
                change_ms = (server.exchange.now_ms // 5000 + 1) * 5000
                server.driver.step_to(change_ms)
                server.driver.step_to(change_ms + 200)
                await books.fence()
                shown = books.top("BTCUSDT", 5)
                truth = await client.depth_snapshot("BTCUSDT", 5)
                assert shown is not None
                assert (shown.bids, shown.asks) == (truth.bids, truth.asks)

        await step_until_live()
        await compare()
        for shard in books._stream._shards:
            shard.link.socket.abort()
        async with asyncio.timeout(20):
            while told[-1][1]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert books.top("BTCUSDT") is None
        await step_until_live()
        await compare()
        assert told == [("BTCUSDT", True), ("BTCUSDT", False), ("BTCUSDT", True)]
        assert books.book("BTCUSDT").gaps == 0
