"""History over REST into a catalog: bars, aggregate trades, settled funding; in pieces, resumable.

What has been fetched is noted beside the rows, piece by piece, so that a download that was broken off goes on
where it was, and rows that the catalog already has are not added again.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, Clock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.catalog import Catalog, empty_frame
from aster_operator.market_data.catalog.durable import make_folder, write_durably
from aster_operator.market_data.catalog.layout import added_name, is_catalog
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.schemas import kline_stream, stream_schema

__all__ = ["INTERVALS_MS", "KINDS", "DownloadPlan", "Downloader", "Piece"]

KINDS: Final = ("klines", "aggTrades", "funding")
INTERVALS_MS: Final = {
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
}
_BARS_PAGE: Final = 1500
_TRADES_PAGE: Final = 1000
_RATES_PAGE: Final = 1000
_NOTES: Final = "downloads.json"

Rows = list[dict[str, Any]]


class DownloadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to fetch: `start_ms` inclusive, `end_ms` exclusive; `interval` is the length of bars."""

    symbols: tuple[str, ...]
    kinds: tuple[str, ...]
    start_ms: int
    end_ms: int
    interval: str = "1m"


class Piece(msgspec.Struct, frozen=True):
    """One step of a download."""

    stream: str
    symbol: str
    start_ms: int
    end_ms: int


