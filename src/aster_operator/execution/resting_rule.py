"""Whether an order of a pair had better rest or cross, in the market as it is now.

Resting saves the difference of the fees and the spread. What it costs is that it is filled by a price that
comes through it: between two looks at a resting order nobody moves it, so that it is filled on the way, and
the price stands beyond it when it is seen. That is the mean move from one look to the next, 0.8 of one
standard deviation, volatility x sqrt(time). So resting is worth it while

    0.8 x volatility x sqrt(time between two looks)  <  saved

with volatility in bps per square root of a second, the time in seconds, and what is saved in bps of the
order's notional. With a fee of 4 bps to be saved and a look every 2 s that is a market that moves less than
27 bps in a minute.

The rule is the same for the leg that leads and for the one that follows. While the second waits for its fill,
the price of what is not hedged may go either way: that is a risk, which the patience of the hedge bounds, but
on average it costs nothing, and crossing sooner saves nothing. What the wait brings is one more chance to be
filled at each look.
"""

import math

from aster_operator.domain.money import BPS
from aster_operator.execution.market_view import MarketView
from aster_operator.execution.pair import PairLeg
from aster_operator.strategy.expected_cost import CostAssumptions

__all__ = ["RestingRule", "is_worth_resting"]

_MEAN_MOVE = math.sqrt(2 / math.pi)
"""Mean size of a normal move, in standard deviations."""


def is_worth_resting(saved_bps: float, volatility_bps: float, look_ms: int) -> bool:
    """Whether what a fill costs on average, one look late, is below what resting saves. `volatility_bps` is
    the standard deviation of one second's return, `look_ms` the time between two looks at an order."""
    return _MEAN_MOVE * volatility_bps * math.sqrt(look_ms / 1_000) < saved_bps


class RestingRule:
    """The rule for legs in the market as it is now, by the account's own fees. `look_ms` is how often a
    resting order is moved to its touch."""

    def __init__(self, costs: CostAssumptions, market: MarketView, look_ms: int) -> None:
        self._costs = costs
        self._market = market
        self._look_ms = look_ms

    def may_rest(self, leg: PairLeg) -> bool:
        """Whether an order of `leg` had better rest; True while the volatility is not known."""
        volatility_bps = self._market.volatility_bps_second(leg.symbol)
        return volatility_bps is None or is_worth_resting(
            self._saved_bps(leg.symbol), volatility_bps, self._look_ms
        )

    def _saved_bps(self, symbol: str) -> float:
        """What a fill at the own touch saves over one at the far touch: the fees' difference and the spread
        (bps)."""
        fees, quote = self._costs.fees.get(symbol), self._market.of(symbol).quote
        fee = self._costs.fallback_taker_fee if fees is None else fees.taker - fees.maker
        saved = float(fee / BPS)
        if quote is not None and quote.bid > 0:
            saved += math.log(float(quote.ask) / float(quote.bid)) * 10_000
        return saved
