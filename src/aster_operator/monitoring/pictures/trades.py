"""The Trades page as plain values: every finished trade or pair, and the life of one of them."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.money import ZERO
from aster_operator.monitoring.pictures.market import Candle
from aster_operator.monitoring.replica.activity import LoggedOrder, LoggedRound
from aster_operator.monitoring.replica.replica import SessionReplica

__all__ = ["LifeStep", "TradeLife", "TradeRow", "Trades", "trade_life", "trades_picture"]

_MARGIN_MS = 15 * 60_000
_MOST_CANDLES = 720


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finished trade of a single position, or one pair. Times in ms, money in USD, slippage and
    excursions in bps; `net_pnl_usd` after fees and funding. None is not known."""

    ref: str
    kind: str
    symbols: tuple[str, ...]
    side: str
    quantity: Decimal
    opened_ms: int
    closed_ms: int | None
    hold_ms: int | None
    entry_price: Decimal | None
    exit_price: Decimal | None
    fees_usd: Decimal | None
    funding_usd: Decimal
    net_pnl_usd: Decimal | None
    reason: str
    mae_bps: Decimal | None = None
    mfe_bps: Decimal | None = None
    entry_slippage_bps: Decimal | None = None
    exit_slippage_bps: Decimal | None = None
    unprotected_ms: int | None = None
    worst_imbalance: Decimal | None = None
    longest_imbalance_ms: int | None = None


class Trades(msgspec.Struct, frozen=True, kw_only=True):
    """One page, newest first. Sums are over everything that passes the filter."""

    total: int
    net_pnl_usd: Decimal
    fees_usd: Decimal
    wins: int
    rows: tuple[TradeRow, ...]


class LifeStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened in a trade's life. `order` names the order it happened to."""

    at_ms: int
    what: str
    order: str | None = None
    price: Decimal | None = None


class TradeLife(msgspec.Struct, frozen=True, kw_only=True):
    """One trade from the decision to its end, against the market. `candles` are of the first symbol."""

    trade: TradeRow
    steps: tuple[LifeStep, ...]
    candles: tuple[Candle, ...]


def trades_picture(
    replica: SessionReplica, *, symbol: str | None = None, offset: int = 0, limit: int = 50
) -> Trades:
    """Finished trades and pairs, of one symbol if it is given."""
    activity = replica.activity
    whole = activity.made_once(
        f"trades {symbol}",
        (activity.closed, activity.legs_closed),
        lambda: _whole([row for row in _rows(replica) if symbol is None or symbol in row.symbols]),
    )
    return msgspec.structs.replace(whole, rows=whole.rows[offset : offset + limit])


def _whole(rows: list[TradeRow]) -> Trades:
    """All of them on one page, with their sums."""
    return Trades(
        total=len(rows),
        net_pnl_usd=sum((row.net_pnl_usd for row in rows if row.net_pnl_usd is not None), ZERO),
        fees_usd=sum((row.fees_usd for row in rows if row.fees_usd is not None), ZERO),
        wins=sum(1 for row in rows if row.net_pnl_usd is not None and row.net_pnl_usd > 0),
        rows=tuple(sorted(rows, key=lambda row: row.closed_ms or 0, reverse=True)),
    )


def trade_life(replica: SessionReplica, ref: str) -> TradeLife:
    """The life of one trade or pair, open ones included. Raises KeyError for one nobody knows."""
    row = next((row for row in _rows(replica, with_open=True) if row.ref == ref), None)
    if row is None:
        raise KeyError(ref)
    orders = [each for each in replica.activity.orders.values() if each.position_ref == ref]
    steps = sorted(_steps(replica, row, orders), key=lambda step: step.at_ms)
    start_ms = (steps[0].at_ms if steps else row.opened_ms) - _MARGIN_MS
    end_ms = (row.closed_ms or replica.now_ms) + _MARGIN_MS
    bars = [bar for bar in replica.market.candles[row.symbols[0]] if start_ms <= bar.open_ms <= end_ms][
        -_MOST_CANDLES:
    ]
    return TradeLife(
        trade=row,
        steps=tuple(steps),
        candles=tuple(Candle(b.open_ms, b.open, b.high, b.low, b.close, b.base_volume) for b in bars),
    )


