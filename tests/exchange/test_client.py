"""The client speaks both schemes over the wire and answers in domain values."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import (
    LiquidityRole,
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)
from aster_operator.domain.orders import NewOrder
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
from aster_operator.exchange.endpoint import Security
from aster_operator.exchange.errors import ChangeBlocked, MalformedResponse, UnknownOutcome
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.api_key import ApiKeySigner
from exchange import payloads
from exchange.scripted_venue import Answer, Received, ScriptedVenue

V3, V1 = "/fapi/v3/", "/fapi/v1/"


def _verify_agent(request: Received, agent: AgentCredentials) -> None:
    message, _, signature = request.text.rpartition("&signature=")
    assert AgentSigner(agent, 1666).signature(message) == signature


def _verify_key(request: Received, key: ApiKeyCredentials) -> None:
    message, _, signature = request.text.rpartition("&signature=")
    assert ApiKeySigner(key).signature(message) == signature
    assert request.headers["X-MBX-APIKEY"] == key.api_key.reveal()


def test_it_is_an_exchange_client(client: AsterClient) -> None:
    assert isinstance(client, ExchangeClient)


async def test_a_v3_order_is_signed_form_in_the_body(
    venue: ScriptedVenue, client: AsterClient, agent: AgentCredentials
) -> None:
    venue.always("POST", V3 + "order", Answer(payloads.order(executedQty="0.010", status="FILLED")))
    report = await client.place_market_order(
        "BTCUSDT", Side.BUY, Decimal("0.010"), PositionSide.LONG, client_order_id="ao:1/x"
    )
    (request,) = venue.requests
    _verify_agent(request, agent)
    assert request.query == ""
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert "newClientOrderId=ao%3A1%2Fx" in request.body
    assert request.parameters | {"nonce": "", "signature": ""} == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "positionSide": "LONG",
        "type": "MARKET",
        "quantity": "0.01",
        "newClientOrderId": "ao:1/x",
        "newOrderRespType": "RESULT",
        "user": agent.user,
        "signer": agent.signer,
        "nonce": "",
        "signature": "",
    }
    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("0.010"))


async def test_a_v3_read_is_signed_in_the_query(
    venue: ScriptedVenue, client: AsterClient, agent: AgentCredentials
) -> None:
    venue.always("GET", V3 + "positionRisk", Answer([payloads.position()]))
    (position,) = await client.get_position_risk("BTCUSDT")
    (request,) = venue.requests
    _verify_agent(request, agent)
    assert request.body == ""
    assert position.margin_type is MarginType.CROSSED
    assert (position.quantity, position.leverage) == (Decimal("0.010"), 10)


async def test_a_v1_key_uses_v1_paths_and_its_header(
    venue: ScriptedVenue, key_client: AsterClient, api_key: ApiKeyCredentials
) -> None:
    venue.always("POST", V1 + "order", Answer(payloads.order()))
    venue.always("GET", "/fapi/v2/positionRisk", Answer([payloads.position()]))
    venue.always("GET", "/fapi/v4/account", Answer(payloads.account()))
    venue.always("POST", V1 + "listenKey", Answer({"listenKey": "abc"}))
    await key_client.place_market_order("BTCUSDT", Side.BUY, Decimal("1"))
    await key_client.get_position_risk()
    await key_client.account_snapshot()
    assert await key_client.new_listen_key() == "abc"
    *signed, listen = venue.requests
    for request in signed:
        _verify_key(request, api_key)
        assert request.parameters["recvWindow"] == "5000"
        assert abs(int(request.parameters["timestamp"]) - key_client.clock.now_ms()) < 5000
    assert listen.text == ""
    assert listen.headers["X-MBX-APIKEY"] == api_key.api_key.reveal()


async def test_public_calls_carry_no_key(venue: ScriptedVenue, key_client: AsterClient) -> None:
    venue.always("GET", V1 + "time", Answer({"serverTime": 1770000000000}))
    await key_client.server_time()
    assert "X-MBX-APIKEY" not in venue.requests[0].headers
    assert venue.requests[0].query == ""


ORDERS = [
    (
        NewOrder(
            client_order_id="a",
            symbol="BTCUSDT",
            side=Side.SELL,
            position_side=PositionSide.LONG,
            order_type=OrderType.LIMIT,
            quantity=Decimal("0.5"),
            price=Decimal("61000.10"),
            time_in_force=TimeInForce.GTX,
            reduce_only=True,
            self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER,
        ),
        {"positionSide": "LONG", "timeInForce": "GTX", "price": "61000.1", "stpMode": "EXPIRE_TAKER"},
        {"reduceOnly", "closePosition", "stopPrice"},
    ),
    (
        NewOrder(
            client_order_id="b",
            symbol="BTCUSDT",
            side=Side.SELL,
            position_side=PositionSide.BOTH,
            order_type=OrderType.LIMIT,
            quantity=Decimal("0.5"),
            price=Decimal("61000"),
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
        ),
        {"positionSide": "BOTH", "reduceOnly": "true", "quantity": "0.5"},
        {"stpMode"},
    ),
    (
        NewOrder(
            client_order_id="c",
            symbol="BTCUSDT",
            side=Side.SELL,
            position_side=PositionSide.BOTH,
            order_type=OrderType.STOP_MARKET,
            quantity=None,
            stop_price=Decimal("58000"),
            close_position=True,
            reduce_only=True,
            working_type=WorkingType.MARK_PRICE,
            price_protect=True,
        ),
        {"closePosition": "true", "stopPrice": "58000", "workingType": "MARK_PRICE", "priceProtect": "TRUE"},
        {"quantity", "reduceOnly", "price"},
    ),
    (
        NewOrder(
            client_order_id="d",
            symbol="BTCUSDT",
            side=Side.BUY,
            position_side=PositionSide.SHORT,
            order_type=OrderType.TRAILING_STOP_MARKET,
            quantity=Decimal("1"),
            activation_price=Decimal("59000"),
            callback_rate_pct=Decimal("0.5"),
        ),
        {"activationPrice": "59000", "callbackRate": "0.5"},
        {"price", "timeInForce"},
    ),
]


@pytest.mark.parametrize(("order", "sent", "absent"), ORDERS)
async def test_every_kind_of_order_goes_out_as_the_reference_says(
    venue: ScriptedVenue, client: AsterClient, order: NewOrder, sent: dict[str, str], absent: set[str]
) -> None:
    venue.always("POST", V3 + "order", Answer(payloads.order()))
    await client.place_order(order)
    parameters = venue.requests[0].parameters
    assert {name: parameters[name] for name in sent} == sent
    assert not absent & parameters.keys()


async def test_close_position_sells_a_long_and_buys_back_a_short(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    rows = [
        payloads.position(),
        payloads.position(positionSide="SHORT", positionAmt="-0.020"),
        payloads.position(positionSide="BOTH", positionAmt="0"),
    ]
    venue.always("GET", V3 + "positionRisk", Answer(rows))
    venue.always("POST", V3 + "order", Answer(payloads.order()))
    assert await client.close_position("BTCUSDT") is None
    await client.close_position("BTCUSDT", PositionSide.LONG)
    await client.close_position("BTCUSDT", PositionSide.SHORT)
    orders = [request.parameters for request in venue.requests_to(V3 + "order")]
    assert [(o["side"], o["quantity"], o["positionSide"]) for o in orders] == [
        ("SELL", "0.01", "LONG"),
        ("BUY", "0.02", "SHORT"),
    ]
    assert all("reduceOnly" not in o for o in orders)


async def test_instruments_and_published_limits(venue: ScriptedVenue, client: AsterClient) -> None:
    incomplete = {k: v for k, v in payloads.SYMBOL.items() if k != "baseAsset"} | {"symbol": "OLD"}
    info = payloads.EXCHANGE_INFO | {"symbols": [payloads.SYMBOL, incomplete]}
    info["rateLimits"] = [*payloads.EXCHANGE_INFO["rateLimits"]]
    info["rateLimits"][0] = info["rateLimits"][0] | {"limit": 9999}
    info["rateLimits"].append(
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300}
    )
    venue.always("GET", V3 + "exchangeInfo", Answer(info))
    instruments = await client.instruments()
    assert list(instruments) == ["BTCUSDT"]
    btc = instruments["BTCUSDT"]
    assert (btc.tick_size, btc.lot.step, btc.market_lot.max_quantity) == (
        Decimal("0.1"),
        Decimal("0.001"),
        Decimal("10"),
    )
    assert (btc.min_notional, btc.max_num_algo_orders) == (Decimal("5"), 100)
    assert client.rest.limiter.weight_limit == 9999
    assert (client.rest.limiter.burst_limit, client.rest.limiter.burst_ms) == (300, 10_000)


async def test_a_symbol_without_a_needed_filter_is_an_error_that_names_it(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    symbol = payloads.SYMBOL | {"filters": payloads.SYMBOL["filters"][1:]}
    venue.always("GET", V3 + "exchangeInfo", Answer(payloads.EXCHANGE_INFO | {"symbols": [symbol]}))
    with pytest.raises(MalformedResponse, match=r"PRICE_FILTER") as caught:
        await client.instruments()
    assert "BTCUSDT" in str(caught.value)


async def test_settings_are_idempotent(venue: ScriptedVenue, client: AsterClient) -> None:
    done = Answer({"code": 200, "msg": "success"})
    venue.next("POST", V3 + "positionSide/dual", Answer({"code": -4059, "msg": "No need"}, 400), done)
    venue.next("POST", V3 + "marginType", Answer({"code": -4046, "msg": "No need"}, 400))
    venue.always("POST", V3 + "marginType", Answer({"code": -4048, "msg": "position"}, 400))
    venue.always(
        "POST",
        V3 + "leverage",
        Answer({"leverage": 7, "maxNotionalValue": "1000000", "symbol": "BTCUSDT"}),
    )
    venue.always("GET", V3 + "positionSide/dual", Answer({"dualSidePosition": True}))
    await client.set_hedge_mode(True)
    await client.set_hedge_mode(True)
    await client.set_margin_type("BTCUSDT", MarginType.ISOLATED)
    with pytest.raises(ChangeBlocked):
        await client.set_margin_type("BTCUSDT", MarginType.ISOLATED)
    assert await client.set_leverage("BTCUSDT", 7) == 7
    assert await client.is_hedge_mode() is True
    assert venue.requests[0].parameters["dualSidePosition"] == "true"


async def test_market_values(venue: ScriptedVenue, client: AsterClient) -> None:
    ticker = {
        "symbol": "BTCUSDT",
        "bidPrice": "60000.0",
        "bidQty": "1",
        "askPrice": "60000.1",
        "askQty": "2",
        "time": 1770000000000,
    }
    premium = {
        "symbol": "BTCUSDT",
        "markPrice": "60000.05",
        "indexPrice": "60001",
        "lastFundingRate": "0.0001",
        "nextFundingTime": 1770019200000,
        "interestRate": "0.0001",
        "time": 1770000000000,
    }
    rates = {"symbol": "BTCUSDT", "makerCommissionRate": "0.0", "takerCommissionRate": "0.0004"}
    venue.always("GET", V3 + "ticker/bookTicker", Answer(ticker))
    venue.always("GET", V3 + "premiumIndex", Answer([premium]))
    venue.always("GET", V3 + "commissionRate", Answer(rates))
    quote = await client.quote("BTCUSDT")
    assert (quote.bid, quote.ask, quote.event_ms) == (Decimal("60000.0"), Decimal("60000.1"), 1770000000000)
    assert quote.received_ns > 0
    assert await client.get_mark_price("BTCUSDT") == Decimal("60000.05")
    assert (await client.mark_price("BTCUSDT")).next_funding_ms == 1770019200000
    fees = await client.fee_rates("BTCUSDT")
    assert (fees.maker, fees.taker) == (Decimal(0), Decimal("0.0004"))


async def test_an_answer_about_all_symbols_is_not_taken_for_one(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.always("GET", V3 + "premiumIndex", Answer([]))
    with pytest.raises(MalformedResponse, match="one record for BTCUSDT"):
        await client.mark_price("BTCUSDT")


async def test_a_missing_average_price_is_derived_or_refused_never_zero(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    bare = {k: v for k, v in payloads.order(executedQty="0.01").items() if k not in ("avgPrice", "cumQuote")}
    venue.next("GET", V3 + "order", Answer(bare | {"cumQuote": "600.1"}), Answer(bare))
    assert (await client.query_order("BTCUSDT", "x")).average_price == Decimal("60010")
    with pytest.raises(MalformedResponse, match="avgPrice"):
        await client.query_order("BTCUSDT", "x")


# --- history -------------------------------------------------------------------------------------------


def _history(rows: list[dict], *, page: int, time_key: str = "time"):
    """A venue that pages like the real one: by time span, or from an id on."""

    def answer(request: Received) -> Answer:
        wanted = request.parameters
        limit = min(int(wanted["limit"]), page)
        if "fromId" in wanted:
            found = [row for row in rows if row["id"] >= int(wanted["fromId"])]
        else:
            start, end = int(wanted["startTime"]), int(wanted["endTime"])
            assert end - start < 7 * 86_400_000
            found = [row for row in rows if start <= row[time_key] <= end]
        return Answer(found[:limit])

    return answer


async def test_fills_come_whole_in_order_and_with_their_client_ids(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    start = 1_769_000_000_000
    rows = [payloads.user_trade(n, start + n * 500_000) for n in range(1, 2401)]
    orders = [payloads.order(orderId=7000 + n, clientOrderId=f"c{n}") for n in range(1, 2401)]
    venue.always("GET", V3 + "userTrades", _history(rows, page=1000))
    venue.always(
        "GET",
        V3 + "allOrders",
        lambda r: Answer([o for o in orders if o["orderId"] >= int(r.parameters["orderId"])][:1000]),
    )
    fills = await client.fills("BTCUSDT", start, start + 2400 * 500_000)
    assert [fill.trade_id for fill in fills] == list(range(1, 2401))
    assert [fill.client_order_id for fill in fills] == [f"c{n}" for n in range(1, 2401)]
    assert fills[0].role is LiquidityRole.TAKER
    assert fills[0].commission == Decimal("0.02100003")


async def test_client_ids_of_known_orders_are_not_asked_for(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.always("POST", V3 + "order", Answer(payloads.order(orderId=7001, clientOrderId="mine")))
    venue.always("GET", V3 + "userTrades", Answer([payloads.user_trade(1, 1_770_000_000_000)]))
    await client.place_market_order("BTCUSDT", Side.BUY, Decimal("1"))
    (fill,) = await client.fills("BTCUSDT", 1_770_000_000_000, 1_770_000_000_000)
    assert fill.client_order_id == "mine"
    assert not venue.requests_to(V3 + "allOrders")


async def test_income_pages_without_losing_or_doubling_rows(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    start = 1_769_000_000_000
    # Many rows share a millisecond, also across the border of a page.
    rows = [payloads.income(n, start + n // 7) for n in range(2500)]
    rows += [payloads.income(n, start + n // 7, incomeType="REALIZED_PNL", income="1") for n in range(500)]
    rows.sort(key=lambda row: row["time"])
    venue.always("GET", V3 + "income", _history(rows, page=1000))
    found = await client.income_rows(start, start + 1000)
    assert len(found) == 3000
    assert [row.time_ms for row in found] == sorted(row.time_ms for row in found)
    assert sum(row.income for row in found) == sum(Decimal(row["income"]) for row in rows)


async def test_anything_newer_is_reached_by_request(
    venue: ScriptedVenue, client: AsterClient, agent: AgentCredentials
) -> None:
    venue.always("POST", V3 + "tomorrow/thing", Answer({"fine": [1]}))
    answer = await client.request("POST", "/tomorrow/thing", {"x": Decimal("1.50")}, Security.SIGNED)
    assert answer == {"fine": [1]}
    _verify_agent(venue.requests[0], agent)
    assert venue.requests[0].parameters["x"] == "1.5"


@pytest.mark.parametrize("path", ["/fapi/v2/balance", "/api/v3/account", "fapi/v4/account/"])
async def test_a_whole_path_is_taken_as_it_is(venue: ScriptedVenue, client: AsterClient, path: str) -> None:
    venue.always("GET", "/" + path.strip("/"), Answer({"fine": True}))
    assert await client.request("GET", path) == {"fine": True}


DAY = 86_400_000


async def test_a_history_from_the_beginning_of_time_is_asked_where_it_begins(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    end = 1_770_000_000_000
    trades = [payloads.user_trade(n, end - 20 * DAY + n) for n in range(5, 9)]
    venue.always("GET", V3 + "userTrades", _history(trades, page=1000))
    venue.always("GET", V3 + "allOrders", Answer([payloads.order(orderId=7000 + n) for n in range(5, 9)]))
    fills = await client.fills("BTCUSDT", 0, end)
    assert [fill.trade_id for fill in fills] == [5, 6, 7, 8]
    assert len(venue.requests_to(V3 + "userTrades")) == 1 + 3


@pytest.mark.parametrize("keeps", ["oldest", "newest", "first week", "refuses"])
async def test_income_from_the_beginning_of_time_is_whole_whatever_the_venue_makes_of_long_spans(
    venue: ScriptedVenue, client: AsterClient, keeps: str
) -> None:
    end = 1_770_000_000_000
    rows = [payloads.income(n, end - 200 * DAY + n * DAY // 12) for n in range(2300)]

    def answer(request: Received) -> Answer:
        start, stop = int(request.parameters["startTime"]), int(request.parameters["endTime"])
        is_long = stop - start >= 7 * DAY
        if is_long and keeps == "refuses":
            return Answer({"code": -1130, "msg": "Data sent for parameter 'endTime' is not valid."}, 400)
        if is_long and keeps == "first week":
            stop = start + 7 * DAY
        found = [row for row in rows if start <= row["time"] <= stop]
        limit = int(request.parameters["limit"])
        return Answer(found[-limit:] if keeps == "newest" else found[:limit])

    venue.always("GET", V3 + "income", answer)
    client.rest.limiter.configure(100_000, None)
    found = await client.income_rows(0, end)
    assert len(found) == len(rows)
    # Where the venue does not tell where the rows begin, the walk starts with the first futures of all.
    asked = len(venue.requests_to(V3 + "income"))
    assert asked <= (34 if keeps in ("oldest", "newest") else 340)


@pytest.mark.parametrize("change", ["place", "market", "cancel"])
async def test_an_order_that_came_back_as_nonsense_is_in_doubt_not_failed(
    venue: ScriptedVenue, client: AsterClient, change: str
) -> None:
    strange = Answer(payloads.order(clientOrderId="mine", status="PENDING_SOMETHING"))
    venue.always("POST", V3 + "order", strange)
    venue.always("DELETE", V3 + "order", strange)
    venue.always("GET", V3 + "order", strange)
    calls = {
        "place": lambda: client.place_order(ORDERS[0][0]),
        "market": lambda: client.place_market_order("BTCUSDT", Side.BUY, Decimal(1)),
        "cancel": lambda: client.cancel_order("BTCUSDT", "mine"),
    }
    with pytest.raises(UnknownOutcome, match=r"order mine is unknown after .* field status") as caught:
        await calls[change]()
    assert caught.value.client_order_id == "mine"
    with pytest.raises(MalformedResponse, match="GET order, field status"):
        await client.query_order("BTCUSDT", "mine")
