"""The numbers of the Prometheus endpoint pushed to an OpenTelemetry collector (OTLP over HTTP).

One collection feeds both: what is read at `/metrics` is what arrives, under the same names. Needs the extra
`telemetry`. A collector that cannot be reached is said once and tried again; nothing waits for it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from prometheus_client.core import Metric

from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import Clock

__all__ = ["MetricsPusher", "metrics_pusher"]

_log = structlog.get_logger("telemetry")
_TIMEOUT_S = 5
_UNITS = {"usd": "USD", "seconds": "s", "bytes": "By", "ratio": "1"}


class MetricsPusher:
    """Pushes what `collect` gives, every `interval_ms`, until its task is cancelled."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        collect: Callable[[], Iterable[Metric]],
        clock: Clock,
        *,
        interval_ms: int,
        version: str,
    ) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.sdk.metrics.export import MetricExportResult
        from opentelemetry.sdk.resources import Resource

        # It is told here, once, and not with every attempt.
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
        self._url = f"{endpoint}/v1/metrics"
        self._exporter = OTLPMetricExporter(endpoint=self._url, headers=dict(headers), timeout=_TIMEOUT_S)
        self._success = MetricExportResult.SUCCESS
        self._resource = Resource({"service.name": "aster-operator", "service.version": version})
        self._collect = collect
        self._clock = clock
        self._interval_s = interval_ms / 1000
        self._started_ns = clock.now_ns()
        self.is_failing = False
        """Whether the last push did not arrive."""

    async def run(self) -> None:
        """Push until cancelled."""
        try:
            while True:
                await self.push()
                await asyncio.sleep(self._interval_s)
        finally:
            # Whoever waits to try again in a thread gives up now.
            self._exporter.shutdown()

    async def push(self) -> None:
        """Collect and send once."""
        data = self._data(self._collect())
        result = await asyncio.to_thread(self._exporter.export, data, _TIMEOUT_S * 1000)
        failed = result is not self._success
        if failed and not self.is_failing:
            _log.warning("metrics are not taken by the collector", address=self._url)
        elif self.is_failing and not failed:
            _log.info("metrics are taken by the collector again", address=self._url)
        self.is_failing = failed

    def _data(self, families: Iterable[Metric]) -> Any:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        now_ns = self._clock.now_ns()
        metrics = [self._metric(family, now_ns) for family in families if family.samples]
        scope = ScopeMetrics(InstrumentationScope("aster_operator"), metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _metric(self, family: Metric, now_ns: int) -> Any:
        from opentelemetry.sdk.metrics import export

        data: Any
        if family.type == "histogram":
            data = export.Histogram(
                [self._histogram(family, now_ns)], export.AggregationTemporality.CUMULATIVE
            )
        else:
            points = [
                export.NumberDataPoint(sample.labels, self._started_ns, now_ns, float(sample.value))
                for sample in family.samples
            ]
            data = (
                export.Sum(points, export.AggregationTemporality.CUMULATIVE, is_monotonic=True)
                if family.type == "counter"
                else export.Gauge(points)
            )
        unit = _UNITS.get(family.name.rsplit("_", 1)[-1], "1")
        return export.Metric(family.name, family.documentation, unit, data)

    def _histogram(self, family: Metric, now_ns: int) -> Any:
        """Prometheus counts up to each bound, OpenTelemetry between the bounds."""
        from opentelemetry.sdk.metrics.export import HistogramDataPoint

        bounds, counts, before, total = [], [], 0, 0.0
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                counts.append(int(sample.value) - before)
                before = int(sample.value)
                if sample.labels["le"] != "+Inf":
                    bounds.append(float(sample.labels["le"]))
            elif sample.name.endswith("_sum"):
                total = float(sample.value)
        # The extremes are not kept; infinities say so (the exporter leaves them out of nothing else).
        return HistogramDataPoint(
            {}, self._started_ns, now_ns, before, total, counts, bounds, float("inf"), float("-inf")
        )


def metrics_pusher(
    endpoint: str | None,
    headers: str | None,
    collect: Callable[[], Iterable[Metric]],
    clock: Clock,
    *,
    interval_ms: int,
    version: str,
) -> MetricsPusher | None:
    """What pushes to `endpoint`; None without one. `headers` is `name=value,name=value`.

    Raises UserProblem when the extra is not installed or the headers are not of that form.
    """
    if endpoint is None:
        return None
    pairs = [pair.partition("=") for pair in (headers or "").split(",") if pair.strip()]
    if any(not name.strip() or not separator for name, separator, _ in pairs):
        raise UserProblem("is no list of name=value", "OTEL_EXPORTER_OTLP_HEADERS", "correct it")
    try:
        return MetricsPusher(
            endpoint,
            {name.strip(): value.strip() for name, _, value in pairs},
            collect,
            clock,
            interval_ms=interval_ms,
            version=version,
        )
    except ModuleNotFoundError as error:
        raise UserProblem(
            f"needs the package {error.name}",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            'run pip install "aster-operator[telemetry]"',
        ) from None
