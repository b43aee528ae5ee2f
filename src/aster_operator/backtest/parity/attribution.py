"""Why a session earned something else than its replay: each difference split by cause, to the last digit.

A difference is live minus replayed, in USD. Of trades that both made, fees and funding are told apart; what
remains lies in the prices: as far as the touch moved between the two fills it is latency, the rest is
slippage against the touch. A trade that only one side made is one cause in whole: the other side's decision
on the same bar says which.
"""

from __future__ import annotations

from decimal import Decimal

from aster_operator.backtest.parity.pair_attribution import compare_pairs
from aster_operator.backtest.parity.record import SessionRecord, TradeKey
from aster_operator.backtest.parity.table import Cause, ParityRow, ParityTable
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.enums import Side
from aster_operator.domain.money import ZERO

__all__ = ["compare_records"]

_GUARDS_OF_AGE = ("market_data", "bar_age")
"""The desk's verdicts on how old its prices and its bar are."""
_CLOSE_ROOM, _VOLUME_ROOM = Decimal("0.0005"), Decimal("0.05")
"""Shares by which a bar's close and volume may differ: on the embedded exchange our own fills print too."""


def compare_records(
    live: SessionRecord, replayed: SessionRecord, *, lookback_minutes: int, since_ms: int = 0
) -> ParityTable:
    """Match the trades by the bar they were decided on, pairs by the time they were held, and say where each
    difference comes from.

    `lookback_minutes` is how far back a decision looks; trades decided before `since_ms` take no part.
    """
    comparison = _Comparison(live, replayed, lookback_minutes)
    keys = sorted(
        (key for key in live.trades.keys() | replayed.trades.keys() if key[1] + MINUTE_MS >= since_ms),
        key=lambda key: (key[1], key[0]),
    )
    rows = [comparison.row(key) for key in keys]
    return ParityTable.of(rows + compare_pairs(live, replayed, since_ms=since_ms))


