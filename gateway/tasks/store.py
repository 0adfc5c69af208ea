"""Tasks in Redis. Owns these keys:

gateway:{<id>}:task      hash: status, total, done, follow, urls, created_at, finished_at, result
gateway:{<id>}:probes    list of chunks, each a JSON list of rows [place, code, error, detail, cached, elapsed_s,
                         location]; the last row of a place counts
gateway:recent           sorted set of task ids by the ms of their creation

A task is durable before its 201 is sent and bears no expiry while it runs. The keys of one task share a slot of a
Cluster; between the slots every step can be repeated, and a crash leaves nothing that was promised to anybody.
"""

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

import anyio
from pydantic_core import from_json, to_json

from ..datastore import Datastore, KeySpoiled
from ..errors import NotFound
from ..shutdown import Shutdown
from .models import Landing, NewTask, Outcome, Probe, ProbeError, Task, TaskStatus
from .queue import Queue

RECENT_TASKS = 10_000
"""How many tasks the list of recent ones goes back."""
UNPROMISED_S = 300
"""How long a task lives whose client was never told that it was taken."""
POLL_S = 0.5
"""How often a wait looks whether another gateway has ended the task; this one tells at once."""
FIRST_POLL_S = 0.02
"""How soon it looks for the first time; the pauses double from this."""
BEAT_S = 10.0
"""How often a task that stands still is shown again, so that whoever watches knows that the line holds."""

logger = logging.getLogger("gateway.tasks")

_RECENT = "gateway:recent"
_SUMMARY = ("status", "total", "done", "created_at", "finished_at")

_CREATE = """
local status = redis.call('HGET', KEYS[1], 'status')
if status and (status ~= 'running' or redis.call('TTL', KEYS[1]) == -1) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""

_KEEP = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('PERSIST', KEYS[1])
return 1
"""

_TAKE = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return false end
redis.call('PERSIST', KEYS[1])
local fields = redis.call('HMGET', KEYS[1], 'urls', 'follow', 'created_at')
return {fields[1], fields[2], fields[3], redis.call('LRANGE', KEYS[2], 0, -1)}
"""

_SAVE = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[2])
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'done')) then
    redis.call('HSET', KEYS[1], 'done', ARGV[1])
end
return 1
"""

_END = """
if redis.call('HGET', KEYS[1], 'status') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'finished_at', ARGV[2], 'status', ARGV[1])
if ARGV[4] then redis.call('HSET', KEYS[1], 'result', ARGV[4]) end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What a task asks for, and what of it is saved already, by this gateway or one before it."""

    urls: list[str]
    follow_redirects: bool
    saved: list[Landing]


