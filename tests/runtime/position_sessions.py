"""Sessions of single positions on the embedded exchange in process, and their sudden deaths."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.config.settings import Settings, load_settings
from aster_operator.domain.clock import ManualClock
from aster_operator.domain.enums import OrderType
from aster_operator.execution.core import TradingCore
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.market_data.history import load_history
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.fault_scenarios import SCENARIOS, with_faults
from aster_operator.runtime.journal import NoJournal
from aster_operator.runtime.lockstep import LockstepDriver, next_stop_ms
from aster_operator.runtime.memory_books import MemoryBooks
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_plan import BarStrategy, SessionPlan, with_plan
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient

ACCOUNT = "trader"
SYMBOLS = ("BTCUSDT", "ETHUSDT")
WIDE = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "25",
    "MAX_POSITION_SIZE_PCT": "10",
    "TRADING_PAIRS": "BTCUSDT,ETHUSDT",
    "MAX_DRAWDOWN_PCT": "100",
    "MAX_DAILY_LOSS_PCT": "100",
    "MAX_ORDERS_PER_MINUTE": "1000",
    "ASTER_K": "1",
    "ASTER_N": "1",
    "ASTER_T": "10",
    "ASTER_V": "10",
    "ASTER_REENTRY_COOLDOWN_MIN": "0",
}
"""Small windows and no cooldown: many trades in little time."""


class Killed(Exception):
    """The process is gone."""


def settings_with(**changes: str) -> Settings:
    return load_settings(None, overrides=WIDE | changes)


@dataclass
class Life:
    """One exchange with one account, and the books that outlive every session on it."""

    settings: Settings
    seed: int = 1
    faults: str = "none"
    symbols: tuple[str, ...] = SYMBOLS
    books: MemoryBooks = field(default_factory=MemoryBooks)
    runs: int = 0
    wrap: Callable[[InProcessClient], object] = lambda client: client
    """What stands between the sessions and the venue."""

    def __post_init__(self) -> None:
        history = load_history(None, self.symbols)
        self.exchange = SimulatedExchange.from_history(
            history, ExchangeOptions(seed=self.seed, substep_ms=5_000)
        )
        self.exchange.create_account(ACCOUNT, {"USDT": Decimal(10_000)})
        self.clock = ManualClock(self.exchange.now_ms)
        self.exchange.advance_to(self.exchange.next_step_ms() or 0)

    @property
    def now_ms(self) -> int:
        return self.exchange.now_ms

    async def step(self, until_ms: int | None = None, *, beyond_end: bool = False) -> bool:
        stop_ms = next_stop_ms(self.exchange.next_step_ms(), until_ms, beyond_end=beyond_end)
        if stop_ms is None:
            return False
        self.exchange.advance_to(stop_ms)
        return True

    async def session(self, kill_after: int | None = None) -> tuple[LockstepDriver, TradingCore]:
        """A new session, started. It dies in the middle of its `kill_after`th order request, once sent."""
        plain = InProcessClient(self.exchange, ACCOUNT, self.clock)
        plan = SessionPlan(bar_strategies=(BarStrategy(strategy="midfreq", symbols=self.symbols),))
        ready = await prepare_venue(
            plain,
            (),
            risk_limits(self.settings),
            max_clock_uncertainty_ms=1_000,
            positions=plan.single_positions(self.settings),
        )
        self.runs += 1
        memory: dict[str, dict[str, str]] = {}
        for (strategy, key), text in self.books.memory.items():
            memory.setdefault(strategy, {})[key] = text
        chosen = core_settings(
            self.settings, run_id=f"run{self.runs}", account=ACCOUNT, instruments=ready.instruments
        )
        core = TradingCore(with_plan(chosen, self.settings, plan, ready, memory))
        wrapped = self.wrap(plain)
        client = with_faults(wrapped, SCENARIOS[self.faults], self.seed + self.runs)  # type: ignore[arg-type]
        session = Session(
            client=client if kill_after is None else Mortal(client, kill_after),  # type: ignore[arg-type]
            core=core,
            books=self.books,
            journal=NoJournal(),
            clock=self.clock,
            start_ms=self.now_ms,
        )
        driver = LockstepDriver(session, self)
        await driver.start()
        return driver, core

    # --- the venue's own truth ------------------------------------------------------------------------

    def held(self) -> dict[str, int]:
        rows = self.exchange.positions(ACCOUNT, None)
        return {row.spec.symbol: row.lots for row in rows if row.lots}

    def stops(self) -> dict[str, int]:
        """Lots of resting stops by symbol."""
        covered: dict[str, int] = {}
        for order in self.exchange.open_orders(ACCOUNT, None):
            if order.original_type is OrderType.STOP_MARKET:
                covered[order.symbol] = covered.get(order.symbol, 0) + order.remaining_lots
        return covered

    def check_quiet(self, core: TradingCore) -> None:
        """Everything held is covered by a stop, nothing else rests, and the desk knows it all."""
        desk = desk_of(core)
        held, stops = self.held(), self.stops()
        at_work = {position.symbol for position in desk.book.active()}
        assert set(held) <= at_work, "a position nobody knows of"
        for symbol, lots in held.items():
            assert stops.get(symbol, 0) >= abs(lots), f"{symbol} stands unprotected"
        orphans = [order for order in self.exchange.open_orders(ACCOUNT, None) if order.symbol not in at_work]
        assert not orphans, "exits rest for no position"


class Mortal:
    """A client whose process dies right after (odd) or right before (even) its nth order goes out."""

    def __init__(self, client: InProcessClient, kill_after: int) -> None:
        self._client = client
        self._left = kill_after

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def place_order(self, order: object) -> object:
        self._left -= 1
        if self._left == 0:
            raise Killed
        report = await self._client.place_order(order)  # type: ignore[arg-type]
        if self._left == 1:
            raise Killed
        return report


def desk_of(core: TradingCore) -> PositionDesk:
    (desk,) = (desk for desk in core.state.desks if isinstance(desk, PositionDesk))
    return desk
