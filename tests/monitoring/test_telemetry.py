"""Metrics pushed to an OpenTelemetry collector: what arrives is what `/metrics` says."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families
from watched import Facts, FactsInMemory, hub_of

from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import ManualClock
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.metrics import metric_families, metrics_text
from aster_operator.monitoring.web.source import StreamHead
from aster_operator.monitoring.web.telemetry import MetricsPusher, metrics_pusher


class Collector:
    """A collector on loopback that keeps what it is sent."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[str, dict[str, str], ExportMetricsServiceRequest]] = []
        keeper = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                message = ExportMetricsServiceRequest.FromString(body)
                keeper.requests.append((self.path, dict(self.headers), message))
                self.send_response(keeper.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def numbers(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """The newest value of every gauge and counter, by name and labels."""
        found = {}
        for resource in self.requests[-1][2].resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in (*metric.gauge.data_points, *metric.sum.data_points):
                        labels = frozenset((each.key, each.value.string_value) for each in point.attributes)
                        found[metric.name, labels] = point.as_double
        return found


@pytest.fixture
def collector() -> Iterator[Collector]:
    running = Collector()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


@pytest.fixture(scope="module")
def hub(recorded: tuple[StreamHead, Facts]) -> DashboardHub:
    return hub_of(FactsInMemory(*recorded))


def _pusher(url: str, hub: DashboardHub, headers: str | None = None) -> MetricsPusher:
    pusher = metrics_pusher(
        url, headers, lambda: metric_families(hub), ManualClock(5), interval_ms=1_000, version="1"
    )
    assert pusher is not None
    return pusher


async def test_every_number_of_the_prometheus_endpoint_arrives(
    hub: DashboardHub, collector: Collector
) -> None:
    assert isinstance(hub.replica, SessionReplica)
    await _pusher(collector.url, hub, "x-key=abc, b=c=d").push()
    path, headers, _ = collector.requests[0]
    assert path == "/v1/metrics"
    assert (headers["x-key"], headers["b"]) == ("abc", "c=d")
    arrived = collector.numbers()
    seen = 0
    for family in text_string_to_metric_families(metrics_text(hub).decode()):
        if family.type == "histogram":
            continue
        for sample in family.samples:
            assert arrived[family.name, frozenset(sample.labels.items())] == sample.value, sample
            seen += 1
    assert seen > 30


async def test_histograms_count_between_their_bounds(hub: DashboardHub, collector: Collector) -> None:
    await _pusher(collector.url, hub).push()
    sent = {
        metric.name: metric.histogram.data_points[0]
        for resource in collector.requests[0][2].resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.HasField("histogram")
    }
    families = [each for each in metric_families(hub) if each.type == "histogram"]
    assert {each.name for each in families} == set(sent)
    for family in families:
        buckets = [each for each in family.samples if each.name.endswith("_bucket")]
        point = sent[family.name]
        assert point.count == sum(point.bucket_counts) == buckets[-1].value
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1 == len(buckets)


async def test_a_collector_that_refuses_is_known_and_tried_again(
    hub: DashboardHub, collector: Collector
) -> None:
    pusher = _pusher(collector.url, hub)
    collector.status = 400
    await pusher.push()
    assert pusher.is_failing
    collector.status = 200
    await pusher.push()
    assert not pusher.is_failing
    assert len(collector.requests) == 2


def test_nothing_is_pushed_without_an_address_and_odd_headers_are_refused(hub: DashboardHub) -> None:
    def made(url: str | None, headers: str | None) -> MetricsPusher | None:
        return metrics_pusher(url, headers, list, ManualClock(5), interval_ms=1_000, version="1")

    assert made(None, None) is None
    with pytest.raises(UserProblem, match="name=value"):
        made("http://127.0.0.1:9", "abc")
