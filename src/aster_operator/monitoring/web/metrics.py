"""The Prometheus endpoint: the session in numbers, read from the replica when they are asked for."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from aster_operator.monitoring.pictures.now import Now, now_picture
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.replica.timings import LATENCY_BOUNDS_MS
from aster_operator.monitoring.web.hub import DashboardHub

__all__ = ["metric_families", "metrics_text"]

_PREFIX = "aster_operator_"


class _Collector:
    def __init__(self, hub: DashboardHub, recorder_lag_s: float | None) -> None:
        self._hub = hub
        self._recorder_lag_s = recorder_lag_s

    def collect(self) -> Iterable[Metric]:
        hub, replica = self._hub, self._hub.replica
        yield _gauge("up", "1 while a running session is followed.", float(_is_up(hub)))
        yield _gauge("journal_lag_bytes", "Journal written and not yet read.", hub.health().lag_bytes)
        yield _gauge("viewers", "Open pages of the dashboard.", hub.viewers)
        yield _gauge("alerts_undelivered", "Alerts that could not be sent.", len(hub.health().undelivered))
        if self._recorder_lag_s is not None:
            yield _gauge(
                "recorder_lag_seconds", "Age of the newest recorded market row.", self._recorder_lag_s
            )
        if replica is not None:
            now = now_picture(replica, equity_samples=0)
            yield from _money(now)
            yield from _risk(replica, now)
            yield from _orders(replica)
            yield from _latencies(replica)


def metric_families(hub: DashboardHub, recorder_lag_s: float | None = None) -> list[Metric]:
    """Everything as Prometheus' families. `recorder_lag_s` as for `metrics_text`."""
    return list(_Collector(hub, recorder_lag_s).collect())


