"""Market data from socket to cache: ours and the limit, bare picows and msgspec."""

import asyncio
import gc
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from aster_operator.domain.clock import WallClock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.streams.socket import Receiver
from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    FloatFrame,
    KlineTick,
    MarkPriceTick,
)
from aster_operator.market_data.caches import MarketCaches

FEED = Path(__file__).with_name("wire_feed.py")
SUBSCRIBE = b'{"method":"SUBSCRIBE","params":["s0usdt@bookTicker"],"id":1}'
Rate = Callable[[int, int], Awaitable[float]]


@contextmanager
def feed(*arguments: object) -> Iterator[int]:
    """The sender, on the port it yields; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, str(FEED), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def started_in(last_word: bytes | str) -> int:
    """When the sender began, from its last word."""
    result = msgspec.json.decode(last_word)["result"]
    return int(result[0].partition("=")[2])


def rate_since(started_ns: int, count: int) -> float:
    return count / (time.time_ns() - started_ns) * 1e9  # noqa: TID251 - the sender's clock


class TimedQuotes(dict[str, BookTick]):
    """Notes how long ago each quote that is put in was sent (`u` carries the time)."""

    def __init__(self, latencies: list[int]) -> None:
        super().__init__()
        self._latencies = latencies

    def __setitem__(self, symbol: str, quote: BookTick) -> None:
        super().__setitem__(symbol, quote)
        self._latencies.append(time.time_ns() - quote.update_id)  # noqa: TID251 - the sender's clock


class BareCaches:
    """The same five caches, filled with no precautions at all: the limit."""

    def __init__(self, latencies: list[int] | None = None) -> None:
        self.bbo: dict[str, BookTick] = {} if latencies is None else TimedQuotes(latencies)
        self.trades: dict[str, deque[AggregateTradeTick]] = defaultdict(lambda: deque(maxlen=1000))
        self.l2: dict[str, DepthTick] = {}
        self.funding: dict[str, MarkPriceTick] = {}
        self.klines: dict[str, object] = {}
        self.started_ns = 0
        self.done = asyncio.Event()

    def listener(self) -> type[WSListener]:
        decode = msgspec.json.Decoder(FloatFrame, strict=False).decode
        bbo, trades, l2, funding, klines = self.bbo, self.trades, self.l2, self.funding, self.klines
        text = WSMsgType.TEXT
        finish = self._finish

        class Bare(WSListener):
            def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002
                if frame.msg_type is not text:
                    return
                message = decode(frame.get_payload_as_memoryview()).data
                kind = type(message)
                if kind is BookTick:
                    bbo[message.symbol] = message
                elif kind is AggregateTradeTick:
                    trades[message.symbol].append(message)
                elif kind is DepthTick:
                    l2[message.symbol] = message
                elif kind is MarkPriceTick:
                    funding[message.symbol] = message
                elif kind is KlineTick:
                    klines[message.symbol] = message.kline
                elif bbo:
                    finish(frame.get_payload_as_bytes())

        return Bare

    def _finish(self, last_word: bytes) -> None:
        self.started_ns = started_in(last_word)
        self.done.set()


async def bare_rate(port: int, count: int) -> float:
    caches = BareCaches()
    transport, _ = await ws_connect(caches.listener(), f"ws://127.0.0.1:{port}/stream")
    transport.send(WSMsgType.TEXT, SUBSCRIBE)
    await caches.done.wait()
    rate = rate_since(caches.started_ns, count)
    transport.disconnect()
    await transport.wait_disconnected()
    return rate


@asynccontextmanager
async def our_client(port: int) -> AsyncIterator[AsterClient]:
    async with AsterClient(
        environment="sim", base_url=f"http://127.0.0.1:{port}", ws_url=f"ws://127.0.0.1:{port}"
    ) as client:
        yield client


class _Watched(MarketCaches):
    """Our caches, with an ear for the feed's last word and, if wanted, for latency."""

    def __init__(
        self,
        client: AsterClient,
        symbols: list[str],
        latencies: list[int] | None = None,
        trades_kept: int = 1000,
    ) -> None:
        super().__init__(client, symbols, clock=WallClock(), seeded=False, trades_kept=trades_kept)
        if latencies is not None:
            self.latest_bbo = TimedQuotes(latencies)
        self.done = asyncio.Event()
        self.started_ns = 0
        self.totals: dict[str, int] = {}
        self._waiting_for = 0

    def _make_receiver(self, general: Receiver) -> Receiver:
        def listen(payload: memoryview, received_ns: int) -> None:
            answer = msgspec.json.decode(payload)
            if answer.get("id") != 0:
                general(payload, received_ns)
                return
            began, *words = (word.split("=") for word in answer["result"])
            self.started_ns = int(began[1])
            self.totals.update((name, int(count)) for name, count in words)
            self._waiting_for -= 1
            if self._waiting_for == 0:
                self.done.set()

        self._waiting_for += 1
        return super()._make_receiver(listen)