class Store:
    """Tasks in Redis. `task_ttl_s` is how long an ended task is kept. Every method can raise RedisAway."""

    def __init__(self, datastore: Datastore, queue: Queue, shutdown: Shutdown, *, task_ttl_s: int) -> None:
        self._datastore = datastore
        self._queue = queue
        self._shutdown = shutdown
        self._task_ttl_s = task_ttl_s
        self._ends: WeakValueDictionary[str, anyio.Event] = WeakValueDictionary()

    async def add_task(self, new: NewTask, identity: UUID | None = None) -> Task:
        """Store a task and queue it; one that is there under this id already is given as it stands.

        :raises QueueFull: the queue holds too many URLs already.
        """
        identity = identity or uuid4()
        key, created_at, total = _task_key(str(identity)), datetime.now(UTC), len(new.urls)
        fields = {
            "status": TaskStatus.RUNNING.value,
            "total": total,
            "done": 0,
            "follow": int(new.follow_redirects),
            "urls": to_json(new.urls),
            "created_at": created_at.isoformat(),
        }
        if not await self._datastore.eval(_CREATE, [key], [UNPROMISED_S, *chain.from_iterable(fields.items())]):
            task = await self.read_task(identity)
            await self._list_task(identity, task.created_at)  # whoever made it may have died before
            return task
        await self._queue.put(str(identity), total)
        await self._datastore.eval(_KEEP, [key], [])
        task = Task(
            id=identity,
            status=TaskStatus.RUNNING,
            result=None,
            total=total,
            done=0,
            created_at=created_at,
            finished_at=None,
        )
        await self._list_task(identity, created_at)
        return task

    async def read_task(self, identity: UUID) -> Task:
        """The task of this id.

        :raises NotFound: there is none, or it ended longer ago than tasks are kept.
        """
        with self._datastore.open() as redis:
            result, *summary = await redis.hmget(_task_key(str(identity)), ("result", *_SUMMARY))
            task = _read_summary(identity, summary)
            return task if result is None else task.model_copy(update={"result": from_json(result)})

    async def wait_task(self, identity: UUID, wait_s: float) -> Task:
        """The task of this id once it has ended, or as it stands when `wait_s` have passed or this process is to end.

        :raises NotFound: as `read_task`.
        """
        deadline = time.monotonic() + wait_s
        pause_s = FIRST_POLL_S
        while True:
            end = self._ends.setdefault(str(identity), anyio.Event())  # lives as long as somebody waits
            task = await self.read_task(identity)
            left_s = deadline - time.monotonic()
            if task.status is not TaskStatus.RUNNING or left_s <= 0 or self._shutdown.begun:
                return task
            with anyio.move_on_after(min(left_s, pause_s)):
                await end.wait()
            pause_s = min(2 * pause_s, POLL_S)

    async def watch_task(self, identity: UUID) -> AsyncGenerator[Task, None]:
        """The task of this id whenever it has gone on, and at least every `BEAT_S`; the last time once it has ended.

        It stops before that when this process is to end.

        :raises NotFound: as `read_task`.
        """
        done, due = -1, 0.0
        while not self._shutdown.begun:
            end = self._ends.setdefault(str(identity), anyio.Event())
            task = await self.read_task(identity)
            ended = task.status is not TaskStatus.RUNNING
            if ended or task.done != done or time.monotonic() > due:
                done, due = task.done, time.monotonic() + BEAT_S
                yield task
            if ended:
                return
            with anyio.move_on_after(POLL_S):
                await end.wait()

    async def list_tasks(self, offset: int, limit: int) -> list[Task]:
        """Recent tasks, newest first, without their results, and without those that somebody has spoilt."""
        with self._datastore.open() as redis:
            names = [name.decode() for name in await redis.zrevrange(_RECENT, offset, offset + limit - 1)]
            summaries = redis.pipeline(transaction=False)
            for name in names:
                summaries.hmget(_task_key(name), _SUMMARY)
            answers = await summaries.execute(raise_on_error=False) if names else ()
            found = dict(zip(names, answers, strict=True))
            gone = [name for name, values in found.items() if isinstance(values, list) and values[0] is None]
            if gone:
                await redis.zrem(_RECENT, *gone)
        tasks = (self._read_listed(name, values) for name, values in found.items() if name not in gone)
        return [task for task in tasks if task]

    def _read_listed(self, name: str, values: Sequence[bytes | None] | Exception) -> Task | None:
        with suppress(KeySpoiled, NotFound), self._datastore.open():
            if isinstance(values, Exception):
                raise values
            return _read_summary(UUID(name), values)
        return None

    async def list_probes(self, identity: UUID, offset: int, limit: int) -> list[Probe]:
        """What is known of URLs `offset` to `offset + limit` of a task, in the order they were sent.

        :raises NotFound: as `read_task`.
        """
        with self._datastore.open() as redis:
            urls = await redis.hget(_task_key(str(identity)), "urls")
            chunks = await redis.lrange(_probes_key(str(identity)), 0, -1)
            if urls is None:
                raise NotFound(f"There is no task {identity}.")
            page = range(offset, offset + limit)
            known = {row[0]: row for chunk in chunks for row in from_json(chunk) if row[0] in page}
            sent = enumerate(from_json(urls)[offset : offset + limit], offset)
            return [_probe(url, known.get(place)) for place, url in sent]

    async def cancel_task(self, identity: UUID) -> Task:
        """End a running task where it stands; one that has ended stays as it is.

        :raises NotFound: as `read_task`.
        """
        await self._end(str(identity), TaskStatus.CANCELLED)
        return await self.read_task(identity)

    async def take_task(self, task: str) -> Job | None:
        """The work of a task from the queue, None if it has ended or is gone.

        From now on it does not expire, and is listed, whatever became of the call that made it.
        """
        with self._datastore.open():
            found = await self._datastore.eval(_TAKE, [_task_key(task), _probes_key(task)], [])
            if not found:
                return None
            urls, follow, created_at, chunks = found
            saved = [_landing(row) for chunk in chunks for row in from_json(chunk)]
            job = Job(urls=from_json(urls), follow_redirects=follow == b"1", saved=saved)
            listed_at = datetime.fromisoformat(created_at.decode())
        await self._list_task(UUID(task), listed_at)
        return job

    async def keep_task(self, task: str) -> bool:
        """Make sure that a task does not expire; whether it is still running."""
        return bool(await self._datastore.eval(_KEEP, [_task_key(task)], []))

    async def save_probes(self, task: str, landings: Iterable[Landing], done: int) -> bool:
        """Save what has become known; `done` is how much is known by then. Whether the task is still running.

        A gateway that was held for dead and comes back knows less than its heir: the task never goes backwards.
        """
        rows = [_row(landing) for landing in landings]
        return bool(await self._datastore.eval(_SAVE, [_task_key(task), _probes_key(task)], [done, to_json(rows)]))

    async def finish_task(self, task: str, result: Sequence[int]) -> None:
        """Make a task ready: all its probes are saved, `result` has the code of each."""
        await self._end(task, TaskStatus.READY, to_json(result))

    async def _list_task(self, identity: UUID, created_at: datetime) -> None:
        """Put a task on the list of recent ones, once. Without a list it is a task all the same."""
        try:
            with self._datastore.open() as redis:
                steps = redis.pipeline(transaction=False)
                steps.zadd(_RECENT, {str(identity): created_at.timestamp() * 1000}, nx=True)
                steps.zremrangebyrank(_RECENT, 0, -RECENT_TASKS - 1)
                await steps.execute()
        except KeySpoiled as error:
            logger.error("task %s is not listed: %s", identity, error.__cause__)  # noqa: TRY400

    async def _end(self, task: str, status: TaskStatus, *result: bytes) -> None:
        arguments = [status.value, datetime.now(UTC).isoformat(), self._task_ttl_s, *result]
        await self._datastore.eval(_END, [_task_key(task), _probes_key(task)], arguments)
        end = self._ends.pop(task, None)
        if end is not None:
            end.set()


