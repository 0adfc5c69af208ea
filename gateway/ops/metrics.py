"""The metrics of one gateway for Prometheus. Owns prometheus_client.

Requests and the lag of the event loop are counted here; other parts keep plain counters, which are read at each scrape.
Labels never come from a request: routes and not paths, outcomes and not URLs.
"""

import time
from collections.abc import Callable, Iterator, Mapping

import anyio
import prometheus_client as prometheus
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.web.request_context import RequestContext

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST
LAG_EVERY_S = 0.1
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_NO_ROUTE = "none"


class Metrics:
    """The registry of one application. `run` measures how late the event loop is."""

    def __init__(self) -> None:
        self._registry = registry = prometheus.CollectorRegistry()
        for collect in (prometheus.ProcessCollector, prometheus.PlatformCollector, prometheus.GCCollector):
            collect(registry=registry)
        self._requests = prometheus.Counter(
            "gateway_requests", "Requests that have ended.", ["method", "route", "status"], registry=registry
        )
        self._latency = prometheus.Histogram(
            "gateway_request_seconds", "Time until an answer began.", ["route"], registry=registry
        )
        self._lag = prometheus.Histogram(
            "gateway_loop_lag_seconds",
            f"How late the event loop resumed a task, measured every {LAG_EVERY_S:g} s.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def add_counter(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Expose a number that only grows."""
        self._registry.register(_Reader(lambda: CounterMetricFamily(name, help_text, read())))

    def add_counters(self, name: str, help_text: str, label: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Expose numbers that only grow, one for each value of `label`."""

        def collect() -> Metric:
            family = CounterMetricFamily(name, help_text, labels=[label])
            for value, count in read().items():
                family.add_metric([value], count)
            return family

        self._registry.register(_Reader(collect))

    def add_gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Expose a number that grows and shrinks."""
        self._registry.register(_Reader(lambda: GaugeMetricFamily(name, help_text, read())))

    def add_info(self, name: str, help_text: str, read: Callable[[], dict[str, str]]) -> None:
        """Expose words, as the labels of `<name>_info`."""
        self._registry.register(_Reader(lambda: InfoMetricFamily(name, help_text, read())))

    def count_request(self, context: RequestContext) -> None:
        """Count a request that has ended."""
        method = context.method if context.route else _NO_ROUTE
        route = context.route or _NO_ROUTE
        self._requests.labels(method, route, context.status).inc()
        if context.answered_s:
            self._latency.labels(route).observe(context.answered_s)

    def write(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return prometheus.generate_latest(self._registry)

    async def run(self) -> None:
        """Measure the lag of the event loop, for ever."""
        while True:
            due = time.perf_counter() + LAG_EVERY_S
            await anyio.sleep(LAG_EVERY_S)
            self._lag.observe(max(0.0, time.perf_counter() - due))


class _Reader(Collector):
    """Reads one metric at each scrape."""

    def __init__(self, read: Callable[[], Metric]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """The metric with its current values."""
        yield self._read()
