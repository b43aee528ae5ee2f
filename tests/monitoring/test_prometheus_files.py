"""The Grafana dashboard and the alert rules that ship: they speak of metrics that there are."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from watched import Facts, FactsInMemory, hub_of

from aster_operator.cli.dashboard_parts import recorder_lag
from aster_operator.domain.clock import ManualClock
from aster_operator.monitoring.web.metrics import metric_families
from aster_operator.monitoring.web.source import StreamHead

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
NAMED = (
    "orders_total", "order_round_trip_seconds_bucket", "decision_seconds_bucket", "staleness_seconds",
    "unprotected_seconds", "lone_leg_seconds", "realized_pnl_usd", "pair_pnl_usd", "fees_usd", "funding_usd",
    "rate_weight_used_ratio", "rate_orders_used_ratio", "recorder_lag_seconds",
)  # fmt: skip


@pytest.fixture(scope="module")
def names(recorded: tuple[StreamHead, Facts]) -> set[str]:
    """Names of all samples, those of families without any yet by their own."""
    families = metric_families(hub_of(FactsInMemory(*recorded)), recorder_lag_s=1.0)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
    return {family.name + suffix for family in families for suffix in suffixes.get(family.type, ("",))} | {
        sample.name for family in families for sample in family.samples
    }


def test_what_the_owner_was_promised_is_there(names: set[str]) -> None:
    assert {f"aster_operator_{name}" for name in NAMED} <= names


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alert-rules.yml"])
def test_they_refer_to_metrics_that_exist(names: set[str], file: str) -> None:
    text = (FOLDER / file).read_text()
    spoken = set(re.findall(r"aster_operator_[a-z_]+", text))
    assert len(spoken) > 8
    assert spoken <= names


def test_each_panel_of_grafana_asks_something() -> None:
    dashboard = json.loads((FOLDER / "grafana-dashboard.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len(panels) > 8
    for panel in panels:
        assert panel["title"]
        assert all(target["expr"] for target in panel["targets"])


def test_each_rule_says_what_to_do() -> None:
    groups = yaml.safe_load((FOLDER / "alert-rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 6
    assert all(rule["annotations"]["summary"] for rule in rules)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="NO RULE WAS CHECKED: no promtool")
def test_prometheus_takes_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(FOLDER / "alert-rules.yml")],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_recorder_lags_by_what_it_wrote_last_whatever_becomes_of_older_days(tmp_path: Path) -> None:
    lag = recorder_lag(tmp_path, ManualClock(1_000_000))
    assert lag() is None
    for symbol, day, written_s in (("BTCUSDT", "01", 990), ("BTCUSDT", "02", 700), ("ETHUSDT", "02", 600)):
        folder = tmp_path / "stream=trades" / f"symbol={symbol}" / f"date=2026-01-{day}"
        folder.mkdir(parents=True)
        (folder / "part.parquet").touch()
        os.utime(folder / "part.parquet", (written_s, written_s))
    assert lag() == 300, "the day packed just now is an old one"
