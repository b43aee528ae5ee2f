"""The live picture on a terminal, and what Ctrl-C means while it is up."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import Notify
from aster_operator.execution.core import TradingCore
from aster_operator.monitoring.live_view import LiveView

__all__ = ["LiveScreen", "interrupts"]

_REDRAW_NS = 125_000_000
_LINE_NS = 5_000_000_000


class LiveScreen:
    """Redraws the session at most eight times a second; without a terminal, one line every five seconds."""

    def __init__(self, console: Console, clock: Clock, title: str) -> None:
        self._console = console
        self._clock = clock
        self._title = title
        self._view: LiveView | None = None
        self._live = Live(console=console, auto_refresh=False, screen=console.is_terminal)
        self._drawn_ns = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def watch(self, core: TradingCore, start_ms: int, end_ms: int | None) -> None:
        """Show `core` from now on."""
        self._view = LiveView(core, start_ms, end_ms, self._title)

    def notice(self, notice: Notify) -> None:
        """Take a message of the session."""
        if self._view is not None:
            self._view.notice(notice)

    def line(self) -> str | None:
        """The picture in one line; None while there is none."""
        return None if self._view is None else self._view.line()

    def refresh(self) -> None:
        """Draw anew if it is time to."""
        if self._view is None:
            return
        now_ns = self._clock.monotonic_ns()
        if self._console.is_terminal:
            if now_ns - self._drawn_ns >= _REDRAW_NS:
                self._drawn_ns = now_ns
                self._live.update(self._view.render(), refresh=True)
        elif now_ns - self._drawn_ns >= _LINE_NS:
            self._drawn_ns = now_ns
            self._console.print(self._view.line(), highlight=False, soft_wrap=True)


@contextmanager
def interrupts(on_first: Callable[[], None]) -> Iterator[None]:
    """First Ctrl-C or SIGTERM calls `on_first`; the second ends the program at once.

    Must be entered inside a running event loop on the main thread.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    count = 0

    def interrupted() -> None:
        nonlocal count
        count += 1
        if count == 1:
            on_first()
        elif task is not None:
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    except asyncio.CancelledError:
        if count > 1:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
