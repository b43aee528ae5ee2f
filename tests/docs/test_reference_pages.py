"""The reference pages say what the code says."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from markdown_pages import ROOT, rows, section

from aster_operator.config.fields import allowed_text, field_key
from aster_operator.config.settings import Settings

SETTINGS = ROOT / "docs" / "reference" / "settings.md"


@pytest.fixture(scope="module")
def writer(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("write_reference")


def test_the_pages_are_up_to_date(writer: ModuleType) -> None:
    assert writer.outdated() == [], "run python tools/write_reference.py"


def test_the_pages_do_not_depend_on_the_terminal(writer: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    assert writer.outdated() == []


def test_a_page_that_says_something_else_is_noticed_and_written_anew(
    writer: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(writer, "ROOT", tmp_path)
    assert writer.main([]) == 0
    assert writer.main(["--check"]) == 0
    page = tmp_path / "docs" / "reference" / "settings.md"
    page.write_text(page.read_text().replace("`POSITION_HOLD_TIME_MIN` | `90`", "`x` | `91`"))
    assert writer.main(["--check"]) == 1
    assert "docs/reference/settings.md is out of date" in capsys.readouterr().err
    assert writer.main([]) == 0
    assert writer.outdated() == []


def test_every_setting_has_one_row_with_its_range_and_default() -> None:
    table = {row[0].strip("`"): row for row in rows(SETTINGS.read_text(encoding="utf-8"))}
    assert set(table) == {field_key(field) for field in Settings.model_fields.values()}
    for field in Settings.model_fields.values():
        assert table[field_key(field)][2] == allowed_text(field)
    assert table["POSITION_HOLD_TIME_MIN"][1] == "`90`"
    assert table["WALLET_ADDRESS"][1] == "unset"
    assert table["ASTER_ENABLE_TRADING"][1] == "`false`"
    assert table["TRADING_PAIRS"][1] == "`BTCUSDT`"
    assert table["ASTER_AGENT_PRIVATE_KEY"][3].endswith("Secret.")


def test_every_limit_of_the_risk_settings_is_explained() -> None:
    from aster_operator.config.trading_settings import RiskSettings

    explained = section(ROOT / "docs" / "risks.md", "Limits, and what they do")
    missing = [
        key for field in RiskSettings.model_fields.values() if (key := field_key(field)) not in explained
    ]
    assert missing == []


def test_every_command_has_its_help_on_the_page() -> None:
    from aster_operator.cli.app import COMMANDS

    page = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for name in (*COMMANDS, "exchange serve", "db init", "db stats", "db export"):
        assert f"\n## aster-operator {name}\n" in page
