"""Who gets into the dashboard, and what every answer carries."""

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from aster_operator.domain.clock import ManualClock
from aster_operator.monitoring.web.security import COOKIE, AccessRules, SecurityGate, is_loopback

TOKEN = "a-token-of-some-length"


async def page(scope: Scope, receive: Receive, send: Send) -> None:
    """What the gate protects: says yes to everything."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inside"})


def gate(*, needs_token: bool, hosts: tuple[str, ...] = (), clock: ManualClock | None = None) -> SecurityGate:
    return SecurityGate(
        page, AccessRules(TOKEN, clock or ManualClock(), needs_token=needs_token, hosts=hosts)
    )


async def ask(
    app: SecurityGate,
    path: str = "/",
    *,
    method: str = "GET",
    host: str = "127.0.0.1:80",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, headers={"host": host, **(headers or {})})


async def connect(app: SecurityGate, headers: dict[str, str]) -> str:
    """What becomes of a WebSocket: accept or close."""
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": "/_nicegui_ws",
        "query_string": b"",
        "headers": raw,
        "client": ("1", 2),
    }
    await app(scope, receive, send)
    return str(sent[0]["type"]).removeprefix("websocket.")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost:8765", 200),
        ("[::1]:8765", 200),
        ("LOCALHOST", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8765", 421),
        ("10.0.0.7:8765", 421),
        ("localhost@evil.example", 421),
    ],
)
async def test_a_name_that_somebody_else_points_at_us_is_refused(host: str, status: int) -> None:
    assert (await ask(gate(needs_token=False), host=host)).status_code == status


async def test_beyond_loopback_addresses_and_the_owners_names_are_ours() -> None:
    app = gate(needs_token=True, hosts=("desk.example",))
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for host, status in (("10.0.0.7:80", 200), ("desk.example", 200), ("other.example", 421)):
        assert (await ask(app, host=host, headers=bearer)).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {TOKEN}"}, 200),
        ({"authorization": f"bearer  {TOKEN} "}, 200),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"cookie": f"{COOKIE}={TOKEN}"}, 200),
        ({"cookie": f"{COOKIE}=wrong"}, 401),
        ({"cookie": "="}, 401),
    ],
)
async def test_beyond_loopback_the_token_opens_everything(headers: dict[str, str], status: int) -> None:
    app = gate(needs_token=True)
    for path in ("/", "/api/now", "/metrics", "/_nicegui_ws/socket.io/"):
        assert (await ask(app, path, headers=headers)).status_code == status
    assert (await ask(app, "/healthz")).status_code == 200


async def test_the_printed_link_signs_in_once_and_leaves_no_token_in_the_address() -> None:
    answer = await ask(gate(needs_token=True), f"/market?symbol=BTCUSDT&token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/market?symbol=BTCUSDT"
    assert answer.headers["set-cookie"] == f"{COOKIE}={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    away = await ask(gate(needs_token=True), f"//evil.example/?token={TOKEN}")
    assert httpx.URL("http://127.0.0.1").join(away.headers["location"]).host == "127.0.0.1"
    split = await ask(gate(needs_token=False), "/?token=x%0d%0aset-cookie:%20a=b")
    assert split.status_code == 200
    assert "set-cookie" not in split.headers


async def test_guessing_is_slowed_down_and_forgotten_after_a_minute() -> None:
    clock = ManualClock()
    app = gate(needs_token=True, clock=clock)
    wrong, right = {"authorization": "Bearer wrong"}, {"authorization": f"Bearer {TOKEN}"}
    statuses = [(await ask(app, headers=wrong)).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert (await ask(app, headers=right)).status_code == 429
    clock.advance_ms(60_001)
    assert (await ask(app, headers=right)).status_code == 200
    assert [(await ask(app)).status_code for _ in range(20)] == [401] * 20


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://127.0.0.1:80", True),
        ("http://127.0.0.1:81", False),
        ("http://localhost:80", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
async def test_only_our_own_pages_may_change_anything(origin: str | None, allowed: bool) -> None:
    app = gate(needs_token=False)
    headers = {} if origin is None else {"origin": origin}
    assert (await ask(app, method="POST", headers=headers)).status_code == (200 if allowed else 403)
    assert (await ask(app, method="GET", headers=headers)).status_code == 200
    assert await connect(app, {"host": "127.0.0.1:80", **headers}) == ("accept" if allowed else "close")


async def test_a_socket_needs_the_token_as_well() -> None:
    app = gate(needs_token=True)
    host = {"host": "10.0.0.7:80"}
    assert await connect(app, host) == "close"
    assert await connect(app, {**host, "cookie": f"{COOKIE}={TOKEN}"}) == "accept"
    assert await connect(app, {"host": "evil.example", "cookie": f"{COOKIE}={TOKEN}"}) == "close"


@pytest.mark.parametrize("path", ["/", "/nothing"])
async def test_every_answer_carries_the_headers(path: str) -> None:
    for answer in (await ask(gate(needs_token=False), path), await ask(gate(needs_token=True), path)):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert TOKEN not in answer.text


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True), ("0.0.0.0", False),  # noqa: S104

     ("::", False), ("10.0.0.7", False), ("example.com", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
