"""One client for perpetuals and spot: every call goes where its symbol says.

The operator's order path, tracker, journal and ledger serve both markets alike; only here they part.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from aster_operator.domain.enums import MarginType, PositionSide, Side
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar, MarkPrice, Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.pairing import Market, market_of, venue_symbol
from aster_operator.domain.positions import AccountSnapshot, PositionReport, SpotBalance
from aster_operator.exchange.client_protocol import (
    ClockOffset,
    DeleveragingQueue,
    EventStream,
    ExchangeClient,
    MarketChannel,
    StreamEvent,
)
from aster_operator.exchange.spot_protocol import SpotMarket

__all__ = ["PerpetualsAndSpot"]


class PerpetualsAndSpot:
    """An `ExchangeClient` over a client of the perpetuals and the spot market of the same account. Closing
    it closes the former; the spot side has nothing of its own to close."""

    def __init__(self, perpetuals: ExchangeClient, spot: SpotMarket) -> None:
        self._perpetuals = perpetuals
        self._spot = spot

    # --- what both markets have -----------------------------------------------------------------------

    async def instruments(self) -> dict[str, Instrument]:
        return await self._perpetuals.instruments() | await self._spot.instruments()

    async def place_order(self, order: NewOrder) -> OrderReport:
        return await (self._spot if _is_spot(order.symbol) else self._perpetuals).place_order(order)

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        market = self._spot if _is_spot(symbol) else self._perpetuals
        return await market.cancel_order(symbol, client_order_id)

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        market = self._spot if _is_spot(symbol) else self._perpetuals
        return await market.query_order(symbol, client_order_id)

    async def open_orders(self, symbol: str | None = None) -> list[OrderReport]:
        """Of perpetuals alone when no symbol is named."""
        if symbol is not None and _is_spot(symbol):
            return await self._spot.open_orders(symbol)
        return await self._perpetuals.open_orders(symbol)

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        market = self._spot if _is_spot(symbol) else self._perpetuals
        return await market.fills(symbol, start_ms, end_ms)

    async def fee_rates(self, symbol: str) -> FeeRates:
        return await (self._spot if _is_spot(symbol) else self._perpetuals).fee_rates(symbol)

    async def quote(self, symbol: str) -> Quote:
        return await (self._spot if _is_spot(symbol) else self._perpetuals).quote(symbol)

    async def spot_balances(self) -> list[SpotBalance]:
        return await self._spot.balances()

    async def open_market_stream(
        self, channels: Sequence[MarketChannel], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        perpetuals = [channel for channel in channels if not _is_spot(channel.symbol)]
        spot = [channel.symbol for channel in channels if _is_spot(channel.symbol)]
        return _Streams(
            await self._perpetuals.open_market_stream(perpetuals, on_event),
            await self._spot.open_market_stream(spot, on_event),
        )

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        return _Streams(
            await self._perpetuals.open_user_stream(on_event), await self._spot.open_user_stream(on_event)
        )

    # --- what spot has not ----------------------------------------------------------------------------

    async def bars(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Bar]:
        return await self._perpetuals.bars(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit)

    async def get_mark_price(self, symbol: str) -> Decimal:
        """Spot is worth the index that the perpetual of the same name follows."""
        if _is_spot(symbol):
            return (await self._perpetuals.mark_price(venue_symbol(symbol))).index
        return await self._perpetuals.get_mark_price(symbol)

    async def mark_price(self, symbol: str) -> MarkPrice:
        return await self._perpetuals.mark_price(symbol)

    async def place_market_order(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        position_side: PositionSide = PositionSide.BOTH,
        *,
        client_order_id: str | None = None,
        reduce_only: bool = False,
    ) -> OrderReport:
        return await self._perpetuals.place_market_order(
            symbol, side, quantity, position_side, client_order_id=client_order_id, reduce_only=reduce_only
        )

    async def close_position(
        self, symbol: str, position_side: PositionSide = PositionSide.BOTH
    ) -> OrderReport | None:
        return await self._perpetuals.close_position(symbol, position_side)

    async def get_position_risk(self, symbol: str | None = None) -> list[PositionReport]:
        return await self._perpetuals.get_position_risk(symbol)

    async def account_snapshot(self) -> AccountSnapshot:
        return await self._perpetuals.account_snapshot()

    async def is_hedge_mode(self) -> bool:
        return await self._perpetuals.is_hedge_mode()

    async def set_hedge_mode(self, enabled: bool) -> None:
        await self._perpetuals.set_hedge_mode(enabled)

    async def set_leverage(self, symbol: str, leverage: int) -> int:
        return await self._perpetuals.set_leverage(symbol, leverage)

    async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        await self._perpetuals.set_margin_type(symbol, margin_type)

    async def income_rows(
        self, start_ms: int, end_ms: int | None = None, income_type: str | None = None
    ) -> list[IncomeRow]:
        return await self._perpetuals.income_rows(start_ms, end_ms, income_type)

    async def adl_quantiles(self) -> dict[tuple[str, PositionSide], int]:
        queue = self._perpetuals
        return await queue.adl_quantiles() if isinstance(queue, DeleveragingQueue) else {}

    async def measure_clock(self, samples: int = 5) -> ClockOffset:
        return await self._perpetuals.measure_clock(samples)

    async def close(self) -> None:
        await self._perpetuals.close()


class _Streams:
    """Two streams as one."""

    def __init__(self, *streams: EventStream) -> None:
        self._streams = streams

    async def fence(self) -> None:
        for stream in self._streams:
            await stream.fence()

    async def close(self) -> None:
        for stream in self._streams:
            await stream.close()


def _is_spot(symbol: str) -> bool:
    return market_of(symbol) is Market.SPOT
