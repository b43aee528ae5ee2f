"""What a strategy can want, and what it is shown to decide on. Plain values on both sides."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.pairing import LegHedge

__all__ = [
    "AccountStatus",
    "Beta",
    "ClosePair",
    "CycleDecision",
    "CycleView",
    "Intent",
    "LegStatus",
    "OpenPair",
    "PairPhase",
    "PairStatus",
    "SymbolMarket",
]


class PairPhase(StrEnum):
    OPENING = "opening"
    HOLDING = "holding"
    CLOSING = "closing"
    CLOSED = "closed"


class LegStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a pair now. `quantity` is in unsigned base units, `mark` None while no mark price is fresh.

    `liquidation_price` is what the venue last named: None while it has named none, zero when no positive
    price liquidates the leg. With cross margin both legs of a symbol share one, on either side of the mark.
    `adl_quantile` (0 to 4, 4 is first in the queue) is None while unknown.
    """

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    mark: Decimal | None
    unrealized_usd: Decimal
    cost_usd: Decimal = Decimal(0)
    """What is held, at its entry price."""
    weight: Decimal = Decimal(1)
    """How a unit of it counts in its pair, in units of the pairing's first symbol."""
    liquidation_price: Decimal | None = None
    adl_quantile: int | None = None
    is_isolated: bool = False

    @property
    def liquidation_distance_pct(self) -> Decimal | None:
        """How far the mark may move before the leg is liquidated, in percent of the mark; negative when an
        isolated leg is past it already. None when that cannot be said, or when no price does it."""
        if self.mark is None or self.liquidation_price is None or self.liquidation_price <= 0:
            return None
        way = self.mark - self.liquidation_price
        if not self.is_isolated:
            way = abs(way)
        elif self.position_side is PositionSide.SHORT:
            way = -way
        return way / self.mark * 100


class PairStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pair as the strategy sees it. The legs may differ in symbol and quantity.

    `held_since_ms` is the time of the later leg's last opening fill; None before both legs are complete.
    `pnl_usd` is realised plus unrealised PnL of both legs less fees, plus settled funding; `net_delta_usd`
    is the long notional less the short one at the marks, each times its leg's beta; `gross_usd` their plain
    sum, `opened_gross_usd` the same at the entry prices and before anything was closed again. `urgent`: a
    close that crosses already. `name` is the pairing's, empty for that of the symbol.
    """

    pair_ref: str
    long: LegStatus
    short: LegStatus
    phase: PairPhase
    held_since_ms: int | None
    pnl_usd: Decimal
    net_delta_usd: Decimal
    gross_usd: Decimal
    opened_gross_usd: Decimal = Decimal(0)
    urgent: bool = False
    name: str = ""
    blind_ms: int | None = None
    """Age of the older mark price that the market stream has told; None while it is fresh, or when the venue
    does not answer either, so that nothing could be closed."""

    @property
    def legs(self) -> tuple[LegStatus, LegStatus]:
        return self.long, self.short

    @property
    def symbol(self) -> str:
        """Name of the pair in decisions: its pairing's, or the long leg's symbol."""
        return self.name or self.long.symbol

    @property
    def riskier_side(self) -> PositionSide:
        """The leg to close first: nearer to its liquidation where both distances are known, else the one
        that loses, which is the one nearer to it."""
        long_pct, short_pct = self.long.liquidation_distance_pct, self.short.liquidation_distance_pct
        if long_pct is not None and short_pct is not None and long_pct != short_pct:
            return PositionSide.LONG if long_pct < short_pct else PositionSide.SHORT
        long_loses = self.long.unrealized_usd <= self.short.unrealized_usd
        return PositionSide.LONG if long_loses else PositionSide.SHORT


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one instant, in USD. None: not known, which is not zero.

    `equity_usd` is wallet plus unrealised PnL at the marks; `maintenance_margin_usd` and `available_usd` are
    the venue's figures of `as_of_ms`.
    """

    now_ms: int
    equity_usd: Decimal | None = None
    maintenance_margin_usd: Decimal | None = None
    available_usd: Decimal | None = None
    as_of_ms: int | None = None


