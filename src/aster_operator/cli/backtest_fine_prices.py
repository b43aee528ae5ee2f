"""Options of a sweep that give prices finer than its bars."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars

__all__ = ["FineCatalog", "FineLogDir", "check_fine", "inputs_hash", "with_fine_prices"]

FineCatalog = Annotated[
    Path | None,
    typer.Option(
        "--fine-catalog",
        "--fine_catalog",
        metavar="DIR",
        help="Resolve exits on the ticks of this Parquet catalog (exchange).",
    ),
]
FineLogDir = Annotated[
    Path | None,
    typer.Option(
        "--fine-log-dir",
        "--fine_log_dir",
        metavar="DIR",
        help="Resolve exits on the one-second rows of these CSV logs (exchange).",
    ),
]


def check_fine(semantics: str, catalog: Path | None, logs: Path | None, cluster: str | None) -> None:
    """Raises BadParameter for what does not go together."""
    if catalog is not None and logs is not None:
        raise typer.BadParameter("give one of the two", param_hint="--fine-catalog or --fine-log-dir")
    if (catalog is not None or logs is not None) and semantics != "exchange":
        raise typer.BadParameter(
            "exits are resolved on bars in the semantics vectorbt",
            param_hint="--fine-catalog or --fine-log-dir",
        )
    if (catalog is not None or logs is not None) and cluster is not None:
        raise typer.BadParameter("finer prices stay on this machine", param_hint="--cluster")


def with_fine_prices(bars: "Bars", catalog: Path | None, logs: Path | None) -> "Bars":
    """The bars with the finer prices that were asked for. Raises BacktestProblem."""
    from dataclasses import replace

    from aster_operator.backtest.fine_prices import catalog_prices, log_prices

    if catalog is not None:
        return replace(bars, fine=catalog_prices(catalog, bars))
    return bars if logs is None else replace(bars, fine=log_prices(logs, bars))


def inputs_hash(inputs: Path, bars: "list[Bars]") -> str:
    """Of the file, and of the finer prices where there are any."""
    from hashlib import sha256

    from aster_operator.backtest.results import file_hash

    found = file_hash(inputs)
    digests = sorted(own.fine.digest() for own in bars if own.fine is not None)
    return sha256("".join([found, *digests]).encode()).hexdigest()[: len(found)] if digests else found
