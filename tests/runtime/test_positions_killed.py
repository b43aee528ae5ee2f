"""kill -9 of the operator itself, over the wire, at the worst moments: nothing doubled, naked or orphaned.

ASTER_KILLS=200 pytest tests/runtime/test_positions_killed.py   for the long drill
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from aster_operator.domain.clock import WallClock
from aster_operator.domain.enums import OrderType
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, embedded_venue
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import ExchangeEvent, OrderEvent
from runtime.operator_process import start_operator

KILLS = int(os.environ.get("ASTER_KILLS", "6"))
SEED = int(os.environ.get("ASTER_KILL_SEED", "1"))
PACE = 20.0
LOOK_S = 0.1
QUIET_S = 40.0
SETTINGS = {
    "ASTER_OPERATOR_ENV_FILE": "",
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "25",
    "MAX_POSITION_SIZE_PCT": "10",
    "MAX_DRAWDOWN_PCT": "100",
    "MAX_DAILY_LOSS_PCT": "100",
    "MAX_ORDERS_PER_MINUTE": "1000",
    "MAX_QUOTE_AGE_MS": "60000",
    "MAX_MARK_AGE_MS": "60000",
    "ASTER_K": "0.3",
    "ASTER_N": "0.3",
    "ASTER_T": "5",
    "ASTER_V": "5",
    "ASTER_REENTRY_COOLDOWN_MIN": "0",
    "ASTER_PROTECT_DEADLINE_MS": "60000",
}
"""Small windows, low bars, no cooldown: entries in most minutes, of which one lasts six seconds."""

Trigger = Callable[[OrderEvent], bool]


def entry_filled(event: OrderEvent) -> bool:
    return event.trade is not None and event.order.original_type is OrderType.LIMIT


def stop_taken(event: OrderEvent) -> bool:
    return event.trade is None and event.order.original_type is OrderType.STOP_MARKET


def target_taken(event: OrderEvent) -> bool:
    return event.trade is None and event.order.original_type is OrderType.TAKE_PROFIT_MARKET


def exit_filled(event: OrderEvent) -> bool:
    return event.trade is not None and event.order.original_type is not OrderType.LIMIT


MOMENTS: dict[str, Trigger | None] = {
    "entry filled": entry_filled,
    "stop taken": stop_taken,
    "target taken": target_taken,
    "closing": exit_filled,
    "any moment": None,
}
"""The instant of the kill, inside the exchange: before the operator can have heard of it."""


class Drill:
    """One exchange, one account, one set of books; operators that come and are killed."""

    def __init__(self, exchange: ExchangeApi, account: str, folder: Path, arguments: list[str]) -> None:
        self.exchange, self.account, self.folder, self.arguments = exchange, account, folder, arguments
        self.environment: dict[str, str] = {}
        self.random = Random(SEED)
        self.seen: Counter[str] = Counter()
        self._armed: tuple[Trigger, int] | None = None
        exchange.subscribe(self._on_event)

    def _on_event(self, event: ExchangeEvent) -> None:
        if self._armed is None or not isinstance(event, OrderEvent):
            return
        trigger, pid = self._armed
        if event.order.account_id == self.account and trigger(event):
            self._armed = None
            os.kill(pid, signal.SIGKILL)

    async def live_and_die(self, moment: str) -> None:
        """One operator: it must put everything in order, and is killed at `moment`."""
        process = start_operator(self.arguments, self.folder, self.environment)
        assert process.pid is not None
        try:
            await self._quiet_again(process.is_alive)
            trigger = MOMENTS[moment]
            if trigger is None:
                await self._let_pass(self.random.uniform(0, 3))
                os.kill(process.pid, signal.SIGKILL)
            else:
                self._armed = (trigger, process.pid)
            looks = 0
            while process.is_alive() and looks < round(40 / LOOK_S):
                await asyncio.sleep(LOOK_S)
                looks += 1
            if process.is_alive():
                self._armed = None
                self.seen[f"{moment} did not come"] += 1
        finally:
            process.kill()
            process.join(10)
        assert process.exitcode == -signal.SIGKILL, self._log()
        held = self._held()
        self.seen[moment] += 1
        self.seen["died holding"] += bool(held)
        self.seen["died unprotected"] += any(not self._is_covered(key) for key in held)
        await self._let_pass(self.random.uniform(0, 1))

    async def _let_pass(self, seconds: float) -> None:
        """Wait until the market has gone on by what it does in `seconds` at its pace."""
        until_ms = self.exchange.now_ms + round(seconds * 1000 * PACE)
        while self.exchange.now_ms < until_ms:  # noqa: ASYNC110 - the market tells nobody of its time
            await asyncio.sleep(LOOK_S)

    async def _quiet_again(self, is_alive: Callable[[], bool]) -> None:
        """Wait until the operator has reconciled, all that is held is protected and no exit is left over."""
        reconciled = self._log().count("RECONCILED")
        looks = 0
        while (self._faults() or self._log().count("RECONCILED") <= reconciled) and looks < QUIET_S / LOOK_S:
            assert is_alive(), self._log()
            await asyncio.sleep(LOOK_S)
            looks += 1
        assert not self._faults(), (self._faults(), self._log()[-4000:])
        for symbol in {symbol for symbol, _ in self._held()}:
            assert self._openings(symbol) == 1, f"{symbol} was entered twice\n{self._log()[-4000:]}"

    def _faults(self) -> list[str]:
        held = self._held()
        naked = [f"{key} stands unprotected" for key in held if not self._is_covered(key)]
        symbols = {symbol for symbol, _ in held}
        orphans = [
            f"{order.symbol} {order.original_type} rests for nothing"
            for order in self.exchange.open_orders(self.account, None)
            if order.symbol not in symbols
        ]
        return naked + orphans

    def _held(self) -> dict[tuple[str, object], int]:
        rows = self.exchange.positions(self.account, None)
        return {(row.spec.symbol, row.position_side): row.lots for row in rows if row.lots}

    def _is_covered(self, key: tuple[str, object]) -> bool:
        symbol, position_side = key
        stops = (
            order.remaining_lots
            for order in self.exchange.open_orders(self.account, symbol)
            if order.original_type is OrderType.STOP_MARKET and order.position_side is position_side
        )
        return sum(stops) >= abs(self._held()[key])

    def _openings(self, symbol: str) -> int:
        """How many orders opened what is held of the symbol now."""
        lots, orders = 0, set[int]()
        for trade in self.exchange.trades(self.account, symbol):
            orders = orders if lots else set()
            if lots * trade.side.sign >= 0:
                orders.add(trade.order_id)
            lots += trade.lots * trade.side.sign
        return len(orders)

    def _log(self) -> str:
        file = self.folder / "operator.log"
        return file.read_text() if file.exists() else ""


@pytest.mark.timeout(120 + 45 * KILLS)
async def test_killed_at_the_worst_moments_it_puts_everything_in_order_again(tmp_path: Path) -> None:
    options = EmbeddedVenueOptions(symbols=("BTCUSDT", "ETHUSDT"), warm_up_ms=3_600_000, pace=PACE)
    async with embedded_venue(options, WallClock()) as venue:
        server = venue.server
        account = server.accounts[0]
        drill = Drill(
            server.exchange,
            account.account_id,
            tmp_path,
            [
                "run", "--strategy", "midfreq", "--venue", "sim", "--base-url", server.rest_url,
                "--ws-url", server.ws_url, "--symbols", "BTCUSDT,ETHUSDT", "--enable-trading", "true",
                "--order-notional", "2000",
            ],
        )  # fmt: skip
        drill.environment = SETTINGS | {
            "WALLET_ADDRESS": account.user,
            "ASTER_AGENT_PRIVATE_KEY": account.private_key,
        }
        moments = list(MOMENTS)
        for number in range(KILLS):
            await drill.live_and_die(moments[number % len(moments)])
        print(dict(drill.seen))
        assert drill.seen["died holding"] >= KILLS // 3
