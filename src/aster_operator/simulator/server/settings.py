"""What an exchange server can be told, and the clock it judges its clients by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.clock import MINUTE_MS, Clock
from aster_operator.simulator.server.auth import AuthSettings
from aster_operator.simulator.server.connections import SocketSettings
from aster_operator.simulator.server.rate_limits import SPOT_LIMITS, RateLimitSettings

__all__ = ["ExchangeServerError", "PortTakenError", "SecurityClock", "ServerSettings"]


SPOT_SOCKETS = SocketSettings(
    messages_per_second=5,
    ping_every_ms=3 * MINUTE_MS,
    drop_without_pong_ms=10 * MINUTE_MS,
    max_streams=1024,
)
"""Bounds of a spot socket (section 3)."""


class ExchangeServerError(Exception):
    """The server cannot do what it was asked; the text is one line that says what to do."""


class PortTakenError(ExchangeServerError):
    """A port to listen on belongs to somebody else."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"port {port} on {host} is taken: stop the program that uses it, or choose another port "
            "(0 picks a free one)"
        )
        self.port = port


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where to listen, how time runs, who has an account.

    `port` and `control_port` 0 pick free ports. `pace` is market time per wall time, `max` or `lockstep`.
    `deposits` is what each of the `account_count` demo accounts starts with. `security_skew_ms` moves the
    clock that timestamps and nonces are judged by away from the wall clock. A `control_token` of None is
    derived from the operating system's randomness. Every request waits `latency_ms`, and up to
    `latency_jitter_ms` more by the seed, before it is executed; both are wall time.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    control_token: str | None = field(default=None, repr=False)
    pace: str | float = 1.0
    seed: int = 1
    account_count: int = 3
    deposits: Mapping[str, Decimal] = field(default_factory=lambda: {"USDT": Decimal(10_000)})
    security_skew_ms: int = 0
    latency_ms: int = 0
    latency_jitter_ms: int = 0
    tls: bool = False
    auth: AuthSettings = field(default_factory=AuthSettings)
    limits: RateLimitSettings = field(default_factory=RateLimitSettings)
    spot_limits: RateLimitSettings = SPOT_LIMITS
    sockets: SocketSettings = field(default_factory=SocketSettings)
    spot_sockets: SocketSettings = SPOT_SOCKETS
    max_body_bytes: int = 1024 * 1024


class SecurityClock:
    """A clock with an offset that faults may change: what the server believes the time is."""

    def __init__(self, clock: Clock, skew_ms: int = 0) -> None:
        self._clock = clock
        self.skew_ms = skew_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self.skew_ms

    def now_us(self) -> int:
        return self._clock.now_us() + self.skew_ms * 1_000

    def now_ns(self) -> int:
        return self._clock.now_ns() + self.skew_ms * 1_000_000

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()
