"""What trading a symbol is expected to cost, and in which order symbols serve the owner's objective.

Fees are the account's own rates, the spread is the market's at this instant, the maker share is the
session's own as soon as it has traded enough to have one. The ranking itself is the rewards room's.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.fees import FeeRates
from aster_operator.domain.money import BPS, ZERO
from aster_operator.rewards.objective import ExecutionMix, MixFigures, Objective, Ranking, TradingPlan, rank
from aster_operator.rewards.records import Context
from aster_operator.rewards.weights import Weights
from aster_operator.strategy.intents import SymbolMarket

__all__ = ["CostAssumptions", "expected_mix", "half_spread_bps", "rank_symbols"]

_DEEPEST_MULTIPLE = Decimal(10)
"""Touches come and go: what stands behind a nearly empty one is not taken to be dearer than this."""


class CostAssumptions(msgspec.Struct, frozen=True, kw_only=True):
    """What costs are forecast from where nothing was measured yet.

    `maker_share`, 0 to 1, of the volume rests before the session has a share of its own;
    `adverse_selection_bps` is what resting orders lose on average to prices that move on. `objective` says
    what is to be least, `weights` are those of the reward profile. `fees` by symbol; a symbol without any is
    ranked as if it cost `fallback_taker_fee` to cross and nothing to rest.
    """

    objective: Objective = Objective.COST_PER_DOLLAR
    weights: Weights = Weights()
    fees: dict[str, FeeRates] = {}
    maker_share: Decimal = Decimal("0.85")
    adverse_selection_bps: Decimal = Decimal("0.5")
    fallback_taker_fee: Decimal = Decimal("0.0004")


def half_spread_bps(market: SymbolMarket) -> Decimal | None:
    """Half the spread in bps of the middle; None without a quote."""
    if market.bid is None or market.ask is None or market.bid + market.ask <= 0:
        return None
    return (market.ask - market.bid) / (market.ask + market.bid) / BPS


def expected_mix(
    market: SymbolMarket, leg_usd: Decimal, assumptions: CostAssumptions, maker_share: Decimal | None
) -> ExecutionMix | None:
    """How a leg of `leg_usd` would be executed in this market; None without a quote.

    What crosses walks the book: where the leg is larger than the touch, it is taken to be as much dearer.
    """
    half = half_spread_bps(market)
    if half is None:
        return None
    fees = assumptions.fees.get(market.symbol)
    return ExecutionMix(
        name=market.symbol,
        maker_share=assumptions.maker_share if maker_share is None else maker_share,
        maker_fee=ZERO if fees is None else fees.maker,
        taker_fee=assumptions.fallback_taker_fee if fees is None else fees.taker,
        half_spread_bps=half * max(Decimal(1), _depth_multiple(market, leg_usd)),
        adverse_selection_bps=assumptions.adverse_selection_bps,
    )


def _depth_multiple(market: SymbolMarket, leg_usd: Decimal) -> Decimal:
    """How many times the thinner touch a leg would take; 1 when the touch is not known."""
    quantities = [quantity for quantity in (market.bid_quantity, market.ask_quantity) if quantity]
    if not quantities or market.bid is None:
        return Decimal(1)
    return min(leg_usd / (min(quantities) * market.bid), _DEEPEST_MULTIPLE)


def rank_symbols(
    markets: Sequence[SymbolMarket],
    legs_usd: Mapping[str, Decimal],
    assumptions: CostAssumptions,
    *,
    hold_hours: Decimal,
    maker_share: Decimal | None = None,
) -> tuple[list[str], dict[str, MixFigures]]:
    """Symbols from the one that serves the objective best, equals in the order given, and their figures for
    one round: open two legs of the same symbol, hold, close. Symbols without a quote come last."""
    mixes = [
        mix
        for market in markets
        if (mix := expected_mix(market, legs_usd[market.symbol], assumptions, maker_share)) is not None
    ]
    if not mixes:
        return [market.symbol for market in markets], {}
    ranking = _ranking(mixes, assumptions, hold_hours)
    figures = {figure.mix.name: figure for figure in ranking.figures}
    unquoted = [market.symbol for market in markets if market.symbol not in figures]
    return [*figures, *unquoted], figures


def _ranking(mixes: Sequence[ExecutionMix], assumptions: CostAssumptions, hold_hours: Decimal) -> Ranking:
    # A round of one dollar a leg: 4 traded, 2 held. Only the proportions matter to a ranking.
    plan = TradingPlan(
        volume_usd=Decimal(4), position_usd_hours=2 * hold_hours, hedged_share=Decimal(1), funding_usd=ZERO
    )
    return rank(assumptions.objective, mixes, plan, assumptions.weights, Context())
