"""The day's plan: how many rounds each symbol still makes, when the next one is due, and whether the targets
can be reached at all.

A round of a symbol opens two legs, holds them and closes them: four legs of volume, in the order of expected
cost, the cheapest first. Volume counts in the plan from the opening on, its close included, wherever that
falls. The plan is a pure function of what was traded and held so far: a restart changes nothing in it.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

import msgspec

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, utc_day_start_ms
from aster_operator.domain.money import ZERO, plain_text, usd_text

__all__ = ["DayPlan", "Lane", "PlanRequest", "plan_day"]

_LEGS_OF_A_ROUND = 4
_EVEN_ROUNDS = 2
"""The last rounds share what is left evenly: one of them alone might be too small to be worth a rotation."""


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol that can make rounds. `leg_usd` is its full leg, `free_ms` when its next round may start:
    now, or when the pair it holds has been held long enough."""

    symbol: str
    leg_usd: Decimal
    free_ms: int

    @property
    def round_usd(self) -> Decimal:
        return _LEGS_OF_A_ROUND * self.leg_usd


class PlanRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `lanes` stand in the order of expected cost, the cheapest first.

    `planned_usd` is today's volume, done or bound to follow (every close of what is held). `round_ms` is the
    hold with the time it takes to open and close. Hold value is notional of both legs times hours, of the
    week that ends at `week_end_ms`; a target of zero asks for none.
    """

    now_ms: int
    lanes: tuple[Lane, ...]
    planned_usd: Decimal
    target_usd: Decimal
    hold_ms: int
    working_ms: int
    held_usd_hours: Decimal = ZERO
    hold_target_usd_hours: Decimal = ZERO
    week_end_ms: int = 0

    @property
    def round_ms(self) -> int:
        return self.hold_ms + self.working_ms

    @property
    def day_end_ms(self) -> int:
        return utc_day_start_ms(self.now_ms) + DAY_MS


class DayPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`rounds` still to start today, the leg of the next one, and when it must start at the latest for the
    rest to fit, by symbol. `reachable_usd` is the volume the day can come to. `shortfall` says in words why
    a target cannot be reached and which numbers would work; None when it can. `for_holding`: symbols to hold
    although the volume does not need them."""

    rounds: dict[str, int]
    leg_usd: dict[str, Decimal]
    latest_ms: dict[str, int]
    reachable_usd: Decimal
    shortfall: str | None = None
    hold_shortfall: str | None = None
    for_holding: frozenset[str] = frozenset()

    def serves(self, symbol: str) -> bool:
        """Whether the symbol has a part in the plan: rounds to make or value to hold."""
        return self.rounds.get(symbol, 0) > 0 or symbol in self.for_holding


def plan_day(request: PlanRequest) -> DayPlan:
    """The plan from now to the end of the UTC day."""
    needed = request.target_usd - request.planned_usd
    rounds: dict[str, int] = {}
    legs_usd: dict[str, Decimal] = {}
    for lane in request.lanes:
        rounds[lane.symbol], legs_usd[lane.symbol] = 0, lane.leg_usd
        if needed > 0 and lane.leg_usd > 0:
            starts = _starts(lane, request.round_ms, request.day_end_ms)
            rounds[lane.symbol] = count = min(starts, _ceiling(needed / lane.round_usd))
            if 0 < count <= _EVEN_ROUNDS:
                legs_usd[lane.symbol] = min(lane.leg_usd, needed / (count * _LEGS_OF_A_ROUND))
            needed -= count * lane.round_usd
    for_holding, hold_shortfall = _plan_holding(request, rounds)
    return DayPlan(
        rounds=rounds,
        leg_usd=legs_usd,
        latest_ms={lane.symbol: _latest_ms(lane, rounds[lane.symbol], request) for lane in request.lanes},
        reachable_usd=request.target_usd - max(needed, ZERO),
        shortfall=_shortfall(request, needed) if needed > 0 else None,
        for_holding=for_holding,
        hold_shortfall=hold_shortfall,
    )


def _starts(lane: Lane, round_ms: int, end_ms: int) -> int:
    """Rounds that can start before the end of the day."""
    left_ms = end_ms - lane.free_ms
    return 0 if left_ms <= 0 else 1 + (left_ms - 1) // round_ms


