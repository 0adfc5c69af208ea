"""create_app: every part made cold and wired, and the one lifespan that warms them up."""

import logging
from collections.abc import AsyncGenerator

import anyio
from pydantic_core import to_json
from quart import Quart, Response
from werkzeug.exceptions import HTTPException

from gateway.audio import views as audio_views
from gateway.audio.change_feed import ChangeFeed
from gateway.audio.library import Library
from gateway.audio.uploads import tus
from gateway.audio.uploads.resumable import ResumableUploads
from gateway.datastore.client import Datastore
from gateway.ops import health
from gateway.ops.access_log import log_access
from gateway.ops.metrics import Metrics
from gateway.process.file_limit import raise_file_limit
from gateway.process.gc_tuning import tuned_gc
from gateway.process.logs import REQUEST_ID, configure_logging
from gateway.process.parent_watchdog import end_with_parent
from gateway.process.shutdown import Shutdown
from gateway.process.sockets import bound_unsent_bytes
from gateway.tasks import views as tasks_views
from gateway.tasks.cache import Cache
from gateway.tasks.probe.address_policy import describe_policy
from gateway.tasks.probe.prober import Prober
from gateway.tasks.queue import Queue
from gateway.tasks.single_flight import SingleFlight
from gateway.tasks.store import Store
from gateway.tasks.worker import Worker
from gateway.web import docs
from gateway.web.body_flow import BodyFlow, StreamedRequest
from gateway.web.proxy_headers import TrustedProxies
from gateway.web.request_context import RequestContexts
from gateway.web.security import HEADERS, Security
from gateway.web.zerocopy import FileSender

from .errors import CONTENT_TYPE, GatewayError, problem
from .hypercorn_fixes import fixed_hypercorn
from .settings import Settings, read_settings

logger = logging.getLogger("gateway")


def create_app(settings: Settings | None = None) -> Quart:
    """The gateway, cold: nothing is opened, started or connected until it is served.

    `settings` None: those of the environment and `.env`.

    :raises StartRefused: one of those has a value that cannot be.
    """
    settings = settings or read_settings()
    token = settings.api_token.get_secret_value() if settings.api_token else None

    shutdown = Shutdown()
    datastore = Datastore(
        redis_url=settings.redis_url,
        data_dir=settings.data_dir,
        maxmemory_bytes=settings.redis_maxmemory_bytes,
    )
    library = Library(settings.audio_dir, max_upload_bytes=settings.max_upload_bytes)
    feed = ChangeFeed(library, shutdown)
    uploads = ResumableUploads(library, expires_after_s=settings.upload_ttl_s)
    cache = Cache(datastore, timeout_s=settings.cache_timeout_s)
    queue = Queue(datastore)
    store = Store(datastore, queue, shutdown, task_ttl_s=settings.task_ttl_s)
    prober = Prober(timeout_s=settings.probe_timeout_s, policy=settings.probe_targets)
    single_flight = SingleFlight(cache, prober, concurrency=settings.concurrency, per_host=settings.per_host)
    worker = Worker(store, queue, single_flight)
    metrics = Metrics()
    files = FileSender(idle_timeout_s=settings.upload_idle_timeout_s)
    security = Security(api_token=token, allowed_hosts=settings.allowed_hosts)

    app = Quart("gateway", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None, SEND_FILE_MAX_AGE_DEFAULT=None)
    app.request_class = StreamedRequest
    contexts = RequestContexts(
        BodyFlow(security.screen(app.asgi_app), idle_timeout_s=settings.upload_idle_timeout_s),
        shutdown,
        proxies=TrustedProxies(settings.trusted_proxies),
        headers=HEADERS,
        observers=(metrics.note, log_access),
    )
    app.asgi_app = contexts  # type: ignore[method-assign]
    app.register_error_handler(GatewayError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http_exception)
    health.observe(app)
    security.install(app)
    app.register_blueprint(audio_views.blueprint(library, feed))
    app.register_blueprint(tus.blueprint(uploads))
    app.register_blueprint(tasks_views.blueprint(store, cache))
    app.register_blueprint(docs.blueprint(needs_token=token is not None))
    app.register_blueprint(health.blueprint(datastore, library.disk, queue, metrics))
    health.watch_parts(
        metrics, datastore=datastore, contexts=contexts, feed=feed, single_flight=single_flight, worker=worker
    )

    @app.while_serving
    async def lifespan() -> AsyncGenerator[None, None]:
        configure_logging(settings.log_format)
        logger.info("audio folder: %s", settings.audio_dir.absolute())
        logger.info("redis: %s", datastore.describe_kind())
        logger.info("access: %s", security.describe())
        logger.info("probes: %s", describe_policy(settings.probe_targets))
        raise_file_limit()
        bound_unsent_bytes()
        await library.disk.prepare()
        with shutdown.watched(), tuned_gc(), fixed_hypercorn(HEADERS, files):
            async with anyio.create_task_group() as outer:
                outer.start_soon(contexts.run)
                outer.start_soon(end_with_parent, shutdown)
                outer.start_soon(metrics.run)
                await outer.start(datastore.run)
                async with anyio.create_task_group() as inner:  # ends first: tasks are handed over while Redis is there
                    inner.start_soon(cache.run)
                    inner.start_soon(worker.run)
                    inner.start_soon(feed.run)
                    inner.start_soon(uploads.run)
                    yield
                    inner.cancel_scope.cancel()
                outer.cancel_scope.cancel()
        logger.info("stopped")

    return app


async def _answer_error(error: GatewayError) -> Response:
    body = problem(error.status, error.code, error.detail, **error.fields, request_id=REQUEST_ID.get())
    return Response(to_json(body), error.status, headers=error.headers, content_type=CONTENT_TYPE)


async def _answer_http_exception(error: HTTPException) -> Response | HTTPException:
    """What the framework refuses, in the same shape; a redirect stays as it is."""
    if error.code is None or error.code < 400:
        return error
    if error.code >= 500:
        detail = "Something went wrong here; it is in the log."
    else:
        detail = "There is nothing at this address." if error.code == 404 else str(error.description)
    body = problem(error.code, str(error.name).lower().replace(" ", "-"), detail, request_id=REQUEST_ID.get())
    allow = dict(error.get_headers()).get("Allow")
    return Response(to_json(body), error.code, headers={"Allow": allow} if allow else {}, content_type=CONTENT_TYPE)
