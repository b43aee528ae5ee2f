"""Price-time order book in integer ticks and lots.

Two kinds of liquidity share each level. The market's own (synthetic) lots have no owner and are rewritten
whenever the market moves. Account orders keep their place among them: `RestingOrder.ahead` counts the
synthetic lots that must trade before the order does, so a queue position is real. Hidden orders trade after
everything displayed at their price.
"""

from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aster_operator.domain.enums import Side
from aster_operator.simulator.model import SimulatedOrder

__all__ = [
    "BookSide",
    "Ladder",
    "OrderBook",
    "QueueModel",
    "RestingOrder",
    "pessimistic_queue",
    "proportional_queue",
]

Ladder = dict[int, int]
"""Displayed lots by tick, inserted best price first."""

_EVERYWHERE = -1
"""No tick: prices are positive."""

QueueModel = Callable[[int, int, int], int]
"""(lots ahead, displayed before, displayed after) -> lots ahead after the market rewrote a level."""


def pessimistic_queue(ahead: int, _before: int, after: int) -> int:
    """Whoever left the level stood behind us."""
    return min(ahead, after)


def proportional_queue(ahead: int, before: int, after: int) -> int:
    """Whoever left stood ahead or behind in proportion to the lots there."""
    if after >= before or before == 0:
        return min(ahead, after)
    return ahead * after // before


@dataclass(slots=True)
class RestingOrder:
    """An account order in the book. `ahead` synthetic lots of its level trade before it."""

    order: SimulatedOrder
    ahead: int
    hidden: bool


