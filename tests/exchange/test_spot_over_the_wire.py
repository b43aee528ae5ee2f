"""The spot calls and the spot user stream against the embedded exchange, in both schemes."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.exchange.errors import (
    ClockSkew,
    FilterViolation,
    InsufficientMargin,
    OrderNotFound,
    RequestRefused,
)
from aster_operator.exchange.wire.spot_stream import SpotAccountMessage, SpotOrderMessage
from exchange.conftest import QUICK
from exchange.embedded import client_of, embedded_exchange

D = Decimal


@pytest.mark.parametrize("scheme", ["v3", "v1"])
async def test_money_in_an_order_filled_another_cancelled_money_out(scheme: str) -> None:
    async with embedded_exchange(with_spot=True) as server, client_of(server, scheme) as client:
        spot, heard = client.spot, []
        futures_before = (await client.balance())[0].balance
        moved = await client.transfer("USDT", D("2000"), to_spot=True, client_tran_id=f"in-{scheme}")
        assert moved.status == "SUCCESS"
        stream = await client.open_spot_user_stream(heard.append, lambda *_: None)
        info = await spot.exchange_info()
        (btc,) = [each for each in info.symbols if each.symbol == "BTCUSDT"]
        assert btc.base_asset == "BTC"
        (quote,) = await spot.book_ticker("BTCUSDT")
        book = await spot.depth("BTCUSDT", 5)
        assert (book.bids[0].price, book.asks[0].price) == (quote.bid_price, quote.ask_price)
        assert {row.symbol for row in await spot.ticker_price()} == {each.symbol for each in info.symbols}
        assert len(await spot.klines("BTCUSDT", "1m", limit=1)) == 1
        rates = await spot.commission_rate("BTCUSDT")
        bought = await spot.new_order(
            "BTCUSDT", Side.BUY, OrderType.MARKET, quantity=D("0.01"), new_client_order_id=f"buy-{scheme}"
        )
        assert (bought.status, bought.executed_qty) == ("FILLED", D("0.01"))
        resting = await spot.new_order(
            "BTCUSDT", Side.BUY, OrderType.LIMIT, quantity=D("0.01"),
            price=(quote.bid_price * D("0.99")).quantize(D("0.1")), time_in_force=TimeInForce.GTC,
        )  # fmt: skip
        assert (await spot.open_order("BTCUSDT", order_id=resting.order_id)).status == "NEW"
        assert [order.order_id for order in await spot.open_orders()] == [resting.order_id]
        cancelled = await spot.cancel("BTCUSDT", order_id=resting.order_id)
        assert cancelled.status == "CANCELED"
        await spot.cancel_open_orders("BTCUSDT")
        assert {order.order_id for order in await spot.all_orders("BTCUSDT")} == {
            bought.order_id,
            resting.order_id,
        }
        trades = await spot.user_trades("BTCUSDT")
        await stream.fence()
        balances = {row.asset: row for row in (await spot.account()).balances}
        paid = sum(trade.price * trade.qty for trade in trades)
        fee = sum(trade.commission for trade in trades)
        assert {trade.commission_asset for trade in trades} == {"BTC"}
        assert fee == D("0.01") * rates.taker_commission_rate
        assert balances["USDT"].free == D("2000") - paid
        assert balances["USDT"].locked == 0
        assert balances["BTC"].free == D("0.01") - fee
        back = await spot.transfer("USDT", D("500"), to_futures=True, client_tran_id=f"out-{scheme}")
        assert back.status == "SUCCESS"
        assert (await client.balance())[0].balance == futures_before - 1500
    orders = [message for message in heard if isinstance(message, SpotOrderMessage)]
    assert [(o.order_id, o.status) for o in orders if o.order_id == resting.order_id] == [
        (resting.order_id, "NEW"),
        (resting.order_id, "CANCELED"),
    ]
    filled = [o for o in orders if o.order_id == bought.order_id and o.execution_type == "TRADE"]
    assert sum(o.last_quantity for o in filled) == D("0.01")
    assert any(isinstance(message, SpotAccountMessage) for message in heard)


async def test_refusals_of_the_spot_side_have_their_classes() -> None:
    async with embedded_exchange(with_spot=True) as server, client_of(server, "v3") as client:
        spot = client.spot
        with pytest.raises(OrderNotFound):
            await spot.cancel("BTCUSDT", order_id=1)
        with pytest.raises(OrderNotFound):
            await spot.get_order("BTCUSDT", orig_client_order_id="nobody")
        with pytest.raises(InsufficientMargin):
            await spot.new_order("BTCUSDT", Side.BUY, OrderType.MARKET, quantity=D("0.01"))
        with pytest.raises(FilterViolation):
            await spot.new_order("BTCUSDT", Side.BUY, OrderType.MARKET, quantity=D("0.0000001"))
        with pytest.raises(RequestRefused, match="-1121"):
            await spot.depth("NOSUCHUSDT")


async def test_a_lost_spot_user_stream_says_so_and_comes_back() -> None:
    told: list[tuple[bool, str]] = []
    async with (
        embedded_exchange(with_spot=True) as server,
        client_of(server, "v3", link_settings=QUICK) as client,
    ):
        heard: list = []
        stream = await client.open_spot_user_stream(heard.append, lambda *now: told.append(now))
        socket = stream._link.socket
        assert socket is not None
        socket.abort()
        await client.transfer("USDT", D("10"), to_spot=True, client_tran_id="t1")
        await stream.fence()
        assert [healthy for healthy, _ in told] == [False, True]
        await client.transfer("USDT", D("10"), to_spot=True, client_tran_id="t2")
        await stream.fence()
    assert any(isinstance(message, SpotAccountMessage) for message in heard)


async def test_a_noop_takes_a_nonce_on_the_spot_side_too() -> None:
    async with embedded_exchange(with_spot=True) as server, client_of(server, "v3") as client:
        nonce_us = client.rest.next_nonce_us()
        assert (await client.spot.noop(nonce_us)).code == 200
        # It has acted now: a request that was stamped with it comes too late, and so does another noop.
        with pytest.raises(ClockSkew):
            await client.spot.noop(nonce_us)
