"""`aster-operator points`: what trading cost, and what a reward programme may give for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aster_operator.cli.options import DatabaseUrl, EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from sqlalchemy import URL

    from aster_operator.database.selection import Selection
    from aster_operator.monitoring.points_answer import Fit
    from aster_operator.monitoring.points_books import BookReports
    from aster_operator.rewards.profile import Profile
    from aster_operator.rewards.records import Context

__all__ = ["register"]

_SUMMARY = "Say what trading cost, and what a reward programme may give for it."
_HELP = f"""{_SUMMARY}

Reads trades and funding from the books and shows for each week of the programme volume, positions held, cost
and a range of points. Without --profile there is no programme and a point is worth nothing: none that pays
for trading is known to run. Nothing is traded.

\b
Examples:
  aster-operator points
  aster-operator points --profile dawn-crystal --since 2025-10-18 --team 1.05
  aster-operator points --profile mine.yaml --official totals.yaml --json
  aster-operator points profiles
"""
_PROFILES_HELP = """List the profiles of reward programmes, or print one of them.

\b
Examples:
  aster-operator points profiles
  aster-operator points profiles dawn-crystal
"""


def register(app: typer.Typer) -> None:
    """Add the `points` commands to `app`."""
    group = typer.Typer(
        help=_HELP,
        invoke_without_command=True,
        add_completion=False,
        rich_markup_mode=None,
        short_help=_SUMMARY,
    )
    group.callback()(_points)
    group.command("profiles", help=_PROFILES_HELP)(_profiles)
    app.add_typer(group, name="points")


_Venue = Annotated[
    Literal["sim", "paper", "testnet", "mainnet"] | None, typer.Option("--venue", help="Only this venue.")
]
_Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this UTC day or time on.")]
_Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this UTC day or time.")]
_Team = Annotated[str, typer.Option("--team", metavar="X", help="Your team's multiplier, such as 1.05.")]
_Referral = Annotated[
    str, typer.Option("--referral", metavar="POINTS", help="Your referral points of each epoch.")
]
_PointValue = Annotated[
    str | None,
    typer.Option("--point-value", metavar="USD", help="What a point is worth to you (default: nothing)."),
]
_Official = Annotated[
    Path | None,
    typer.Option("--official", metavar="FILE", help="Official totals by epoch (YAML) to fit weights to."),
]


def _points(
    context: typer.Context,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME|FILE", help="Programme to score under.")
    ] = "none",
    since: _Since = None,
    until: _Until = None,
    venue: _Venue = None,
    team: _Team = "1",
    referral: _Referral = "0",
    point_value: _PointValue = None,
    official: _Official = None,
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    json_output: JsonOutput = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from aster_operator.cli.json_output import print_json
    from aster_operator.cli.points_tables import print_answer
    from aster_operator.cli.times import selection
    from aster_operator.monitoring.pictures.points import points_picture
    from aster_operator.monitoring.points_answer import PointsAnswer
    from aster_operator.rewards.profile import load_profile
    from aster_operator.rewards.records import Context

    chosen = selection(venue=venue, symbol=None, since=since, until=until)
    programme = load_profile(profile)
    known = Context(
        team=_amount(team, "--team", least=1), referral_points=_amount(referral, "--referral", least=0)
    )
    value = None if point_value is None else _amount(point_value, "--point-value", least=0)
    books = _books(settings_from(env_file, database_url).database_url, chosen, programme, known)
    answer = PointsAnswer(
        profile=programme,
        context=known,
        today=_today(),
        point_value_usd=value,
        books=tuple(books),
        fit=None if official is None else _fit(official, programme, known, books),
    )
    print_json(points_picture(answer)) if json_output else print_answer(answer)


def _books(
    url: "str | URL", chosen: "Selection", programme: "Profile", known: "Context"
) -> "list[BookReports]":
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books
    from aster_operator.monitoring.points_books import read_books

    engine = open_books(url)
    with describing_errors(url), engine.connect() as connection:
        return read_books(connection, chosen, programme, known)


def _today() -> "date":
    from aster_operator.domain.clock import WallClock
    from aster_operator.rewards.epochs import utc_day

    return utc_day(WallClock().now_ms())


def _amount(text: str, option: str, *, least: int) -> "Decimal":
    """A number from the command line. Raises UserProblem."""
    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.money import exact

    try:
        amount = exact(text)
    except ValueError:
        raise UserProblem(f"{text!r} is not a number", option, "write it like 1.05") from None
    if amount < least:
        raise UserProblem(f"{text} is too small", option, f"give at least {least}")
    return amount


def _fit(path: Path, profile: "Profile", context: "Context", books: "list[BookReports]") -> "Fit":
    """Weights fitted to official totals, or why there are none. Raises UserProblem and ProfileError."""
    from aster_operator.config.problems import UserProblem
    from aster_operator.monitoring.points_answer import Fit
    from aster_operator.rewards.calibration import calibrate, load_official_totals
    from aster_operator.rewards.errors import TooFewEpochs
    from aster_operator.rewards.profile import NO_PROGRAMME, PointsProfile

    if not isinstance(profile, PointsProfile) or profile.name == NO_PROGRAMME:
        raise UserProblem(
            f"the profile {profile.name} has no weights to fit", "--official", "choose one with --profile"
        )
    totals = load_official_totals(path, profile)
    if len(books) > 1:
        raise UserProblem("the books hold several venues", "--official", "choose one with --venue")
    features = {
        report.epoch: report.features for book in books for report in book.epochs if report.is_complete
    }
    try:
        return Fit(calibration=calibrate(features, totals, profile, context), refusal=None)
    except TooFewEpochs as refusal:
        return Fit(calibration=None, refusal=str(refusal))


def _profiles(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this one's YAML, to read or to copy.")
    ] = None,
    json_output: JsonOutput = False,
) -> None:
    from aster_operator.cli.json_output import print_json
    from aster_operator.cli.points_tables import print_profiles
    from aster_operator.monitoring.pictures.points import profile_state
    from aster_operator.rewards.profile import load_profile, profile_text, shipped_profiles

    if name is not None and not json_output:
        print(profile_text(name), end="")
        return
    names = shipped_profiles() if name is None else [name]
    profiles = [load_profile(each) for each in names]
    today = _today()
    if json_output:
        print_json({"profiles": [profile_state(profile, today) for profile in profiles]})
    else:
        print_profiles(profiles, today)
