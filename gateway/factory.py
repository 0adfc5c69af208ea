"""create_app: every part made cold and wired, and the one lifespan that warms them up."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup
from quart import Quart

from gateway.audio import archive, exports, page
from gateway.audio import views as audio_views
from gateway.audio.background_reader import BackgroundReader
from gateway.audio.change_feed import ChangeFeed
from gateway.audio.library import Library
from gateway.audio.uploads import tus
from gateway.audio.uploads.resumable import ResumableUploads
from gateway.datastore.client import Datastore
from gateway.ops import health
from gateway.ops.access_log import log_access
from gateway.ops.metrics import Metrics
from gateway.process.file_limit import FileLimit, raise_file_limit
from gateway.process.gc_tuning import tuned_gc
from gateway.process.logs import configure_logging
from gateway.process.parent_watchdog import end_with_parent
from gateway.process.shutdown import Shutdown
from gateway.process.thread_switching import quick_switching
from gateway.tasks import page as tasks_page
from gateway.tasks import views as tasks_views
from gateway.tasks.cache import Cache
from gateway.tasks.probe.address_policy import describe_policy
from gateway.tasks.probe.prober import Prober
from gateway.tasks.queue import Queue
from gateway.tasks.single_flight import SingleFlight
from gateway.tasks.store import Store
from gateway.tasks.worker import Worker
from gateway.web import docs, error_answers, frame
from gateway.web.body_flow import BodyFlow, StreamedRequest
from gateway.web.compression import Compression
from gateway.web.lifespan import require_lifespan
from gateway.web.proxy_headers import TrustedProxies
from gateway.web.request_context import RequestContext, RequestContexts
from gateway.web.root_path import RootPath
from gateway.web.security import HEADERS, Security

from .hypercorn_accept import fix_accept
from .hypercorn_fixes import fix_hypercorn
from .settings import Settings, read_settings

logger = logging.getLogger("gateway")


def create_app(settings: Settings | None = None) -> Quart:
    """The gateway, cold: nothing is opened, started or connected until it is served.

    `settings` None: those of the environment and `.env`.

    :raises StartRefused: one of those has a value that cannot be.
    """
    settings = settings or read_settings()

    shutdown = Shutdown()
    datastore = Datastore(
        redis_url=settings.redis_url, data_dir=settings.data_dir, maxmemory_bytes=settings.redis_maxmemory_bytes
    )
    library = Library(settings.audio_dir, max_upload_bytes=settings.max_upload_bytes)
    reader = BackgroundReader(library)
    feed = ChangeFeed(library, shutdown)
    uploads = ResumableUploads(library, expires_after_s=settings.upload_ttl_s)
    cache = Cache(datastore, timeout_s=settings.cache_timeout_s)
    queue = Queue(datastore)
    store = Store(datastore, queue, shutdown, task_ttl_s=settings.task_ttl_s)
    prober = Prober(timeout_s=settings.probe_timeout_s, policy=settings.probe_targets)
    single_flight = SingleFlight(cache, prober, concurrency=settings.concurrency, per_host=settings.per_host)
    worker = Worker(store, queue, single_flight)
    metrics = Metrics()
    token = settings.api_token.get_secret_value() if settings.api_token else None
    security = Security(api_token=token, allowed_hosts=settings.allowed_hosts)

    app = Quart("gateway", static_folder=None)
    contexts = _add_web(app, settings, security, shutdown, observers=(metrics.count_request, log_access))
    app.register_blueprint(frame.blueprint())
    app.register_blueprint(page.blueprint(library))
    app.register_blueprint(audio_views.blueprint(library, feed, accel_redirect=settings.accel_redirect))
    app.register_blueprint(exports.blueprint(library))
    app.register_blueprint(archive.blueprint(library))
    app.register_blueprint(tus.blueprint(uploads))
    app.register_blueprint(tasks_views.blueprint(store, cache))
    app.register_blueprint(
        tasks_page.blueprint(store, cache, task_ttl_s=settings.task_ttl_s, lookups=single_flight.stats.lookups)
    )
    app.register_blueprint(docs.blueprint(needs_token=token is not None))
    app.register_blueprint(health.blueprint(datastore, library.disk, queue, metrics))
    _add_metrics(metrics, datastore, contexts, feed, single_flight, worker)

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        _log_start(settings, datastore, security)
        await library.disk.prepare()
        with _tuned_process(shutdown):
            async with _running(contexts.run, partial(end_with_parent, shutdown), metrics.run) as group:
                await group.start(datastore.run)
                async with _running(cache.run, worker.run, reader.run, feed.run, uploads.run):  # while Redis is there
                    await reader.wait_looked()
                    yield
        logger.info("stopped")

    return app


def _add_web(
    app: Quart,
    settings: Settings,
    security: Security,
    shutdown: Shutdown,
    *,
    observers: Iterable[Callable[[RequestContext], None]],
) -> RequestContexts:
    """What every request goes through: its context, its body, the security checks, the answers to errors."""
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None, SEND_FILE_MAX_AGE_DEFAULT=None)
    app.request_class = StreamedRequest
    app.jinja_environment = frame.PageEnvironment
    flow = BodyFlow(
        Compression(security.screen(app.asgi_app)),
        idle_timeout_s=settings.upload_idle_timeout_s,
        drain_bytes=2 * settings.max_upload_bytes,
    )
    contexts = RequestContexts(
        RootPath(flow, settings.root_path),
        shutdown,
        proxies=TrustedProxies(settings.trusted_proxies),
        headers=HEADERS,
        observers=observers,
    )
    app.asgi_app = contexts  # type: ignore[method-assign]
    error_answers.install(app)
    require_lifespan(app)
    health.note_routes(app)
    security.install(app)
    return contexts


def _add_metrics(
    metrics: Metrics,
    datastore: Datastore,
    contexts: RequestContexts,
    feed: ChangeFeed,
    single_flight: SingleFlight,
    worker: Worker,
) -> None:
    """The counters that the parts keep themselves."""
    stats, describe = single_flight.stats, datastore.describe
    metrics.add_gauge("gateway_requests_open", "Requests being answered.", lambda: contexts.open)
    metrics.add_counter("gateway_received_bytes", "Bytes of request bodies, uploads.", lambda: contexts.received_bytes)
    metrics.add_counter("gateway_sent_bytes", "Bytes of answers.", lambda: contexts.sent_bytes)
    metrics.add_gauge("gateway_audio_listeners", "Clients that follow the audio events.", lambda: feed.listeners)
    outcomes = "Probes by outcome: the class of the code, or the error without one."
    metrics.add_counters("gateway_probes", outcomes, "outcome", lambda: stats.outcomes)
    lookups = "URLs of tasks: in the cache (hit), probed (miss), already being probed (joined)."
    metrics.add_counters("gateway_cache_lookups", lookups, "result", lambda: stats.lookups)
    metrics.add_gauge("gateway_probes_open", "Probes in progress.", lambda: single_flight.schedule.busy)
    metrics.add_gauge("gateway_probes_waiting", "URLs that wait for their probe.", lambda: single_flight.waiting)
    metrics.add_gauge("gateway_tasks_open", "Tasks that this gateway works on.", lambda: worker.running)
    metrics.add_gauge("gateway_redis_up", "Whether Redis answers.", lambda: describe().available)
    metrics.add_info(
        "gateway_redis",
        "Which Redis it is, and how it keeps its data.",
        lambda: {"kind": describe().kind, "version": describe().version, "durability": describe().durability},
    )


def _log_start(settings: Settings, datastore: Datastore, security: Security) -> None:
    """What an operator wants to see of the settings first."""
    configure_logging(settings.log_format)
    logger.info("audio folder: %s", settings.audio_dir.absolute())
    logger.info("redis: %s", datastore.describe_kind())
    logger.info("access: %s", security.describe())
    logger.info("probes: %s", describe_policy(settings.probe_targets))


@contextmanager
def _tuned_process(shutdown: Shutdown) -> Iterator[None]:
    """The process as the gateway needs it: its limits, its signals, its garbage collection, its server."""
    file_limit = FileLimit(raise_file_limit())
    fix_hypercorn()
    fix_accept(file_limit)
    with shutdown.watched(), file_limit.watched(), tuned_gc(), quick_switching():
        yield


@asynccontextmanager
async def _running(*coroutines: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[TaskGroup]:
    """Coroutines that run until the exit, and their group."""
    async with anyio.create_task_group() as group:
        for coroutine in coroutines:
            group.start_soon(coroutine)
        yield group
        group.cancel_scope.cancel()
