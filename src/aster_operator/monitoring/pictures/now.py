"""The Now page as plain values: what is held, how it is protected, how the limits stand."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import Filled, Working
from aster_operator.execution.cycle_view import pair_status
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.execution.positions.position import ExitKind, ManagedPosition, PositionPhase
from aster_operator.monitoring.replica.market_history import AccountSample
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.strategy.intents import LegStatus
from aster_operator.strategy.risk_limits import LimitReading

__all__ = ["FeedRow", "LegRow", "LimitRow", "Now", "OpenOrder", "PairRow", "PositionRow", "now_picture"]

_HUNDRED = Decimal(100)


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a pair. Quantity in unsigned base units, prices in quote units; None is not known.
    `liquidation_distance_pct` is None too where no price liquidates the leg."""

    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    mark: Decimal | None
    unrealized_pnl_usd: Decimal
    liquidation_price: Decimal | None
    liquidation_distance_pct: Decimal | None
    adl_quantile: int | None


class PairRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pair. `age_ms` counts from when both legs were complete, `hold_ms` is what it is held for;
    `imbalance` in base units of the pairing's first symbol, for `imbalance_ms` now."""

    name: str
    pair_ref: str
    phase: str
    legs: tuple[LegRow, LegRow]
    age_ms: int | None
    hold_ms: int | None
    imbalance: Decimal
    imbalance_ms: int
    pnl_usd: Decimal
    net_delta_usd: Decimal
    gross_usd: Decimal
    action: str
    reason: str


class PositionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One single position. `protection` is protected, partly, unprotected, closing or none (nothing held);
    prices are those of the exits that rest at the venue. `is_ours` False: nobody here opened it."""

    position_ref: str | None
    strategy: str | None
    symbol: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    mark: Decimal | None
    unrealized_pnl_usd: Decimal | None
    phase: str
    protection: str
    stop_price: Decimal | None
    take_profit_price: Decimal | None
    age_ms: int | None
    unprotected_ms: int
    liquidation_price: Decimal | None
    liquidation_distance_pct: Decimal | None
    is_ours: bool = True


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order under way or resting. `price` is its limit, `stop_price` its trigger."""

    client_order_id: str
    symbol: str
    side: str
    position_side: str
    order_type: str
    quantity: Decimal | None
    filled_quantity: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    state: str
    age_ms: int
    reason: str


class FeedRow(msgspec.Struct, frozen=True, kw_only=True):
    """The market data of one symbol. Ages in ms of market time; None before the first."""

    symbol: str
    mark_age_ms: int | None
    quote_age_ms: int | None
    stale: str | None


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """How one limit stands. `level` is ok, warn, act or unknown; `used_pct` is the value as part of what
    acts (of the way to it, for limits where less is worse)."""

    name: str
    subject: str
    value: Decimal | None
    warn_at: Decimal
    act_at: Decimal
    level: str
    used_pct: Decimal | None
    reason: str
    measure: str


class Now(msgspec.Struct, frozen=True, kw_only=True):
    """The session at this instant. Money in USD; None is not known, which is not zero."""

    now_ms: int
    started_ms: int
    strategy: str
    account: str
    reconciled: bool
    ended: bool
    fault: str | None
    entries_blocked: str | None
    paused: str | None
    stopping: str | None
    equity_usd: Decimal | None
    wallet_usd: Decimal
    available_usd: Decimal | None
    net_delta_usd: Decimal
    gross_usd: Decimal
    realized_pnl_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    trades: int
    volume_today_usd: Decimal
    volume_target_usd: Decimal | None
    volume_today_pct: Decimal | None
    next_funding_ms: int | None
    feeds_down: dict[str, str]
    pairs: tuple[PairRow, ...]
    positions: tuple[PositionRow, ...]
    open_orders: tuple[OpenOrder, ...]
    feeds: tuple[FeedRow, ...]
    limits: tuple[LimitRow, ...]
    equity: tuple[AccountSample, ...]


