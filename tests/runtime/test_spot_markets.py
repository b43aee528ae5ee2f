"""The spot market of the embedded exchange, over the wire and in process: one order, the same words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec import structs

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.enums import (
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from aster_operator.domain.events import OrderChanged, QuoteUpdated, SpotBalancesChanged
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.spot_wallets import SpotWallets
from aster_operator.exchange.client_protocol import ExchangeClient, MarketChannel, StreamEvent
from aster_operator.exchange.errors import ExchangeError, OrderNotFound
from aster_operator.exchange.spot_market import AsterSpotMarket
from aster_operator.exchange.spot_protocol import SpotMarket, SpotWallet
from aster_operator.exchange.with_spot import PerpetualsAndSpot
from aster_operator.monitoring.ledger import compare_ledgers
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.spot import InProcessSpot
from exchange.embedded import client_of, embedded_exchange

SYMBOL = "BTCUSDT:SPOT"
MONEY = Decimal(5_000)


@asynccontextmanager
async def both(market: str) -> AsyncIterator[tuple[ExchangeClient, SpotMarket]]:
    async with embedded_exchange(with_spot=True) as server, client_of(server, "v3") as client:
        await client.transfer("USDT", MONEY, to_spot=True, client_tran_id="in")
        if market == "wire":
            spot: SpotMarket = AsterSpotMarket(client)
            yield PerpetualsAndSpot(client, spot), spot
            return
        clock = ManualClock(server.exchange.now_ms)
        account = server.accounts[0].account_id
        spot = InProcessSpot(server.exchange, account, clock)
        yield PerpetualsAndSpot(InProcessClient(server.exchange, account, clock), spot), spot


def order_of(name: str, **changes: object) -> NewOrder:
    order = NewOrder(
        client_order_id=name,
        symbol=SYMBOL,
        side=Side.BUY,
        position_side=PositionSide.LONG,
        order_type=OrderType.MARKET,
        quantity=Decimal("0.012345"),
        self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER,
    )
    return structs.replace(order, **changes)


@pytest.mark.parametrize("market", ["wire", "in process"])
async def test_buy_rest_cancel_sell_and_every_coin_is_explained(market: str) -> None:
    async with both(market) as (client, _):
        assert isinstance(client, ExchangeClient)
        assert isinstance(client, SpotWallet)
        instruments = await client.instruments()
        assert {SYMBOL, "BTCUSDT"} <= set(instruments)
        instrument = instruments[SYMBOL]
        assert (instrument.base_asset, instrument.quote_asset, instrument.symbol) == ("BTC", "USDT", SYMBOL)
        opening = {each.asset: each.total for each in await client.spot_balances()}
        heard: list[StreamEvent] = []
        user = await client.open_user_stream(heard.append)
        quotes = await client.open_market_stream(
            [MarketChannel(symbol=SYMBOL), MarketChannel(symbol="BTCUSDT")], heard.append
        )

        bought = await client.place_order(order_of("ao-buy"))
        assert (bought.symbol, bought.status, bought.position_side) == (
            SYMBOL,
            OrderStatus.FILLED,
            PositionSide.LONG,
        )
        quote = await client.quote(SYMBOL)
        far = instrument.round_price_passive(quote.bid * Decimal("0.97"), Side.BUY)
        resting = order_of("ao-rest", order_type=OrderType.LIMIT, price=far, time_in_force=TimeInForce.GTX)
        assert (await client.place_order(resting)).status is OrderStatus.NEW
        assert [each.client_order_id for each in await client.open_orders(SYMBOL)] == ["ao-rest"]
        assert (await client.query_order(SYMBOL, "ao-rest")).price == far
        assert (await client.cancel_order(SYMBOL, "ao-rest")).status is OrderStatus.CANCELED
        with pytest.raises(OrderNotFound):
            await client.query_order(SYMBOL, "ao-nobody")
        with pytest.raises(ExchangeError):
            await client.place_order(order_of("ao-rich", quantity=Decimal(50)))
        sold = await client.place_order(
            order_of("ao-sell", side=Side.SELL, quantity=Decimal("0.01"), client_order_id="ao-sell")
        )
        assert sold.filled_quantity == Decimal("0.01")

        await user.fence()
        await quotes.fence()
        own = [event.fill for event in heard if isinstance(event, OrderChanged) and event.fill is not None]
        told = await client.fills(SYMBOL, bought.update_ms - 60_000)
        rates = await client.fee_rates(SYMBOL)
        assert {fill.commission_asset for fill in own if fill.side is Side.BUY} == {"BTC"}
        bought_fills = [fill for fill in own if fill.side is Side.BUY]
        paid = sum(fill.commission for fill in bought_fills)
        assert abs(paid - Decimal("0.012345") * rates.taker) < Decimal("0.00000002"), "whole atoms"
        assert all(fill.is_paid_in_base for fill in bought_fills)
        closing = {each.asset: each.total for each in await client.spot_balances()}
        compared = compare_ledgers(
            own_fills=own,
            venue_fills=told,
            own_income=[],
            venue_income=[],
            wallets=None,
            spot_wallets=SpotWallets(opening=opening, closing=closing, coins={SYMBOL: ("BTC", "USDT")}),
        )
        assert compared.differences == ()
        last = [event for event in heard if isinstance(event, SpotBalancesChanged)][-1]
        assert {each.asset: each.total for each in last.balances}.items() <= closing.items()
        await user.close()
        await quotes.close()


async def test_spot_quotes_arrive_under_their_own_name() -> None:
    async with embedded_exchange(with_spot=True) as server, client_of(server, "v3") as client:
        heard: list[StreamEvent] = []
        stream = await AsterSpotMarket(client).open_market_stream([SYMBOL], heard.append)
        for _ in range(5):
            step_ms = server.next_step_ms()
            assert step_ms is not None
            server.step_to(step_ms)
        await stream.fence()
        quotes = [event.quote for event in heard if isinstance(event, QuoteUpdated)]
        assert quotes
        assert {quote.symbol for quote in quotes} == {SYMBOL}
        assert all(quote.bid < quote.ask for quote in quotes)
        await stream.close()


def test_what_is_missing_in_the_spot_wallet_is_named() -> None:
    wallets = SpotWallets(
        opening={"USDT": Decimal(100)},
        closing={"USDT": Decimal(90), "BTC": Decimal("0.1")},
        coins={SYMBOL: ("BTC", "USDT")},
    )
    compared = compare_ledgers(
        own_fills=[], venue_fills=[], own_income=[], venue_income=[], wallets=None, spot_wallets=wallets
    )
    assert compared.verdict == "mismatch"
    assert compared.differences == (
        "spot wallet: our books add up to 0 BTC, the venue holds 0.1",
        "spot wallet: our books add up to 100 USDT, the venue holds 90",
    )