class _Comparison:
    def __init__(self, live: SessionRecord, replayed: SessionRecord, lookback_minutes: int) -> None:
        self._live = live
        self._replayed = replayed
        self._lookback_ms = lookback_minutes * MINUTE_MS
        self._cause_before: dict[str, Cause] = {}
        """Of the last difference on each symbol: what follows from it has the same cause."""

    def row(self, key: TradeKey) -> ParityRow:
        live, replayed = self._live.trades.get(key), self._replayed.trades.get(key)
        if live is not None and replayed is not None and live.side is replayed.side:
            return self._pair(key, live, replayed)
        if live is not None and replayed is not None:
            return self._opposite(key, live, replayed)
        if live is not None:
            return self._alone(key, live, is_live=True)
        assert replayed is not None  # noqa: S101 - a key comes from one of the two
        return self._alone(key, replayed, is_live=False)

    def _pair(self, key: TradeKey, live: ClosedTrade, replayed: ClosedTrade) -> ParityRow:
        earned, expected = live.net_pnl_usd, replayed.net_pnl_usd
        if earned is None or expected is None:
            which = "live" if earned is None else "replayed"
            return _row(key, live, earned, expected, None, f"the {which} result is not known")
        parts = {
            Cause.FEE: (replayed.fees_usd or ZERO) - (live.fees_usd or ZERO),
            Cause.FUNDING: live.funding_usd - replayed.funding_usd,
        }
        gross = (earned - expected) - sum(parts.values())
        ends = [ms for ms in (live.exit_filled_ms, replayed.exit_filled_ms) if ms is not None]
        note = "" if live.reason is replayed.reason else f"ended by {live.reason}, replayed {replayed.reason}"
        if gross and self._data_differ(key, until_ms=max(ends, default=key[1])):
            parts[Cause.MISSING_DATA] = gross
        else:
            parts |= self._prices(live, replayed, gross)
        row = _row(key, live, earned, expected, parts, note)
        if any(row.parts.values()):
            self._cause_before[key[0]] = max(row.parts, key=lambda cause: abs(row.parts[cause]))
        return row

    def _prices(self, live: ClosedTrade, replayed: ClosedTrade, gross: Decimal) -> dict[Cause, Decimal]:
        """Latency and size as far as they can be told; slippage is what is left."""
        size = ZERO
        if live.quantity != replayed.quantity and replayed.gross_pnl_usd is not None and replayed.quantity:
            size = replayed.gross_pnl_usd / replayed.quantity * (live.quantity - replayed.quantity)
        entry_side = live.side
        exit_side = Side.SELL if entry_side is Side.BUY else Side.BUY
        direction = 1 if entry_side is Side.BUY else -1
        entry = self._moved(live.symbol, entry_side, replayed.entry_filled_ms, live.entry_filled_ms)
        leave = self._moved(live.symbol, exit_side, replayed.exit_filled_ms, live.exit_filled_ms)
        latency = direction * live.quantity * (leave - entry)
        return {Cause.SIZE: size, Cause.LATENCY: latency, Cause.SLIPPAGE: gross - size - latency}

    def _moved(self, symbol: str, side: Side, from_ms: int | None, to_ms: int | None) -> Decimal:
        """How far the touch moved between two fills; nothing where they, or the quotes, are not known."""
        if from_ms is None or to_ms is None or from_ms == to_ms:
            return ZERO
        before, after = (self._touch(symbol, side, ms) for ms in (from_ms, to_ms))
        return ZERO if before is None or after is None else after - before

    def _touch(self, symbol: str, side: Side, at_ms: int) -> Decimal | None:
        touch = self._replayed.touch(symbol, side, at_ms)
        return self._live.touch(symbol, side, at_ms) if touch is None else touch

    def _alone(self, key: TradeKey, trade: ClosedTrade, *, is_live: bool) -> ParityRow:
        """A trade that the other side did not make."""
        here, there = ("live", "the replay") if is_live else ("replayed", "the session")
        other = self._replayed if is_live else self._live
        cause, why = self._why_not(key, other)
        self._cause_before[key[0]] = cause
        earned = trade.net_pnl_usd
        note = f"only {here}: {there} {why}"
        if earned is None:
            return _row(key, trade, None, None, None, f"{note}; its result is not known")
        if is_live:
            return _row(key, trade, earned, None, {cause: earned}, note)
        return _row(key, trade, None, earned, {cause: -earned}, note)

    def _opposite(self, key: TradeKey, live: ClosedTrade, replayed: ClosedTrade) -> ParityRow:
        cause = Cause.MISSING_DATA if self._data_differ(key) else Cause.SIGNAL
        self._cause_before[key[0]] = cause
        earned, expected = live.net_pnl_usd, replayed.net_pnl_usd
        parts = None if earned is None or expected is None else {cause: earned - expected}
        return _row(key, live, earned, expected, parts, "the replay took the other side")

    def _why_not(self, key: TradeKey, other: SessionRecord) -> tuple[Cause, str]:
        decision = other.decisions.get(key)
        if self._data_differ(key):
            return Cause.MISSING_DATA, "had other bars to decide on"
        if decision is None:
            return Cause.MISSING_DATA, "did not decide on that bar"
        if decision.action == "enter":
            return Cause.LATENCY, "entered too, but found nothing at its price, or still held it at the end"
        follows = self._cause_before.get(key[0])
        if "one_position" in decision.reason or "cooldown" in decision.reason or decision.action == "hold":
            return follows or Cause.BLOCKER, f"was not free to enter ({decision.reason})"
        if decision.action == "blocked" and any(f"{guard}: " in decision.reason for guard in _GUARDS_OF_AGE):
            return Cause.MISSING_DATA, f"had heard nothing newer ({decision.reason})"
        if decision.action == "blocked":
            return Cause.BLOCKER, f"was stopped ({decision.reason})"
        return Cause.SIGNAL, f"decided {decision.action} ({decision.reason})"

    def _data_differ(self, key: TradeKey, until_ms: int | None = None) -> bool:
        """Whether the two heard other bars in what a decision looks at, or until the trade had ended."""
        symbol, bar_ms = key
        live, replayed = self._live.bars[symbol], self._replayed.bars[symbol]
        first = bar_ms - self._lookback_ms
        last = bar_ms if until_ms is None else max(bar_ms, until_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS)
        return any(_is_other_bar(live.get(ms), replayed.get(ms)) for ms in range(first, last + 1, MINUTE_MS))


def _is_other_bar(one: tuple[Decimal, Decimal] | None, other: tuple[Decimal, Decimal] | None) -> bool:
    """Whether two tellings of a minute are too unlike for what our own fills add to it."""
    if one is None or other is None:
        return one is not other
    pairs = zip(one, other, (_CLOSE_ROOM, _VOLUME_ROOM), strict=True)
    return any(abs(a - b) > room * max(abs(a), abs(b)) for a, b, room in pairs)


def _row(
    key: TradeKey,
    trade: ClosedTrade,
    live_usd: Decimal | None,
    replayed_usd: Decimal | None,
    parts: dict[Cause, Decimal] | None,
    note: str,
) -> ParityRow:
    return ParityRow.of(*key, trade.side, live_usd, replayed_usd, parts, note)
