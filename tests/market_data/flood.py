"""A venue that floods: REST just enough to begin, and a fixed rate of numbered messages to who subscribes.

    python flood.py RATE SYMBOLS

Prints its port. Numbers (`u`, `a`) go on across connections, so that a reader can tell what it missed.
"""

import asyncio
import json
import sys
import time

from aiohttp import WSMsgType, web

QUOTE = (
    '{{"stream":"{low}@bookTicker","data":{{"e":"bookTicker","u":{n},"E":{ms},"T":{ms},"s":"{name}",'
    '"b":"60000.10","B":"1.523","a":"60000.20","A":"2.517"}}}}'
)
TRADE = (
    '{{"stream":"{low}@aggTrade","data":{{"e":"aggTrade","E":{ms},"s":"{name}","a":{n},"p":"60000.10",'
    '"q":"0.250","f":{n},"l":{n},"T":{ms},"m":true}}}}'
)


def frame(text: str) -> bytes:
    """An unmasked WebSocket text frame."""
    body = text.encode()
    size = len(body)
    return (bytes([0x81, size]) if size < 126 else bytes([0x81, 126]) + size.to_bytes(2, "big")) + body


class Flood:
    def __init__(self, rate: int, symbols: list[str]) -> None:
        self.rate = rate
        self.symbols = symbols
        self.numbers = dict.fromkeys(((kind, name) for kind in "qt" for name in symbols), 0)
        self.tasks: set[asyncio.Task[None]] = set()

    async def information(self, _request: web.Request) -> web.Response:
        listed = [
            {
                "symbol": name,
                "status": "TRADING",
                "filters": [],
                "quoteAsset": "USDT",
                "contractType": "PERPETUAL",
            }
            for name in self.symbols
        ]
        return web.json_response({"serverTime": 0, "rateLimits": [], "symbols": listed})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        feeding: asyncio.Task[None] | None = None
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(json.dumps({"result": None, "id": json.loads(message.data)["id"]}))
                if feeding is None:
                    feeding = asyncio.create_task(self.feed(request.transport))
                    self.tasks.add(feeding)
        if feeding is not None:
            feeding.cancel()
        return socket

    async def feed(self, transport: asyncio.Transport) -> None:
        started = time.perf_counter()
        sent = 0
        while not transport.is_closing():
            due = int((time.perf_counter() - started) * self.rate)
            now_ms = time.time_ns() // 1_000_000  # noqa: TID251 - the venue's clock
            frames = []
            for index in range(sent, due):
                name = self.symbols[index % len(self.symbols)]
                kind = "t" if index % 4 == 3 else "q"
                self.numbers[kind, name] += 1
                text = (TRADE if kind == "t" else QUOTE).format(
                    low=name.lower(), name=name, n=self.numbers[kind, name], ms=now_ms
                )
                frames.append(frame(text))
            transport.write(b"".join(frames))
            sent = due
            await asyncio.sleep(0.005)


async def main() -> None:
    flood = Flood(int(sys.argv[1]), [f"S{number}USDT" for number in range(int(sys.argv[2]))])
    application = web.Application()
    application.router.add_get("/fapi/v3/exchangeInfo", flood.information)
    application.router.add_get("/stream", flood.stream)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
