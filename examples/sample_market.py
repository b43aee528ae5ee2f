"""CSV logs as `aster-operator collect` writes them, from the minutes that come with the program.

The notebooks need a recording and no network: the embedded exchange plays the bundled sample in process, in
virtual time, and every step becomes a row.
"""

import asyncio
from pathlib import Path

import polars as pl

from aster_operator.domain.clock import HOUR_MS, ManualClock
from aster_operator.domain.events import BarUpdated, MarkUpdated, QuoteUpdated
from aster_operator.exchange.client_protocol import MarketChannel, StreamEvent
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, embedded_exchange
from aster_operator.simulator.in_process.client import InProcessClient

__all__ = ["record_sample"]


def record_sample(folder: Path, *, hours: float, symbols: tuple[str, ...] = ("ETHUSDT",)) -> Path:
    """Write kline.csv, bookTicker.csv and markPrice.csv of the sample's first hours; returns the folder."""
    # In a thread: a notebook has an event loop of its own.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        rows = pool.submit(asyncio.run, _listen(hours, symbols)).result()
    folder.mkdir(parents=True, exist_ok=True)
    for log, own in rows.items():
        pl.DataFrame(own, infer_schema_length=None).write_csv(folder / f"{log}.csv")
    return folder


async def _listen(hours: float, symbols: tuple[str, ...]) -> dict[str, list[dict[str, object]]]:
    exchange = embedded_exchange(EmbeddedVenueOptions(symbols=symbols))
    exchange.create_account("nobody", {})
    client = InProcessClient(exchange, "nobody", ManualClock(exchange.now_ms))
    rows: dict[str, list[dict[str, object]]] = {"kline": [], "bookTicker": [], "markPrice": []}

    def keep(event: StreamEvent) -> None:
        head = {"ts_unix_ms": exchange.now_ms}
        match event:
            case QuoteUpdated(quote=quote):
                own = {"symbol": quote.symbol, "bid_px": float(quote.bid), "ask_px": float(quote.ask)}
                rows["bookTicker"].append(head | own)
            case MarkUpdated(mark=mark):
                own = {
                    "symbol": mark.symbol,
                    "mark_px": float(mark.mark),
                    "funding_rate": float(mark.funding_rate),
                }
                rows["markPrice"].append(head | own)
            case BarUpdated(bar=bar):
                own = {
                    "symbol": bar.symbol,
                    "k1_start_ms": bar.open_ms,
                    "k1_open": float(bar.open),
                    "k1_high": float(bar.high),
                    "k1_low": float(bar.low),
                    "k1_close": float(bar.close),
                    "k1_base_vol": float(bar.base_volume),
                }
                rows["kline"].append(head | own)
            case _:
                pass

    stream = await client.open_market_stream([MarketChannel(symbol=name) for name in symbols], keep)
    until_ms = exchange.now_ms + round(hours * HOUR_MS)
    while (next_ms := exchange.next_step_ms()) is not None and next_ms <= until_ms:
        exchange.advance_to(next_ms)
        await stream.fence()
    await stream.close()
    return rows
