"""A catalog as what the embedded exchange and backtests play: minutes of symbols, ticks of a symbol."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS
from aster_operator.market_data.history import MINUTE_MS, HistoryError
from aster_operator.market_data.ticks import BookTick, MarkTick, MinuteTick, TickHistory, TradeTick

__all__ = ["catalog_ticks", "minutes_before"]


def catalog_ticks(
    root: Path, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
) -> TickHistory:
    """Books and trades of `symbol` by the venue's time; at one millisecond books come before trades.

    Five-level books where there are some, else best prices; mark, funding and the minutes from before the
    first book where they were recorded. Bounds in ms, the second exclusive. Raises HistoryError and
    CatalogError.
    """
    catalog = Catalog(root)
    streams = catalog.streams()
    books: list[BookTick] = []
    for stream in ("depth5", "bookTicker"):
        if stream in streams and not books:
            rows = catalog.read(stream, [symbol], start_ms=start_ms, end_ms=end_ms).sort(
                "event_ms", "received_ns", maintain_order=True
            )
            best = ("bid1_price", "ask1_price") if stream == "depth5" else ("bid_price", "ask_price")
            _refuse_unsound(rows, best, f"{root}: {symbol}, stream {stream}")
            books = _pictures(rows) if stream == "depth5" else _touches(rows)
    if not books:
        raise HistoryError(f"{root}: {symbol}: no book recorded in this time; record bookTicker or depth5")
    trades: list[TradeTick] = []
    if "aggTrade" in streams:
        rows = catalog.read("aggTrade", [symbol], start_ms=start_ms, end_ms=end_ms)
        once = rows.unique(["trade_ms", "trade_id"], keep="first", maintain_order=True).sort(
            "trade_ms", "trade_id"
        )
        _refuse_unsound(once, ("price",), f"{root}: {symbol}, stream aggTrade")
        trades = [
            TradeTick(time_ms, price, quantity, not is_buyer_maker)
            for time_ms, price, quantity, is_buyer_maker in once.select(
                "trade_ms", "price", "quantity", "is_buyer_maker"
            ).iter_rows()
            if quantity > 0
        ]
    # Trades from before the first book have nothing to trade against.
    first_ms = books[0].time_ms
    merged: Sequence[BookTick | TradeTick] = sorted(
        [*books, *(trade for trade in trades if trade.time_ms >= first_ms)],
        key=lambda tick: (tick.time_ms, isinstance(tick, TradeTick)),
    )
    return TickHistory(
        symbol,
        merged,
        marks=_marks(catalog, symbol, first_ms, end_ms),
        minutes=minutes_before(catalog, symbol, first_ms),
        funding=_settled(catalog, symbol, end_ms),
    )


def _refuse_unsound(rows: pl.DataFrame, prices: tuple[str, ...], where: str) -> None:
    """Raise HistoryError for the first row with a price that is none, or whose bid is above its ask."""
    bad = [~pl.col(price).is_finite() | (pl.col(price) <= 0) for price in prices]
    complaints = ["is not above 0"] * len(prices)
    if len(prices) > 1:
        bad.append(pl.col(prices[0]) > pl.col(prices[1]))
        complaints.append("is above the ask: the book is crossed")
    for wrong, price, complaint in zip(bad, (*prices, prices[0]), complaints, strict=False):
        found = rows.with_row_index("row").filter(wrong).select("row", "event_ms", price).head(1)
        if found.height:
            row, time_ms, value = found.row(0)
            raise HistoryError(
                f"{where}, row {row + 1} ({time_ms} ms), column {price}: {value:g} {complaint}"
            )


def _marks(catalog: Catalog, symbol: str, first_ms: int, end_ms: int | None) -> list[MarkTick]:
    """From the newest one that held when the first book was shown."""
    if "markPrice" not in catalog.streams():
        return []
    columns = ("event_ms", "mark_price", "index_price", "funding_rate", "next_funding_ms")
    rows = catalog.read("markPrice", [symbol], end_ms=end_ms).sort(
        "event_ms", "received_ns", maintain_order=True
    )
    _refuse_unsound(rows, ("mark_price",), f"{catalog.root}: {symbol}, stream markPrice")
    found = [MarkTick(*row) for row in rows.select(columns).iter_rows() if row[2] > 0]
    before = sum(1 for mark in found if mark.time_ms <= first_ms)
    return found[max(0, before - 1) :]


def minutes_before(catalog: Catalog, symbol: str, first_ms: int) -> list[MinuteTick]:
    """The unbroken minutes that end with the one before the first book; none where that one is not known."""
    if "kline_1m" not in catalog.streams():
        return []
    running_ms = first_ms // MINUTE_MS * MINUTE_MS
    rows = (
        catalog.read("kline_1m", [symbol], end_ms=running_ms)
        .filter(pl.col("is_closed"))
        .sort("open_ms", "received_ns", maintain_order=True)
        .unique("open_ms", keep="first", maintain_order=True)
        .select(
            "open_ms", "open", "high", "low", "close", "base_volume", "quote_volume", "trades",
            "taker_buy_base_volume",
        )
    )  # fmt: skip
    found: list[MinuteTick] = []
    for row in reversed(rows.rows()):
        if row[0] != running_ms - (len(found) + 1) * MINUTE_MS:
            break
        found.append(MinuteTick(*row))
    return found[::-1]


def _settled(catalog: Catalog, symbol: str, end_ms: int | None) -> tuple[tuple[int, float], ...]:
    if "funding" not in catalog.streams():
        return ()
    rows = catalog.read("funding", [symbol], end_ms=end_ms).unique("funding_ms", keep="first")
    return tuple(rows.sort("funding_ms").select("funding_ms", "funding_rate").rows())


def _touches(rows: pl.DataFrame) -> list[BookTick]:
    return [
        BookTick(time_ms, ((bid, bids),), ((ask, asks),))
        for time_ms, bid, bids, ask, asks in rows.select(
            "event_ms", "bid_price", "bid_quantity", "ask_price", "ask_quantity"
        ).iter_rows()
        if bid < ask and bids > 0 and asks > 0
    ]


def _pictures(rows: pl.DataFrame) -> list[BookTick]:
    names = [
        f"{side}{level}_{what}"
        for side in ("bid", "ask")
        for level in range(1, BOOK_LEVELS + 1)
        for what in ("price", "quantity")
    ]
    found = []
    for time_ms, *cells in rows.select("event_ms", *names).iter_rows():
        pairs = [
            (price, quantity) if price and quantity else None
            for price, quantity in zip(cells[::2], cells[1::2], strict=True)
        ]
        bids = tuple(pair for pair in pairs[:BOOK_LEVELS] if pair is not None)
        asks = tuple(pair for pair in pairs[BOOK_LEVELS:] if pair is not None)
        if bids and asks and bids[0][0] < asks[0][0]:
            found.append(BookTick(time_ms, bids, asks))
    return found
