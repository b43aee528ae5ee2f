"""A strategy on recorded minutes: the real core against the embedded exchange.

In process and in virtual time, or over the real wire on loopback; either way the same decisions, orders and
fills, which the fingerprint shows.
"""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings
from aster_operator.domain.clock import Clock, ManualClock
from aster_operator.domain.commands import Command, RecordDecision, SubmitOrder
from aster_operator.domain.events import Event, OperatorAction
from aster_operator.domain.fills import Fill, settled_cash
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.pairing import PairKind
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.core import TradingCore
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, MarketKind, embedded_exchange
from aster_operator.runtime.fault_scenarios import SCENARIOS, with_faults
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver, MarketStepper
from aster_operator.runtime.memory_books import LedgerVerdict, MemoryBooks
from aster_operator.runtime.protection_watch import ProtectionWatch
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_plan import BarStrategy, SessionPlan, with_plan
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.in_process.client import InProcessClient

__all__ = [
    "ArrayReplayResult",
    "PairReplayResult",
    "ReplayDriver",
    "ReplayOptions",
    "ReplayResult",
    "ReplayVenue",
    "in_process_venue",
    "replay_strategy",
]

_ACCOUNT = "replay"
_WIND_DOWN_MS = 3_600_000


class ReplayDriver(StrEnum):
    IN_PROCESS = "in-process"
    WIRE = "wire"


class ReplayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`strategy` of single positions, or the symbols of `pairs` of delta-neutral. `data` None plays the
    bundled sample; `minutes` None plays all of it. `market` says whether minutes are played, or the books,
    trades and marks that were recorded; every `calm_substep_ms` (None: `substep_ms`) while no order waits."""

    strategy: BarStrategy | None = None
    pairs: tuple[str, ...] = ()
    data: Path | None = None
    minutes: int | None = None
    seed: int = 1
    faults: str = "none"
    substep_ms: int = 5_000
    calm_substep_ms: int | None = None
    deposit_usdt: Decimal = Decimal(10_000)
    market: MarketKind = MarketKind.RECORDED

    @property
    def plan(self) -> SessionPlan:
        """What the session trades."""
        return SessionPlan(pairs=self.pairs, bar_strategies=() if self.strategy is None else (self.strategy,))

    def venue(self) -> EmbeddedVenueOptions:
        """The exchange to play them on."""
        return EmbeddedVenueOptions(
            symbols=self.plan.symbols,
            market=self.market,
            data=self.data,
            seed=self.seed,
            substep_ms=self.substep_ms,
            calm_substep_ms=self.calm_substep_ms,
            deposit_usdt=self.deposit_usdt,
        )


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """Counts, money in USD, times in ms of market time; `seconds` of wall time.

    `unprotected_ms_*` are over all positions, from fill to the stop's resting or the close; `orphan_exits`
    counts exit orders found resting for no position. Equal input has an equal `fingerprint`: SHA-256 over all
    decisions, orders and fills.
    """

    decisions: int
    entries: int
    exits_by_reason: dict[str, int]
    unprotected_ms_max: int
    unprotected_ms_total: int
    orphan_exits: int
    net_pnl_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    events: int
    seconds: float
    ledger: str
    fingerprint: str
    symbols: tuple[str, ...] = ()
    market_minutes: int = 0


class PairReplayResult(ReplayResult, frozen=True, kw_only=True):
    """Of delta-neutral: `entries` are pairs, and `exits_by_reason` counts rotations, pairs that a limit or a
    lost leg ended, and those closed for the owner or at the end, which `shortest_hold_ms` leaves out (None:
    there was no other). `longest_imbalance_ms` is the longest time that any pair stood uneven."""

    rotations: int
    volume_usd: Decimal
    shortest_hold_ms: int | None
    longest_imbalance_ms: int


class ArrayReplayResult(ReplayResult, frozen=True, kw_only=True):
    """Of the venue of arrays: `events` are those of the market, `seconds` those of playing them, and
    `load_seconds` those of reading them."""

    load_seconds: float


class ReplayVenue(msgspec.Struct, frozen=True):
    """Where the replay trades: the exchange itself, a client of it, who moves its time, and until when."""

    exchange: ExchangeApi
    account_id: str
    client: ExchangeClient
    stepper: MarketStepper
    end_ms: int


@asynccontextmanager
async def in_process_venue(options: ReplayOptions) -> AsyncIterator[ReplayVenue]:
    """Raises HistoryError and CatalogError for data that cannot be played."""
    exchange = embedded_exchange(options.venue())
    exchange.create_account(_ACCOUNT, {"USDT": options.deposit_usdt})
    client = InProcessClient(exchange, _ACCOUNT, ManualClock(exchange.now_ms))
    yield ReplayVenue(exchange, _ACCOUNT, client, ExchangeStepper(exchange), exchange.end_ms or 0)


async def replay_strategy(
    settings: Settings,
    options: ReplayOptions,
    ledger: LedgerVerdict,
    clock: Clock,
    *,
    venue: ReplayVenue | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> ReplayResult:
    """Play the data through the strategy and report. `venue` None replays in process.

    Raises UserProblem for a strategy or parameters that cannot be used, HistoryError for unusable data.
    """
    plan = options.plan
    plan.check()
    if plan.pairs and PairKind(settings.pair_kind) is PairKind.CARRY:
        raise UserProblem("pairs with a spot leg are not replayed", "PAIR_KIND", "choose same or cross")
    if venue is None:
        async with in_process_venue(options) as own:
            return await _Replay(settings, options, plan, own, clock).play(ledger, on_progress)
    return await _Replay(settings, options, plan, venue, clock).play(ledger, on_progress)


class _Replay:
    def __init__(
        self, settings: Settings, options: ReplayOptions, plan: SessionPlan, venue: ReplayVenue, clock: Clock
    ) -> None:
        self._settings = settings
        self._options = options
        self._plan = plan
        self._venue = venue
        self._clock = clock
        self._books = MemoryBooks()
        self._journal = _Fingerprint()

    async def play(self, ledger: LedgerVerdict, on_progress: Callable[[float], None] | None) -> ReplayResult:
        venue, settings = self._venue, self._settings
        started_ns = self._clock.monotonic_ns()
        await venue.stepper.step()
        start_ms = venue.stepper.now_ms
        end_ms = venue.end_ms
        if self._options.minutes is not None:
            end_ms = min(end_ms, start_ms + self._options.minutes * 60_000)
        ready = await prepare_venue(
            venue.client,
            self._plan.pairs,
            risk_limits(settings),
            max_clock_uncertainty_ms=60_000,
            positions=self._plan.single_positions(settings),
            kind=PairKind(settings.pair_kind),
        )
        chosen = core_settings(
            settings,
            run_id=f"replay{self._options.seed}",
            account=_ACCOUNT,
            instruments=ready.instruments,
        )
        core = TradingCore(with_plan(chosen, settings, self._plan, ready, {}))
        session = Session(
            client=with_faults(venue.client, SCENARIOS[self._options.faults], self._options.seed),
            core=core,
            books=self._books,
            journal=self._journal,
            clock=self._clock,
            start_ms=start_ms,
        )
        desk = _desk(core)
        watch = None if desk is None else ProtectionWatch(venue.exchange, venue.account_id, desk)

        async def after_step(now_ms: int) -> None:
            if watch is not None:
                watch.look(now_ms)
            if on_progress is not None:
                on_progress((now_ms - start_ms) / max(1, end_ms - start_ms))

        driver = LockstepDriver(session, venue.stepper, after_step)
        await driver.start()
        await driver.run(end_ms)
        session.request(OperatorAction.FLATTEN, "end of the replay", venue.stepper.now_ms)
        await driver.settle()
        # A report lost at the very end of the data is asked for again, although nothing trades any more.
        await driver.run(venue.stepper.now_ms + _WIND_DOWN_MS, beyond_end=True)
        if watch is not None:
            watch.look(venue.stepper.now_ms)
        # What a lost report kept from the books and nothing has asked for since.
        await session.catch_up(venue.stepper.now_ms, start_ms + 1)
        await session.disconnect()
        return await self._result(core, watch, start_ms, end_ms, started_ns, ledger)

    async def _result(
        self,
        core: TradingCore,
        watch: ProtectionWatch | None,
        start_ms: int,
        end_ms: int,
        started_ns: int,
        ledger: LedgerVerdict,
    ) -> ReplayResult:
        client, books, symbols = self._venue.client, self._books, core.settings.symbols
        venue_fills = [fill for symbol in symbols for fill in await client.fills(symbol, start_ms)]
        venue_income = settled_cash(await client.income_rows(start_ms + 1))
        account = await client.account_snapshot()
        deposit = self._options.deposit_usdt
        result = ReplayResult(
            decisions=len(books.decisions),
            **self._trades(core, watch),
            net_pnl_usd=account.total_margin_balance - deposit,
            fees_usd=sum((fill.commission for fill in venue_fills), ZERO),
            funding_usd=sum((row.income for row in venue_income if row.is_funding), ZERO),
            events=self._journal.events,
            seconds=(self._clock.monotonic_ns() - started_ns) / 1e9,
            ledger=ledger(
                list(books.fills.values()),
                venue_fills,
                list(books.income.values()),
                venue_income,
                (deposit, account.total_wallet_balance),
                None,
            ),
            fingerprint=self._journal.hexdigest(venue_fills),
            symbols=symbols,
            market_minutes=(end_ms - start_ms) // 60_000,
        )
        return result if watch is not None else _of_pairs(result, core, venue_fills)

    def _trades(self, core: TradingCore, watch: ProtectionWatch | None) -> dict[str, Any]:
        """What became of single positions."""
        trades, desk = self._books.trades, _desk(core)
        longest = max((trade.unprotected_ms for trade in trades), default=0)
        total = sum(trade.unprotected_ms for trade in trades)
        return {
            "entries": len(trades) + (0 if desk is None else desk.open_position_count),
            "exits_by_reason": dict(sorted(Counter(str(trade.reason) for trade in trades).items())),
            "unprotected_ms_max": longest if watch is None else max(longest, watch.unprotected_ms_max),
            "unprotected_ms_total": total if watch is None else max(total, watch.unprotected_ms_total),
            "orphan_exits": 0 if watch is None else watch.orphan_exits,
        }


def _of_pairs(result: ReplayResult, core: TradingCore, fills: Sequence[Fill]) -> PairReplayResult:
    """The same with what pairs did in place of single positions."""
    held = [pair for pair in core.state.pairs.finished if pair.quantity > 0]
    holds = [pair.hold_ms for pair in held if pair.hold_ms is not None and not pair.owner_closed]
    ends = Counter("rotation" if pair.rotated else "owner" if pair.owner_closed else "limit" for pair in held)
    told = {name: getattr(result, name) for name in ReplayResult.__struct_fields__}
    told |= {
        "entries": len(held) + sum(1 for _ in core.state.pairs.active()),
        "exits_by_reason": dict(sorted(ends.items())),
    }
    return PairReplayResult(
        **told,
        rotations=ends["rotation"],
        volume_usd=sum((fill.notional for fill in fills), ZERO),
        shortest_hold_ms=min(holds, default=None),
        longest_imbalance_ms=max((pair.longest_imbalance_ms for pair in held), default=0),
    )


def _desk(core: TradingCore) -> PositionDesk | None:
    """The desk of single positions; None where pairs are traded."""
    return next((desk for desk in core.state.desks if isinstance(desk, PositionDesk)), None)


class _Fingerprint:
    """A journal that keeps nothing but the digest of what was decided and sent, and the count of events."""

    def __init__(self) -> None:
        self.events = 0
        self._digest = hashlib.sha256()

    def event(self, event: Event) -> None:  # noqa: ARG002 (the journal's signature)
        self.events += 1

    def command(self, command: Command) -> None:
        if isinstance(command, RecordDecision | SubmitOrder):
            self._digest.update(_canonical(command))

    def close(self) -> None:
        """Nothing is open."""

    def hexdigest(self, fills: Sequence[Fill]) -> str:
        """Over all decisions and orders so far, and these fills."""
        whole = self._digest.copy()
        for fill in fills:
            whole.update(_canonical(fill))
        return whole.hexdigest()


def _canonical(value: msgspec.Struct) -> bytes:
    """The value as JSON with one way to write each number: `1.50` and `1.5` are the same."""
    return msgspec.json.encode(_plain(msgspec.to_builtins(value, builtin_types=(Decimal,))))


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return plain_text(value)
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value
