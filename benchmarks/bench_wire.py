"""The speed of the exchange client, against the C libraries underneath and against what people use.

    make bench-wire                     a table
    make bench-wire ARGS=--json         JSON lines: name, unit, ours, peer, peer_name, ratio, goal, ok
    make bench-wire ARGS="--soak-s 600" the soak for ten minutes instead of one

Every number is the median of at least five turns; the candidates take turns, so that a busy machine slows
all of them alike. `ratio` is ours / peer. The sender of market data is a process of its own: with fewer than
two free cores it and the reader share one, and the rates, not the ratios, are lower.

Peers: bare picows and msgspec decoding the same bytes into the same caches, bare libsecp256k1 (coincurve),
eth-account, ccxt and ccxt.pro, aiohttp with orjson. The official connector is on no index: for orders a
stand-in speaks its dialect without what it adds (wire_orders.py), for market data ccxt.pro is the harder peer
(wire_peers.py). Missing peers are named on stderr and skipped.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec

import wire_market
import wire_orders
import wire_peers
import wire_signing
from measurement import Row, compared, line


def signing(repeats: int) -> Iterator[Row]:
    if not wire_signing.same_signature():
        raise SystemExit("our signature differs from eth-account's: its speed means nothing")
    quick = {
        "ours": wire_signing.ours_v3(),
        "bare": wire_signing.bare_curve(),
        "v1": wire_signing.ours_v1(),
        "plain": wire_signing.plain_v1(),
    }
    taken = wire_signing.times_us(quick, 20, repeats)
    slow = wire_signing.times_us({"eth": wire_signing.eth_account_v3()}, 10, repeats)
    yield compared(
        "sign V3 order, parameters to bytes", "us", taken["ours"], 1.3,
        peer=taken["bare"], peer_name="bare libsecp256k1 signature",
    )  # fmt: skip
    yield compared(
        "sign V3 order, parameters to bytes", "us", taken["ours"], 1.0,
        peer=slow["eth"], peer_name="eth-account",
    )  # fmt: skip
    yield compared("sign V1 order, parameters to bytes", "us", taken["v1"], 5.0)
    yield compared(
        "sign V1 order, parameters to bytes", "us", taken["v1"], 1.0,
        peer=taken["plain"], peer_name="urlencode and hmac.new",
    )  # fmt: skip


def market(repeats: int, count: int) -> Iterator[Row]:
    name = "market data, socket to cache"
    few = max(count // 10, 1000)
    runs: dict[str, wire_market.Rate] = {"bare": wire_market.bare_rate, "ours": wire_market.our_rate}
    peers = [
        ("orjson", wire_peers.aiohttp_rate, "aiohttp + orjson", 1.0),
        ("ccxt", wire_peers.ccxt_rate, "ccxt.pro", 10.0),
    ]
    peers = [peer for peer in peers if _have(peer[0])]
    runs.update((package, run) for package, run, _, _ in peers)
    taken = wire_market.interleaved(
        runs, {package: count if package in ("bare", "ours") else few for package in runs}, repeats
    )
    ours = taken["ours"]
    yield compared(
        name, "msg/s", ours, 0.85, peer=taken["bare"], peer_name="bare picows + msgspec", at_least=True
    )  # fmt: skip
    for package, _, peer_name, goal in peers:
        yield compared(name, "msg/s", ours, goal, peer=taken[package], peer_name=peer_name, at_least=True)
    p99 = wire_market.latency_p99_us(20_000, 3 * repeats)
    yield compared(
        "market data, p99 at 20,000 msg/s", "us", p99["ours"], 1.3,
        peer=p99["bare"], peer_name="bare picows + msgspec",
    )  # fmt: skip


def orders(repeats: int, count: int) -> Iterator[Row]:
    if not (_have("ccxt") and _have("requests")):
        return
    taken = wire_orders.p50_us(count, repeats)
    name = "order round trip on loopback, p50"
    yield compared(
        f"{name}, V1", "us", taken["ours v1"], 0.5,
        peer=taken["stand-in"], peer_name="official connector's dialect (stand-in)",
    )  # fmt: skip
    yield compared(f"{name}, V3", "us", taken["ours v3"], 0.1, peer=taken["ccxt"], peer_name="ccxt")


def soak(seconds: int, rate: int) -> Iterator[Row]:
    lost, growth_mb, sockets = wire_market.soak(rate, seconds)
    name = f"450 symbols x 5 streams, {rate} msg/s for {seconds} s on {sockets} sockets"
    yield compared(f"{name}: lost messages", "messages", lost, 0)
    yield compared(f"{name}: growth of memory", "MB", growth_mb, 20)


def _have(package: str) -> bool:
    found = find_spec(package) is not None
    if not found:
        print(f"{package} is not installed: its rows are left out", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--messages", type=int, default=400_000, help="market messages a turn")
    parser.add_argument("--orders", type=int, default=300, help="orders a turn")
    parser.add_argument("--soak-s", type=int, default=60, help="seconds of the soak (0: none)")
    parser.add_argument("--soak-rate", type=int, default=10_000, help="messages a second of the soak")
    parser.add_argument("--only", choices=["signing", "market", "orders", "soak"], help="one part alone")
    chosen = parser.parse_args()
    parts = {
        "signing": lambda: signing(chosen.repeats),
        "market": lambda: market(chosen.repeats, chosen.messages),
        "orders": lambda: orders(chosen.repeats, chosen.orders),
        "soak": lambda: soak(chosen.soak_s, chosen.soak_rate) if chosen.soak_s else iter(()),
    }
    all_ok = True
    for name, part in parts.items():
        if chosen.only in (None, name):
            for measured in part():
                all_ok &= measured.ok
                print(json.dumps(asdict(measured)) if chosen.json else line(measured), flush=True)
    return 0 if all_ok else 1


if __name__ == "__main__":
    sys.exit(main())
