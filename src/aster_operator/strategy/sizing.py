"""How large a leg may be: capital x share x leverage, cut by everything that limits it, never rounded to zero
in silence."""

from decimal import ROUND_CEILING, Decimal

import msgspec

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO, plain_text, usd_text
from aster_operator.domain.orders import Refused
from aster_operator.strategy.parameters import HoursFactor, RiskLimits, SizeScaling

__all__ = ["MARK_GRACE", "LegRoom", "LegTooSmall", "SizeView", "leg_room", "scale_of"]

MARK_GRACE = Decimal("1.01")
"""Sizes are cut at one mark and checked at later ones: room for the price to move while a pair opens."""
_MARGIN_SHARE = Decimal("0.98")
"""Part of the free margin that a new pair may take: the rest pays its fees and the first move against it."""


class LegTooSmall(ValueError):
    """One leg at the configured size is below the smallest order the venue takes.

    `smallest_capital_usd` is the capital that works with the same share and leverage.
    """

    def __init__(
        self,
        symbol: str,
        leg_usd: Decimal,
        smallest_quantity: Decimal,
        price: Decimal,
        base_asset: str,
        smallest_capital_usd: Decimal,
    ) -> None:
        self.symbol = symbol
        self.smallest_capital_usd = smallest_capital_usd
        super().__init__(
            f"a {symbol} leg of ${leg_usd:,.2f} is below the smallest order of "
            f"{plain_text(smallest_quantity)} {base_asset} (${smallest_quantity * price:,.2f} at "
            f"{plain_text(price)}); the smallest CAPITAL_USDT that works is "
            f"{plain_text(smallest_capital_usd)}"
        )

    @classmethod
    def of(cls, instrument: Instrument, price: Decimal, limits: RiskLimits) -> "LegTooSmall":
        smallest = instrument.smallest_quantity(price)
        share = limits.max_position_size_pct / 100 * limits.leverage
        capital = (smallest * price / share).quantize(Decimal(1), rounding=ROUND_CEILING)
        return cls(
            instrument.symbol, limits.leg_notional_usd, smallest, price, instrument.base_asset, capital
        )


class SizeView(msgspec.Struct, frozen=True, kw_only=True):
    """What a size is cut by at this instant, besides the settings. USD of notional unless named otherwise.

    `gross_usd` is everything held or going to be held by orders and decisions already made,
    `symbol_gross_usd` the part of it on the symbol. `free_margin_usd` is what those leave of the available
    balance,
    `notional_cap_usd` the largest position of the symbol's bracket at the leverage set. None: not known, and
    where an option needs it, nothing is opened.
    """

    now_ms: int = 0
    gross_usd: Decimal = ZERO
    symbol_gross_usd: Decimal = ZERO
    free_margin_usd: Decimal | None = None
    notional_cap_usd: Decimal | None = None
    equity_usd: Decimal | None = None
    volatility_bps_hour: Decimal | None = None


class LegRoom(msgspec.Struct, frozen=True, kw_only=True):
    """The largest notional (USD) of one leg, and the rule that made it no larger."""

    usd: Decimal
    rule: str
    reason: str


def leg_room(
    limits: RiskLimits, view: SizeView, symbol: str, *, legs_on_symbol: int = 2
) -> LegRoom | Refused:
    """The largest leg of a new pair. `legs_on_symbol`: how many of its two legs are on `symbol`.

    Refused when a scaling option needs what is not known yet.
    """
    scale = scale_of(limits.scaling, limits, view)
    if isinstance(scale, Refused):
        return scale
    total, rooms = limits.total_notional_limit_usd, []
    rooms.append(
        LegRoom(
            usd=limits.leg_notional_usd * scale,
            rule="MAX_POSITION_SIZE_PCT" if scale == 1 else "size scaling",
            reason=f"{usd_text(limits.leg_notional_usd)} a leg, scaled by {scale:.2f}",
        )
    )
    rooms.append(
        LegRoom(
            usd=(total - view.gross_usd) / (2 * MARK_GRACE),
            rule="MAX_TOTAL_NOTIONAL_USD",
            reason=f"{usd_text(view.gross_usd)} of {usd_text(total)} gross is held or planned: "
            f"no room for a pair in {symbol}",
        )
    )
    own = limits.max_symbol_notional_usd
    if own is not None:
        rooms.append(
            LegRoom(
                usd=(own - view.symbol_gross_usd) / (legs_on_symbol * MARK_GRACE),
                rule="MAX_SYMBOL_NOTIONAL_USD",
                reason=f"{usd_text(view.symbol_gross_usd)} of {usd_text(own)} gross is held or planned on "
                f"{symbol}",
            )
        )
    if view.free_margin_usd is not None:
        rooms.append(
            LegRoom(
                usd=view.free_margin_usd * _MARGIN_SHARE * limits.leverage / 2,
                rule="free margin",
                reason=f"{usd_text(view.free_margin_usd)} of margin is free, too little for {symbol}",
            )
        )
    if view.notional_cap_usd is not None:
        rooms.append(
            LegRoom(
                usd=view.notional_cap_usd / MARK_GRACE,
                rule="bracket",
                reason=f"{symbol} may be held up to {usd_text(view.notional_cap_usd)} at leverage "
                f"{limits.leverage}",
            )
        )
    return min(rooms, key=lambda room: room.usd)


def scale_of(scaling: SizeScaling, limits: RiskLimits, view: SizeView) -> Decimal | Refused:
    """The share of the full leg that the options leave, 0 to 1; Refused when one cannot be applied."""
    scale = Decimal(1)
    if scaling.by_balance:
        if view.equity_usd is None:
            return Refused(rule="SIZE_BY_BALANCE", reason="account equity is not known yet")
        scale *= min(Decimal(1), max(ZERO, view.equity_usd / limits.capital_usd))
    target = scaling.volatility_target_bps_hour
    if target is not None:
        if view.volatility_bps_hour is None:
            return Refused(
                rule="SIZE_VOLATILITY_TARGET_BPS", reason="the symbol's volatility is not known yet"
            )
        if view.volatility_bps_hour > target:
            scale *= target / view.volatility_bps_hour
    for hours in scaling.hours:
        if _is_within(hours, view.now_ms):
            scale *= hours.factor
    return scale


def _is_within(hours: HoursFactor, now_ms: int) -> bool:
    minute = now_ms % DAY_MS // MINUTE_MS
    if hours.start_minute <= hours.end_minute:
        return hours.start_minute <= minute < hours.end_minute
    return minute >= hours.start_minute or minute < hours.end_minute
