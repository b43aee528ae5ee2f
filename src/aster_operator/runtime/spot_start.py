"""Taking spot legs up after a restart. Spot has no positions: what is ours is what our orders bought and have
not sold again, less the fees taken out of it. So the books are brought up to date before they are read."""

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import Connection

from aster_operator.database import queries
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.money import ZERO
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.errors import OrderNotFound

__all__ = ["catch_up_spot", "own_coins"]


async def catch_up_spot(
    client: ExchangeClient, recorder: TradeRecorder, symbols: Sequence[str], now_ms: int
) -> None:
    """End the orders that an earlier run left on the spot markets, then enter the trades it did not hear of.

    In this order, so that no trade comes between. A day is looked back: an earlier run heard of older trades
    itself.
    """
    for symbol in symbols:
        for order in await client.open_orders(symbol):
            if is_own_client_order_id(order.client_order_id):
                try:
                    await client.cancel_order(symbol, order.client_order_id)
                except OrderNotFound:
                    continue  # it has just filled: the trades tell
        fills = await client.fills(symbol, now_ms - DAY_MS)
        recorder.record_fills([fill for fill in fills if is_own_client_order_id(fill.client_order_id)])


def own_coins(connection: Connection, book: LedgerKey, symbol: str) -> Decimal:
    """Coins of a spot symbol that our orders have bought and not sold, over all runs."""
    held = ZERO
    for fill in queries.fills(connection, Selection(book=book, symbol=symbol)):
        if is_own_client_order_id(fill.client_order_id):
            held += fill.side.sign * fill.quantity
            held -= fill.commission if fill.is_paid_in_base else ZERO
    return max(held, ZERO)
