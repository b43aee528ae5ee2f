"""Market data (protocol reference, section 4.1). All of it is public on V3.

Every call raises RequestRefused or a subclass for a refusal, TransportFailed when no answer came after all
attempts, MalformedResponse for an answer that cannot be read; reads are repeated with backoff.
"""

from typing import Final, TypeVar

from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.errors import MalformedResponse
from aster_operator.exchange.signing.parameters import Parameters
from aster_operator.exchange.wire.market import (
    AggregateTradeRecord,
    AssetLogoRecord,
    BookTickerRecord,
    DepthRecord,
    ExchangeInfoRecord,
    FundingInfoRecord,
    FundingRateRecord,
    IndexReferencesRecord,
    KlineRecord,
    PremiumIndexRecord,
    PriceTickerRecord,
    PublicTradeRecord,
    ServerTimeRecord,
    TickerRecord,
)

__all__ = ["KLINE_INTERVALS", "MarketCalls", "depth_weight", "kline_weight", "only"]

T = TypeVar("T")

_PUBLIC = Security.NONE
PING: Final = read("ping", _PUBLIC)
TIME: Final = read("time", _PUBLIC)
EXCHANGE_INFO: Final = read("exchangeInfo", _PUBLIC)
DEPTH: Final = read("depth", _PUBLIC, 10)
TRADES: Final = read("trades", _PUBLIC)
HISTORICAL_TRADES: Final = read("historicalTrades", Security.MARKET_DATA, 20)
AGGREGATE_TRADES: Final = read("aggTrades", _PUBLIC, 20)
KLINES: Final = read("klines", _PUBLIC, 5)
INDEX_PRICE_KLINES: Final = read("indexPriceKlines", _PUBLIC, 5)
MARK_PRICE_KLINES: Final = read("markPriceKlines", _PUBLIC, 5)
PREMIUM_INDEX: Final = read("premiumIndex", _PUBLIC)
FUNDING_RATE: Final = read("fundingRate", _PUBLIC)
FUNDING_INFO: Final = read("fundingInfo", _PUBLIC)
TICKER_24H: Final = read("ticker/24hr", _PUBLIC)
TICKER_PRICE: Final = read("ticker/price", _PUBLIC)
BOOK_TICKER: Final = read("ticker/bookTicker", _PUBLIC)
INDEX_REFERENCES: Final = read("indexreferences", _PUBLIC, v1=None)
ASSET_LOGOS: Final = read("common/asset/all-asset-logo", _PUBLIC, v1=None)

KLINE_INTERVALS: Final = (
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M",
)  # fmt: skip
"""Intervals the venue serves; anything else is refused with -1120."""

_DEPTH_WEIGHTS: Final = ((50, 2), (100, 5), (500, 10), (1000, 20))


def depth_weight(limit: int | None) -> int:
    """Weight of `depth` by its limit; the default of 500 levels weighs 10."""
    wanted = 500 if limit is None else limit
    return next((weight for bound, weight in _DEPTH_WEIGHTS if wanted <= bound), 20)


def kline_weight(limit: int | None) -> int:
    """Weight of the kline endpoints by their limit; the default of 500 weighs 5."""
    wanted = 500 if limit is None else limit
    if wanted < 100:
        return 1
    if wanted < 500:
        return 2
    return 5 if wanted <= 1000 else 10


