"""`aster-operator backtest report`: what a sweep found, as a page and pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.backtest_fine_prices import (
    FineCatalog,
    FineLogDir,
    check_fine,
    inputs_hash,
    with_fine_prices,
)
from aster_operator.cli.backtest_options import Inputs, Seed, Workers
from aster_operator.cli.option_values import parse_symbols
from aster_operator.cli.options import JsonOutput
from aster_operator.cli.progress import progress_bars

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.report.material import SymbolMaterial
    from aster_operator.backtest.report.saved import SavedSweep

__all__ = ["HELP", "report"]

HELP = """Make a report of a sweep: one HTML file that needs no network, and PNG pictures.

It runs the sweep's configurations again over the same inputs, so it takes about as long, and shows equity,
trades, any two parameters against each other, walk-forward, bootstrap, hours, costs and the verdict.

\b
Examples:
  aster-operator backtest report --results results --inputs backtest_inputs.csv
  aster-operator backtest report --results results --inputs bars.parquet --out report.html --no-pictures
"""

_Results = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder that backtest sweep wrote (--out).")
]
_Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="The page (default: backtest_report_<DATE>.html in --results)."
    ),
]
_Pictures = Annotated[
    bool, typer.Option("--pictures/--no-pictures", help="Also write PNG pictures beside the page.")
]
_Symbols = Annotated[str, typer.Option("--symbols", help="Symbols to show, comma separated, or all.")]
_Top = Annotated[int, typer.Option("--top", min=1, max=20, help="Configurations to draw.")]


def report(
    results: _Results,
    inputs: Inputs,
    out: _Out = None,
    symbols: _Symbols = "all",
    top: _Top = 3,
    pictures: _Pictures = True,
    fine_catalog: FineCatalog = None,
    fine_log_dir: FineLogDir = None,
    seed: Seed = 1,
    workers: Workers = None,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.backtest.inputs import InputFile
    from aster_operator.backtest.report.build import write_report
    from aster_operator.backtest.report.saved import bars_of, check_inputs, read_sweeps
    from aster_operator.backtest.saved_verdicts import verdict_json
    from aster_operator.cli.json_output import print_json

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise typer.BadParameter(f"{str(out)!r} is not the name of an .html file", param_hint="--out")
    sweeps = read_sweeps(results, parse_symbols(symbols))
    check_fine(sweeps[0].semantics, fine_catalog, fine_log_dir, None)
    table = InputFile(inputs)
    bars = [with_fine_prices(bars_of(sweep, table), fine_catalog, fine_log_dir) for sweep in sweeps]
    check_inputs(sweeps, inputs, inputs_hash(inputs, bars))
    newest = max(sweep.date for sweep in sweeps)
    page = results / f"backtest_report_{newest}.html" if out is None else out
    materials = _gather(sweeps, bars, top, seed, workers)
    with progress_bars() as bar:
        written = write_report(
            materials, page, pictures=page.parent if pictures else None, progress=bar("drawing")
        )
    if json_output:
        print_json(
            {
                "report": str(written.page),
                "bytes": written.page.stat().st_size,
                "pictures": [str(path) for path in written.pictures],
                "symbols": [material.sweep.symbol for material in materials],
                "semantics": {material.sweep.symbol: material.sweep.semantics for material in materials},
                "changed_configs": {material.sweep.symbol: material.changed for material in materials},
                "verdicts": {material.sweep.symbol: verdict_json(material.study) for material in materials},
            }
        )
        return 0
    for material in materials:
        biased = " (vectorbt: biased)" if material.result.compounds else ""
        typer.echo(material.study.judgement.line(material.sweep.symbol) + biased)
    for path in (written.page, *written.pictures):
        typer.echo(path)
    return 0


def _gather(
    sweeps: "list[SavedSweep]", bars: "list[Bars]", top: int, seed: int, workers: int | None
) -> "list[SymbolMaterial]":
    from aster_operator.backtest.report.material import gather
    from aster_operator.cli.backtest_kernels import load_kernels
    from aster_operator.cli.errors import print_warnings

    for semantics in sorted({sweep.semantics for sweep in sweeps}):
        load_kernels(semantics)
    materials = []
    with progress_bars() as bar:
        for sweep, own in zip(sweeps, bars, strict=True):
            advance = bar(f"{sweep.symbol}: {len(sweep.grid):,} configurations")
            materials.append(gather(sweep, own, top=top, seed=seed, workers=workers, progress=advance))
    print_warnings(
        tuple(
            f"{material.changed:,} configurations of {material.sweep.symbol} earn something else than "
            f"{material.sweep.path} says: another version of the program wrote it"
            for material in materials
            if material.changed
        )
    )
    return materials
