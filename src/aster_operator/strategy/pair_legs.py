"""The legs of a pair of two symbols: which is long, how large each is, which is worked first."""

from collections.abc import Mapping
from decimal import Context, Decimal

import msgspec

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.orders import Refused
from aster_operator.domain.pairing import LegHedge, Market, Pairing, PairKind, market_of
from aster_operator.strategy.funding import leg_forecast_usd
from aster_operator.strategy.intents import Beta, SymbolMarket
from aster_operator.strategy.parameters import HedgeParameters

__all__ = ["PlannedLegs", "bounded_beta", "hedges_of", "leading_side", "plan_legs"]

_ONE = Decimal(1)
_DIGITS = Context(prec=12)
_USUAL_SPOT_FEE = Decimal("0.001")


class PlannedLegs(msgspec.Struct, frozen=True, kw_only=True):
    """`quantities` in base units and `hedges`, both by symbol; `funding_usd` is what the hold is expected to
    bring with `long_symbol` long, None where a rate is not known."""

    long_symbol: str
    short_symbol: str
    quantities: dict[str, Decimal]
    hedges: dict[str, LegHedge]
    lead: PositionSide
    funding_usd: Decimal | None


def bounded_beta(pairing: Pairing, beta: Beta | None, parameters: HedgeParameters) -> Decimal | str:
    """The hedge ratio to open with, or why there is none. Spot and perpetual of one coin move as one."""
    if pairing.kind is not PairKind.CROSS:
        return _ONE
    least = min(parameters.least_minutes, parameters.window_minutes)
    if beta is None or beta.minutes < least:
        known = 0 if beta is None else beta.minutes
        return f"hedge ratio: {known} of {least} minutes known"
    if beta.correlation < parameters.least_correlation:
        return (
            f"hedge ratio: the two do not move together, correlation {beta.correlation:.2f} of at least "
            f"{parameters.least_correlation}"
        )
    return min(max(beta.value, parameters.lowest), parameters.highest)


def hedges_of(pairing: Pairing, beta: Decimal, prices: Mapping[str, Decimal]) -> dict[str, LegHedge]:
    """How each leg counts, by symbol. `beta` is how far the first moves for 1 % of the second."""
    if pairing.kind is not PairKind.CROSS:
        return {symbol: LegHedge() for symbol in pairing.symbols}
    weight = _DIGITS.divide(prices[pairing.second], prices[pairing.first] * beta)
    return {pairing.first: LegHedge(beta=beta), pairing.second: LegHedge(weight=weight)}


def leading_side(
    long_symbol: str,
    short_symbol: str,
    instruments: Mapping[str, Instrument],
    hedges: Mapping[str, LegHedge],
) -> PositionSide:
    """The leg to work first. Spot is: its market is the thinner one, and the perpetual fills readily once it
    must follow. Of two perpetuals it is the one whose lot is worth more: whatever it fills can be hedged to
    the other's lot."""
    if market_of(long_symbol) is Market.SPOT:
        return PositionSide.LONG
    lots = [instruments[symbol].lot.step * hedges[symbol].weight for symbol in (long_symbol, short_symbol)]
    return PositionSide.LONG if lots[0] >= lots[1] else PositionSide.SHORT


