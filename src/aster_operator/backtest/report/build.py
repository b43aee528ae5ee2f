"""From a sweep's folder to a report: page and pictures, all or none of them written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aster_operator.backtest.report.material import SymbolMaterial
from aster_operator.backtest.report.pictures import picture_writers
from aster_operator.backtest.report.symbol_page import report_html
from aster_operator.backtest.tables import replace_files

__all__ = ["WrittenReport", "write_report"]


@dataclass(frozen=True)
class WrittenReport:
    """Where the report lies."""

    page: Path
    pictures: list[Path]


def write_report(
    materials: Sequence[SymbolMaterial],
    page: Path,
    *,
    pictures: Path | None = None,
    progress: Callable[[float], None] | None = None,
) -> WrittenReport:
    """Write the page, and the pictures into a folder unless it is None. `progress` is called with the share
    done. Raises BacktestProblem."""
    html = report_html(materials)
    files: dict[Path, Callable[[Path], None]] = {page: lambda path: _write_text(path, html)}
    names = []
    if pictures is not None:
        for material in materials:
            for name, write in picture_writers(material).items():
                path = pictures / f"backtest_{name}_{material.sweep.symbol}_{material.sweep.date}.png"
                files[path] = write
                names.append(path)
    done = 0

    def told(write: Callable[[Path], None], path: Path) -> None:
        nonlocal done
        write(path)
        done += 1
        if progress is not None:
            progress(done / len(files))

    replace_files({path: partial(told, write) for path, write in files.items()})
    return WrittenReport(page, names)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
