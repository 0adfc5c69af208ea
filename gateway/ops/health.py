"""/healthz, /readyz and /metrics: does the process live, can it do its work, how much does it do.

Says which figures there are; the parts only count.
"""

from contextlib import suppress

from pydantic_core import to_json
from quart import Blueprint, Quart, Response, request

from gateway.audio.change_feed import ChangeFeed
from gateway.audio.uploads.storage import Storage
from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.openapi.operations import describes
from gateway.tasks.queue import Load, Queue
from gateway.tasks.single_flight import SingleFlight
from gateway.tasks.worker import Worker
from gateway.web.request_context import RequestContexts, find_context

from . import operations as contract
from .metrics import CONTENT_TYPE, Metrics

MIN_FREE_BYTES = 64 * 1024 * 1024
"""With less room than this on its disk, the library cannot do its work."""


def blueprint(datastore: Datastore, disk: Storage, queue: Queue, metrics: Metrics) -> Blueprint:
    """/healthz, /readyz and /metrics."""
    routes = Blueprint("operations", __name__)
    load = Load(tasks=0, urls=0)

    metrics.gauge("gateway_queue_tasks", "Tasks queued or worked on, of all gateways.", lambda: load.tasks)
    metrics.gauge("gateway_queue_urls", "URLs of these tasks.", lambda: load.urls)

    @routes.get("/healthz")
    @describes(contract.GET_HEALTH)
    async def get_health() -> Response:
        return Response('{"status": "ok"}', content_type="application/json")

    @routes.get("/readyz")
    @describes(contract.GET_READINESS)
    async def get_readiness() -> Response:
        redis = datastore.describe()
        audio = await disk.measure()
        ready = redis.available and audio.writable and audio.free_bytes >= MIN_FREE_BYTES
        state = contract.Readiness(ready, redis, audio)
        return Response(to_json(state), 200 if ready else 503, content_type="application/json")

    @routes.get("/metrics")
    @describes(contract.GET_METRICS)
    async def get_metrics() -> Response:
        nonlocal load
        with suppress(RedisUnavailable):  # gateway_redis_up says so; the last figures stand
            load = await queue.measure()
        return Response(metrics.write(), content_type=CONTENT_TYPE)

    return routes


def watch_parts(
    metrics: Metrics,
    *,
    datastore: Datastore,
    contexts: RequestContexts,
    feed: ChangeFeed,
    single_flight: SingleFlight,
    worker: Worker,
) -> None:
    """Show the figures that the parts keep."""
    tally = single_flight.tally
    metrics.gauge("gateway_requests_open", "Requests being answered.", lambda: contexts.open)
    metrics.counter("gateway_received_bytes", "Bytes of request bodies, uploads.", lambda: contexts.received_bytes)
    metrics.counter("gateway_sent_bytes", "Bytes of answers.", lambda: contexts.sent_bytes)
    metrics.gauge("gateway_audio_listeners", "Listeners to the changes of the list.", lambda: feed.listeners)
    metrics.counter(
        "gateway_probes",
        "URLs that were asked, by what came of it: the class of the code, or the reason why there is none.",
        lambda: {(("outcome", outcome),): count for outcome, count in tally.outcomes.items()},
    )
    metrics.counter(
        "gateway_cache_lookups",
        "URLs of tasks: known to the cache (hit), asked for (miss), already being asked for (joined).",
        lambda: {(("result", result),): count for result, count in tally.lookups.items()},
    )
    metrics.gauge("gateway_probes_open", "URLs being asked now.", lambda: single_flight.out)
    metrics.gauge(
        "gateway_probes_waiting", "URLs of this gateway that wait for their turn.", lambda: single_flight.waiting
    )
    metrics.gauge("gateway_tasks_open", "Tasks in the hands of this gateway.", lambda: worker.open)
    metrics.gauge("gateway_redis_up", "Whether Redis answers.", lambda: datastore.describe().available)
    metrics.gauge("gateway_redis_info", "Which Redis it is, and how it keeps its data.", lambda: _describe(datastore))


def _describe(datastore: Datastore) -> dict[tuple[tuple[str, str], ...], float]:
    health = datastore.describe()
    return {(("kind", health.kind), ("version", health.version), ("durability", health.durability)): 1}


def observe(app: Quart) -> None:
    """Tell every exchange its route: the rule and not the path, so that strangers cannot make up labels."""

    @app.before_request
    async def note_route() -> None:
        if request.url_rule is not None:
            find_context(request.scope).route = request.url_rule.rule
