"""What the market and the account did, minute by minute, as a session saw it."""

from collections import defaultdict
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.events import BarUpdated, Event, TimerFired
from aster_operator.domain.market import Bar, DepthSnapshot
from aster_operator.execution.core_state import CoreState
from aster_operator.monitoring.replica.buffers import Buffer, BufferSizes

__all__ = ["AccountSample", "MarketHistory", "SymbolSample"]


class SymbolSample(msgspec.Struct, frozen=True, array_like=True):
    """One symbol at one minute: spread in bps, funding rate (fraction an interval); None while unknown."""

    at_ms: int
    spread_bps: Decimal | None
    funding_rate: Decimal | None
    mark: Decimal | None


class AccountSample(msgspec.Struct, frozen=True, array_like=True):
    """The account at one minute, USD. Volume, fees and funding are sums of the session."""

    at_ms: int
    equity_usd: Decimal | None
    volume_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    realized_pnl_usd: Decimal


class MarketHistory:
    """Candles and samples by symbol, bounded."""

    def __init__(self, sizes: BufferSizes) -> None:
        self._sizes = sizes
        self.candles: dict[str, Buffer[Bar]] = defaultdict(lambda: Buffer(sizes.candles_per_symbol))
        self.samples: dict[str, Buffer[SymbolSample]] = defaultdict(lambda: Buffer(sizes.samples))
        self.account: Buffer[AccountSample] = Buffer(sizes.samples)
        self.depth: dict[str, DepthSnapshot] = {}
        """The newest order book of each symbol; noted beside the facts, since no decision rests on it."""
        self._sampled_minute = 0

    def on_event(self, event: Event, state: CoreState) -> None:
        """Take an event in that `state` knows of already."""
        match event:
            case BarUpdated():
                self._take_bar(event.bar)
            case TimerFired():
                self._sample(state)
            case _:
                pass

    def _take_bar(self, bar: Bar) -> None:
        candles = self.candles[bar.symbol]
        last = candles.last()
        if last is None or bar.open_ms > last.open_ms:
            candles.append(bar)
        elif bar.open_ms == last.open_ms and not last.is_closed:
            candles.replace_last(bar)

    def _sample(self, state: CoreState) -> None:
        """One sample of everything at the first tick of each minute."""
        minute = state.now_ms // MINUTE_MS
        if minute <= self._sampled_minute:
            return
        self._sampled_minute = minute
        portfolio = state.portfolio
        self.account.append(
            AccountSample(
                state.now_ms,
                state.equity_usd(),
                portfolio.volume,
                portfolio.fees,
                portfolio.funding,
                portfolio.realized_pnl,
            )
        )
        for symbol, view in state.market.symbols.items():
            self.samples[symbol].append(
                SymbolSample(
                    state.now_ms,
                    None if view.quote is None else view.quote.spread_bps,
                    None if view.mark is None else view.mark.funding_rate,
                    None if view.mark is None else view.mark.mark,
                )
            )
