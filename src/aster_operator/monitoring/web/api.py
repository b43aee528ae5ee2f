"""The read-only JSON API: every picture under /api, and its description in OpenAPI."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from aster_operator.monitoring.daily_report import DailyReport
from aster_operator.monitoring.json_text import json_bytes
from aster_operator.monitoring.pictures.books import Books
from aster_operator.monitoring.pictures.costs import Costs
from aster_operator.monitoring.pictures.decisions import Decisions, decisions_picture
from aster_operator.monitoring.pictures.lab import Lab, lab_picture
from aster_operator.monitoring.pictures.market import Market, market_picture
from aster_operator.monitoring.pictures.now import Now, now_picture
from aster_operator.monitoring.pictures.points import Points
from aster_operator.monitoring.pictures.system import System, system_picture
from aster_operator.monitoring.pictures.trades import TradeLife, Trades, trade_life, trades_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.book_reader import BookReader, BooksUnread
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.rewards.epochs import first_ms_of

__all__ = ["ApiProblem", "add_api", "openapi_document"]

_MOST_ROWS = 500
_MOST_MINUTES = 2_880
_FIRST_YEAR = 1970


class ApiProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer, in words."""

    error: str


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _Wrong(Exception):
    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class _Query(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a request's query."""

    name: str
    meaning: str
    kind: type = str
    most: int | None = None


class _Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    answer: Any
    summary: str
    query: tuple[_Query, ...] = ()
    path_parameter: str | None = None


_SYMBOL = _Query(name="symbol", meaning="Symbol, or name of a pair.")
_PAGE = (
    _Query(name="offset", meaning="Rows to skip.", kind=int),
    _Query(name="limit", meaning="Rows to give (default 50).", kind=int, most=_MOST_ROWS),
)

_ENDPOINTS = (
    _Endpoint(
        path="/api/now", answer=Now, summary="What is held now, how it is protected, how limits stand."
    ),
    _Endpoint(
        path="/api/market",
        answer=Market,
        summary="Candles of one symbol with own fills and resting orders.",
        query=(
            _SYMBOL,
            _Query(name="minutes", meaning="Minutes back (default 240).", kind=int, most=_MOST_MINUTES),
        ),
    ),
    _Endpoint(
        path="/api/decisions",
        answer=Decisions,
        summary="Decisions with their numbers and blockers, newest first.",
        query=(
            _SYMBOL,
            _Query(name="action", meaning="Only this action."),
            _Query(name="text", meaning="Only reasons with this text."),
            *_PAGE,
        ),
    ),
    _Endpoint(
        path="/api/trades", answer=Trades, summary="Finished trades and pairs.", query=(_SYMBOL, *_PAGE)
    ),
    _Endpoint(
        path="/api/trades/{ref}",
        answer=TradeLife,
        summary="The life of one trade or pair.",
        path_parameter="ref",
    ),
    _Endpoint(path="/api/costs", answer=Costs, summary="What trading cost, by day and by epoch."),
    _Endpoint(
        path="/api/report",
        answer=DailyReport,
        summary="What a day or the last session brought, as `report --json` has it under `report`.",
        query=(
            _Query(name="day", meaning="UTC day, 2026-02-01 (default: yesterday).", kind=date),
            _Query(name="last_run", meaning="true: the last session instead of a day.", kind=bool),
        ),
    ),
    _Endpoint(
        path="/api/points",
        answer=Points,
        summary="What the dashboard's reward programme may give, as `points --json` prints it.",
    ),
    _Endpoint(
        path="/api/books",
        answer=Books,
        summary="The sums of the books by venue, day and symbol, as `db stats --json` prints them; amounts "
        "are texts.",
    ),
    _Endpoint(
        path="/api/lab",
        answer=Lab,
        summary="Sweeps of the results directory.",
        query=(
            _Query(name="name", meaning="Ranking to show (default: the newest)."),
            _Query(name="x", meaning="Parameter on the heatmap's x axis."),
            _Query(name="y", meaning="Parameter on the heatmap's y axis."),
        ),
    ),
    _Endpoint(path="/api/system", answer=System, summary="Latencies, refusals, messages, versions."),
)


def add_api(app: FastAPI, hub: DashboardHub, books: BookReader, lab_folder: Path) -> None:
    """Add the endpoints to an application."""
    document = json_bytes(openapi_document())

    def session() -> SessionReplica:
        if hub.replica is None:
            raise _Wrong(503, hub.problem or "no session has been found yet")
        return hub.replica

    async def costs(_query: Mapping[str, Any]) -> Costs:
        return await books.costs(hub.replica)

    async def report(query: Mapping[str, Any]) -> DailyReport:
        if not query.get("last_run"):
            return await books.report(query.get("day"))
        if "day" in query:
            raise _Wrong(400, "last_run and day exclude each other")
        found = await books.last_session_report()
        if found is None:
            raise _Wrong(404, "the books hold no session")
        return found

    async def points(_query: Mapping[str, Any]) -> Points:
        return await books.points()

    async def sums(_query: Mapping[str, Any]) -> Books:
        return await books.books()

    async def lab(query: Mapping[str, Any]) -> Lab:
        return await asyncio.to_thread(
            lab_picture, lab_folder, query.get("name"), x_name=query.get("x"), y_name=query.get("y")
        )

    answers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "/api/now": lambda _: now_picture(session()),
        "/api/market": lambda query: market_picture(session(), **query),
        "/api/decisions": lambda query: decisions_picture(session(), **query),
        "/api/trades": lambda query: trades_picture(session(), **query),
        "/api/trades/{ref}": lambda query: trade_life(session(), query["ref"]),
        "/api/costs": costs,
        "/api/report": report,
        "/api/points": points,
        "/api/books": sums,
        "/api/lab": lab,
        "/api/system": lambda _: system_picture(session(), hub.health()),
    }
    for endpoint in _ENDPOINTS:
        app.add_api_route(endpoint.path, _route(endpoint, answers[endpoint.path]), include_in_schema=False)

    async def describe() -> Response:
        return Response(document, media_type="application/json")

    app.add_api_route("/api/openapi.json", describe, include_in_schema=False)

    async def other(request: Request) -> Response:
        if request.method == "GET":
            return _problem(404, "nothing is here; /api/openapi.json says what there is")
        return _problem(405, "the API only reads: GET")

    app.add_api_route("/api/{path:path}", other, methods=[*_METHODS], include_in_schema=False)


