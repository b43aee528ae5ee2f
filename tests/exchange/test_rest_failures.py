"""The failure table of REST: every row over the real wire against a venue that misbehaves on purpose."""

import asyncio
import traceback
from decimal import Decimal

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.enums import MarginType, OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.orders import NewOrder
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.errors import (
    AuthenticationFailed,
    ClockSkew,
    ExchangeError,
    FilterViolation,
    InsufficientMargin,
    IpBanned,
    ListenKeyUnknown,
    MalformedResponse,
    MissingCredentials,
    OrderNotFound,
    RateLimited,
    TransportFailed,
    UnknownOutcome,
    VenueUnavailable,
)
from exchange import payloads
from exchange.scripted_venue import Answer, Received, ScriptedVenue

ORDER = "/fapi/v3/order"
TIME = "/fapi/v3/time"
BALANCE = "/fapi/v3/balance"
NEW = NewOrder(
    client_order_id="ao12345678-BTCUSDT-BL-1",
    symbol="BTCUSDT",
    side=Side.BUY,
    position_side=PositionSide.LONG,
    order_type=OrderType.LIMIT,
    quantity=Decimal("0.01"),
    price=Decimal("60000.1"),
    time_in_force=TimeInForce.GTX,
)


async def _refusal(awaitable, kind: type[ExchangeError]) -> ExchangeError:
    with pytest.raises(kind) as caught:
        await awaitable
    assert "\n" not in str(caught.value)
    return caught.value


def _error(code: int, message: str = "no", status: int = 400, **headers: str) -> Answer:
    return Answer({"code": code, "msg": message}, status=status, headers=headers)


# --- orders whose outcome is unclear -------------------------------------------------------------------

UNCLEAR = {
    "503": Answer("", status=503),
    "502 with a page": Answer("<html>Bad gateway</html>", status=502),
    "500 with a page": Answer("<html>We're sorry, but something went wrong</html>", status=500),
    "timeout": Answer(hang=True),
    "connection lost": Answer(cut=True),
    "-1006": _error(-1006),
    "-1007": _error(-1007, status=408),
    "-1001": _error(-1001),
    "success that cannot be read": Answer("{"),
    "empty success": Answer(""),
    "success without an order id": Answer({"symbol": "BTCUSDT"}),
}


@pytest.mark.parametrize("case", sorted(UNCLEAR))
async def test_an_order_without_a_clear_answer_is_unknown_and_never_sent_again(
    venue: ScriptedVenue, agent: AgentCredentials, case: str
) -> None:
    venue.always("POST", ORDER, UNCLEAR[case])
    async with AsterClient(
        agent, environment="sim", base_url=venue.url, ws_url=venue.ws_url, timeout_s=0.2
    ) as client:
        error = await _refusal(client.place_order(NEW), UnknownOutcome)
    assert isinstance(error, UnknownOutcome)
    (request,) = venue.requests_to(ORDER)
    assert error.client_order_id == NEW.client_order_id == request.parameters["newClientOrderId"]
    assert error.nonce_us == int(request.parameters["nonce"])
    assert request.parameters["signature"] not in str(error)


async def test_an_order_that_cannot_have_arrived_is_a_plain_failure(agent: AgentCredentials) -> None:
    async with AsterClient(
        agent, environment="sim", base_url="http://127.0.0.1:9", ws_url="ws://127.0.0.1:9"
    ) as client:
        error = await _refusal(client.place_order(NEW), TransportFailed)
    assert isinstance(error, TransportFailed)
    assert not error.may_have_arrived


async def test_a_cancel_without_an_answer_is_unknown(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("DELETE", ORDER, Answer(status=503))
    error = await _refusal(client.cancel_order("BTCUSDT", "x1"), UnknownOutcome)
    assert isinstance(error, UnknownOutcome)
    assert error.client_order_id == "x1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_kept_alive_connection_lost_under_a_change_does_not_send_it_again(
    venue: ScriptedVenue, client: AsterClient, method: str
) -> None:
    changes = {
        "POST": lambda: client.place_order(NEW),
        "PUT": lambda: client.modify_order(
            "BTCUSDT", order_id=1, quantity=Decimal("0.02"), price=Decimal(60000)
        ),
        "DELETE": lambda: client.cancel_order("BTCUSDT", "x1"),
    }
    venue.always("GET", TIME, Answer({"serverTime": 1}))
    # What the venue did with the first is not known here; the second would be refused as unknown.
    venue.next(method, ORDER, Answer(cut=True), _error(-2011, "Unknown order sent."))
    await client.server_time()
    await _refusal(changes[method](), UnknownOutcome)
    assert len(venue.requests_to(ORDER)) == 1


