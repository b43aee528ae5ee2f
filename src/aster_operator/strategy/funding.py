"""Funding as it is expected: what each leg will pay or receive while it is held, and when not to touch it.

A forecast decides orientation and shows in decisions; accounting uses settled income rows only.
"""

from decimal import Decimal

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.money import ZERO
from aster_operator.strategy.intents import SymbolMarket

__all__ = ["is_near_stamp", "leg_forecast_usd", "pair_forecast_usd", "sides_that_are_paid", "stamps_until"]

_USUAL_INTERVAL_MS = 8 * HOUR_MS


def is_near_stamp(market: SymbolMarket, now_ms: int, guard_ms: int) -> bool:
    """Whether a funding stamp of the symbol lies within `guard_ms`, on either side: charges land up to 15 s
    late, so the stamp just behind us counts as the one ahead does."""
    stamps_ms = (market.next_funding_ms, market.last_funding_ms)
    return any(stamp_ms is not None and abs(stamp_ms - now_ms) <= guard_ms for stamp_ms in stamps_ms)


def stamps_until(market: SymbolMarket, now_ms: int, until_ms: int) -> int:
    """How many stamps lie after `now_ms` and not after `until_ms`; 0 when the next is not known."""
    next_ms, last_ms = market.next_funding_ms, market.last_funding_ms
    if next_ms is None:
        return 0
    spaced = last_ms is not None and next_ms > last_ms
    interval_ms = next_ms - last_ms if spaced and last_ms is not None else _USUAL_INTERVAL_MS
    if next_ms <= now_ms:
        next_ms += ((now_ms - next_ms) // interval_ms + 1) * interval_ms
    return 0 if next_ms > until_ms else 1 + (until_ms - next_ms) // interval_ms


def leg_forecast_usd(
    market: SymbolMarket, side: PositionSide, notional_usd: Decimal, now_ms: int, until_ms: int
) -> Decimal | None:
    """What a leg is expected to receive (negative: pay) until `until_ms`, at today's rate; None when the rate
    is not known."""
    stamps = stamps_until(market, now_ms, until_ms)
    if stamps == 0:
        return ZERO
    if market.funding_rate is None:
        return None
    received_share = -market.funding_rate if side is PositionSide.LONG else market.funding_rate
    return stamps * received_share * notional_usd


def pair_forecast_usd(
    long: SymbolMarket, short: SymbolMarket, notional_usd: Decimal, now_ms: int, until_ms: int
) -> Decimal | None:
    """What both legs together are expected to receive; zero for two legs of one symbol, whose payments
    cancel. None when a rate is not known."""
    if long.symbol == short.symbol:
        return ZERO
    legs = ((long, PositionSide.LONG), (short, PositionSide.SHORT))
    parts = [leg_forecast_usd(market, side, notional_usd, now_ms, until_ms) for market, side in legs]
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if len(known) == len(parts) else None


def sides_that_are_paid(
    first: SymbolMarket, second: SymbolMarket, now_ms: int, until_ms: int
) -> tuple[str, str]:
    """(long symbol, short symbol) of a pair of two symbols whose delta is the same either way round: the way
    that is paid more, or pays less. As given when nothing speaks for the other way or a rate is unknown."""
    unit = Decimal(1)
    as_given = pair_forecast_usd(first, second, unit, now_ms, until_ms)
    turned = pair_forecast_usd(second, first, unit, now_ms, until_ms)
    if as_given is None or turned is None or turned <= as_given:
        return first.symbol, second.symbol
    return second.symbol, first.symbol