class BookSide:
    """One side. `sign` is +1 for bids (higher is better) and -1 for asks."""

    __slots__ = (
        "_hidden",
        "_ladder",
        "_ladder_cursor",
        "_own_lots",
        "_queue_model",
        "_queues",
        "_touched",
        "sign",
        "synthetic",
    )

    def __init__(self, sign: int, queue_model: QueueModel) -> None:
        self.sign = sign
        self.synthetic: Ladder = {}
        self._ladder: list[int] = []
        self._ladder_cursor = 0
        self._queues: dict[int, list[RestingOrder]] = {}
        # Displayed lots of account orders by tick; a level that is missing is counted when it is needed.
        self._own_lots: dict[int, int] = {}
        self._hidden: dict[int, list[RestingOrder]] = {}
        self._queue_model = queue_model
        # Where displayed lots may have changed since `take_touched`.
        self._touched: int | None = _EVERYWHERE

    # --- reading

    def best(self) -> int | None:
        """Best displayed tick, None when nothing is displayed."""
        best = self._best_synthetic()
        if self._queues:
            own = max(self._queues) if self.sign > 0 else min(self._queues)
            if best is None or (own - best) * self.sign > 0:
                return own
        return best

    def best_matchable(self) -> int | None:
        """Best tick counting hidden orders."""
        best = self.best()
        if self._hidden:
            own = max(self._hidden) if self.sign > 0 else min(self._hidden)
            if best is None or (own - best) * self.sign > 0:
                return own
        return best

    def best_order_tick(self) -> int | None:
        """Best tick at which an account order rests, hidden ones included."""
        if not self._queues and not self._hidden:
            return None
        ticks = [*self._queues, *self._hidden]
        return max(ticks) if self.sign > 0 else min(ticks)

    def first_order(self, tick: int) -> RestingOrder:
        """The account order with priority at `tick`, whatever synthetic lots stand before it."""
        queue = self._queues.get(tick) or self._hidden[tick]
        return queue[0]

    def has_orders(self, tick: int) -> bool:
        """True when an account order, displayed or hidden, rests at `tick`."""
        return tick in self._queues or tick in self._hidden

    def displayed(self) -> Ladder:
        """Displayed lots by tick, all owners together; not to be changed by the caller."""
        if not self._queues:
            return self.synthetic
        merged = dict(self.synthetic)
        for tick in self._queues:
            merged[tick] = merged.get(tick, 0) + self._own_lots_at(tick)
        return merged

    def displayed_lots(self, tick: int) -> int:
        """Displayed lots at one tick, 0 when nothing is."""
        return self.synthetic.get(tick, 0) + (self._own_lots_at(tick) if tick in self._queues else 0)

    def _own_lots_at(self, tick: int) -> int:
        own = self._own_lots.get(tick)
        if own is None:
            own = self._own_lots[tick] = sum(each.order.remaining_lots for each in self._queues[tick])
        return own

    def take_touched(self) -> int | None:
        """The one tick at which an order came or went since the last call; None when nothing has happened,
        `_EVERYWHERE` after anything else."""
        touched, self._touched = self._touched, None
        return touched

    def _touch(self, tick: int) -> None:
        self._touched = tick if self._touched in (None, tick) else _EVERYWHERE

    def recount(self, tick: int) -> None:
        """To be told when the remaining lots of an order resting at `tick` have changed."""
        self._own_lots.pop(tick, None)
        self._touched = _EVERYWHERE

    def own_ladder(self) -> Ladder:
        """The market's own levels that still have lots, best first."""
        return {tick: self.synthetic[tick] for tick in self._ladder if tick in self.synthetic}

    def withdraw_through(self, limit_ticks: int) -> None:
        """Take away the synthetic lots at `limit_ticks` and better; account orders move up."""
        for tick in [tick for tick in self.synthetic if (tick - limit_ticks) * self.sign >= 0]:
            del self.synthetic[tick]
            self._touched = _EVERYWHERE
            for resting in self._queues.get(tick, ()):
                resting.ahead = 0

    def resting_orders(self) -> Iterator[RestingOrder]:
        """Every account order of this side, in no particular order of price."""
        for queues in (self._queues, self._hidden):
            for queue in queues.values():
                yield from queue

    def front(self, tick: int) -> tuple[RestingOrder | None, int]:
        """Who trades next at `tick` and how many lots: an account order, or None for synthetic lots."""
        queue = self._queues.get(tick)
        if queue:
            first = queue[0]
            if first.ahead > 0:
                return None, first.ahead
            return first, first.order.remaining_lots
        synthetic = self.synthetic.get(tick, 0)
        if synthetic:
            return None, synthetic
        hidden = self._hidden.get(tick)
        if hidden:
            return hidden[0], hidden[0].order.remaining_lots
        return None, 0

    def walk(self, limit_ticks: int) -> Iterator[tuple[int, int, list[RestingOrder]]]:
        """(tick, synthetic lots, account orders by priority) at `limit_ticks` or better, best first."""
        for tick in sorted({*self.synthetic, *self._queues, *self._hidden}, reverse=self.sign > 0):
            if (tick - limit_ticks) * self.sign < 0:
                return
            resting = [*self._queues.get(tick, ()), *self._hidden.get(tick, ())]
            yield tick, self.synthetic.get(tick, 0), resting

    # --- changing

    def rewrite(self, ladder: Ladder) -> None:
        """Replace the synthetic lots by `ladder` (best price first); account orders keep their places.

        Beyond the worst level of `ladder` nothing is known, so the lots ahead of an order there stay.
        """
        ticks = list(ladder)
        if self._queues:
            worst = ticks[-1] if ticks else None
            for tick, queue in self._queues.items():
                if worst is not None and (tick - worst) * self.sign < 0:
                    self._keep_beyond(ladder, ticks, tick, queue[-1].ahead)
                    continue
                before, after = self.synthetic.get(tick, 0), ladder.get(tick, 0)
                for resting in queue:
                    resting.ahead = self._queue_model(resting.ahead, before, after)
        self.synthetic = ladder
        self._ladder = ticks
        self._ladder_cursor = 0
        self._touched = _EVERYWHERE

    def _keep_beyond(self, ladder: Ladder, ticks: list[int], tick: int, lots: int) -> None:
        if lots > 0:
            ladder[tick] = lots
            insort(ticks, tick, key=lambda each: -each * self.sign)

    def top_up(self, tick: int, lots: int) -> None:
        """Raise the synthetic lots at `tick`, a level of the ladder, to at least `lots`."""
        if self.synthetic.get(tick, 0) < lots:
            self.synthetic[tick] = lots
            self._ladder_cursor = 0
            self._touched = _EVERYWHERE

    def take_synthetic(self, tick: int, lots: int) -> None:
        """Remove `lots` from the front of the level's synthetic lots."""
        self._touched = _EVERYWHERE
        left = self.synthetic[tick] - lots
        if left:
            self.synthetic[tick] = left
        else:
            del self.synthetic[tick]
        queue = self._queues.get(tick)
        if queue:
            for resting in queue:
                resting.ahead = max(0, resting.ahead - lots)

    def rest(self, order: SimulatedOrder, *, hidden: bool) -> None:
        """Queue `order` behind everything at its price."""
        queues = self._hidden if hidden else self._queues
        ahead = 0 if hidden else self.synthetic.get(order.price_ticks, 0)
        queues.setdefault(order.price_ticks, []).append(RestingOrder(order, ahead, hidden))
        if not hidden:
            self._touch(order.price_ticks)
            if order.price_ticks in self._own_lots:
                self._own_lots[order.price_ticks] += order.remaining_lots

    def remove(self, order: SimulatedOrder) -> bool:
        """Take `order` out; False when it is not here."""
        for queues in (self._queues, self._hidden):
            queue = queues.get(order.price_ticks)
            if not queue:
                continue
            for index, resting in enumerate(queue):
                if resting.order is order:
                    del queue[index]
                    self._own_lots.pop(order.price_ticks, None)
                    if queues is self._queues:
                        self._touch(order.price_ticks)
                    if not queue:
                        del queues[order.price_ticks]
                    return True
        return False

    def lots_ahead(self, order: SimulatedOrder) -> int | None:
        """Displayed lots that trade before `order` at its price; None when it does not rest here."""
        ahead_of_orders = 0
        for resting in self._queues.get(order.price_ticks, ()):
            if resting.order is order:
                return resting.ahead + ahead_of_orders
            ahead_of_orders += resting.order.remaining_lots
        return None

    def _best_synthetic(self) -> int | None:
        ladder, synthetic = self._ladder, self.synthetic
        cursor, size = self._ladder_cursor, len(ladder)
        while cursor < size and ladder[cursor] not in synthetic:
            cursor += 1
        self._ladder_cursor = cursor
        return ladder[cursor] if cursor < size else None


