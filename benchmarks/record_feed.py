"""Market frames as a venue sends them: prices that walk, sizes that differ, five symbols, five streams.

Five symbols, so that a file gets as many rows from a short run as it does from an hour of all symbols.
"""

import random
from collections.abc import Iterator

__all__ = ["STREAMS", "market_frames"]

STREAMS = ("bookTicker", "aggTrade", "depth5", "markPrice", "kline_1m")
_WEIGHTS = (62, 16, 16, 3, 3)
_SYMBOLS = 5
_START_MS = 1_770_000_000_000


class _Symbol:
    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.low = name.lower()
        self.chance = chance
        self.ticks = chance.randrange(20_000, 900_000)
        self.trade_id = chance.randrange(10**8, 10**9)
        self.volume = 0.0

    def size(self) -> str:
        return f"{self.chance.expovariate(1.0) * 3 + 0.001:.3f}"

    def price(self, ticks: int) -> str:
        return f"{ticks / 100:.2f}"

    def side(self, direction: int) -> str:
        levels = []
        ticks = self.ticks if direction < 0 else self.ticks + 1
        for _ in range(5):
            levels.append(f'["{self.price(ticks)}","{self.size()}"]')
            ticks += direction * self.chance.randrange(1, 4)
        return ",".join(levels)

    def frame(self, kind: str, now_ms: int, number: int) -> str:
        self.ticks += self.chance.choice((-2, -1, -1, 0, 0, 0, 0, 1, 1, 2))
        name, low, bid, ask = self.name, self.low, self.price(self.ticks), self.price(self.ticks + 1)
        if kind == "bookTicker":
            data = (
                f'"e":"bookTicker","u":{number},"E":{now_ms},"T":{now_ms - 1},"s":"{name}","b":"{bid}",'
                f'"B":"{self.size()}","a":"{ask}","A":"{self.size()}"'
            )
        elif kind == "aggTrade":
            self.trade_id += 1
            maker = "true" if self.chance.random() < 0.5 else "false"
            data = (
                f'"e":"aggTrade","E":{now_ms},"s":"{name}","a":{self.trade_id},"p":"{bid}","q":"{self.size()}",'
                f'"f":{self.trade_id},"l":{self.trade_id},"T":{now_ms - 2},"m":{maker}'
            )
        elif kind == "depth5":
            data = (
                f'"e":"depthUpdate","E":{now_ms},"T":{now_ms - 1},"s":"{name}","U":{number - 40},'
                f'"u":{number},"pu":{number - 41},"b":[{self.side(-1)}],"a":[{self.side(1)}]'
            )
        elif kind == "markPrice":
            data = (
                f'"e":"markPriceUpdate","E":{now_ms},"s":"{name}","p":"{bid}037512","i":"{ask}114400",'
                f'"P":"{bid}000000","r":"0.00010000","T":{_START_MS + 28_800_000}'
            )
        else:
            self.volume += self.chance.random()
            data = (
                f'"e":"kline","E":{now_ms},"s":"{name}","k":{{"t":{now_ms // 60_000 * 60_000},'
                f'"T":{now_ms // 60_000 * 60_000 + 59_999},"s":"{name}","i":"1m","f":100,"L":200,"o":"{bid}",'
                f'"c":"{ask}","h":"{ask}","l":"{bid}","v":"{self.volume:.3f}","n":101,"x":false,'
                f'"q":"{self.volume * 60_000:.4f}","V":"{self.volume / 2:.3f}",'
                f'"Q":"{self.volume * 30_000:.4f}","B":"0"}}'
            )
        suffix = {"depth5": "depth5@100ms", "markPrice": "markPrice@1s"}.get(kind, kind)
        return f'{{"stream":"{low}@{suffix}","data":{{{data}}}}}'


def market_frames(count: int, rate: int) -> Iterator[tuple[int, bytes]]:
    """(received_ns, frame), `rate` a second, the same in every run."""
    chance = random.Random(1)
    symbols = [_Symbol(f"S{number}USDT", chance) for number in range(_SYMBOLS)]
    kinds = chance.choices(STREAMS, weights=_WEIGHTS, k=count)
    for number, kind in enumerate(kinds):
        # Few symbols make most of the noise.
        symbol = symbols[min(int(chance.paretovariate(0.9)) - 1, _SYMBOLS - 1)]
        now_ms = _START_MS + number * 1000 // rate
        received_ns = (now_ms + 20) * 1_000_000 + chance.randrange(1_000_000)
        yield received_ns, symbol.frame(kind, now_ms, 10**10 + number * 7).encode()
