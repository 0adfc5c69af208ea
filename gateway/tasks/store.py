"""Tasks in Redis. Owns these keys:

gateway:{<id>}:task      hash, see `record`
gateway:recent           sorted set of task ids by the ms of their creation

A task is one key, so that it expires or is evicted as a whole. Its entry is queued before it is stored, and the runner
gives up an entry that gets no task, so that a crash at any moment leaves nothing behind. It bears no expiry before it
has ended and a minute more: until then no maxmemory-policy but `allkeys-*` evicts it. An accepted task ends on a
full Redis too: Redis carries out a script whose first write takes no memory, such as PERSIST (its documentation,
"Scripting with Lua").
"""

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import anyio
from pydantic_core import to_json

from gateway.datastore.client import Datastore, KeyCorrupted, RedisFull, RedisUnavailable
from gateway.errors import NotFound, Unprocessable
from gateway.process.shutdown import Shutdown

from .idempotency import Identity
from .models import NewTask, Probe, ProbeResult, Task, TaskStatus
from .queue import Claim, Queue
from .record import (
    CHUNK,
    CREATE,
    END,
    EXPIRE,
    SAVE,
    SUMMARY,
    TAKE,
    TaskWork,
    read_job,
    read_probes,
    read_result,
    read_summary,
    write_rows,
)

RECENT_TASKS = 10_000
"""How many tasks the list of recent ones goes back."""
MAKING_S = 0.5
"""How long a taken entry waits for its task, which the POST stores right after it."""
PROTECTED_S = 60
"""For how long a task that has ended bears no expiry, so that its clients can read it also on a full Redis."""
GIVEN_UP_S = 300
"""How long it is remembered that an entry was given up: longer than any POST lasts."""
POLL_S = 0.5
"""How often a wait looks whether another gateway has ended the task; this one tells at once."""
FIRST_POLL_S = 0.02
"""How soon it looks for the first time; the pauses double from this."""
BEAT_S = 10.0
"""How often a task without progress is sent again, as a heartbeat of the event stream."""

logger = logging.getLogger("gateway.tasks")

_RECENT = "gateway:recent"

_LIST = """
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -ARGV[1] - 1)
redis.call('ZADD', KEYS[1], 'NX', ARGV[2], ARGV[3])
"""


