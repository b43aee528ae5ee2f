"""Requests that the venue refuses with its own codes, over the wire: a second leg, and the set-up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aster_operator.cli.venues import connect_embedded
from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import load_settings
from aster_operator.domain.clock import WallClock
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.runtime.demo import DemoOptions, DemoResult, DemoRun
from aster_operator.runtime.embedded_venue import EmbeddedVenue
from aster_operator.simulator.server.accounts import DemoAccount
from aster_operator.simulator.server.faults import FaultKind, FaultRule

DEADLINE_MS = 60_000
SETTINGS = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "8",
    "TRADING_PAIRS": "BTCUSDT",
    "DAILY_VOLUME_TARGET": "1000000",
    "POSITION_HOLD_TIME_MIN": "60",
    "REOPEN_COOLDOWN_S": "120",
}
SECOND = {"same": {"positionSide": "SHORT"}, "cross": {"symbol": "ETHUSDT"}, "carry": {"symbol": "BTCUSDT"}}
"""What tells an order of the leg that follows from one of the leg that leads."""


class Played:
    """A demo whose venue refuses requests by `rules`."""

    def __init__(self, folder: Path, rules: Sequence[dict[str, Any]], **settings: str) -> None:
        self._rules = rules
        self._settings = load_settings(
            overrides=SETTINGS | {"DB_PATH": str(folder / "books.db"), "STATE_DIR": str(folder)} | settings
        )
        self.venue: EmbeddedVenue | None = None
        self.account = ""

    async def run(self, hours: float) -> DemoResult:
        clock = WallClock()

        async def connect(venue: EmbeddedVenue, account: DemoAccount) -> ExchangeClient:
            self.venue, self.account = venue, account.account_id
            for rule in self._rules:
                venue.server.faults.add(FaultRule(kind=FaultKind.REFUSE, method="POST", **rule))
            return await connect_embedded(venue, account, clock, self._settings.pair_kind)

        return await DemoRun(self._settings, DemoOptions(hours=hours), clock=clock, connect=connect).run()

    @property
    def orders_taken(self) -> int:
        assert self.venue is not None
        exchange = self.venue.server.exchange
        return sum(len(exchange.order_history(self.account, symbol)) for symbol in exchange.contracts())


@pytest.mark.parametrize("code", [-2019, -4061, -2010])
@pytest.mark.parametrize("kind", list(SECOND))
async def test_a_second_leg_refused_with_a_code_of_the_venue(tmp_path: Path, kind: str, code: int) -> None:
    """All its first orders are: the first leg is given up in time, later pairs open and the books match."""
    symbols = {"TRADING_PAIRS": "BTCUSDT/ETHUSDT"} if kind == "cross" else {}
    rule = {"path": "/fapi/*/order", "params": SECOND[kind], "code": code, "count": 3, "message": "No."}
    played = Played(tmp_path, [rule], PAIR_KIND=kind, **symbols)
    result = await played.run(0.4)

    pairs_kept = result.core.state.pairs
    assert any(pair.hold_ms is None for pair in pairs_kept.finished), "the first attempts were given up"
    (held,) = pairs_kept.active()
    assert held.is_balanced, "a later one was not"
    assert not held.lead_leg.is_flat
    durations = [pair.longest_imbalance_ms for pair in pairs_kept.finished]
    assert max([*durations, held.longest_imbalance_ms]) <= DEADLINE_MS


SETUP = {
    "position mode, positions open": ("*/positionSide/dual", -4068, "one-way mode and cannot change"),
    "position mode, orders open": ("*/positionSide/dual", -4067, "one-way mode and cannot change"),
    "position mode, another reason": ("*/positionSide/dual", -4061, "the venue refused hedge mode: Order's"),
    "margin type, positions open": (
        "*/marginType",
        -4048,
        "margin type or leverage of BTCUSDT cannot change",
    ),
    "margin type, another reason": (
        "*/marginType",
        -4168,
        "margin type or leverage of BTCUSDT cannot change",
    ),
    "leverage": ("*/leverage", -4028, "leverage 5 on BTCUSDT was refused"),
    "leverage, margin": ("*/leverage", -2019, "leverage 5 on BTCUSDT was refused"),
}


@pytest.mark.parametrize(("path", "code", "said"), SETUP.values(), ids=SETUP)
async def test_a_refused_setup_ends_before_any_order(tmp_path: Path, path: str, code: int, said: str) -> None:
    played = Played(tmp_path, [{"path": path, "code": code, "message": "Order's position side. No."}])
    with pytest.raises(UserProblem) as caught:
        await played.run(0.1)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert played.orders_taken == 0


@pytest.mark.parametrize(("path", "code"), [("*/marginType", -4046), ("*/positionSide/dual", -4059)])
async def test_what_is_as_wanted_already_is_no_obstacle(tmp_path: Path, path: str, code: int) -> None:
    played = Played(tmp_path, [{"path": path, "code": code, "message": "No need to change."}])
    result = await played.run(0.1)
    assert result.core.state.reconciled
