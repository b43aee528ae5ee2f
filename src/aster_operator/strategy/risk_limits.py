"""How a pair, an account and a session stand to their limits: pure judgements of plain values.

A value that is not known is not zero: the reading says `UNKNOWN`, and whoever watches says so. Orders are
held to their limits by the gate (`risk_manager.py`); the limits themselves are described in `limit_rules.py`.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO, usd_text
from aster_operator.domain.pairing import Market, market_of
from aster_operator.strategy.equity_marks import EquityMarks
from aster_operator.strategy.intents import AccountStatus, LegStatus, PairPhase, PairStatus
from aster_operator.strategy.limit_rules import (
    ADL_QUANTILE,
    DAILY_LOSS,
    DRAWDOWN,
    LIQUIDATION_DISTANCE,
    MARGIN_RATIO,
    NET_DELTA,
    ORDER_RATE,
    PNL_DRIFT,
    STALE_HOLD,
    STALE_MARK,
    STALE_QUOTE,
    STOP_LOSS,
    SYMBOL_NOTIONAL,
    TOTAL_NOTIONAL,
    Level,
    LimitRule,
)
from aster_operator.strategy.parameters import RiskLimits

__all__ = [
    "LimitReading",
    "judge_account",
    "judge_notional",
    "judge_order_rate",
    "judge_pair",
    "judge_staleness",
]

_HELD_GRACE = Decimal("1.02")
_HELD_TOLERANCE = Decimal("1.1")
"""What is held may stand this much above a notional limit: sizes are cut at one price, filled at another."""


class LimitReading(msgspec.Struct, frozen=True, kw_only=True):
    """One limit at one instant. `subject` names the pair, leg, symbol or account; `value`, `warn_at` and
    `act_at` are in the rule's unit. `reason` says what was seen; empty while all is well."""

    rule: LimitRule
    subject: str
    value: Decimal | None
    warn_at: Decimal
    act_at: Decimal
    level: Level
    reason: str
    from_account: bool = False
    """Not known because the venue tells it only beside a position, in the next reading of the account."""


def _reading(
    rule: LimitRule,
    subject: str,
    value: Decimal | None,
    act_at: Decimal,
    warn_at: Decimal,
    words: Callable[[], str],
    *,
    from_account: bool = False,
) -> LimitReading:
    if value is None:
        level = Level.UNKNOWN
    elif rule.is_beyond(value, act_at):
        level = Level.ACT
    elif rule.is_beyond(value, warn_at):
        level = Level.WARN
    else:
        level = Level.OK
    return LimitReading(
        rule=rule,
        subject=subject,
        value=value,
        warn_at=warn_at,
        act_at=act_at,
        level=level,
        reason="" if level is Level.OK else words(),
        from_account=from_account,
    )


def _rising(limits: RiskLimits, act_at: Decimal) -> Decimal:
    """Level at which a limit that is approached from below warns."""
    return act_at * limits.warn_at_pct / 100


def _falling(limits: RiskLimits, act_at: Decimal) -> Decimal:
    return act_at * 100 / limits.warn_at_pct


# --- pairs ----------------------------------------------------------------------------------------------


def judge_pair(pair: PairStatus, limits: RiskLimits) -> Iterator[LimitReading]:
    """Every limit of one pair, the loss first. Judged on the pair and, where the venue does, on its legs.

    While a pair is being opened or closed its legs differ by design and their difference has a deadline of
    its own: net delta is judged while the pair is held.
    """
    yield from _judge_money(pair, limits)
    if pair.blind_ms is not None and pair.phase is PairPhase.HOLDING:
        yield _judge_blindness(pair, Decimal(pair.blind_ms) / 1000, limits)
    for leg in pair.legs:
        if leg.quantity > 0 and market_of(leg.symbol) is Market.PERP:
            yield from _judge_leg(pair, leg, limits)
    own = limits.max_symbol_notional_usd
    if own is not None:
        for symbol in dict.fromkeys(leg.symbol for leg in pair.legs):
            cost_usd = sum((leg.cost_usd for leg in pair.legs if leg.symbol == symbol), ZERO)
            yield judge_notional(symbol, cost_usd, own, SYMBOL_NOTIONAL)


