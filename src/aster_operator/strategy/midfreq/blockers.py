"""Conditions under which a signal is not traded: spread, funding, opening loss. Exact at their limits."""

from decimal import Decimal

from aster_operator.domain.enums import Side
from aster_operator.domain.money import plain_text
from aster_operator.strategy.base import BarView, Verdict
from aster_operator.strategy.midfreq.parameters import SymbolParameters

__all__ = ["funding_bps", "judge", "opening_loss_bps", "opening_loss_limit_bps", "spread_bps"]

_BPS = Decimal(10_000)
_UNKNOWN = "unknown"
_LEAST_OPENING_LOSS_BPS = Decimal(5)
_MOST_OPENING_LOSS_BPS = Decimal(10)


def spread_bps(bid: Decimal, ask: Decimal) -> Decimal:
    """Ask less bid, in bps of their middle."""
    return (ask - bid) * 2 * _BPS / (bid + ask)


def funding_bps(funding_rate: Decimal) -> Decimal:
    """A funding rate (fraction) in bps, signed."""
    return funding_rate * _BPS


def opening_loss_bps(side: Side, bid: Decimal, ask: Decimal, mark: Decimal) -> Decimal:
    """What an entry at the touch loses at once against the mark: ask over mark for a buy, mark over bid for
    a sell, less one, in bps. Negative when the touch is the better price."""
    return (ask / mark - 1) * _BPS if side is Side.BUY else (mark / bid - 1) * _BPS


def opening_loss_limit_bps(spread: Decimal) -> Decimal:
    """min(10, max(5, 2 x spread)), all in bps."""
    return min(_MOST_OPENING_LOSS_BPS, max(_LEAST_OPENING_LOSS_BPS, 2 * spread))


def judge(view: BarView, parameters: SymbolParameters, side: Side | None) -> tuple[Verdict, ...]:
    """Every blocker's verdict; opening loss concerns a side and passes while there is none."""
    return (_spread(view, parameters), _funding(view, parameters), _opening_loss(view, side))


def _spread(view: BarView, parameters: SymbolParameters) -> Verdict:
    limit_bps = parameters.max_spread_bps
    unit, limit = ("ticks", parameters.max_spread_ticks) if limit_bps is None else ("bps", limit_bps)
    limit_text = f"{plain_text(limit)} {unit}"
    if view.bid is None or view.ask is None:
        return Verdict(name="spread", passed=False, value=_UNKNOWN, limit=limit_text)
    if limit_bps is None:
        value = (view.ask - view.bid) / view.tick_size
        passed = view.ask - view.bid <= limit * view.tick_size
    else:
        value = spread_bps(view.bid, view.ask)
        # Multiplied out: a division would round the very limit.
        passed = (view.ask - view.bid) * 2 * _BPS <= limit * (view.bid + view.ask)
    crossed = view.ask < view.bid
    text = f"{_rounded(value)} {unit}" + (" (crossed)" if crossed else "")
    return Verdict(name="spread", passed=passed and not crossed, value=text, limit=limit_text)


def _funding(view: BarView, parameters: SymbolParameters) -> Verdict:
    limit = parameters.max_funding_bps
    limit_text = f"{plain_text(limit)} bps"
    if view.funding_rate is None:
        return Verdict(name="funding", passed=False, value=_UNKNOWN, limit=limit_text)
    value = funding_bps(view.funding_rate)
    return Verdict(
        name="funding", passed=abs(value) <= limit, value=f"{_rounded(value)} bps", limit=limit_text
    )


def _opening_loss(view: BarView, side: Side | None) -> Verdict:
    if view.bid is None or view.ask is None or view.mark is None:
        return Verdict(name="opening_loss", passed=side is None, value=_UNKNOWN, limit=_UNKNOWN)
    limit = opening_loss_limit_bps(spread_bps(view.bid, view.ask))
    limit_text = f"{_rounded(limit)} bps"
    if side is None:
        return Verdict(name="opening_loss", passed=True, value="no side", limit=limit_text)
    value = opening_loss_bps(side, view.bid, view.ask, view.mark)
    lost, base = (view.ask - view.mark, view.mark) if side is Side.BUY else (view.mark - view.bid, view.bid)
    return Verdict(
        name="opening_loss",
        passed=lost * _BPS <= limit * base,
        value=f"{_rounded(value)} bps",
        limit=limit_text,
    )


def _rounded(value: Decimal) -> str:
    return plain_text(value.quantize(Decimal("0.000001")))
