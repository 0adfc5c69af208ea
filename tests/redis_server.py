"""A real Redis on a TCP port, as somebody else would run it: to be killed, stopped, filled and spoilt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import SIGCONT

import anyio
from anyio.abc import Process

from gateway.datastore.embedded import find_server


@asynccontextmanager
async def serving(folder: Path, port: int, *options: str, server: Path | None = None) -> AsyncIterator[Process]:
    """A server that listens, until the block ends or it is killed; what it wrote into `folder` it reads again.

    `server`: its program; None: that of the embedded server.
    """
    await anyio.Path(folder).mkdir(exist_ok=True)
    base = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--set-proc-title", "no"]
    log_file = str(folder / "log")
    process = await anyio.open_process(
        [str(server or find_server()), *base, "--logfile", log_file, *options], stdin=None
    )
    try:
        with anyio.fail_after(60):
            while not await accepts(port):
                await anyio.sleep(0.01)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(SIGCONT)
            process.kill()
        await process.aclose()


async def accepts(port: int) -> bool:
    """Whether somebody listens."""
    with suppress(OSError):
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    return False
