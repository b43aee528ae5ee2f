"""The embedded exchange, started inside this process, as a venue for the operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, Clock
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.history import HistoryError, load_history
from aster_operator.market_data.redating import redated
from aster_operator.runtime.lockstep import next_stop_ms
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.liquidity import DEPTH_LEVELS
from aster_operator.simulator.options import captured_sources, synthetic_sources
from aster_operator.simulator.server.auth import AuthSettings
from aster_operator.simulator.server.serve import ExchangeServer, ServerSettings
from aster_operator.simulator.server.settings import ExchangeServerError

__all__ = [
    "EmbeddedVenue",
    "EmbeddedVenueOptions",
    "MarketKind",
    "ServerStepper",
    "VenueProblem",
    "embedded_exchange",
    "embedded_venue",
]

_SYNTHETIC_SYMBOLS = ("BTCUSDT", "ETHUSDT")
_MARKET_DATA = "market data"


class VenueProblem(UserProblem):
    """The embedded exchange cannot start as asked."""


class MarketKind(StrEnum):
    """What the embedded exchange plays."""

    RECORDED = "recorded"
    """Recorded minutes as a moving book."""
    SYNTHETIC = "synthetic"
    """Endless seeded markets that need no data."""
    TICKS = "ticks"
    """Captured books and trades, as they were."""


class EmbeddedVenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to play and how. Times in ms; `data` None plays the bundled sample; `duration_ms` None plays to
    the end of the data. Minutes before the start are known as klines (`warm_up_ms`, not for captured ticks).
    `as_of_ms` moves what is played to that market time; None leaves it its own.

    Captured ticks need `data` (a catalog, or the folder of the captures) and `symbols`; `capture_session`
    picks one of the recordings in a folder, None plays all. A synthetic market takes no data and lists
    BTCUSDT and ETHUSDT unless `symbols` says otherwise."""

    symbols: tuple[str, ...] | None
    market: MarketKind = MarketKind.RECORDED
    capture_session: str | None = None
    data: Path | None = None
    seed: int = 1
    substep_ms: int = 5_000
    calm_substep_ms: int | None = None
    levels: int = DEPTH_LEVELS
    """Prices shown on each side of the book, not for captured ticks."""
    warm_up_ms: int = 0
    as_of_ms: int | None = None
    endless: bool = False
    """Recorded minutes do not end: they are played to and fro."""
    duration_ms: int | None = None
    pace: str | float = "lockstep"
    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    deposit_usdt: Decimal = Decimal(10_000)
    tls: bool = False
    with_spot: bool = False
    """A spot market beside each perpetual."""
    latency_ms: int = 0
    latency_jitter_ms: int = 0
    legacy_v3: bool = False
    """Requests wait `latency_ms` and up to `latency_jitter_ms` more; the retired V3 signatures are taken."""
    chain_id: int = 1666
    """Of V3 signatures: 1666 is that of mainnet, 714 that of the testnet."""


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

    async def step(self, until_ms: int | None = None, *, beyond_end: bool = False) -> bool:
        stop_ms = next_stop_ms(self._server.next_step_ms(), until_ms, beyond_end=beyond_end)
        if stop_ms is None:
            return False
        self._server.step_to(stop_ms)
        return True


@asynccontextmanager
async def embedded_venue(options: EmbeddedVenueOptions, clock: Clock) -> AsyncIterator[EmbeddedVenue]:
    """Start the exchange and end it with the block.

    Raises VenueProblem for data that cannot be played and for a port in use.
    """
    try:
        async with _started(options, clock) as venue:
            yield venue
    except (HistoryError, CatalogError, ExchangeServerError) as error:
        raise VenueProblem(str(error)) from error


