"""The sender of the wire benchmarks: a WebSocket venue in a process of its own.

    python benchmarks/wire_feed.py blast COUNT   sends COUNT mixed messages as fast as they are taken
    python benchmarks/wire_feed.py paced RATE S  sends RATE messages a second for S seconds
    python benchmarks/wire_feed.py soak RATE S   the same, to whoever subscribed to each stream

Prints its port as the first line. Each connection gets the whole feed after its first SUBSCRIBE.
The mix is 70 % bookTicker, 20 % aggTrade, 8 % depth5, 2 % mark price and kline over 50 symbols. In `paced`
messages `u` and `a` carry the time of sending in ns, so that the reader can tell the latency.
"""

import asyncio
import json
import random
import sys
import time

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

SYMBOLS = 50
SOAK_KINDS = ("bookTicker", "aggTrade", "depth5", "markPrice@1s", "kline_1m")
TIMED_KINDS = ("markPrice@1s", "kline_1m")
"""Their number is their time, and no time beyond the year 9999 is taken."""
CHUNK_BYTES = 64 * 1024

BOOK = (
    '{"e":"bookTicker","u":%d,"E":1770000000100,"T":1770000000099,"s":"%s","b":"60000.10","B":"1.523",'
    '"a":"60000.20","A":"2.517"}'
)
TRADE = (
    '{"e":"aggTrade","E":1770000000100,"s":"%s","a":%d,"p":"60000.10","q":"0.250","f":%d,"l":%d,'
    '"T":1770000000098,"m":true}'
)
DEPTH = (
    '{"e":"depthUpdate","E":1770000000100,"T":1770000000099,"s":"%s","U":%d,"u":%d,"pu":1,"b":['
    '["60000.10","1.500"],["60000.00","2.000"],["59999.90","3.250"],["59999.80","1.000"],["59999.70","9.000"]],'
    '"a":[["60000.20","1.500"],["60000.30","2.000"],["60000.40","3.250"],["60000.50","1.000"],'
    '["60000.60","9.000"]]}'
)
MARK = (
    '{"e":"markPriceUpdate","E":%d,"s":"%s","p":"60000.15","i":"60001.00","P":"60000.50","r":"0.00010000",'
    '"T":1770019200000}'
)
KLINE = (
    '{"e":"kline","E":%d,"s":"%s","k":{"t":1769999940000,"T":1769999999999,"s":"%s","i":"1m","f":100,"L":200,'
    '"o":"60000.0","c":"60010.0","h":"60020.0","l":"59990.0","v":"12.500","n":101,"x":false,"q":"750000.0",'
    '"V":"6.500","Q":"390000.0","B":"0"}}'
)


def frame_of(stream: str, data: str) -> bytes:
    """An unmasked WebSocket text frame around a combined message."""
    body = f'{{"stream":"{stream}","data":{data}}}'.encode()
    size = len(body)
    head = bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + size.to_bytes(2, "big")
    return head + body


def data_of(kind: str, symbol: str, number: int) -> str:
    if kind == "bookTicker":
        return BOOK % (number, symbol)
    if kind == "aggTrade":
        return TRADE % (symbol, number, number, number)
    if kind == "depth5":
        return DEPTH % (symbol, number, number)
    if kind == "markPrice@1s":
        return MARK % (number, symbol)
    return KLINE % (number, symbol, symbol)


def mixed(count: int) -> list[tuple[str, str]]:
    """(kind, symbol) of each message of the mix, the same in every run."""
    chosen = random.Random(1)
    kinds = chosen.choices(SOAK_KINDS, weights=(70, 20, 8, 1, 1), k=count)
    return [(kind, f"S{chosen.randrange(SYMBOLS)}USDT") for kind in kinds]


