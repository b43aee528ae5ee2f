"""Market-maker protection: too much filled too fast cancels an account's orders in a symbol (section 4.6).

The venue documents the settings and not the refusal; here a frozen symbol answers new orders with -2010.
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import ATOMS, ExchangeEvent, OrderEvent, TradeRecord, VenueRefusal

__all__ = ["MarketMakerProtection", "ProtectionLimits"]


@dataclass(frozen=True, slots=True)
class ProtectionLimits:
    """Limits within `window_ms`, None = none: filled quantity, filled value, and net quantity.

    `frozen_ms` 0 keeps the symbol frozen until it is reset.
    """

    window_ms: int
    frozen_ms: int
    quantity: Decimal | None
    value: Decimal | None
    delta: Decimal | None


@dataclass(slots=True)
class _Watch:
    limits: ProtectionLimits
    fills: deque[TradeRecord] = field(default_factory=deque)
    frozen_until_ms: int | None = None
    is_frozen: bool = False


class MarketMakerProtection:
    """Watches the fills of every account and symbol that has limits."""

    def __init__(self, exchange: ExchangeApi) -> None:
        self._exchange = exchange
        self._watches: dict[tuple[str, str], _Watch] = {}
        exchange.subscribe(self._on_event)

    def set(self, account_id: str, symbol: str, limits: ProtectionLimits) -> None:
        self._watches[account_id, symbol] = _Watch(limits)

    def remove(self, account_id: str, symbol: str) -> bool:
        return self._watches.pop((account_id, symbol), None) is not None

    def reset(self, account_id: str, symbol: str) -> bool:
        """Thaw the symbol and forget its fills; False when it has no limits."""
        watch = self._watches.get((account_id, symbol))
        if watch is None:
            return False
        self._watches[account_id, symbol] = _Watch(watch.limits)
        return True

    def listed(self, account_id: str) -> dict[str, ProtectionLimits]:
        """Symbol to limits of one account."""
        return {
            symbol: watch.limits for (owner, symbol), watch in self._watches.items() if owner == account_id
        }

    def check(self, account_id: str, symbol: str) -> None:
        """Raises VenueRefusal(-2010) while the symbol is frozen for the account."""
        watch = self._watches.get((account_id, symbol))
        if watch is None or not watch.is_frozen:
            return
        if watch.frozen_until_ms is not None and self._exchange.now_ms >= watch.frozen_until_ms:
            self.reset(account_id, symbol)
            return
        raise VenueRefusal(-2010, "Order is rejected by market maker protection.")

    def _on_event(self, event: ExchangeEvent) -> None:
        if not isinstance(event, OrderEvent) or event.trade is None:
            return
        key = (event.order.account_id, event.order.symbol)
        watch = self._watches.get(key)
        if watch is None or watch.is_frozen:
            return
        watch.fills.append(event.trade)
        while event.time_ms - watch.fills[0].time_ms > watch.limits.window_ms:
            watch.fills.popleft()
        if self._is_over(watch):
            watch.is_frozen = True
            if watch.limits.frozen_ms:
                watch.frozen_until_ms = event.time_ms + watch.limits.frozen_ms
            # Matching is at work now; the orders go as soon as it has finished.
            self._exchange.schedule(event.time_ms, lambda: self._cancel(*key))

    def _cancel(self, account_id: str, symbol: str) -> None:
        self._exchange.cancel_all(account_id, symbol)

    @staticmethod
    def _is_over(watch: _Watch) -> bool:
        limits, fills = watch.limits, watch.fills
        spec = fills[0].spec
        quantity = spec.quantity_of(sum(fill.lots for fill in fills))
        value = Decimal(sum(spec.notional_atoms(fill.ticks, fill.lots) for fill in fills)) / ATOMS
        delta = spec.quantity_of(abs(sum(fill.side.sign * fill.lots for fill in fills)))
        return any(
            limit is not None and reached >= limit
            for limit, reached in ((limits.quantity, quantity), (limits.value, value), (limits.delta, delta))
        )
