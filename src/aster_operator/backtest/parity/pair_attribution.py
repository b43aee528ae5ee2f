"""Why a pair earned something else than its replay: each leg's two ends compared, and each difference split.

A difference is live minus replayed, in USD. A pair still held at the end of both counts at its marks there.
Of one end of a leg, with L and R the touch that the session and the replay knew:

    live price - replayed price
      = (L - R) at the live fill              missing data: the recording tells another market
      + R from one decision to the other      why it was decided at another time
      + R from decision to fill, live less replayed   latency
      + what is left                          slippage: filled at another distance from the touch

A leg alone moves with the market; as both legs are decided at one time, that part nearly cancels in a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from aster_operator.backtest.parity.pair_record import PairTrade, TradedEnd, TradedLeg
from aster_operator.backtest.parity.record import SessionRecord
from aster_operator.backtest.parity.table import Cause, ParityRow
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import Side
from aster_operator.domain.money import ZERO

__all__ = ["compare_pairs"]

_SAME_MOMENT_MS = 10_000
"""Decisions so near to each other are one: nothing but the time of the timers lies between them."""
_SMALLEST_USD = Decimal("1e-12")
_PLANNED_OTHERWISE = ("the plan reaches", "held for its value")
"""How the strategy says that it chose otherwise, not that something stopped it."""


class _Match(NamedTuple):
    live: PairTrade | None
    replayed: PairTrade | None


def compare_pairs(live: SessionRecord, replayed: SessionRecord, *, since_ms: int = 0) -> list[ParityRow]:
    """A row for each pair of either side that traded and was decided from `since_ms` on, by time."""
    comparison = _PairComparison(live, replayed)
    matches = _matched(live, replayed)
    matches.sort(key=lambda match: _first(match).decided_ms)
    rows = [(match, comparison.row(match)) for match in matches]
    return [row for match, row in rows if _first(match).decided_ms >= since_ms]


def _first(match: _Match) -> PairTrade:
    pair = match.live or match.replayed
    assert pair is not None  # noqa: S101 - one of the two is always there
    return pair


def _matched(live: SessionRecord, replayed: SessionRecord) -> list[_Match]:
    """Each pair with the one of the other side that was held longest at the same time, or alone."""
    end_ms = max(live.last_ms, replayed.last_ms)
    ours, theirs = ([p for p in record.pairs.pairs.values() if p.counts] for record in (live, replayed))
    common = [
        (_overlap_ms(one, other, end_ms), one, other)
        for one in ours
        for other in theirs
        if one.name == other.name
    ]
    matches: list[_Match] = []
    taken: set[int] = set()
    for overlap_ms, one, other in sorted(common, key=lambda entry: entry[0], reverse=True):
        if overlap_ms > 0 and not taken & {id(one), id(other)}:
            taken |= {id(one), id(other)}
            matches.append(_Match(one, other))
    matches += [_Match(one, None) for one in ours if id(one) not in taken]
    return matches + [_Match(None, other) for other in theirs if id(other) not in taken]


def _overlap_ms(one: PairTrade, other: PairTrade, end_ms: int) -> int:
    ends = (pair.ended_ms if pair.ended_ms is not None else end_ms for pair in (one, other))
    return min(ends) - max(one.decided_ms, other.decided_ms)


@dataclass(frozen=True)
class _End:
    """One end of a leg, traded or valued at the mark. Price per unit; fills as (time, quantity)."""

    price: Decimal
    decided_ms: int
    fills: tuple[tuple[int, Decimal], ...]
    is_valued: bool = False


class _PairComparison:
    def __init__(self, live: SessionRecord, replayed: SessionRecord) -> None:
        self._live = live
        self._replayed = replayed
        self._cause_before: dict[str, Cause] = {}
        """Of the last difference on each pairing: what follows from it has the same cause."""

    def row(self, match: _Match) -> ParityRow:
        live, replayed = match
        if live is not None and replayed is not None:
            return self._pair(live, replayed)
        return self._alone(_first(match), is_live=live is not None)

    # --- what a pair earned ---------------------------------------------------------------------------

    def _earned(self, pair: PairTrade, record: SessionRecord) -> Decimal | None:
        """Net of fees and funding, what is still held at its mark; None where that is not known."""
        gross = [self._gross(leg, record) for leg in pair.legs.values()]
        if pair.began_before or any(each is None for each in gross):
            return None
        return sum((each for each in gross if each is not None), ZERO) - pair.fees_usd + pair.funding_usd

    @staticmethod
    def _gross(leg: TradedLeg, record: SessionRecord) -> Decimal | None:
        mark = record.pairs.marks.get(leg.symbol)
        if leg.held and mark is None:
            return None
        return -leg.side.sign * (leg.opening.cost - leg.closing.cost - leg.held * (mark or ZERO))

    # --- both sides -----------------------------------------------------------------------------------

    def _pair(self, live: PairTrade, replayed: PairTrade) -> ParityRow:
        earned, expected = self._earned(live, self._live), self._earned(replayed, self._replayed)
        if earned is None or expected is None:
            begun = live.began_before or replayed.began_before
            why = "held when the session began" if begun else "a mark is not known"
            return _row(live, earned, expected, None, f"the result is not known: {why}")
        parts: dict[Cause, Decimal] = dict.fromkeys(Cause, ZERO)
        parts[Cause.FEE] = replayed.fees_usd - live.fees_usd
        parts[Cause.FUNDING] = live.funding_usd - replayed.funding_usd
        opened, why_opened = self._shift(live, replayed, live.decided_ms, replayed.decided_ms)
        closed, why_closed = self._shift(live, replayed, self._closing_ms(live), self._closing_ms(replayed))
        for side, leg in live.legs.items():
            other = replayed.legs.get(side)
            if other is not None:
                self._compare_legs(parts, (live, leg), (replayed, other), (opened, closed))
        # Shares of a cent short enough that all of them add up exactly.
        parts = {cause: value.quantize(_SMALLEST_USD) for cause, value in parts.items()}
        parts[Cause.SLIPPAGE] += (earned - expected) - sum(parts.values(), ZERO)
        notes = [f"opened {why_opened}" if why_opened else "", f"closed {why_closed}" if why_closed else ""]
        row = _row(live, earned, expected, parts, "; ".join(note for note in notes if note))
        if row.parts:
            self._cause_before[live.name] = max(row.parts, key=lambda cause: abs(row.parts[cause]))
        return row

    def _closing_ms(self, pair: PairTrade) -> int:
        """When it was decided to close; the end of the session for one that is still held."""
        return self._end_ms if pair.closing_ms is None else pair.closing_ms

    @property
    def _end_ms(self) -> int:
        return max(self._live.last_ms, self._replayed.last_ms)

    def _shift(
        self, live: PairTrade, replayed: PairTrade, live_ms: int, replayed_ms: int
    ) -> tuple[Cause, str]:
        """Why the same was decided at two times, and the difference in words; no words where it was not."""
        late_ms = live_ms - replayed_ms
        if late_ms == 0:
            return Cause.LATENCY, ""
        words = f"{abs(late_ms) / 1000:.1f} s {'later' if late_ms > 0 else 'earlier'} than replayed"
        if abs(late_ms) <= _SAME_MOMENT_MS:
            return Cause.LATENCY, words
        later, name = (self._live, live.name) if late_ms > 0 else (self._replayed, replayed.name)
        cause, why = self._why_waiting(later, name, min(live_ms, replayed_ms))
        who = "the session" if late_ms > 0 else "the replay"
        return cause, f"{words}: {who} {why}"

    def _compare_legs(
        self,
        parts: dict[Cause, Decimal],
        live: tuple[PairTrade, TradedLeg],
        replayed: tuple[PairTrade, TradedLeg],
        shifts: tuple[Cause, Cause],
    ) -> None:
        """Add what a leg's size and prices did to `parts`; slippage is what the caller finds left over."""
        quantity, other = live[1].opening.quantity, replayed[1].opening.quantity
        expected = self._gross(replayed[1], self._replayed)
        if not quantity or not other or expected is None:
            parts[Cause.SIZE] += (self._gross(live[1], self._live) or ZERO) - (expected or ZERO)
            return
        parts[Cause.SIZE] += expected / other * (quantity - other)
        sides = (live[1].side, live[1].side.opposite)
        ends = zip(self._ends(*live, self._live), self._ends(*replayed, self._replayed), strict=True)
        for side, shift, (one, two) in zip(sides, shifts, ends, strict=True):
            worth = -side.sign * quantity
            if one.is_valued and two.is_valued:
                parts[Cause.MISSING_DATA] += worth * (one.price - two.price)
                continue
            for cause, moved in self._moves(live[1].symbol, side, shift, one, two):
                parts[cause] += worth * moved

    def _ends(self, pair: PairTrade, leg: TradedLeg, record: SessionRecord) -> tuple[_End, _End]:
        closing = _end(leg.closing, self._closing_ms(pair))
        if closing is None or leg.held:
            mark = record.pairs.marks.get(leg.symbol, ZERO)
            cost = leg.closing.cost + leg.held * mark
            fills = (*leg.closing.fills, (self._end_ms, leg.held))
            quantity = leg.opening.quantity
            closing = _End(cost / quantity, self._closing_ms(pair), fills, is_valued=not leg.closing.quantity)
        opening = _end(leg.opening, pair.decided_ms)
        assert opening is not None  # noqa: S101 - the caller has looked
        return opening, closing

    def _moves(
        self, symbol: str, side: Side, shift: Cause, one: _End, two: _End
    ) -> list[tuple[Cause, Decimal]]:
        """How far each cause moved the price of an end; nothing where a touch is not known."""
        heard = _touch_of_fills(self._live, symbol, side, one)
        told = _touch_of_fills(self._replayed, symbol, side, one)
        theirs = _touch_of_fills(self._replayed, symbol, side, two)
        decided = self._replayed.touch(symbol, side, one.decided_ms)
        decided_there = self._replayed.touch(symbol, side, two.decided_ms)
        if heard is None or told is None or theirs is None or decided is None or decided_there is None:
            return []
        return [
            (Cause.MISSING_DATA, heard - told),
            (shift, decided - decided_there),
            (Cause.LATENCY, (told - decided) - (theirs - decided_there)),
        ]

    # --- one side only --------------------------------------------------------------------------------

    def _alone(self, pair: PairTrade, *, is_live: bool) -> ParityRow:
        here, there = ("live", "the replay") if is_live else ("replayed", "the session")
        record, other = (self._live, self._replayed) if is_live else (self._replayed, self._live)
        cause, why = self._why_waiting(other, pair.name, pair.decided_ms)
        self._cause_before[pair.name] = cause
        earned = self._earned(pair, record)
        note = f"only {here}: {there} {why}"
        if earned is None:
            return _row(pair, None, None, None, f"{note}; its result is not known")
        if is_live:
            return _row(pair, earned, None, {cause: earned}, note)
        return _row(pair, None, earned, {cause: -earned}, note)

    def _why_waiting(self, other: SessionRecord, name: str, at_ms: int) -> tuple[Cause, str]:
        """Why a side did not do at that time what the other did, by its newest decision then."""
        decision = other.pairs.decision_at(name, at_ms + _SAME_MOMENT_MS)
        if decision is None or other.last_ms < at_ms:
            return Cause.MISSING_DATA, "did not decide then"
        reason = decision.reason
        if "market data" in reason or "no mark price" in reason:
            return Cause.MISSING_DATA, f"had no market ({reason})"
        if any(words in reason for words in _PLANNED_OTHERWISE):
            return Cause.SIGNAL, f"had planned otherwise ({reason})"
        follows = self._cause_before.get(name)
        if decision.action in ("wait", "close"):
            return follows or Cause.BLOCKER, f"was stopped ({reason})"
        return follows or Cause.LATENCY, f"was at another point ({decision.action}: {reason})"


def _end(end: TradedEnd, decided_ms: int) -> _End | None:
    if not end.quantity:
        return None
    return _End(end.cost / end.quantity, decided_ms, tuple(end.fills))


def _touch_of_fills(record: SessionRecord, symbol: str, side: Side, end: _End) -> Decimal | None:
    """The touch at the fills, weighted by what was filled; None where one of them is not known."""
    total = cost = ZERO
    for at_ms, quantity in end.fills:
        touch = record.touch(symbol, side, at_ms)
        if touch is None:
            return None
        total, cost = total + quantity, cost + quantity * touch
    return cost / total if total else None


def _row(
    pair: PairTrade,
    live_usd: Decimal | None,
    replayed_usd: Decimal | None,
    parts: dict[Cause, Decimal] | None,
    note: str,
) -> ParityRow:
    bar_ms = pair.decided_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
    return ParityRow.of(pair.name, bar_ms, None, live_usd, replayed_usd, parts, note)
