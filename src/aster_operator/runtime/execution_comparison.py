"""The same strategy on the same recorded days, worked in different ways, side by side.

Runs in process in virtual time: no wire, no wall clock. Every run has its own exchange of the same seed, its
own account and its own books; every step is checked against the limits from outside the risk gate.
"""

from collections import defaultdict
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings
from aster_operator.domain.clock import DAY_MS, HOUR_MS, ManualClock
from aster_operator.domain.events import OperatorAction
from aster_operator.domain.fills import settled_cash
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import PairKind
from aster_operator.domain.spot_wallets import SpotWallets
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.spot_protocol import SpotWallet
from aster_operator.exchange.with_spot import PerpetualsAndSpot
from aster_operator.execution.core import TradingCore
from aster_operator.execution.policy import ExecutionStyle
from aster_operator.market_data.history import HistoryError, RecordedHistory, load_history
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.journal import NoJournal
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver
from aster_operator.runtime.memory_books import LedgerVerdict, MemoryBooks
from aster_operator.runtime.session import Session
from aster_operator.runtime.spot_money import coins_of, money_for_spot
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.spot import InProcessSpot
from aster_operator.simulator.options import CALM_SUBSTEP_MS, WATCHED_SUBSTEP_MS

__all__ = ["ComparedRun", "ComparisonOptions", "compare_executions"]

_ACCOUNT = "compared"
_WIND_DOWN_MS = HOUR_MS
_TELL_EVERY_STEPS = 200


class ComparisonOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`data` None is the bundled sample; `days` from the start of the data, None plays them all."""

    executions: tuple[ExecutionStyle, ...]
    data: Path | None = None
    days: float | None = None
    seed: int = 1
    substep_ms: int = WATCHED_SUBSTEP_MS
    calm_substep_ms: int = CALM_SUBSTEP_MS


class ComparedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One way of working the pairs. Money in USD; `cost_per_100k_usd` is everything lost, price effects of
    trading included, for each 100,000 USD traded. `market_pnl_usd` is apart from it: what prices did to pairs
    while they were complete, zero for two legs of one perpetual. `lone_leg_ms_max` is the longest a pair was
    lopsided, in market time, `imbalance_base_max` the most, in base units of a pairing's first symbol;
    `limits_breached` counts the steps at which a limit was found broken from outside."""

    execution: str
    volume_usd: Decimal
    cost_per_100k_usd: Decimal | None
    fees_usd: Decimal
    funding_usd: Decimal
    pairs: int
    rotations: int
    hold_minutes_min: float | None
    lone_leg_ms_max: int
    imbalance_base_max: Decimal
    limits_breached: int
    ledger: str
    symbols: tuple[str, ...]
    market_days: float
    maker_share_pct: Decimal | None
    realized_pnl_usd: Decimal
    market_pnl_usd: Decimal


async def compare_executions(
    settings: Settings,
    options: ComparisonOptions,
    ledger: LedgerVerdict,
    on_progress: Callable[[str, float], None] | None = None,
) -> list[ComparedRun]:
    """Play the data once for each execution. `on_progress` gets the execution and the share played.

    Raises UserProblem for data that cannot be played or are too short, and for settings that cannot work.
    """
    try:
        history = load_history(options.data, settings.symbols)
    except HistoryError as error:
        raise UserProblem(str(error)) from error
    end_ms = history.end_ms
    if options.days is not None:
        end_ms = history.start_ms + int(options.days * DAY_MS)
    if end_ms > history.end_ms:
        raise UserProblem(
            f"the data hold {(history.end_ms - history.start_ms) / DAY_MS:.2f} days",
            "--days",
            "ask for fewer",
        )
    return [
        await _Run(settings, history, options, style, end_ms, on_progress).play(ledger)
        for style in options.executions
    ]


