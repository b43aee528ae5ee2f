"""Profiles: complete, sourced, and refused with one line when they are not."""

import ast
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from rewards_values import points_profile

import aster_operator.rewards as room
from aster_operator.rewards.epochs import EpochWeek, epoch_at, first_ms_of
from aster_operator.rewards.errors import ProfileError
from aster_operator.rewards.profile import (
    Liveness,
    StakingBoostProfile,
    TradeAndEarnProfile,
    load_profile,
    profile_text,
    shipped_profiles,
)
from aster_operator.rewards.weights import Scenario

TODAY = date(2026, 11, 21)
NAMES = list(shipped_profiles())
POINTS = ["none", "genesis", "dawn-crystal", "convergence"]


def test_the_room_knows_the_domain_and_nothing_else() -> None:
    seen = set()
    for path in Path(str(room.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("aster_operator."):
                seen.add((node.module or "").split(".")[1])
    assert seen == {"rewards", "domain"}


def test_the_default_comes_first_and_every_programme_is_there() -> None:
    assert NAMES == ["none", "convergence", "dawn-crystal", "genesis", "staking-boost", "trade-and-earn"]


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_is_named_dated_and_sourced(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.checked <= TODAY
    assert profile.stated_views
    assert profile.weight_list()
    for weight in profile.weight_list():
        assert weight.source in profile.sources
        assert date(2025, 1, 1) < weight.date <= TODAY
    cited = {weight.source for weight in profile.weight_list()} | {v.source for v in profile.stated_views}
    cited |= set(re.findall(r"\[([A-Z]+\d*)\]", " ".join(profile.notes)))
    assert cited == set(profile.sources)


@pytest.mark.parametrize("name", NAMES)
def test_dates_are_those_of_whole_epochs(name: str) -> None:
    profile = load_profile(name)
    if profile.first and profile.last:
        assert epoch_at(first_ms_of(profile.first), profile.week).first_day == profile.first
        assert epoch_at(first_ms_of(profile.last), profile.week).last_day == profile.last


@pytest.mark.parametrize(
    ("name", "day", "state"),
    [
        ("none", TODAY, Liveness.NO_PROGRAMME),
        ("genesis", date(2025, 9, 7), Liveness.NOT_BEGUN),
        ("genesis", date(2025, 10, 5), Liveness.WITHIN_DATES),
        ("genesis", date(2025, 10, 6), Liveness.ENDED),
        ("convergence", TODAY, Liveness.ENDED),
        ("trade-and-earn", TODAY, Liveness.UNCONFIRMED),
    ],
)
def test_dates_say_whether_a_campaign_can_be_live(name: str, day: date, state: Liveness) -> None:
    assert load_profile(name).liveness(day) is state


def test_no_points_campaign_is_live_by_its_dates_today() -> None:
    assert {load_profile(name).liveness(TODAY) for name in POINTS} == {Liveness.NO_PROGRAMME, Liveness.ENDED}


def test_an_epoch_is_covered_only_as_a_whole() -> None:
    profile = points_profile("genesis")
    for day, covered in ((date(2025, 9, 8), True), (date(2025, 10, 5), True), (date(2025, 10, 6), False)):
        epoch = epoch_at(first_ms_of(day), EpochWeek.MONDAY)
        assert profile.covers(epoch) is covered
    thursday = epoch_at(first_ms_of(date(2025, 9, 8)), EpochWeek.THURSDAY)
    assert not profile.covers(thursday)


def test_no_programme_pays_nothing_and_counts_every_hedge_against_it() -> None:
    profile = points_profile("none")
    weights = profile.weights.at(Scenario.HIGH)
    assert profile.point_value_usd == 0
    assert [n for n, w in profile.weights.items().items() if w and not w.is_zero] == ["hedge_discount"]
    assert (weights.hedge_discount, weights.hedge_adjustment) == (1, 0)


@pytest.mark.parametrize("name", ["dawn-crystal", "convergence"])
def test_the_third_partys_guesses_are_as_published(name: str) -> None:
    weights = points_profile(name).weights
    assert (weights.fee_per_usd.low, weights.fee_per_usd.base, weights.fee_per_usd.high) == (10, 100, 1000)
    assert (weights.maker_liquidity_per_1k_usd.base, weights.maker_liquidity_per_1k_usd.high) == (1, 20)
    assert weights.position_per_1k_usd_hour.base == Decimal("0.5")
    # A point for each dollar and day, by the thousand dollars and hour.
    assert round((weights.position_per_1k_usd_hour.high or 0) * 24) == 1000
    assert not weights.liquidation_fee_per_usd.is_known


def test_a_discount_lowers_points_so_the_low_scenario_takes_its_high_end() -> None:
    table = points_profile("genesis").weights
    assert (table.at(Scenario.LOW).hedge_discount, table.at(Scenario.LOW).hedge_adjustment) == (1, 0)
    assert (table.at(Scenario.HIGH).hedge_discount, table.at(Scenario.HIGH).hedge_adjustment) == (0, 1)


def test_the_programmes_that_pay_no_points() -> None:
    earn, boost = load_profile("trade-and-earn"), load_profile("staking-boost")
    assert isinstance(earn, TradeAndEarnProfile)
    assert earn.week is EpochWeek.THURSDAY
    assert isinstance(boost, StakingBoostProfile)
    assert [tier.volume_above_usd for tier in boost.tiers] == [500_000, 50_000_000, 200_000_000]


# --- a person's own file --------------------------------------------------------------------------------


def test_a_copy_of_a_shipped_profile_is_a_profile(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(profile_text("dawn-crystal").replace("name: dawn-crystal", "name: mine"))
    assert load_profile(mine).name == "mine"
    assert load_profile(str(mine)).first == points_profile("dawn-crystal").first


WEIGHT = "fee_per_usd: {low: 10, base: 100, high: 1000, source: R1, date: 2026-09-03, confidence: D}"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("version: 1", "version: one", "version", "Expected `int`"),
        ("version: 1", "version: 0", "", "version must be at least 1"),
        ("name: dawn-crystal", "name: Dawn Crystal", "", "name must be lower-case"),
        ("week: monday", "week: friday", "week", "Invalid enum value"),
        ("week: monday", "", "", "missing required field `week`"),
        ("kind: points", "kind: lottery", "kind", "Invalid value"),
        ("title:", "titel:", "", "unknown field `titel`"),
        ("last: 2026-02-01", "last: 2025-02-01", "", "last must not be before first"),
        (WEIGHT, "", "weights", "missing required field `fee_per_usd`"),
        (WEIGHT, WEIGHT.replace("100,", "5,"), "weights.fee_per_usd", "low must not be above base"),
        (WEIGHT, WEIGHT.replace("100,", "null,"), "weights.fee_per_usd", "must be given together"),
        (WEIGHT, WEIGHT.replace("low: 10", "low: -1"), "weights.fee_per_usd", "at least 0"),
        (WEIGHT, WEIGHT.replace("low: 10", "low: .nan"), "weights.fee_per_usd", "at least 0"),
        (WEIGHT, WEIGHT.replace("low: 10", "low: ten"), "weights.fee_per_usd.low", "Invalid decimal"),
        (WEIGHT, WEIGHT.replace("R1", "R9"), "", "source R9 is not among the sources"),
        (WEIGHT, WEIGHT.replace("confidence: D", "confidence: Z"), "weights.fee_per_usd.confidence", "enum"),
        (WEIGHT, WEIGHT.replace("2026-09-03", "2026-13-03"), "", "month"),
        (
            "hedge_discount: {low: 0, base: 0.75, high: 1,",
            "hedge_discount: {low: 0, base: 0.75, high: 2,",
            "weights",
            "hedge_discount must be known and between 0 and 1",
        ),
        ("point_value_usd: 0", "point_value_usd: .nan", "", "point_value_usd must be a number"),
        ("multiplier: 1.05", "multiplier: 0.5", "team_tiers[0]", "multiplier must be a number of at least 1"),
        ("markets: [perp, spot]", "markets: [moon]", "markets[0]", "Invalid enum value"),
        ("kind: points", "kind: [points", "", ""),
        ("kind: points", "- kind", "", ""),
    ],
)
def test_a_faulty_file_is_refused_in_one_line_that_names_file_and_key(
    old: str, new: str, where: str, what: str, tmp_path: Path
) -> None:
    text = profile_text("dawn-crystal")
    assert old in text
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError) as refused:
        load_profile(mine)
    line = str(refused.value)
    assert "\n" not in line
    assert what in line
    assert f"{mine}, {where}:" in line if where else str(mine) in line


def test_tiers_and_numbers_of_the_other_kinds_are_checked(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        profile_text("staking-boost").replace("volume_above_usd: 50000000,", "volume_above_usd: 5,")
    )
    with pytest.raises(ProfileError, match="from the lowest volume to the highest"):
        load_profile(mine)
    mine.write_text(
        profile_text("trade-and-earn").replace(
            "bonus_rate_pct: {low: 0, base: 5.6, high: 5.6",
            "bonus_rate_pct: {low: null, base: null, high: null",
        )
    )
    with pytest.raises(ProfileError, match="must be known"):
        load_profile(mine)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("genesiss", "no profile genesiss (No such file or directory): did you mean genesis?"),
        ("zzz", "give a file, or one of none, convergence"),
        (".", "Is a directory"),
    ],
)
def test_a_profile_that_is_not_there(source: str, words: str) -> None:
    with pytest.raises(ProfileError) as refused:
        load_profile(source)
    assert words in str(refused.value)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ProfileError, match="not a text file"):
        load_profile(tmp_path / "mine.yaml")


def test_a_day_before_and_after_every_dated_programme() -> None:
    for name in ("genesis", "dawn-crystal", "convergence"):
        profile = points_profile(name)
        assert profile.first
        assert profile.last
        assert profile.liveness(profile.first - timedelta(days=1)) is Liveness.NOT_BEGUN
        assert profile.liveness(profile.last) is Liveness.WITHIN_DATES
        assert profile.liveness(profile.last + timedelta(days=1)) is Liveness.ENDED
