"""The dashboard's server: pages, API, metrics and health behind one gate, in one event loop with the hub."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import msgspec
import uvicorn
from fastapi import FastAPI, Request, Response
from nicegui import app as pages
from nicegui import binding, ui

from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import Clock
from aster_operator.monitoring.alerts.sender import AlertSender
from aster_operator.monitoring.json_text import json_bytes
from aster_operator.monitoring.pictures.lab import report_path
from aster_operator.monitoring.web.api import add_api
from aster_operator.monitoring.web.book_reader import BookReader
from aster_operator.monitoring.web.frame import asset
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.metrics import metrics_text
from aster_operator.monitoring.web.pages import add_pages
from aster_operator.monitoring.web.security import AccessRules, SecurityGate, is_loopback
from aster_operator.monitoring.web.telemetry import MetricsPusher

__all__ = ["DashboardAddress", "DashboardOptions", "dashboard"]

_KINDS = {"dashboard.css": "text/css", "dashboard.js": "text/javascript"}
_NO_PAGE = (
    '<!doctype html><html lang="en"><title>No page</title><p>There is no such page. <a href="/">Now</a></p>'
)
_REPORT_POLICY = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; " \
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'none'"  # fmt: skip


class DashboardOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where it listens, by which names it may be called, and where sweeps lie."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str
    require_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    lab_folder: Path = Path("results")
    recorder_lag_s: Callable[[], float | None] = lambda: None


class DashboardAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where it can be reached: the first line of `dashboard --json`."""

    url: str
    metrics_url: str
    api_url: str
    token: str


@asynccontextmanager
async def dashboard(
    hub: DashboardHub,
    books: BookReader,
    options: DashboardOptions,
    clock: Clock,
    sender: AlertSender | None = None,
    pusher: MetricsPusher | None = None,
) -> AsyncIterator[DashboardAddress]:
    """Serve for the block; send alerts where there is a sender, and metrics where there is a pusher.

    Raises UserProblem when the address cannot be listened on.
    """
    listener = _listen(options.host, options.port)
    port = listener.getsockname()[1]
    rules = AccessRules(
        options.token,
        clock,
        needs_token=options.require_token or not is_loopback(options.host),
        hosts=_names(options),
    )
    server = _Server(
        uvicorn.Config(
            SecurityGate(_application(hub, books, options), rules),
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="on",
            ws="websockets-sansio",
            timeout_graceful_shutdown=2,
            limit_concurrency=500,
        )
    )
    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(server.serve(sockets=[listener]))]
    tasks += [asyncio.create_task(each.run()) for each in (sender, pusher) if each is not None]
    try:
        while not server.started:
            if tasks[1].done():
                raise UserProblem("the dashboard's server did not start", f"{options.host}:{port}")
            await asyncio.sleep(0.01)
        base = f"http://{_shown_host(options.host)}:{port}"
        yield DashboardAddress(
            url=f"{base}/", metrics_url=f"{base}/metrics", api_url=f"{base}/api", token=options.token
        )
    finally:
        server.should_exit = True
        for task in (tasks[0], *tasks[2:]):
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        if sender is not None:
            await sender.end()
        books.close()
        listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _application(hub: DashboardHub, books: BookReader, options: DashboardOptions) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    async def healthz() -> Response:
        ok = hub.problem is None
        body = {
            "status": "ok" if ok else "degraded",
            "session": hub.session is not None,
            "problem": hub.problem,
        }
        return Response(json_bytes(body), media_type="application/json", status_code=200 if ok else 503)

    async def metrics() -> Response:
        text = metrics_text(hub, options.recorder_lag_s())
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def file(name: str) -> Response:
        kind = _KINDS.get(name)
        if kind is None:
            return Response(status_code=404)
        headers = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(asset(name), media_type=kind, headers=headers)

    async def report(name: str) -> Response:
        try:
            content = await asyncio.to_thread(report_path(options.lab_folder, name).read_bytes)
        except (KeyError, OSError):
            return Response(status_code=404)
        # A report is somebody's file: it may draw, and reach nothing of ours.
        return Response(content, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY})

    app.add_api_route("/healthz", healthz, methods=["GET", "HEAD"])
    app.add_api_route("/metrics", metrics, methods=["GET", "HEAD"])
    app.add_api_route("/assets/{name}", file)
    app.add_api_route("/lab/files/{name}", report)
    add_api(app, hub, books, options.lab_folder)
    add_pages(hub, books, options.lab_folder)
    pages.add_exception_handler(404, _no_page)
    # A machine that is busy trading may take its time; nobody wants to read about it.
    binding.MAX_PROPAGATION_TIME = 1.0
    ui.run_with(
        app,
        title="Aster Operator",
        favicon="⭐",
        dark=None,
        language="en-US",
        # Its runtime reads every class of the page again whenever a table changes; we use none of it.
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=10.0,
        message_history_length=200,
        binding_refresh_interval=0.5,
    )
    return app


async def _no_page(_request: Request, _error: Exception) -> Response:
    """Plain, and without a line in the log: an address that a stranger made up may be anything."""
    return Response(_NO_PAGE, status_code=404, media_type="text/html")


def _names(options: DashboardOptions) -> Iterable[str]:
    return (*options.allowed_hosts, *(() if options.host in ("0.0.0.0", "::") else (options.host,)))  # noqa: S104


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 (a place to listen, not to call)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UserProblem(
            f"{host}:{port} cannot be listened on: {error.strerror}", "--port", "choose another"
        ) from error
    listener.setblocking(False)
    return listener