class _Run:
    """One execution style on its own exchange."""

    def __init__(
        self,
        settings: Settings,
        history: RecordedHistory,
        options: ComparisonOptions,
        style: ExecutionStyle,
        end_ms: int,
        on_progress: Callable[[str, float], None] | None,
    ) -> None:
        # Its plans as well: what crosses need not wait for a calm market.
        self._settings = settings.model_copy(update={"execution": str(style)})
        self._style = style
        self._end_ms = end_ms
        self._on_progress = on_progress
        self._kind = PairKind(settings.pair_kind)
        with_spot = self._kind is PairKind.CARRY
        self._exchange = SimulatedExchange.from_history(
            history,
            ExchangeOptions(
                seed=options.seed,
                substep_ms=options.substep_ms,
                calm_substep_ms=options.calm_substep_ms,
                with_spot=with_spot,
            ),
        )
        self._deposit = max(Decimal(10_000), settings.capital_usdt)
        self._exchange.create_account(_ACCOUNT, {"USDT": self._deposit})
        self._stepper = ExchangeStepper(self._exchange)
        self._clock = ManualClock(self._exchange.now_ms)
        self._client: ExchangeClient = InProcessClient(self._exchange, _ACCOUNT, self._clock)
        if with_spot:
            spot = InProcessSpot(self._exchange, _ACCOUNT, self._clock)
            self._client = PerpetualsAndSpot(self._client, spot)
            self._exchange.transfer(
                _ACCOUNT, "USDT", min(money_for_spot(settings), self._deposit), to_spot=True
            )
        self._books = MemoryBooks()
        self._breaches = self._steps = 0

    async def play(
        self,
        ledger: LedgerVerdict,
    ) -> ComparedRun:
        await self._stepper.step()
        start_ms = self._stepper.now_ms
        settings = self._settings
        ready = await prepare_venue(
            self._client,
            settings.symbols,
            risk_limits(settings),
            max_clock_uncertainty_ms=1_000,
            kind=self._kind,
        )
        self._spot_at_start = ready.spot_balances
        self._futures_at_start = ready.account.total_wallet_balance
        core = TradingCore(
            core_settings(
                settings,
                run_id=f"compare-{self._style}",
                account=_ACCOUNT,
                instruments=ready.instruments,
                fees=ready.fees,
                notional_caps=ready.notional_caps,
            )
        )
        session = Session(
            client=self._client,
            core=core,
            books=self._books,
            journal=NoJournal(),
            clock=self._clock,
            start_ms=start_ms,
        )

        async def watch(now_ms: int) -> None:
            self._breaches += _breached(core)
            self._steps += 1
            if self._on_progress is not None and self._steps % _TELL_EVERY_STEPS == 0:
                self._on_progress(self._style, (now_ms - start_ms) / max(1, self._end_ms - start_ms))

        driver = LockstepDriver(session, self._stepper, watch)
        await driver.start()
        await driver.run(self._end_ms)
        session.request(OperatorAction.FLATTEN, "end of the comparison", self._stepper.now_ms)
        await driver.settle()
        await driver.run(self._stepper.now_ms + _WIND_DOWN_MS)
        await session.disconnect()
        return await self._result(core, start_ms, ledger)

    async def _result(
        self,
        core: TradingCore,
        start_ms: int,
        ledger: LedgerVerdict,
    ) -> ComparedRun:
        symbols = core.settings.symbols
        venue_fills = [fill for symbol in symbols for fill in await self._client.fills(symbol, 0)]
        venue_income = settled_cash(await self._client.income_rows(start_ms + 1))
        account = await self._client.account_snapshot()
        portfolio, finished = core.state.portfolio, core.state.pairs.finished
        market_pnl = sum((pair.market_pnl_usd for pair in finished), ZERO)
        # What prices did to complete pairs is the market's: the same whichever way they are worked.
        spot = await self._spot_wallets(core)
        spot_worth = ZERO if spot is None else _worth(spot.closing, core)
        lost = self._deposit - account.total_margin_balance - spot_worth + market_pnl
        volume = portfolio.volume
        holds_ms = [pair.hold_ms for pair in finished if pair.hold_ms is not None and pair.rotated]
        own_fills, own_income = list(self._books.fills.values()), list(self._books.income.values())
        wallets = (self._futures_at_start, account.total_wallet_balance)
        return ComparedRun(
            execution=str(self._style),
            volume_usd=volume,
            cost_per_100k_usd=_ratio(lost * 100_000, volume, "0.0001"),
            fees_usd=portfolio.fees,
            funding_usd=portfolio.funding,
            pairs=len(finished),
            rotations=sum(1 for pair in finished if pair.rotated),
            hold_minutes_min=min(holds_ms) / 60_000 if holds_ms else None,
            lone_leg_ms_max=max((pair.longest_imbalance_ms for pair in finished), default=0),
            imbalance_base_max=max((pair.worst_imbalance for pair in finished), default=ZERO),
            limits_breached=self._breaches,
            ledger=ledger(own_fills, venue_fills, own_income, venue_income, wallets, spot),
            symbols=symbols,
            market_days=(self._end_ms - start_ms) / DAY_MS,
            maker_share_pct=_ratio(portfolio.maker_volume * 100, volume, "0.01"),
            realized_pnl_usd=portfolio.realized_pnl,
            market_pnl_usd=market_pnl,
        )

    async def _spot_wallets(self, core: TradingCore) -> SpotWallets | None:
        if not isinstance(self._client, SpotWallet):
            return None
        return SpotWallets(
            opening=self._spot_at_start,
            closing={balance.asset: balance.total for balance in await self._client.spot_balances()},
            coins=coins_of(core.settings.instruments),
        )


def _worth(wallet: dict[str, Decimal], core: TradingCore) -> Decimal:
    """A spot wallet in quote units at the marks."""
    worth = ZERO
    coins = coins_of(core.settings.instruments)
    for asset in {quote for _, quote in coins.values()}:
        worth += wallet.get(asset, ZERO)
    for symbol, (base, _) in coins.items():
        worth += wallet.get(base, ZERO) * (core.state.market.mark_of(symbol) or ZERO)
    return worth


def _ratio(part: Decimal, whole: Decimal, digits: str) -> Decimal | None:
    return (part / whole).quantize(Decimal(digits), ROUND_HALF_EVEN) if whole else None


def _breached(core: TradingCore) -> int:
    """1 when a limit is broken at this instant, judged from the venue's positions, not from the gate."""
    state, limits = core.state, core.settings.limits
    gross = ZERO
    legs: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for position in state.portfolio.open_positions():
        mark = state.market.mark_of(position.symbol)
        if mark is None:
            continue
        # At cost, not at the mark: a market that moves after the fill breaks no limit on what was taken on.
        notional = abs(position.quantity) * position.entry_price
        gross += notional
        legs[(position.symbol, position.position_side)] += notional
    for pair in state.pairs.active():
        for leg in pair.legs:
            if leg.is_spot:
                gross += leg.held * leg.entry_price
                legs[(leg.symbol, leg.position_side)] += leg.held * leg.entry_price
    lot_grace = Decimal("1.02")
    over_leg = any(notional > limits.leg_notional_usd * lot_grace for notional in legs.values())
    over_total = gross > limits.total_notional_limit_usd * lot_grace
    parameters = core.settings.delta_neutral
    over_budget = parameters is not None and (
        state.portfolio.volume_on_day(state.now_ms) > parameters.daily_volume_target_usd
    )
    return int(over_leg or over_total or over_budget)
