"""The exchange driven by ccxt, a program nobody here wrote, with only its addresses changed.

What it is known to do wrong by itself is excepted by name (protocol reference, section 11.2).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from aster_operator.domain.clock import WallClock
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings

ccxt = pytest.importorskip("ccxt", reason="ccxt drives the acceptance tests: install the test requirements")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


@pytest.fixture
async def venue(spot_exchange: SimulatedExchange) -> AsyncIterator[ExchangeServer]:
    settings = ServerSettings(pace=60, seed=7)
    async with ExchangeServer(settings, exchange=spot_exchange, clock=WallClock()) as server:
        yield server


@pytest.fixture
async def client(venue: ExchangeServer) -> AsyncIterator[Any]:
    import ccxt.pro

    # Its own throttle is for the real venue; nonces are milliseconds, so requests stay two apart.
    client = ccxt.pro.aster(
        {
            "privateKey": venue.accounts[0].private_key,
            "options": {"defaultType": "swap"},
            "rateLimit": 2,
        }
    )
    api = client.urls["api"]
    for name in ("fapiPublic", "fapiPrivate"):
        api[name] = f"{venue.rest_url}/fapi"
    for name in ("sapiPublic", "sapiPrivate"):
        api[name] = f"{venue.rest_url}/api"
    # ccxt tells futures from spot by the word fstream in the address.
    api["ws"] = {
        "public": {"spot": f"{venue.ws_url}/sstream/stream", "swap": f"{venue.ws_url}/fstream/stream"},
        "private": {"spot": f"{venue.ws_url}/sstream/ws", "swap": f"{venue.ws_url}/fstream/ws"},
    }
    try:
        async with asyncio.timeout(60):
            await client.load_markets()
            yield client
    finally:
        await client.close()


async def test_markets(client: Any) -> None:
    market = client.market(BTC)
    assert (market["type"], market["settle"], market["linear"]) == ("swap", "USDT", True)
    assert market["precision"] == {"amount": 0.001, "price": 0.1, "base": 1e-08, "quote": 1e-08}
    assert market["limits"]["cost"]["min"] == 5
    assert "USDT" in await client.fetch_currencies()
    assert await client.fetch_time() > 1_700_000_000_000


async def test_public_data(client: Any) -> None:
    ticker = await client.fetch_ticker(BTC)
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert set(await client.fetch_tickers()) == {BTC, ETH}
    assert set(await client.fetch_tickers([BTC])) == {BTC}
    assert (await client.fetch_last_prices())[BTC]["price"] > 0
    touch = (await client.fetch_bids_asks())[BTC]
    assert touch["bid"] < touch["ask"]
    book = await client.fetch_order_book(BTC, 20)
    assert len(book["bids"]) == 20
    bars = await client.fetch_ohlcv(BTC, "1m")
    assert all(low <= close <= high for _, _, high, low, close, _ in bars)
    trades = await client.fetch_trades(BTC)
    assert trades[0]["symbol"] == BTC
    assert await client.fetch_trades(BTC, trades[0]["timestamp"])


async def test_funding(client: Any) -> None:
    assert (await client.fetch_funding_rate(BTC))["markPrice"] > 0
    assert set(await client.fetch_funding_rates()) == {BTC, ETH}
    assert (await client.fetch_funding_intervals())[BTC]["interval"] == "8h"
    assert await client.fetch_funding_rate_history(BTC) == []
    assert await client.fetch_funding_history(BTC) == []


async def test_account_settings(client: Any) -> None:
    assert (await client.fetch_balance())["USDT"]["total"] == 10_000
    assert await client.fetch_position_mode(BTC) == {"info": {"dualSidePosition": False}, "hedged": False}
    assert (await client.set_leverage(15, BTC))["leverage"] == 15
    assert (await client.fetch_leverages())[BTC]["longLeverage"] == 15
    await client.set_margin_mode("isolated", BTC)
    assert (await client.fetch_margin_modes())[BTC]["marginMode"] == "isolated"
    fee = await client.fetch_trading_fee(BTC)
    assert 0 <= fee["maker"] <= fee["taker"] < 0.01
    await client.set_position_mode(True)
    assert (await client.fetch_position_mode(BTC))["hedged"] is True


async def test_position_and_margin(client: Any) -> None:
    await client.set_margin_mode("isolated", BTC)
    await client.create_order(BTC, "market", "buy", 0.02)
    await client.add_margin(BTC, 50)
    await client.reduce_margin(BTC, 20)
    (position,) = await client.fetch_positions([BTC])
    assert (position["side"], position["contracts"], position["marginMode"]) == ("long", 0.02, "isolated")
    assert position["maintenanceMarginPercentage"] == pytest.approx(0.004, abs=0.01)
    assert position["liquidationPrice"] < position["entryPrice"]
    (risk,) = await client.fetch_positions_risk([BTC])
    assert risk["notional"] == pytest.approx(0.02 * risk["markPrice"], rel=0.01)
    rows = await client.fetch_margin_adjustment_history(BTC)
    assert [(row["type"], row["amount"]) for row in rows] == [("add", 50), ("reduce", 20)]
    await client.create_order(BTC, "market", "sell", 0.02, None, {"reduceOnly": True})
    assert await client.fetch_positions([BTC]) == []
    trades = await client.fetch_my_trades(BTC)
    assert [trade["side"] for trade in trades] == ["buy", "sell"]
    kinds = {row["type"] for row in await client.fetch_ledger("USDT")}
    assert {"transfer", "fee"} <= kinds or {"transfer", "commission"} <= kinds


ORDERS: dict[str, Callable[[float, float], tuple[Any, ...]]] = {
    "limit": lambda bid, _ask: ("limit", "buy", 0.01, bid * 0.99),
    "post only": lambda _bid, ask: ("limit", "sell", 0.01, ask * 1.01, {"postOnly": True}),
    "good till cancelled": lambda bid, _ask: ("limit", "buy", 0.01, bid * 0.99, {"timeInForce": "GTC"}),
    "stop market": lambda bid, _ask: ("market", "sell", 0.01, None, {"stopLossPrice": bid * 0.97}),
    "stop limit": lambda bid, _ask: ("limit", "sell", 0.01, bid * 0.97, {"stopLossPrice": bid * 0.97}),
    "take profit market": lambda _bid, ask: ("market", "sell", 0.01, None, {"takeProfitPrice": ask * 1.03}),
    "take profit limit": lambda _bid, ask: (
        "limit",
        "sell",
        0.01,
        ask * 1.03,
        {"takeProfitPrice": ask * 1.03},
    ),
    "trigger": lambda bid, _ask: ("market", "sell", 0.01, None, {"triggerPrice": bid * 0.97}),
    "reduce only stop": lambda bid, _ask: (
        "market",
        "sell",
        0.01,
        None,
        {"stopLossPrice": bid * 0.97, "reduceOnly": True},
    ),
    "close position": lambda bid, _ask: (
        "market",
        "sell",
        None,
        None,
        {"stopLossPrice": bid * 0.97, "closePosition": True},
    ),
    "trailing": lambda _bid, _ask: ("market", "sell", 0.01, None, {"trailingPercent": 1}),
    "trailing from a price": lambda _bid, ask: (
        "market",
        "sell",
        0.01,
        None,
        {"trailingPercent": 1, "trailingTriggerPrice": ask * 1.02},
    ),
}


async def test_every_resting_order_type(client: Any) -> None:
    await client.create_order(BTC, "market", "buy", 0.02)
    for name, arguments in ORDERS.items():
        book = await client.fetch_order_book(BTC, 5)
        order = await client.create_order(BTC, *arguments(book["bids"][0][0], book["asks"][0][0]))
        assert order["status"] == "open", name
        assert order["symbol"] == BTC
        assert (await client.fetch_open_order(order["id"], BTC))["id"] == order["id"], name
        cancelled = await client.cancel_order(order["id"], BTC)
        assert cancelled["status"] == "canceled", name


async def test_orders_that_take(client: Any) -> None:
    for params, status in (({"timeInForce": "IOC"}, "closed"), ({"timeInForce": "FOK"}, "closed")):
        ask = (await client.fetch_order_book(BTC, 5))["asks"][0][0]
        order = await client.create_order(BTC, "limit", "buy", 0.01, ask * 1.005, params)
        assert (await client.fetch_order(order["id"], BTC))["status"] == status
    result = await client.create_order(BTC, "market", "sell", 0.02, None, {"newOrderRespType": "RESULT"})
    assert (result["status"], result["filled"]) == ("closed", 0.02)
    assert result["cost"] == pytest.approx(result["average"] * 0.02)


async def test_batches_and_lists(client: Any) -> None:
    bid = (await client.fetch_order_book(BTC, 5))["bids"][0][0]
    wanted = [
        {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": bid * factor}
        for factor in (0.98, 0.985, 0.99)
    ]
    placed = await client.create_orders(wanted)
    assert [order["status"] for order in placed] == ["open"] * 3
    assert len(await client.fetch_open_orders(BTC)) == 3
    cancelled = await client.cancel_orders([order["id"] for order in placed[:2]], BTC)
    assert [order["status"] for order in cancelled] == ["canceled"] * 2
    await client.cancel_all_orders(BTC)
    assert await client.fetch_open_orders(BTC) == []
    assert {order["status"] for order in await client.fetch_orders(BTC)} == {"canceled"}
    assert await client.fetch_closed_orders(BTC) == []


async def test_refusals_become_its_own_errors(client: Any) -> None:
    bid = (await client.fetch_order_book(BTC, 5))["bids"][0][0]
    with pytest.raises(ccxt.InsufficientFunds):
        await client.create_order(BTC, "limit", "buy", 10, bid * 0.99)
    with pytest.raises(ccxt.OrderNotFound):
        await client.cancel_order("1", BTC)
    with pytest.raises(ccxt.OrderNotFound):
        await client.fetch_order("1", BTC)
    with pytest.raises(ccxt.BadSymbol):
        await client.fapiPublicGetV3Depth({"symbol": "NOPE"})


async def test_its_builder_is_approved_and_charged_for(client: Any) -> None:
    await client.create_order(BTC, "market", "buy", 0.01)
    (builder,) = await client.fapiPrivateGetV3Builder()
    assert builder["builderAddress"] == client.options["builder"]
    with pytest.raises(ccxt.ExchangeError, match="-2031"):
        await client.create_order(BTC, "market", "buy", 0.01, None, {"feeRate": "0.5"})


async def test_transfers_between_wallets(client: Any) -> None:
    await client.transfer("USDT", 250, "swap", "spot")
    assert (await client.fetch_balance({"type": "spot"}))["USDT"]["total"] == 250
    assert (await client.fetch_balance({"type": "swap"}))["USDT"]["total"] == 9_750
    await client.transfer("USDT", 50, "spot", "swap")
    paid = await client.withdraw("USDT", 20, "0x" + "ab" * 20, {"network": "BEP20", "fee": "0.5"})
    assert paid["info"]["hash"].startswith("0x")
    assert (await client.fetch_balance({"type": "spot"}))["USDT"]["total"] == 180
    assert (await client.fetch_balance({"type": "swap"}))["USDT"]["total"] == 9_800


async def test_public_watchers(client: Any) -> None:
    async with asyncio.timeout(30):
        assert (await client.watch_ticker(ETH))["last"] > 0
        assert set(await client.watch_tickers([BTC, ETH])) <= {BTC, ETH}
        touch = await client.watch_bids_asks([BTC])
        assert touch[BTC]["bid"] < touch[BTC]["ask"]
        assert (await client.watch_mark_price(BTC))["info"]
        for _ in range(3):
            book = await client.watch_order_book(BTC)
            assert len(book["bids"]) == 20
            assert book["bids"][0][0] < book["asks"][0][0]
        assert (await client.watch_trades(BTC))[0]["symbol"] == BTC
        assert await client.watch_ohlcv(BTC, "1m")


async def test_several_books_on_one_socket(client: Any) -> None:
    async with asyncio.timeout(30):
        seen: set[str] = set()
        while seen != {BTC, ETH}:
            seen.add((await client.watch_order_book_for_symbols([BTC, ETH]))["symbol"])


async def test_private_watchers(venue: ExchangeServer, client: Any) -> None:
    # This release reads balance["swap"] at the first ACCOUNT_UPDATE and only its broken watchBalance sets it.
    client.balance["swap"] = {}
    async with asyncio.timeout(30):
        assert await client.watch_positions([BTC]) == []
        following = asyncio.ensure_future(client.watch_positions([BTC]))
        key = client.options["listenKey"]["swap"]
        while not venue.subscriptions.has(key):  # noqa: ASYNC110 - what is awaited is its socket
            await asyncio.sleep(0.01)
        await client.create_order(BTC, "market", "buy", 0.02)
        position = await following
    assert (position["symbol"], position["contracts"], position["side"]) == (BTC, 0.02, "long")


@pytest.mark.parametrize("watcher", ["watch_orders", "watch_my_trades", "watch_balance"])
async def test_watchers_of_the_account(venue: ExchangeServer, client: Any, watcher: str) -> None:
    """Releases from 4.5.61 on raise by themselves: their market type is never assigned (section 11.2)."""
    async with asyncio.timeout(30):
        following = asyncio.ensure_future(getattr(client, watcher)())
        account_id = venue.accounts[0].account_id
        while not following.done():
            key = venue.services.listen_keys.current(account_id)
            if key is not None and venue.subscriptions.has(key):
                break
            await asyncio.sleep(0.01)
        if following.done():
            with pytest.raises(ccxt.ArgumentsRequired, match="market type"):
                following.result()
            assert ccxt.__version__ > "4.5.60"
            return
        await client.create_order(BTC, "market", "buy", 0.02)
        seen = await following
    if watcher == "watch_balance":
        assert seen["USDT"]["total"] < 10_000
    else:
        assert seen[0]["symbol"] == BTC


async def test_spot_watchers(client: Any) -> None:
    symbol = "BTC/USDT"
    async with asyncio.timeout(30):
        assert (await client.watch_ticker(symbol))["symbol"] == symbol
        touch = await client.watch_bids_asks([symbol])
        assert touch[symbol]["bid"] < touch[symbol]["ask"]
        book = await client.watch_order_book(symbol, 20)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert (await client.watch_trades(symbol))[-1]["symbol"] == symbol
        assert (await client.watch_ohlcv(symbol, "1m"))[-1][4] > 0
