"""What the embedded exchange can be asked to play, and how it refuses."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aster_operator.domain.clock import HOUR_MS, WallClock
from aster_operator.runtime.embedded_venue import (
    EmbeddedVenueOptions,
    MarketKind,
    ServerStepper,
    VenueProblem,
    embedded_venue,
)

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "aster"


def options(**fields: Any) -> EmbeddedVenueOptions:
    return EmbeddedVenueOptions(**{"symbols": None, "substep_ms": 5_000, **fields})


async def played_prices(chosen: EmbeddedVenueOptions, span_ms: int) -> list[int]:
    async with embedded_venue(chosen, WallClock()) as venue:
        stepper = ServerStepper(venue)
        prices = []
        while stepper.now_ms < venue.start_ms + span_ms and await stepper.step():
            prices.append(venue.server.exchange.book("BTCUSDT", 1).bids[0][0])
        assert venue.server.exchange.audit().balanced
        return prices


async def test_a_synthetic_market_plays_without_data_and_repeats_with_its_seed() -> None:
    chosen = options(market=MarketKind.SYNTHETIC, seed=3)
    first, again = await played_prices(chosen, HOUR_MS), await played_prices(chosen, HOUR_MS)
    assert first == again
    assert len(set(first)) > 50
    assert await played_prices(options(market=MarketKind.SYNTHETIC, seed=4), HOUR_MS) != first


async def test_a_synthetic_market_never_ends_unless_told_to() -> None:
    async with embedded_venue(options(market=MarketKind.SYNTHETIC), WallClock()) as venue:
        assert list(venue.server.exchange.contracts()) == ["BTCUSDT", "ETHUSDT"]
        assert venue.end_ms is None
    told = options(market=MarketKind.SYNTHETIC, symbols=("SOLUSDT",), duration_ms=HOUR_MS)
    async with embedded_venue(told, WallClock()) as venue:
        assert list(venue.server.exchange.contracts()) == ["SOLUSDT"]
        assert venue.end_ms == venue.start_ms + HOUR_MS


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"no captures at {CAPTURES}")
async def test_captured_ticks_play_with_a_spot_market_beside_them() -> None:
    chosen = options(
        market=MarketKind.TICKS,
        data=CAPTURES,
        symbols=("BTCUSDT",),
        capture_session="S2",
        with_spot=True,
        deposit_usdt=Decimal(5_000),
    )
    assert len(set(await played_prices(chosen, 60_000))) > 3


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"market": MarketKind.SYNTHETIC, "symbols": ("NOPEUSDT",)}, "NOPEUSDT: no synthetic market"),
        ({"market": MarketKind.SYNTHETIC, "data": Path("klines")}, "leave --data out"),
        ({"market": MarketKind.SYNTHETIC, "capture_session": "S1"}, "only captured ticks have sessions"),
        ({"market": MarketKind.TICKS}, "name the folder with --data"),
        ({"market": MarketKind.TICKS, "data": Path("/nowhere"), "symbols": ("BTCUSDT",)}, "/nowhere"),
        ({"market": MarketKind.TICKS, "data": Path(__file__).parent}, "captured ticks need symbols"),
        (
            {"market": MarketKind.TICKS, "data": Path(__file__).parent, "symbols": ("BTCUSDT",)},
            "no book in the captures",
        ),
        ({"duration_ms": 10_000 * HOUR_MS}, "h were asked for, market data: ask for less"),
    ],
)
async def test_what_cannot_be_played_is_one_line(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(VenueProblem) as caught:
        async with embedded_venue(options(**fields), WallClock()):
            pass
    assert words in caught.value.line
    assert "\n" not in caught.value.line
