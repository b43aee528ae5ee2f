"""What the core knows, in one place that its parts share: state only, no decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from aster_operator.domain.commands import Command, Notify, NotifyLevel
from aster_operator.domain.events import Feed, OperatorAction
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import Market, market_of
from aster_operator.execution.account_memory import AccountMemory
from aster_operator.execution.hold_meter import HoldMeter
from aster_operator.execution.market_view import MarketView
from aster_operator.execution.order_tracker import OrderTracker
from aster_operator.execution.pair import PairLeg
from aster_operator.execution.pair_book import PairBook
from aster_operator.execution.policy import ExecutionPolicy
from aster_operator.execution.portfolio import Portfolio
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.execution.strategy_desk import StrategyDesk
from aster_operator.execution.stray_orders import StrayOrders
from aster_operator.strategy.intents import AccountStatus, CycleDecision
from aster_operator.strategy.parameters import DeltaNeutralParameters, RiskLimits
from aster_operator.strategy.risk_manager import RiskManager
from aster_operator.strategy.risk_watch import RiskWatch

__all__ = ["CoreSettings", "CoreState"]


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the core is built from: written as the head of the journal, so that a replay can rebuild it.

    A strategy takes part when its parameters are there. `volume_by_day` carries the traded notional of
    earlier runs (UTC day start in ms to USD), `account_memory` what they knew about the account.
    `notional_caps` are the largest positions (USD) that the symbols' brackets allow at the leverage set.
    """

    run_id: str
    account: str
    margin_asset: str
    limits: RiskLimits
    policy: ExecutionPolicy
    instruments: dict[str, Instrument]
    delta_neutral: DeltaNeutralParameters | None = None
    positions: tuple[PositionDeskSettings, ...] = ()
    remembered: tuple[RememberedPair, ...] = ()
    volume_by_day: dict[int, Decimal] = {}
    account_memory: AccountMemory = AccountMemory()
    notional_caps: dict[str, Decimal] = {}
    first_sequence: int = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """Everything the session trades and must follow, each symbol once."""
        pairs = () if self.delta_neutral is None else self.delta_neutral.symbols
        return pairs + tuple(symbol for desk in self.positions for symbol in desk.symbols)

    @property
    def position_symbols(self) -> frozenset[str]:
        """Symbols that strategies of single positions trade."""
        return frozenset(symbol for desk in self.positions for symbol in desk.symbols)


@dataclass(slots=True)
class CoreState:
    """`now_ms` is the largest event time seen; `out` collects the commands of the event being handled.

    `paused` says who paused entries, `stopping` how the session is to end; None while neither is so.
    """

    settings: CoreSettings
    portfolio: Portfolio
    market: MarketView
    tracker: OrderTracker
    pairs: PairBook
    risk_manager: RiskManager
    hold_meter: HoldMeter
    risk_watch: RiskWatch = field(default_factory=RiskWatch)
    now_ms: int = 0
    reconciled: bool = False
    out: list[Command] = field(default_factory=list)
    reopen_after_ms: dict[str, int] = field(default_factory=dict)
    foreign_symbols: frozenset[str] = frozenset()
    feeds_down: dict[Feed, str] = field(default_factory=dict)
    strays: StrayOrders = field(default_factory=StrayOrders)
    desks: list[StrategyDesk] = field(default_factory=list)
    decisions: dict[str, CycleDecision] = field(default_factory=dict)
    paused: str | None = None
    stopping: OperatorAction | None = None
    snapshot_pending: bool = False
    in_doubt: bool = False
    """The snapshot under way is to settle a doubt; another only refreshes figures and holds nothing up."""
    _equity: tuple[Decimal | None] | None = None
    """The equity, as long as nothing happens that moves it; None: to be summed anew."""

    @classmethod
    def fresh(cls, settings: CoreSettings) -> "CoreState":
        portfolio = Portfolio(margin_asset=settings.margin_asset)
        portfolio.volume_by_day.update(settings.volume_by_day)
        return cls(
            settings=settings,
            portfolio=portfolio,
            market=MarketView(spot_symbols=_spot_symbols(settings)),
            tracker=OrderTracker(),
            pairs=PairBook(),
            risk_manager=RiskManager(
                settings.limits,
                settings.instruments,
                notional_caps=settings.notional_caps,
                marks=settings.account_memory.marks,
            ),
            hold_meter=HoldMeter(
                week_ms=settings.account_memory.week_ms, usd_hours=settings.account_memory.held_usd_hours
            ),
        )

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self.settings.instruments

    def emit(self, command: Command) -> None:
        self.out.append(command)

    def notify(self, level: NotifyLevel, message: str) -> None:
        self.emit(Notify(at_ms=self.now_ms, level=level, message=message))

    def forget_equity(self) -> None:
        """To be called when something may have moved it."""
        self._equity = None

    def equity_usd(self) -> Decimal | None:
        """Wallet plus unrealised PnL at the marks; None while the account or a needed mark is unknown.

        Positions in symbols that this session does not follow count as the venue last valued them.
        """
        if not self.reconciled:
            return None
        if self._equity is None:
            self._equity = (self._summed_equity_usd(),)
        return self._equity[0]

    def _summed_equity_usd(self) -> Decimal | None:
        equity = self.portfolio.wallet_balance
        for position in self.portfolio.open_positions():
            if position.symbol not in self.instruments:
                equity += position.reported_pnl
                continue
            mark = self.market.mark_of(position.symbol)
            if mark is None:
                return None
            equity += position.unrealized_pnl(mark)
        spot = self._spot_equity_usd()
        return None if spot is None else equity + spot

    def _spot_equity_usd(self) -> Decimal | None:
        """What the session's money on the spot side is worth now: at cost, plus results, less fees. Coins
        that are not of our pairs are not in it."""
        portfolio = self.portfolio
        value = portfolio.spot_capital + portfolio.spot_realized - portfolio.spot_fees
        for leg in self._spot_legs():
            mark = self.market.mark_of(leg.symbol)
            if mark is None:
                return None
            value += leg.unrealized_pnl(mark)
        return value

    def _spot_legs(self) -> list[PairLeg]:
        legs = (leg for pair in self.pairs.active() for leg in pair.legs)
        return [leg for leg in legs if leg.is_spot and leg.held]

    def anchor_spot(self) -> None:
        """Count the spot wallet's money anew, once the venue has told it: transfers are in it then."""
        portfolio = self.portfolio
        if not self.market.spot_symbols:
            return
        quotes = {self.instruments[symbol].quote_asset for symbol in self.market.spot_symbols}
        money = sum((portfolio.spot_total(asset) for asset in quotes), ZERO)
        at_cost = sum((leg.held * leg.entry_price for leg in self._spot_legs()), ZERO)
        portfolio.spot_capital = money + at_cost - portfolio.spot_realized + portfolio.spot_fees

    def account_status(self) -> AccountStatus:
        """The account as the limits see it."""
        portfolio = self.portfolio
        return AccountStatus(
            now_ms=self.now_ms,
            equity_usd=self.equity_usd(),
            maintenance_margin_usd=portfolio.maintenance_margin,
            available_usd=portfolio.available_balance,
            as_of_ms=portfolio.account_ms,
        )


def _spot_symbols(settings: CoreSettings) -> frozenset[str]:
    return frozenset(symbol for symbol in settings.instruments if market_of(symbol) is Market.SPOT)
