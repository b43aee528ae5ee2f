"""How pairs are worked: patience, deadlines and caps, in one value."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import SelfTradePrevention

__all__ = ["ExecutionPolicy", "ExecutionStyle"]


class ExecutionStyle(StrEnum):
    MAKER_FIRST = "maker-first"
    TAKER = "taker"


class ExecutionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Timing of a pair's orders, all in milliseconds of market time.

    The leading leg rests at the touch and is re-pegged no more often than every `repeg_ms`; after
    `lead_deadline_ms` it crosses. What it filled and the other leg has not is the imbalance: for
    `hedge_patience_ms` the other leg may rest too, then it crosses up to `slippage_cap_bps` beyond the
    touch, and past `imbalance_deadline_ms` the excess is flattened at market. `taker` style crosses at once,
    and so does either leg in a market that moves too much to rest in (`resting_rule.py`).
    """

    style: ExecutionStyle = ExecutionStyle.MAKER_FIRST
    repeg_ms: int = 2_000
    lead_deadline_ms: int = 300_000
    hedge_patience_ms: int = 40_000
    """At most two thirds of `imbalance_deadline_ms`: the rest of it is left to cross in."""
    imbalance_deadline_ms: int = 60_000
    slippage_cap_bps: Decimal = Decimal(5)
    retry_ms: int = 1_000
    max_retry_ms: int = 30_000
    cross_attempts: int = 5
    answer_deadline_ms: int = 3_000
    """A new order or cancel without news for this long is queried."""
    unknown_resolution_ms: int = 15_000
    """An order of unknown outcome that the venue keeps not finding counts as never placed after this."""
    pending_resolution_ms: int = 180_000
    """The same for an order whose request is still under way: it may be held back by the rate limiter while
    queries overtake it."""
    unknown_queries: int = 3
    resting_query_ms: int = 30_000
    """A resting order without news is queried this often: a single lost event must not go unnoticed."""
    blind_poll_ms: int = 5_000
    """How often the account is read over REST while the user stream is down."""
    account_refresh_ms: int = 60_000
    """While something is held: margins, liquidation prices and places in the deleveraging queue are read
    again after this; after a quarter of it when what is held has changed."""
    self_trade_prevention: SelfTradePrevention = SelfTradePrevention.EXPIRE_TAKER

    @property
    def hedge_rest_ms(self) -> int:
        """How long a hedge really may rest."""
        return min(self.hedge_patience_ms, self.imbalance_deadline_ms * 2 // 3)
