"""The embedded exchange, started inside this process, as a venue for the operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import HOUR_MS, Clock
from aster_operator.market_data.history import HistoryError, load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server.serve import ExchangeServer, ServerSettings
from aster_operator.simulator.server.settings import ExchangeServerError

__all__ = ["EmbeddedVenue", "EmbeddedVenueOptions", "ServerStepper", "VenueProblem", "embedded_venue"]


class VenueProblem(UserProblem):
    """The embedded exchange cannot start as asked."""


class EmbeddedVenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to play and how. Times in ms; `data` None plays the bundled sample; `duration_ms` None plays to
    the end of the data. Minutes before the start are known as klines."""

    symbols: tuple[str, ...] | None
    data: Path | None = None
    seed: int = 1
    substep_ms: int = 5_000
    warm_up_ms: int = 0
    duration_ms: int | None = None
    pace: str | float = "lockstep"
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    deposit_usdt: Decimal = Decimal(10_000)
    tls: bool = False
    with_spot: bool = False
    """A spot market beside each perpetual."""


class EmbeddedVenue(msgspec.Struct, frozen=True):
    """A running exchange; `start_ms` and `end_ms` bound what will be played."""

    server: ExchangeServer
    start_ms: int
    end_ms: int | None


class ServerStepper:
    """Moves a lock-step exchange from one happening to the next, no further than `end_ms`."""

    def __init__(self, venue: EmbeddedVenue) -> None:
        self._server = venue.server

    @property
    def now_ms(self) -> int:
        return self._server.exchange.now_ms

    async def step(self) -> bool:
        next_ms = self._server.next_step_ms()
        if next_ms is None:
            return False
        self._server.step_to(next_ms)
        return True


@asynccontextmanager
async def embedded_venue(options: EmbeddedVenueOptions, clock: Clock) -> AsyncIterator[EmbeddedVenue]:
    """Start the exchange and end it with the block.

    Raises VenueProblem for data that cannot be played and for a port in use.
    """
    try:
        async with _started(options, clock) as venue:
            yield venue
    except (HistoryError, ExchangeServerError) as error:
        raise VenueProblem(str(error)) from error


@asynccontextmanager
async def _started(options: EmbeddedVenueOptions, clock: Clock) -> AsyncIterator[EmbeddedVenue]:
    history = load_history(options.data, options.symbols)
    start_ms = min(history.start_ms + options.warm_up_ms, history.end_ms)
    end_ms = history.end_ms if options.duration_ms is None else start_ms + options.duration_ms
    if end_ms > history.end_ms:
        raise VenueProblem(
            f"the data end {(history.end_ms - start_ms) / HOUR_MS:.1f} h after the start, "
            f"{(end_ms - start_ms) / HOUR_MS:.1f} h were asked for",
            "market data",
            "ask for less, or give more with --data",
        )
    exchange = SimulatedExchange.from_history(
        history,
        ExchangeOptions(
            seed=options.seed, substep_ms=options.substep_ms, start_ms=start_ms, with_spot=options.with_spot
        ),
    )
    settings = ServerSettings(
        host=options.host,
        port=options.port,
        control_port=options.control_port,
        pace=options.pace,
        seed=options.seed,
        deposits={"USDT": options.deposit_usdt},
        tls=options.tls,
    )
    async with ExchangeServer(settings, exchange=exchange, clock=clock) as server:
        yield EmbeddedVenue(server, start_ms, end_ms)
