"""What a replay on the venue of arrays came to, and whether its account adds up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aster_operator.backtest.replay import venue as v
from aster_operator.backtest.replay.desk_trader import DeskTrader
from aster_operator.backtest.replay.engine import (
    ReplayBar,
    ReplayFill,
    ReplayVenueOptions,
    TickReplay,
    TickStrategy,
)
from aster_operator.backtest.replay.events import ReplayEvents
from aster_operator.backtest.replay.hook import EventReplay
from aster_operator.strategy.asking import faults_named

__all__ = ["ReplayOutcome", "outcome_of_events", "play"]

_WORDS = {
    v.LIMIT: "LIMIT",
    v.MARKET: "MARKET",
    v.STOP: "SL",
    v.TAKE_PROFIT: "TP",
    v.TRAILING_STOP: "TSL",
    v.OWN_TRAIL: "TSL",
    v.IOC: "IOC",
}


@dataclass
class ReplayOutcome:
    """Of one symbol: counts, money in quote units, times in ms. An open position is valued at the mark."""

    decisions: int
    entries: int
    exits_by_reason: dict[str, int]
    net_pnl: float
    fees: float
    funding: float
    events: int
    ledger: str
    fingerprint: str
    unprotected_ms: list[float] = field(default_factory=list)
    orphan_exits: int = 0


class _Counted:
    """Passes everything on and counts what the strategy was asked."""

    def __init__(self, strategy: TickStrategy) -> None:
        self._strategy = strategy
        self._kind = type(strategy)
        self.decisions = 0

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        self.decisions += 1
        faults_named(self._kind, self._strategy.on_bar, replay, bar)

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None:
        faults_named(self._kind, self._strategy.on_fill, replay, fill)

    def on_timer(self, replay: TickReplay) -> None:
        faults_named(self._kind, self._strategy.on_timer, replay)


def play(
    events: ReplayEvents, options: ReplayVenueOptions, strategy: TickStrategy, *, every_event: bool = False
) -> ReplayOutcome:
    """Play everything through a strategy of bars, timers and fills; a desk ends with nothing held."""
    replay = TickReplay(events, options)
    if isinstance(strategy, DeskTrader):
        replay.run(strategy, every_event=every_event)
        replay.wind_down(strategy, strategy.flatten)
        found = _outcome(replay, strategy.decisions, (trade.reason for trade in strategy.trades))
        latency_ms = float(options.latency_ms)
        found.unprotected_ms = [
            min(latency_ms, float(trade.exited_ms - trade.entered_ms)) for trade in strategy.trades
        ]
        found.orphan_exits = replay.open_orders
        return found
    counted = _Counted(strategy)
    replay.run(counted, every_event=every_event)
    return _outcome(replay, counted.decisions, None)


def _outcome(replay: TickReplay, decisions: int, reasons: Iterable[Any] | None) -> ReplayOutcome:
    rows = [(fill.order, fill.side, fill.price, fill.quantity, fill.fee) for fill in replay.fills]
    words = {order: _WORDS[kind] for order, kind in replay.order_types.items()}
    entries, exits = _round_trips(rows, words)
    if reasons is not None:
        exits = Counter(str(reason) for reason in reasons if reason is not None)
    return ReplayOutcome(
        decisions=decisions,
        entries=entries,
        exits_by_reason=dict(sorted(exits.items())),
        net_pnl=replay.cash + _value(replay.position, replay.mark, replay.last),
        fees=replay.fees,
        funding=replay.funding,
        events=replay.events_played,
        ledger=_ledger(rows, replay.cash - replay.funding, replay.position, replay.fees),
        fingerprint=replay.fingerprint(),
    )


def outcome_of_events(events: ReplayEvents, found: EventReplay) -> ReplayOutcome:
    """Of a compiled strategy, which saw every event and is asked nothing."""
    rows = [
        (int(order), int(side), price, quantity, fee)
        for _, order, side, price, quantity, fee, _ in found.fills.tolist()
    ]
    makers = {int(row[1]): "LIMIT" if row[6] else "MARKET" for row in found.fills.tolist()}
    entries, exits = _round_trips(rows, makers)
    return ReplayOutcome(
        decisions=0,
        entries=entries,
        exits_by_reason=dict(sorted(exits.items())),
        net_pnl=found.cash + _value(found.position, found.mark, found.last),
        fees=found.fees,
        funding=found.funding,
        events=len(events),
        ledger=_ledger(rows, found.cash - found.funding, found.position, found.fees),
        fingerprint=found.fingerprint(),
    )


def _value(position: float, mark: float, last: float) -> float:
    if position == 0:
        return 0.0
    return position * (mark if mark == mark else last)


_Row = tuple[int, int, float, float, float]


def _round_trips(rows: Sequence[_Row], words: dict[int, str]) -> tuple[int, Counter[str]]:
    """Fills that opened from flat or turned the position round, and by what those were closed that ended."""
    entries, exits, held = 0, Counter[str](), 0.0
    for order, side, _, quantity, _ in rows:
        before, held = held, held + side * quantity
        if abs(held) < 1e-9 * quantity:
            held = 0.0
        if before != 0 and before * held <= 0:
            exits[words[order]] += 1
        if held != 0 and before * held <= 0:
            entries += 1
    return entries, exits


def _ledger(rows: Sequence[_Row], cash: float, position: float, fees: float) -> str:
    """Whether the account says what its fills add up to: `match`, or by how much it does not."""
    sums = (
        (cash, math.fsum(-side * price * quantity - fee for _, side, price, quantity, fee in rows)),
        (position, math.fsum(side * quantity for _, side, _, quantity, _ in rows)),
        (fees, math.fsum(fee for *_, fee in rows)),
    )
    turned = math.fsum(price * quantity for _, _, price, quantity, _ in rows) + 1.0
    worst = max(abs(told - added) for told, added in sums)
    return "match" if worst <= 1e-9 * turned else f"differs by {worst:g}"
