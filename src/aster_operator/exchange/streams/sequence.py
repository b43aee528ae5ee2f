"""Whether market events follow one another: duplicates, late ones and gaps, told by the venue's own numbers.

A connection delivers in order, but during a change-over two of them deliver side by side, and a venue or a
proxy may repeat itself.
"""

from typing import Final

from aster_operator.exchange.wire.streams import (
    AggregateTradeMessage,
    BookTickerMessage,
    DepthMessage,
    MarketMessage,
)

__all__ = ["MarketSequence"]

_MISSING_KEPT: Final = 1000


class _Trades:
    """Aggregate trades of one symbol, numbered without a hole."""

    __slots__ = ("last", "missing", "rejoining")

    def __init__(self, first: int) -> None:
        self.last = first
        self.missing: set[int] = set()
        self.rejoining = False


class MarketSequence:
    """Judges each event of a market stream before it is delivered, and counts what is not as it should be.

    Trades are delivered once each, also late; quotes and book pictures are delivered unless a newer one of
    the symbol has been. Bars and marks carry no number and always pass.
    """

    __slots__ = ("_pictures", "_rejoining", "_trades", "duplicates", "gaps", "out_of_order")

    def __init__(self) -> None:
        self._trades: dict[str, _Trades] = {}
        self._pictures: dict[tuple[str, type], int] = {}
        self._rejoining: set[tuple[str, type]] = set()
        self.duplicates = 0
        """Trades that had been delivered before; dropped."""
        self.out_of_order = 0
        """Events older than one delivered before: trades are delivered late, pictures dropped."""
        self.gaps = 0
        """Holes in the numbers of trades."""

    def rejoin(self) -> None:
        """The connection was lost and made anew: numbers may go on anywhere, a restarted venue's below."""
        self._rejoining = set(self._pictures)
        for trades in self._trades.values():
            trades.rejoining = True

    def admits(self, message: MarketMessage) -> bool:
        """Return whether `message` is to be delivered."""
        match message:
            case AggregateTradeMessage():
                return self._admits_trade(message.symbol, message.trade_id)
            case BookTickerMessage():
                return self._admits_picture((message.symbol, BookTickerMessage), message.update_id)
            case DepthMessage():
                return self._admits_picture((message.symbol, DepthMessage), message.last_update_id)
            case _:
                return True

    def _admits_picture(self, key: tuple[str, type], number: int) -> bool:
        if number < self._pictures.get(key, number) and key not in self._rejoining:
            self.out_of_order += 1
            return False
        self._pictures[key] = number
        self._rejoining.discard(key)
        return True

    def _admits_trade(self, symbol: str, number: int) -> bool:
        trades = self._trades.get(symbol)
        if trades is None:
            self._trades[symbol] = _Trades(number)
            return True
        if number > trades.last:
            skipped = range(trades.last + 1, number)
            self.gaps += bool(skipped)
            trades.missing.update(skipped[-_MISSING_KEPT:])
            if len(trades.missing) > _MISSING_KEPT:
                trades.missing = set(sorted(trades.missing)[-_MISSING_KEPT:])
        elif number in trades.missing:
            trades.missing.discard(number)
            self.out_of_order += 1
            return True
        elif trades.rejoining and number < trades.last:
            trades.missing.clear()
        else:
            self.duplicates += 1
            return False
        trades.last = number
        trades.rejoining = False
        return True
