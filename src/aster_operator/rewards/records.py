"""What a programme could be scored on: fills, positions over time, hourly results, collateral, liquidations.

Times are ms since 1970 UTC, money in USD, quantities in base units (points and costs, section 5.1).
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import LiquidityRole, PositionSide, Side
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import Market as TradedOn
from aster_operator.domain.pairing import market_of
from aster_operator.rewards.epochs import first_ms_of, utc_day

__all__ = [
    "CollateralSnapshot",
    "Context",
    "FillRecord",
    "FundingRecord",
    "HourPnl",
    "LiquidationRecord",
    "Mark",
    "Market",
    "PositionInterval",
    "Records",
    "SymbolBoost",
    "hourly_pnl",
    "require_amount",
]


def require_amount(name: str, value: Decimal | None, least: int = 0) -> None:
    """Raise ValueError unless `value` is None or a finite number of at least `least`."""
    if value is not None and not (value.is_finite() and value >= least):
        raise ValueError(f"{name} must be a number of at least {least}")


class Market(StrEnum):
    PERP = "perp"
    SPOT = "spot"


class FillRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One trade. `commission` was paid in `commission_asset` (negative: rebate); `fee_usd` is the same in
    USD, None when its price is not known. `realized_pnl` is before fees and funding."""

    account: str
    symbol: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    is_maker: bool
    commission: Decimal
    commission_asset: str
    fee_usd: Decimal | None
    realized_pnl: Decimal
    time_ms: int
    market: Market = Market.PERP
    order_tag: str = ""

    @property
    def notional(self) -> Decimal:
        return self.price * self.quantity

    @classmethod
    def of(cls, fill: Fill, account: str, fee_usd: Decimal | None) -> "FillRecord":
        """A trade of the books. `fee_usd` is its commission in USD, None when unknown."""
        return cls(
            account=account,
            symbol=fill.symbol,
            side=fill.side,
            position_side=fill.position_side,
            price=fill.price,
            quantity=fill.quantity,
            is_maker=fill.role is LiquidityRole.MAKER,
            commission=fill.commission,
            commission_asset=fill.commission_asset,
            fee_usd=fee_usd,
            realized_pnl=fill.realized_pnl,
            time_ms=fill.event_ms,
            market=Market.SPOT if market_of(fill.symbol) is TradedOn.SPOT else Market.PERP,
            order_tag=fill.client_order_id,
        )


class Mark(msgspec.Struct, frozen=True):
    """A price at which the positions of a symbol are valued from `time_ms` on."""

    symbol: str
    time_ms: int
    price: Decimal


class PositionInterval(msgspec.Struct, frozen=True, kw_only=True):
    """One leg while neither its size nor its price changed. `notional_usd` is at least 0.

    `hedged_share`, 0 to 1: the part of it that legs of the same symbol in the other direction offset, own
    accounts together.
    """

    account: str
    symbol: str
    position_side: PositionSide
    start_ms: int
    end_ms: int
    notional_usd: Decimal
    hedged_share: Decimal

    @property
    def usd_ms(self) -> Decimal:
        """Notional times duration."""
        return self.notional_usd * (self.end_ms - self.start_ms)


class HourPnl(msgspec.Struct, frozen=True):
    """Realised profit of an account in one hour, fees and funding left out."""

    account: str
    hour_ms: int
    pnl_usd: Decimal


class CollateralSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Margin used at the opening of a UTC day, and the part of it held in the programme's own assets."""

    account: str
    day_ms: int
    margin_usd: Decimal
    programme_share: Decimal
    is_cross: bool

    def __post_init__(self) -> None:
        if not 0 <= self.programme_share <= 1:
            raise ValueError(f"programme_share must be between 0 and 1, was {self.programme_share}")


class LiquidationRecord(msgspec.Struct, frozen=True):
    """A liquidation and the fee it cost, at least 0."""

    symbol: str
    time_ms: int
    fee_usd: Decimal


class FundingRecord(msgspec.Struct, frozen=True):
    """A settled funding payment; negative was paid."""

    symbol: str
    time_ms: int
    amount_usd: Decimal


class SymbolBoost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Trade points of `symbol` count `boost` times on the days from `first` to `last`; null is open."""

    symbol: str
    boost: Decimal
    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        require_amount("boost", self.boost)

    def applies(self, symbol: str, time_ms: int) -> bool:
        if symbol != self.symbol:
            return False
        begun = self.first is None or time_ms >= first_ms_of(self.first)
        return begun and (self.last is None or utc_day(time_ms) <= self.last)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What only the account's owner knows: the team's multiplier, and referral points of each epoch."""

    team: Decimal = Decimal(1)
    referral_points: Decimal = ZERO

    def __post_init__(self) -> None:
        require_amount("team", self.team, least=1)
        require_amount("referral", self.referral_points)


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known about one set of own accounts; each tuple in the order of time.

    `collateral` None: not recorded, which is not the same as none held.
    """

    fills: tuple[FillRecord, ...] = ()
    intervals: tuple[PositionInterval, ...] = ()
    hours: tuple[HourPnl, ...] = ()
    collateral: tuple[CollateralSnapshot, ...] | None = None
    liquidations: tuple[LiquidationRecord, ...] = ()
    funding: tuple[FundingRecord, ...] = ()


def hourly_pnl(fills: Iterable[FillRecord]) -> tuple[HourPnl, ...]:
    """Realised profit of perpetual trades by account and UTC hour, hours without any left out."""
    sums: dict[tuple[int, str], Decimal] = {}
    for fill in fills:
        if fill.market is Market.PERP and fill.realized_pnl:
            key = (fill.time_ms - fill.time_ms % HOUR_MS, fill.account)
            sums[key] = sums.get(key, ZERO) + fill.realized_pnl
    return tuple(HourPnl(account, hour_ms, sums[hour_ms, account]) for hour_ms, account in sorted(sums))
