"""`aster-operator new-strategy`: a file to begin one's own strategy with."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["register"]

_HELP = """Write the file of a new strategy, ready to run: strategies/NAME.py.

It trades after three rising or three falling bars, which is no idea to make money with: replace it. The guide
is docs/how-to/add-a-strategy.md.

\b
Examples:
  aster-operator new-strategy three-bars
  aster-operator backtest replay --strategy three-bars
  aster-operator run --strategy three-bars --symbols ETHUSDT --venue paper --enable-trading true
"""

_TEMPLATE = '''"""{name}: what it waits for, in a sentence."""

from decimal import Decimal
from typing import ClassVar

from aster_operator.domain.enums import Side
from aster_operator.strategy.base import BarDecision, BarView, Enter, ExitPlan, Strategy

__all__ = ["{class_name}"]

EXITS = ExitPlan(
    stop_loss_bps=Decimal(15),
    take_profit_bps=Decimal(30),
    trailing_activation_bps=Decimal(20),
    trailing_callback_bps=Decimal(10),
)
"""Where every position ends, in basis points of its entry price. The stop is not optional."""


class {class_name}(Strategy):
    """Enters in the direction of three bars in a row."""

    name: ClassVar[str] = "{name}"

    @property
    def warm_up_bars(self) -> int:
        return 3

    def on_bar_closed(self, view: BarView) -> BarDecision:
        if len(view.bars) < self.warm_up_bars:
            return BarDecision(action="warm-up", reason=f"{{len(view.bars)}} of {{self.warm_up_bars}} bars")
        moves = [bar.close - bar.open for bar in view.bars[-3:]]
        numbers = {{"moves": " ".join(str(move) for move in moves)}}
        if view.position is not None:
            return BarDecision(action="hold", reason="a position is held", numbers=numbers)
        side = Side.BUY if min(moves) > 0 else Side.SELL if max(moves) < 0 else None
        if side is None:
            return BarDecision(action="wait", reason="no three bars in a row", numbers=numbers)
        reason = f"three bars in a row: {{side}}"
        return BarDecision(
            action="enter",
            reason=reason,
            intent=Enter(side=side, exits=EXITS, reason=reason),
            numbers=numbers,
        )
'''
_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")


def register(app: typer.Typer) -> None:
    app.command(name="new-strategy", help=_HELP)(_new_strategy)


def _new_strategy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case, words joined by hyphens.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where to write it (default: strategies).")
    ] = None,
) -> int:
    from aster_operator.cli.run_plan import PAIRS
    from aster_operator.config.problems import UserProblem
    from aster_operator.market_data.catalog.durable import write_durably
    from aster_operator.strategy.registry import BUILT_IN, STRATEGY_FOLDER

    if not _NAME.match(name):
        raise typer.BadParameter(f"{name!r} is not lower case words joined by hyphens", param_hint="NAME")
    if name in BUILT_IN or name == PAIRS:
        raise typer.BadParameter(f"{name!r} is built in, choose another", param_hint="NAME")
    file = (folder or Path(STRATEGY_FOLDER)) / f"{name.replace('-', '_')}.py"
    class_name = "".join(word.capitalize() for word in name.split("-")) + "Strategy"
    if os.path.lexists(file):
        raise UserProblem(f"{file} is there already", "new-strategy", "choose another name")
    text = _TEMPLATE.format(name=name, class_name=class_name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(file, lambda aside: aside.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UserProblem(f"{file}: {error.strerror}", "new-strategy", "choose another --folder") from error
    typer.echo(f"wrote {file}; try: aster-operator backtest replay --strategy {name}")
    return 0
