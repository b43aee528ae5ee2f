"""The JSON API, its description, the metrics and the hub they are read from."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI
from msgspec.structs import replace
from watched import Facts, FactsInMemory, OneSession, hub_of

sys.path.insert(0, str(Path(__file__).parents[1] / "database"))
from books_values import DAY_ONE_MS, make_fill

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.clock import DAY_MS, ManualClock
from aster_operator.domain.commands import Notify, NotifyLevel
from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.api import add_api, openapi_document
from aster_operator.monitoring.web.book_reader import BookReader
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.metrics import metrics_text
from aster_operator.monitoring.web.source import StreamHead
from aster_operator.rewards.profile import load_profile

Recorded = tuple[StreamHead, Facts]


def books_at(path: Path) -> BookReader:
    return BookReader(lambda: open_books(f"sqlite:///{path}"), "none", load_profile("none"), ManualClock(1))


@pytest.fixture(scope="module")
def hub(recorded: Recorded) -> DashboardHub:
    return hub_of(FactsInMemory(*recorded))


@pytest.fixture
async def api(hub: DashboardHub, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app, books = FastAPI(), books_at(tmp_path / "books.db")
    add_api(app, hub, books, tmp_path)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client
    books.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nope", 404),
        ("POST", "/api/now", 405),
        ("DELETE", "/api/trades/x", 405),
        ("PUT", "/api/x", 405),
    ],
)
async def test_what_the_api_does_not_do_is_said_in_json(
    api: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_every_answer_is_what_the_description_says(api: httpx.AsyncClient, hub: DashboardHub) -> None:
    document = (await api.get("/api/openapi.json")).json()
    assert document == json.loads(json.dumps(openapi_document()))
    replica = hub.replica
    assert replica is not None
    ref = next(iter(replica.activity.rounds))
    for path, item in document["paths"].items():
        answer = await api.get(path.replace("{ref}", ref))
        assert answer.status_code == 200, path
        schema = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


async def test_numbers_are_exact(api: httpx.AsyncClient, hub: DashboardHub) -> None:
    text = (await api.get("/api/now")).text
    assert hub.replica is not None
    wallet = hub.replica.state.portfolio.wallet_balance
    assert f'"wallet_usd":{wallet.normalize():f}' in text
    assert not re.search(r"\d[eE][+-]?\d", text)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/market?symbol=DOGEUSDT", 404, "DOGEUSDT"),
        ("/api/market?minutes=-1", 400, "whole number"),
        ("/api/decisions?limit=x", 400, "whole number"),
        ("/api/decisions?nonsense=1", 400, "no parameter nonsense"),
        ("/api/trades/nobody", 404, "nobody"),
        ("/api/trades?limit=99999999", 200, "rows"),
        ("/api/lab?name=../../etc/passwd", 200, "no sweep results"),
        ("/api/report?day=2026-02-30", 400, "day is a UTC day"),
        ("/api/report?day=20260201", 400, "day is a UTC day"),
        ("/api/report?day=1969-12-31", 400, "day is a UTC day"),
        ("/api/report?last_run=yes", 400, "last_run is true or false"),
        ("/api/report?last_run=true&day=2026-02-01", 400, "exclude each other"),
        ("/api/report?last_run=true", 404, "the books hold no session"),
        ("/api/report?last_run=false&day=9999-12-31", 200, "9999-12-31"),
        ("/api/books?day=2026-02-01", 400, "no parameter day"),
    ],
)
async def test_what_cannot_be_answered_is_said(
    api: httpx.AsyncClient, path: str, status: int, words: str
) -> None:
    answer = await api.get(path)
    assert answer.status_code == status
    assert words in answer.text


async def test_pages_of_rows(api: httpx.AsyncClient) -> None:
    first = (await api.get("/api/decisions", params={"limit": 3})).json()
    second = (await api.get("/api/decisions", params={"limit": 3, "offset": 3})).json()
    numbers = [row["number"] for row in (*first["rows"], *second["rows"])]
    assert numbers == list(range(first["total"], first["total"] - 6, -1))


async def test_without_a_session_the_api_says_so(tmp_path: Path) -> None:
    app, books = FastAPI(), books_at(tmp_path / "books.db")
    add_api(app, hub_of(None), books, tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        assert (await client.get("/api/now")).status_code == 503
        assert (await client.get("/api/costs")).json()["books"]["days"] == []
    books.close()


async def test_books_that_cannot_be_read_are_a_problem_to_show(tmp_path: Path) -> None:
    (tmp_path / "books.db").write_text("this is no database, and long enough to be looked at" * 10)
    costs = await books_at(tmp_path / "books.db").costs(None)
    assert "cannot be read" in (costs.problem or "")


@pytest.mark.parametrize("path", ["/api/report", "/api/report?last_run=true", "/api/points", "/api/books"])
async def test_books_that_cannot_be_read_are_one_line_to_a_program(tmp_path: Path, path: str) -> None:
    (tmp_path / "books.db").write_text("this is no database, and long enough to be looked at" * 10)
    app = FastAPI()
    add_api(app, hub_of(None), books_at(tmp_path / "books.db"), tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
        answer = await client.get(path)
    assert answer.status_code == 503
    assert set(answer.json()) == {"error"}
    assert answer.json()["error"].startswith("the books cannot be read: file is not a database, ")
    assert "\n" not in answer.json()["error"]


async def test_the_books_are_read_every_ten_seconds_at_most_and_yesterday_is_the_clock_s(
    tmp_path: Path,
) -> None:
    address = f"sqlite:///{tmp_path / 'books.db'}"
    clock = ManualClock(DAY_ONE_MS + DAY_MS)
    engine = open_books(address)
    recorder = TradeRecorder(engine, LedgerKey(venue="sim", account="0xabc"), "run-1")
    books = BookReader(lambda: open_books(address), "none", load_profile("none"), clock)

    async def trades() -> list[int]:
        sums, points, report = await books.books(), await books.points(), await books.report()
        assert report.period.name == "2026-02-20"
        return [
            sum(venue.total.trades for venue in sums.venues),
            sum(epoch.trades for epoch in points.epochs),
            sum(venue.total.trades for venue in report.venues),
        ]

    recorder.record_fill(make_fill(1))
    assert await trades() == [1, 1, 1]
    recorder.record_fill(make_fill(2))
    clock.advance_ms(10_000)
    assert await trades() == [1, 1, 1]
    clock.advance_ms(1)
    assert await trades() == [2, 2, 2]
    engine.dispose()
    books.close()


# --- metrics --------------------------------------------------------------------------------------------


def samples_of(text: bytes) -> dict[str, float]:
    from prometheus_client.parser import text_string_to_metric_families

    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            names = [sample.labels[name] for name in sorted(sample.labels, reverse=True)]
            found[sample.name + "".join(f"|{name}" for name in names)] = sample.value
    return found


def test_metrics_tell_what_the_session_did(hub: DashboardHub) -> None:
    samples = samples_of(metrics_text(hub, 1.5))
    replica = hub.replica
    assert replica is not None
    prefix = "aster_operator_"
    assert samples[prefix + "up"] == 1
    assert samples[prefix + "fees_usd"] == pytest.approx(float(replica.state.portfolio.fees))
    assert samples[prefix + "orders_total|filled"] == replica.activity.outcomes["filled"] > 0
    assert samples[prefix + "recorder_lag_seconds"] == 1.5
    assert samples[prefix + "rate_weight_used_ratio"] == pytest.approx(0.05)
    assert samples[prefix + "staleness_seconds|BTCUSDT|mark"] >= 0
    assert samples[prefix + "feed_up|user"] == 1
    assert samples[prefix + "entries_blocked"] == 1
    assert samples[prefix + "replica_in_step"] == 1
    for name in ("unprotected_seconds", "lone_leg_seconds", "lone_leg_seconds_max", "realized_pnl_usd"):
        assert prefix + name in samples
    assert samples[prefix + "order_round_trip_seconds_bucket|+Inf"] == replica.timings.round_trip.count


def test_metrics_without_a_session_say_that_it_is_down() -> None:
    assert samples_of(metrics_text(hub_of(None)))["aster_operator_up"] == 0


# --- hub ------------------------------------------------------------------------------------------------


def test_a_long_journal_is_read_in_slices(recorded: Recorded) -> None:
    class Ticking(ManualClock):
        def monotonic_ns(self) -> int:
            self.advance_ms(1)
            return super().monotonic_ns()

    stream = FactsInMemory(*recorded)
    hub = DashboardHub(OneSession(stream), Ticking(1))
    assert hub.advance()
    assert 0 < stream.read_bytes < len(recorded[1]) / 2
    while hub.advance():
        pass
    assert stream.behind_bytes == 0


def test_a_journal_that_breaks_is_a_problem_and_the_next_session_is_found(recorded: Recorded) -> None:
    class Broken(FactsInMemory):
        def take(self, at_most: int) -> Any:
            raise ValueError("not a session journal")

    clock = ManualClock(1)
    source = OneSession(Broken(*recorded))
    hub = DashboardHub(source, clock)
    assert not hub.advance()
    assert hub.problem == "not a session journal"
    assert source.found is not None
    broken = source.stream
    source.stream = FactsInMemory(*recorded)
    from msgspec.structs import replace

    source.found = replace(source.found, journal="another")
    clock.advance_ms(2_000)
    hub.advance()
    assert broken is not None
    assert broken.closed
    assert hub.problem is None
    assert isinstance(hub.replica, SessionReplica)


async def test_wishes_go_to_the_session_unless_the_page_only_reads(recorded: Recorded) -> None:
    hub = hub_of(FactsInMemory(*recorded))
    assert hub.can_steer
    assert await hub.steer(OperatorAction.CLOSE, "BTCUSDT", "test", asked_of="run") == (True, "taken")
    reader = hub_of(FactsInMemory(*recorded), read_only=True)
    assert not reader.can_steer
    assert await reader.steer(OperatorAction.CLOSE_ALL, "", "test", asked_of="run") == (
        False,
        "this dashboard only reads",
    )
    assert await hub_of(None).steer(OperatorAction.CLOSE_ALL, "", "test", asked_of=None) == (
        False,
        "no session is running",
    )


async def test_a_yes_that_comes_after_a_restart_is_none_to_the_new_session(recorded: Recorded) -> None:
    source = OneSession(FactsInMemory(*recorded))
    clock = ManualClock(1_000)
    hub = DashboardHub(source, clock)
    hub.advance()
    asked_of = hub.run_id
    assert source.found is not None
    source.found = replace(source.found, run_id="run-2", journal="another")
    clock.advance_ms(2_000)
    hub.advance()
    taken, words = await hub.steer(OperatorAction.CLOSE_ALL, "", "test", asked_of=asked_of)
    assert not taken
    assert "another session" in words
    assert source.asked == []
    assert (await hub.steer(OperatorAction.CLOSE_ALL, "", "test", asked_of=hub.run_id))[0]


class _Reloading(OneSession):
    """A session that says `answer` of its parameter file once it is asked to read it."""

    def __init__(self, recorded: Recorded, *answer: Notify) -> None:
        head, facts = recorded
        super().__init__(FactsInMemory(head, list(facts)))
        self._answer = answer

    async def steer(self, *wish: Any) -> tuple[bool, str]:
        assert self.stream is not None
        self.stream.facts += self._answer
        return await super().steer(*wish)


@pytest.mark.parametrize(
    ("level", "message", "taken"),
    [
        (NotifyLevel.INFO, "midfreq: new parameters are in force: ETHUSDT.k 1 → 2", True),
        (NotifyLevel.WARNING, "midfreq: new parameters refused, the old stay: ETHUSDT.k: is missing", False),
    ],
)
async def test_whoever_has_the_parameters_read_again_is_told_what_came_of_it(
    recorded: Recorded, level: NotifyLevel, message: str, taken: bool
) -> None:
    asked = Notify(at_ms=1, level=NotifyLevel.INFO, message="anna (test) asked: reload_parameters")
    source = _Reloading(recorded, asked, Notify(at_ms=2, level=level, message=message))
    hub = DashboardHub(source, ManualClock(1_000))
    while hub.advance():
        pass
    following = asyncio.create_task(hub.run())
    answer = await hub.steer(OperatorAction.RELOAD_PARAMETERS, "", "test", asked_of="run")
    following.cancel()
    assert answer == (taken, message)
