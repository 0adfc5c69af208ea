"""The gateway: an audio library and a task API in one process.

A map of the code:

    factory      wires everything; settings, errors, guard, edge, logs, operations stand round it
    contract     what a view promises -> openapi (the document) -> reference (/openapi.json, /docs)
    datastore    the Redis in use: the one at REDIS_URL, or the embedded server
    audio        sniff (is it audio?) -> library (the folder) -> views (page, API, bytes)
    tasks        views -> store and queue (Redis) -> runner -> flights -> cache or probe, and back
"""

from .factory import create_app

app = create_app()
