"""Pictures of the core's state for those who decide: the strategy's view and the risk gate's."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from aster_operator.domain.enums import MarginType, PositionSide
from aster_operator.domain.events import Feed
from aster_operator.domain.money import ZERO
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.strategy.intents import Beta, CycleView, LegStatus, PairPhase, PairStatus, SymbolMarket
from aster_operator.strategy.risk_manager import ExposureView

__all__ = ["build_cycle_view", "exposure_view", "pair_status"]

_TELLING_FILLS = 50
"""Fills after which the session's own maker share says more than an assumption."""


def build_cycle_view(
    state: CoreState,
    symbols: tuple[str, ...],
    *,
    entries_blocked: str | None,
    betas: Mapping[str, Beta] | None = None,
) -> CycleView:
    """Everything one pass of the strategy may look at, as plain values."""
    pairs = tuple(pair_status(state, pair) for pair in state.pairs.active())
    symbol_gross = _committed_gross_usd(state)
    return CycleView(
        now_ms=state.now_ms,
        betas=dict(betas or {}),
        spot_cash_usd=_spot_cash_usd(state),
        markets={symbol: _symbol_market(state, symbol) for symbol in symbols},
        pairs=pairs,
        volume_today_usd=state.portfolio.volume_on_day(state.now_ms),
        reopen_after_ms=dict(state.reopen_after_ms),
        entries_blocked=entries_blocked,
        committed_volume_usd=sum(
            (_committed_usd(state, pair) for pair in state.pairs.active()),
            ZERO,
        ),
        committed_gross_usd=sum(symbol_gross.values(), ZERO),
        symbol_gross_usd=symbol_gross,
        account=state.account_status(),
        uncovered_usd=_still_to_open_usd(state),
        maker_share=_maker_share(state),
        held_usd_hours=state.hold_meter.usd_hours,
        week_end_ms=state.hold_meter.week_end_ms,
    )


def _spot_cash_usd(state: CoreState) -> Decimal | None:
    """Free money of the spot wallet; None in a session without spot."""
    quotes = {state.instruments[symbol].quote_asset for symbol in state.market.spot_symbols}
    wallet = state.portfolio.spot_balances
    return sum((wallet[asset].free for asset in quotes if asset in wallet), ZERO) if quotes else None


def _symbol_market(state: CoreState, symbol: str) -> SymbolMarket:
    view = state.market.of(symbol)
    quote, mark = view.quote, view.mark
    limits = state.settings.limits
    stale = view.staleness(state.now_ms, limits.max_mark_age_ms, limits.max_quote_age_ms)
    if stale is None and (symbol in state.foreign_symbols or _is_occupied(state, symbol)):
        stale = "a position on this symbol is not ours"
    return SymbolMarket(
        symbol=symbol,
        bid=None if quote is None else quote.bid,
        ask=None if quote is None else quote.ask,
        bid_quantity=None if quote is None else quote.bid_quantity,
        ask_quantity=None if quote is None else quote.ask_quantity,
        mark=None if mark is None else mark.mark,
        funding_rate=None if mark is None else mark.funding_rate,
        next_funding_ms=None if mark is None else mark.next_funding_ms,
        stale=stale,
        last_funding_ms=view.last_funding_ms,
        usual_half_spread_bps=view.usual_half_spread_bps,
        volatility_bps_hour=view.volatility_bps_hour,
        recent_volatility_bps_hour=view.recent_volatility_bps_hour,
        usual_volatility_bps_hour=view.usual_volatility_bps_hour,
    )


def _is_occupied(state: CoreState, symbol: str) -> bool:
    """True when the account holds something on the symbol that belongs to no pair of ours."""
    if state.pairs.on_symbol(symbol) is not None:
        return False
    return any(position.symbol == symbol for position in state.portfolio.open_positions())


def pair_status(state: CoreState, pair: Pair) -> PairStatus:
    """The pair valued at the marks; a leg whose mark is unknown is valued at its entry."""
    long_mark = state.market.mark_of(pair.long.symbol) or pair.long.entry_price
    short_mark = state.market.mark_of(pair.short.symbol) or pair.short.entry_price
    long_usd, short_usd = pair.long.held * long_mark, pair.short.held * short_mark
    net_delta_usd = long_usd * pair.long.hedge.beta - short_usd * pair.short.hedge.beta
    return PairStatus(
        pair_ref=pair.pair_ref,
        long=_leg_status(state, pair.long, long_mark),
        short=_leg_status(state, pair.short, short_mark),
        phase=pair.phase,
        held_since_ms=pair.held_since_ms,
        pnl_usd=pair.pnl(long_mark, short_mark),
        net_delta_usd=net_delta_usd,
        gross_usd=long_usd + short_usd,
        opened_gross_usd=pair.long.opened_cost + pair.short.opened_cost,
        urgent=pair.urgent,
        name=pair.name,
        blind_ms=_blind_ms(state, pair),
    )