def _rows(replica: SessionReplica, *, with_open: bool = False) -> Iterator[TradeRow]:
    singles = set()
    for trade in replica.activity.trades:
        singles.add(trade.position_ref)
        yield _single(trade)
    for each in replica.activity.rounds.values():
        if singles.isdisjoint(each.legs) and (each.is_closed or with_open):
            yield _pair(each)


def _single(trade: ClosedTrade) -> TradeRow:
    opened_ms = trade.entry_filled_ms or trade.decided_ms
    market = trade.market
    return TradeRow(
        ref=trade.position_ref,
        kind="single",
        symbols=(trade.symbol,),
        side="LONG" if trade.side.sign > 0 else "SHORT",
        quantity=trade.quantity,
        opened_ms=opened_ms,
        closed_ms=trade.exit_filled_ms,
        hold_ms=None if trade.exit_filled_ms is None else trade.exit_filled_ms - opened_ms,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        fees_usd=trade.fees_usd,
        funding_usd=trade.funding_usd,
        net_pnl_usd=trade.net_pnl_usd,
        reason=f"{trade.reason} {trade.detail}".strip(),
        mae_bps=market.mae_bps,
        mfe_bps=market.mfe_bps,
        entry_slippage_bps=market.entry_slippage_mid_bps,
        exit_slippage_bps=market.exit_slippage_mid_bps,
        unprotected_ms=trade.unprotected_ms,
    )


def _pair(each: LoggedRound) -> TradeRow:
    legs, closed = list(each.legs.values()), list(each.closed.values())
    results = [record.realized_pnl for record in closed]
    known = each.is_closed and all(result is not None for result in results)
    opened_ms = max(leg.opened_ms for leg in legs)
    closed_ms = max((record.closed_ms for record in closed), default=None) if each.is_closed else None
    imbalances = [record.worst_imbalance for record in closed if record.worst_imbalance is not None]
    lone = [r.longest_imbalance_ms for r in closed if r.longest_imbalance_ms is not None]
    realized = sum((result for result in results if result is not None), ZERO)
    return TradeRow(
        ref=each.pair_ref,
        kind="pair",
        symbols=tuple(dict.fromkeys(leg.symbol for leg in legs)),
        side=" + ".join(str(leg.position_side) for leg in legs),
        quantity=max(leg.quantity for leg in legs),
        opened_ms=opened_ms,
        closed_ms=closed_ms,
        hold_ms=None if closed_ms is None else max(0, closed_ms - opened_ms),
        entry_price=legs[0].entry_price,
        exit_price=closed[0].exit_price if closed else None,
        fees_usd=each.fees_usd,
        funding_usd=each.funding_usd,
        net_pnl_usd=realized - each.fees_usd + each.funding_usd if known else None,
        reason=closed[0].reason if closed else "open",
        worst_imbalance=max(imbalances, default=None),
        longest_imbalance_ms=max(lone, default=None),
    )


def _steps(replica: SessionReplica, row: TradeRow, orders: list[LoggedOrder]) -> Iterator[LifeStep]:
    numbers = {order.decision for order in orders if order.decision is not None}
    for logged in replica.activity.decisions:
        if logged.number in numbers:
            decision = logged.decision
            yield LifeStep(at_ms=decision.at_ms, what=f"decided: {decision.action}, {decision.reason}")
    own = {order.order.client_order_id for order in orders}
    for order in orders:
        meant = order.order
        name = f"{meant.side} {meant.order_type} {meant.symbol}"
        for step in order.steps:
            yield LifeStep(
                at_ms=step.at_ms,
                what=f"{name}: {step.what}" + (f" ({meant.reason})" if step.what == "sent" else ""),
                order=meant.client_order_id,
                price=meant.price or meant.stop_price,
            )
    for fill in replica.activity.fills:
        if fill.client_order_id in own:
            yield LifeStep(
                at_ms=fill.event_ms,
                what=f"{fill.side} {fill.quantity.normalize():f} {fill.symbol} filled as {fill.role}",
                order=fill.client_order_id,
                price=fill.price,
            )
    if row.closed_ms is not None:
        yield LifeStep(at_ms=row.closed_ms, what=f"closed: {row.reason}", price=row.exit_price)
