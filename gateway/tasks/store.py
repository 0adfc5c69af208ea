"""Tasks in Redis: owns their keys, gateway:{<id>}:task, of which `record` says what is in them.

A task is one key, so that it expires or is evicted as a whole. A POST first queues an entry, then stores the task; the
worker drops an entry whose task does not come. So a crash at any moment leaves nothing behind. The key gets its expiry
a minute after the task has ended: until then only a maxmemory-policy of `allkeys-*` evicts it. An accepted task also
ends when Redis has no memory left: a script whose first write takes none, such as PERSIST, runs to its end (Redis
documentation, "Scripting with Lua").
"""

import logging
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from itertools import chain
from math import inf
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import anyio
from pydantic_core import to_json

from gateway.datastore.client import Datastore, KeyCorrupted, RedisFull, RedisUnavailable
from gateway.errors import NotFound, Unprocessable
from gateway.process.shutdown import Shutdown

from . import record
from .idempotency import Identity
from .models import NewTask, ProbeResult, Task, TaskStatus
from .queue import ENDED_AT_ONCE, Claim, Queue
from .recent import RecentTasks
from .results.reader import ProbeReader
from .results.rows import write_rows
from .results.selection import NothingSelected, Selection

MAKING_S = 0.5
"""How long a taken entry waits for its task, which the POST stores right after it."""
PROTECTED_S = 60
"""How long a task that has ended has no expiry, so that its clients can read it also on a full Redis."""
GIVEN_UP_S = 300
"""How long it is remembered that an entry was given up: longer than any POST lasts."""
POLL_S = 0.5
"""How often a wait looks whether another gateway has ended the task; this one tells at once."""
FIRST_POLL_S = 0.02
"""How soon it looks for the first time; the pauses double from this."""

_Signals = WeakValueDictionary[str, anyio.Event]
"""The event by which requests wait for a change of a task, by its id."""

logger = logging.getLogger("gateway.tasks")


