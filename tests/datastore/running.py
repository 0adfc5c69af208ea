"""A Datastore that runs, and what can be seen of its processes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio

from gateway.datastore.client import Datastore
from tests.waiting import wait_until


@asynccontextmanager
async def running(data_dir: Path, redis_url: str | None = None, **seams: Any) -> AsyncIterator[Datastore]:
    """The Redis at the URL, or an embedded one on the folder."""
    datastore = Datastore(redis_url=redis_url, data_dir=data_dir, **seams)
    async with anyio.create_task_group() as group:
        await group.start(datastore.run)
        yield datastore
        group.cancel_scope.cancel()


async def wait_for_answer(datastore: Datastore) -> None:
    """Return once Redis answers."""

    async def answers() -> bool:
        with datastore.translated():
            return bool(await datastore.client().ping())

    await wait_until(answers)


def is_running(pid: int) -> bool:
    """Whether the process runs; one that waits to be reaped does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def list_children(pid: int) -> list[int]:
    """The processes that this one has started, as /proc has them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if path.read_text().rpartition(")")[2].split()[1] == str(pid):
                found.append(int(path.parent.name))
    return found
