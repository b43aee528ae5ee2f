"""What the market does while a position is held: volume, prices, the furthest for and against. Pure state."""

from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.closed_trades import MarketMeanwhile
from aster_operator.domain.enums import Side
from aster_operator.domain.market import Bar, Quote
from aster_operator.domain.money import ZERO

__all__ = ["MarketWatch", "TradedVolume"]

_BPS = Decimal(10_000)


@dataclass(slots=True)
class TradedVolume:
    """Running totals of one symbol's volume, from its running and closed bars.

    Only grows: a bar told of again counts what is new in it.
    """

    base: Decimal = ZERO
    quote: Decimal = ZERO
    _open_ms: int = -1
    _bar_base: Decimal = ZERO
    _bar_quote: Decimal = ZERO

    def take(self, bar: Bar) -> None:
        if bar.open_ms < self._open_ms:
            return
        if bar.open_ms > self._open_ms:
            self._open_ms, self._bar_base, self._bar_quote = bar.open_ms, ZERO, ZERO
        self.base += max(bar.base_volume - self._bar_base, ZERO)
        self.quote += max(bar.quote_volume - self._bar_quote, ZERO)
        self._bar_base = max(self._bar_base, bar.base_volume)
        self._bar_quote = max(self._bar_quote, bar.quote_volume)


@dataclass(slots=True)
class MarketWatch:
    """Follows one position from its first fill. `volume` is the symbol's, shared by all."""

    side: Side
    entry_price: Decimal
    volume: TradedVolume
    opened_ms: int
    last: Decimal | None = None
    base_at_entry: Decimal = field(init=False)
    quote_at_entry: Decimal = field(init=False)
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    highest_mark: Decimal | None = None
    lowest_mark: Decimal | None = None
    exit_quote: Quote | None = None
    mark_at_exit: Decimal | None = None

    def __post_init__(self) -> None:
        self.base_at_entry, self.quote_at_entry = self.volume.base, self.volume.quote
        if self.last is not None:
            self._traded(self.last)

    def take_bar(self, bar: Bar) -> None:
        """A running or closed bar: its close is the last trade, its range counts if it began after entry."""
        if bar.open_ms >= self.opened_ms and bar.base_volume > 0:
            self._traded(bar.open)
            self._traded(bar.high)
            self._traded(bar.low)
        if bar.close_ms >= self.opened_ms:
            self._traded(bar.close)

    def take_mark(self, mark: Decimal) -> None:
        self.highest_mark = mark if self.highest_mark is None else max(self.highest_mark, mark)
        self.lowest_mark = mark if self.lowest_mark is None else min(self.lowest_mark, mark)

    def sent_exit(self, quote: Quote | None, mark: Decimal | None) -> None:
        """The market when the exit was sent, or was first heard to have filled; the first word stands."""
        if self.exit_quote is None:
            self.exit_quote, self.mark_at_exit = quote, mark

    def _traded(self, price: Decimal) -> None:
        self.open = price if self.open is None else self.open
        self.high = price if self.high is None else max(self.high, price)
        self.low = price if self.low is None else min(self.low, price)
        self.close = price

    def summary(
        self,
        *,
        bid: Decimal | None,
        ask: Decimal | None,
        mark_at_entry: Decimal | None,
        exit_price: Decimal | None,
    ) -> MarketMeanwhile:
        """`bid` and `ask` are the touch when the entry was sent."""
        base, quote = self.volume.base - self.base_at_entry, self.volume.quote - self.quote_at_entry
        worst, best = self.lowest_mark, self.highest_mark
        if self.side is Side.SELL:
            worst, best = best, worst
        change = None
        if mark_at_entry is not None and self.mark_at_exit is not None:
            change = _rounded((self.mark_at_exit / mark_at_entry - 1) * _BPS)
        quote_out = self.exit_quote
        return MarketMeanwhile(
            base_volume=base,
            quote_volume=quote,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            vwap=_rounded(quote / base) if base > 0 and quote > 0 else None,
            mark_at_entry=mark_at_entry,
            mark_at_exit=self.mark_at_exit,
            mark_change_bps=change,
            entry_slippage_touch_bps=_worse(self.side, self.entry_price, _touch(self.side, bid, ask)),
            entry_slippage_mid_bps=_worse(self.side, self.entry_price, _mid(bid, ask)),
            exit_slippage_touch_bps=_worse(
                self.side.opposite,
                exit_price,
                None if quote_out is None else _touch(self.side.opposite, quote_out.bid, quote_out.ask),
            ),
            exit_slippage_mid_bps=_worse(
                self.side.opposite, exit_price, None if quote_out is None else quote_out.mid
            ),
            mae_bps=self._moved_bps(worst, -1),
            mfe_bps=self._moved_bps(best, 1),
        )

    def _moved_bps(self, mark: Decimal | None, sign: int) -> Decimal | None:
        if mark is None:
            return None
        return _rounded(max(ZERO, (mark / self.entry_price - 1) * _BPS * self.side.sign * sign))


def _touch(side: Side, bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return ask if side is Side.BUY else bid


def _mid(bid: Decimal | None, ask: Decimal | None) -> Decimal | None:
    return None if bid is None or ask is None else (bid + ask) / 2


def _worse(side: Side, price: Decimal | None, reference: Decimal | None) -> Decimal | None:
    """By how many bps `price` is the worse one for an order of `side`."""
    if price is None or reference is None:
        return None
    return _rounded((price / reference - 1) * _BPS * side.sign)


def _rounded(value: Decimal) -> Decimal:
    """To a millionth: quotients have no last digit."""
    return value.quantize(Decimal("0.000001"))