def now_picture(replica: SessionReplica, *, equity_samples: int = 360) -> Now:
    """The newest picture, with the last so many equity samples (one a minute)."""
    state = replica.state
    portfolio, parameters = state.portfolio, replica.settings.delta_neutral
    today = portfolio.volume_on_day(state.now_ms)
    target = None if parameters is None else parameters.daily_volume_target_usd
    pairs = tuple(_pairs(replica))
    positions = tuple(_positions(replica))
    signed = [
        (-1 if each.side in ("SHORT", "SELL") else 1) * each.quantity * each.mark
        for each in positions
        if each.mark is not None
    ]
    funding = [view.mark.next_funding_ms for view in state.market.symbols.values() if view.mark is not None]
    return Now(
        now_ms=state.now_ms,
        started_ms=replica.started_ms,
        strategy=replica.strategy_name,
        account=replica.settings.account,
        reconciled=state.reconciled,
        ended=replica.ended,
        fault=replica.fault,
        entries_blocked=replica.entries_blocked(),
        paused=state.paused,
        stopping=None if state.stopping is None else str(state.stopping),
        equity_usd=state.equity_usd(),
        wallet_usd=portfolio.wallet_balance,
        available_usd=portfolio.available_balance,
        net_delta_usd=sum((pair.net_delta_usd for pair in pairs), ZERO) + sum(signed, ZERO),
        gross_usd=sum((pair.gross_usd for pair in pairs), ZERO) + sum((abs(each) for each in signed), ZERO),
        realized_pnl_usd=portfolio.realized_pnl,
        fees_usd=portfolio.fees,
        funding_usd=portfolio.funding,
        trades=portfolio.fill_count,
        volume_today_usd=today,
        volume_target_usd=target,
        volume_today_pct=today * _HUNDRED / target if target else None,
        next_funding_ms=min((at_ms for at_ms in funding if at_ms > state.now_ms), default=None),
        feeds_down={str(feed): detail for feed, detail in state.feeds_down.items()},
        pairs=pairs,
        positions=positions,
        open_orders=tuple(_order(tracked, state.now_ms) for tracked in state.tracker.live()),
        feeds=tuple(_feeds(replica)),
        limits=tuple(_limit(reading) for reading in replica.limits()),
        equity=tuple(replica.market.account)[-equity_samples:],
    )


def _pairs(replica: SessionReplica) -> Iterator[PairRow]:
    state, parameters = replica.state, replica.settings.delta_neutral
    for pair in state.pairs.active():
        status = pair_status(state, pair)
        decision = state.decisions.get(pair.name)
        since_ms, lone_ms = status.held_since_ms, pair.imbalance_since_ms
        yield PairRow(
            name=pair.name,
            pair_ref=pair.pair_ref,
            phase=str(pair.phase),
            legs=(_leg(status.long, pair.long.entry_price), _leg(status.short, pair.short.entry_price)),
            age_ms=None if since_ms is None else state.now_ms - since_ms,
            hold_ms=None if parameters is None else parameters.hold_time_ms,
            imbalance=pair.imbalance,
            imbalance_ms=0 if lone_ms is None else state.now_ms - lone_ms,
            pnl_usd=status.pnl_usd,
            net_delta_usd=status.net_delta_usd,
            gross_usd=status.gross_usd,
            action="" if decision is None else decision.action,
            reason="" if decision is None else decision.reason,
        )


def _leg(leg: LegStatus, entry_price: Decimal) -> LegRow:
    return LegRow(
        symbol=leg.symbol,
        side=str(leg.position_side),
        quantity=leg.quantity,
        entry_price=entry_price,
        mark=leg.mark,
        unrealized_pnl_usd=leg.unrealized_usd,
        liquidation_price=leg.liquidation_price,
        liquidation_distance_pct=leg.liquidation_distance_pct,
        adl_quantile=leg.adl_quantile,
    )


def _positions(replica: SessionReplica) -> Iterator[PositionRow]:
    """Single positions of ours, then whatever else the account holds."""
    state = replica.state
    ours: set[str] = {symbol for pair in state.pairs.active() for symbol in pair.symbols}
    for desk in state.desks:
        if isinstance(desk, PositionDesk):
            for position in desk.book.active():
                ours.add(position.symbol)
                yield _managed(replica, position)
    for held in state.portfolio.open_positions():
        if held.symbol in ours:
            continue
        mark = state.market.mark_of(held.symbol)
        yield PositionRow(
            position_ref=None,
            strategy=None,
            symbol=held.symbol,
            side="LONG" if held.quantity > 0 else "SHORT",
            quantity=abs(held.quantity),
            entry_price=held.entry_price,
            mark=mark,
            unrealized_pnl_usd=held.reported_pnl if mark is None else held.unrealized_pnl(mark),
            phase="not ours",
            protection="unknown",
            stop_price=None,
            take_profit_price=None,
            age_ms=None,
            unprotected_ms=0,
            liquidation_price=held.liquidation_price,
            liquidation_distance_pct=_distance_pct(mark, held.liquidation_price),
            is_ours=False,
        )


