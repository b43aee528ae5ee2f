"""Truth against memory: one pure function from (venue snapshot, remembered pairs) to what to do.

The venue is right about what is held; the books are right about what it was meant for. Nothing trades
before this has spoken.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import VenueSnapshotTaken
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.pairing import LegHedge, Market, market_of
from aster_operator.domain.positions import PositionReport

__all__ = [
    "Reconciliation",
    "RememberedLeg",
    "RememberedPair",
    "ResumedLeg",
    "ResumedPair",
    "own_open_orders",
    "reconcile",
]


class RememberedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg as the books last had it. Quantity in base units, unsigned; price in quote units. `symbol` is
    needed where it is not the pair's."""

    quantity: Decimal
    entry_price: Decimal
    opened_ms: int
    symbol: str = ""
    hedge: LegHedge = LegHedge()


class RememberedPair(msgspec.Struct, frozen=True, kw_only=True):
    """`symbol` is that of legs whose own is not said: not by the leg, and not here for a leg that is gone
    already. `name` is the pairing's, when it is not the symbol."""

    pair_ref: str
    symbol: str
    long: RememberedLeg | None
    short: RememberedLeg | None
    name: str = ""
    long_symbol: str = ""
    short_symbol: str = ""

    def symbol_of(self, position_side: PositionSide) -> str:
        is_long = position_side is PositionSide.LONG
        leg, own = (self.long, self.long_symbol) if is_long else (self.short, self.short_symbol)
        return (leg.symbol if leg is not None else own) or own or self.symbol

    @property
    def symbols(self) -> tuple[str, ...]:
        """Each symbol once."""
        return tuple(dict.fromkeys((self.symbol_of(PositionSide.LONG), self.symbol_of(PositionSide.SHORT))))


class ResumedLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg to go on with. Quantity and entry price are the venue's, the times the books': they may have
    ended between two fills."""

    symbol: str
    quantity: Decimal
    remembered: RememberedLeg | None
    entry_price: Decimal | None

    @property
    def hedge(self) -> LegHedge:
        return LegHedge() if self.remembered is None else self.remembered.hedge


class ResumedPair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair to go on with."""

    pair_ref: str
    long: ResumedLeg
    short: ResumedLeg
    name: str = ""

    @property
    def holds_nothing(self) -> bool:
        return self.long.quantity == 0 and self.short.quantity == 0


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
    snapshot: VenueSnapshotTaken,
    remembered: Sequence[RememberedPair],
    symbols: Sequence[str],
    coins: Mapping[str, str] | None = None,
) -> Reconciliation:
    """Match what the venue holds with what the books say was held for a pair.

    A position on one of `symbols` that no remembered pair explains is foreign: it is reported and left
    alone, and no pair is opened there. Two remembered pairs on one symbol and side cannot be told apart;
    the newer keeps the position. A remembered pair on a symbol that is no longer in `symbols` cannot be
    worked, for lack of a market: it is reported and left alone too. Spot coins (`coins` names those of each
    symbol) are ours as far as the books say and the wallet covers it.
    """
    wallet = {balance.asset: balance.total for balance in snapshot.spot_balances}
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
        long_symbol, short_symbol = pair.symbol_of(PositionSide.LONG), pair.symbol_of(PositionSide.SHORT)
        long: PositionReport | Decimal | None
        if market_of(long_symbol) is Market.SPOT:
            long = _coins(pair.long, wallet.get((coins or {}).get(long_symbol, ""), ZERO))
        else:
            long = held.pop((long_symbol, PositionSide.LONG), None) if pair.long else None
        short = held.pop((short_symbol, PositionSide.SHORT), None) if pair.short else None
        unfollowed = [symbol for symbol in pair.symbols if symbol not in symbols]
        if long is None and short is None and not stray_symbols.intersection(pair.symbols):
            vanished.append(pair.pair_ref)
        elif unfollowed:
            abandoned.append(
                f"pair {pair.pair_ref} is still held, but {', '.join(unfollowed)} is not traded any more: "
                "left alone"
            )
            # Its other leg is nobody else's to trade against.
            for symbol, position in ((long_symbol, long), (short_symbol, short)):
                if isinstance(position, PositionReport):
                    held[(symbol, position.position_side)] = position
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


def _coins(leg: RememberedLeg | None, in_wallet: Decimal) -> Decimal | None:
    """What is left of the coins that the books remember; None for none."""
    left = ZERO if leg is None else min(leg.quantity, in_wallet)
    return left if left > 0 else None


def _resumed(
    pair: RememberedPair, long: PositionReport | Decimal | None, short: PositionReport | None
) -> ResumedPair:
    return ResumedPair(
        pair_ref=pair.pair_ref,
        long=_resumed_leg(pair.symbol_of(PositionSide.LONG), pair.long, long),
        short=_resumed_leg(pair.symbol_of(PositionSide.SHORT), pair.short, short),
        name=pair.name,
    )


def _resumed_leg(
    symbol: str, remembered: RememberedLeg | None, position: PositionReport | Decimal | None
) -> ResumedLeg:
    if isinstance(position, Decimal):
        return ResumedLeg(symbol=symbol, quantity=position, remembered=remembered, entry_price=None)
    return ResumedLeg(
        symbol=symbol,
        quantity=ZERO if position is None else abs(position.quantity),
        remembered=remembered,
        entry_price=None if position is None else position.entry_price,
    )


def _newest_first(pair: RememberedPair) -> int:
    return -max((leg.opened_ms for leg in (pair.long, pair.short) if leg is not None), default=0)
