"""What a strategy can want, and what it is shown to decide on. Plain values on both sides."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import PositionSide

__all__ = [
    "ClosePair",
    "CycleDecision",
    "CycleView",
    "Intent",
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


class PairStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pair as the strategy sees it.

    `held_since_ms` is the time of the later leg's last opening fill; None before both legs are complete.
    `pnl_usd` is realised plus unrealised PnL of both legs less fees, plus settled funding;
    `net_delta_usd` is the long notional less the short one at the marks; `gross_usd` their sum.
    """

    pair_ref: str
    long_symbol: str
    short_symbol: str
    phase: PairPhase
    held_since_ms: int | None
    long_quantity: Decimal
    short_quantity: Decimal
    pnl_usd: Decimal
    net_delta_usd: Decimal
    gross_usd: Decimal
    long_unrealized_usd: Decimal
    short_unrealized_usd: Decimal


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


class CycleView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one pass of the loop may look at. `entries_blocked` says why no pair may be opened."""

    now_ms: int
    markets: dict[str, SymbolMarket]
    pairs: tuple[PairStatus, ...]
    volume_today_usd: Decimal
    reopen_after_ms: dict[str, int]
    entries_blocked: str | None
    committed_volume_usd: Decimal = Decimal(0)
    """Notional that the open pairs are still going to trade: what is left to open, and every close."""
    committed_gross_usd: Decimal = Decimal(0)
    """Gross notional that is held, by whomever, plus what the opening pairs are still going to add."""


class OpenPair(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open a LONG of `long_symbol` and a SHORT of `short_symbol`, `quantity` base units each, working
    `lead` first."""

    long_symbol: str
    short_symbol: str
    quantity: Decimal
    lead: PositionSide
    reason: str


class ClosePair(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close both legs. `urgent` closes cross the spread at once; others may rest first.

    `lead` is the leg to close first: the riskier one when a limit was breached.
    """

    pair_ref: str
    lead: PositionSide
    urgent: bool
    reason: str


Intent = OpenPair | ClosePair


class CycleDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of one pass for one symbol, with the reason in words and the numbers behind it."""

    symbol: str
    action: str
    reason: str
    intent: Intent | None = None
    numbers: dict[str, str] = {}
