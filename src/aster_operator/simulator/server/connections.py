"""One WebSocket: its subscriptions, its limits, and writing to it without waiting (section 6.1)."""

import asyncio
from dataclasses import dataclass

from aster_operator.domain.clock import DAY_MS, MINUTE_MS, Clock
from aster_operator.simulator.server.frames import CLOSE, PING, PONG, Outgoing, frame
from aster_operator.simulator.server.frames import TEXT as TEXT_FRAME
from aster_operator.simulator.server.messages import encode_json
from aster_operator.simulator.server.subscriptions import MAX_STREAMS, ControlProtocol, Subscriptions

__all__ = ["GOING_AWAY", "POLICY_VIOLATION", "ConnectionStatistics", "SocketSettings", "StreamConnection"]

GOING_AWAY, POLICY_VIOLATION = 1001, 1008


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Bounds of a connection. Times in ms of the monotonic clock, sizes in bytes."""

    messages_per_second: int = 10
    ping_every_ms: int = 5 * MINUTE_MS
    drop_without_pong_ms: int = 15 * MINUTE_MS
    lifetime_ms: int = DAY_MS
    write_buffer_bytes: int = 8 * 1024 * 1024
    max_message_bytes: int = 64 * 1024
    max_streams: int = MAX_STREAMS


@dataclass(slots=True)
class ConnectionStatistics:
    """Counts since the start, shown by the control API."""

    opened: int = 0
    closed: int = 0
    frames_sent: int = 0
    dropped_slow: int = 0
    dropped_flooding: int = 0
    dropped_silent: int = 0
    dropped_old: int = 0


class StreamConnection:
    """The server's end of a socket. Frames go straight to the transport, in the order they are made."""

    def __init__(
        self,
        transport: asyncio.Transport,
        subscriptions: Subscriptions,
        settings: SocketSettings,
        statistics: ConnectionStatistics,
        clock: Clock,
        *,
        combined: bool,
    ) -> None:
        self._transport = transport
        self._subscriptions = subscriptions
        self._settings = settings
        self._statistics = statistics
        self._clock = clock
        self.control = ControlProtocol(subscriptions, self, combined, settings.max_streams)
        now_ns = clock.monotonic_ns()
        self._opened_ns = self._heard_ns = self._pinged_ns = now_ns
        self._second_ns = now_ns
        self._in_second = 0
        self._stalled: list[bytes] | None = None
        self._is_half_open = False
        statistics.opened += 1

    @property
    def streams(self) -> list[str]:
        """Names it is subscribed to."""
        return self._subscriptions.names_of(self)

    # --- writing ------------------------------------------------------------------------------------

    def deliver(self, message: Outgoing) -> None:
        """Send a stream payload, wrapped if this connection wants it so."""
        self.write(message.combined() if self.control.combined else message.raw())

    def write(self, data: bytes) -> None:
        """Write at once; a reader so slow that its buffer is full is cut off and counted."""
        transport = self._transport
        if transport.is_closing() or self._is_half_open:
            return
        if self._stalled is not None:
            self._stalled.append(data)
            return
        if transport.get_write_buffer_size() > self._settings.write_buffer_bytes:
            self._statistics.dropped_slow += 1
            transport.abort()
            return
        self._statistics.frames_sent += 1
        transport.write(data)

    def close(self, code: int, reason: str) -> None:
        """Send a close frame and close the transport after it."""
        if not self._transport.is_closing():
            self._transport.write(frame(CLOSE, code.to_bytes(2, "big") + reason.encode()))
            self._transport.close()

    def retire(self) -> None:
        """End it as after its 24 hours."""
        self._statistics.dropped_old += 1
        self.close(GOING_AWAY, "connection lifetime is over")

    def cut(self) -> None:
        """Break the TCP connection without a word."""
        self._transport.abort()

    def stall(self) -> None:
        """Hold everything back until `resume`; nothing is lost, everything is late."""
        if self._stalled is None:
            self._stalled = []

    def half_open(self) -> None:
        """Send and hear nothing any more while the TCP connection stays, until `resume`."""
        self._is_half_open = True

    def resume(self) -> None:
        """End a stall or a half-open state; what a stall held back is sent now."""
        held, self._stalled, self._is_half_open = self._stalled, None, False
        for data in held or ():
            self.write(data)

    def finished(self) -> None:
        """The socket is gone: forget its subscriptions."""
        self._statistics.closed += 1
        self._subscriptions.forget(self)

    # --- hearing ------------------------------------------------------------------------------------

    def on_text(self, text: bytes) -> None:
        """A control message. Too many in a second close the connection."""
        now_ns = self._clock.monotonic_ns()
        if self._is_half_open:
            return
        self._heard_ns = now_ns
        if now_ns - self._second_ns >= 1_000_000_000:
            self._second_ns, self._in_second = now_ns, 0
        self._in_second += 1
        if self._in_second > self._settings.messages_per_second:
            self._statistics.dropped_flooding += 1
            self.close(POLICY_VIOLATION, "Too many requests")
            return
        self.write(frame(TEXT_FRAME, encode_json(self.control.answer(text))))

    def on_ping(self, payload: bytes) -> None:
        """Answered at once with the same payload, after every frame written before."""
        self._heard_ns = self._clock.monotonic_ns()
        self.write(frame(PONG, payload))

    def on_pong(self) -> None:
        """Any pong counts as life: some clients answer with an empty one (section 6.1)."""
        self._heard_ns = self._clock.monotonic_ns()

    def keep_house(self) -> None:
        """Ping when it is time, drop the silent and the old."""
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._opened_ns >= self._settings.lifetime_ms * 1_000_000:
            self.retire()
        elif now_ns - self._heard_ns >= self._settings.drop_without_pong_ms * 1_000_000:
            self._statistics.dropped_silent += 1
            self.close(POLICY_VIOLATION, "Pong timeout")
        elif now_ns - self._pinged_ns >= self._settings.ping_every_ms * 1_000_000:
            self._pinged_ns = now_ns
            self.write(frame(PING, str(self._clock.now_ms()).encode()))