class OrderBook:
    """Both sides of one symbol, and what of them was last published."""

    __slots__ = ("_published", "asks", "bids", "published_best", "update_id")

    def __init__(self, queue_model: QueueModel = pessimistic_queue) -> None:
        self.bids = BookSide(1, queue_model)
        self.asks = BookSide(-1, queue_model)
        self.update_id = 0
        self._published: list[Ladder] = [{}, {}]
        self.published_best: tuple[tuple[int, int] | None, tuple[int, int] | None] = (None, None)
        """Best bid and ask as (tick, lots) when changes were last taken."""

    def side(self, side: Side) -> BookSide:
        """Where orders of `side` rest."""
        return self.bids if side is Side.BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """What an order of `side` trades against."""
        return self.asks if side is Side.BUY else self.bids

    def take_changes(self) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """(changed bids, changed asks) as (tick, absolute lots) since the last call; 0 lots means gone."""
        bid_changes, bids = self._changed(self.bids, 0)
        ask_changes, asks = self._changed(self.asks, 1)
        if bid_changes or ask_changes:
            for index, whole in enumerate((bids, asks)):
                if whole is not None:
                    self._published[index] = dict(whole)
            self.published_best = (self._best_of(self.bids), self._best_of(self.asks))
        return bid_changes, ask_changes

    def _changed(self, side: BookSide, index: int) -> tuple[tuple[tuple[int, int], ...], Ladder | None]:
        """(changes of a side, the whole side where it had to be looked at)."""
        touched, published = side.take_touched(), self._published[index]
        if touched is None:
            return (), None
        if touched == _EVERYWHERE:
            whole = side.displayed()
            return _changes(published, whole), whole
        lots = side.displayed_lots(touched)
        if lots == published.get(touched, 0):
            return (), None
        if lots:
            published[touched] = lots
        else:
            del published[touched]
        return ((touched, lots),), None

    @staticmethod
    def _best_of(side: BookSide) -> tuple[int, int] | None:
        best = side.best()
        return None if best is None else (best, side.displayed_lots(best))

    def levels(self, count: int) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        """Best `count` displayed (tick, lots) of bids and asks."""
        bids = sorted(self.bids.displayed().items(), reverse=True)[:count]
        asks = sorted(self.asks.displayed().items())[:count]
        return tuple(bids), tuple(asks)


def _changes(old: Ladder, new: Ladder) -> tuple[tuple[int, int], ...]:
    if old == new:
        return ()
    changed = [(tick, lots) for tick, lots in new.items() if old.get(tick) != lots]
    changed += [(tick, 0) for tick in old if tick not in new]
    return tuple(changed)