@asynccontextmanager
async def _started(options: EmbeddedVenueOptions, clock: Clock) -> AsyncIterator[EmbeddedVenue]:
    exchange = embedded_exchange(options)
    if options.as_of_ms is not None:
        # Playing the running minute takes time too: market time and the wall clock begin together.
        exchange.advance_to(options.as_of_ms)
        while (now_ms := clock.now_ms()) > exchange.now_ms:
            exchange.advance_to(now_ms)
    start_ms = exchange.now_ms
    end_ms = _end_ms(options, start_ms, exchange.end_ms)
    settings = ServerSettings(
        host=options.host,
        port=options.port,
        control_port=options.control_port,
        pace=options.pace,
        seed=options.seed,
        deposits={"USDT": options.deposit_usdt},
        tls=options.tls,
        auth=AuthSettings(chain_id=options.chain_id, legacy_v3=options.legacy_v3),
        latency_ms=options.latency_ms,
        latency_jitter_ms=options.latency_jitter_ms,
    )
    async with ExchangeServer(settings, exchange=exchange, clock=clock) as server:
        yield EmbeddedVenue(server, start_ms, end_ms)


def embedded_exchange(options: EmbeddedVenueOptions) -> SimulatedExchange:
    """The exchange alone, without its server.

    Raises HistoryError, CatalogError, and VenueProblem for options that do not go together.
    """
    chosen = ExchangeOptions(
        seed=options.seed,
        substep_ms=options.substep_ms,
        calm_substep_ms=options.calm_substep_ms,
        with_spot=options.with_spot,
        start_ms=options.as_of_ms,
        past_ms=options.warm_up_ms,
        levels=options.levels,
        endless=options.endless,
    )
    if options.capture_session is not None and options.market is not MarketKind.TICKS:
        raise VenueProblem(
            "only captured ticks have sessions", "--session", "leave it out, or add --market ticks"
        )
    if options.market is MarketKind.RECORDED:
        return _recorded(options, chosen)
    try:
        if options.market is MarketKind.SYNTHETIC:
            sources = synthetic_sources(_without_data(options), chosen)
        else:
            sources = captured_sources(*_captures(options), chosen, options.capture_session)
        return SimulatedExchange(sources, chosen)
    except HistoryError:
        raise
    except ValueError as error:
        raise VenueProblem(str(error), _MARKET_DATA, "choose others with --symbols") from error


def _recorded(options: EmbeddedVenueOptions, chosen: ExchangeOptions) -> SimulatedExchange:
    history = load_history(options.data, options.symbols)
    if options.as_of_ms is not None:
        now_ms = options.as_of_ms // MINUTE_MS * MINUTE_MS
        return SimulatedExchange.from_history(
            redated(history, now_ms, options.warm_up_ms), replace(chosen, start_ms=now_ms)
        )
    start_ms = min(history.start_ms + options.warm_up_ms, history.end_ms)
    return SimulatedExchange.from_history(history, replace(chosen, start_ms=start_ms))


def _without_data(options: EmbeddedVenueOptions) -> tuple[str, ...]:
    """The symbols of a synthetic market."""
    if options.data is not None:
        raise VenueProblem("a synthetic market plays no data", str(options.data), "leave --data out")
    return options.symbols or _SYNTHETIC_SYMBOLS


def _captures(options: EmbeddedVenueOptions) -> tuple[Path, tuple[str, ...]]:
    """(folder, symbols) of captured ticks."""
    if options.data is None or not options.data.is_dir():
        raise VenueProblem(
            "captured ticks are played from a catalog, or from book_top, depth10 and agg_trades files",
            "--data" if options.data is None else str(options.data),
            "name the folder with --data",
        )
    if not options.symbols:
        raise VenueProblem("captured ticks need symbols", "--symbols", "name some that were captured")
    return options.data, options.symbols


def _end_ms(options: EmbeddedVenueOptions, start_ms: int, data_end_ms: int | None) -> int | None:
    """Where playing ends, None for never. Raises VenueProblem when the data end before that."""
    if options.duration_ms is None:
        return data_end_ms
    end_ms = start_ms + options.duration_ms
    if data_end_ms is not None and end_ms > data_end_ms:
        raise VenueProblem(
            f"the data end {(data_end_ms - start_ms) / HOUR_MS:.1f} h after the start, "
            f"{options.duration_ms / HOUR_MS:.1f} h were asked for",
            _MARKET_DATA,
            "ask for less, or give more with --data",
        )
    return end_ms
