"""Truth against memory: one pure function from (venue snapshot, remembered pairs) to what to do.

The venue is right about what is held; the books are right about what it was meant for. Nothing trades
before this has spoken.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import VenueSnapshotTaken
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.positions import PositionReport

__all__ = ["Reconciliation", "RememberedLeg", "RememberedPair", "ResumedPair", "own_open_orders", "reconcile"]


class RememberedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg as the books last had it. Quantity in base units, unsigned; price in quote units."""

    quantity: Decimal
    entry_price: Decimal
    opened_ms: int


class RememberedPair(msgspec.Struct, frozen=True, kw_only=True):
    pair_ref: str
    symbol: str
    long: RememberedLeg | None
    short: RememberedLeg | None


class ResumedPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair to go on with. Quantities and entry prices are the venue's, times the books': the books may
    have ended between two fills."""

    pair_ref: str
    symbol: str
    long_quantity: Decimal
    short_quantity: Decimal
    long: RememberedLeg | None
    short: RememberedLeg | None
    long_entry_price: Decimal | None = None
    short_entry_price: Decimal | None = None

    @property
    def holds_nothing(self) -> bool:
        return self.long_quantity == 0 and self.short_quantity == 0


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """`resumed` pairs to manage (also those that hold nothing yet but left orders behind), `vanished` pair
    refs the venue no longer holds, symbols that hold something foreign, and what to tell the owner."""

    resumed: tuple[ResumedPair, ...]
    vanished: tuple[str, ...]
    foreign_symbols: frozenset[str]
    notes: tuple[str, ...]


def own_open_orders(snapshot: VenueSnapshotTaken) -> tuple[OrderReport, ...]:
    """Resting orders that bear our mark: an earlier run's, when nothing was sent yet."""
    return tuple(order for order in snapshot.open_orders if is_own_client_order_id(order.client_order_id))


def reconcile(
    snapshot: VenueSnapshotTaken, remembered: Sequence[RememberedPair], symbols: Sequence[str]
) -> Reconciliation:
    """Match what the venue holds with what the books say was held for a pair.

    A position on one of `symbols` that no remembered pair explains is foreign: it is reported and left
    alone, and no pair is opened there. Two remembered pairs on one symbol and side cannot be told apart;
    the newer keeps the position. A remembered pair on a symbol that is no longer in `symbols` cannot be
    worked, for lack of a market: it is reported and left alone too.
    """
    held = {
        (position.symbol, position.position_side): position
        for position in snapshot.positions
        if position.is_open
    }
    own_orders = own_open_orders(snapshot)
    stray_symbols = {order.symbol for order in own_orders}
    resumed: list[ResumedPair] = []
    vanished: list[str] = []
    abandoned: list[str] = []
    for pair in sorted(remembered, key=_newest_first):
        long = held.pop((pair.symbol, PositionSide.LONG), None) if pair.long else None
        short = held.pop((pair.symbol, PositionSide.SHORT), None) if pair.short else None
        if long is None and short is None and pair.symbol not in stray_symbols:
            vanished.append(pair.pair_ref)
        elif pair.symbol not in symbols:
            abandoned.append(
                f"pair {pair.pair_ref} is still held, but {pair.symbol} is not traded any more: left alone"
            )
        else:
            resumed.append(_resumed(pair, long, short))
    foreign_orders = [order for order in snapshot.open_orders if order not in own_orders]
    foreign_here = {key: abs(position.quantity) for key, position in held.items() if key[0] in symbols}
    notes = abandoned + [
        f"{side} {plain_text(quantity)} {symbol} on the account is not ours: left alone, "
        f"no pair is opened on {symbol}"
        for (symbol, side), quantity in sorted(foreign_here.items())
    ]
    notes += [
        f"order {order.order_id} on {order.symbol} is not ours: left alone"
        for order in foreign_orders
        if order.symbol in symbols
    ]
    return Reconciliation(
        resumed=tuple(resumed),
        vanished=tuple(vanished),
        foreign_symbols=frozenset(symbol for symbol, _ in foreign_here),
        notes=tuple(notes),
    )


def _resumed(pair: RememberedPair, long: PositionReport | None, short: PositionReport | None) -> ResumedPair:
    return ResumedPair(
        pair_ref=pair.pair_ref,
        symbol=pair.symbol,
        long_quantity=ZERO if long is None else abs(long.quantity),
        short_quantity=ZERO if short is None else abs(short.quantity),
        long=pair.long,
        short=pair.short,
        long_entry_price=None if long is None else long.entry_price,
        short_entry_price=None if short is None else short.entry_price,
    )


def _newest_first(pair: RememberedPair) -> int:
    return -max((leg.opened_ms for leg in (pair.long, pair.short) if leg is not None), default=0)
