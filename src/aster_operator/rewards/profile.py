"""Campaign profiles: dated, versioned descriptions of reward programmes, read from YAML.

Three kinds. `points`: an Rh stage with a points formula. `trade-and-earn`: a yield on collateral for those
who trade enough in a week. `staking-boost`: a factor on staking power by weekly volume. A profile says what
was known on the day `checked`, and of every number how well.
"""

import difflib
import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from aster_operator.rewards.epochs import Epoch, EpochWeek, first_ms_of
from aster_operator.rewards.errors import ProfileError
from aster_operator.rewards.records import Market, SymbolBoost, require_amount
from aster_operator.rewards.weights import Weight, WeightTable

__all__ = [
    "NO_PROGRAMME",
    "BoostTier",
    "Campaign",
    "Liveness",
    "PointsProfile",
    "Profile",
    "Source",
    "StakingBoostProfile",
    "StatedView",
    "TeamTier",
    "TradeAndEarnProfile",
    "decode_yaml",
    "load_profile",
    "profile_text",
    "shipped_profiles",
]

NO_PROGRAMME = "none"
"""Name of the default profile: no programme, a point is worth nothing."""

RankedComponent = Literal["position", "asset", "pnl"]


class Liveness(StrEnum):
    """What the profile's dates say about a day."""

    NO_PROGRAMME = "no programme"
    NOT_BEGUN = "not begun"
    WITHIN_DATES = "within its dates"
    UNCONFIRMED = "no end known, unconfirmed"
    ENDED = "ended"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a statement comes from. `dated` is text, for sources that carry no exact date."""

    title: str
    dated: str


class StatedView(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the venue, or somebody about it, says on hedged or wash-like trading; in our own words."""

    text: str
    source: str
    confidence: str


class TeamTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From this many points of the team on, its members' points are multiplied."""

    team_points: Decimal
    multiplier: Decimal

    def __post_init__(self) -> None:
        require_amount("team_points", self.team_points)
        require_amount("multiplier", self.multiplier, least=1)


