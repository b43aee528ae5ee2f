"""What the operator needs of a spot market beside a venue's perpetuals.

Symbols are the program's own (`domain.pairing`: BTCUSDT:SPOT); what is held is long, so that orders, reports
and fills of spot carry position side LONG. Errors as in `client_protocol`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import SpotBalance
from aster_operator.exchange.client_protocol import EventStream, StreamEvent

__all__ = ["SpotMarket", "SpotWallet"]


class SpotMarket(Protocol):
    """The spot side of one account. A commission that is taken out of the coins bought names the coin as its
    asset; realised PnL of fills is zero, for the venue knows none."""

    async def instruments(self) -> dict[str, Instrument]: ...

    async def place_order(self, order: NewOrder) -> OrderReport: ...

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport: ...

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport: ...

    async def open_orders(self, symbol: str) -> list[OrderReport]: ...

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]: ...

    async def fee_rates(self, symbol: str) -> FeeRates: ...

    async def quote(self, symbol: str) -> Quote: ...

    async def balances(self) -> list[SpotBalance]: ...

    async def open_market_stream(
        self, symbols: Sequence[str], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        """Best quotes of `symbols`."""

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        """Own orders as OrderChanged, the wallet as SpotBalancesChanged."""


@runtime_checkable
class SpotWallet(Protocol):
    """A client that also trades spot: snapshots of its account hold the spot wallet."""

    async def spot_balances(self) -> list[SpotBalance]: ...
