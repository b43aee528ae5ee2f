"""The Now page in a terminal, driven by keys."""

from decimal import Decimal

import pytest
from textual.widgets import DataTable, Footer, Static
from textual.widgets._footer import FooterKey
from watched import Facts, FactsInMemory, OneSession

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.terminal.figures import (
    age_text,
    amount_text,
    equity_line,
    gauge_text,
    signed_text,
)
from aster_operator.monitoring.terminal.top import TopApp
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.source import StreamHead

Recorded = tuple[StreamHead, Facts]


def app_of(recorded: Recorded | None, **options: bool) -> tuple[TopApp, OneSession]:
    source = OneSession(None if recorded is None else FactsInMemory(*recorded))
    hub = DashboardHub(source, ManualClock(1), **options)
    while hub.advance():
        pass
    return TopApp(hub), source


async def test_it_shows_what_is_held_and_steers_by_keys_after_asking_once(recorded: Recorded) -> None:
    app, source = app_of(recorded)
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        pairs = app.query_one("#pairs", DataTable)
        assert pairs.row_count == 1
        assert str(pairs.get_cell_at((0, 0))) == "BTCUSDT"  # type: ignore[arg-type]
        assert "equity $" in str(app.query_one("#account", Static).render())
        assert "MAX_DRAWDOWN_PCT" in str(app.query_one("#limits", Static).render())
        await pilot.press("f", "n")
        assert source.asked == []
        await pilot.press("p", "y")
        await pilot.pause()
        await pilot.press("c", "y")
        await pilot.pause()
        assert source.asked == [
            (OperatorAction.PAUSE_ENTRIES, "", "top"),
            (OperatorAction.CLOSE, "BTCUSDT", "top"),
        ]
        await pilot.press("q")


async def test_without_a_session_it_says_so_and_steers_nothing() -> None:
    app, source = app_of(None)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        assert "No session has been found" in str(app.query_one("#state", Static).render())
        await pilot.press("f", "y", "c")
        assert source.asked == []


@pytest.mark.parametrize("with_session", [False, True])
async def test_a_picture_due_when_the_widgets_are_gone_is_not_drawn(
    recorded: Recorded, with_session: bool
) -> None:
    app, _ = app_of(recorded if with_session else None)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.query("Screen > *").remove()
        app.renew()


async def test_whoever_only_looks_is_offered_no_wishes_and_has_none(recorded: Recorded) -> None:
    app, source = app_of(recorded, read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "read-only" in str(app.query_one("#state", Static).render())
        assert [str(key.description) for key in app.query(FooterKey)] == ["Quit", "Dark/light"]
        for wish in "prcfl":
            await pilot.press(wish, "y")
            assert len(app.screen_stack) == 1, "nothing is asked"
        assert source.asked == []


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (amount_text(Decimal("-1234.5")), "-$1,234.50"),
        (amount_text(None), "–"),
        (signed_text(Decimal(3)), "+$3.00"),
        (age_text(119_000), "119 s"),
        (age_text(120_000), "2 min"),
        (age_text(None), "–"),
        (gauge_text(Decimal(50)), "██████░░░░░░   50 %"),
        (gauge_text(Decimal(900)), "████████████  900 %"),
        (equity_line([None, Decimal(1), Decimal(2), Decimal(3)]), "▁▄█"),
        (equity_line([]), ""),
        (equity_line([Decimal(5), Decimal(5)]), "▁▁"),
    ],
)
def test_figures(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_newest_message_and_every_column_are_seen_whatever_the_terminal(
    recorded: Recorded, size: tuple[int, int]
) -> None:
    app, _ = app_of(recorded)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        app.renew()
        await pilot.pause()
        assert app.query_one("#account", Static).size.height == 2, "nothing is wrapped"
        table = app.query_one("#pairs", DataTable)
        assert table.virtual_size.width <= size[0], "no column is cut off"
        log = app.query_one("#log", Static)
        assert log.region.y < app.query_one(Footer).region.y
        replica = app._hub.replica
        assert replica is not None
        newest = replica.activity.notices.last()
        assert newest is not None
        assert newest.message[:30] in str(log.render()).splitlines()[0]
        keys = list(app.query(FooterKey))
        assert len(keys) == len(TopApp.BINDINGS)
        assert max(key.region.right for key in keys) <= size[0], "every key is named whole"
        assert " UTC" in str(app.query_one("#state", Static).render())
        await pilot.press("q")
