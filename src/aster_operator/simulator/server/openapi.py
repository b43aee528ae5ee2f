"""The exchange's own description: OpenAPI 3, made from the endpoint table, served at `/docs`."""

from collections.abc import Iterable
from html import escape
from typing import Any

from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.parameters import PARAMETERS
from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response
from aster_operator.simulator.server.routing import Endpoint

__all__ = ["describe", "docs_page", "docs_response"]

_TYPES: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "symbol": {"type": "string", "examples": ["BTCUSDT"]},
    "decimal": {"type": "string", "examples": ["0.010"]},
    "integer": {"type": "integer"},
    "flag": {"type": "string", "enum": ["true", "false"]},
    "list": {"type": "string", "description": "a JSON array as text"},
}
_SECURITY_TEXT = {
    Security.NONE: "Public.",
    Security.MARKET_DATA: "Public; an API key header is accepted.",
    Security.USER_STREAM: "API key header alone on v1, signed on v3.",
    Security.USER_DATA: "Signed.",
    Security.TRADE: "Signed, with the right to trade.",
    Security.TRANSFER: "Signed, with the right to move money.",
    Security.WALLET: "Signed by the main wallet inside the payload.",
}
_ERROR = {
    "type": "object",
    "required": ["code", "msg"],
    "properties": {"code": {"type": "integer"}, "msg": {"type": "string"}},
}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    rows = []
    for field in PARAMETERS.get((endpoint.method, endpoint.name), "").split():
        name, _, kind = field.partition(":")
        rows.append(
            {
                "name": name.removesuffix("*"),
                "in": "query",
                "required": name.endswith("*"),
                "schema": _TYPES[kind or "text"],
            }
        )
    return rows


def _operation(endpoint: Endpoint, path: str) -> dict[str, Any]:
    summary = (endpoint.handler.__doc__ or "").strip().splitlines()[0]
    signed = endpoint.security not in (Security.NONE, Security.MARKET_DATA, Security.WALLET)
    weight = endpoint.weight if isinstance(endpoint.weight, int) else "depends on the parameters"
    error = {"description": "refused", "content": {"application/json": {"schema": _ERROR}}}
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.method.lower()}{path.replace('/', '_')}",
        "summary": summary,
        "description": f"{_SECURITY_TEXT[endpoint.security]} Weight {weight}.",
        "parameters": _parameters(endpoint),
        "responses": {
            "200": {"description": "done", "content": {"application/json": {"schema": {}}}},
            **{str(status): error for status in (400, 401, 404, 413, 418, 429, 503)},
        },
    }
    if signed:
        operation["security"] = [{"apiKey": [], "hmac": []}, {"agent": []}]
    return operation


def describe(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The OpenAPI document of an endpoint table."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        for path in endpoint.paths:
            paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, path)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Embedded exchange",
            "version": "1",
            "description": "Aster's futures REST interface on loopback. Prices and quantities are texts; "
            "parameters may also travel as a form body.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-MBX-APIKEY"},
                "hmac": {"type": "apiKey", "in": "query", "name": "signature"},
                "agent": {"type": "apiKey", "in": "query", "name": "signer"},
            }
        },
    }


def _names(parameters: list[dict[str, Any]]) -> str:
    return " ".join(each["name"] + ("*" if each["required"] else "") for each in parameters)


def docs_page(document: dict[str, Any]) -> bytes:
    """The same for people: one line per endpoint."""
    rows = [
        f"<tr><td>{method.upper()}</td><td><code>{escape(path)}</code></td>"
        f"<td>{escape(_names(operation['parameters']))}</td>"
        f"<td>{escape(operation['summary'])} {escape(operation['description'])}</td></tr>"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        "<!DOCTYPE html><html><head><meta charset='utf-8'><title>Embedded exchange</title></head><body>"
        "<h1>Embedded exchange</h1><p>The machine-readable form is at <a href='/openapi.json'>openapi.json"
        "</a>. A star marks a mandatory parameter.</p><table border='1' cellpadding='4'>"
        f"<tr><th>method</th><th>path</th><th>parameters</th><th></th></tr>{''.join(rows)}</table></body></html>"
    ).encode()


def docs_response(request: WireRequest, document: dict[str, Any]) -> WireResponse | None:
    """The answer to `/docs` (a page for browsers, JSON for programs) and `/openapi.json`, else None."""
    if request.method != "GET" or request.path not in ("/docs", "/openapi.json"):
        return None
    if request.path == "/docs" and "text/html" in request.headers.get("accept", ""):
        return WireResponse(200, docs_page(document), content_type="text/html;charset=UTF-8")
    return json_response(document)