async def test_noop_takes_the_nonce_of_the_lost_order(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("POST", ORDER, Answer(status=503))
    venue.always("POST", "/fapi/v3/noop", Answer({"code": 200, "msg": "success"}))
    error = await _refusal(client.place_order(NEW), UnknownOutcome)
    assert isinstance(error, UnknownOutcome)
    assert error.nonce_us is not None
    await client.noop(error.nonce_us)
    (noop,) = venue.requests_to("/fapi/v3/noop")
    assert int(noop.parameters["nonce"]) == error.nonce_us


@pytest.mark.parametrize("arrives", ["before the query", "before the noop", "never"])
async def test_an_unknown_outcome_is_resolved_without_sending_again(
    venue: ScriptedVenue, client: AsterClient, arrives: str
) -> None:
    missing = _error(-2013, "Order does not exist.")
    found = Answer(payloads.order(clientOrderId=NEW.client_order_id))
    script = {
        "before the query": [found],
        "before the noop": [missing, found],
        "never": [missing, missing],
    }
    venue.always("POST", ORDER, Answer(status=503))
    venue.always("POST", "/fapi/v3/noop", Answer({"code": 200, "msg": "success"}))
    venue.next("GET", ORDER, *script[arrives])
    error = await _refusal(client.place_order(NEW), UnknownOutcome)
    assert isinstance(error, UnknownOutcome)
    report = await client.resolve_unknown("BTCUSDT", error)
    assert (report is None) is (arrives == "never")
    assert len([r for r in venue.requests if (r.method, r.path) == ("POST", ORDER)]) == 1
    noops = venue.requests_to("/fapi/v3/noop")
    assert len(noops) == (0 if arrives == "before the query" else 1)


async def test_an_outcome_without_an_order_cannot_be_resolved(client: AsterClient) -> None:
    with pytest.raises(ValueError, match="names no order"):
        await client.resolve_unknown("BTCUSDT", UnknownOutcome("POST x", "lost", None, 5))


async def test_an_order_whose_nonce_was_taken_is_not_sent_anew(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    def killed(request) -> Answer:
        client.rest.kill_nonce(int(request.parameters["nonce"]))
        return _error(-4225, "Nonce Expired")

    venue.always("POST", ORDER, killed)
    venue.always("GET", TIME, Answer({"serverTime": 1}))
    await _refusal(client.place_order(NEW), ClockSkew)
    assert len(venue.requests_to(ORDER)) == 1


# --- reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["503", "500 with a page", "connection lost", "-1001"])
async def test_reads_are_repeated(venue: ScriptedVenue, client: AsterClient, case: str) -> None:
    venue.next("GET", TIME, UNCLEAR[case], UNCLEAR[case])
    venue.always("GET", TIME, Answer({"serverTime": 1770000000000}))
    assert await client.server_time() == 1770000000000
    assert len(venue.requests_to(TIME)) == 3


async def test_reads_give_up_with_the_last_cause(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("GET", TIME, Answer("<html>down</html>", status=502))
    error = await _refusal(client.server_time(), VenueUnavailable)
    assert "502" in str(error)
    assert len(venue.requests_to(TIME)) == 3


async def test_refusals_are_not_repeated(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("GET", ORDER, _error(-2013, "Order does not exist."))
    error = await _refusal(client.query_order("BTCUSDT", "x"), OrderNotFound)
    assert isinstance(error, OrderNotFound)
    assert (error.code, error.http_status, error.endpoint) == (-2013, 400, "GET /fapi/v3/order")
    assert len(venue.requests_to(ORDER)) == 1


@pytest.mark.parametrize(
    ("code", "kind"),
    [(-2019, InsufficientMargin), (-4164, FilterViolation), (-1022, AuthenticationFailed)],
)
async def test_a_definite_refusal_of_an_order_has_its_own_class(
    venue: ScriptedVenue, client: AsterClient, code: int, kind: type[ExchangeError]
) -> None:
    venue.always("POST", ORDER, _error(code))
    await _refusal(client.place_order(NEW), kind)
    assert len(venue.requests_to(ORDER)) == 1


async def test_a_refusal_with_status_200_is_still_a_refusal(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.always("POST", ORDER, _error(-2019, "Margin is insufficient.", status=200))
    await _refusal(client.place_order(NEW), InsufficientMargin)


@pytest.mark.parametrize("status", [200, 202])
@pytest.mark.parametrize("code", [-1125, "-1125"])
async def test_an_error_that_looks_like_a_success_is_still_a_refusal(
    venue: ScriptedVenue, client: AsterClient, status: int, code: int | str
) -> None:
    """Where the expected record has the same members, or none that are needed."""
    said = Answer({"code": code, "msg": "This listenKey does not exist."}, status=status)
    calls = [
        ("PUT", "/fapi/v3/listenKey", lambda: client.keep_listen_key("k")),
        ("DELETE", "/fapi/v3/allOpenOrders", lambda: client.cancel_open_orders("BTCUSDT")),
        ("POST", "/fapi/v3/marginType", lambda: client.change_margin_type("BTCUSDT", MarginType.CROSSED)),
        ("GET", "/fapi/v3/something", lambda: client.request("GET", "something")),
    ]
    for method, path, call in calls:
        venue.always(method, path, said)
        with pytest.raises(ListenKeyUnknown, match="does not exist"):
            await call()


# --- clock and nonces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-1021, -4225])
async def test_a_stale_stamp_is_measured_and_tried_once_more(
    venue: ScriptedVenue, agent: AgentCredentials, code: int
) -> None:
    clock = ManualClock(1_770_000_000_000)
    venue.next("POST", ORDER, _error(code))
    venue.always("POST", ORDER, Answer(payloads.order()))
    venue.always("GET", TIME, Answer({"serverTime": 1_770_000_090_000}))
    async with AsterClient(
        agent, environment="sim", base_url=venue.url, ws_url=venue.ws_url, clock=clock
    ) as client:
        await client.place_order(NEW)
    first, second = venue.requests_to(ORDER)
    assert first.parameters["newClientOrderId"] == second.parameters["newClientOrderId"]
    moved = int(second.parameters["nonce"]) - int(first.parameters["nonce"])
    assert moved == pytest.approx(90_000_500, abs=10)


async def test_a_stamp_refused_twice_is_the_callers_problem(
    venue: ScriptedVenue, key_client: AsterClient
) -> None:
    venue.always("POST", "/fapi/v1/order", _error(-1021, "Timestamp for this request is outside"))
    venue.always("GET", "/fapi/v1/time", Answer({"serverTime": 1770000000000}))
    await _refusal(key_client.place_order(NEW), ClockSkew)
    assert len(venue.requests_to("/fapi/v1/order")) == 2


async def test_nonces_of_parallel_calls_differ(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("GET", BALANCE, Answer([]))
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(client.balance())
    nonces = [request.parameters["nonce"] for request in venue.requests_to(BALANCE)]
    assert len(set(nonces)) == 20


async def test_the_clock_is_measured_with_its_uncertainty(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("GET", TIME, Answer({"serverTime": client.clock.now_ms() + 5000}))
    offset = await client.measure_clock(3)
    assert 4000 < offset.offset_ms < 5001
    assert 0 < offset.uncertainty_ms < 1000
    assert len(venue.requests_to(TIME)) == 3
    with pytest.raises(ValueError, match="samples"):
        await client.measure_clock(0)


# --- limits --------------------------------------------------------------------------------------------


async def test_a_429_on_an_order_is_definite_and_blocks_what_follows(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.always("POST", ORDER, _error(-1015, "Too many new orders", 429, **{"Retry-After": "7"}))
    error = await _refusal(client.place_order(NEW), RateLimited)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 7
    remaining_ms = client.rest.limiter.blocked_until_ms - client.clock.now_ms()
    assert 6000 < remaining_ms <= 7000
    assert len(venue.requests_to(ORDER)) == 1


async def test_during_a_ban_nothing_is_sent(venue: ScriptedVenue, client: AsterClient) -> None:
    until_ms = client.clock.now_ms() + 60_000
    venue.always("GET", TIME, _error(-1003, f"Way too many requests; IP banned until {until_ms}.", 418))
    error = await _refusal(client.server_time(), IpBanned)
    assert isinstance(error, IpBanned)
    assert 55 < error.retry_after_s <= 60
    await _refusal(client.place_order(NEW), IpBanned)
    assert len(venue.requests) == 1


# --- answers that cannot be read -----------------------------------------------------------------------

UNREADABLE = [
    ("empty", "", ""),
    ("html", "<html>hello</html>", ""),
    ("truncated", '{"serverTime": 17', ""),
    ("missing field", "{}", "serverTime"),
    ("wrong type", '{"serverTime": "soon"}', "serverTime"),
    ("wrong shape", "[]", ""),
    ("not text", b"\xff\xfe\x00", ""),
]


@pytest.mark.parametrize(("body", "field"), [row[1:] for row in UNREADABLE], ids=[r[0] for r in UNREADABLE])
async def test_an_unreadable_answer_names_endpoint_status_and_field(
    venue: ScriptedVenue, client: AsterClient, body: bytes | str, field: str
) -> None:
    venue.always("GET", TIME, Answer(body))
    error = await _refusal(client.server_time(), MalformedResponse)
    assert isinstance(error, MalformedResponse)
    assert (error.source, error.field, error.http_status) == ("GET /fapi/v3/time", field, 200)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-inf", "sNaN"])
async def test_numbers_that_are_none_are_refused_with_their_field(
    venue: ScriptedVenue, client: AsterClient, bad: str
) -> None:
    venue.always("GET", "/fapi/v3/positionRisk", Answer([payloads.position(markPrice=bad)]))
    error = await _refusal(client.get_position_risk(), MalformedResponse)
    assert isinstance(error, MalformedResponse)
    assert error.field == "markPrice"


async def test_unknown_fields_do_not_disturb(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("POST", ORDER, Answer(payloads.order(newChainData={"hash": "0x1"}, tomorrow=[1])))
    assert (await client.place_order(NEW)).order_id == 22542179001


async def test_a_403_page_is_an_authentication_failure(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("POST", ORDER, Answer("<html>Forbidden by the firewall</html>", status=403))
    await _refusal(client.place_order(NEW), AuthenticationFailed)


async def test_no_secret_or_signature_reaches_an_error_or_its_traceback(
    venue: ScriptedVenue, key_client: AsterClient, agent: AgentCredentials
) -> None:
    venue.always(
        "POST",
        "/fapi/v1/order",
        lambda request: Answer(f"<html>{request.headers['X-MBX-APIKEY']} {request.text[-90:]}", 500),
    )
    try:
        await key_client.place_order(NEW)
    except UnknownOutcome:
        shown = traceback.format_exc()
    signature = venue.requests[-1].parameters["signature"]
    assert signature not in shown
    assert "k" * 64 not in shown
    assert "s" * 64 not in shown


async def test_signed_calls_without_credentials_say_what_is_missing(venue: ScriptedVenue) -> None:
    async with AsterClient(environment="sim", base_url=venue.url, ws_url=venue.ws_url) as public:
        await _refusal(public.balance(), MissingCredentials)
        venue.always("GET", TIME, Answer({"serverTime": 5}))
        assert await public.server_time() == 5
    assert not venue.requests_to(BALANCE)


async def test_calls_of_the_other_scheme_say_so(key_client: AsterClient, client: AsterClient) -> None:
    assert "V3" in str(await _refusal(key_client.noop(1), MissingCredentials))
    assert "V1" in str(await _refusal(client.remaining_openable_notional("BTCUSDT", 5), MissingCredentials))


@pytest.mark.parametrize("ahead_ms", [-10_000, 10_000, 90_000])
async def test_a_wrong_clock_costs_one_measurement_and_one_repetition(
    venue: ScriptedVenue, agent: AgentCredentials, ahead_ms: int
) -> None:
    true_ms = 1_770_000_000_000
    clock = ManualClock(true_ms + ahead_ms)
    accepted: list[int] = []

    def judge(request: Received) -> Answer:
        nonce = int(request.parameters["nonce"])
        if abs(nonce - true_ms * 1000) > 5_000_000 or nonce <= max(accepted, default=0):
            return _error(-4225, "Nonce Expired")
        accepted.append(nonce)
        return Answer(payloads.order())

    venue.always("POST", ORDER, judge)
    venue.always("GET", TIME, Answer({"serverTime": true_ms}))
    async with AsterClient(
        agent, environment="sim", base_url=venue.url, ws_url=venue.ws_url, clock=clock
    ) as client:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(client.place_order(NEW))
        await client.place_order(NEW)
    assert len(accepted) == 6
    assert accepted == sorted(set(accepted))
    assert len(venue.requests_to(TIME)) == 3, "measured once for all of them"


async def test_a_stale_stamp_stays_the_answer_when_the_time_cannot_be_had(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.always("POST", ORDER, _error(-4225, "Nonce Expired"))
    venue.always("GET", TIME, Answer("<html>", status=502))
    await _refusal(client.place_order(NEW), ClockSkew)
    assert len(venue.requests_to(ORDER)) == 1


async def test_a_stale_stamp_with_status_200_is_repeated_too(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    venue.next("POST", ORDER, _error(-4225, "Nonce Expired", 200), Answer(payloads.order()))
    venue.always("GET", TIME, Answer({"serverTime": client.clock.now_ms()}))
    await client.place_order(NEW)
    assert len(venue.requests_to(ORDER)) == 2


@pytest.mark.parametrize("status", [200, 400, 429])
async def test_a_broken_limit_keeps_quiet_whatever_the_status(
    venue: ScriptedVenue, client: AsterClient, status: int
) -> None:
    venue.always("POST", ORDER, _error(-1003, "Too many requests", status))
    await _refusal(client.place_order(NEW), RateLimited)
    assert 9_000 < client.rest.limiter.blocked_until_ms - client.clock.now_ms() <= 10_000


async def test_a_refusal_without_words_keeps_its_class(venue: ScriptedVenue, client: AsterClient) -> None:
    venue.always("POST", ORDER, Answer({"code": -2019, "msg": None}, status=400))
    await _refusal(client.place_order(NEW), InsufficientMargin)


@pytest.mark.parametrize("scheme", ["v1", "v3"])
@pytest.mark.parametrize("answer", [Answer("<html>", 500), Answer("{", 200), Answer(cut=True)])
async def test_a_traceback_with_its_locals_shows_no_key_and_no_signature(
    venue: ScriptedVenue, client: AsterClient, key_client: AsterClient, scheme: str, answer: Answer
) -> None:
    venue.always("POST", f"/fapi/{scheme}/order", answer)
    with pytest.raises(UnknownOutcome) as caught:
        await (client if scheme == "v3" else key_client).place_order(NEW)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    (request,) = venue.requests
    assert request.parameters["signature"] not in shown
    assert request.headers.get("X-MBX-APIKEY", "no key") not in shown


async def test_numbers_as_text_and_text_as_numbers_are_understood(
    venue: ScriptedVenue, client: AsterClient
) -> None:
    order = payloads.order()
    swapped = order | {"orderId": str(order["orderId"]), "price": 60000.10, "reduceOnly": "false"}
    venue.next("GET", ORDER, Answer(order), Answer(swapped), Answer(order | {"orderId": "many"}))
    plain = await client.query_order("BTCUSDT", "x")
    other = await client.query_order("BTCUSDT", "x")
    assert (other.order_id, other.reduce_only) == (plain.order_id, False)
    assert other.price == Decimal("60000.1")
    with pytest.raises(MalformedResponse, match="field orderId"):
        await client.query_order("BTCUSDT", "x")


@pytest.mark.parametrize("market", ["futures", "spot"])
async def test_an_order_without_a_name_gets_one_by_which_its_outcome_is_found(
    venue: ScriptedVenue, client: AsterClient, market: str
) -> None:
    path = ORDER if market == "futures" else "/api/v3/order"
    venue.always("POST", path, Answer("", status=504))
    calls = {
        "futures": lambda: client.place_market_order("BTCUSDT", Side.BUY, Decimal(1)),
        "spot": lambda: client.spot.new_order("BTCUSDT", Side.BUY, OrderType.MARKET, quantity=Decimal(1)),
    }
    for _ in range(2):
        with pytest.raises(UnknownOutcome) as caught:
            await calls[market]()
        name = venue.requests[-1].parameters["newClientOrderId"]
        assert caught.value.client_order_id == name
        assert len(name) <= 36
    assert len({request.parameters["newClientOrderId"] for request in venue.requests}) == 2