def _ceiling(value: Decimal) -> int:
    whole = int(value)
    return whole if whole == value else whole + 1


def _latest_ms(lane: Lane, rounds: int, request: PlanRequest) -> int:
    """When the next of `rounds` must start so that all of them still fit into the day."""
    return max(lane.free_ms, request.day_end_ms - rounds * request.round_ms)


# --- value held over the week ---------------------------------------------------------------------------


def _plan_holding(request: PlanRequest, rounds: dict[str, int]) -> tuple[frozenset[str], str | None]:
    """Symbols to hold beyond what the volume needs, the cheapest first, until the week's target is met."""
    missing = request.hold_target_usd_hours - request.held_usd_hours
    hours = Decimal(request.week_end_ms - request.now_ms) / HOUR_MS
    if request.hold_target_usd_hours <= 0 or missing <= 0 or hours <= 0:
        return frozenset(), None
    # While one round follows the other, nothing is held during the work between them.
    held_share = Decimal(request.hold_ms) / request.round_ms
    for_holding: set[str] = set()
    coming = ZERO
    for lane in sorted(request.lanes, key=lambda lane: rounds[lane.symbol] == 0):
        if coming >= missing:
            break
        for_holding.add(lane.symbol)
        coming += 2 * lane.leg_usd * hours * (held_share if rounds[lane.symbol] else 1)
    if coming >= missing:
        return frozenset(for_holding), None
    reachable = request.held_usd_hours + coming
    share = missing / coming if coming else None
    larger = "" if share is None else f", or legs {share:.2f} times as large (MAX_POSITION_SIZE_PCT)"
    return frozenset(for_holding), (
        f"hold value: {request.held_usd_hours:,.0f} of {request.hold_target_usd_hours:,.0f} USD-hours this "
        f"week, {hours:.0f} h left: at most {reachable:,.0f} can be reached; "
        f"WEEKLY_HOLD_TARGET_USD_HOURS {plain_text(_floor(reachable))} works{larger}"
    )


# --- which number would work ----------------------------------------------------------------------------


def _shortfall(request: PlanRequest, missing: Decimal) -> str:
    """Why today's volume cannot be reached, and what would work: on any day, or only today."""
    reachable = request.target_usd - missing
    whole_day = _day_capacity(request.lanes, request.round_ms)
    if whole_day >= request.target_usd:
        return (
            f"volume: {usd_text(max(reachable, ZERO), 0)} of {usd_text(request.target_usd, 0)} can still be "
            "reached today, a whole day is long enough"
        )
    words = [f"DAILY_VOLUME_TARGET {plain_text(_floor(whole_day))}"] if whole_day > 0 else []
    hold = _longest_hold_min(request)
    if hold is not None:
        words.append(f"POSITION_HOLD_TIME_MIN {hold}")
    if whole_day > 0:
        words.append(f"legs {request.target_usd / whole_day:.2f} times as large (MAX_POSITION_SIZE_PCT)")
    return (
        f"volume: a day with these sizes and holds comes to {usd_text(whole_day, 0)} at most, target "
        f"{usd_text(request.target_usd, 0)}; {' or '.join(words) or 'larger legs'} would work"
    )


def _day_capacity(lanes: Sequence[Lane], round_ms: int) -> Decimal:
    """Volume of a whole day in which every lane makes one round after the other."""
    starts = 1 + (DAY_MS - 1) // round_ms
    return sum((starts * lane.round_usd for lane in lanes), ZERO)


def _longest_hold_min(request: PlanRequest) -> int | None:
    """The longest hold in whole minutes, shorter than the one set, with which a day reaches the target."""
    per_start = sum((lane.round_usd for lane in request.lanes), ZERO)
    if per_start <= 0:
        return None
    starts = _ceiling(request.target_usd / per_start)
    longest_ms = (DAY_MS - 1) // max(1, starts - 1) - request.working_ms
    minutes = longest_ms // MINUTE_MS
    return minutes if minutes >= 1 else None


def _floor(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal(1), rounding=ROUND_FLOOR)
