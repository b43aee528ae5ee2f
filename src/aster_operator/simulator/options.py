"""How an exchange is set up, and the markets that come out of a recording."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.book import QueueModel, pessimistic_queue
from aster_operator.simulator.contracts import (
    DEFAULT_MAKER_FEE_E8,
    DEFAULT_TAKER_FEE_E8,
    contract_for_prices,
)
from aster_operator.simulator.market_player import recorded_market
from aster_operator.simulator.market_source import MarketSource
from aster_operator.simulator.model import ContractSpec

__all__ = ["ExchangeOptions", "recorded_sources"]

# Enough prices to see the finest decimal a symbol uses.
_PRICES_FOR_TICK = 2_000


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """How the exchange is set up. Fees are fractions of notional times 10^8 (4 bps = 40_000)."""

    seed: int = 1
    substep_ms: int = 1000
    start_ms: int | None = None
    maker_fee_e8: int = DEFAULT_MAKER_FEE_E8
    taker_fee_e8: int = DEFAULT_TAKER_FEE_E8
    insurance_endowment: Decimal = Decimal(100_000)
    queue_model: QueueModel = pessimistic_queue
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
        spec = contracts.get(symbol) or contract_for_prices(
            symbol,
            minutes.close[:_PRICES_FOR_TICK],
            maker_fee_e8=options.maker_fee_e8,
            taker_fee_e8=options.taker_fee_e8,
        )
        sources.append(
            recorded_market(
                spec, minutes, seed=options.seed, substep_ms=options.substep_ms, start_ms=start_ms
            )
        )
    return sources
