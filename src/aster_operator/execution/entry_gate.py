"""Whether anything new may be opened now, for every strategy alike."""

from aster_operator.execution.core_state import CoreState

__all__ = ["entries_blocked"]


def entries_blocked(state: CoreState) -> str | None:
    """Why nothing may be opened now, in words; None when entries are free."""
    if state.stopping is not None:
        return "session is stopping"
    if state.paused is not None:
        return state.paused
    if state.feeds_down:
        feed, detail = next(iter(state.feeds_down.items()))
        return f"{feed} feed is down: {detail}"
    if state.snapshot_pending and state.in_doubt:
        return "waiting for a snapshot of the account"
    if state.strays:
        return "orders of an earlier run are still being cancelled"
    refused = state.risk_manager.can_open_new_position(state.account_status())
    return None if refused is None else f"{refused.rule}: {refused.reason}"
