"""Names of the market streams (protocol reference, section 6.2)."""

from typing import Final

from aster_operator.exchange.client_protocol import MarketChannel

__all__ = [
    "ALL_BOOK_TICKERS",
    "ALL_LIQUIDATIONS",
    "ALL_MINI_TICKERS",
    "ALL_TICKERS",
    "agg_trade",
    "all_mark_prices",
    "book_ticker",
    "depth",
    "kline",
    "liquidation",
    "mark_price",
    "mini_ticker",
    "names_of",
    "partial_depth",
    "ticker",
    "trade_pro",
]

ALL_BOOK_TICKERS: Final = "!bookTicker"
ALL_LIQUIDATIONS: Final = "!forceOrder@arr"
ALL_MINI_TICKERS: Final = "!miniTicker@arr"
ALL_TICKERS: Final = "!ticker@arr"

_DEPTH_SPEEDS_MS: Final = (100, 250, 500)


def agg_trade(symbol: str) -> str:
    """Aggregate trades, every 100 ms."""
    return f"{symbol.lower()}@aggTrade"


def mark_price(symbol: str, *, every_second: bool = True) -> str:
    """Mark price and funding of one symbol, every second or every three."""
    return f"{symbol.lower()}@markPrice{'@1s' if every_second else ''}"


def all_mark_prices(*, every_second: bool = True) -> str:
    """Mark prices of all symbols in one array."""
    return f"!markPrice@arr{'@1s' if every_second else ''}"


def kline(symbol: str, interval: str = "1m") -> str:
    """The running and the closed bar, every 250 ms."""
    return f"{symbol.lower()}@kline_{interval}"


def mini_ticker(symbol: str) -> str:
    """Short rolling 24-hour statistics, every 500 ms."""
    return f"{symbol.lower()}@miniTicker"


def ticker(symbol: str) -> str:
    """Rolling 24-hour statistics, every 500 ms."""
    return f"{symbol.lower()}@ticker"


def book_ticker(symbol: str) -> str:
    """Best bid and ask at every change."""
    return f"{symbol.lower()}@bookTicker"


def liquidation(symbol: str) -> str:
    """The newest liquidation order of each second."""
    return f"{symbol.lower()}@forceOrder"


def trade_pro(symbol: str) -> str:
    """Single trades with their chain hashes, in real time."""
    return f"{symbol.lower()}@tradepro"


def partial_depth(symbol: str, levels: int = 5, speed_ms: int = 250) -> str:
    """The top 5, 10 or 20 levels as a whole. Raises ValueError for other depths or speeds."""
    if levels not in (5, 10, 20):
        raise ValueError(f"levels must be 5, 10 or 20, was {levels}")
    return f"{symbol.lower()}@depth{levels}{_speed(speed_ms)}"


def depth(symbol: str, speed_ms: int = 250) -> str:
    """Differences of the whole book. Raises ValueError for a speed other than 100, 250 or 500 ms."""
    return f"{symbol.lower()}@depth{_speed(speed_ms)}"


def _speed(speed_ms: int) -> str:
    if speed_ms not in _DEPTH_SPEEDS_MS:
        raise ValueError(f"speed_ms must be 100, 250 or 500, was {speed_ms}")
    return "" if speed_ms == 250 else f"@{speed_ms}ms"


def names_of(channel: MarketChannel) -> list[str]:
    """Streams that a channel asks for."""
    symbol = channel.symbol
    names = []
    if channel.quotes:
        names.append(book_ticker(symbol))
    if channel.marks:
        names.append(mark_price(symbol))
    if channel.bars:
        names.append(kline(symbol))
    if channel.trades:
        names.append(agg_trade(symbol))
    if channel.depth:
        names.append(partial_depth(symbol, channel.depth_levels))
    return names
