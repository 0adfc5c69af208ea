"""Tasks from the queue to their end: takes them, has their URLs probed, saves the results, renews the claims.

Results are saved while a task runs. When this gateway dies, another one takes the task over, and probes only the URLs
whose results were not saved.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.abc import TaskGroup

from gateway.datastore.client import KeyCorrupted, RedisUnavailable

from .backoff import Backoff
from .flight import Batch
from .queue import RENEW_EVERY_S, Claim, Queue
from .record import TaskWork
from .running_task import RunningTask
from .single_flight import REDIS_RETRY_S, SingleFlight
from .store import Store

MAX_RUNS = 256
"""How many tasks a gateway works on at once; the others wait in the queue, where every gateway sees them."""
LEFT_EVERY_S = 0.05
"""How often a gateway with work for all its slots takes a task that no idle gateway has taken.

It takes one at a time: with four at a time, one of four gateways had half of its share of a burst.
"""
BATCH_URLS = 500
"""How many URLs are counted and recalled at once; at most `MAX_CODES_AT_ONCE`."""
SAVE_AT_ONCE = 2_000
SAVERS = 8
"""How many tasks are saved at the same time: on a busy event loop each call to Redis waits for several of its turns."""
CORRUPTED_S = (10.0, 60.0)
"""The first and the longest pause of a task whose key is corrupted: an operator may mend it."""
PREPARE_EVERY_S = 600.0
EXPIRE_EVERY_S = 1.0
HAND_OVER_S = 2.0
"""How long saving and releasing the claims may take at shutdown."""
LAST_SAVE_S = 1.2
"""How much of it saving may take."""

logger = logging.getLogger("gateway.tasks")


class Worker:
    """The tasks of this gateway."""

    def __init__(self, store: Store, queue: Queue, flights: SingleFlight) -> None:
        self._store = store
        self._queue = queue
        self._flights = flights
        self._runs: dict[bytes, RunningTask] = {}
        first_s, max_s = CORRUPTED_S
        self._corrupted = Backoff(first_s=first_s, max_s=max_s)
        self._savers = anyio.CapacityLimiter(SAVERS)
        self._prepared = False

    @property
    def running(self) -> int:
        """How many tasks this gateway works on."""
        return len(self._runs)

    async def run(self) -> None:
        """Work for ever; at the end, save what is known and leave the rest to the next gateway."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._flights.run)
                group.start_soon(self._repeat, self._queue.prepare, PREPARE_EVERY_S)
                group.start_soon(self._repeat, self._renew, RENEW_EVERY_S)
                group.start_soon(self._repeat, self._store.expire_tasks, EXPIRE_EVERY_S)
                group.start_soon(self._repeat, self._adopt, RENEW_EVERY_S, group)
                await self._repeat(self._take, 0.0, group)
        finally:
            with anyio.move_on_after(HAND_OVER_S, shield=True):
                await self._hand_over()

    async def _repeat(self, step: Callable[..., Awaitable[None]], pause_s: float, *args: object) -> None:
        while True:
            try:
                await step(*args)
            except RedisUnavailable:
                await anyio.sleep(REDIS_RETRY_S)
            except Exception:
                logger.exception("%s failed; it goes on", step.__name__)
                await anyio.sleep(REDIS_RETRY_S)
            await anyio.sleep(pause_s)

    async def _take(self, group: TaskGroup) -> None:
        """Take what is queued. A busy gateway does not block on the queue, so that idle ones take first."""
        if not self._prepared:  # at the start, and when Redis may have come back empty
            await self._queue.prepare()
            self._prepared = True
        if len(self._runs) >= MAX_RUNS:
            await anyio.sleep(REDIS_RETRY_S)
            return
        idle = sum(run.missing for run in self._runs.values()) < self._flights.schedule.slots
        if not idle:
            await anyio.sleep(LEFT_EVERY_S)
        try:
            claims = await self._queue.take(wait=idle)
        except RedisUnavailable:
            self._prepared = False
            raise
        self._start(claims, group)

    async def _adopt(self, group: TaskGroup) -> None:
        self._start(await self._queue.take_abandoned(max(1, MAX_RUNS - len(self._runs))), group)

    def _start(self, claims: Sequence[Claim], group: TaskGroup) -> None:
        for claim in claims:
            if claim.entry in self._runs or self._corrupted.is_paused(claim.entry):
                continue
            if claim.abandoned:
                logger.info("task %s: going on with what another gateway left", claim.task)
            run = self._runs[claim.entry] = RunningTask(claim)
            group.start_soon(self._try_to_work, run)

    async def _try_to_work(self, run: RunningTask) -> None:
        """Work on a task; a failure is logged. The claim is not renewed then, so that the task is taken up again."""
        task = run.claim.task
        try:
            with run.scope:
                await self._work(run)
            self._corrupted.forget(run.claim.entry)
        except KeyCorrupted as error:
            self._note_corrupted(run.claim, error)
        except RedisUnavailable as error:
            logger.warning("task %s cannot be read for now: %s", task, error.detail)
        except Exception:
            logger.exception("task %s stopped; it is taken up again", task)
        del self._runs[run.claim.entry]  # not at the end of this process: what is left is handed over
        if run.codes and run.missing:  # without codes, another entry of this task may be worked on
            self._flights.remove_task(task)

    async def _work(self, run: RunningTask) -> None:
        """Bring a task to its end, and take it off the queue."""
        work = await self._store.take_task(run.claim)
        if work is None:
            await self._queue.acknowledge(run.claim)
            return
        run.begin(work)
        async with anyio.create_task_group() as group:
            group.start_soon(self._feed, run, work)
            ended = False
            while not ended:
                await run.wait_news()
                try:
                    async with self._savers:
                        ended = await self._save(run)
                        self._corrupted.forget(run.claim.entry)
                except KeyCorrupted as error:
                    await anyio.sleep(self._note_corrupted(run.claim, error))
                except RedisUnavailable:
                    await anyio.sleep(REDIS_RETRY_S)
            group.cancel_scope.cancel()

    def _note_corrupted(self, claim: Claim, error: KeyCorrupted) -> float:
        """The pause of a task whose key is corrupted, in seconds."""
        pause_s = self._corrupted.fail(claim.entry)
        logger.error("task %s is tried again in %g s: %s", claim.task, pause_s, error.detail)
        return pause_s

    async def _feed(self, run: RunningTask, work: TaskWork) -> None:
        """Hand all URLs that are not known to single flight."""
        for start in range(0, len(work.urls), BATCH_URLS):
            urls = work.urls[start : start + BATCH_URLS]
            wanted = {place for place in range(start, start + len(urls)) if run.codes[place] is None}
            if wanted:
                await self._flights.fan_out(Batch(run.claim.task, start, urls, wanted, work.options), run.add_result)

    async def _save(self, run: RunningTask) -> bool:
        """Save what is new of a task. Returns whether it has ended, or was cancelled, and is off the queue.

        :raises RedisUnavailable: some of it is not saved.
        """
        task = run.claim.task
        running = run.has_news or await self._store.is_running(task)
        while run.unsaved and running:
            chunk = run.unsaved[:SAVE_AT_ONCE]
            running = await self._store.save_probes(task, chunk, run.done, run.counts)
            del run.unsaved[: len(chunk)]
        if running and run.missing:
            return False
        if running:
            await self._store.finish_task(task, [code or 0 for code in run.codes], run.counts)
        await self._queue.acknowledge(run.claim)
        return True

    async def _renew(self) -> None:
        """Renew all claims, in one call to Redis, and stop the tasks whose claim another gateway has."""
        runs = list(self._runs.values())
        held = await self._queue.renew([run.claim for run in runs])
        for run in runs:
            if run.claim.entry not in held and self._runs.get(run.claim.entry) is run:
                logger.warning("task %s: another gateway has taken it over", run.claim.task)
                run.scope.cancel()

    async def _hand_over(self) -> None:
        """Save what is known, task by task, and release the claims of the rest."""
        ended: set[bytes] = set()
        with anyio.move_on_after(LAST_SAVE_S):
            for entry, run in self._runs.items():
                try:
                    if run.has_news and await self._save(run):
                        ended.add(entry)
                except RedisUnavailable as error:
                    logger.warning("task %s: what came last is not saved: %s", run.claim.task, error.detail)
                except Exception:
                    logger.exception("task %s: what came last is not saved", run.claim.task)
        left = [run.claim for entry, run in self._runs.items() if entry not in ended]
        try:
            await self._queue.release(left)
        except RedisUnavailable:
            return  # they are adopted once the claims have aged
        if left:
            logger.info("%d tasks left for the next gateway", len(left))