def _leg_status(state: CoreState, leg: PairLeg, mark: Decimal) -> LegStatus:
    """The leg valued at `mark`; limits are judged by a fresh one only."""
    known = state.portfolio.positions.get((leg.symbol, leg.position_side))
    return LegStatus(
        symbol=leg.symbol,
        position_side=leg.position_side,
        quantity=leg.held,
        mark=state.market.fresh_mark_of(leg.symbol, state.now_ms, state.settings.limits.max_mark_age_ms),
        unrealized_usd=leg.unrealized_pnl(mark),
        cost_usd=leg.held * leg.entry_price,
        weight=leg.hedge.weight,
        liquidation_price=None if known is None else known.liquidation_price,
        adl_quantile=None if known is None else known.adl_quantile,
        is_isolated=state.settings.limits.margin_type is MarginType.ISOLATED,
    )


def _blind_ms(state: CoreState, pair: Pair) -> int | None:
    if Feed.REST in state.feeds_down:
        return None
    blind_since = (state.market.of(symbol).blind_since_ms for symbol in pair.symbols)
    oldest_ms = max((state.now_ms - since_ms for since_ms in blind_since if since_ms is not None), default=0)
    return oldest_ms if oldest_ms > state.settings.limits.max_mark_age_ms else None


def _committed_usd(state: CoreState, pair: Pair) -> Decimal:
    """Notional the pair is still going to trade: what is left to open on both legs, and every close."""
    total = ZERO
    for leg in pair.legs:
        mark = state.market.mark_of(leg.symbol) or leg.entry_price
        left_to_open = max(leg.target - leg.held, ZERO) if pair.phase is PairPhase.OPENING else ZERO
        total += (2 * left_to_open + leg.held) * mark
    return total


def _committed_gross_usd(state: CoreState) -> dict[str, Decimal]:
    """Gross notional by symbol: held, ours or not, plus what all desks are still going to add."""
    view = exposure_view(state)
    gross: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for (symbol, _), quantity in view.held.items():
        gross[symbol] += quantity * view.marks.get(symbol, ZERO)
    for desk in state.desks:
        for symbol, quantity in desk.still_to_open():
            gross[symbol] += quantity * view.marks.get(symbol, ZERO)
    return dict(gross)


def _still_to_open_usd(state: CoreState) -> Decimal:
    """Notional that decisions already made are going to add, and that has no order resting for it yet."""
    total = ZERO
    for desk in state.desks:
        for symbol, quantity in desk.still_to_open():
            total += quantity * (state.market.mark_of(symbol) or ZERO)
    return total


def _maker_share(state: CoreState) -> Decimal | None:
    portfolio = state.portfolio
    if portfolio.fill_count < _TELLING_FILLS or portfolio.volume == 0:
        return None
    return portfolio.maker_volume / portfolio.volume


def exposure_view(state: CoreState) -> ExposureView:
    """Held and pending quantities by position, for the risk gate."""
    held: dict[tuple[str, PositionSide], Decimal] = {}
    for desk in state.desks:
        for key, quantity in desk.held():
            held[key] = held.get(key, ZERO) + quantity
    for position in state.portfolio.open_positions():
        key = (position.symbol, position.position_side)
        if key not in held:
            held[key] = abs(position.quantity)
    pending_open: dict[tuple[str, PositionSide], Decimal] = defaultdict(lambda: ZERO)
    pending_close: dict[tuple[str, PositionSide], Decimal] = defaultdict(lambda: ZERO)
    for tracked in state.tracker.live():
        order = tracked.order
        if order.opens_position:
            pending_open[(order.symbol, order.position_side)] += tracked.remaining_quantity
        elif not order.order_type.is_conditional and not tracked.is_lost:
            # An exit that waits for its price takes nothing away from the one that closes before it.
            pending_close[(order.symbol, order.position_side)] += tracked.remaining_quantity
    marks = {symbol: view.mark.mark for symbol, view in state.market.symbols.items() if view.mark is not None}
    return ExposureView(
        now_ms=state.now_ms,
        marks=marks,
        held=held,
        pending_open=pending_open,
        pending_close=pending_close,
        account=state.account_status(),
    )
