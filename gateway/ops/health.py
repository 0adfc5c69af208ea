"""What an operator asks: is the process alive, can it do its work, what does it do and how much.

/healthz, /readyz and /metrics, and the access log. Which figures there are stands here; the parts only keep them.
"""

import logging
from contextlib import suppress

from pydantic_core import to_json
from quart import Blueprint, Quart, Response, request

from gateway.audio.change_feed import Feed
from gateway.audio.uploads.storage import Disk
from gateway.datastore.client import Datastore, RedisAway
from gateway.openapi.operations import promises
from gateway.tasks.queue import Load, Queue
from gateway.tasks.single_flight import Flights
from gateway.tasks.worker import Runner
from gateway.web.request_context import Exchange, Exchanges, exchange_of

from . import operations as contract
from .metrics import CONTENT_TYPE, Metrics

MIN_FREE_BYTES = 64 * 1024 * 1024
"""With less room than this on its disk, the library cannot do its work."""

access = logging.getLogger("gateway.access")


def blueprint(datastore: Datastore, disk: Disk, queue: Queue, metrics: Metrics) -> Blueprint:
    """/healthz, /readyz and /metrics."""
    routes = Blueprint("operations", __name__)
    load = Load(tasks=0, urls=0)

    metrics.gauge("gateway_queue_tasks", "Tasks queued or worked on, of all gateways.", lambda: load.tasks)
    metrics.gauge("gateway_queue_urls", "URLs of these tasks.", lambda: load.urls)

    @routes.get("/healthz")
    @promises(contract.GET_HEALTH)
    async def get_health() -> Response:
        return Response('{"status": "ok"}', content_type="application/json")

    @routes.get("/readyz")
    @promises(contract.GET_READINESS)
    async def get_readiness() -> Response:
        redis = datastore.describe()
        audio = await disk.measure()
        ready = redis.available and audio.writable and audio.free_bytes >= MIN_FREE_BYTES
        state = contract.Readiness(ready, redis, audio)
        return Response(to_json(state), 200 if ready else 503, content_type="application/json")

    @routes.get("/metrics")
    @promises(contract.GET_METRICS)
    async def get_metrics() -> Response:
        nonlocal load
        with suppress(RedisAway):  # gateway_redis_up says so; the last figures stand
            load = await queue.measure()
        return Response(metrics.write(), content_type=CONTENT_TYPE)

    return routes


def watch_parts(
    metrics: Metrics, *, datastore: Datastore, exchanges: Exchanges, feed: Feed, flights: Flights, runner: Runner
) -> None:
    """Show the figures that the parts keep."""
    tally = flights.tally
    metrics.gauge("gateway_requests_open", "Requests being answered.", lambda: exchanges.open)
    metrics.counter("gateway_received_bytes", "Bytes of request bodies, uploads.", lambda: exchanges.received_bytes)
    metrics.counter("gateway_sent_bytes", "Bytes of answers.", lambda: exchanges.sent_bytes)
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
    metrics.gauge("gateway_probes_open", "URLs being asked now.", lambda: flights.out)
    metrics.gauge("gateway_probes_waiting", "URLs of this gateway that wait for their turn.", lambda: flights.waiting)
    metrics.gauge("gateway_tasks_open", "Tasks in the hands of this gateway.", lambda: runner.open)
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
            exchange_of(request.scope).route = request.url_rule.rule


def log_access(exchange: Exchange) -> None:
    """One line for an exchange that has ended; nothing in it can end a line or move a terminal's cursor."""
    target = escape_target(exchange.target)
    fields = {
        "message": f"{exchange.method} {target} {exchange.status}",
        "client": exchange.client,
        "method": exchange.method,
        "target": target,
        "route": exchange.route or None,
        "status": exchange.status,
        "whole": exchange.whole,
        "received_bytes": exchange.received_bytes,
        "sent_bytes": exchange.sent_bytes,
        "duration_ms": round(exchange.ended_s * 1000, 1),
        "user_agent": exchange.user_agent,
    }
    access.info(
        '%s "%s %s" %d %d %.1f ms%s',
        exchange.client,
        exchange.method,
        target,
        exchange.status,
        exchange.sent_bytes,
        exchange.ended_s * 1000,
        "" if exchange.whole else ", cut short",
        extra={"fields": fields},
    )


def escape_target(target: bytes) -> str:
    """A request target as it came, made harmless."""
    return target.decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', "%22")
