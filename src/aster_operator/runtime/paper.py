"""Paper trading: live public data, orders matched here.

Every live book, trade and mark price is pushed into an embedded exchange in this process, which then moves
to the time of the event; orders, account, fees and funding are the embedded exchange's. Nothing is sent to
the venue but requests for public data.
"""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Self

from aster_operator.domain.clock import Clock
from aster_operator.domain.events import DepthUpdated, FeedStatusChanged, MarkUpdated, TradePrinted
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar, BookLevel
from aster_operator.exchange.client_protocol import (
    ClockOffset,
    EventStream,
    ExchangeClient,
    MarketChannel,
    StreamEvent,
)
from aster_operator.runtime.venue_setup import choose_instruments
from aster_operator.simulator.contracts import contract_of
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.fed_market import FedMarket
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.model import ATOMS, ContractSpec

__all__ = ["PaperClient"]

_ACCOUNT = "paper"


class PaperClient(InProcessClient):
    """An `ExchangeClient` on paper money. Made by `open`; `close` ends the live stream too."""

    def __init__(
        self, live: ExchangeClient, exchange: SimulatedExchange, markets: dict[str, FedMarket], clock: Clock
    ) -> None:
        super().__init__(exchange, _ACCOUNT, clock)
        self._live = live
        self._paper = exchange
        self._markets = markets
        self._stream: EventStream | None = None
        self._listener: Callable[[StreamEvent], None] | None = None
        self._shows_depth = False

    @classmethod
    async def open(cls, live: ExchangeClient, symbols: Sequence[str], deposit: Decimal, clock: Clock) -> Self:
        """Read the live markets of `symbols`, open an account with `deposit` USDT, follow the streams.

        `live` needs no keys; it belongs to the paper client from here on. Raises ExchangeError when the venue
        cannot be reached, SetupProblem for a symbol it does not list.
        """
        chosen = choose_instruments(await live.instruments(), symbols)
        markets = {symbol: await _fed_market(live, instrument) for symbol, instrument in chosen.items()}
        exchange = SimulatedExchange(markets.values(), ExchangeOptions())
        exchange.create_account(_ACCOUNT, {"USDT": deposit})
        client = cls(live, exchange, markets, clock)
        client._catch_up()
        channels = [
            MarketChannel(symbol=symbol, quotes=False, bars=False, trades=True, depth=True)
            for symbol in markets
        ]
        client._stream = await live.open_market_stream(channels, client._on_live)
        return client

    async def measure_clock(self, samples: int = 5) -> ClockOffset:
        return await self._live.measure_clock(samples)

    async def instruments(self) -> dict[str, Instrument]:
        """Everything the venue lists: those that are not followed here are refused when traded."""
        return await self._live.instruments()

    async def bars(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Bar]:
        """The live venue's: the paper exchange began with this session."""
        return await self._live.bars(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit)

    async def open_market_stream(
        self, channels: Sequence[MarketChannel], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        self._listener = on_event
        self._shows_depth = any(channel.depth for channel in channels)
        return await super().open_market_stream(channels, on_event)

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.close()
            self._stream = None
        await self._live.close()

    # --- from the live market to the paper exchange ---------------------------------------------------

    def _on_live(self, event: StreamEvent) -> None:
        match event:
            case DepthUpdated():
                market = self._markets[event.depth.symbol]
                _push_book(market, event.event_ms, event.depth.bids, event.depth.asks)
                if self._shows_depth and self._listener is not None:
                    self._listener(event)
            case TradePrinted():
                trade = event.trade
                spec = self._markets[trade.symbol].spec
                lots = max(1, _nearest(trade.quantity, spec.instrument.lot.step))
                ticks = _nearest(trade.price, spec.instrument.tick_size)
                self._markets[trade.symbol].push_trade(event.event_ms, trade.taker_side, lots, ticks)
            case MarkUpdated():
                mark = event.mark
                self._markets[mark.symbol].push_mark(
                    event.event_ms,
                    int(mark.mark * ATOMS),
                    int(mark.index * ATOMS),
                    int(mark.funding_rate * ATOMS),
                    mark.next_funding_ms,
                )
            case FeedStatusChanged():
                if self._listener is not None:
                    self._listener(event)
                return
            case _:
                return
        self._catch_up()

    def _catch_up(self) -> None:
        """Play everything that has been pushed."""
        while (next_ms := self._paper.next_step_ms()) is not None and any(
            market.next_ms() is not None for market in self._markets.values()
        ):
            self._paper.advance_to(max(next_ms, self._paper.now_ms))


async def _fed_market(live: ExchangeClient, instrument: Instrument) -> FedMarket:
    """A market that already shows the present quote and mark."""
    quote, mark = await live.quote(instrument.symbol), await live.mark_price(instrument.symbol)
    spec = contract_of(instrument)
    market = FedMarket(spec, _nearest(mark.index, instrument.tick_size))
    _push_book(
        market,
        quote.event_ms,
        (BookLevel(quote.bid, quote.bid_quantity),),
        (BookLevel(quote.ask, quote.ask_quantity),),
    )
    market.push_mark(
        quote.event_ms,
        int(mark.mark * ATOMS),
        int(mark.index * ATOMS),
        int(mark.funding_rate * ATOMS),
        mark.next_funding_ms,
    )
    return market


def _push_book(market: FedMarket, time_ms: int, bids: Sequence[BookLevel], asks: Sequence[BookLevel]) -> None:
    market.push_book(time_ms, _ladder(market.spec, bids), _ladder(market.spec, asks))


def _ladder(spec: ContractSpec, levels: Sequence[BookLevel]) -> dict[int, int]:
    tick, step = spec.instrument.tick_size, spec.instrument.lot.step
    return {_nearest(level.price, tick): max(1, _nearest(level.quantity, step)) for level in levels}


def _nearest(value: Decimal, step: Decimal) -> int:
    return int((value / step).to_integral_value(rounding=ROUND_HALF_EVEN))
