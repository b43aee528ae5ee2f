"""Weights of a points formula: three values each with their source, and the set that one scenario uses."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Literal

import msgspec

from aster_operator.domain.money import ZERO

__all__ = ["Scenario", "Weight", "WeightTable", "Weights"]


class Scenario(StrEnum):
    """Which end of the known range every weight is taken from, seen from the points it gives."""

    LOW = "low"
    BASE = "base"
    HIGH = "high"


class Weight(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One number of a programme. All three values null: the number exists but nobody outside knows it.

    `source` is a key of the profile's sources, `date` when that source was published or else read,
    `confidence` a letter: A official text, B dated mirror or account reading, C press, D a third party's
    reading, E our own assumption; two letters where the value mixes two.
    """

    low: Decimal | None
    base: Decimal | None
    high: Decimal | None
    source: str
    date: date
    confidence: Literal["A", "B", "C", "D", "E", "A/C", "A/D", "A/E", "B/D", "C/D", "D/E"]
    note: str = ""

    def __post_init__(self) -> None:
        values = (self.low, self.base, self.high)
        known = [value for value in values if value is not None]
        if any(not value.is_finite() or value < 0 for value in known):
            raise ValueError("low, base and high must be numbers of at least 0")
        if 0 < len(known) < len(values):
            raise ValueError("low, base and high must be given together, or all be null for unknown")
        if known != sorted(known):
            raise ValueError("low must not be above base, nor base above high")

    @property
    def is_known(self) -> bool:
        return self.base is not None

    @property
    def is_zero(self) -> bool:
        """True when the programme is known to pay nothing for it."""
        return self.high is not None and self.high == 0

    def at(self, scenario: Scenario) -> Decimal | None:
        return {Scenario.LOW: self.low, Scenario.BASE: self.base, Scenario.HIGH: self.high}[scenario]


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one scenario. None: unknown, so that the component is left out and named as such.

    `fee_per_usd`: points for each USD of fees paid. `*_volume_per_usd`: for each USD of notional.
    `maker_liquidity_per_1k_usd`: for each 1,000 USD of resting notional that was filled.
    `position_` and `asset_per_1k_usd_hour`: for 1,000 USD held an hour. `win_`, `loss_per_usd`: for each USD
    of net realised profit or loss of an hour. `hedge_discount`: share of a position's offset part that does
    not count (0 gross counts, 1 offset legs earn nothing). `hedge_adjustment`: what is left of an epoch's
    points when its positions offset each other (0 void, 1 untouched). Caps: points for each USD of volume,
    None without a cap. (Points and costs, section 5.2.)
    """

    fee_per_usd: Decimal | None = ZERO
    maker_volume_per_usd: Decimal | None = ZERO
    taker_volume_per_usd: Decimal | None = ZERO
    maker_liquidity_per_1k_usd: Decimal | None = ZERO
    position_per_1k_usd_hour: Decimal | None = ZERO
    asset_per_1k_usd_hour: Decimal | None = ZERO
    win_per_usd: Decimal | None = ZERO
    loss_per_usd: Decimal | None = ZERO
    liquidation_fee_per_usd: Decimal | None = ZERO
    hedge_discount: Decimal = ZERO
    hedge_adjustment: Decimal = Decimal(1)
    position_cap_per_usd: Decimal | None = None
    asset_cap_per_usd: Decimal | None = None


class WeightTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The weights of a profile; fields as in `Weights`, none of them optional but the caps.

    Raises ValueError for shares above 1 or unknown, which no estimate could do without.
    """

    fee_per_usd: Weight
    maker_volume_per_usd: Weight
    taker_volume_per_usd: Weight
    maker_liquidity_per_1k_usd: Weight
    position_per_1k_usd_hour: Weight
    asset_per_1k_usd_hour: Weight
    win_per_usd: Weight
    loss_per_usd: Weight
    liquidation_fee_per_usd: Weight
    hedge_discount: Weight
    hedge_adjustment: Weight
    position_cap_per_usd: Weight | None = None
    asset_cap_per_usd: Weight | None = None

    def __post_init__(self) -> None:
        for name in ("hedge_discount", "hedge_adjustment"):
            weight: Weight = getattr(self, name)
            if weight.high is None or weight.high > 1:
                raise ValueError(f"{name} must be known and between 0 and 1")
        for name in ("position_cap_per_usd", "asset_cap_per_usd"):
            cap: Weight | None = getattr(self, name)
            if cap is not None and not cap.is_known:
                raise ValueError(f"{name} must be known; leave it out where no cap was found")

    def at(self, scenario: Scenario) -> Weights:
        """The set for a scenario. A discount lowers points, so the low scenario takes its high end."""
        opposite = {Scenario.LOW: Scenario.HIGH, Scenario.BASE: Scenario.BASE, Scenario.HIGH: Scenario.LOW}
        values = {
            name: None if weight is None else weight.at(scenario) for name, weight in self.items().items()
        }
        values["hedge_discount"] = self.hedge_discount.at(opposite[scenario])
        return msgspec.convert(values, Weights)

    def items(self) -> dict[str, Weight | None]:
        """Every weight by its name."""
        return {name: getattr(self, name) for name in self.__struct_fields__}