def _task_key(task: str) -> str:
    return f"gateway:{{{task}}}:task"


def _probes_key(task: str) -> str:
    return f"gateway:{{{task}}}:probes"


def _read_summary(identity: UUID, values: Sequence[bytes | None]) -> Task:
    status, total, done, created_at, finished_at = values
    if status is None or total is None or done is None or created_at is None:
        raise NotFound(f"There is no task {identity}.")
    return Task(
        id=identity,
        status=TaskStatus(status.decode()),
        result=None,
        total=int(total),
        done=int(done),
        created_at=datetime.fromisoformat(created_at.decode()),
        finished_at=None if finished_at is None else datetime.fromisoformat(finished_at.decode()),
    )


def _row(landing: Landing) -> tuple[int, int, str | None, str | None, bool, float | None, str | None]:
    place, outcome, cached = landing
    return (place, outcome.code, outcome.error, outcome.detail, cached, outcome.elapsed_s, outcome.location)


def _landing(row: Sequence[Any]) -> Landing:
    place, code, error, detail, cached, elapsed_s, location = row
    return Landing(place, Outcome(code, error and ProbeError(error), detail, elapsed_s, location), cached)


def _probe(url: str, row: Sequence[Any] | None) -> Probe:
    if row is None:
        return Probe(url, None, None, None, cached=False, elapsed_s=None, location=None)
    _, code, error, detail, cached, elapsed_s, location = row
    return Probe(url, code, error, detail, cached=cached, elapsed_s=elapsed_s, location=location)
