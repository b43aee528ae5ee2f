"""What befalls requests and reports follows the seed alone, not which of the two comes first."""

from collections.abc import Callable
from typing import Any, cast

from aster_operator.domain.events import OrderChanged
from aster_operator.exchange.client_protocol import ExchangeClient, StreamEvent
from aster_operator.exchange.errors import ExchangeError
from aster_operator.runtime.fault_scenarios import SCENARIOS, with_faults


class _Order:
    client_order_id = "an-order"


class _Venue:
    """Answers every order, and reports it before the answer or after it."""

    def __init__(self, *, reports_first: bool) -> None:
        self._reports_first = reports_first
        self._waiting = 0
        self._on_event: Callable[[StreamEvent], None] | None = None

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> None:
        self._on_event = on_event

    async def place_order(self, order: object) -> object:
        self._waiting += 1
        if self._reports_first:
            self.report()
        return order

    def report(self) -> None:
        assert self._on_event is not None
        for _ in range(self._waiting):
            self._on_event(cast("Any", OrderChanged)(report=None, event_ms=1, received_ns=1))
        self._waiting = 0


async def _suffered(*, reports_first: bool, orders: int = 200) -> tuple[list[str], list[int]]:
    """What each request met, and how many reports had been heard after each."""
    venue = _Venue(reports_first=reports_first)
    client = with_faults(cast("ExchangeClient", venue), SCENARIOS["storm"], seed=7)
    heard: list[StreamEvent] = []
    await client.open_user_stream(heard.append)
    outcomes, counts = [], []
    for _ in range(orders):
        try:
            await client.place_order(cast("Any", _Order()))
            outcomes.append("answered")
        except ExchangeError as error:
            outcomes.append(str(error))
        venue.report()
        counts.append(len(heard))
    return outcomes, counts


async def test_faults_do_not_depend_on_whether_a_report_overtakes_the_answer() -> None:
    outcomes, counts = await _suffered(reports_first=True)
    assert len(set(outcomes)) == 4  # answered, refused, lost on the way there, lost on the way back
    assert len(set(counts)) > 100
    assert (outcomes, counts) == await _suffered(reports_first=False)
