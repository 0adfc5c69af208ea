"""The gateway: an audio library and a task API in one process.

A map of the code:

    factory           create_app wires everything; settings and errors are read by all
    hypercorn_fixes   the defects of hypercorn that cannot wait for a release
    hypercorn_accept  which connections it takes, and its TLS
    web/              HTTP: request context, framing, security, flow of bodies, static files, /docs
    openapi/          what a view promises, as an OpenAPI document
    ops/              health, metrics, access log
    process/          signals, logs, deadlines, limits
    datastore/        the Redis in use: the one at REDIS_URL, or the embedded server
    audio/            formats (is it audio?) -> uploads -> library (the folder) -> views (page, API, bytes)
    tasks/            views -> store and queue (Redis) -> worker -> single_flight -> cache or probe, and back
"""

from .factory import create_app

app = create_app()