class SymbolMarket(msgspec.Struct, frozen=True, kw_only=True):
    """The market of one symbol at the time of the cycle; `stale` says why it must not be traded on."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    bid_quantity: Decimal | None
    ask_quantity: Decimal | None
    mark: Decimal | None
    funding_rate: Decimal | None
    next_funding_ms: int | None
    stale: str | None
    last_funding_ms: int | None = None
    """The funding stamp before the next one; None when none has passed since the session started."""
    usual_half_spread_bps: Decimal | None = None
    """Half the spread as it has been lately; None before enough of it was seen."""
    volatility_bps_hour: Decimal | None = None
    """Standard deviation of an hour's return, from the last closed minutes; None before enough of them."""
    recent_volatility_bps_hour: Decimal | None = None
    """The same of the last ten minutes or so,"""
    usual_volatility_bps_hour: Decimal | None = None
    """and of the last day or so."""


class Beta(msgspec.Struct, frozen=True, kw_only=True):
    """Slope and correlation of the minute returns of one symbol on those of another, over `minutes`."""

    value: Decimal
    correlation: Decimal
    minutes: int


class CycleView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one pass of the loop may look at. `entries_blocked` says why no pair may be opened."""

    now_ms: int
    markets: dict[str, SymbolMarket]
    pairs: tuple[PairStatus, ...]
    volume_today_usd: Decimal
    reopen_after_ms: dict[str, int]
    entries_blocked: str | None
    spot_cash_usd: Decimal | None = None
    """What the spot wallet has to spend; None in a session that trades no spot."""
    betas: dict[str, Beta] = {}
    """By name of a cross pairing, how its first symbol moves with its second; not there while unknown."""
    committed_volume_usd: Decimal = Decimal(0)
    """Notional that the open pairs are still going to trade: what is left to open, and every close."""
    committed_gross_usd: Decimal = Decimal(0)
    """Gross notional that is held, by whomever, plus what the opening pairs are still going to add."""
    symbol_gross_usd: dict[str, Decimal] = {}
    """The part of it on each symbol."""
    account: AccountStatus | None = None
    """None in a view made without an account: nothing is cut to its free margin."""
    uncovered_usd: Decimal = Decimal(0)
    """Notional still to be opened: it takes up margin that the available balance still shows as free."""
    maker_share: Decimal | None = None
    """Part of the session's volume that rested; None before there is enough to tell."""
    held_usd_hours: Decimal = Decimal(0)
    """Notional of both legs times hours held so far in the UTC week."""
    week_end_ms: int = 0


class OpenPair(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open a LONG of `long_symbol` and a SHORT of `short_symbol`, `quantity` base units each, working
    `lead` first. Where the legs differ, `quantity` is the long one's, `short_quantity` the short one's, and
    the hedges say how they count against each other. `name` is the pairing's, the symbol by default.
    """

    long_symbol: str
    short_symbol: str
    quantity: Decimal
    lead: PositionSide
    reason: str
    short_quantity: Decimal | None = None
    name: str = ""
    long_hedge: LegHedge = LegHedge()
    short_hedge: LegHedge = LegHedge()


class ClosePair(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close both legs. `urgent` closes cross the spread at once; others may rest first.

    `lead` is the leg to close first: the riskier one when a limit was breached. `by_owner`: nothing is wrong
    with the pair, its owner wishes it closed.
    """

    pair_ref: str
    lead: PositionSide
    urgent: bool
    reason: str
    by_owner: bool = False


Intent = OpenPair | ClosePair


class CycleDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of one pass for one symbol, with the reason in words and the numbers behind it."""

    symbol: str
    action: str
    reason: str
    intent: Intent | None = None
    numbers: dict[str, str] = {}
    is_passing: bool = False
    """What speaks against acting may be over at any moment: it is looked at again soon."""
