"""A demo with its dashboard in processes of their own, for tests that look at it with a browser."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

__all__ = ["CHROMIUM", "PAGES", "Demo"]

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), ""
)
PAGES = ("/", "/market", "/decisions", "/trades", "/points", "/lab", "/system")


class Demo:
    """A demo with its dashboard, in processes of their own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        command = [sys.executable, "-m", "aster_operator.cli.entry", "demo", "--dashboard", "--hours", "48"]
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("ASTER", "DB_"))
        } | settings
        self.process = subprocess.Popen(
            [*command, "--speed", "400"],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.url = next(
            line.split()[1] for line in self.process.stderr if line.startswith("dashboard: ")
        ).rstrip("/")
        # Whatever it says from now on must go somewhere, or it would wait for us.
        self.log = folder / "stderr.txt"
        with self.log.open("wb") as log:
            self._drain = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=log)

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:  # noqa: S310
            return json.load(answer)

    def until(self, holds: Any, path: str = "/api/now", patience_s: float = 90) -> Any:
        """The API's answer once `holds` of it; fails when that takes too long."""
        deadline = time.monotonic() + patience_s
        answer = self._answer(path)
        while answer is None or not holds(answer):
            assert time.monotonic() < deadline, f"{path} never came to it: {str(answer)[:400]}"
            time.sleep(0.1)  # a page in another process: nothing to be told by
            answer = self._answer(path)
        return answer

    def _answer(self, path: str) -> Any:
        try:
            return self.api(path)
        except OSError:
            return None

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)
        self._drain.wait(10)
        assert self.process.stderr is not None
        self.process.stderr.close()
