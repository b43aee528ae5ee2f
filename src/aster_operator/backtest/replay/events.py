"""Recorded events of one symbol as columns: quotes, trades and marks in order of time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.replay.venue import MARK_EVENT, QUOTE_EVENT, TRADE_EVENT

__all__ = ["ReplayEvents", "catalog_events"]


@dataclass(frozen=True)
class ReplayEvents:
    """Times in ms (UTC), kinds and values (see `replay.venue`), oldest first."""

    times_ms: LongIntegers
    kinds: Bytes
    values: Floats

    def __len__(self) -> int:
        return len(self.times_ms)

    @classmethod
    def merged(
        cls,
        quotes: tuple[LongIntegers, Floats] | None = None,
        trades: tuple[LongIntegers, Floats] | None = None,
        marks: tuple[LongIntegers, Floats] | None = None,
    ) -> ReplayEvents:
        """Streams of (times, values) merged by time; of one moment marks first, then quotes, then trades.

        Values are bid, its quantity, ask, its quantity; price, quantity, taker's side (+1, -1); price. Raises
        ValueError for times out of order, prices that are not above zero and a crossed book.
        """
        times, kinds, values = [], [], []
        for stream, kind, name in (
            (marks, MARK_EVENT, "mark"),
            (quotes, QUOTE_EVENT, "quote"),
            (trades, TRADE_EVENT, "trade"),
        ):
            if stream is None or len(stream[0]) == 0:
                continue
            own = np.zeros((len(stream[0]), 4))
            columns = stream[1].reshape(len(stream[0]), -1)
            own[:, : columns.shape[1]] = columns
            _check(stream[0], own, kind, name)
            times.append(stream[0].astype(np.int64))
            kinds.append(np.full(len(own), kind, dtype=np.int8))
            values.append(own)
        if not times:
            raise ValueError("there are no events")
        order = np.argsort(np.concatenate(times), kind="stable")
        return cls(np.concatenate(times)[order], np.concatenate(kinds)[order], np.concatenate(values)[order])


def _check(times: LongIntegers, values: Floats, kind: int, name: str) -> None:
    early = np.diff(times) < 0
    if early.any():
        raise ValueError(f"{name} {int(np.argmax(early)) + 2} is earlier than the one before it")
    prices = values[:, [0, 2]] if kind == QUOTE_EVENT else values[:, :1]
    bad = ~(np.isfinite(prices) & (prices > 0)).all(axis=1)
    if kind == QUOTE_EVENT:
        bad |= values[:, 0] > values[:, 2]
    if bad.any():
        raise ValueError(
            f"{name} {int(np.argmax(bad)) + 1} has a price that is not above 0, or a crossed book"
        )


def catalog_events(
    folder: Path, symbol: str, *, start_ms: int | None = None, end_ms: int | None = None
) -> ReplayEvents:
    """Best bid and ask, aggregate trades and marks of a Parquet catalog. Raises BacktestProblem."""
    from aster_operator.market_data.catalog.broken import collected
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.problems import CatalogError

    streams: list[tuple[LongIntegers, Floats]] = []
    try:
        catalog = Catalog(folder)
        for stream, time, number, columns in (
            (
                "bookTicker",
                "event_ms",
                "received_ns",
                ("bid_price", "bid_quantity", "ask_price", "ask_quantity"),
            ),
            ("aggTrade", "trade_ms", "trade_id", ("price", "quantity", "is_buyer_maker")),
            ("markPrice", "event_ms", "received_ns", ("mark_price",)),
        ):
            if symbol not in catalog.symbols(stream):
                streams.append((np.empty(0, dtype=np.int64), np.empty((0, len(columns)))))
                continue
            rows = catalog.scan(stream, [symbol], start_ms=start_ms, end_ms=end_ms)
            wanted = rows.sort(time, number).select(time, *columns).drop_nulls()
            frame = collected(wanted, catalog.root, stream)
            values = frame.select(columns).to_numpy().astype(np.float64)
            if stream == "aggTrade":
                values[:, 2] = 1 - 2 * values[:, 2]
            streams.append((frame.get_column(time).to_numpy().astype(np.int64), values))
        return ReplayEvents.merged(*streams)
    except CatalogError as error:
        raise BacktestProblem(str(error)) from None
    except ValueError as error:
        raise BacktestProblem(f"{symbol}: {error}", str(folder), "check the catalog") from None
