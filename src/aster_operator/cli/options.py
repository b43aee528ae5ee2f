"""Options that several commands share, so that they are spelled and explained alike everywhere."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["DatabaseUrl", "DryRun", "EnvFile", "JsonOutput", "Since", "Until", "settings_from"]

EnvFile = Annotated[
    str | None,
    typer.Option("--env-file", metavar="FILE", help="Settings file (default: .env, if there is one)."),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="Books to use, sqlite:///FILE or postgresql://... (default: settings).",
    ),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this UTC day or time on (2026-02-20T08:00)."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this UTC day or time.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def settings_from(
    env_file: str | None,
    database_url: str | None = None,
    *,
    overrides: dict[str, Any] | None = None,
    for_trading: bool = False,
    quiet: bool = False,
) -> "Settings":
    """Load the settings for a command and print the warnings about them to standard error.

    `overrides` maps environment names to values from the command line; None values are left out. `quiet`
    prints nothing, for a look at what is set before the settings that count are loaded.
    Raises SettingsProblem.
    """
    from aster_operator.cli.errors import print_warnings
    from aster_operator.config.settings import load_settings

    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    if database_url is not None:
        given["DATABASE_URL"] = database_url
    settings = load_settings(env_file, overrides=given, for_trading=for_trading)
    if not quiet:
        print_warnings(settings.warnings)
    # A crash is reported where no settings are at hand any more.
    os.environ.setdefault("LOG_DIR", settings.log_dir)
    return settings
