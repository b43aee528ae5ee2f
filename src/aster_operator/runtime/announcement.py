"""Lets views find a running session: its file in the state directory, and its steering socket."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from aster_operator.domain.events import OperatorAction
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_file import SessionFile
from aster_operator.runtime.steering import steering_socket

__all__ = ["announced"]

_log = structlog.get_logger("session")

_STEERING = frozenset(
    {
        OperatorAction.PAUSE_ENTRIES,
        OperatorAction.RESUME_ENTRIES,
        OperatorAction.CLOSE,
        OperatorAction.CLOSE_ALL,
        OperatorAction.RELOAD_PARAMETERS,
    }
)


@asynccontextmanager
async def announced(
    session: Session, state_dir: Path, *, run_id: str, venue: str, journal: Path, can_reload: bool
) -> AsyncIterator[None]:
    """For the block, the session can be found and steered. A place where that is not possible (no sockets, no
    rights) keeps nobody from trading: it is logged, and views do without."""

    def steer(action: OperatorAction, actor: str, detail: str) -> str | None:
        refusal = _refusal(session, action, detail, can_reload=can_reload)
        if refusal is None:
            session.request(action, actor, session.core.state.now_ms, detail)
        return refusal

    path: Path | None = None
    async with AsyncExitStack() as stack:
        control: Path | None = None
        try:
            control = await stack.enter_async_context(
                steering_socket(state_dir / "sessions", str(os.getpid()), steer)
            )
            path = SessionFile(
                run_id=run_id,
                pid=os.getpid(),
                venue=venue,
                account=session.core.settings.account,
                strategy=session.core.strategy_name,
                started_ms=session.start_ms,
                journal=os.path.abspath(journal),  # noqa: ASYNC240 (asks nobody)
                control=str(control),
                can_reload=can_reload,
            ).write(state_dir)
        except OSError as error:
            _log.warning("views cannot find or steer this session", error=str(error))
        try:
            yield
        finally:
            if path is not None:
                path.unlink(missing_ok=True)


def _refusal(session: Session, action: OperatorAction, detail: str, *, can_reload: bool) -> str | None:
    if session.stopped is not None:
        return "the session has ended"
    if action not in _STEERING:
        return f"{action} is not for views"
    if action is OperatorAction.CLOSE and not detail:
        return "say which pair or symbol to close"
    if action is OperatorAction.RELOAD_PARAMETERS and not can_reload:
        return "this session has no parameter file; .env is read at the start only"
    return None
