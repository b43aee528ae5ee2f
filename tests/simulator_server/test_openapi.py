"""The exchange describes itself, and withstands what can be made of that description."""

from urllib.parse import urlencode

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, RateLimitSettings, ServerSettings
from aster_operator.simulator.server.endpoints import ENDPOINTS
from aster_operator.simulator.server.endpoints.parameters import PARAMETERS
from aster_operator.simulator.server.messages import WireRequest
from aster_operator.simulator.server.openapi import describe
from simulator_server.trader import Answer, Trader

DOCUMENT = describe(ENDPOINTS)
OPERATIONS = [(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations]
ENTRIES = [(endpoint.paths[-1], endpoint.method.lower()) for endpoint in ENDPOINTS]
"""One path per entry of the table: the others lead to the same function."""
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
UNLIMITED = RateLimitSettings(weight_per_minute=10**9, orders_per_minute=10**9)


def test_every_endpoint_is_described_and_nothing_else() -> None:
    assert {(endpoint.method, endpoint.name) for endpoint in ENDPOINTS} == set(PARAMETERS)
    for operations in DOCUMENT["paths"].values():
        for operation in operations.values():
            assert operation["summary"].endswith((".", ":")), operation["operationId"]


def test_the_description_is_valid_openapi() -> None:
    assert len(list(SCHEMA.get_all_operations())) == len(OPERATIONS)


def test_programs_get_json_and_browsers_a_page(trader: Trader) -> None:
    for path in ("/docs", "/openapi.json"):
        assert trader.send("GET", path).json["openapi"] == "3.1.0"
    page = trader.server.dispatcher.dispatch(
        WireRequest("GET", "/docs", headers={"accept": "text/html,application/xhtml+xml"})
    )
    assert page.content_type.startswith("text/html")
    assert b"/fapi/v3/order" in page.body


@pytest.fixture(scope="module")
def fuzzed(history: RecordedHistory) -> Trader:
    """One exchange for the whole campaign, so that what one request leaves behind meets the next."""
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(seed=7, substep_ms=5000))
    exchange.advance_to(exchange.now_ms + 60_000)
    clock = ManualClock(1_770_000_000_000)
    settings = ServerSettings(pace="lockstep", seed=7, limits=UNLIMITED)
    return Trader(ExchangeServer(settings, exchange=exchange, clock=clock), clock, 0)


def check(trader: Trader, answer: Answer) -> None:
    """A correct answer or a correct refusal, and books that balance."""
    assert answer.status in (200, 400, 401, 404, 429), answer.json
    if answer.status != 200:
        assert set(answer.json) == {"code", "msg"}
        assert answer.json["code"] < 0
        assert answer.json["code"] != -1000 or answer.json["msg"] == "Invalid symbol."
        assert answer.json["msg"]
    assert trader.server.exchange.audit().balanced


@pytest.mark.parametrize(("path", "method"), ENTRIES)
def test_whatever_the_description_allows_is_answered(fuzzed: Trader, path: str, method: str) -> None:
    operation = SCHEMA[path][method.upper()]
    signed = "security" in DOCUMENT["paths"][path][method]

    @hypothesis.settings(
        max_examples=8,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @given(case=operation.as_strategy())
    def campaign(case: schemathesis.Case) -> None:
        params = {name: value for name, value in (case.query or {}).items() if isinstance(value, str | int)}
        query = fuzzed.v3_query(**params) if signed else urlencode(params, errors="replace")
        check(fuzzed, fuzzed.send(method.upper(), path, query))

    campaign()


NASTY = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "-1",
            "NaN",
            "inf",
            "1e308",
            "-0",
            "1e-30",
            "9" * 50,
            "null",
            "true",
            "\x00",
            "’",
            "BTCUSDT",
        ]
    ),
    st.text(max_size=20),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
)
ORDER_FIELDS = [field.partition(":")[0].rstrip("*") for field in PARAMETERS["POST", "order"].split()]
SANE = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "96000",
}


@hypothesis.settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.dictionaries(st.sampled_from(ORDER_FIELDS), NASTY, min_size=1, max_size=4))
def test_nasty_values_in_orders_never_unbalance_the_books(fuzzed: Trader, changes: dict[str, str]) -> None:
    check(fuzzed, fuzzed.v3("POST", "order", **(SANE | changes)))


@hypothesis.settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "é"]),
    path=st.one_of(st.sampled_from([path for path, _ in OPERATIONS]), st.text(max_size=40)),
    query=st.binary(max_size=200),
    body=st.binary(max_size=200),
    header=st.text(max_size=80),
)
def test_any_bytes_are_answered_with_a_code(
    fuzzed: Trader, method: str, path: str, query: bytes, body: bytes, header: str
) -> None:
    response = fuzzed.server.dispatcher.dispatch(
        WireRequest(method, path, query, {"x-mbx-apikey": header}, body)
    )
    check(fuzzed, Answer(response.status, response.body, response.headers))