class Venue(WSListener):
    """One connection: acknowledges control requests and starts the feed at the first one."""

    def __init__(self, mode: str, arguments: list[int]) -> None:
        self.mode = mode
        self.arguments = arguments
        self.streams: set[str] = set()
        self.writable = asyncio.Event()
        self.writable.set()
        self.feed: asyncio.Task[None] | None = None
        self.totals: dict[str, int] = {}
        self.started_ns = 0

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the listener's signature
        if self.feed is not None:
            self.feed.cancel()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            transport.disconnect()
        if frame.msg_type is not WSMsgType.TEXT:
            return
        request = json.loads(frame.get_payload_as_bytes())
        self.streams.update(request.get("params", ()))
        transport.send(WSMsgType.TEXT, json.dumps({"result": None, "id": request.get("id")}).encode())
        if self.feed is None:
            self.feed = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        self.started_ns = time.time_ns()  # noqa: TID251 - compared with the reader's clock
        if self.mode == "blast":
            await self.blast(*self.arguments)
        elif self.mode == "paced":
            await self.paced(*self.arguments)
        else:
            await self.soak(*self.arguments)
        await self.writable.wait()
        # The last word: when the feed began and how much was sent, for the reader to compare.
        words = [f"started={self.started_ns}", *(f"{name}={count}" for name, count in self.totals.items())]
        self.transport.send(WSMsgType.TEXT, json.dumps({"result": words, "id": 0}).encode())

    async def blast(self, count: int) -> None:
        socket = self.transport.underlying_transport
        whole = blast_bytes(count)
        for start in range(0, len(whole), CHUNK_BYTES):
            await self.writable.wait()
            socket.write(whole[start : start + CHUNK_BYTES])

    async def paced(self, rate: int, seconds: int) -> None:
        socket = self.transport.underlying_transport
        kinds = mixed(rate)
        started = time.perf_counter_ns()
        sent = 0
        while sent < rate * seconds:
            due = min(rate * seconds, (time.perf_counter_ns() - started) * rate // 1_000_000_000)
            for index in range(sent, due):
                kind, symbol = kinds[index % rate]
                now_ns = time.time_ns()  # noqa: TID251 - compared with the reader's clock
                number = now_ns // 1_000_000 if kind in TIMED_KINDS else now_ns
                socket.write(frame_of(f"{symbol.lower()}@{kind}", data_of(kind, symbol, number)))
            sent = due
            await asyncio.sleep(0.0005)

    async def soak(self, rate: int, seconds: int) -> None:
        """Round robin over the subscribed streams; each message carries the number of its round."""
        await asyncio.sleep(1.5)  # until everything is subscribed
        socket = self.transport.underlying_transport
        streams = [(name, *name.split("@", 1)) for name in sorted(self.streams)]
        started = time.perf_counter()
        sent = 0
        while (elapsed := time.perf_counter() - started) < seconds:
            due = int(elapsed * rate * len(streams) / 2250)
            for index in range(sent, due):
                name, symbol, kind = streams[index % len(streams)]
                socket.write(frame_of(name, data_of(kind, symbol.upper(), index // len(streams) + 1)))
            sent = due
            await self.writable.wait()
            await asyncio.sleep(0.005)
        self.totals = {
            name: len(range(index, sent, len(streams))) for index, (name, _, _) in enumerate(streams)
        }


_blast_cache: dict[int, bytes] = {}


def blast_bytes(count: int) -> bytes:
    if count not in _blast_cache:
        counters = dict.fromkeys((f"S{n}USDT" for n in range(SYMBOLS)), 0)
        frames = []
        for kind, symbol in mixed(count):
            number = counters[symbol] = counters[symbol] + (kind == "aggTrade")
            frames.append(frame_of(f"{symbol.lower()}@{kind}", data_of(kind, symbol, number)))
        _blast_cache[count] = b"".join(frames)
    return _blast_cache[count]


async def main() -> None:
    mode, *numbers = sys.argv[1:]
    arguments = [int(number) for number in numbers]
    if mode == "blast":
        blast_bytes(arguments[0])
    server = await ws_create_server(lambda _request: Venue(mode, arguments), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
