"""Looks at the embedded exchange itself: is every position covered by a stop, does an exit rest for none?

Independent of what the core believes: it reads the exchange's books after every step.
"""

from aster_operator.domain.enums import OrderType
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.simulator.api import ExchangeApi

__all__ = ["ProtectionWatch"]


class ProtectionWatch:
    """`unprotected_ms_*` count market time that a position stood without a stop of its size, seen step by
    step; `orphan_exits` the exits found resting on symbols where nothing is held and nobody is at work."""

    def __init__(self, exchange: ExchangeApi, account_id: str, desk: PositionDesk) -> None:
        self._exchange = exchange
        self._account_id = account_id
        self._desk = desk
        self._since_ms: dict[str, int] = {}
        self._orphans: set[int] = set()
        self.unprotected_ms_max = 0
        self.unprotected_ms_total = 0

    @property
    def orphan_exits(self) -> int:
        return len(self._orphans)

    def look(self, now_ms: int) -> None:
        """Take stock after everything of this step has been acted on."""
        orders = self._exchange.open_orders(self._account_id, None)
        at_work = {position.symbol for position in self._desk.book.active()}
        watched = at_work | {order.symbol for order in orders} | self._since_ms.keys()
        for symbol in sorted(watched):
            held = [row for row in self._exchange.positions(self._account_id, symbol) if row.lots]
            own = [order for order in orders if order.symbol == symbol]
            if not held and symbol not in at_work:
                self._orphans.update(order.order_id for order in own)
            covered = all(
                sum(
                    order.remaining_lots
                    for order in own
                    if order.original_type is OrderType.STOP_MARKET
                    and order.position_side is row.position_side
                )
                >= abs(row.lots)
                for row in held
            )
            if covered:
                self._end(symbol, now_ms)
            else:
                self._since_ms.setdefault(symbol, now_ms)

    def _end(self, symbol: str, now_ms: int) -> None:
        since_ms = self._since_ms.pop(symbol, None)
        if since_ms is not None:
            self.unprotected_ms_total += now_ms - since_ms
            self.unprotected_ms_max = max(self.unprotected_ms_max, now_ms - since_ms)
