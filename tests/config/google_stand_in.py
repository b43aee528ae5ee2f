"""A stand-in for Google on loopback: the metadata server of a virtual machine, and Secret Manager's REST.

Built after Google's published reference of both. The real client library (google-auth) speaks to it.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "ya29.of-a-machine"
OWN_PROJECT = "aster-desk"

Answer = tuple[int, dict[str, object]]


def refusal(code: int, status: str, message: str) -> Answer:
    return code, {"error": {"code": code, "message": message, "status": status}}


def secret(text: str | bytes) -> Answer:
    raw = text.encode() if isinstance(text, str) else text
    return 200, {"name": "versions/1", "payload": {"data": base64.b64encode(raw).decode()}}


class Google:
    """What the stand-in holds, and what it was asked. `secrets` maps full version names to answers."""

    def __init__(self) -> None:
        self.secrets: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.gives_tokens = True
        self.address = ""


def _handler(google: Google) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path.startswith("/v1/"):
                self._access(path.removeprefix("/v1/"))
            elif self.headers.get("Metadata-Flavor") != "Google":
                self._send(403, b"", "text/html")
            else:
                self._metadata(path)

        def _metadata(self, path: str) -> None:
            if path.endswith("/token"):
                body = {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
                self._json(200 if google.gives_tokens else 403, body if google.gives_tokens else {})
            elif path.endswith("/project/project-id"):
                self._send(200, OWN_PROJECT.encode(), "application/text")
            elif path.endswith("/service-accounts/default/"):
                self._json(200, {"email": "robot@aster-desk", "scopes": ["cloud-platform"], "aliases": []})
            else:
                self._send(200, b"", "application/text")

        def _access(self, path: str) -> None:
            google.asked.append(path)
            name, colon, verb = path.rpartition(":")
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                code, body = refusal(401, "UNAUTHENTICATED", "Request had invalid authentication.")
            elif not colon or verb != "access" or name not in google.secrets:
                code, body = refusal(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.")
            else:
                code, body = google.secrets[name]
            self._json(code, body)

        def _json(self, code: int, body: object) -> None:
            self._send(code, json.dumps(body).encode(), "application/json")

        def _send(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def serving_google() -> Iterator[Google]:
    google = Google()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(google))
    google.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield google
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
