"""The live picture of single positions: a row for each symbol, red while no stop rests."""

from io import StringIO

import pytest
from rich.console import Console

from aster_operator.domain.clock import HOUR_MS
from aster_operator.monitoring.live_view import LiveView
from runtime.position_sessions import Life, desk_of, settings_with


def drawn(view: LiveView) -> str:
    console = Console(file=StringIO(), width=160, color_system=None)
    console.print(view.render())
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.timeout(120)
async def test_what_is_held_is_shown_with_its_age_result_and_protection() -> None:
    life = Life(settings_with(ASTER_TAKE_PROFIT_BPS="500", ASTER_STOP_LOSS_BPS="400"))
    driver, core = await life.session()
    view = LiveView(core, life.now_ms, None, "test")
    assert "positions 0" in view.line()
    assert "flat" in drawn(view)
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.held()))
    position = next(position for position in desk_of(core).book.active() if position.held > 0)
    text = drawn(view)
    row = next(line for line in text.splitlines() if position.symbol in line)
    assert "open" in row
    assert str(position.held.normalize()) in row
    assert " min" in row
    assert "positions 1" in view.line()
    assert "pairs" not in view.line()
    held, position.held = position.held, position.held * 2
    assert "no stop" in drawn(view)
    position.held = held