class Store:
    """Tasks in Redis. `task_ttl_s` is how long an ended task is kept. Every method can raise RedisUnavailable.

    `recent` is the list of the last of them, `probes` reads what is known of their URLs.
    """

    def __init__(self, datastore: Datastore, queue: Queue, shutdown: Shutdown, *, task_ttl_s: int) -> None:
        self.recent = RecentTasks(datastore)
        self.probes = ProbeReader(datastore)
        self._datastore = datastore
        self._queue = queue
        self._shutdown = shutdown
        self._task_ttl_s = task_ttl_s
        self._ends: _Signals = WeakValueDictionary()
        self._steps: _Signals = WeakValueDictionary()

    async def add_task(self, new: NewTask, identity: Identity | None = None) -> Task:
        """Queue a task and store it. If one was made under this identity before, returns that one as it is now.

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
            counts={},
            verdicts={},
            created_at=datetime.now(UTC),
            finished_at=None,
        )
        made = await self._make_task(task, new, identity.digest)
        if made == b"given up":
            raise RedisUnavailable("Redis took too long for this task.")
        if made == b"there":  # a POST of the same key was faster; the entry of this one is dropped by the worker
            return await self._find_made(identity)
        try:
            await self.recent.add_task(task.id, task.created_at)
        except RedisUnavailable as error:  # it is stored: the worker lists it when it takes it
            logger.warning("task %s is not listed yet: %s", task.id, error.detail)
        return task

    async def _make_task(self, task: Task, new: NewTask, digest: str) -> bytes:
        entry = await self._queue.put(str(task.id), task.total)
        fields = {
            "entry": entry,
            "status": task.status.value,
            "total": task.total,
            "done": task.done,
            **record.write_options(new.options),
            "follow": int(new.follow_redirects),
            "urls": to_json(new.urls),
            "created_at": task.created_at.isoformat(),
            "digest": digest,
        }
        try:
            arguments = list(chain.from_iterable(fields.items()))
            return bytes(await self._datastore.eval(record.CREATE, [record.name_key(task.id)], arguments))
        except (RedisFull, KeyCorrupted):  # certain: there is no such task, and its entry need not wait to be given up
            await self._queue.acknowledge(Claim(entry, str(task.id), task.total))
            raise

    async def _find_made(self, identity: Identity) -> Task:
        with self._datastore.open() as redis:
            digest = await redis.hget(record.name_key(identity.id), "digest")
        if digest is not None and digest != identity.digest.encode():
            raise Unprocessable("This Idempotency-Key came with another body before.")
        return await self.read_task(identity.id)

    async def read_task(self, identity: UUID) -> Task:
        """The task of this id.

        :raises NotFound: there is none, or it ended longer ago than tasks are kept.
        """
        with self._datastore.open() as redis:
            return record.read_task(identity, await redis.hmget(record.name_key(identity), (*record.SUMMARY, "result")))

    async def wait_task(self, identity: UUID, wait_s: float) -> Task:
        """The task of this id once it has ended, or as it stands when `wait_s` have passed or this process is to end.

        :raises NotFound: as `read_task`.
        """
        deadline = time.monotonic() + wait_s
        async with aclosing(self._poll_task(identity, self._ends, deadline)) as tasks:
            return [task async for task in tasks][-1]

    def watch_task(self, identity: UUID) -> AsyncGenerator[Task, None]:
        """The task of this id, again and again: when this gateway has saved some of it, at its end, every `POLL_S`.

        The last time once it has ended, or when this process is to end.

        :raises NotFound: as `read_task`.
        """
        return self._poll_task(identity, self._steps)

    async def _poll_task(self, identity: UUID, news: _Signals, deadline: float = inf) -> AsyncGenerator[Task, None]:
        """The task of this id, read now, at news or after a pause, until it has ended, the deadline, or shutdown."""
        pause_s = FIRST_POLL_S
        while True:
            signal = news.setdefault(str(identity), anyio.Event())  # lives as long as a request waits
            task = await self.read_task(identity)
            yield task
            left_s = deadline - time.monotonic()
            if task.status is not TaskStatus.RUNNING or left_s <= 0 or self._shutdown.begun:
                return
            with anyio.move_on_after(min(left_s, pause_s)):
                await signal.wait()
            pause_s = min(2 * pause_s, POLL_S)

    async def read_again(self, identity: UUID, selection: Selection) -> NewTask:
        """A new task of some URLs of another one, with its options but for the headers, and nothing from the cache.

        :raises NotFound: as `read_task`.
        :raises NothingSelected: there are no such URLs.
        """
        table = await self.probes.read(identity)
        urls = [table.urls[place] for place in await selection.find_places(table)]
        if not urls:
            raise NothingSelected("There is no such URL in this task.")
        with self._datastore.open() as redis:
            values = await redis.hmget(record.name_key(identity), ("options", "follow"))
            fields = zip((b"options", b"follow"), values, strict=True)
            options = record.read_options({name: value for name, value in fields if value is not None})
        return NewTask(urls=urls, **options.model_dump(exclude={"max_age_s"}), max_age_s=0)

    async def cancel_task(self, identity: UUID) -> Task:
        """End a running task where it stands; one that has ended stays as it is.

        :raises NotFound: as `read_task`.
        """
        await self._end(str(identity), {"status": TaskStatus.CANCELLED.value})
        return await self.read_task(identity)

    async def take_task(self, claim: Claim) -> record.TaskWork | None:
        """The work of a task from the queue; None if it has ended, is gone, or is worked on through another entry.

        From now on it is listed, whatever became of the call that made it.

        :raises RedisUnavailable: also while the POST that queued it has not stored it.
        """
        deadline, pause_s = time.monotonic() + MAKING_S, 0.002
        while True:
            arguments = [claim.entry, int(claim.abandoned), GIVEN_UP_S]
            with self._datastore.open():
                found = await self._datastore.eval(record.TAKE, [record.name_key(claim.task)], arguments)
                work = record.read_work(found) if isinstance(found, list) else None
            if work is not None:
                await self.recent.add_task(UUID(claim.task), work.created_at)
            if found != b"unmade":
                return work
            if time.monotonic() > deadline:
                raise RedisUnavailable("Its POST has not stored it.")
            await anyio.sleep(pause_s)
            pause_s *= 2

    async def is_running(self, task: str) -> bool:
        """Whether a task has not ended."""
        with self._datastore.open() as redis:
            return bool(await redis.hget(record.name_key(task), "status") == TaskStatus.RUNNING.value.encode())

    async def save_probes(
        self, task: str, results: Iterable[ProbeResult], done: int, counts: record.TaskCounts
    ) -> bool:
        """Save some results; `done` and `counts` are those of the task with them. Returns whether it still runs.

        A smaller `done` than the saved one changes neither: it comes from a gateway that has lost its claim.
        """
        arguments = [done, write_rows(results), record.CHUNK, record.write_counts(counts)]
        saved = bool(await self._datastore.eval(record.SAVE, [record.name_key(task)], arguments))
        _wake(self._steps, task)
        return saved

    async def finish_task(self, task: str, result: Sequence[int], counts: record.TaskCounts) -> None:
        """Make a task ready: all its probes are saved, `result` has the code of each."""
        fields = {"status": TaskStatus.READY.value, "done": len(result), "result": to_json(result)}
        await self._end(task, fields | {"tally": record.write_counts(counts)})

    async def expire_tasks(self) -> None:
        """Let those tasks expire, and be evicted, that ended `PROTECTED_S` ago."""
        protected_s = min(PROTECTED_S, self._task_ttl_s)
        while True:
            ended = await self._queue.list_ended(protected_s)
            for task in ended:
                key = record.name_key(task.decode("utf-8", "replace"))
                with suppress(KeyCorrupted):  # the others must not wait for it
                    await self._datastore.eval(record.EXPIRE, [key], [self._task_ttl_s - protected_s])
            await self._queue.forget_ended(ended)
            if len(ended) < ENDED_AT_ONCE:
                return

    async def _end(self, task: str, fields: Mapping[str, Any]) -> None:
        ended = {**fields, "finished_at": datetime.now(UTC).isoformat(), "headers": "{}"}
        await self._datastore.eval(record.END, [record.name_key(task)], list(chain.from_iterable(ended.items())))
        for signals in (self._ends, self._steps):
            _wake(signals, task)


def _wake(signals: _Signals, task: str) -> None:
    """Wake the requests that wait for something of a task."""
    signal = signals.pop(task, None)
    if signal is not None:
        signal.set()
