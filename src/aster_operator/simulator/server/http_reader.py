"""Bytes of a connection to whole requests, with bounds on everything a stranger may send.

The grammar is llhttp's (`httptools`). Bytes stay bytes: signatures are verified over what was sent.
"""

from collections import deque
from dataclasses import dataclass

import httptools

from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response

__all__ = ["MAX_HEADERS", "MAX_HEAD_BYTES", "RequestReader", "Upgrade", "split_target"]

MAX_HEAD_BYTES = 256 * 1024
"""Request line and headers. Ten thousand parameters fit, so that they get the venue's own refusal."""
MAX_HEADERS = 200
_MALFORMED = json_response({"code": -1013, "msg": "Invalid message."}, 400)
_BODY_TOO_LARGE = json_response({"code": -1100, "msg": "Request body is too large."}, 413)
_HEAD_TOO_LARGE = json_response({"code": -1100, "msg": "Request headers are too large."}, 431)


def split_target(raw_target: bytes) -> tuple[str, bytes]:
    """(path, raw query) of a request line's target, the query as the bytes that were sent."""
    if raw_target.startswith((b"http://", b"https://")):
        raw_target = b"/" + b"".join(raw_target.split(b"/", 3)[3:])
    path, _, query = raw_target.partition(b"?")
    return path.decode("utf-8", "surrogateescape"), query.partition(b"#")[0]


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A request for another protocol: its head as it could have been sent, and what came after it."""

    request: WireRequest
    keep_alive: bool
    head: bytes
    rest: bytes


class _Refused(Exception):
    """Raised through the parser to stop it at once."""


class RequestReader:
    """Collects `requests` in the order they came, each with whether its connection may go on after it.

    `is_open` tells that a request has begun and is not whole. `refusal` is set once when nothing more can be
    understood: it is to be sent after the answers to `requests`, and then the connection ends.
    `wants_continue` asks for an interim answer before the body comes; who sends it resets it.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_head_bytes",
        "_header_count",
        "_headers",
        "_in_head",
        "_max_body_bytes",
        "_parser",
        "_peer",
        "_target",
        "_upgrading",
        "is_open",
        "refusal",
        "requests",
        "wants_continue",
    )

    def __init__(self, peer: str, max_body_bytes: int) -> None:
        self._peer = peer
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        self.requests: deque[tuple[WireRequest, bool]] = deque()
        self.refusal: WireResponse | None = None
        self.is_open = self.wants_continue = self._in_head = False
        self._upgrading: tuple[WireRequest, bool, bytes] | None = None
        self._head_bytes = self._header_count = self._body_bytes = 0
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> Upgrade | None:
        """Take what has arrived; the request for another protocol where one ends these."""
        was_in_head, before = self._in_head, len(self.requests)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The parser stops behind such a request for good.
            self._parser = httptools.HttpRequestParser(self)
            if self._upgrading is not None:
                (request, keep_alive, head), self._upgrading = self._upgrading, None
                return Upgrade(request, keep_alive, head, data[upgrade.args[0] :])
        except httptools.HttpParserError:
            # A refusal of the callbacks ends the parsing too, and has been set.
            self.refusal = self.refusal or _MALFORMED
        if self._in_head and self.refusal is None:
            # Of a head that began in these bytes only later ones are counted: one read is bounded anyway.
            grows = was_in_head and len(self.requests) == before
            self._head_bytes = self._head_bytes + len(data) if grows else 0
            if self._head_bytes > MAX_HEAD_BYTES:
                self.refusal = _HEAD_TOO_LARGE
        return None

    def _refuse(self, refusal: WireResponse) -> None:
        self.refusal = refusal
        raise _Refused

    # --- what the parser calls ----------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.is_open = self._in_head = True
        self._target = b""
        self._headers = {}
        self._body = []
        self._header_count = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        if len(self._target) > MAX_HEAD_BYTES:
            self._refuse(_HEAD_TOO_LARGE)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            self._refuse(_HEAD_TOO_LARGE)
        key = name.decode("latin-1").lower()
        if key not in self._headers:
            self._headers[key] = value.decode("utf-8", "surrogateescape")

    def on_headers_complete(self) -> None:
        self._in_head = False
        headers = self._headers
        length = headers.get("content-length")
        if length is not None and length.isdigit() and int(length[:20]) > self._max_body_bytes:
            # Refused without waiting for what nobody will read.
            self._refuse(_BODY_TOO_LARGE)
        if "expect" in headers and headers["expect"].lower() == "100-continue":
            self.wants_continue = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            self._refuse(_BODY_TOO_LARGE)

    def on_message_complete(self) -> None:
        self.is_open = self.wants_continue = False
        parser = self._parser
        keep_alive = parser.should_keep_alive()
        if not keep_alive and parser.get_http_version() == "0.9":
            self._refuse(_MALFORMED)
        path, raw_query = split_target(self._target)
        method = parser.get_method().decode("latin-1")
        request = WireRequest(method, path, raw_query, self._headers, b"".join(self._body), self._peer)
        if parser.should_upgrade():
            self._upgrading = request, keep_alive, self._head(method)
        else:
            self.requests.append((request, keep_alive))

    def _head(self, method: str) -> bytes:
        lines = [f"{method} ".encode() + self._target + f" HTTP/{self._parser.get_http_version()}".encode()]
        for name, value in self._headers.items():
            lines.append(name.encode("latin-1") + b": " + value.encode("utf-8", "surrogateescape"))
        return b"\r\n".join(lines) + b"\r\n\r\n"
