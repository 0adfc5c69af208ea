"""What an operator asks: is the process alive, can it do its work, what does it do and how much."""

import logging
import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from pydantic_core import to_json
from quart import Blueprint, Quart, Response, g, request

from . import operations_contract as contract
from .audio.library import Library
from .contract import promises
from .datastore import Datastore

access = logging.getLogger("gateway.access")


def blueprint(datastore: Datastore, library: Library, metrics: "Metrics") -> Blueprint:
    """/healthz, /readyz and /metrics."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    @promises(contract.GET_HEALTH)
    async def get_health() -> Response:
        return Response('{"status": "ok"}', content_type="application/json")

    @routes.get("/readyz")
    @promises(contract.GET_READINESS)
    async def get_readiness() -> Response:
        redis = datastore.describe()
        writable = await library.disk.is_writable()
        ready = redis.available and writable
        state = {"ready": ready, "redis": redis, "audio": {"writable": writable}}
        return Response(to_json(state), 200 if ready else 503, content_type="application/json")

    @routes.get("/metrics")
    @promises(contract.GET_METRICS)
    async def get_metrics() -> Response:
        metrics.redis_up.set(datastore.describe().available)
        return Response(generate_latest(metrics.registry), content_type=CONTENT_TYPE_LATEST)

    return routes


class Metrics:
    """The counters of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.redis_up = Gauge("gateway_redis_up", "Whether Redis answers.", registry=self.registry)
        self.requests = Counter(
            "gateway_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "gateway_request_seconds", "Time until an answer began.", ["route"], registry=self.registry
        )


def observe(app: Quart, metrics: Metrics) -> None:
    """Count and log every answer of `app`: by route and not by path, so that strangers cannot make up labels."""

    @app.before_request
    async def start_clock() -> None:
        g.started_at = time.perf_counter()

    @app.after_request
    async def note_answer(response: Response) -> Response:
        elapsed_s = time.perf_counter() - g.get("started_at", time.perf_counter())
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.url_rule else "none"
        metrics.requests.labels(method, route, response.status_code).inc()
        metrics.latency.labels(route).observe(elapsed_s)
        access.info(
            '%s "%s %s" %d %s %.1f ms',
            request.remote_addr,
            request.method,
            escape_target(request.scope["raw_path"], request.query_string),
            response.status_code,
            "-" if response.content_length is None else response.content_length,
            elapsed_s * 1000,
        )
        return response


def escape_target(raw_path: bytes, query: bytes) -> str:
    """A request target as it came, in which nothing can end a log line or move a terminal's cursor."""
    target = raw_path + (b"?" + query if query else b"")
    return target.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', "%22")