class Store:
    """Tasks in Redis. `task_ttl_s` is how long an ended task is kept. Every method can raise RedisUnavailable."""

    def __init__(self, datastore: Datastore, queue: Queue, shutdown: Shutdown, *, task_ttl_s: int) -> None:
        self._datastore = datastore
        self._queue = queue
        self._shutdown = shutdown
        self._task_ttl_s = task_ttl_s
        self._ends: WeakValueDictionary[str, anyio.Event] = WeakValueDictionary()

    async def add_task(self, new: NewTask, identity: Identity | None = None) -> Task:
        """Queue a task and store it; one that was made under this identity before is given as it is now.

        :raises QueueFull: the queue holds too many URLs already.
        :raises RedisFull: Redis has no room for it.
        :raises Unprocessable: the task of this Idempotency-Key was made of another body.
        """
        identity = identity or Identity()
        if identity.digest:
            with suppress(NotFound):
                return await self._find_made(identity)
        task = Task(
            id=identity.id,
            status=TaskStatus.RUNNING,
            result=None,
            total=len(new.urls),
            done=0,
            created_at=datetime.now(UTC),
            finished_at=None,
        )
        made = await self._make_task(task, new, identity.digest)
        if made == b"given up":
            raise RedisUnavailable("Redis took too long for this task.")
        if made == b"there":  # a POST of the same key was faster; the entry of this one is dropped by the runner
            return await self._find_made(identity)
        await self._list_task(task.id, task.created_at)
        return task

    async def _make_task(self, task: Task, new: NewTask, digest: str) -> bytes:
        entry = await self._queue.put(str(task.id), task.total)
        fields = {
            "entry": entry,
            "status": task.status.value,
            "total": task.total,
            "done": task.done,
            "follow": int(new.follow_redirects),
            "urls": to_json(new.urls),
            "created_at": task.created_at.isoformat(),
            "digest": digest,
        }
        try:
            arguments = list(chain.from_iterable(fields.items()))
            return bytes(await self._datastore.eval(CREATE, [_task_key(task.id)], arguments))
        except (RedisFull, KeyCorrupted):  # certain: there is no such task, and its entry need not wait to be given up
            await self._queue.acknowledge(Claim(entry, str(task.id), task.total))
            raise

    async def _find_made(self, identity: Identity) -> Task:
        with self._datastore.open() as redis:
            digest = await redis.hget(_task_key(identity.id), "digest")
        if digest is not None and digest != identity.digest.encode():
            raise Unprocessable("This Idempotency-Key came with another body before.")
        return await self.read_task(identity.id)

    async def read_task(self, identity: UUID) -> Task:
        """The task of this id.

        :raises NotFound: there is none, or it ended longer ago than tasks are kept.
        """
        with self._datastore.open() as redis:
            result, *summary = await redis.hmget(_task_key(identity), ("result", *SUMMARY))
            task = read_summary(identity, summary)
            return task.model_copy(update={"result": read_result(result, task)})

    async def wait_task(self, identity: UUID, wait_s: float) -> Task:
        """The task of this id once it has ended, or as it stands when `wait_s` have passed or this process is to end.

        :raises NotFound: as `read_task`.
        """
        deadline = time.monotonic() + wait_s
        pause_s = FIRST_POLL_S
        while True:
            end = self._ends.setdefault(str(identity), anyio.Event())  # lives as long as a request waits
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
        """Recent tasks, newest first, without their results, and without those that cannot be read."""
        with self._datastore.open() as redis:
            names = await redis.zrevrange(_RECENT, offset, offset + limit - 1)
            listed = {name: identity for name in names if (identity := _read_id(name))}
            summaries = redis.pipeline(transaction=False)
            for identity in listed.values():
                summaries.hmget(_task_key(identity), SUMMARY)
            answers = await summaries.execute(raise_on_error=False) if listed else ()
            found = dict(zip(listed.values(), answers, strict=True))
            gone = [name for name in names if name not in listed or _is_gone(found[listed[name]])]
            if gone:
                await redis.zrem(_RECENT, *gone)
        tasks = (self._read_listed(identity, values) for identity, values in found.items())
        return [task for task in tasks if task]

    def _read_listed(self, identity: UUID, values: Sequence[bytes | None] | Exception) -> Task | None:
        with suppress(KeyCorrupted, NotFound), self._datastore.open():
            if isinstance(values, Exception):
                raise values
            return read_summary(identity, values)
        return None

    async def list_probes(self, identity: UUID, offset: int, limit: int) -> list[Probe]:
        """What is known of URLs `offset` to `offset + limit` of a task, in the order they were sent.

        :raises NotFound: as `read_task`.
        """
        with self._datastore.open() as redis:
            fields = await redis.hgetall(_task_key(identity))
            if b"status" not in fields:
                raise NotFound(f"There is no task {identity}.")
            return read_probes(fields, range(offset, offset + limit))

    async def cancel_task(self, identity: UUID) -> Task:
        """End a running task where it stands; one that has ended stays as it is.

        :raises NotFound: as `read_task`.
        """
        await self._end(str(identity), {"status": TaskStatus.CANCELLED.value})
        return await self.read_task(identity)

    async def take_task(self, claim: Claim) -> TaskWork | None:
        """The work of a task from the queue; None if it has ended, is gone, or is worked on through another entry.

        From now on it is listed, whatever became of the call that made it.

        :raises RedisUnavailable: also while the POST that queued it has not stored it.
        """
        deadline, pause_s = time.monotonic() + MAKING_S, 0.002
        while True:
            arguments = [claim.entry, int(claim.abandoned), GIVEN_UP_S]
            with self._datastore.open():
                found = await self._datastore.eval(TAKE, [_task_key(claim.task)], arguments)
                job = read_job(dict(zip(found[::2], found[1::2], strict=True))) if isinstance(found, list) else None
            if job is not None:
                await self._list_task(UUID(claim.task), job.created_at)
            if found != b"unmade":
                return job
            if time.monotonic() > deadline:
                raise RedisUnavailable("Its POST has not stored it.")
            await anyio.sleep(pause_s)
            pause_s *= 2

    async def is_running(self, task: str) -> bool:
        """Whether a task has not ended."""
        with self._datastore.open() as redis:
            return bool(await redis.hget(_task_key(task), "status") == TaskStatus.RUNNING.value.encode())

    async def save_probes(self, task: str, landings: Iterable[ProbeResult], done: int) -> bool:
        """Save what has become known; `done` is how much is known by then. Whether the task is still running.

        A gateway that was held for dead and comes back knows less than its heir: the task never goes backwards.
        """
        arguments = [done, write_rows(landings), CHUNK]
        return bool(await self._datastore.eval(SAVE, [_task_key(task)], arguments))

    async def finish_task(self, task: str, result: Sequence[int]) -> None:
        """Make a task ready: all its probes are saved, `result` has the code of each."""
        fields = {"status": TaskStatus.READY.value, "done": len(result), "result": to_json(result)}
        await self._end(task, fields)

    async def expire_tasks(self) -> None:
        """Let those tasks expire, and be evicted, that ended `PROTECTED_S` ago."""
        protected_s = min(PROTECTED_S, self._task_ttl_s)
        ended = await self._queue.list_ended(protected_s)
        for task in ended:
            with suppress(KeyCorrupted):  # the others must not wait for it
                await self._datastore.eval(EXPIRE, [_task_key(task)], [self._task_ttl_s - protected_s])
        await self._queue.forget_ended(ended)

    async def _list_task(self, identity: UUID, created_at: datetime) -> None:
        """Put a task on the list of recent ones, once. Without a list it is a task all the same."""
        try:
            arguments = [RECENT_TASKS, created_at.timestamp() * 1000, str(identity)]
            await self._datastore.eval(_LIST, [_RECENT], arguments)
        except KeyCorrupted as error:
            logger.error("task %s is not listed: %s", identity, error.__cause__)  # noqa: TRY400

    async def _end(self, task: str, fields: Mapping[str, Any]) -> None:
        ended = {**fields, "finished_at": datetime.now(UTC).isoformat()}
        await self._datastore.eval(END, [_task_key(task)], list(chain.from_iterable(ended.items())))
        end = self._ends.pop(task, None)
        if end is not None:
            end.set()


def _task_key(task: UUID | str) -> str:
    return f"gateway:{{{task}}}:task"


def _read_id(name: bytes) -> UUID | None:
    with suppress(ValueError):
        identity = UUID(name.decode())
        return identity if str(identity).encode() == name else None
    return None


def _is_gone(values: object) -> bool:
    return isinstance(values, list) and values[0] is None
