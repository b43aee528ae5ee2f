"""Alerts from one end to the other: a session that trades, the process beside it, a target on loopback."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from demo_to_look_at import Demo

from aster_operator.config.alert_settings import ALERT_RULES


class Target:
    """Takes what Apprise posts, or refuses it."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self.refuses = False
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not target.refuses:
                    target.titles.append(body["title"])
                self.send_response(500 if target.refuses else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"json://127.0.0.1:{self.server.server_port}/"

    def until(self, holds: Callable[[list[str]], bool], patience_s: float = 60) -> None:
        deadline = time.monotonic() + patience_s
        while not holds(self.titles):
            assert time.monotonic() < deadline, self.titles
            time.sleep(0.1)  # another process: nothing to be told by


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    yield target
    target.server.shutdown()
    target.server.server_close()


@pytest.mark.timeout(240)
def test_what_a_session_does_arrives_and_what_does_not_is_seen_on_the_dashboard(
    target: Target, tmp_path: Path
) -> None:
    demo = Demo(tmp_path, NOTIFY_URLS=target.url, ALERT_RULES=",".join(ALERT_RULES), ALERT_MAX_PER_HOUR="500")
    target.until(lambda titles: any(title.endswith("BUY filled") for title in titles))
    target.until(lambda titles: any(" closed: " in title for title in titles))
    target.refuses = True
    shown = demo.until(lambda system: system["views"]["undelivered"], "/api/system")
    assert "tried" in shown["views"]["undelivered"][0]
    assert "an alert could not be sent" in demo.log.read_text()
    target.refuses = False
    demo.until(lambda system: not system["views"]["undelivered"], "/api/system")
    demo.end()
    # It came with the last breath of the process beside the session.
    target.until(lambda titles: "The session has ended" in titles, 15)
    assert "The session is gone" not in target.titles


@pytest.mark.timeout(120)
def test_a_session_that_is_killed_is_told(target: Target, tmp_path: Path) -> None:
    demo = Demo(tmp_path, NOTIFY_URLS=target.url)
    demo.until(lambda now: now["pairs"])
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait(20)
    target.until(lambda titles: titles[-1:] == ["The session is gone"], 20)
    demo.end()
