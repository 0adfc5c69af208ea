"""What is known of the URLs of tasks, read from a real Redis chunk by chunk."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import anyio
import pytest

from gateway.datastore.client import Datastore, KeyCorrupted
from gateway.errors import NotFound
from gateway.process.shutdown import Shutdown
from gateway.tasks.models import NewTask, ProbeOutcome, ProbeResult
from gateway.tasks.queue import Queue
from gateway.tasks.record import TaskCounts
from gateway.tasks.results.reader import READ_BYTES, ProbeReader
from gateway.tasks.results.table import ProbeTable
from gateway.tasks.store import Store

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(datastore: Datastore) -> Store:
    """A store on an empty Redis."""
    queue = Queue(datastore)
    await queue.prepare()
    return Store(datastore, queue, Shutdown(), task_ttl_s=3600)


async def add_task(store: Store, count: int) -> UUID:
    """A running task of that many URLs."""
    return (await store.add_task(NewTask(urls=[f"http://host/{place}" for place in range(count)]))).id


async def save(store: Store, task: UUID, places: Iterable[int], *, code: int = 200, detail: str | None = None) -> None:
    """Save a chunk of probes."""
    landings = [ProbeResult(place, ProbeOutcome(code, detail=detail), cached=False) for place in places]
    assert await store.save_probes(str(task), landings, len(landings), TaskCounts())


def list_codes(table: ProbeTable) -> list[int | None]:
    """The codes known so far."""
    return [probe.code for probe in table.list_probes(range(len(table.urls)))]


async def test_running_then_ready(store: Store, datastore: Datastore, redis: Any) -> None:
    """Chunks are read as they come, each once, in any order of places, until the task is ready."""
    task = await add_task(store, 5)
    table = await store.probes.read(task)
    assert (list_codes(table), table.landed) == ([None] * 5, [])
    await save(store, task, [3, 1])
    assert await store.probes.read(task) is table
    assert (list_codes(table), table.landed) == ([None, 200, None, 200, None], [3, 1])
    key = f"gateway:{{{task}}}:task"
    # what was read is not read again
    (chunk,) = [name for name in await redis.hkeys(key) if name.startswith(b"probes:")]
    await redis.hset(key, chunk, "spoilt")
    await save(store, task, [0, 2, 4], code=404)
    await store.finish_task(str(task), [404, 200, 404, 200, 404], TaskCounts())
    await store.probes.read(task)
    assert (list_codes(table), table.landed) == ([404, 200, 404, 200, 404], [3, 1, 0, 2, 4])
    with pytest.raises(KeyCorrupted):  # another gateway cannot read them all
        await ProbeReader(datastore).read(task)


async def test_row_twice(store: Store) -> None:
    """A gateway that was held for dead saves URLs again: the first row counts, and nothing lands twice."""
    task = await add_task(store, 2)
    await save(store, task, [0])
    await save(store, task, [0, 1], code=500)
    table = await store.probes.read(task)
    assert (list_codes(table), table.landed) == ([200, 500], [0, 1])


async def test_large_task(store: Store) -> None:
    """A task whose chunks come to more than is read at once is read whole, also by many at the same time."""
    task = await add_task(store, 3000)
    for start in range(0, 3000, 500):
        await save(store, task, range(start, start + 500), detail="x" * (READ_BYTES // 1000))
    tables: list[ProbeTable] = []

    async def read() -> None:
        tables.append(await store.probes.read(task))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(read)
    assert tables == [tables[0]] * 5
    assert tables[0].landed == list(range(3000))


async def test_task_of_the_version_before(store: Store, redis: Any) -> None:
    """Chunks are found under whichever numbers another version gave them, with other fields between."""
    task = str(uuid4())
    fields = {"status": "running", "total": 3, "done": 0, "follow": 0, "urls": json.dumps(["a", "b", "c"])}
    key = f"gateway:{{{task}}}:task"
    await redis.hset(key, mapping={**fields, "created_at": "2026-01-01T00:00:00+00:00"})
    await redis.hset(key, "probes:6", json.dumps([[2, 200, None, None, False, 0.1, "/x"]]))
    await redis.hset(key, mapping={"later": 1, "still later": 2})
    await redis.hset(key, "probes:9", json.dumps([[0, 0, "dns", "no such name", False, None, None]]))
    table = await store.probes.read(UUID(task))
    assert [(probe.code, probe.error, probe.location) for probe in table.list_probes(range(3))] == [
        (0, "dns", None), (None, None, None), (200, None, "/x"),
    ]  # fmt: skip


async def test_same_id_again(store: Store, redis: Any) -> None:
    """A task that is gone is 404; another one of the same id, as of an Idempotency-Key, is read anew."""
    task = await add_task(store, 1)
    await save(store, task, [0])
    await store.probes.read(task)
    key = f"gateway:{{{task}}}:task"
    fields = await redis.hgetall(key)
    await redis.delete(key)
    with pytest.raises(NotFound):
        await store.probes.read(task)
    await redis.hset(key, mapping=fields)
    await store.probes.read(task)
    await redis.delete(key)
    await redis.hset(
        key, mapping={"status": "running", "created_at": "later", "urls": '["x", "y"]', "total": 2, "done": 0}
    )
    assert (await store.probes.read(task)).urls == ["x", "y"]


async def test_bounded_memory(store: Store, datastore: Datastore) -> None:
    """Of many tasks the last few are kept, and one that is too large for all is read all the same."""
    tasks = [await add_task(store, 100) for _ in range(10)]
    size_bytes = (await store.probes.read(tasks[0])).size_bytes
    reader = ProbeReader(datastore, kept_bytes=3 * size_bytes)
    first = [await reader.read(task) for task in tasks]
    again = [await reader.read(task) for task in reversed(tasks)]
    kept = [old is new for old, new in zip(reversed(first), again, strict=True)]
    assert kept == [True] * 3 + [False] * 7
    assert len((await ProbeReader(datastore, kept_bytes=1).read(tasks[0])).urls) == 100
