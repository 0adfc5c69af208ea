"""An application under a real hypercorn, in the loop of the test, on a free port of loopback."""

import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from quart import Quart


@asynccontextmanager
async def serve(app: Quart, tls: tuple[Path, Path] | None = None) -> AsyncIterator[str]:
    """The URL at which `app` is served, with `tls`, a key and its certificate, or without; it is shut down in order."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]  # hypercorn closes it
    if tls:
        config.keyfile, config.certfile = map(str, tls)
    config.errorlog = None
    config.graceful_timeout = 1
    stop, started = anyio.Event(), anyio.Event()

    @app.while_serving
    async def announce() -> AsyncGenerator[None, None]:  # the last to be registered, so that all is warm by then
        started.set()
        yield

    async def run() -> None:
        await hypercorn_serve(app, config, shutdown_trigger=stop.wait)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await started.wait()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
        finally:
            stop.set()
