"""`points` on books with known content: the resized plan of a week, and everything around it."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cli_calls import Call

sys.path.insert(0, str(Path(__file__).parents[1] / "database"))
from books_values import make_fill, make_income

from aster_operator.database import queries
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import DAY_MS, HOUR_MS, WallClock
from aster_operator.domain.enums import LiquidityRole, PositionSide
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.monitoring.web.api import openapi_document

D = Decimal
MONDAY = datetime(2025, 11, 10, tzinfo=UTC)
MONDAY_MS = int(MONDAY.timestamp() * 1000)
WEEK_MS = 7 * DAY_MS
MINE = LedgerKey(venue="mainnet", account="0xabc")

Write = Callable[..., str]


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day after every dated programme, whatever the machine's clock says."""
    now_ms = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp() * 1000)
    monkeypatch.setattr(WallClock, "now_ms", lambda _: now_ms)


@pytest.fixture
def books(tmp_path: Path) -> Write:
    """Write fills and income for one ledger after another; the address of the books comes back."""
    address = f"sqlite:///{tmp_path / 'books.db'}"

    def write(fills: list[Fill], income: list[IncomeRow] | None = None, key: LedgerKey = MINE) -> str:
        engine = open_books(address)
        recorder = TradeRecorder(engine, key, f"run-{key.venue}-{key.account}-{key.instance}")
        recorder.record_fills(fills)
        recorder.record_income_rows(income or [])
        engine.dispose()
        return address

    return write


def legs(number: int, time_ms: int, *, opens: bool, **changes: Any) -> list[Fill]:
    """Both legs of a pair of 10 units at 100 USD, taker at 4 bps."""
    return [
        make_fill(
            **{
                "trade_id": number + place,
                "side": side.opening_side if opens else side.closing_side,
                "position_side": side,
                "price": D(100),
                "quantity": D(10),
                "commission": D("0.4"),
                "realized_pnl": D(0),
                "event_ms": time_ms,
            }
            | changes
        )
        for place, side in enumerate((PositionSide.LONG, PositionSide.SHORT))
    ]


def week_of_pairs(week: int, pairs: int = 1, **changes: Any) -> list[Fill]:
    """Pairs held for a day each, beginning with the epoch."""
    start_ms = MONDAY_MS + week * WEEK_MS
    found = []
    for pair in range(pairs):
        number = 1000 * week + 10 * pair + 1
        found += legs(number, start_ms + pair * DAY_MS, opens=True, **changes)
        found += legs(number + 2, start_ms + (pair + 1) * DAY_MS, opens=False, **changes)
    return found