def metrics_text(hub: DashboardHub, recorder_lag_s: float | None = None) -> bytes:
    """Everything in Prometheus' text format. `recorder_lag_s`: age of the newest recorded row, None when
    nothing is recorded here."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(hub, recorder_lag_s))
    return generate_latest(registry)


def _is_up(hub: DashboardHub) -> bool:
    return hub.session is not None and hub.session.is_running and hub.replica is not None


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, meaning, value=value)


def _money(now: Now) -> Iterator[Metric]:
    if now.equity_usd is not None:
        yield _gauge("equity_usd", "Wallet plus unrealised PnL at the marks.", float(now.equity_usd))
    yield _gauge("net_delta_usd", "Long less short notional.", float(now.net_delta_usd))
    yield _gauge("gross_notional_usd", "Long plus short notional.", float(now.gross_usd))
    yield _gauge("realized_pnl_usd", "Of the session, before fees and funding.", float(now.realized_pnl_usd))
    yield _gauge("fees_usd", "Paid in the session.", float(now.fees_usd))
    yield _gauge("funding_usd", "Settled in the session, positive was received.", float(now.funding_usd))
    yield _gauge("volume_today_usd", "Traded this UTC day.", float(now.volume_today_usd))
    if now.volume_target_usd is not None:
        yield _gauge("volume_target_usd", "Aimed at for a UTC day.", float(now.volume_target_usd))
    yield _gauge("open_pairs", "Pairs held or worked.", len(now.pairs))
    yield _gauge("open_positions", "Single positions held or worked.", len(now.positions))
    yield _gauge("open_orders", "Orders without a final state.", len(now.open_orders))
    pnl = GaugeMetricFamily(_PREFIX + "pair_pnl_usd", "PnL of an open pair.", labels=["pair"])
    for pair in now.pairs:
        pnl.add_metric([pair.name], float(pair.pnl_usd))
    yield pnl


def _risk(replica: SessionReplica, now: Now) -> Iterator[Metric]:
    current = [
        each.unprotected_ms for each in now.positions if each.is_ours and each.protection == "unprotected"
    ]
    yield _gauge(
        "unprotected_seconds",
        "How long a position stands without its stop now.",
        max(current, default=0) / 1000,
    )
    yield CounterMetricFamily(
        _PREFIX + "unprotected_seconds_total",
        "Time that finished positions stood without their stop.",
        value=replica.activity.unprotected_ms / 1000,
    )
    lone = max((pair.imbalance_ms for pair in now.pairs), default=0)
    yield _gauge("lone_leg_seconds", "How long the legs of a pair have not matched now.", lone / 1000)
    yield _gauge(
        "lone_leg_seconds_max",
        "Longest that the legs of a pair did not match.",
        max(lone, replica.activity.longest_lone_leg_ms) / 1000,
    )
    yield _gauge("entries_blocked", "1 while nothing may be opened.", float(now.entries_blocked is not None))
    yield _gauge(
        "replica_in_step", "1 while the views show what the session knows.", float(now.fault is None)
    )
    stale = GaugeMetricFamily(
        _PREFIX + "staleness_seconds", "Age of market data.", labels=["symbol", "stream"]
    )
    for feed in now.feeds:
        for stream, age_ms in (("mark", feed.mark_age_ms), ("quote", feed.quote_age_ms)):
            if age_ms is not None:
                stale.add_metric([feed.symbol, stream], age_ms / 1000)
    yield stale
    used = GaugeMetricFamily(
        _PREFIX + "limit_used_ratio", "How far a limit is used up, 1 acts.", labels=["limit", "subject"]
    )
    for limit in now.limits:
        if limit.used_pct is not None:
            used.add_metric([limit.name, limit.subject], float(limit.used_pct) / 100)
    yield used
    down = GaugeMetricFamily(_PREFIX + "feed_up", "1 while a feed is healthy.", labels=["feed"])
    for feed_name in ("market", "user", "rest", "clock"):
        down.add_metric([feed_name], float(feed_name not in now.feeds_down))
    yield down


def _orders(replica: SessionReplica) -> Iterator[Metric]:
    activity = replica.activity
    orders = CounterMetricFamily(_PREFIX + "orders", "Orders by how they ended.", labels=["outcome"])
    for outcome in ("filled", "cancelled", "expired", "rejected"):
        orders.add_metric([outcome], activity.outcomes[outcome])
    yield orders
    yield CounterMetricFamily(_PREFIX + "fills", "Executions.", value=replica.state.portfolio.fill_count)
    losses = CounterMetricFamily(_PREFIX + "feed_losses", "Times a feed was lost.", labels=["feed"])
    for feed, count in activity.feed_losses.items():
        losses.add_metric([str(feed)], count)
    yield losses
    notices = CounterMetricFamily(_PREFIX + "notices", "Messages to the owner.", labels=["level"])
    for level in ("info", "warning", "critical"):
        notices.add_metric([level], activity.notices_by_level[level])
    yield notices
    budget = replica.budget
    if budget.weight_used is not None and budget.weight_limit:
        yield _gauge(
            "rate_weight_used_ratio",
            "Request weight used this minute.",
            budget.weight_used / budget.weight_limit,
        )
    if budget.orders_used is not None and budget.orders_limit:
        yield _gauge(
            "rate_orders_used_ratio",
            "Orders used of the venue's limit.",
            budget.orders_used / budget.orders_limit,
        )


def _latencies(replica: SessionReplica) -> Iterator[Metric]:
    for name, histogram in replica.timings.named.items():
        seen, buckets = 0, []
        for bound, count in zip((*LATENCY_BOUNDS_MS, None), histogram.counts, strict=True):
            seen += count
            buckets.append(("+Inf" if bound is None else repr(bound / 1000), float(seen)))
        yield HistogramMetricFamily(
            _PREFIX + f"{name}_seconds",
            "Wall time, see docs/how-to/watch-and-steer.md.",
            buckets=buckets,
            sum_value=histogram.sum_ms / 1000,
        )
