"""Who may open the dashboard: token, Host and Origin checks, security headers. One gate before everything.

Loopback needs no token, but every request must name a host that is ours (a page of somebody else's that
resolves its own name to 127.0.0.1 fails here), and whatever may change something must come from our own
origin. Anywhere else a token is needed: compared in constant time, tried at a limited rate.
"""

import hmac
import ipaddress
from collections import deque
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aster_operator.domain.clock import Clock
from aster_operator.monitoring.json_text import json_bytes

__all__ = ["COOKIE", "AccessRules", "SecurityGate", "is_loopback"]

COOKIE = "aster_operator_token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({"/healthz"})
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_TRIES = 10
_TRIES_PER_NS = 60_000_000_000
_MOST_ADDRESSES = 1_000

_HEADERS = {
    # The pages' framework needs inline and evaluated code of its own; everything comes from this server.
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def is_loopback(host: str) -> bool:
    """Whether that host to listen on is only reachable from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class AccessRules:
    """Who gets in. `hosts` are the names the page may be called by, besides loopback's; IP addresses are
    always names of ours when listening beyond loopback, since nobody can rebind one."""

    def __init__(self, token: str, clock: Clock, *, needs_token: bool, hosts: Iterable[str] = ()) -> None:
        self.needs_token = needs_token
        self._token = token.encode()
        self._clock = clock
        self._hosts = frozenset(hosts)
        self._failures: dict[str, deque[int]] = {}

    def knows_host(self, host: str | None) -> bool:
        """Whether a Host header names this server."""
        name = _host_name(host)
        if name is None:
            return False
        if name in _LOOPBACK_NAMES or name in self._hosts:
            return True
        return self.needs_token and _is_address(name)

    def is_own_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a request comes from a page of this server; programs name no origin."""
        if origin is None:
            return True
        return origin != "null" and urlsplit(origin).netloc.lower() == (host or "").lower()

    def must_wait(self, address: str) -> bool:
        """Whether that address has tried too many wrong tokens within the last minute."""
        failures = self._failures.get(address)
        if failures is None:
            return False
        now_ns = self._clock.monotonic_ns()
        while failures and now_ns - failures[0] > _TRIES_PER_NS:
            failures.popleft()
        return len(failures) >= _TRIES

    def is_token(self, token: str) -> bool:
        """Whether that is the token, whoever asks."""
        return hmac.compare_digest(token.encode(), self._token)

    def accepts(self, token: str | None, address: str) -> bool:
        """Whether the token is right. A wrong one counts against the address; none at all does not."""
        if token is None:
            return False
        if self.is_token(token):
            return True
        if len(self._failures) >= _MOST_ADDRESSES and address not in self._failures:
            self._failures.pop(next(iter(self._failures)))
        self._failures.setdefault(address, deque(maxlen=_TRIES)).append(self._clock.monotonic_ns())
        return False


class SecurityGate:
    """ASGI middleware for pages, API and WebSocket alike."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(scope, send, *refusal)
            return
        signing_in = self._sign_in(scope)
        if signing_in is not None:
            await _redirect(send, *signing_in)
            return
        await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        rules, host = self._rules, headers.get("host")
        if not rules.knows_host(host):
            return 421, "this server is not called that; see --allowed-host"
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if changes and not rules.is_own_origin(headers.get("origin"), host):
            return 403, "requests that change something must come from this server's own pages"
        if headers.get("sec-fetch-site") == "cross-site" and changes:
            return 403, "requests that change something must come from this server's own pages"
        if not rules.needs_token or scope["path"] in _OPEN_PATHS:
            return None
        address = (scope.get("client") or ("",))[0]
        if rules.must_wait(address):
            return 429, "too many wrong tokens: wait a minute"
        if rules.accepts(_token_of(scope, headers), address):
            return None
        return 401, "open the dashboard with the link it printed, or send its token as a bearer token"

    def _sign_in(self, scope: Scope) -> tuple[str, str] | None:
        """Where to go on, and the cookie to go with, when a page was opened with the token in its address."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = dict(query).get("token")
        if token is None or not self._rules.is_token(token):
            return None
        is_page = (
            scope["type"] == "http" and scope["method"] == "GET" and not scope["path"].startswith("/api")
        )
        if not is_page or scope["path"] == "/metrics":
            return None
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        # The path of this very request: never another host's.
        path = "/" + scope["path"].lstrip("/")
        cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
        return f"{path}?{rest}" if rest else path, cookie


def _token_of(scope: Scope, headers: dict[str, str]) -> str | None:
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and bearer:
        return bearer.strip()
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    if "token" in query and scope["type"] == "http":
        return str(query["token"])
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else str(morsel.value)


def _host_name(host: str | None) -> str | None:
    if not host:
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.encode(), value.encode())
                    for name, value in _HEADERS.items()
                    if name.encode() not in given
                ),
            ]
        await send(message)

    return sending


async def _refuse(scope: Scope, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": words[:120]})
        return
    await _answer(send, status, json_bytes({"error": words}), [(b"content-type", b"application/json")])


async def _redirect(send: Send, location: str, cookie: str) -> None:
    headers = [(b"location", location.encode("latin-1")), (b"set-cookie", cookie.encode("latin-1"))]
    await _answer(send, 303, b"", headers)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    sending = _with_headers(send)
    length = (b"content-length", str(len(body)).encode())
    no_store = (b"cache-control", b"no-store")
    await sending({"type": "http.response.start", "status": status, "headers": [*headers, length, no_store]})
    await sending({"type": "http.response.body", "body": body})