async def our_rate(port: int, count: int) -> float:
    async with our_client(port) as client:
        caches = _Watched(client, ["S0USDT"])
        await caches.open()
        await caches.done.wait()
        rate = rate_since(caches.started_ns, count)
        assert caches.malformed == 0
        assert caches.statistics.trade_gaps == caches.statistics.out_of_order == 0
        assert sum(trades[-1].trade_id for trades in caches.recent_agg_trades.values()) > count * 0.19
        await caches.close()
    return rate


async def bare_latencies(port: int) -> list[int]:
    latencies: list[int] = []
    caches = BareCaches(latencies)
    transport, _ = await ws_connect(caches.listener(), f"ws://127.0.0.1:{port}/stream")
    transport.send(WSMsgType.TEXT, SUBSCRIBE)
    await caches.done.wait()
    transport.disconnect()
    await transport.wait_disconnected()
    return latencies


async def our_latencies(port: int) -> list[int]:
    latencies: list[int] = []
    async with our_client(port) as client:
        caches = _Watched(client, ["S0USDT"], latencies)
        await caches.open()
        await caches.done.wait()
        await caches.close()
    return latencies


def interleaved(runs: dict[str, Rate], counts: dict[str, int], repeats: int) -> dict[str, float]:
    """Median rates of several readers of the same feed, taking turns so that a busy machine hits all.

    `counts` says how many messages a reader gets.
    """
    taken: dict[str, list[float]] = {name: [] for name in runs}
    with ExitStack() as feeds:
        ports = {count: feeds.enter_context(feed("blast", count)) for count in set(counts.values())}
        for _ in range(repeats):
            for name, run in runs.items():
                taken[name].append(asyncio.run(run(ports[counts[name]], counts[name])))
    return {name: statistics.median(values) for name, values in taken.items()}


def percentile_us(latencies: list[int], share: float) -> float:
    ordered = sorted(latencies)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


def latency_p99_us(rate: int, turns: int) -> dict[str, float]:
    """Median over `turns` of each reader's p99 within one second of the feed.

    Many short turns, one after the other, so that what disturbs the machine for a moment spoils few of them.
    Before each the collector is given a clean slate: what earlier turns left is no reader's latency.
    """
    readers = {"ours": our_latencies, "bare": bare_latencies}
    taken: dict[str, list[float]] = {name: [] for name in readers}
    with feed("paced", rate, 1) as port:
        for turn in range(turns):
            for name in sorted(readers, reverse=bool(turn % 2)):
                gc.collect()
                gc.freeze()
                taken[name].append(percentile_us(asyncio.run(readers[name](port)), 0.99))
    gc.unfreeze()
    return {name: statistics.median(values) for name, values in taken.items()}


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


async def _soak(port: int, seconds: int) -> tuple[int, float, int]:
    symbols = [f"S{number}USDT" for number in range(450)]
    async with our_client(port) as client:
        caches = _Counting(client, symbols)
        await caches.open()
        # Deques and dictionaries fill up first; growth is judged after that.
        await asyncio.sleep(seconds * 0.4)
        before_mb = _resident_mb()
        await caches.done.wait()
        growth_mb = _resident_mb() - before_mb
        lost = caches.malformed + caches.statistics.trade_gaps + caches.statistics.out_of_order
        for name, total in caches.totals.items():
            symbol, kind = name.split("@", 1)
            lost += abs(total - _last_number(caches, symbol.upper(), kind))
        sockets = caches.sockets
        assert len(caches.totals) == 450 * 5
        await caches.close()
    return lost, growth_mb, sockets


def _last_number(caches: MarketCaches, symbol: str, kind: str) -> int:
    if kind == "bookTicker":
        return caches.latest_bbo[symbol].update_id
    if kind == "aggTrade":
        return caches.recent_agg_trades[symbol][-1].trade_id
    if kind == "depth5":
        return caches.latest_l2[symbol].last_update_id
    if kind.startswith("markPrice"):
        return caches.latest_funding[symbol].event_ms
    # A bar of the feed carries its number in the event's time, which the cache of bars does not keep.
    return caches.klines_seen[symbol] if isinstance(caches, _Counting) else -1


class _Counting(_Watched):
    """Counts bars as well, whose cache keeps no number."""

    def __init__(self, client: AsterClient, symbols: list[str]) -> None:
        # Few trades are kept, so that the caches are full long before memory is first looked at.
        super().__init__(client, symbols, trades_kept=10)
        self.klines_seen: dict[str, int] = defaultdict(int)

    def _take_other(self, message: object, received_ns: int) -> None:
        super()._take_other(message, received_ns)
        if isinstance(message, KlineTick):
            self.klines_seen[message.symbol] += 1


def soak(rate: int, seconds: int) -> tuple[int, float, int]:
    """(lost messages, growth of memory in MB, sockets) of 450 symbols with 5 streams each."""
    with feed("soak", rate, seconds) as port:
        return asyncio.run(_soak(port, seconds))
