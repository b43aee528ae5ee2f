"""The order book reaches the Market page beside the facts: noted, shown, and never decided upon."""

from decimal import Decimal
from pathlib import Path

import pytest
from watched import FactsInMemory, hub_of, read_facts

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.events import DepthUpdated
from aster_operator.domain.market import BookLevel, DepthSnapshot
from aster_operator.execution.core_state import CoreSettings
from aster_operator.monitoring.pictures.market import Market, market_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.panels.other_panels import ladder_html
from aster_operator.runtime.journal import FileJournal, Journal, JournalHeader
from aster_operator.runtime.journal_follower import JournalFollower
from runtime.sessions import open_bench

MS = 1_746_662_400_000


def book(*, at_ms: int = MS, levels: int = 12, best: str = "100") -> DepthSnapshot:
    """A book of the first symbol: each level one tick of 0.1 further, one coin larger."""
    middle, tick = Decimal(best), Decimal("0.1")
    steps = range(1, levels + 1)
    return DepthSnapshot(
        symbol="BTCUSDT",
        bids=tuple(BookLevel(middle - tick * step, Decimal(step)) for step in steps),
        asks=tuple(BookLevel(middle + tick * step, Decimal(step) / 4) for step in steps),
        update_id=1,
        event_ms=at_ms,
        received_ns=0,
    )


async def test_the_newest_book_is_noted_once_a_second_and_no_decision_sees_it(tmp_path: Path) -> None:
    path = tmp_path / "session.journal"

    def journal(settings: CoreSettings, now_ms: int) -> Journal:
        header = JournalHeader(code_version="test", started_ms=now_ms, settings=settings)
        return FileJournal(path, header, ManualClock(1))

    bench = await open_bench(journal=journal)
    older, newest = book(at_ms=MS), book(at_ms=MS + 250, best="101")
    while bench.session.take() is not None:
        pass
    for depth in (older, newest):
        bench.session.post(DepthUpdated(event_ms=depth.event_ms, received_ns=0, depth=depth))
    assert bench.session.take() is None, "books are not for the core"
    bench.session.clock.advance_ms(1_000)  # type: ignore[attr-defined]
    bench.session.fire_timer(bench.stepper.now_ms)
    bench.session._journal.close()
    with JournalFollower(path) as follower:
        while follower.take():
            pass
        assert follower.depth == {"BTCUSDT": newest}
    _, facts = read_facts(path)
    assert not [fact for fact in facts if isinstance(fact, DepthUpdated)]


def shown(stream: FactsInMemory) -> Market:
    hub = hub_of(stream)
    while hub.advance():
        pass
    assert hub.replica is not None
    return market_picture(hub.replica, "BTCUSDT")


@pytest.fixture
def stream(recorded: tuple[object, list[object]]) -> FactsInMemory:
    head, facts = recorded
    return FactsInMemory(head, facts)  # type: ignore[arg-type]


def test_the_market_page_shows_the_best_ten_levels_with_their_time(stream: FactsInMemory) -> None:
    stream.depth["BTCUSDT"] = book()
    market = shown(stream)
    assert (len(market.bids), len(market.asks), market.depth_ms) == (10, 10, MS)
    assert market.bids[0].price == Decimal("99.9")
    html = ladder_html(market)
    assert html.count("<tr>") == 21
    assert ">13.75</span>" in html, "what stands up to the tenth ask, with as many decimals as the rest"
    assert html.index("101.00") < html.index("100.10") < html.index("99.90") < html.index("99.00")
    assert f'Best 10 and 10 levels at <time class="num" data-ms="{MS}"' in html


def test_without_a_book_the_best_quote_is_shown_and_said_to_be_all(stream: FactsInMemory) -> None:
    market = shown(stream)
    assert (len(market.bids), len(market.asks), market.depth_ms) == (1, 1, None)
    assert "this session notes no order book" in ladder_html(market)


def test_a_market_that_nobody_has_heard_of_is_still_loading(replica: SessionReplica) -> None:
    unheard = SessionReplica(replica.settings, replica.started_ms)
    assert 'class="note loading"' in ladder_html(market_picture(unheard, "BTCUSDT"))