def answer(call: Call, *options: str) -> Any:
    done = call("points", *options, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    components = openapi_document()["components"]
    jsonschema.validate(
        json.loads(done.stdout), {"$ref": "#/components/schemas/Points", "components": components}
    )
    return json.loads(done.stdout, parse_float=Decimal, parse_int=Decimal)


# --- no books, no programme -----------------------------------------------------------------------------


def test_empty_books_say_so_and_are_no_error(call: Call) -> None:
    done = call("points")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The books hold no trades and no funding that match")
    found = answer(call)
    assert (found["epochs"], found["books"], found["profile"]["name"]) == ([], [], "none")


def test_without_a_programme_there_is_cost_and_no_price_of_a_point(call: Call, books: Write) -> None:
    url = books(week_of_pairs(0, pairs=2))
    found = answer(call, "--database-url", url)
    (week,) = found["epochs"]
    assert (week["venue"], week["first"], week["last"]) == ("mainnet", "2025-11-10", "2025-11-16")
    assert (week["volume_usd"], week["taker_volume_usd"], week["maker_volume_usd"]) == (8000, 8000, 0)
    assert (week["position_usd_hours"], week["hedged_share"]) == (2000 * 48, 1)
    assert (week["cost_usd"], week["cost_per_100k_usd"]) == (D("3.2"), 40)
    assert week["points"] == {"low": 0, "base": 0, "high": 0, "left_out": []}
    assert week["cost_per_1k_points_usd"] == {"best": None, "base": None, "worst": None}
    assert found["books"][0]["verdict"].startswith(
        "Trading $8,000 cost $3.20 ($40.00 per $100k). No programme that pays points for trading is known"
    )


def test_people_see_tables_the_verdict_and_what_is_at_risk(call: Call, books: Write) -> None:
    url = books([*week_of_pairs(0), *week_of_pairs(1)])
    done = call("points", "--database-url", url, "--profile", "dawn-crystal", "--point-value", "0.001")
    assert (done.returncode, done.stderr) == (0, "")
    words = " ".join(done.stdout.split())
    assert "mainnet: activity" in words
    assert "2025-11-17*" in words  # the records end within the second week
    assert "1,000 points cost $" in words
    assert "At $0.00100 a point they are worth" in words
    assert "Points at risk: 100% of the position-hours offset each other on one symbol." in words
    assert "[O4, A] Hedging and wash trading for points are not encouraged" in words
    assert "The programme ended on 2026-02-01" in words
    assert "* Incomplete: 2025-11-17" in words


def test_a_position_without_a_hedge_is_not_at_risk(call: Call, books: Write) -> None:
    url = books([fill for fill in week_of_pairs(0) if fill.position_side is PositionSide.LONG])
    done = call("points", "--database-url", url, "--profile", "dawn-crystal")
    assert done.returncode == 0
    assert "Points at risk" not in done.stdout


# --- what is read ---------------------------------------------------------------------------------------


def test_funding_liquidations_fees_and_price_effects_are_cost(call: Call, books: Write) -> None:
    income = [
        make_income(1, income=D("-0.5"), time_ms=MONDAY_MS + 1),
        make_income(2, income=D("0.2"), time_ms=MONDAY_MS + 2),
        make_income(3, income=D("-4"), time_ms=MONDAY_MS + 3, income_type="INSURANCE_CLEAR"),
        make_income(4, income=D("900"), time_ms=MONDAY_MS + 4, income_type="TRANSFER"),
        make_income(5, income=D("-7"), time_ms=MONDAY_MS + 5, asset="BNB"),
    ]
    fills = [
        *legs(1, MONDAY_MS, opens=True, realized_pnl=D("-1.5")),
        *legs(3, MONDAY_MS + HOUR_MS, opens=False, commission=D("0.1"), commission_asset="ASTER"),
    ]
    (week,) = answer(call, "--database-url", books(fills, income))["epochs"]
    assert (week["fees_usd"], week["other_fees"]) == (D("0.8"), {"ASTER": D("0.2")})
    assert (week["funding_usd"], week["liquidation_fees_usd"]) == (D("-0.3"), 4)
    assert week["realized_pnl_usd"] == -3
    assert week["cost_usd"] == D("0.8") + D("0.3") + 4 + 3
    shown = call("points", "--database-url", books([])).stdout
    assert "4.80 + 0.2 ASTER" in shown
    assert "Fees paid in ASTER are in neither cost nor points" in shown


def test_maker_volume_is_told_apart(call: Call, books: Write) -> None:
    fills = [*legs(1, MONDAY_MS, opens=True, role=LiquidityRole.MAKER), *legs(3, MONDAY_MS + 1, opens=False)]
    (week,) = answer(call, "--database-url", books(fills))["epochs"]
    assert (week["maker_volume_usd"], week["taker_volume_usd"]) == (2000, 2000)


def test_play_money_and_real_money_are_never_added(call: Call, books: Write) -> None:
    books(week_of_pairs(0))
    books(week_of_pairs(0), key=LedgerKey(venue="sim", account="0xabc", instance="life-1"))
    url = books(week_of_pairs(0), key=LedgerKey(venue="sim", account="0xabc", instance="life-2"))
    found = answer(call, "--database-url", url)
    assert [(week["venue"], week["instance"]) for week in found["epochs"]] == [
        ("mainnet", ""), ("sim", "life-1"), ("sim", "life-2"),
    ]  # fmt: skip
    assert {week["volume_usd"] for week in found["epochs"]} == {D(4000)}
    assert [book["venue"] for book in answer(call, "--database-url", url, "--venue", "sim")["books"]] == [
        "sim"
    ] * 2


def test_a_hedge_across_own_accounts_is_a_hedge(call: Call, books: Write) -> None:
    fills = week_of_pairs(0)
    books([fill for fill in fills if fill.position_side is PositionSide.LONG])
    other = LedgerKey(venue="mainnet", account="0xdef")
    url = books([fill for fill in fills if fill.position_side is PositionSide.SHORT], key=other)
    found = answer(call, "--database-url", url)
    assert [week["hedged_share"] for week in found["epochs"]] == [1]
    assert found["books"][0]["accounts"] == 2
    engine = open_books(url)
    with engine.connect() as connection:
        assert queries.ledgers(connection, Selection()) == [MINE, other]
        assert queries.ledgers(connection, Selection(venue="sim")) == []
    engine.dispose()


def test_what_was_held_at_the_time_asked_for_was_opened_earlier(call: Call, books: Write) -> None:
    url = books(week_of_pairs(0))
    noon = (MONDAY + timedelta(hours=12)).isoformat()
    (week,) = answer(call, "--database-url", url, "--since", noon)["epochs"]
    assert (week["volume_usd"], week["position_usd_hours"], week["is_complete"]) == (2000, 2000 * 12, False)
    (week,) = answer(call, "--database-url", url, "--until", noon)["epochs"]
    assert (week["volume_usd"], week["position_usd_hours"]) == (2000, 2000 * 12)
    assert answer(call, "--database-url", url, "--since", "2025-12-01")["epochs"] == []


def test_closes_without_openings_are_said(call: Call, books: Write) -> None:
    url = books(legs(1, MONDAY_MS, opens=False))
    assert "2 trades closed positions whose opening the books do not hold" in " ".join(
        call("points", "--database-url", url).stdout.split()
    )


# --- programmes -----------------------------------------------------------------------------------------


def test_team_and_referral_enter_the_estimate(call: Call, books: Write) -> None:
    url = books([fill for fill in week_of_pairs(0) if fill.position_side is PositionSide.LONG])
    options = ("--database-url", url, "--profile", "dawn-crystal")
    plain = answer(call, *options)["epochs"][0]["points"]
    # 0.8 USD of fees at 100 points, 24,000 dollar-hours at half a point for a thousand
    assert plain["base"] == 80 + 12
    boosted = answer(call, *options, "--team", "1.5", "--referral", "15")["epochs"][0]["points"]
    assert boosted["base"] == D("1.5") * 92 + 15


def test_a_ranked_stage_gives_a_range_only(call: Call, books: Write) -> None:
    url = books(week_of_pairs(0))
    (week,) = answer(call, "--database-url", url, "--profile", "genesis")["epochs"]
    assert week["points"]["base"] is None
    assert (week["points"]["low"], week["points"]["high"]) == (0, 2 * 4000 + 2 * 4000)
    assert week["is_within_programme"] is False


@pytest.mark.parametrize(
    ("profile", "words"),
    [("trade-and-earn", "weeks that qualify"), ("staking-boost", "staking power")],
)
def test_programmes_without_points_have_their_own_table(
    profile: str, words: str, call: Call, books: Write
) -> None:
    url = books(week_of_pairs(0, pairs=3, quantity=D(150)))
    shown = call("points", "--database-url", url, "--profile", profile)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert words in shown.stdout
    assert "points, and what" not in shown.stdout
    found = answer(call, "--database-url", url, "--profile", profile)["epochs"]
    assert all(week["points"] is None for week in found)
    if profile == "trade-and-earn":
        assert [(week["first"], week["trade_and_earn"]["qualified"]) for week in found] == [
            ("2025-11-06", True), ("2025-11-13", False),
        ]  # fmt: skip


def test_a_profile_of_ones_own(call: Call, books: Write, tmp_path: Path) -> None:
    copied = call("points", "profiles", "dawn-crystal").stdout
    mine = tmp_path / "mine.yaml"
    mine.write_text(copied.replace("name: dawn-crystal", "name: mine").replace("base: 100,", "base: 200,"))
    url = books([fill for fill in week_of_pairs(0) if fill.position_side is PositionSide.LONG])
    found = answer(call, "--database-url", url, "--profile", str(mine))
    assert (found["profile"]["name"], found["epochs"][0]["points"]["base"]) == ("mine", 160 + 12)


# --- official totals ------------------------------------------------------------------------------------


def official(tmp_path: Path, points: list[str]) -> str:
    path = tmp_path / "totals.yaml"
    lines = [
        f"  - {{first: {(MONDAY + timedelta(weeks=week)).date()}, points: {each}}}"
        for week, each in enumerate(points)
    ]
    path.write_text("epochs:\n" + "\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def five_weeks(books: Write) -> str:
    """Five weeks with different shares of fees and holding; the fifth is not over."""
    fills = []
    for week, (pairs, commission) in enumerate(((1, "0.4"), (2, "0.1"), (3, "0.4"), (1, "0"), (1, "1"))):
        fills += week_of_pairs(week, pairs=pairs, commission=D(commission))
    return books(fills)


def test_weights_are_fitted_to_official_totals(call: Call, five_weeks: str, tmp_path: Path) -> None:
    # Fees of each week x 100, and a point for each thousand dollar-hours after the discount of 0.75.
    totals = [D(pairs * 4) * D(fee) * 100 + D(48 * pairs) * D("0.25") for pairs, fee in
              ((1, "0.4"), (2, "0.1"), (3, "0.4"), (1, "0"))]  # fmt: skip
    options = ("--database-url", five_weeks, "--profile", "dawn-crystal", "--official")
    path = official(tmp_path, [str(total) for total in totals])
    fit = answer(call, *options, path)["calibration"]
    assert fit["weights"] == {"fee_per_usd": 100, "position_per_1k_usd_hour": 1}
    assert fit["root_mean_square_residual"] == 0
    assert [row["residual"] for row in fit["epochs"]] == [0] * 4
    assert "maker_liquidity_per_1k_usd" in fit["not_identified"]
    shown = call("points", *options, path)
    assert "2 weights fitted to 4 epochs" in " ".join(shown.stdout.split())
    assert "fee_per_usd = 100.000000" in shown.stdout


def test_fewer_than_four_official_totals_are_refused(call: Call, five_weeks: str, tmp_path: Path) -> None:
    options = (
        "--database-url",
        five_weeks,
        "--profile",
        "dawn-crystal",
        "--official",
        official(tmp_path, ["9"] * 3),
    )
    assert "3 epochs have both" in answer(call, *options)["calibration"]["refused"]
    shown = call("points", *options)
    assert shown.returncode == 0
    assert "No calibration: 3 epochs have both an official total and records" in " ".join(
        shown.stdout.split()
    )


def test_a_week_that_is_not_over_is_not_fitted(call: Call, five_weeks: str, tmp_path: Path) -> None:
    options = ("--database-url", five_weeks, "--profile", "dawn-crystal", "--official")
    fit = answer(call, *options, official(tmp_path, ["100"] * 5))["calibration"]
    assert len(fit["epochs"]) == 4
    assert fit["without_records"] == ["2025-12-08"]


# --- what is refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--profile", "genesi"], "no profile genesi (No such file or directory): did you mean genesis?"),
        (["--team", "x"], "'x' is not a number, --team: write it like 1.05"),
        (["--team", "0.9"], "0.9 is too small, --team: give at least 1"),
        (["--team", "nan"], "'nan' is not a number, --team: write it like 1.05"),
        (["--referral", "-1"], "-1 is too small, --referral: give at least 0"),
        (["--point-value", "-1"], "-1 is too small, --point-value: give at least 0"),
        (["--since", "monday"],
         "'monday' is no day or time, --since: write 2026-02-20 or 2026-02-20T08:00 (UTC)"),
        (["--official", "totals.yaml"],
         "the profile none has no weights to fit, --official: choose one with --profile"),
        (["--official", "totals.yaml", "--profile", "staking-boost"],
         "the profile staking-boost has no weights to fit, --official: choose one with --profile"),
        (["--official", "totals.yaml", "--profile", "genesis"],
         "no file of official totals totals.yaml (No such file or directory): check the path"),
    ],
)  # fmt: skip
def test_a_problem_is_one_line(options: list[str], problem: str, call: Call) -> None:
    done = call("points", *options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"aster-operator: {problem}\n")


