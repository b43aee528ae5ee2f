"""Parameters read again while it trades: valid ones count from the next bar on, others change nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.commands import Notify, NotifyLevel
from aster_operator.domain.events import ParametersChanged
from aster_operator.runtime.parameter_file import ParameterFile
from aster_operator.strategy.parameter_changes import changes_text
from runtime.position_sessions import Life, desk_of, settings_with

SECTION = {
    "k": 1, "T": 10, "n": 1, "V": 10, "tp_bps": 20, "sl_bps": 12, "activation_bps": 8,
    "activation_buffer_bps": 0.5, "callback_bps": 6, "min_tp_gap_bps": 4, "spread_max": 1.5,
    "funding_max": 1.5,
}  # fmt: skip


def text_of(**changes: Any) -> str:
    return json.dumps(dict.fromkeys(("BTCUSDT", "ETHUSDT"), SECTION | changes))


async def trading() -> tuple[Life, Any, Any, list[Notify]]:
    life = Life(settings_with())
    driver, core = await life.session()
    notices: list[Notify] = []
    driver._session.runner._on_notice = notices.append
    await driver.run(life.now_ms + 15 * MINUTE_MS)
    return life, driver, core, notices


def change(life: Life, driver: Any, text: str) -> None:
    driver._session.post(
        ParametersChanged(event_ms=life.now_ms, received_ns=0, strategy="midfreq", text=text)
    )


async def test_valid_ones_count_from_the_next_bar_on_with_full_windows() -> None:
    life, driver, core, notices = await trading()
    seen = len(life.books.decisions)
    change(life, driver, text_of(k=99, T=12, V=3))
    await driver.run(life.now_ms + 2 * MINUTE_MS)
    after = life.books.decisions[seen:]
    assert len(after) == 4
    (told,) = [notice.message for notice in notices if "new parameters" in notice.message]
    assert told.startswith("midfreq: new parameters are in force: BTCUSDT.")
    assert "BTCUSDT.k 1 → 99" in told
    assert desk_of(core).strategy.warm_up_bars == 12
    # Longer windows are filled from the venue's history: nothing has to be waited for.
    assert all("rs_vol_bps" in decision.numbers for decision in after)
    assert not any(decision.action.startswith("enter") for decision in after)


async def test_bad_ones_are_refused_with_every_fault_and_the_old_stay() -> None:
    life, driver, core, notices = await trading()
    strategy = desk_of(core).strategy
    bad = {"BTCUSDT": SECTION | {"k": 0, "T": 1.5, "tp_bsp": 3}, "ETHUSDT": {"k": "x"}}
    change(life, driver, json.dumps(bad))
    await driver.settle()
    (words,) = [notice.message for notice in notices if "new parameters" in notice.message]
    for fault in (
        "BTCUSDT.k",
        "BTCUSDT.T",
        "tp_bsp",
        "did you mean tp_bps",
        "ETHUSDT.k",
        "ETHUSDT.T: is missing",
    ):
        assert fault in words, fault
    assert desk_of(core).strategy is strategy
    await driver.run(life.now_ms + MINUTE_MS)
    assert "rs_vol_bps" in life.books.decisions[-1].numbers


async def test_ones_that_a_strategy_fails_on_are_refused_and_the_session_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    life, driver, core, notices = await trading()
    strategy = desk_of(core).strategy

    def fails(text: str | None, symbols: tuple[str, ...]) -> None:
        raise KeyError("k")

    # As one of somebody else's would be.
    monkeypatch.setattr(type(strategy), "from_json", fails)
    monkeypatch.setattr(type(strategy), "__module__", "mine")
    change(life, driver, text_of(k=99))
    await driver.settle()
    (words,) = [notice.message for notice in notices if "new parameters" in notice.message]
    assert "refused, the old stay: strategy midfreq: KeyError: 'k'" in words
    assert desk_of(core).strategy is strategy


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"BTCUSDT": 3}', '{"BTCUSDT": {}}'])
async def test_a_file_cut_short_changes_nothing(text: str) -> None:
    life, driver, core, notices = await trading()
    strategy = desk_of(core).strategy
    change(life, driver, text)
    await driver.settle()
    assert desk_of(core).strategy is strategy
    assert any("new parameters refused, the old stay" in notice.message for notice in notices)


async def test_a_file_that_says_the_same_or_cannot_be_read_is_told_and_changes_nothing() -> None:
    life, driver, core, notices = await trading()
    change(life, driver, text_of(k=2))
    await driver.settle()
    strategy = desk_of(core).strategy
    change(life, driver, text_of(k=2) + "\n")
    event = ParametersChanged(
        event_ms=life.now_ms, received_ns=0, strategy="midfreq", text="", fault="p.json: No such file"
    )
    driver._session.post(event)
    await driver.settle()
    assert desk_of(core).strategy is strategy
    assert [(notice.level, notice.message) for notice in notices[-2:]] == [
        (NotifyLevel.INFO, "midfreq: no new parameters, the file says the same"),
        (NotifyLevel.WARNING, "midfreq: new parameters refused, the old stay: p.json: No such file"),
    ]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('{"A": {"k": 1.3, "T": 3}}', '{"A": {"T": 3, "k": 1.30}}', None),
        ('{"A": {"k": 1, "T": 3}}', '{"A": {"k": 2}}', "A.k 1 → 2, A.T 3 → unset"),
        (None, '{"x": 1}', "x unset → 1"),
        ("{}", json.dumps(dict.fromkeys("abcdefgh", 1)), "f unset → 1, 2 more"),
        ("one", "one", None),
        ("one", "two", "the file reads otherwise"),
    ],
)
def test_what_changed_is_named(before: str | None, after: str, told: str | None) -> None:
    found = changes_text(before, after)
    assert found == told if told is None else (found or "").endswith(told)


async def test_what_is_held_keeps_the_exits_it_was_entered_with() -> None:
    life = Life(settings_with(ASTER_TAKE_PROFIT_BPS="500", ASTER_STOP_LOSS_BPS="400"))
    driver, core = await life.session()
    await driver.run(life.now_ms + 720 * MINUTE_MS, until=lambda: bool(life.held()))
    position = next(iter(desk_of(core).book.active()))
    plan, stops = position.plan, life.stops()
    change(life, driver, text_of(sl_bps=1, tp_bps=50))
    await driver.settle()
    assert position.plan == plan
    assert life.stops() == stops


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    path.write_text(text_of(), encoding="utf-8")
    file = ParameterFile(path)
    assert file.changed() is None
    path.write_text(text_of(k=2), encoding="utf-8")
    assert json.loads(file.changed() or "{}")["BTCUSDT"]["k"] == 2
    assert file.changed() is None
    assert file.read_again() == text_of(k=2), "whoever asks is given it, changed or not"
    path.unlink()
    assert file.changed() is None
    path.write_text(text_of(k=3), encoding="utf-8")
    assert file.changed() == text_of(k=3)
