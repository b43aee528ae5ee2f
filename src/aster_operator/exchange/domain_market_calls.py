"""The market half of the `ExchangeClient` protocol: instruments, prices, bars and time in domain values."""

from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar, DepthSnapshot, MarkPrice, Quote
from aster_operator.exchange import parse
from aster_operator.exchange.calls.market import MarketCalls, only
from aster_operator.exchange.client_protocol import ClockOffset
from aster_operator.exchange.environment import Environment
from aster_operator.exchange.errors import MalformedResponse

__all__ = ["DomainMarketCalls"]


class DomainMarketCalls(MarketCalls):
    """The market in domain values. Errors as in the calls underneath."""

    async def instruments(self) -> dict[str, Instrument]:
        """Return all perpetuals by symbol and take over the limits the venue publishes.

        Raises MalformedResponse that names symbol and filter when one is missing. Weight 1. Section 5.1.
        """
        info = await self.exchange_info()
        for limit in info.rate_limits:
            if limit.interval == "MINUTE" and limit.interval_num == 1:
                weight = limit.limit if limit.rate_limit_type == "REQUEST_WEIGHT" else None
                orders = limit.limit if limit.rate_limit_type == "ORDERS" else None
                self._rest.limiter.configure(weight, orders)
            elif limit.interval == "SECOND" and limit.rate_limit_type == "ORDERS" and limit.limit > 0:
                self._rest.limiter.configure_burst(limit.limit, 1000 * limit.interval_num)
        parsed = (parse.instrument(record, "GET exchangeInfo") for record in info.symbols)
        return {found.symbol: found for found in parsed if found is not None}

    async def quote(self, symbol: str) -> Quote:
        """Return best bid and ask.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.1.
        """
        record = only(await self.book_ticker(symbol), symbol, "GET ticker/bookTicker")
        return parse.quote(record, self._rest.clock.now_ns(), "GET ticker/bookTicker")

    async def mark_price(self, symbol: str) -> MarkPrice:
        """Return mark price, index price and coming funding.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.1.
        """
        record = only(await self.premium_index(symbol), symbol, "GET premiumIndex")
        return parse.mark_price(record, self._rest.clock.now_ns(), "GET premiumIndex")

    async def bars(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Bar]:
        """Return klines as bars, oldest first; the newest may be running.

        `symbol` as the venue lists it. `interval` is one of KLINE_INTERVALS. `start_ms` and `end_ms` bound
        the time (ms UTC, both included). `limit` rows at most. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight by limit. Section 4.1.
        """
        # Asked before the bars, so that one that ends in between still counts as running.
        now_ms = await self.market_time_ms()
        records = await self.klines(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit)
        return [parse.bar(symbol, interval, record, now_ms, "GET klines") for record in records]

    async def depth_snapshot(self, symbol: str, limit: int | None = None) -> DepthSnapshot:
        """Return the order book, best first.

        `symbol` as the venue lists it. `limit` rows at most. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 2 to 20 by limit. Section 4.1.
        """
        record = await self.depth(symbol, limit)
        return parse.depth_snapshot(symbol, record, self._rest.clock.now_ns(), "GET depth")

    async def market_time_ms(self) -> int:
        """Return the venue's market time: its clock, or on the embedded exchange the time being played.

        The embedded exchange may play another year at another speed, while requests are stamped with wall
        time; there this costs a request of weight 1. Raises RequestRefused, TransportFailed,
        MalformedResponse. Section 4.1.
        """
        if self._rest.venue.environment is not Environment.SIM:
            return self._rest.venue_clock.now_ms()
        marks = await self.premium_index()
        if not marks:
            raise MalformedResponse("GET premiumIndex", "", "lists no symbol, so that market time is unknown")
        return max(mark.time for mark in marks)

    async def measure_clock(self, samples: int = 5) -> ClockOffset:
        """Measure the offset of the venue's clock and use it for all later stamps and nonces.

        `samples` is how often it asks. Raises ValueError for less than one sample. Weight 1 a sample.
        Sections 2.1 and 2.2.
        """
        return await self._rest.venue_clock.measure(self.server_time, samples)
