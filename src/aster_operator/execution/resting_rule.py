"""Whether an order of a pair had better rest or cross, in the market as it is now.

Resting saves the difference of the fees and the spread. What it risks is that the price moves on while one
leg stands without the other. A price that may go either way by one standard deviation, volatility x
sqrt(time), hurts on one side only, by 0.4 of it on average; and about four of five orders that rest at the
touch are filled in their time, the others have waited for nothing. So resting for a time is worth it while

    0.4 / 0.8 x volatility x sqrt(time)  <  saved

with volatility in bps per square root of a second, the time in seconds, and what is saved in bps of the
order's notional. With a fee of 4 bps to be saved, a hedge may rest for 20 s while the market moves less than
14 bps in a minute; beyond that it crosses at once. To wait a little and cross then would be the worst of
both: the move is suffered and the fee is paid.

The leg that leads is without the other from its fill until the hedge is on, which takes as long as an order
takes to be looked at again. A market that runs away from it even in that time is no market to rest in, and
both legs cross.
"""

import math

from aster_operator.domain.money import BPS
from aster_operator.execution.market_view import MarketView
from aster_operator.execution.pair import PairLeg
from aster_operator.strategy.expected_cost import CostAssumptions

__all__ = ["RestingRule", "is_worth_resting"]

_LOST_ON_AVERAGE = 0.4
"""Mean of the adverse side of a standard normal move: 1 / sqrt(2 pi)."""
_FILLED = 0.8
"""Share of the orders resting at the touch that are filled in time."""


def is_worth_resting(saved_bps: float, volatility_bps: float, wait_ms: int) -> bool:
    """Whether what a wait of `wait_ms` costs on average is below what resting saves. `volatility_bps` is the
    standard deviation of one second's return."""
    return _LOST_ON_AVERAGE * volatility_bps * math.sqrt(wait_ms / 1_000) < _FILLED * saved_bps


class RestingRule:
    """The rule for legs in the market as it is now, by the account's own fees."""

    def __init__(self, costs: CostAssumptions, market: MarketView) -> None:
        self._costs = costs
        self._market = market

    def may_rest(self, leg: PairLeg, wait_ms: int) -> bool:
        """Whether an order of `leg` had better rest, where it or its hedge may have to wait for `wait_ms`;
        True while the volatility is not known."""
        volatility_bps = self._market.volatility_bps_second(leg.symbol)
        return volatility_bps is None or is_worth_resting(
            self._saved_bps(leg.symbol), volatility_bps, wait_ms
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