def test_a_faulty_profile_names_file_and_key(call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        call("points", "profiles", "genesis").stdout.replace("version: 1", "version: one")
    )
    done = call("points", "--profile", "mine.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "aster-operator: Expected `int`, got `str`, mine.yaml, version: correct the file\n"


def test_official_totals_belong_to_one_venue(call: Call, books: Write, tmp_path: Path) -> None:
    books(week_of_pairs(0))
    url = books(week_of_pairs(0), key=LedgerKey(venue="testnet", account="0xabc"))
    totals = official(tmp_path, ["1"])
    done = call("points", "--database-url", url, "--profile", "convergence", "--official", totals)
    assert (
        done.stderr == "aster-operator: the books hold several venues, --official: choose one with --venue\n"
    )


# --- the profiles ---------------------------------------------------------------------------------------


def test_profiles_are_listed_with_dates_and_whether_they_can_be_live(call: Call) -> None:
    done = call("points", "profiles")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2025-09-08" in done.stdout
    assert "No programme that pays points for trading is known to run." in done.stdout
    assert "Default: none." in done.stdout
    listed = json.loads(call("points", "profiles", "--json").stdout)["profiles"]
    assert listed[0]["name"] == "none"
    assert not any(profile["is_live"] for profile in listed)
    one = json.loads(call("points", "profiles", "genesis", "--json").stdout)["profiles"]
    assert [(profile["name"], profile["kind"], profile["state"]) for profile in one] == [
        ("genesis", "points", "ended")
    ]


def test_a_profile_can_be_read(call: Call) -> None:
    done = call("points", "profiles", "none")
    assert done.stdout.startswith("# The default: no reward programme.")
    assert call("points", "profiles", "nine").stderr.startswith("aster-operator: no profile nine")


def test_a_programme_within_its_dates_is_live(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WallClock, "now_ms", lambda _: MONDAY_MS)
    listed = json.loads(call("points", "profiles", "--json").stdout)["profiles"]
    assert [profile["name"] for profile in listed if profile["is_live"]] == ["dawn-crystal"]
    assert "is known to run" not in call("points", "profiles").stdout
