"""Ways to set an exchange up."""

from pathlib import Path

import pytest

from aster_operator.market_data.history import HistoryError
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.options import captured_sources, synthetic_sources

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "aster"


def test_an_exchange_without_any_data() -> None:
    options = ExchangeOptions(substep_ms=5000, seed=4)
    exchange = SimulatedExchange(synthetic_sources(["BTCUSDT", "ASTERUSDT"], options), options)
    exchange.advance_to(exchange.now_ms + 3_600_000)
    assert list(exchange.contracts()) == ["BTCUSDT", "ASTERUSDT"]
    assert 50_000 < exchange.mark("BTCUSDT").mark_e8 / 1e8 < 70_000
    assert exchange.end_ms is None
    with pytest.raises(ValueError, match="NOPEUSDT: no synthetic market; there are BTCUSDT"):
        synthetic_sources(["NOPEUSDT"], options)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"no captures at {CAPTURES}")
def test_an_exchange_from_captured_ticks() -> None:
    options = ExchangeOptions()
    exchange = SimulatedExchange(captured_sources(CAPTURES, ["BTCUSDT", "ETHUSDT"], options, "S2"), options)
    assert exchange.end_ms is not None
    exchange.advance_to(exchange.end_ms)
    assert exchange.next_step_ms() is None
    assert len(exchange.recent_trades("ETHUSDT", 1000)) == 1000


def test_a_folder_without_captures(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no book in the captures"):
        captured_sources(tmp_path, ["BTCUSDT"], ExchangeOptions())
