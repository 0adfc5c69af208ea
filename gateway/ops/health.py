"""/healthz, /readyz and /metrics: is the process alive, can it work, and how much does it do."""

from contextlib import suppress

from pydantic_core import to_json
from quart import Blueprint, Quart, Response, request

from gateway.audio.uploads.storage import Storage
from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.openapi.operations import JSON, describes
from gateway.tasks.queue import Load, Queue
from gateway.web.request_context import find_context

from . import operations
from .metrics import CONTENT_TYPE, Metrics

MIN_FREE_BYTES = 64 * 1024 * 1024
"""With less free space on its disk the gateway is not ready."""


def blueprint(datastore: Datastore, disk: Storage, queue: Queue, metrics: Metrics) -> Blueprint:
    """/healthz, /readyz and /metrics."""
    routes = Blueprint("operations", __name__)
    load = Load(tasks=0, urls=0)

    metrics.add_gauge("gateway_queue_tasks", "Tasks queued or worked on, of all gateways.", lambda: load.tasks)
    metrics.add_gauge("gateway_queue_urls", "URLs of these tasks.", lambda: load.urls)

    @routes.get("/healthz")
    @describes(operations.GET_HEALTH)
    async def get_health() -> Response:
        return Response('{"status": "ok"}', content_type=JSON)

    @routes.get("/readyz")
    @describes(operations.GET_READINESS)
    async def get_readiness() -> Response:
        redis = datastore.describe()
        audio = await disk.measure()
        ready = redis.available and audio.writable and audio.free_bytes >= MIN_FREE_BYTES
        state = operations.Readiness(ready, redis, audio)
        return Response(to_json(state), 200 if ready else 503, content_type=JSON)

    @routes.get("/metrics")
    @describes(operations.GET_METRICS)
    async def get_metrics() -> Response:
        nonlocal load
        with suppress(RedisUnavailable):  # gateway_redis_up tells it; the last load is shown again
            load = await queue.measure()
        return Response(metrics.write(), content_type=CONTENT_TYPE)

    return routes


def note_routes(app: Quart) -> None:
    """Give every request context its route: the rule and not the path, so that clients cannot invent labels."""

    @app.before_request
    async def note_route() -> None:
        if request.url_rule is not None:
            find_context(request.scope).route = request.url_rule.rule
