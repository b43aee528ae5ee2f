"""How an exchange is set up, and the markets that come out of a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from aster_operator.market_data.history import MINUTE_MS, RecordedHistory
from aster_operator.market_data.ticks import BookTick, TickHistory, TradeTick, load_ticks
from aster_operator.simulator.book import QueueModel, pessimistic_queue
from aster_operator.simulator.contracts import (
    DEFAULT_MAKER_FEE_E8,
    DEFAULT_TAKER_FEE_E8,
    contract_for_prices,
)
from aster_operator.simulator.liquidity import DEPTH_LEVELS
from aster_operator.simulator.market_player import recorded_market, synthetic_market
from aster_operator.simulator.market_source import MarketSource
from aster_operator.simulator.model import ContractSpec
from aster_operator.simulator.tick_player import TickPlayer

__all__ = [
    "CALM_SUBSTEP_MS",
    "WATCHED_SUBSTEP_MS",
    "ExchangeOptions",
    "captured_sources",
    "recorded_sources",
    "synthetic_sources",
]

WATCHED_SUBSTEP_MS, CALM_SUBSTEP_MS = 1_000, 5_000
"""How often pairs see a recorded market: every second while an order waits in it, and else less often."""

# Enough prices to see the finest decimal a symbol uses.
_PRICES_FOR_TICK = 2_000

# (price, base volume of a minute, typical move of a minute in bps) a synthetic market starts from.
_SYNTHETIC = {
    "BTCUSDT": (60_000.0, 80.0, 5.0),
    "ETHUSDT": (2_500.0, 1_500.0, 6.0),
    "BNBUSDT": (600.0, 500.0, 6.0),
    "SOLUSDT": (150.0, 8_000.0, 8.0),
    "XRPUSDT": (2.0, 400_000.0, 8.0),
    "ASTERUSDT": (1.5, 100_000.0, 15.0),
    "DOGEUSDT": (0.2, 3_000_000.0, 10.0),
}
_SYNTHETIC_START_MS = 1_735_689_600_000


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """How the exchange is set up. Fees are fractions of notional times 10^8 (4 bps = 40_000)."""

    seed: int = 1
    substep_ms: int = 1000
    calm_substep_ms: int | None = None
    """Of recorded minutes, while no order waits in the market; None: the same."""
    start_ms: int | None = None
    levels: int = DEPTH_LEVELS
    """Prices shown on each side of a book that is played from minutes."""
    past_ms: int = 0
    """Kline history of synthetic markets."""
    maker_fee_e8: int = DEFAULT_MAKER_FEE_E8
    taker_fee_e8: int = DEFAULT_TAKER_FEE_E8
    insurance_endowment: Decimal = Decimal(100_000)
    queue_model: QueueModel = pessimistic_queue
    endless: bool = False
    """Recorded minutes are played to and fro for ever instead of ending."""
    with_spot: bool = False
    """A spot market beside each perpetual; it costs about half as much time again to play."""


def recorded_sources(
    history: RecordedHistory, options: ExchangeOptions, contracts: Mapping[str, ContractSpec]
) -> list[MarketSource]:
    """A market per recorded symbol, starting where all have begun or at `options.start_ms`.

    Symbols without an entry in `contracts` get their known specification, or one derived from the prices.
    """
    start_ms = history.start_ms if options.start_ms is None else options.start_ms
    sources: list[MarketSource] = []
    for symbol, minutes in history.symbols.items():
        spec = contracts.get(symbol) or _contract(symbol, minutes.close[:_PRICES_FOR_TICK], options)
        sources.append(
            recorded_market(
                spec,
                minutes,
                seed=options.seed,
                substep_ms=options.substep_ms,
                calm_substep_ms=options.calm_substep_ms,
                start_ms=start_ms,
                levels=options.levels,
                endless=options.endless,
            )
        )
    return sources


def synthetic_sources(symbols: Sequence[str], options: ExchangeOptions) -> list[MarketSource]:
    """Endless seeded markets that need no data, from 2025-01-01 UTC or the minute of `options.start_ms`.

    Their klines begin `options.past_ms` before that. Raises ValueError for a symbol nothing is known about.
    """
    start_ms = _SYNTHETIC_START_MS if options.start_ms is None else options.start_ms
    sources: list[MarketSource] = []
    for symbol in symbols:
        if symbol not in _SYNTHETIC:
            raise ValueError(f"{symbol}: no synthetic market; there are {', '.join(_SYNTHETIC)}")
        price, volume, volatility_bps = _SYNTHETIC[symbol]
        spec = _contract(symbol, [price], options)
        sources.append(
            synthetic_market(
                spec,
                seed=options.seed,
                start_ms=start_ms // MINUTE_MS * MINUTE_MS,
                start_ticks=round(price / float(spec.instrument.tick_size)),
                lots_per_minute=round(volume * float(spec.lots_per_unit)),
                volatility_bps=volatility_bps,
                substep_ms=options.substep_ms,
                past_minutes=options.past_ms // MINUTE_MS,
                levels=options.levels,
            )
        )
    return sources


def captured_sources(
    folder: Path, symbols: Sequence[str], options: ExchangeOptions, session: str | None = None
) -> list[MarketSource]:
    """Markets that play captured ticks from `folder`: a catalog that was recorded, or whichever of
    `agg_trades.parquet`, `book_top.parquet` and `depth10.parquet` are there. With `options.start_ms` they
    begin in the minute before it instead of at their own time. Raises HistoryError, CatalogError.
    """
    captures = [_captured(folder, symbol, session) for symbol in symbols]
    begins = [ticks.ticks[0].time_ms for ticks in captures if ticks.ticks]
    delay_ms = 0
    if options.start_ms is not None and begins:
        delay_ms = (options.start_ms - min(begins)) // MINUTE_MS * MINUTE_MS
    return [_played(ticks, options, delay_ms) for ticks in captures]


def _captured(folder: Path, symbol: str, session: str | None) -> TickHistory:
    # Only here, because they load polars and pyarrow, for which every session would wait at its start.
    from aster_operator.market_data.catalog.layout import is_catalog
    from aster_operator.market_data.catalog.replay_sources import catalog_ticks

    if is_catalog(folder):
        return catalog_ticks(folder, symbol)
    files = {
        name: folder / f"{stem}.parquet" if (folder / f"{stem}.parquet").is_file() else None
        for name, stem in (("trades", "agg_trades"), ("tops", "book_top"), ("depth", "depth10"))
    }
    return load_ticks(symbol, **files, session=session)


def _played(ticks: TickHistory, options: ExchangeOptions, delay_ms: int) -> TickPlayer:
    prices = [tick.price for tick in ticks.ticks if isinstance(tick, TradeTick)][:_PRICES_FOR_TICK]
    prices = prices or [tick.bids[0][0] for tick in ticks.ticks if isinstance(tick, BookTick)]
    spec = _contract(ticks.symbol, prices, options)
    return TickPlayer(spec, ticks, seed=options.seed, delay_ms=delay_ms)


def _contract(symbol: str, prices: Sequence[float], options: ExchangeOptions) -> ContractSpec:
    return contract_for_prices(
        symbol, prices, maker_fee_e8=options.maker_fee_e8, taker_fee_e8=options.taker_fee_e8
    )
