"""Every notebook runs from top to bottom on a fresh kernel, and is committed without what it printed."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from warm_programs import warm_programs

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

pytestmark = [
    pytest.mark.timeout(300),
    # The kernel's messages come over sockets whose warnings are not ours.
    pytest.mark.filterwarnings("default"),
]


def printed_by(notebook: nbformat.NotebookNode) -> str:
    """Everything the cells showed."""
    shown = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            shown.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(shown)


EXPECTED = {
    "1_features": "a round trip costs 8 bps",
    "2_sweep": "cfg_",
    "3_believe_it": "ETHUSDT: ",
    "4_report": "report.html",
    "5_replay": "True",
    "6_optimise": "ETHUSDT: ",
    "7_parity": "True",
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Path(sys.executable).parent
    monkeypatch.setenv("PATH", os.pathsep.join([str(warm_programs()), str(programs), os.environ["PATH"]]))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(EXAMPLES)}}).execute()
    assert EXPECTED[path.stem] in printed_by(notebook)


def test_there_is_one_for_each_task() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(EXPECTED)
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in listed for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_clean_and_small(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert path.stat().st_size < 10_000