def _problem(status: int, words: str) -> Response:
    body = json_bytes(ApiProblem(error=words))
    return Response(body, status_code=status, media_type="application/json")


def _route(endpoint: _Endpoint, answer: Callable[[Mapping[str, Any]], Any]) -> Callable[[Request], Any]:
    async def route(request: Request) -> Response:
        try:
            found = answer(_read_query(endpoint, request))
            body = json_bytes(await found if asyncio.iscoroutine(found) else found)
        except _Wrong as wrong:
            return _problem(wrong.status, str(wrong))
        except BooksUnread as unread:
            return _problem(503, str(unread))
        except KeyError as missing:
            return _problem(404, f"nobody knows {missing.args[0]}")
        return Response(body, media_type="application/json")

    return route


def _read_query(endpoint: _Endpoint, request: Request) -> dict[str, Any]:
    known = {query.name: query for query in endpoint.query}
    found: dict[str, Any] = {}
    for name, text in request.query_params.items():
        if name == "token":
            continue
        if name not in known:
            raise _Wrong(400, f"no parameter {name}; there are: {', '.join(known) or 'none'}")
        found[name] = _READERS[known[name].kind](known[name], text)
    if endpoint.path_parameter is not None:
        found[endpoint.path_parameter] = request.path_params[endpoint.path_parameter]
    return found


def _number(query: _Query, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise _Wrong(400, f"{query.name} is a whole number from 0 up")
    number = int(text)
    return number if query.most is None else min(number, query.most)


def _day_ms(query: _Query, text: str) -> int:
    """Where a UTC day begins. Only the plain form, of which the description speaks."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text or day.year < _FIRST_YEAR:
        raise _Wrong(400, f"{query.name} is a UTC day from {_FIRST_YEAR} on, such as 2026-02-01")
    return first_ms_of(day)


def _yes_or_no(query: _Query, text: str) -> bool:
    if text not in ("true", "false"):
        raise _Wrong(400, f"{query.name} is true or false")
    return text == "true"


_READERS: dict[type, Callable[[_Query, str], Any]] = {
    str: lambda _, text: text,
    int: _number,
    date: _day_ms,
    bool: _yes_or_no,
}
_SCHEMAS: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    date: {"type": "string", "format": "date"},
    bool: {"type": "boolean"},
}


# --- description ----------------------------------------------------------------------------------------


def openapi_document() -> dict[str, Any]:
    """The API in OpenAPI 3.1, its schemas from the pictures' own types."""
    types = [endpoint.answer for endpoint in _ENDPOINTS] + [ApiProblem]
    found = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schemas, components = _as_numbers(found[0]), _as_numbers(found[1])
    by_type = dict(zip(types, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aster Operator",
            "version": "1",
            "description": "What one session does, read-only. Money in USD, times in ms since 1970 UTC, "
            "decimals as JSON numbers with all their digits (texts in /api/books); null is not known, which "
            "is not zero.",
        },
        "paths": {endpoint.path: {"get": _operation(endpoint, by_type)} for endpoint in _ENDPOINTS},
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _as_numbers(schema: Any) -> Any:
    """Decimals are numbers here, with all their digits; the library would describe them as text."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {"type": "number"}
        return {name: _as_numbers(inner) for name, inner in schema.items()}
    return [_as_numbers(inner) for inner in schema] if isinstance(schema, list | tuple) else schema


def _operation(endpoint: _Endpoint, by_type: dict[Any, Any]) -> dict[str, Any]:
    def content(answer: Any, words: str) -> dict[str, Any]:
        return {"description": words, "content": {"application/json": {"schema": by_type[answer]}}}

    parameters = [
        {
            "name": query.name,
            "in": "query",
            "required": False,
            "description": query.meaning,
            "schema": _SCHEMAS[query.kind],
        }
        for query in endpoint.query
    ]
    if endpoint.path_parameter is not None:
        parameters.append(
            {"name": endpoint.path_parameter, "in": "path", "required": True, "schema": {"type": "string"}}
        )
    return {
        "operationId": endpoint.path.removeprefix("/api/").replace("/{", "_").replace("}", ""),
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": {
            "200": content(endpoint.answer, "The picture."),
            "400": content(ApiProblem, "A parameter that cannot be used."),
            "401": content(ApiProblem, "The token is missing or wrong."),
            "404": content(ApiProblem, "Nobody knows what was asked for."),
            "503": content(ApiProblem, "No session has been found yet, or the books cannot be read."),
        },
    }