class Campaign(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="campaign"
):
    """What every profile says. `first` and `last` are UTC days; null when unknown or open."""

    name: str
    version: int
    title: str
    first: date | None
    last: date | None
    checked: date
    week: EpochWeek
    sources: dict[str, Source]
    stated_views: tuple[StatedView, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", self.name):
            raise ValueError("name must be lower-case letters, digits and hyphens")
        if self.version < 1:
            raise ValueError("version must be at least 1")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("last must not be before first")
        named = [view.source for view in self.stated_views] + [weight.source for weight in self.weight_list()]
        for key in named:
            if key not in self.sources:
                raise ValueError(f"source {key} is not among the sources")

    def weight_list(self) -> tuple[Weight, ...]:
        """Every number with a source that the profile holds."""
        return ()

    def liveness(self, day: date) -> Liveness:
        if self.name == NO_PROGRAMME:
            return Liveness.NO_PROGRAMME
        if self.first is not None and day < self.first:
            return Liveness.NOT_BEGUN
        if self.last is None:
            return Liveness.UNCONFIRMED
        return Liveness.ENDED if day > self.last else Liveness.WITHIN_DATES

    def covers(self, epoch: Epoch) -> bool:
        """Whether the whole epoch lies within the dates, as far as they are known."""
        begun = self.first is None or epoch.start_ms >= first_ms_of(self.first)
        return begun and (self.last is None or epoch.last_day <= self.last)


class PointsProfile(Campaign, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="points"):
    """An Rh stage. `ranked` components are scored by leaderboard place, so that only bounds are known.

    `markets` are those whose trades score; `pnl_window_hours` the span over which profits and losses net;
    `point_value_usd` what one point is taken to be worth.
    """

    markets: tuple[Market, ...]
    pnl_window_hours: Literal[1, 24]
    weights: WeightTable
    ranked: tuple[RankedComponent, ...] = ()
    team_tiers: tuple[TeamTier, ...] = ()
    symbol_boosts: tuple[SymbolBoost, ...] = ()
    point_value_usd: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_amount("point_value_usd", self.point_value_usd)

    def weight_list(self) -> tuple[Weight, ...]:
        return tuple(weight for weight in self.weights.items().values() if weight is not None)


class TradeAndEarnProfile(
    Campaign, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="trade-and-earn"
):
    """A yield on USDF or asBNB held as margin, for weeks with enough volume on enough days.

    `bonus_rate_pct` is what qualifying adds per year, `holding_rate_pct` what is quoted for the asset itself.
    """

    min_volume_usd: Weight
    min_active_days: Weight
    max_collateral_usd: Weight
    holding_rate_pct: Weight
    bonus_rate_pct: Weight

    def weight_list(self) -> tuple[Weight, ...]:
        return (
            self.min_volume_usd,
            self.min_active_days,
            self.max_collateral_usd,
            self.holding_rate_pct,
            self.bonus_rate_pct,
        )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(weight.is_known for weight in self.weight_list()):
            raise ValueError("every number of a trade-and-earn profile must be known")


class BoostTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Above `volume_above_usd` in an epoch, staking power counts `multiplier` times."""

    volume_above_usd: Decimal
    multiplier: Weight

    def __post_init__(self) -> None:
        require_amount("volume_above_usd", self.volume_above_usd)


class StakingBoostProfile(
    Campaign, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="staking-boost"
):
    """A factor on staking power by the volume of an epoch; `tiers` from the lowest volume to the highest."""

    tiers: tuple[BoostTier, ...]

    def weight_list(self) -> tuple[Weight, ...]:
        return tuple(tier.multiplier for tier in self.tiers)

    def __post_init__(self) -> None:
        super().__post_init__()
        volumes = [tier.volume_above_usd for tier in self.tiers]
        if not volumes or volumes != sorted(set(volumes)):
            raise ValueError("tiers must be listed from the lowest volume to the highest")
        if not all(tier.multiplier.is_known for tier in self.tiers):
            raise ValueError("every multiplier must be known")


Profile = PointsProfile | TradeAndEarnProfile | StakingBoostProfile


# --- files ----------------------------------------------------------------------------------------------


def shipped_profiles() -> dict[str, Path]:
    """Name to file of the profiles that come with the program; `none` first, then by name."""
    folder = Path(str(resources.files("aster_operator.rewards"))) / "profiles"
    files = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    return {NO_PROGRAMME: files[NO_PROGRAMME]} | files


def load_profile(source: str | Path) -> Profile:
    """A shipped profile by its name, or a person's own file. Raises ProfileError."""
    path, text = _read(source)
    profile: Profile = decode_yaml(text, Profile, path)
    return profile


def profile_text(source: str | Path) -> str:
    """The YAML of a profile, to read or to copy as the beginning of one's own. Raises ProfileError."""
    return _read(source)[1]


def _read(source: str | Path) -> tuple[Path, str]:
    shipped = shipped_profiles()
    path = shipped.get(str(source), Path(source))
    try:
        return path, path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ProfileError(f"not a text file, {path}: give a YAML file") from None
    except OSError as error:
        near = difflib.get_close_matches(str(source), shipped, n=1)
        hint = f"did you mean {near[0]}?" if near else f"give a file, or one of {', '.join(shipped)}"
        raise ProfileError(f"no profile {source} ({error.strerror}): {hint}") from error


def decode_yaml(text: str, kind: Any, path: Path | str) -> Any:
    """YAML as a `kind`. Raises ProfileError, one line that names the file and the key."""
    try:
        return msgspec.yaml.decode(text, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        words = " ".join(str(error).split())
        found = re.fullmatch(r"(.*) - at `(?:key in )?\$\.?(.*)`", words)
        where = f"{path}, {found[2]}" if found and found[2] else str(path)
        raise ProfileError(f"{found[1] if found else words}, {where}: correct the file") from None