def _judge_money(pair: PairStatus, limits: RiskLimits) -> Iterator[LimitReading]:
    fresh = all(leg.mark is not None or leg.quantity == 0 for leg in pair.legs)
    blind = f"no fresh mark price of {pair.symbol}"
    stop_pct, drift_pct = limits.stop_loss_pct, limits.max_pnl_drift_pct
    yield _reading(
        STOP_LOSS,
        pair.symbol,
        -pair.pnl_usd / limits.capital_usd * 100 if fresh else None,
        stop_pct,
        _rising(limits, stop_pct),
        lambda: f"pair PnL {usd_text(pair.pnl_usd)}, limit -{stop_pct} % of capital" if fresh else blind,
    )
    holding = pair.phase is PairPhase.HOLDING
    if holding and pair.gross_usd > 0:
        yield _reading(
            NET_DELTA,
            pair.symbol,
            abs(pair.net_delta_usd) / pair.gross_usd * 100 if fresh else None,
            drift_pct,
            _rising(limits, drift_pct),
            lambda: (
                f"net delta {usd_text(pair.net_delta_usd)}, limit {drift_pct} % "
                f"of {usd_text(pair.gross_usd)} gross"
                if fresh
                else blind
            ),
        )
    # What is closed already still counts as a share of what was opened, or the last lots would trip it.
    basis_usd = pair.gross_usd if holding else max(pair.gross_usd, pair.opened_gross_usd)
    if basis_usd > 0:
        yield _reading(
            PNL_DRIFT,
            pair.symbol,
            abs(pair.pnl_usd) / basis_usd * 100 if fresh else None,
            drift_pct,
            _rising(limits, drift_pct),
            lambda: (
                f"pair PnL {usd_text(pair.pnl_usd)}, limit {drift_pct} % either way "
                f"of {usd_text(basis_usd)} gross"
                if fresh
                else blind
            ),
        )


def _judge_blindness(pair: PairStatus, blind_s: Decimal, limits: RiskLimits) -> LimitReading:
    act_at = Decimal(limits.max_stale_hold_ms) / 1000
    return _reading(
        STALE_HOLD,
        pair.symbol,
        blind_s,
        act_at,
        _rising(limits, act_at),
        lambda: f"the market stream has told no mark price for {blind_s:.0f} s, limit {act_at:.0f} s",
    )


def _judge_leg(pair: PairStatus, leg: LegStatus, limits: RiskLimits) -> Iterator[LimitReading]:
    subject = f"{leg.symbol} {leg.position_side}"
    if leg.liquidation_price is None or leg.liquidation_price > 0:  # zero: no price liquidates it
        act_at = limits.min_liquidation_distance_pct
        yield _reading(
            LIQUIDATION_DISTANCE,
            subject,
            leg.liquidation_distance_pct,
            act_at,
            _falling(limits, act_at),
            lambda: (
                "the venue has not named its liquidation price"
                if leg.liquidation_price is None
                else f"no fresh mark price of {pair.symbol}"
                if leg.liquidation_distance_pct is None
                else f"{leg.position_side} is {leg.liquidation_distance_pct:.2f} % from its liquidation at "
                f"{leg.liquidation_price:.4f}, limit {act_at} %"
            ),
            from_account=leg.liquidation_price is None,
        )
    if limits.max_adl_quantile is not None:
        quantile = leg.adl_quantile
        yield _reading(
            ADL_QUANTILE,
            subject,
            None if quantile is None else Decimal(quantile),
            Decimal(limits.max_adl_quantile),
            Decimal(limits.max_adl_quantile - 1),
            lambda: (
                "the venue has not named its place in the queue for auto-deleveraging"
                if quantile is None
                else f"{leg.position_side} stands at {quantile} of 4 in the queue for auto-deleveraging, "
                f"limit {limits.max_adl_quantile}"
            ),
            from_account=quantile is None,
        )


# --- account and session --------------------------------------------------------------------------------


