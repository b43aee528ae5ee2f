"""The session's books kept in the database."""

from aster_operator.database.recorder import TradeRecorder
from aster_operator.domain.commands import (
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    RecordTrade,
    Remember,
)
from aster_operator.domain.events import OrderChanged
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.order_tracker import OrderTracker
from aster_operator.runtime.daily_points import DailyPoints
from aster_operator.runtime.trade_log import TradeLog

__all__ = ["DatabaseBooks"]


class DatabaseBooks:
    """Adapter from what a session says to `TradeRecorder`. `tracker` tells which orders are ours; finished
    trades go to `trade_log` too, `points` estimates what each day earns."""

    def __init__(
        self,
        recorder: TradeRecorder,
        tracker: OrderTracker,
        trade_log: TradeLog | None = None,
        points: DailyPoints | None = None,
    ) -> None:
        self._recorder = recorder
        self._tracker = tracker
        self._trade_log = trade_log
        self._points = points

    def record_order_intent(self, order: NewOrder, at_ms: int) -> None:
        self._recorder.record_order_intent(order, at_ms)

    def record_order_report(self, event: OrderChanged) -> None:
        tracked = self._tracker.get(event.report.client_order_id)
        if tracked is not None:
            self._recorder.record_order_state(tracked.client_order_id, tracked.state)

    def record_fill(self, fill: Fill) -> None:
        if self._recorder.record_fill(fill):
            self._recorder.update_daily_stats(fill.event_ms)
            if self._points is not None:
                self._points.note(fill)

    def record_income(self, row: IncomeRow) -> None:
        if self._recorder.record_income(row):
            self._recorder.update_daily_stats(row.time_ms)

    def record_position_opened(self, command: RecordPositionOpened) -> None:
        self._recorder.record_position_opened(command)

    def record_position_closed(self, command: RecordPositionClosed) -> None:
        self._recorder.record_position_closed(command)

    def record_decision(self, command: RecordDecision) -> None:
        self._recorder.record_decision(command)

    def record_trade(self, command: RecordTrade) -> None:
        is_new = self._recorder.record_closed_trade(command.trade)
        if is_new and self._trade_log is not None:
            self._trade_log.write(command.trade, command.at_ms)

    def remember(self, command: Remember) -> None:
        self._recorder.remember(command)
