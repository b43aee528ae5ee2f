"""Sessions on the embedded exchange in process: the whole operator but the wire, in milliseconds."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from aster_operator.domain.clock import HOUR_MS, ManualClock
from aster_operator.domain.commands import Notify
from aster_operator.domain.events import OperatorAction
from aster_operator.domain.pairing import Pairing, PairKind
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.with_spot import PerpetualsAndSpot
from aster_operator.execution.core import TradingCore
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.market_data.history import load_history
from aster_operator.runtime.journal import Journal, NoJournal
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver
from aster_operator.runtime.memory_books import MemoryBooks
from aster_operator.runtime.session import Session, SessionBooks
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.spot import InProcessSpot
from aster_operator.strategy.parameters import DeltaNeutralParameters, RiskLimits

ACCOUNT = "trader"
SPOT_MONEY = Decimal(6_500)
"""Of the 10,000 of the account, where it trades spot."""


@dataclass
class Bench:
    """A session, its exchange and everything it leaves behind."""

    exchange: SimulatedExchange
    client: ExchangeClient
    core: TradingCore
    session: Session
    driver: LockstepDriver
    stepper: ExchangeStepper
    books: MemoryBooks
    notices: list[Notify]

    async def run_minutes(self, minutes: float) -> None:
        await self.driver.run(self.stepper.now_ms + int(minutes * 60_000))

    async def stop(self, action: OperatorAction = OperatorAction.STOP, minutes: float = 30) -> None:
        self.session.request(action, "test", self.stepper.now_ms)
        await self.driver.settle()
        await self.run_minutes(minutes)

    def coins(self, asset: str) -> Decimal:
        """Coins in the spot wallet."""
        assert self.exchange.spot is not None
        wallet = {
            each.asset: each.free_atoms + each.locked_atoms for each in self.exchange.spot.balances(ACCOUNT)
        }
        return Decimal(wallet.get(asset, 0)) / 10**8

    def held(self, symbol: str) -> tuple[Decimal, Decimal]:
        """(long, short) the exchange says the account holds, unsigned base units."""
        sides = {
            view.position_side: abs(view.spec.quantity_of(view.lots))
            for view in self.exchange.positions(ACCOUNT, symbol)
        }
        return sides.get("LONG", Decimal(0)), sides.get("SHORT", Decimal(0))


def pairings_of(kind: PairKind, symbols: tuple[str, ...]) -> tuple[Pairing, ...]:
    if kind is PairKind.CROSS:
        first, second = symbols
        return (Pairing.cross(first, second),)
    make = Pairing.same if kind is PairKind.SAME else Pairing.carry
    return tuple(make(symbol) for symbol in symbols)


def new_exchange(
    seed: int = 1,
    substep_ms: int = 5_000,
    skip_hours: float = 24.0,
    *,
    calm_substep_ms: int | None = None,
    with_spot: bool = False,
) -> SimulatedExchange:
    history = load_history()
    exchange = SimulatedExchange.from_history(
        history,
        ExchangeOptions(
            seed=seed,
            substep_ms=substep_ms,
            calm_substep_ms=calm_substep_ms,
            start_ms=history.start_ms + int(skip_hours * HOUR_MS),
            with_spot=with_spot,
        ),
    )
    exchange.create_account(ACCOUNT, {"USDT": Decimal(10_000)})
    if with_spot:
        exchange.transfer(ACCOUNT, "USDT", SPOT_MONEY, to_spot=True)
    return exchange


LIMITS = RiskLimits(capital_usd=Decimal(10_000), leverage=5, max_position_size_pct=Decimal(10))


async def open_bench(
    *,
    style: ExecutionStyle = ExecutionStyle.MAKER_FIRST,
    symbols: tuple[str, ...] = ("BTCUSDT",),
    hold_minutes: int = 30,
    limits: RiskLimits = LIMITS,
    daily_volume_usd: int = 1_000_000,
    exchange: SimulatedExchange | None = None,
    wrap: Callable[[InProcessClient], ExchangeClient] = lambda client: client,
    journal: Callable[[CoreSettings, int], Journal] = lambda _settings, _now_ms: NoJournal(),
    remembered: tuple[RememberedPair, ...] = (),
    run_id: str = "test",
    seed: int = 1,
    policy: ExecutionPolicy | None = None,
    keep_in: Callable[[TradingCore], SessionBooks] | None = None,
    kind: PairKind = PairKind.SAME,
    wrap_spot: Callable[[InProcessSpot], InProcessSpot] = lambda spot: spot,
) -> Bench:
    """A started session: reconciled, streams open, nothing traded yet. `symbols` are the perpetuals; a cross
    pair is the two of them."""
    exchange = exchange or new_exchange(seed, with_spot=kind is PairKind.CARRY)
    clock = ManualClock(exchange.now_ms)
    client = wrap(InProcessClient(exchange, ACCOUNT, clock))
    if kind is PairKind.CARRY:
        client = PerpetualsAndSpot(client, wrap_spot(InProcessSpot(exchange, ACCOUNT, clock)))
    stepper = ExchangeStepper(exchange)
    await stepper.step()
    ready = await prepare_venue(client, symbols, limits, max_clock_uncertainty_ms=1_000, kind=kind)
    pairings = pairings_of(kind, symbols)
    settings = CoreSettings(
        run_id=run_id,
        account=ACCOUNT,
        margin_asset="USDT",
        limits=limits,
        delta_neutral=DeltaNeutralParameters(
            symbols=tuple(dict.fromkeys(symbol for pairing in pairings for symbol in pairing.symbols)),
            pairings=pairings,
            hold_time_ms=hold_minutes * 60_000,
            daily_volume_target_usd=Decimal(daily_volume_usd),
        ),
        policy=policy or ExecutionPolicy(style=style, lead_deadline_ms=60_000),
        instruments=ready.instruments,
        remembered=remembered,
    )
    core = TradingCore(settings)
    books = MemoryBooks()
    notices: list[Notify] = []
    session = Session(
        client=client,
        core=core,
        books=keep_in(core) if keep_in is not None else books,
        journal=journal(settings, stepper.now_ms),
        clock=clock,
        start_ms=stepper.now_ms,
        on_notice=notices.append,
    )
    driver = LockstepDriver(session, stepper)
    await driver.start()
    return Bench(exchange, client, core, session, driver, stepper, books, notices)
