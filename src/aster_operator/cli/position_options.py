"""Options of strategies of single positions: what their .env keys say, for one run."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, NamedTuple, get_type_hints

import typer

__all__ = ["with_position_options"]


class _PositionOption(NamedTuple):
    """`key` is the setting it stands for; the flag is spelled with hyphens, or with underscores as of old."""

    name: str
    key: str
    metavar: str
    help: str

    @property
    def flags(self) -> tuple[str, str]:
        return f"--{self.name.replace('_', '-')}", f"--{self.name}"


_OPTIONS = (
    _PositionOption("target_leverage", "ASTER_TARGET_LEVERAGE", "TIMES", "Leverage of their symbols"),
    _PositionOption("risk_pct", "ASTER_RISK_PCT", "PCT", "Margin of an entry without --order-notional"),
    _PositionOption("reentry_cooldown_min", "ASTER_REENTRY_COOLDOWN_MIN", "MIN", "Wait after an exit"),
    _PositionOption("entry_halt_utc", "ASTER_ENTRY_HALT_UTC", "HH:MM", "No entries from here on"),
    _PositionOption("force_exit_utc", "ASTER_FORCE_EXIT_UTC", "HH:MM", "All closed from here on"),
    _PositionOption(
        "margin_safety_multiple", "ASTER_MARGIN_SAFETY_MULTIPLE", "TIMES", "Closed at this margin ratio"
    ),
    _PositionOption(
        "daily_drawdown_blocker_pct", "ASTER_DAILY_DRAWDOWN_BLOCKER_PCT", "PCT", "A fall that ends the day"
    ),
    _PositionOption(
        "exits_with_entry", "ASTER_EXITS_WITH_ENTRY", "BOOL", "Stop and target in the entry's request"
    ),
    _PositionOption("log_dir", "ASTER_LOG_DIR", "DIR", "Where orders_YYYYMMDD.csv goes"),
)


def with_position_options(command: Callable[..., int]) -> Callable[..., int]:
    """The command with these options besides its own; it gets them as `position_settings`, by setting."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    own = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in signature.parameters.values()
        if parameter.name != "position_settings"
    ]
    added = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(*option.flags, metavar=option.metavar, help=f"{option.help} ({option.key})."),
            ],
        )
        for option in _OPTIONS
    ]

    @wraps(command)
    def run(**given: Any) -> int:
        settings: Mapping[str, str | None] = {option.key: given.pop(option.name) for option in _OPTIONS}
        return command(**given, position_settings=settings)

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + added
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": int}
    del run.__wrapped__
    return run