def judge_account(
    account: AccountStatus, marks: EquityMarks | None, limits: RiskLimits
) -> Iterator[LimitReading]:
    """Drawdown, daily loss and margin ratio of the whole account."""
    equity = account.equity_usd
    known = None if marks is None or equity is None else (marks, equity)
    unknown = "account equity is not known yet"
    drawdown = None if known is None else known[0].peak_usd - known[1]
    yield _reading(
        DRAWDOWN,
        "account",
        None if known is None or drawdown is None else _share_pct(drawdown, known[0].peak_usd),
        limits.max_drawdown_pct,
        _rising(limits, limits.max_drawdown_pct),
        lambda: (
            unknown
            if drawdown is None
            else f"equity is {usd_text(drawdown)} below its peak, limit {limits.max_drawdown_pct} %"
        ),
    )
    loss = None if known is None else known[0].day_first_usd - known[1]
    yield _reading(
        DAILY_LOSS,
        "account",
        None if known is None or loss is None else _share_pct(loss, known[0].day_first_usd),
        limits.max_daily_loss_pct,
        _rising(limits, limits.max_daily_loss_pct),
        lambda: (
            unknown
            if loss is None
            else f"today's loss is {usd_text(loss)}, limit {limits.max_daily_loss_pct} % "
            "of the day's first equity"
        ),
    )
    yield _judge_margin(account, limits)


def _judge_margin(account: AccountStatus, limits: RiskLimits) -> LimitReading:
    needed, equity = account.maintenance_margin_usd, account.equity_usd
    ratio = None if needed is None or equity is None else _margin_ratio_pct(needed, equity)
    return _reading(
        MARGIN_RATIO,
        "account",
        ratio,
        limits.max_margin_ratio_pct,
        _rising(limits, limits.max_margin_ratio_pct),
        lambda: (
            "the account's maintenance margin or equity is not known yet"
            if ratio is None
            else f"maintenance margin is {ratio:.1f} % of equity, limit {limits.max_margin_ratio_pct} %"
        ),
    )


def _margin_ratio_pct(maintenance: Decimal, equity: Decimal) -> Decimal:
    if maintenance == 0:
        return ZERO
    # Nothing left to stand against the maintenance margin: beyond every limit.
    return Decimal(1_000) if equity <= 0 else maintenance / equity * 100


def _share_pct(part: Decimal, whole: Decimal) -> Decimal:
    if whole <= 0:
        return ZERO if part <= 0 else Decimal(100)
    return part / whole * 100


def judge_notional(
    subject: str, held_usd: Decimal, limit_usd: Decimal, rule: LimitRule = TOTAL_NOTIONAL
) -> LimitReading:
    """What is held, at its entry prices, against a limit on size. Orders are cut to it before they are sent:
    only what came from elsewhere, or a limit that was lowered, can stand above it."""
    return _reading(
        rule,
        subject,
        held_usd,
        limit_usd * _HELD_TOLERANCE,
        limit_usd * _HELD_GRACE,
        lambda: f"{usd_text(held_usd)} gross is held, limit {usd_text(limit_usd)}",
    )


def judge_order_rate(orders: int, limits: RiskLimits) -> LimitReading:
    act_at = Decimal(limits.max_orders_per_minute)
    return _reading(
        ORDER_RATE,
        "session",
        Decimal(orders),
        act_at,
        _rising(limits, act_at),
        lambda: f"{orders} orders in the last minute, limit {limits.max_orders_per_minute}",
    )


def judge_staleness(
    symbol: str, mark_age_ms: int | None, quote_age_ms: int | None, limits: RiskLimits
) -> Iterator[LimitReading]:
    """Age of the market data of a symbol; None where none has arrived yet."""
    yield _judge_age(STALE_MARK, symbol, mark_age_ms, limits.max_mark_age_ms, "mark price", limits)
    yield _judge_age(STALE_QUOTE, symbol, quote_age_ms, limits.max_quote_age_ms, "quote", limits)


def _judge_age(
    rule: LimitRule, symbol: str, age_ms: int | None, limit_ms: int, what: str, limits: RiskLimits
) -> LimitReading:
    return _reading(
        rule,
        symbol,
        None if age_ms is None else Decimal(age_ms),
        Decimal(limit_ms),
        _rising(limits, Decimal(limit_ms)),
        lambda: (
            f"no {what} yet"
            if age_ms is None
            else f"{what} is {age_ms / 1000:.1f} s old, limit {limit_ms / 1000:.1f} s"
        ),
    )
