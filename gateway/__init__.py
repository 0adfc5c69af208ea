"""The gateway: an audio library and a task API in one process.

A map of the code:

    factory      wires everything; settings, errors, guard, edge, logs, operations stand round it
    contract     what a view promises -> openapi (the document) -> reference (/openapi.json, /docs)
    exchange     the outermost: an id, figures and an end for each request -> edge (how bodies flow) -> the views
    http1        mends the hypercorn that serves this process; zerocopy sends files past it
    datastore    the Redis in use: the one at REDIS_URL, or the embedded server
    audio        sniff (is it audio?) -> library (the folder) -> views (page, API, bytes)
    tasks        views -> store and queue (Redis) -> runner -> flights -> cache or probe, and back
"""

from .factory import create_app

app = create_app()