def _managed(replica: SessionReplica, position: ManagedPosition) -> PositionRow:
    state = replica.state
    mark = state.market.mark_of(position.symbol)
    known = state.portfolio.positions.get((position.symbol, position.position_side))
    resting = _resting_exits(replica, position)
    entry, sign = position.entry_price, position.side.sign
    liquidation = None if known is None else known.liquidation_price
    since_ms = position.filled_ms
    unprotected_ms = position.unprotected_ms
    if position.protected_ms is None and since_ms is not None and position.held > 0:
        unprotected_ms = state.now_ms - since_ms
    return PositionRow(
        position_ref=position.position_ref,
        strategy=position.strategy,
        symbol=position.symbol,
        side="LONG" if sign > 0 else "SHORT",
        quantity=position.held,
        entry_price=entry,
        mark=mark,
        unrealized_pnl_usd=None if mark is None else sign * position.held * (mark - entry),
        phase=str(position.phase),
        protection=_protection(position, resting),
        stop_price=resting[ExitKind.STOP].order.stop_price if ExitKind.STOP in resting else None,
        take_profit_price=(
            resting[ExitKind.TAKE_PROFIT].order.stop_price if ExitKind.TAKE_PROFIT in resting else None
        ),
        age_ms=None if since_ms is None else state.now_ms - since_ms,
        unprotected_ms=unprotected_ms,
        liquidation_price=liquidation,
        liquidation_distance_pct=_distance_pct(mark, liquidation),
    )


def _resting_exits(replica: SessionReplica, position: ManagedPosition) -> dict[ExitKind, TrackedOrder]:
    found: dict[ExitKind, TrackedOrder] = {}
    for client_order_id, kind in position.exits.items():
        tracked = replica.state.tracker.get(client_order_id)
        if tracked is not None and isinstance(tracked.state, Working):
            found[kind] = tracked
    return found


def _protection(position: ManagedPosition, resting: dict[ExitKind, TrackedOrder]) -> str:
    if position.held <= 0:
        return "none"
    if position.phase in (PositionPhase.CLOSING, PositionPhase.SETTLING):
        return "closing"
    stop = resting.get(ExitKind.STOP)
    if stop is None:
        return "unprotected"
    covered = stop.order.quantity is None or stop.remaining_quantity >= position.held
    return "protected" if covered else "partly"


def _distance_pct(mark: Decimal | None, liquidation: Decimal | None) -> Decimal | None:
    if not mark or not liquidation:
        return None
    return abs(mark - liquidation) / mark * _HUNDRED


def _order(tracked: TrackedOrder, now_ms: int) -> OpenOrder:
    order = tracked.order
    name = type(tracked.state).__name__
    return OpenOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=str(order.side),
        position_side=str(order.position_side),
        order_type=str(order.order_type),
        quantity=order.quantity,
        filled_quantity=tracked.filled_quantity,
        price=order.price,
        stop_price=order.stop_price or order.activation_price,
        state="filled" if isinstance(tracked.state, Filled) else name.lower(),
        age_ms=max(0, now_ms - tracked.state.since_ms),
        reason=order.reason,
    )


def _feeds(replica: SessionReplica) -> Iterator[FeedRow]:
    state, limits = replica.state, replica.settings.limits
    for symbol in replica.settings.symbols:
        view = state.market.of(symbol)
        yield FeedRow(
            symbol=symbol,
            mark_age_ms=None if view.mark is None else state.now_ms - view.mark.event_ms,
            quote_age_ms=None if view.quote is None else state.now_ms - view.quote.event_ms,
            stale=view.staleness(state.now_ms, limits.max_mark_age_ms, limits.max_quote_age_ms),
        )


def _limit(reading: LimitReading) -> LimitRow:
    value, act_at = reading.value, reading.act_at
    used = None
    if value is not None and act_at and reading.rule.falls:
        used = _HUNDRED if value <= 0 else min(_HUNDRED, act_at / value * _HUNDRED)
    elif value is not None and act_at:
        used = max(ZERO, value / act_at * _HUNDRED)
    return LimitRow(
        name=reading.rule.name,
        subject=reading.subject,
        value=value,
        warn_at=reading.warn_at,
        act_at=act_at,
        level=str(reading.level),
        used_pct=used,
        reason=reading.reason,
        measure=reading.rule.measure,
    )