class Downloader:
    """Fetches into the catalog at `root`. `process_id` names the files, so that two downloads never meet."""

    def __init__(self, client: AsterClient, root: Path, clock: Clock, process_id: int) -> None:
        self._client = client
        self._root = root
        self._clock = clock
        self._process_id = process_id
        self._done: dict[str, list[list[int]]] = {}

    def pieces(self, plan: DownloadPlan) -> list[Piece]:
        """What is still to be fetched, oldest first for each symbol and kind."""
        self._done = self._read_notes()
        streams = {"klines": kline_stream(plan.interval), "aggTrades": "aggTrade", "funding": "funding"}
        found: list[Piece] = []
        for symbol in plan.symbols:
            for kind in plan.kinds:
                stream = streams[kind]
                done = self._done.get(f"{stream}/{symbol}", [])
                step_ms = self._step_ms(kind, plan.interval)
                found += (
                    Piece(stream, symbol, start, end)
                    for first, last in _left(done, plan.start_ms, plan.end_ms)
                    for start, end in _cut(first, last, step_ms)
                )
        return found

    def _step_ms(self, kind: str, interval: str) -> int:
        if kind == "aggTrades":
            return HOUR_MS
        if kind == "funding":
            return 30 * DAY_MS
        return max(DAY_MS, _BARS_PAGE * INTERVALS_MS[interval] // DAY_MS * DAY_MS)

    async def fetch(self, piece: Piece, venue_ms: int) -> int:
        """Fetch a piece and add what the catalog lacks of it; returns the rows added.

        `venue_ms` is the venue's time: what is not over by then is fetched, but asked for again next time.
        Raises ExchangeError, OSError; then nothing of the piece is noted as done.
        """
        if piece.start_ms >= venue_ms:
            return 0
        if piece.stream == "aggTrade":
            rows = await self._trades(piece)
        elif piece.stream == "funding":
            rows = await self._rates(piece)
        else:
            rows = await self._bars(piece, venue_ms)
        added = self._add(piece, rows)
        self._note(piece, min(piece.end_ms, venue_ms))
        return added

    async def _bars(self, piece: Piece, venue_ms: int) -> Rows:
        interval = piece.stream.removeprefix("kline_")
        position = piece.start_ms
        rows: Rows = []
        while position < piece.end_ms:
            answer = await self._client.klines(
                piece.symbol, interval, start_ms=position, end_ms=piece.end_ms - 1, limit=_BARS_PAGE
            )
            now_ns = self._clock.now_ns()
            fresh = [record for record in answer if position <= record.open_time < piece.end_ms]
            rows += (
                {
                    "event_ms": record.close_time + 1,
                    "received_ns": now_ns,
                    "open_ms": record.open_time,
                    "close_ms": record.close_time,
                    "open": float(record.open),
                    "high": float(record.high),
                    "low": float(record.low),
                    "close": float(record.close),
                    "base_volume": float(record.volume),
                    "quote_volume": float(record.quote_volume),
                    "trades": record.trades,
                    "taker_buy_base_volume": float(record.taker_buy_base_volume),
                    "taker_buy_quote_volume": float(record.taker_buy_quote_volume),
                    "is_closed": True,
                    "first_trade_id": None,
                    "last_trade_id": None,
                }
                for record in fresh
                if record.close_time < venue_ms
            )
            if not fresh:
                break
            position = fresh[-1].open_time + 1
        return rows

    async def _trades(self, piece: Piece) -> Rows:
        rows: Rows = []
        answer = await self._client.agg_trades(
            # The venue takes spans of less than an hour.
            piece.symbol,
            start_ms=piece.start_ms,
            end_ms=piece.end_ms - 1,
            limit=_TRADES_PAGE,
        )
        while answer:
            now_ns = self._clock.now_ns()
            inside = [trade for trade in answer if piece.start_ms <= trade.time < piece.end_ms]
            rows += (
                {
                    "event_ms": trade.time,
                    "received_ns": now_ns,
                    "trade_id": trade.id,
                    "trade_ms": trade.time,
                    "price": float(trade.price),
                    "quantity": float(trade.quantity),
                    "first_trade_id": trade.first_trade_id,
                    "last_trade_id": trade.last_trade_id,
                    "is_buyer_maker": trade.is_buyer_maker,
                }
                for trade in inside
            )
            if len(answer) < _TRADES_PAGE or len(inside) < len(answer):
                break
            answer = await self._client.agg_trades(
                piece.symbol, from_id=answer[-1].id + 1, limit=_TRADES_PAGE
            )
        return rows

    async def _rates(self, piece: Piece) -> Rows:
        rows: Rows = []
        position = piece.start_ms
        while True:
            answer = await self._client.funding_rate(
                piece.symbol, start_ms=position, end_ms=piece.end_ms - 1, limit=_RATES_PAGE
            )
            now_ns = self._clock.now_ns()
            rows += (
                {
                    "event_ms": record.funding_time,
                    "received_ns": now_ns,
                    "funding_ms": record.funding_time,
                    "funding_rate": float(record.funding_rate),
                }
                for record in answer
                if record.symbol == piece.symbol
            )
            if len(answer) < _RATES_PAGE:
                return rows
            position = answer[-1].funding_time + 1

    def _add(self, piece: Piece, rows: Rows) -> int:
        if not rows:
            return 0
        schema = stream_schema(piece.stream)
        keys = list(schema.keys)
        types = empty_frame(schema).drop("symbol").schema
        frame = pl.DataFrame(
            [row | {"source": "rest"} for row in rows], schema=types, orient="row"
        ).with_columns(pl.lit(piece.symbol).alias("symbol"))
        frame = frame.unique(keys, keep="first", maintain_order=True)
        if is_catalog(self._root):
            held = Catalog(self._root).scan(
                piece.stream, [piece.symbol], start_ms=piece.start_ms, end_ms=piece.end_ms
            )
            if piece.stream.startswith("kline_"):
                held = held.filter(pl.col("is_closed"))
            known = collected(held.select(keys), self._root, piece.stream)
            frame = frame.join(known, on=keys, how="anti")
        if frame.is_empty():
            return 0
        make_folder(self._root)
        name = added_name(self._clock.now_ns(), self._process_id)
        return sum(add_rows(self._root, piece.stream, frame, name).values())

    def _read_notes(self) -> dict[str, list[list[int]]]:
        try:
            return msgspec.json.decode((self._root / _NOTES).read_bytes(), type=dict[str, list[list[int]]])
        except (FileNotFoundError, msgspec.DecodeError):
            return {}  # Without notes everything is asked for again and nothing is added twice.

    def _note(self, piece: Piece, end_ms: int) -> None:
        if end_ms <= piece.start_ms:
            return
        self._done = self._read_notes()
        key = f"{piece.stream}/{piece.symbol}"
        self._done[key] = _merged([*self._done.get(key, []), [piece.start_ms, end_ms]])
        make_folder(self._root)
        content = msgspec.json.encode(self._done)
        write_durably(self._root / _NOTES, lambda aside: aside.write_bytes(content))


def _merged(spans: Sequence[list[int]]) -> list[list[int]]:
    found: list[list[int]] = []
    for start, end in sorted(map(tuple, spans)):
        if found and start <= found[-1][1]:
            found[-1][1] = max(found[-1][1], end)
        else:
            found.append([start, end])
    return found


def _left(done: Sequence[list[int]], start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
    """The parts of a span that are not done."""
    position = start_ms
    for first, last in _merged(done):
        if last <= position or first >= end_ms:
            continue
        if first > position:
            yield position, first
        position = max(position, last)
    if position < end_ms:
        yield position, end_ms


def _cut(start_ms: int, end_ms: int, step_ms: int) -> Iterator[tuple[int, int]]:
    """Pieces that end where whole steps of time end."""
    position = start_ms
    while position < end_ms:
        end = min(end_ms, position - position % step_ms + step_ms)
        yield position, end
        position = end
