"""The gate before the dispatcher, where requests meet their faults."""

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server.dispatcher import Dispatcher
from aster_operator.simulator.server.faults import Faults
from aster_operator.simulator.server.messages import WireRequest, WireResponse

__all__ = ["FaultGate"]


class FaultGate:
    """Answers requests as the dispatcher does, or as the faults in force want it.

    While `in_maintenance`, nothing is executed and everything is answered 503.
    """

    def __init__(self, dispatcher: Dispatcher, faults: Faults) -> None:
        self._dispatcher = dispatcher
        self._faults = faults
        self.in_maintenance = False

    async def answer(self, request: WireRequest) -> WireResponse | None:
        """None stands for a connection that breaks without an answer."""
        reply = self.reply(request)
        return reply if reply is None or isinstance(reply, WireResponse) else await reply

    def reply(self, request: WireRequest) -> WireResponse | Awaitable[WireResponse | None] | None:
        """The answer at once where nothing delays it."""
        if self.in_maintenance:
            closed = VenueRefusal(-1016, "This service is no longer available.", http_status=503)
            return self._dispatcher.refused(request, closed)
        if not self._faults.strike_requests:
            return self._dispatcher.dispatch(request)
        return self._answer_struck(request)

    async def _answer_struck(self, request: WireRequest) -> WireResponse | None:
        plan = self._faults.plan_request(request, self._account_of(request))
        if plan.delay_ms > 0:
            await asyncio.sleep(plan.delay_ms / 1000)
        usual = self._dispatcher.dispatch(request, plan.refusal) if plan.goes_in else None
        limiter, clock = self._dispatcher.services.limiter_of(request.path), self._dispatcher.services.clock
        ban_ms = limiter.settings.first_ban_ms
        answer = plan.answer(usual, clock.now_ms() + ban_ms)
        if isinstance(answer, VenueRefusal):
            refused = self._dispatcher.refused(request, answer)
            if answer.http_status == HTTPStatus.IM_A_TEAPOT:
                refused.headers["Retry-After"] = str(-(-ban_ms // 1000))
            return refused
        return answer

    def _account_of(self, request: WireRequest) -> str | None:
        """Whose request this claims to be, without verifying it."""
        registry = self._dispatcher.services.registry
        key = registry.api_key(request.headers.get("x-mbx-apikey") or "")
        if key is not None:
            return key.account_id
        text = (request.raw_query + b"&" + request.body).lower()
        for account in registry.accounts():
            names = (account.account_id, *account.agents)
            if any(name.encode() in text for name in names):
                return account.account_id
        return None
