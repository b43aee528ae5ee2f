"""The limits as the owner knows them: what each measures, from what, and what it does.

`docs/reference/risk-limits.md` is written from this table.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = [
    "ADL_QUANTILE",
    "DAILY_LOSS",
    "DRAWDOWN",
    "LIQUIDATION_DISTANCE",
    "MARGIN_RATIO",
    "NET_DELTA",
    "ORDER_RATE",
    "PNL_DRIFT",
    "RULES",
    "STALE_HOLD",
    "STALE_MARK",
    "STALE_QUOTE",
    "STOP_LOSS",
    "SYMBOL_NOTIONAL",
    "TOTAL_NOTIONAL",
    "Level",
    "LimitRule",
]


class Level(StrEnum):
    """How a limit stands. `UNKNOWN`: what it measures is not known, so that it cannot be judged."""

    OK = "ok"
    WARN = "warn"
    ACT = "act"
    UNKNOWN = "unknown"


class LimitRule(msgspec.Struct, frozen=True, kw_only=True):
    """One limit as the owner knows it. `aspect` tells two limits of one setting apart; `falls` means that
    less is worse; `at_limit_acts` that the limit itself is already too far; `warning` says where it warns."""

    setting: str
    aspect: str
    judged_on: str
    measure: str
    source: str
    action: str
    warning: str = "`RISK_WARN_AT_PCT` of it"
    falls: bool = False
    at_limit_acts: bool = False

    @property
    def name(self) -> str:
        return f"{self.setting} ({self.aspect})"

    def is_beyond(self, value: Decimal, bound: Decimal) -> bool:
        if value == bound:
            return self.at_limit_acts
        return value < bound if self.falls else value > bound


_CLOSE_PAIR = "closes both legs, the riskier first, crossing the spread"
_CLOSE_ALL = "closes every pair, the riskier leg first, and opens nothing"

STOP_LOSS = LimitRule(
    setting="STOP_LOSS_PCT",
    aspect="loss",
    judged_on="pair",
    measure="loss of the pair, realised and unrealised, after fees and settled funding, in % of CAPITAL_USDT",
    source="own fills, mark price",
    action=_CLOSE_PAIR,
    at_limit_acts=True,
)
NET_DELTA = LimitRule(
    setting="MAX_PNL_DRIFT_PCT",
    aspect="net delta",
    judged_on="held pair",
    measure="long notional less short notional, in % of both",
    source="own fills, mark price",
    action=_CLOSE_PAIR,
)
PNL_DRIFT = LimitRule(
    setting="MAX_PNL_DRIFT_PCT",
    aspect="PnL drift",
    judged_on="pair",
    measure="PnL of the pair, either sign, in % of its notional (while closing: of what was opened)",
    source="own fills, mark price",
    action=_CLOSE_PAIR,
)
LIQUIDATION_DISTANCE = LimitRule(
    setting="MIN_LIQUIDATION_DISTANCE_PCT",
    aspect="distance",
    judged_on="leg",
    measure="way of the mark price to the leg's liquidation price, in % of the mark; "
    "with cross margin the venue names one price for both legs",
    source="position snapshot, mark price",
    action=_CLOSE_PAIR,
    warning="it / `RISK_WARN_AT_PCT`",
    falls=True,
)
ADL_QUANTILE = LimitRule(
    setting="MAX_ADL_QUANTILE",
    aspect="queue",
    judged_on="leg",
    measure="place in the queue for auto-deleveraging, 0 to 4",
    source="position snapshot",
    action=_CLOSE_PAIR,
    warning="one place before",
    at_limit_acts=True,
)
MARGIN_RATIO = LimitRule(
    setting="MAX_MARGIN_RATIO_PCT",
    aspect="margin",
    judged_on="account",
    measure="maintenance margin in % of equity; the venue liquidates at 100 %",
    source="account snapshot, mark price",
    action=_CLOSE_ALL,
    at_limit_acts=True,
)
DAILY_LOSS = LimitRule(
    setting="MAX_DAILY_LOSS_PCT",
    aspect="loss",
    judged_on="account",
    measure="equity lost since the first of the UTC day, in % of that",
    source="account stream and snapshot, mark price, books",
    action=_CLOSE_ALL + " for the rest of the UTC day",
)
DRAWDOWN = LimitRule(
    setting="MAX_DRAWDOWN_PCT",
    aspect="drawdown",
    judged_on="account",
    measure="equity below its highest, also over restarts, in % of that",
    source="account stream and snapshot, mark price, books",
    action=_CLOSE_ALL + " until DRAWDOWN_SINCE forgets the peak",
)
SYMBOL_NOTIONAL = LimitRule(
    setting="MAX_SYMBOL_NOTIONAL_USD",
    aspect="notional",
    judged_on="symbol",
    measure="gross notional of the symbol, in USD: orders at the mark with all pending ones counted, "
    "what is held at its entry price",
    source="own fills and orders, mark price",
    action="refuses the order; beyond it by a tenth, closes the symbol's pair",
    warning="2 % above it, for what is held",
)
TOTAL_NOTIONAL = LimitRule(
    setting="MAX_TOTAL_NOTIONAL_USD",
    aspect="notional",
    judged_on="account",
    measure="gross notional of everything, in USD, counted as above; never above CAPITAL_USDT x LEVERAGE",
    source="own fills and orders, mark price",
    action="refuses the order; beyond it by a tenth, closes every pair",
    warning="2 % above it, for what is held",
)
ORDER_RATE = LimitRule(
    setting="MAX_ORDERS_PER_MINUTE",
    aspect="orders",
    judged_on="session",
    measure="orders sent in the last 60 s",
    source="own orders",
    action="refuses orders that open; hedges and closes pass",
    at_limit_acts=True,
)
STALE_MARK = LimitRule(
    setting="MAX_MARK_AGE_MS",
    aspect="mark price",
    judged_on="symbol",
    measure="age of the newest mark price, in ms",
    source="market stream",
    action="opens nothing, settles an opening for what it has; what is held is read over REST every few "
    "seconds, and the limits are judged at the mark prices told there",
)
STALE_HOLD = LimitRule(
    setting="MAX_STALE_HOLD_S",
    aspect="blind",
    judged_on="held pair",
    measure="age of the older of its legs' mark prices on the market stream, in s, while REST answers",
    source="market stream",
    action=_CLOSE_PAIR,
)
STALE_QUOTE = LimitRule(
    setting="MAX_QUOTE_AGE_MS",
    aspect="quote",
    judged_on="symbol",
    measure="age of the newest best bid and ask, in ms",
    source="market stream",
    action="opens nothing, settles an opening for what it has",
)

RULES = (
    STOP_LOSS,
    NET_DELTA,
    PNL_DRIFT,
    LIQUIDATION_DISTANCE,
    ADL_QUANTILE,
    MARGIN_RATIO,
    DAILY_LOSS,
    DRAWDOWN,
    SYMBOL_NOTIONAL,
    TOTAL_NOTIONAL,
    ORDER_RATE,
    STALE_MARK,
    STALE_QUOTE,
    STALE_HOLD,
)
"""Every limit with a level that warns and one that acts."""
