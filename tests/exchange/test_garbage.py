"""Whatever bytes come: a value, or a typed error that names source and field. Never a KeyError."""

import asyncio
import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.exchange import parse
from aster_operator.exchange.errors import ExchangeError, MalformedResponse
from aster_operator.exchange.streams.link import LinkSettings
from aster_operator.exchange.streams.market import MessageStream, event_of
from aster_operator.exchange.streams.user import UserStream
from aster_operator.exchange.transport import RawResponse
from aster_operator.exchange.verdict import decode_answer, refusal_in
from aster_operator.exchange.wire import account, agents, market, orders, records, spot
from aster_operator.exchange.wire.streams import MarketFrame
from aster_operator.exchange.wire.user_stream import ListenKeyExpiredMessage
from exchange import payloads
from slow_tests import deeper

RECORDS = [
    getattr(module, name)
    for module in (account, agents, market, orders, spot)
    for name in module.__all__
    if issubclass(getattr(module, name), msgspec.Struct)
] + [records.Acknowledged]

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["NaN", "Infinity", "-inf", "1e999999999", "", "BTCUSDT", "0.1", "{", "\ud7ff"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
SLOW = settings(max_examples=deeper(30, 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _damaged(valid: Any) -> st.SearchStrategy[bytes]:
    """Valid messages with one member gone, replaced or cut; and plain noise."""

    @st.composite
    def build(draw: st.DrawFn) -> bytes:
        message = copy.deepcopy(valid)
        place, holder = message, None
        key: Any = None
        while isinstance(place, dict | list) and place and (holder is None or draw(st.booleans())):
            holder = place
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            place = holder[key]
        if holder is not None:
            if isinstance(holder, dict) and draw(st.booleans()):
                del holder[key]
            else:
                holder[key] = draw(JSON)
        body = json.dumps(message, ensure_ascii=draw(st.booleans())).encode("utf-8", "replace")
        return body[: draw(st.integers(0, len(body)))] if draw(st.integers(0, 4)) == 0 else body

    return st.one_of(build(), st.binary(max_size=60), JSON.map(lambda j: json.dumps(j).encode()))


@pytest.mark.parametrize("record", RECORDS, ids=[record.__name__ for record in RECORDS])
@SLOW
@given(body=st.one_of(st.binary(max_size=80), JSON.map(lambda value: json.dumps(value).encode())))
def test_every_rest_decoder_answers_garbage_with_a_typed_error(record: type, body: bytes) -> None:
    for kind in (record, list[record]):  # type: ignore[valid-type]
        try:
            decode_answer(RawResponse(200, {}, body), "GET thing", kind)
        except ExchangeError as error:
            assert "GET thing" in str(error)  # noqa: PT017 - garbage may be valid by chance


@SLOW
@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=20))
def test_any_status_and_body_has_a_verdict(status: int, body: bytes, header: str) -> None:
    refusal = refusal_in(RawResponse(status, {"Retry-After": header}, body), "GET thing", 0)
    assert (refusal is None) == (200 <= status < 300)


PARSED = [
    (payloads.order(), orders.OrderRecord, lambda r: parse.order_report(r, "here")),
    (payloads.position(), account.PositionRiskRecord, lambda r: parse.position_report(r, "here")),
    (payloads.account(), account.AccountRecord, lambda r: parse.account_snapshot(r, "here")),
    (payloads.user_trade(1, 1), orders.UserTradeRecord, lambda r: parse.fill(r, "c", "here")),
    (payloads.income(1, 1), account.IncomeRecord, lambda r: parse.income_row(r, "here")),
    (payloads.SYMBOL, market.SymbolRecord, lambda r: parse.instrument(r, "here")),
]


@pytest.mark.parametrize(("valid", "record", "convert"), PARSED, ids=[p[1].__name__ for p in PARSED])
@settings(max_examples=deeper(60, 600), deadline=None)
@given(data=st.data())
def test_damaged_records_parse_or_say_which_field(valid: dict, record: type, convert: Any, data: Any) -> None:
    body = data.draw(_damaged(valid))
    try:
        convert(decode_answer(RawResponse(200, {}, body), "GET thing", record))
    except MalformedResponse as error:
        assert error.source.startswith(("GET thing", "here"))  # noqa: PT017
        assert error.problem  # noqa: PT017
    except ExchangeError:
        assert b'"code"' in body


def _market_stream(seen: list) -> MessageStream:
    def consume(stream: str, message: Any, at: int) -> None:
        for single in message if isinstance(message, list) else [message]:
            seen.append(event_of(stream, single, at))

    return MessageStream(
        ws_url="ws://x",
        streams=["s"],
        on_message=consume,
        on_status=lambda *_: None,
        clock=ManualClock(1),
        settings=LinkSettings(),
    )


@pytest.mark.parametrize("valid", payloads.MARKET_MESSAGES, ids=[m["e"] for m in payloads.MARKET_MESSAGES])
@settings(max_examples=deeper(60, 600), deadline=None)
@given(data=st.data())
def test_a_damaged_market_frame_is_an_event_or_is_counted(valid: dict, data: Any) -> None:
    async def run() -> None:
        seen: list = []
        stream = _market_stream(seen)
        shard = stream._shards[0]
        shard.receive(memoryview(data.draw(_damaged({"stream": "btcusdt@x", "data": valid}))), 1)
        assert len(seen) + stream.malformed + stream.unknown <= 50

    asyncio.run(run())


class _Keys:
    async def new_listen_key(self) -> str:
        raise AssertionError("not connected")

    keep_listen_key = close_listen_key = new_listen_key


@pytest.mark.parametrize("valid", payloads.USER_MESSAGES, ids=lambda m: m["e"])
@settings(max_examples=deeper(60, 600), deadline=None)
@given(data=st.data())
def test_a_damaged_user_frame_is_an_event_or_breaks_the_feed_openly(valid: dict, data: Any) -> None:
    async def run() -> None:
        events: list = []
        messages: list = []
        stream = UserStream(
            ws_url="ws://x",
            keys=_Keys(),
            on_event=events.append,
            clock=ManualClock(1),
            on_message=messages.append,
        )
        stream._receive(memoryview(data.draw(_damaged(valid))), 1)
        assert len(messages) + stream.malformed + stream.unknown == 1
        ended = [m for m in messages if isinstance(m, ListenKeyExpiredMessage)]
        assert stream._link._renew.is_set() is bool(stream.malformed or ended)

    asyncio.run(run())


@pytest.mark.parametrize("valid", payloads.MARKET_MESSAGES, ids=[m["e"] for m in payloads.MARKET_MESSAGES])
def test_an_undamaged_frame_is_never_counted(valid: dict) -> None:
    seen: list = []
    stream = _market_stream(seen)
    stream._shards[0].receive(memoryview(json.dumps({"stream": "s", "data": valid}).encode()), 1)
    assert (len(seen), stream.malformed, stream.unknown) == (1, 0, 0)


def test_each_missing_member_of_a_message_is_named() -> None:
    for valid in payloads.MARKET_MESSAGES[:4]:
        for field in valid.keys() - {"e", "P"}:
            body = json.dumps({"stream": "s@x", "data": {k: v for k, v in valid.items() if k != field}})
            with pytest.raises(msgspec.ValidationError, match=f"`{field}`"):
                msgspec.json.decode(body, type=MarketFrame)
