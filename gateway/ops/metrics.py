"""The figures of one gateway in the form that Prometheus reads: owns prometheus_client.

What happens in the edge is told here (`note`); the parts keep plain counters of their own, which are read when
they are scraped. Labels are never taken from requests: routes and not paths, outcomes and not URLs.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

import anyio
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.web.request_context import RequestContext

CONTENT_TYPE = CONTENT_TYPE_LATEST
LAG_EVERY_S = 0.1
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_NO_ROUTE = "none"

Labels = tuple[tuple[str, str], ...]
Reading = Mapping[Labels, float] | float
"""A number, or one for each set of labels."""


class Metrics:
    """The registry of one application. `run` measures how late the event loop is."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        for collect in (ProcessCollector, PlatformCollector, GCCollector):
            collect(registry=registry)
        self._requests = Counter(
            "gateway_requests", "Requests that have ended.", ["method", "route", "status"], registry=registry
        )
        self._latency = Histogram(
            "gateway_request_seconds", "Time until an answer began.", ["route"], registry=registry
        )
        self._lag = Histogram(
            "gateway_loop_lag_seconds",
            f"How late the event loop came back to a sleeper, every {LAG_EVERY_S:g} s.",
            buckets=_LAG_BUCKETS,
            registry=registry,
        )

    def counter(self, name: str, words: str, read: Callable[[], Reading]) -> None:
        """Show what only grows."""
        self._registry.register(_Reader(CounterMetricFamily, name, words, read))

    def gauge(self, name: str, words: str, read: Callable[[], Reading]) -> None:
        """Show what goes up and down."""
        self._registry.register(_Reader(GaugeMetricFamily, name, words, read))

    def note(self, exchange: RequestContext) -> None:
        """Count a request that has ended."""
        known = bool(exchange.route)
        route, method = (exchange.route, exchange.method) if known else (_NO_ROUTE, _NO_ROUTE)
        self._requests.labels(method, route, exchange.status).inc()
        if exchange.answered_s:
            self._latency.labels(route).observe(exchange.answered_s)

    def write(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self._registry)

    async def run(self) -> None:
        """Measure the loop for ever."""
        while True:
            due = time.perf_counter() + LAG_EVERY_S
            await anyio.sleep(LAG_EVERY_S)
            self._lag.observe(max(0.0, time.perf_counter() - due))


class _Reader(Collector):
    """Reads one figure, or a family of them, when asked."""

    def __init__(
        self,
        family: type[CounterMetricFamily] | type[GaugeMetricFamily],
        name: str,
        words: str,
        read: Callable[[], Reading],
    ) -> None:
        self._family = family
        self._name = name
        self._words = words
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """The name, so that none is given twice."""
        return [self._family(self._name, self._words)]

    def collect(self) -> Iterator[Metric]:
        """The figures as they are now."""
        reading = self._read()
        rows = reading if isinstance(reading, Mapping) else {(): reading}
        names = [name for name, _ in next(iter(rows), ())]
        family = self._family(self._name, self._words, labels=names)
        for labels, value in rows.items():
            family.add_metric([word for _, word in labels], value)
        yield family