def plan_legs(
    pairing: Pairing,
    beta: Decimal,
    markets: Mapping[str, SymbolMarket],
    largest: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    *,
    now_ms: int,
    until_ms: int,
    fees: Mapping[str, FeeRates],
) -> PlannedLegs | Refused:
    """Both legs as large as `largest` (base units by symbol) and the lots allow, at the marks. The side that
    is paid is taken where either way round would do; Refused where a leg is too small for the venue."""
    prices = {symbol: mark for symbol in pairing.symbols if (mark := markets[symbol].mark) is not None}
    if len(prices) < 2:
        return Refused(rule="mark", reason=f"a mark price of {pairing.name} is unknown")
    hedges = hedges_of(pairing, beta, prices)
    long_symbol, short_symbol = _orientation(pairing, hedges, markets, prices, now_ms, until_ms)
    lead_side = leading_side(long_symbol, short_symbol, instruments, hedges)
    is_long = lead_side is PositionSide.LONG
    if pairing.kind is PairKind.CARRY:
        quantities = _with_fee_in_coins(pairing, largest, instruments, fees.get(pairing.first))
    else:
        lead, other = (long_symbol, short_symbol) if is_long else (short_symbol, long_symbol)
        ratio = hedges[lead].weight / hedges[other].weight
        quantities = {lead: instruments[lead].lot.floor(min(largest[lead], largest[other] / ratio))}
        quantities[other] = instruments[other].lot.floor(quantities[lead] * ratio)
    for symbol, quantity in quantities.items():
        smallest = instruments[symbol].smallest_quantity(prices[symbol])
        if quantity < smallest:
            return Refused(
                rule="MAX_POSITION_SIZE_PCT",
                reason=f"a {symbol} leg of {quantity} is below the smallest order of {smallest}",
            )
    return PlannedLegs(
        long_symbol=long_symbol,
        short_symbol=short_symbol,
        quantities=quantities,
        hedges=hedges,
        lead=lead_side,
        funding_usd=_funding_usd(
            markets, {symbol: quantities[symbol] * prices[symbol] for symbol in quantities},
            long_symbol, short_symbol, now_ms, until_ms,
        ),
    )  # fmt: skip


def _with_fee_in_coins(
    pairing: Pairing,
    largest: Mapping[str, Decimal],
    instruments: Mapping[str, Instrument],
    fees: FeeRates | None,
) -> dict[str, Decimal]:
    """Quantities of spot and perpetual: so many more coins are bought that whole lots of the perpetual are
    left when the fee has been taken out of them."""
    left_share = 1 - (_USUAL_SPOT_FEE if fees is None else max(fees.taker, fees.maker, Decimal(0)))
    spot, perpetual = pairing.first, pairing.second
    lots = instruments[perpetual].lot.floor(min(largest[perpetual], largest[spot] * left_share))
    return {spot: instruments[spot].lot.ceiling(lots / left_share) if lots else lots, perpetual: lots}


def _orientation(
    pairing: Pairing,
    hedges: Mapping[str, LegHedge],
    markets: Mapping[str, SymbolMarket],
    prices: Mapping[str, Decimal],
    now_ms: int,
    until_ms: int,
) -> tuple[str, str]:
    """(long, short): spot is bought, it cannot be sold short; of two perpetuals the way that is paid more,
    or pays less. As given where nothing speaks for the other way."""
    if pairing.kind is not PairKind.CROSS:
        return pairing.first, pairing.second
    # For one unit of the first there is 1 / weight of the second.
    notionals = {symbol: prices[symbol] / hedges[symbol].weight for symbol in pairing.symbols}
    as_given = _funding_usd(markets, notionals, pairing.first, pairing.second, now_ms, until_ms)
    turned = _funding_usd(markets, notionals, pairing.second, pairing.first, now_ms, until_ms)
    if as_given is None or turned is None or turned <= as_given:
        return pairing.first, pairing.second
    return pairing.second, pairing.first


def _funding_usd(
    markets: Mapping[str, SymbolMarket],
    notionals: Mapping[str, Decimal],
    long_symbol: str,
    short_symbol: str,
    now_ms: int,
    until_ms: int,
) -> Decimal | None:
    sides = ((long_symbol, PositionSide.LONG), (short_symbol, PositionSide.SHORT))
    parts = [
        leg_forecast_usd(markets[symbol], side, notionals[symbol], now_ms, until_ms) for symbol, side in sides
    ]
    known = [part for part in parts if part is not None]
    return sum(known, Decimal(0)) if len(known) == len(parts) else None
