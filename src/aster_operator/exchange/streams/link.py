"""A connection that stays: reconnects with backoff, notices silence, changes over before the 24-hour cut.

During a change-over two connections deliver the same messages. Each message is let through once: the n-th
occurrence of a content on one connection is the n-th on the other, whatever the order of its members and the
time (`E`) at which each connection sent it.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.exchange.errors import ExchangeError, TransportFailed
from aster_operator.exchange.streams.socket import Receiver, SocketClosed, StreamSocket

__all__ = ["LinkSettings", "LinkStatistics", "StreamLink"]


class LinkSettings(NamedTuple):
    """Timing of a connection, in seconds.

    `silence_s`: after this long without any frame the venue is pinged; without an answer in
    `pong_timeout_s` the connection is given up. `idle_s`: a connection that answers pings but brings
    nothing for this long, though streams with a beat of their own run over it, is renewed. `max_age_s` is
    below the venue's 24 hours. Waits between attempts double from `backoff_initial_s` to `backoff_max_s`
    until a connection has held for `stable_s`.
    """

    silence_s: float = 10.0
    pong_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    backoff_initial_s: float = 0.25
    backoff_max_s: float = 30.0
    stable_s: float = 30.0
    max_age_s: float = 23 * 3600.0
    overlap_s: float = 2.0
    changeover_retry_s: float = 60.0
    fence_timeout_s: float = 30.0
    idle_s: float = 60.0


class LinkStatistics:
    """What happened to a link since it was opened."""

    __slots__ = ("changeovers", "connects", "duplicates", "losses")

    def __init__(self) -> None:
        self.connects = 0
        self.losses = 0
        self.changeovers = 0
        self.duplicates = 0


class StreamLink:
    """Keeps one stream of messages alive.

    `address` makes the URL anew for each connection (a listen key may have changed), `receive` gets each
    message once, `on_connected` is awaited with each new connection before it counts as healthy (it
    subscribes), `on_status` hears (healthy, detail) whenever health changes. `is_beating` says whether the
    venue owes a message every few seconds, so that a long pause is a fault and no quiet market.
    """

    def __init__(
        self,
        *,
        address: Callable[[], Awaitable[str]],
        receive: Receiver,
        on_connected: Callable[[StreamSocket], Awaitable[None]],
        on_status: Callable[[bool, str], None],
        clock: Clock,
        settings: LinkSettings,
        ssl_context: ssl.SSLContext | None = None,
        is_beating: Callable[[], bool] = lambda: False,
    ) -> None:
        self._address = address
        self._is_beating = is_beating
        self._receive = receive
        self._on_connected = on_connected
        self._on_status = on_status
        self._clock = clock
        self._settings = settings
        self._ssl_context = ssl_context
        self._socket: StreamSocket | None = None
        self._healthy = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._renew = asyncio.Event()
        self._age_s = settings.max_age_s
        self._young: StreamSocket | None = None
        self._backoff_s = settings.backoff_initial_s
        self._calm: asyncio.TimerHandle | None = None
        self._jitter = random.Random()  # noqa: S311 - spreads reconnects, guards nothing
        self.statistics = LinkStatistics()

    async def open(self) -> None:
        """Connect for the first time; raises TransportFailed or a refusal when that fails."""
        self._socket = await self._connect(self._receive)
        self._healthy.set()
        self._runner = asyncio.create_task(self._run(), name="stream-link")

    @property
    def is_healthy(self) -> bool:
        return self._healthy.is_set()

    @property
    def socket(self) -> StreamSocket | None:
        """The connection that delivers now; None while there is none."""
        return self._socket if self._healthy.is_set() else None

    @property
    def sockets(self) -> tuple[StreamSocket, ...]:
        """The connections that deliver now: none, one, or during a change-over two."""
        present = (self.socket, self._young)
        return tuple(dict.fromkeys(socket for socket in present if socket is not None and socket.is_open))

    @property
    def task(self) -> "asyncio.Task[None] | None":
        """The task that keeps the link alive; it ends with the error of a consumer that failed."""
        return self._runner

    def renew(self) -> None:
        """Drop the present connection and make a new one: it can no longer deliver."""
        self._renew.set()

    async def fence(self) -> None:
        """Return when everything the venue had sent before has been delivered.

        Raises TransportFailed when the link stays down longer than `fence_timeout_s`, and what a consumer
        raised when that ended the link.
        """
        try:
            async with asyncio.timeout(self._settings.fence_timeout_s):
                while True:
                    socket = self.socket
                    if socket is None:
                        await self._until_healthy()
                        continue
                    try:
                        await socket.fence(self._settings.fence_timeout_s)
                    except SocketClosed:
                        # The loss has been announced; what comes next comes over the next connection.
                        self._healthy.clear()
                        continue
                    return
        except TimeoutError:
            cause = f"the stream stayed down for {self._settings.fence_timeout_s:g} s"
            raise TransportFailed("stream", cause, may_have_arrived=False) from None

    async def _until_healthy(self) -> None:
        runner = self._runner
        if runner is None:
            raise TransportFailed("stream", "it is closed", may_have_arrived=False)
        waiter = asyncio.ensure_future(self._healthy.wait())
        try:
            await asyncio.wait({waiter, runner}, return_when=asyncio.FIRST_COMPLETED)
            if runner.done():
                await runner
                raise TransportFailed("stream", "it is closed", may_have_arrived=False)
        finally:
            waiter.cancel()

    async def close(self) -> None:
        """End the link. Raises what a consumer raised, if that had ended it."""
        runner = self._runner
        if runner is None:
            return
        self._runner = None
        if not runner.done():
            runner.cancel()
        try:
            await runner
        except asyncio.CancelledError:
            pass
        finally:
            if self._calm is not None:
                self._calm.cancel()
            for socket in (self._socket, self._young):
                if socket is not None:
                    await socket.close()

    # --- life of the link ------------------------------------------------------------------------------

    async def _connect(self, receive: Receiver) -> StreamSocket:
        url = await self._address()
        socket = await StreamSocket.connect(
            url,
            receive,
            self._clock.now_ns,
            ssl_context=self._ssl_context,
            timeout_s=self._settings.connect_timeout_s,
        )
        self.statistics.connects += 1
        try:
            await self._on_connected(socket)
        except BaseException:
            socket.abort()
            raise
        return socket

    def _filtered(self, overlap: "_Overlap", is_old: bool) -> Receiver:
        """A receiver that lets each message of an overlap through once."""
        deliver = self._receive
        statistics = self.statistics

        def receive(payload: memoryview, received_ns: int) -> None:
            if overlap.is_first(is_old, payload):
                deliver(payload, received_ns)
            else:
                statistics.duplicates += 1

        return receive

    async def _run(self) -> None:
        try:
            while True:
                assert self._socket is not None  # noqa: S101 - open() made it
                detail = await self._watch(self._socket)
                if detail is not None:
                    await self._recover(detail)
        except Exception as error:
            # A consumer failed: nothing is delivered any more, and `fence` and `close` raise this.
            self._healthy.clear()
            self._on_status(False, f"stopped by its consumer: {type(error).__name__}")
            raise

    async def _recover(self, detail: str) -> None:
        self.statistics.losses += 1
        if self._calm is not None:
            self._calm.cancel()
        self._healthy.clear()
        self._on_status(False, detail)
        self._socket = await self._reconnect()
        self._age_s = self._settings.max_age_s
        self._calm = asyncio.get_running_loop().call_later(self._settings.stable_s, self._calm_down)
        self._healthy.set()
        self._on_status(True, "reconnected")

    def _calm_down(self) -> None:
        self._backoff_s = self._settings.backoff_initial_s

    async def _watch(self, socket: StreamSocket) -> str | None:
        """Return how the connection was lost, or None when the one to watch may have changed."""
        closed = asyncio.ensure_future(socket.wait_closed())
        silence = asyncio.ensure_future(self._until_silent(socket))
        renewal = asyncio.ensure_future(self._renew.wait())
        age = asyncio.ensure_future(asyncio.sleep(self._age_s))
        tasks: set[asyncio.Future[Any]] = {closed, silence, renewal, age}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                return closed.result()
            if renewal.done():
                self._renew.clear()
                socket.abort()
                return "the connection had to be renewed"
            if silence.done():
                socket.abort()
                return silence.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self._change_over(socket)
        return None

    async def _until_silent(self, socket: StreamSocket) -> str:
        """Return how the connection fell silent, in words: no answer to a ping, or nothing but answers."""
        seen = -1
        idle_s = 0.0
        while True:
            if socket.reads == seen:
                try:
                    await socket.fence(self._settings.pong_timeout_s)
                except TransportFailed:
                    if socket.reads == seen:
                        return f"silent: no frame and no pong for {self._settings.silence_s:g} s"
                idle_s += self._settings.silence_s
                if idle_s >= self._settings.idle_s and self._is_beating():
                    return f"idle: pings are answered, but nothing came for {idle_s:g} s"
            else:
                idle_s = 0.0
            seen = socket.reads
            await asyncio.sleep(self._settings.silence_s)

    async def _change_over(self, old: StreamSocket) -> None:
        """Open a second connection, let both deliver for a while, drop the first.

        What the old one had first is dropped from the young one and the other way round, so that no event
        is lost and none is delivered twice.
        """
        overlap = _Overlap()
        old.set_receiver(self._filtered(overlap, is_old=True))
        try:
            young = await self._connect(self._filtered(overlap, is_old=False))
        except ExchangeError:
            # The old one still works: try again soon, well before the venue cuts it.
            self._age_s = self._settings.changeover_retry_s
            old.set_receiver(self._receive)
            return
        self._young = young
        await asyncio.sleep(self._settings.overlap_s)
        self._socket, self._young = young, None
        self._age_s = self._settings.max_age_s
        await old.close()
        # The young one may still bring what the old one had already delivered.
        await asyncio.sleep(self._settings.overlap_s)
        young.set_receiver(self._receive)
        self.statistics.changeovers += 1

    async def _reconnect(self) -> StreamSocket:
        while True:
            # The wait also grows over connections that are made and at once lost again: venues ban
            # addresses that connect too often (section 3).
            delay_s = self._backoff_s
            self._backoff_s = min(delay_s * 2, self._settings.backoff_max_s)
            await asyncio.sleep(delay_s * self._jitter.uniform(0.5, 1.0))
            try:
                return await self._connect(self._receive)
            except ExchangeError as error:
                self._on_status(False, f"not reconnected yet: {error}")


class _Overlap:
    """Counts the contents of two connections so that each is delivered once, whoever brings it first."""

    def __init__(self) -> None:
        self._ahead: dict[bool, Counter[bytes]] = {True: Counter(), False: Counter()}

    def is_first(self, is_old: bool, payload: memoryview) -> bool:
        content = _content_of(payload)
        other = self._ahead[not is_old]
        if other[content] > 0:
            other[content] -= 1
            if other[content] == 0:
                del other[content]
            return False
        self._ahead[is_old][content] += 1
        return True


def _content_of(payload: memoryview) -> bytes:
    """What two connections that tell the same event agree on; garbage as it is."""
    try:
        message = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(payload)
    data = message.get("data", message) if isinstance(message, dict) else message
    for event in data if isinstance(data, list) else [data]:
        if isinstance(event, dict):
            event.pop("E", None)
    return msgspec.json.encode(message, order="sorted")
