"""The rows a finished position leaves: in the positions table and as one trade with everything about it."""

from decimal import Decimal

from aster_operator.domain.closed_trades import ClosedTrade, ExitReason, MarketMeanwhile
from aster_operator.domain.commands import RecordPositionClosed, RecordPositionOpened
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.execution.positions.meanwhile import MarketWatch
from aster_operator.execution.positions.position import ManagedPosition

__all__ = ["closed_trade", "gross_pnl", "position_closed", "position_opened"]


def gross_pnl(position: ManagedPosition) -> Decimal | None:
    """PnL of what was closed, before fees and funding; None while a fill of it is unknown."""
    books = position.books
    if not books.opened_quantity or not books.is_complete:
        return None
    return (books.closed_cost - books.opened_cost) * position.side.sign


def closed_trade(position: ManagedPosition, watch: MarketWatch | None) -> ClosedTrade:
    books, gross = position.books, gross_pnl(position)
    exit_price = books.exit_price if books.is_complete else None
    market = MarketMeanwhile(mark_at_entry=position.mark_at_entry)
    if watch is not None:
        market = watch.summary(
            bid=position.bid,
            ask=position.ask,
            mark_at_entry=position.mark_at_entry,
            exit_price=exit_price,
        )
    return ClosedTrade(
        position_ref=position.position_ref,
        strategy=position.strategy,
        symbol=position.symbol,
        side=position.side,
        position_side=position.position_side,
        quantity=books.opened_quantity,
        reason=position.reason or ExitReason.VENUE,
        detail=position.detail,
        decided_ms=position.decided_ms,
        entry_client_order_id=position.entry.client_order_id,
        entry_order_id=books.entry_order_id,
        entry_filled_ms=books.first_open_ms or position.filled_ms,
        entry_price=position.entry_price or None,
        protected_ms=position.protected_ms,
        unprotected_ms=position.unprotected_ms,
        exit_client_order_id=books.exit_client_order_id,
        exit_order_id=books.exit_order_id,
        exit_sent_ms=position.exit_sent_ms,
        exit_filled_ms=books.last_close_ms,
        exit_price=exit_price,
        fees_usd=None if gross is None else books.fees,
        funding_usd=books.funding,
        gross_pnl_usd=gross,
        net_pnl_usd=None if gross is None else gross - books.fees + books.funding,
        market=market,
    )


def position_opened(position: ManagedPosition, leverage: int, now_ms: int) -> RecordPositionOpened:
    return RecordPositionOpened(
        at_ms=now_ms,
        position_ref=position.position_ref,
        pair_ref=position.position_ref,
        symbol=position.symbol,
        position_side=_told_side(position),
        opened_ms=position.filled_ms or now_ms,
        entry_price=position.entry_price,
        quantity=max(position.held, position.books.opened_quantity),
        leverage=leverage,
    )


def position_closed(position: ManagedPosition, trade: ClosedTrade, now_ms: int) -> RecordPositionClosed:
    return RecordPositionClosed(
        at_ms=now_ms,
        position_ref=position.position_ref,
        closed_ms=trade.exit_filled_ms or now_ms,
        entry_price=position.entry_price,
        exit_price=trade.exit_price,
        quantity=position.books.opened_quantity or position.books.closed_quantity,
        realized_pnl=trade.gross_pnl_usd,
        reason=f"{trade.reason}: {trade.detail}" if trade.detail else str(trade.reason),
    )


def _told_side(position: ManagedPosition) -> PositionSide:
    """Long or short also in one-way mode, where the venue says BOTH: the books say what it was."""
    return PositionSide.LONG if position.side is Side.BUY else PositionSide.SHORT
