"""What the books are told about legs: rows for the positions table."""

from collections.abc import Iterator

from aster_operator.domain.commands import RecordPositionClosed, RecordPositionOpened
from aster_operator.domain.enums import PositionSide
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.reconciliation import RememberedPair

__all__ = ["closing_records", "opening_record", "position_ref", "vanished_records"]


def position_ref(pair: Pair, leg: PairLeg) -> str:
    """Name of a leg in the books, unique over all runs."""
    return f"{pair.pair_ref}-{leg.position_side[0]}"


def opening_record(pair: Pair, leg: PairLeg, leverage: int, now_ms: int) -> RecordPositionOpened:
    """The leg as it stands, flat before its first fill; the same reference again replaces the row."""
    leg.recorded_open = True
    return RecordPositionOpened(
        at_ms=now_ms,
        position_ref=position_ref(pair, leg),
        pair_ref=pair.pair_ref,
        symbol=leg.symbol,
        position_side=leg.position_side,
        opened_ms=leg.last_open_fill_ms if leg.last_open_fill_ms is not None else now_ms,
        entry_price=leg.entry_price,
        quantity=max(leg.opened_quantity, leg.held),
        leverage=leverage,
        hedge=leg.hedge,
    )


def vanished_records(
    remembered: RememberedPair, resumed: Pair | None, now_ms: int
) -> Iterator[RecordPositionClosed]:
    """Rows for the legs that the venue no longer holds: when and at what price they went is not known.

    `resumed` is what became of the pair, None when nothing of it is left.
    """
    for side, leg in ((PositionSide.LONG, remembered.long), (PositionSide.SHORT, remembered.short)):
        if leg is None or (resumed is not None and resumed.leg(side).held > 0):
            continue
        if resumed is not None:
            resumed.leg(side).recorded_open = False
        yield RecordPositionClosed(
            at_ms=now_ms,
            position_ref=f"{remembered.pair_ref}-{side[0]}",
            closed_ms=now_ms,
            entry_price=leg.entry_price,
            exit_price=None,
            quantity=leg.quantity,
            realized_pnl=None,
            reason="closed while no session was running",
        )


def closing_records(pair: Pair, now_ms: int) -> Iterator[RecordPositionClosed]:
    """One row for each leg of a finished pair that was ever recorded, also for one that was never filled."""
    for leg in pair.legs:
        if leg.recorded_open:
            yield RecordPositionClosed(
                at_ms=now_ms,
                position_ref=position_ref(pair, leg),
                closed_ms=leg.last_fill_ms if leg.last_fill_ms is not None else now_ms,
                entry_price=leg.entry_price,
                exit_price=leg.exit_price if leg.closed_quantity else None,
                quantity=leg.closed_quantity,
                realized_pnl=leg.realized_pnl,
                reason=pair.close_reason or pair.reason,
                worst_imbalance=pair.worst_imbalance,
                longest_imbalance_ms=pair.longest_imbalance_ms,
            )
