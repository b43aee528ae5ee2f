"""What an epoch's records add up to, before any weight is applied."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.money import ZERO
from aster_operator.rewards.epochs import Epoch, EpochWeek, epoch_at
from aster_operator.rewards.records import (
    CollateralSnapshot,
    FillRecord,
    HourPnl,
    Market,
    PositionInterval,
    Records,
    SymbolBoost,
)

__all__ = ["Features", "collect_features", "split_by_epoch"]

_HOURS_OF_SNAPSHOT = 24


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over one epoch, in USD and USD-hours; the `boosted_` ones weighted with their symbol's boost.

    `volume_usd` is the notional of what scores, `hedged_usd_hours` the offset part of `position_usd_hours`.
    `won_usd` and `lost_usd` are both at least 0. `asset_usd_hours` None: no margin is on record.
    """

    volume_usd: Decimal = ZERO
    boosted_fees_usd: Decimal = ZERO
    boosted_maker_usd: Decimal = ZERO
    boosted_taker_usd: Decimal = ZERO
    position_usd_hours: Decimal = ZERO
    hedged_usd_hours: Decimal = ZERO
    asset_usd_hours: Decimal | None = None
    won_usd: Decimal = ZERO
    lost_usd: Decimal = ZERO
    liquidation_fees_usd: Decimal = ZERO

    @property
    def hedged_share(self) -> Decimal:
        """Part of the position-hours that offset each other; 0 when nothing was held."""
        return self.hedged_usd_hours / self.position_usd_hours if self.position_usd_hours else ZERO


def collect_features(
    records: Records,
    *,
    markets: Sequence[Market] = (Market.PERP, Market.SPOT),
    boosts: Sequence[SymbolBoost] = (),
    pnl_window_hours: int = 1,
) -> Features:
    """Add up `records`, which hold one epoch and nothing else. Fees that have no USD value are left out."""
    counted = [fill for fill in records.fills if fill.market in markets]
    fees = maker = taker = ZERO
    for fill in counted:
        boost = _boost(fill, boosts)
        fees += boost * max(fill.fee_usd or ZERO, ZERO)  # a rebate is no fee that scores
        if fill.is_maker:
            maker += boost * fill.notional
        else:
            taker += boost * fill.notional
    gross, hedged = _held(records.intervals)
    won, lost = _won_and_lost(records.hours, pnl_window_hours)
    return Features(
        volume_usd=sum((fill.notional for fill in counted), ZERO),
        boosted_fees_usd=fees,
        boosted_maker_usd=maker,
        boosted_taker_usd=taker,
        position_usd_hours=gross,
        hedged_usd_hours=hedged,
        asset_usd_hours=_asset_hours(records.collateral),
        won_usd=won,
        lost_usd=lost,
        liquidation_fees_usd=sum((event.fee_usd for event in records.liquidations), ZERO),
    )


def _boost(fill: FillRecord, boosts: Sequence[SymbolBoost]) -> Decimal:
    return next((boost.boost for boost in boosts if boost.applies(fill.symbol, fill.time_ms)), Decimal(1))


def _held(intervals: Iterable[PositionInterval]) -> tuple[Decimal, Decimal]:
    """Position-hours, and those of them that offset each other."""
    gross = hedged = ZERO
    for interval in intervals:
        gross += interval.usd_ms
        hedged += interval.usd_ms * interval.hedged_share
    return gross / HOUR_MS, hedged / HOUR_MS


def _won_and_lost(hours: Iterable[HourPnl], window_hours: int) -> tuple[Decimal, Decimal]:
    """Sums of net profits and of net losses; within a window of an account the two cancel."""
    windows: dict[tuple[str, int], Decimal] = {}
    for hour in hours:
        key = (hour.account, hour.hour_ms // (window_hours * HOUR_MS))
        windows[key] = windows.get(key, ZERO) + hour.pnl_usd
    won = sum((pnl for pnl in windows.values() if pnl > 0), ZERO)
    return won, -sum((pnl for pnl in windows.values() if pnl < 0), ZERO)


def _asset_hours(collateral: Sequence[CollateralSnapshot] | None) -> Decimal | None:
    """A snapshot stands for its day. Isolated margin does not count."""
    if collateral is None:
        return None
    crossed = [snapshot for snapshot in collateral if snapshot.is_cross]
    return sum(
        (snapshot.margin_usd * snapshot.programme_share * _HOURS_OF_SNAPSHOT for snapshot in crossed), ZERO
    )


def split_by_epoch(
    records: Records, since_ms: int, until_ms: int, week: EpochWeek
) -> list[tuple[Epoch, Records]]:
    """The part of each epoch in [since_ms, until_ms), oldest first; epochs in which nothing happened are
    left out. Positions that span epochs are cut at the borders."""
    parts: dict[Epoch, dict[str, list[object]]] = {}

    def put(name: str, time_ms: int, record: object) -> None:
        if since_ms <= time_ms < until_ms:
            parts.setdefault(epoch_at(time_ms, week), {}).setdefault(name, []).append(record)

    for interval in records.intervals:
        for epoch, piece in _cut(interval, since_ms, until_ms, week):
            put("intervals", max(epoch.start_ms, since_ms), piece)
    for fill in records.fills:
        put("fills", fill.time_ms, fill)
    for hour in records.hours:
        if hour.hour_ms + HOUR_MS > since_ms:  # the hour in which the time asked for begins counts
            put("hours", max(hour.hour_ms, since_ms), hour)
    for snapshot in records.collateral or ():
        put("collateral", snapshot.day_ms, snapshot)
    for liquidation in records.liquidations:
        put("liquidations", liquidation.time_ms, liquidation)
    for payment in records.funding:
        put("funding", payment.time_ms, payment)
    return [(epoch, _records_of(parts[epoch], records)) for epoch in sorted(parts)]


def _records_of(part: dict[str, list[object]], whole: Records) -> Records:
    lists = {name: tuple(found) for name, found in part.items()}
    if whole.collateral is not None:
        lists.setdefault("collateral", ())
    return msgspec.structs.replace(Records(), **lists)


def _cut(
    interval: PositionInterval, since_ms: int, until_ms: int, week: EpochWeek
) -> list[tuple[Epoch, PositionInterval]]:
    start_ms, end_ms = max(interval.start_ms, since_ms), min(interval.end_ms, until_ms)
    pieces = []
    while start_ms < end_ms:
        epoch = epoch_at(start_ms, week)
        stop_ms = min(end_ms, epoch.end_ms)
        pieces.append((epoch, msgspec.structs.replace(interval, start_ms=start_ms, end_ms=stop_ms)))
        start_ms = stop_ms
    return pieces