class MarketCalls(Calls):
    """Public market data."""

    async def ping(self) -> None:
        """Test reachability.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.1.
        """
        await self._rest.call(PING, {}, dict[str, object])

    async def server_time(self) -> int:
        """Return the venue's time in milliseconds since 1970.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.1.
        """
        record: ServerTimeRecord = await self._rest.call(TIME, {}, ServerTimeRecord)
        return record.server_time

    async def exchange_info(self) -> ExchangeInfoRecord:
        """Return limits, assets and all symbols with their filters.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Sections 4.1 and 5.1.
        """
        return await self._rest.call(EXCHANGE_INFO, {}, ExchangeInfoRecord)

    async def depth(self, symbol: str, limit: int | None = None) -> DepthRecord:
        """Return the order book, best levels first.

        `limit` is 5, 10, 20, 50, 100, 500 (default) or 1000 levels, else -4021. `symbol` as the venue lists
        it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 2 to 20 by limit. Section 4.1.
        """
        parameters: Parameters = {"symbol": symbol, "limit": limit}
        return await self._rest.call(DEPTH, parameters, DepthRecord, weight=depth_weight(limit))

    async def trades(self, symbol: str, limit: int | None = None) -> list[PublicTradeRecord]:
        """Return the newest public trades, oldest first; insurance and ADL trades are not among them.

        `limit` up to 1000 (default 500). `symbol` as the venue lists it. Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 1. Section 4.1.
        """
        return await self._rest.call(TRADES, {"symbol": symbol, "limit": limit}, list[PublicTradeRecord])

    async def historical_trades(
        self, symbol: str, limit: int | None = None, from_id: int | None = None
    ) -> list[PublicTradeRecord]:
        """Return older public trades from trade id `from_id` on (default: the newest).

        Needs an API key on V1, nothing on V3. `limit` up to 1000 (default 500). `symbol` as the venue lists
        it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 20. Section 4.1.
        """
        parameters: Parameters = {"symbol": symbol, "limit": limit, "fromId": from_id}
        return await self._rest.call(HISTORICAL_TRADES, parameters, list[PublicTradeRecord])

    async def agg_trades(
        self,
        symbol: str,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[AggregateTradeRecord]:
        """Return aggregate trades, oldest first.

        Times in ms; when both are given they must span less than an hour. `limit` up to 1000 (default 500).
        `symbol` as the venue lists it. `from_id` is the first id wanted. `start_ms` and `end_ms` bound the
        time (ms UTC, both included). Raises RequestRefused, TransportFailed, MalformedResponse. Weight 20.
        Section 4.1.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "fromId": from_id,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(AGGREGATE_TRADES, parameters, list[AggregateTradeRecord])

    async def klines(
        self,
        symbol: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[KlineRecord]:
        """Return klines of last prices, oldest first; the newest may still be running.

        `interval` is one of KLINE_INTERVALS, else -1120; `limit` up to 1500 (default 500). `symbol` as the
        venue lists it. `start_ms` and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 1 to 10 by limit. Section 4.1.
        """
        return await self._klines(KLINES, {"symbol": symbol}, interval, start_ms, end_ms, limit)

    async def index_price_klines(
        self,
        pair: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[KlineRecord]:
        """Return klines of the index price of a `pair`; volumes are zero. As `klines` otherwise.

        `interval` is one of KLINE_INTERVALS. `start_ms` and `end_ms` bound the time (ms UTC, both included).
        `limit` rows at most. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 to 10 by
        limit. Section 4.1.
        """
        return await self._klines(INDEX_PRICE_KLINES, {"pair": pair}, interval, start_ms, end_ms, limit)

    async def mark_price_klines(
        self,
        symbol: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[KlineRecord]:
        """Return klines of the mark price; volumes are zero. As `klines` otherwise.

        `symbol` as the venue lists it. `interval` is one of KLINE_INTERVALS. `start_ms` and `end_ms` bound
        the time (ms UTC, both included). `limit` rows at most. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 1 to 10 by
        limit. Section 4.1.
        """
        return await self._klines(MARK_PRICE_KLINES, {"symbol": symbol}, interval, start_ms, end_ms, limit)

    async def _klines(
        self,
        endpoint: Endpoint,
        subject: dict[str, str],
        interval: str,
        start_ms: int | None,
        end_ms: int | None,
        limit: int | None,
    ) -> list[KlineRecord]:
        span = {"interval": interval, "startTime": start_ms, "endTime": end_ms, "limit": limit}
        return await self._rest.call(
            endpoint, {**subject, **span}, list[KlineRecord], weight=kline_weight(limit)
        )

    async def premium_index(self, symbol: str | None = None) -> list[PremiumIndexRecord]:
        """Return mark price, index price and coming funding of one symbol or of all. Weight 1. Section 4.1.

        Rates are fractions per funding interval, times in ms. `symbol` None means all. Raises RequestRefused,
        TransportFailed, MalformedResponse.
        """
        return _listed(
            await self._rest.call(
                PREMIUM_INDEX, {"symbol": symbol}, PremiumIndexRecord | list[PremiumIndexRecord]
            )
        )

    async def funding_rate(
        self,
        symbol: str | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[FundingRateRecord]:
        """Return settled funding rates, oldest first.

        A range with more than `limit` (up to 1000, default 100) rows gives the first ones. `symbol` None
        means all. `start_ms` and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 1. Section 4.1.
        """
        parameters: Parameters = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms, "limit": limit}
        return await self._rest.call(FUNDING_RATE, parameters, list[FundingRateRecord])

    async def funding_info(self, symbol: str | None = None) -> list[FundingInfoRecord]:
        """Return interval (hours), cap and floor (fractions) of the funding.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section
        4.1.
        """
        return _listed(
            await self._rest.call(
                FUNDING_INFO, {"symbol": symbol}, FundingInfoRecord | list[FundingInfoRecord]
            )
        )

    async def ticker_24hr(self, symbol: str | None = None) -> list[TickerRecord]:
        """Return rolling 24-hour statistics.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 with a
        symbol, 40 without. Section 4.1.
        """
        return _listed(
            await self._rest.call(
                TICKER_24H,
                {"symbol": symbol},
                TickerRecord | list[TickerRecord],
                weight=40 if symbol is None else 1,
            )
        )

    async def ticker_price(self, symbol: str | None = None) -> list[PriceTickerRecord]:
        """Return last prices.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 with a
        symbol, 2 without. Section 4.1.
        """
        return _listed(
            await self._rest.call(
                TICKER_PRICE,
                {"symbol": symbol},
                PriceTickerRecord | list[PriceTickerRecord],
                weight=2 if symbol is None else 1,
            )
        )

    async def book_ticker(self, symbol: str | None = None) -> list[BookTickerRecord]:
        """Return best bids and asks.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 with a
        symbol, 2 without. Section 4.1.
        """
        return _listed(
            await self._rest.call(
                BOOK_TICKER,
                {"symbol": symbol},
                BookTickerRecord | list[BookTickerRecord],
                weight=2 if symbol is None else 1,
            )
        )

    async def index_references(self, symbol: str) -> IndexReferencesRecord:
        """Return the sources of a symbol's index price with their weights. V3. Weight 1. Section 4.1.

        An unknown symbol is refused with -1000, not -1121. `symbol` as the venue lists it. Raises
        RequestRefused, TransportFailed, MalformedResponse.
        """
        return await self._rest.call(INDEX_REFERENCES, {"symbol": symbol}, IndexReferencesRecord)

    async def asset_logos(self) -> list[AssetLogoRecord]:
        """Return asset codes with the addresses of their logos.

        V3. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.1.
        """
        return await self._rest.call(ASSET_LOGOS, {}, list[AssetLogoRecord])


def _listed(answer: T | list[T]) -> list[T]:
    """The venue answers an object when a symbol is sent and an array when none is."""
    return answer if isinstance(answer, list) else [answer]


def only(records: list[T], symbol: str, source: str) -> T:
    """Return the single record of an answer about one symbol."""
    if len(records) != 1:
        raise MalformedResponse(source, "", f"expected one record for {symbol}, received {len(records)}")
    return records[0]
