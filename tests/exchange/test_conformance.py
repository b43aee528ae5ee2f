"""The conformance suite passes on our own client and finds what is wrong with a broken one."""

from decimal import Decimal

import msgspec
import pytest

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.exchange.conformance import ConformancePlan, ConformanceReport, run_conformance
from exchange.embedded import client_of, embedded_exchange

PLAN = ConformancePlan(symbol="BTCUSDT")


async def _report(client, plan: ConformancePlan = PLAN) -> ConformanceReport:
    return await run_conformance(client, plan)


@pytest.mark.parametrize("scheme", ["v3", "v1"])
@pytest.mark.parametrize("hedge_mode", [True, False])
async def test_our_own_client_conforms(scheme: str, hedge_mode: bool) -> None:
    async with embedded_exchange() as server, client_of(server, scheme) as client:
        plan = ConformancePlan(symbol="BTCUSDT", hedge_mode=hedge_mode)
        report = await _report(client, plan)
        assert report.ok, report.text()
        assert len(report.results) >= 18
        positions = await client.get_position_risk("BTCUSDT")
        assert not [position for position in positions if position.is_open]
        assert await client.open_orders("BTCUSDT") == []


class _Faulty:
    """Our client with one method replaced."""

    def __init__(self, client, **replaced) -> None:
        self._client = client
        self._replaced = replaced

    def __getattr__(self, name: str):
        if name in self._replaced:
            return self._replaced[name]
        return getattr(self._client, name)


async def _float_mark(symbol: str) -> float:
    return 96_800.0


async def _no_answer(symbol: str, client_order_id: str) -> None:
    return None


FAULTS = {
    "quotes and marks agree": lambda _client: {"get_mark_price": _float_mark},
    "an unknown order is said to be unknown": lambda _client: {"query_order": _no_answer},
    "settings are idempotent": lambda _client: {"set_leverage": _other_leverage},
    "fills tell the same story": lambda client: {"fills": _doubled(client)},
    "positions are signed and current": lambda client: {"get_position_risk": _unsigned(client)},
    "the user stream told every fill": lambda client: {"open_user_stream": _deaf(client)},
}


async def _other_leverage(symbol: str, leverage: int) -> int:
    return leverage + 1


def _doubled(client):
    async def fills(symbol: str, start_ms: int, end_ms: int | None = None):
        return [*await client.fills(symbol, start_ms, end_ms)] * 2

    return fills


def _unsigned(client):
    async def get_position_risk(symbol: str | None = None):
        rows = await client.get_position_risk(symbol)
        return [msgspec.structs.replace(row, quantity=row.quantity * -1) for row in rows]

    return get_position_risk


def _deaf(client):
    async def open_user_stream(on_event):
        return await client.open_user_stream(lambda _event: None)

    return open_user_stream


@pytest.mark.parametrize("check", sorted(FAULTS))
async def test_a_broken_adapter_is_found_out(check: str) -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:
        report = await _report(_Faulty(client, **FAULTS[check](client)))
        broken = [result.name for result in report.results if not result.ok]
        assert check in broken, report.text()
        assert f"FAIL  {check}: " in report.text()
        assert not report.ok


async def test_the_position_is_closed_even_when_a_check_fails() -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:
        calls: list[PositionSide] = []

        async def place(symbol: str, side: Side, quantity: Decimal, position_side=PositionSide.BOTH, **more):
            report = await client.place_market_order(symbol, side, quantity, position_side, **more)
            calls.append(position_side)
            return msgspec.structs.replace(report, filled_quantity=Decimal(0))

        report = await _report(_Faulty(client, place_market_order=place))
        assert calls
        assert not report.ok
        assert not [row for row in await client.get_position_risk("BTCUSDT") if row.is_open]


async def test_history_may_start_where_the_plan_says() -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:
        start = server.exchange.now_ms - HOUR_MS
        plan = ConformancePlan(symbol="ETHUSDT", history_start_ms=start, run_label="another-run-of-it")
        assert (await _report(client, plan)).ok


async def test_an_adapter_that_lacks_methods_is_told_which() -> None:
    class Partial:
        async def get_mark_price(self, symbol: str) -> Decimal:
            return Decimal(1)

    report = await run_conformance(Partial(), ConformancePlan(symbol="BTCUSDT"))  # type: ignore[arg-type]
    assert not report.ok
    first = report.results[0].detail
    assert "place_order" in first
    assert "open_user_stream" in first
    assert "get_mark_price" not in first
    assert report.results[-1].name == "the user stream opens"


async def test_fills_of_one_millisecond_must_come_oldest_first_too() -> None:
    async with embedded_exchange() as server, client_of(server, "v3") as client:

        async def fills(symbol: str, start_ms: int, end_ms: int | None = None):
            told = await client.fills(symbol, start_ms, end_ms)
            return [msgspec.structs.replace(fill, event_ms=told[-1].event_ms) for fill in reversed(told)]

        report = await _report(_Faulty(client, fills=fills))
        assert "FAIL  fills tell the same story: fills is not oldest first" in report.text()
