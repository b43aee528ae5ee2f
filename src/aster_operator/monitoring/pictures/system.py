"""The System page as plain values: how quick everything is, what was refused and said, which versions."""

from collections.abc import Iterator

import msgspec

from aster_operator.monitoring.replica.replica import RateBudget, SessionReplica
from aster_operator.monitoring.replica.timings import LATENCY_BOUNDS_MS, Histogram

__all__ = ["LogLine", "System", "TimingRow", "ViewHealth", "Wish", "system_picture"]


class TimingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One latency. `counts` by bucket, whose upper bounds are `bounds_ms`; the last bucket has none.
    Quantiles are the upper bounds of their buckets; None without data, or above the last bound."""

    name: str
    count: int
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the session."""

    at_ms: int
    level: str
    message: str


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a person asked of the session, as its journal holds it."""

    at_ms: int
    action: str
    actor: str
    detail: str


class ViewHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the views themselves do. `lag_bytes` is what the journal holds and the replica has not read;
    `viewers` counts open pages; `undelivered` are alerts that could not be sent."""

    source: str
    lag_bytes: int = 0
    read_bytes: int = 0
    viewers: int = 0
    undelivered: tuple[str, ...] = ()
    problem: str | None = None
    versions: dict[str, str] = {}


class System(msgspec.Struct, frozen=True, kw_only=True):
    """Counters are of the session. `refusals` by the venue's error code; `feed_losses` and `feed_returns` by
    feed; `dropped` counts what the bounded buffers forgot (the books keep it)."""

    events: int
    commands: int
    fault: str | None
    orders: dict[str, int]
    refusals: dict[str, int]
    feed_losses: dict[str, int]
    feed_returns: dict[str, int]
    notices: dict[str, int]
    timings: tuple[TimingRow, ...]
    budget: RateBudget
    orders_last_minute: int
    orders_per_minute_limit: int
    log: tuple[LogLine, ...]
    wishes: tuple[Wish, ...]
    dropped: dict[str, int]
    views: ViewHealth


def system_picture(replica: SessionReplica, views: ViewHealth, *, lines: int = 200) -> System:
    """The picture, with the last so many messages, newest first."""
    activity = replica.activity
    rate = replica.state.risk_manager.order_rate(replica.now_ms)
    return System(
        events=replica.events,
        commands=replica.commands,
        fault=replica.fault,
        orders=dict(activity.outcomes),
        refusals={str(code): count for code, count in activity.refusals.items()},
        feed_losses={str(feed): count for feed, count in activity.feed_losses.items()},
        feed_returns={str(feed): count for feed, count in activity.feed_returns.items()},
        notices=dict(activity.notices_by_level),
        timings=tuple(_timing(name, each) for name, each in replica.timings.named.items()),
        budget=replica.budget,
        orders_last_minute=int(rate.value or 0),
        orders_per_minute_limit=int(rate.act_at),
        log=tuple(_log(replica, lines)),
        wishes=tuple(
            Wish(at_ms=each.event_ms, action=str(each.action), actor=each.actor, detail=each.detail)
            for each in reversed(activity.wishes)
        ),
        dropped={
            "decisions": activity.decisions.dropped,
            "orders": activity.orders_dropped,
            "fills": activity.fills.dropped,
            "trades": activity.trades.dropped,
            "notices": activity.notices.dropped,
        },
        views=views,
    )


def _log(replica: SessionReplica, lines: int) -> Iterator[LogLine]:
    for count, notice in enumerate(reversed(replica.activity.notices)):
        if count >= lines:
            return
        yield LogLine(at_ms=notice.at_ms, level=str(notice.level), message=notice.message)


def _timing(name: str, histogram: Histogram) -> TimingRow:
    def quantile(share: float) -> float | None:
        bound = histogram.quantile_ms(share)
        return None if bound is None or bound == float("inf") else bound

    return TimingRow(
        name=name,
        count=histogram.count,
        mean_ms=histogram.sum_ms / histogram.count if histogram.count else None,
        p50_ms=quantile(0.5),
        p95_ms=quantile(0.95),
        p99_ms=quantile(0.99),
        bounds_ms=LATENCY_BOUNDS_MS,
        counts=tuple(histogram.counts),
    )
