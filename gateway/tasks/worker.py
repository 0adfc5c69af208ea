"""Tasks from the queue to their end: takes, feeds, saves, renews, and adopts the tasks of dead gateways.

A run is a task in the hands of this gateway. What becomes known of it is saved by batch while it goes on, so that
another gateway can go on where this one died; nothing here is the only copy of anything but what the last batch holds.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice

import anyio
from anyio.abc import TaskGroup

from gateway.datastore.client import KeyCorrupted, RedisUnavailable

from .models import ProbeResult
from .queue import RENEW_EVERY_S, Claim, Queue
from .record import TaskWork
from .single_flight import Batch, SingleFlight
from .store import Store

MAX_RUNS = 256
"""How many tasks a gateway works on at once; the others wait in the queue, where every gateway sees them."""
LEFT_EVERY_S = 0.05
"""How often a gateway with work for all its slots looks for a task that no other has taken.

One at a time: of a burst that came to three of four gateways four at a time, the fourth had half of its share.
"""
BATCH_URLS = 500
"""How many URLs are counted and recalled at once; at most `MAX_CODES_AT_ONCE`."""
SAVE_EVERY_S = 0.05
SAVE_AT_ONCE = 2_000
SAVERS = 8
"""How many tasks are saved at the same time: on a busy event loop each call to Redis waits for several of its turns."""
PAUSE_S = 0.25
PREPARE_EVERY_S = 600.0
EXPIRE_EVERY_S = 1.0
PARTING_S = 2.0
"""How long saving and handing over may take at the end."""

logger = logging.getLogger("gateway.tasks")


class RunningTask:
    """A task in the hands of this gateway: what is known of it, and what of that is not saved yet."""

    def __init__(self, claim: Claim, job: TaskWork, wake: Callable[["RunningTask"], None]) -> None:
        self.claim = claim
        self.job = job
        self.scope = anyio.CancelScope()
        self.codes: list[int | None] = [None] * len(job.urls)
        self.missing = len(job.urls)
        self.unsaved: list[ProbeResult] = []
        self._wake = wake
        for landing in job.saved:
            self._know(landing)

    @property
    def done(self) -> int:
        """How many URLs are known."""
        return len(self.codes) - self.missing

    @property
    def news(self) -> bool:
        """Whether there is something to save."""
        return bool(self.unsaved) or self.missing == 0

    def land(self, landing: ProbeResult) -> None:
        """Take note of one URL."""
        if self._know(landing):
            self.unsaved.append(landing)
            self._wake(self)

    def _know(self, landing: ProbeResult) -> bool:
        if self.codes[landing.place] is not None:
            return False
        self.codes[landing.place] = landing.outcome.code
        self.missing -= 1
        return True


class Worker:
    """The tasks of this gateway."""

    def __init__(self, store: Store, queue: Queue, flights: SingleFlight) -> None:
        self._store = store
        self._queue = queue
        self._flights = flights
        self._runs: dict[str, RunningTask] = {}
        self._starting: dict[bytes, Claim] = {}
        self._prepared = False
        self._news = anyio.Event()
        self._whole = anyio.Event()

    @property
    def open(self) -> int:
        """How many tasks are in the hands of this gateway."""
        return len(self._runs)

    @property
    def _room(self) -> int:
        """How many more tasks it may take."""
        return MAX_RUNS - len(self._runs) - len(self._starting)

    async def run(self) -> None:
        """Work for ever; at the end, save what is known and leave the rest to the next gateway."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._flights.run)
                group.start_soon(self._repeat, self._queue.prepare, PREPARE_EVERY_S)
                group.start_soon(self._repeat, self._save, 0.0)
                group.start_soon(self._repeat, self._renew, RENEW_EVERY_S)
                group.start_soon(self._repeat, self._store.expire_tasks, EXPIRE_EVERY_S)
                group.start_soon(self._repeat, self._drop_ended, RENEW_EVERY_S)
                group.start_soon(self._repeat, self._adopt, RENEW_EVERY_S, group)
                await self._repeat(self._take, 0.0, group)
        finally:
            with anyio.move_on_after(PARTING_S, shield=True):
                await self._part()

    async def _repeat(self, step: Callable[..., Awaitable[None]], pause_s: float, *args: object) -> None:
        while True:
            try:
                await step(*args)
            except RedisUnavailable:
                await anyio.sleep(PAUSE_S)
            except Exception:
                logger.exception("%s failed; it goes on", step.__name__)
                await anyio.sleep(PAUSE_S)
            await anyio.sleep(pause_s)

    async def _take(self, group: TaskGroup) -> None:
        """Take what is queued. A gateway that is busy does not wait in line: those that are idle come first."""
        if not self._prepared:  # at the start, and when Redis may have come back empty
            await self._queue.prepare()
            self._prepared = True
        if self._room <= 0:
            await anyio.sleep(PAUSE_S)
            return
        waiting = sum(run.missing for run in self._runs.values())
        coming = sum(claim.total for claim in self._starting.values())
        try:
            if waiting + coming < self._flights.slots:
                claims = await self._queue.take()
            else:
                await anyio.sleep(LEFT_EVERY_S)
                claims = await self._queue.take_left()
        except RedisUnavailable:
            self._prepared = False
            raise
        self._start_all(claims, group)

    async def _adopt(self, group: TaskGroup) -> None:
        claims = await self._queue.take_abandoned(max(1, self._room))
        strange = [claim for claim in claims if claim.task not in self._runs and claim.entry not in self._starting]
        for claim in strange:
            logger.info("task %s: going on with what another gateway left", claim.task)
        self._start_all(strange, group)

    def _start_all(self, claims: Sequence[Claim], group: TaskGroup) -> None:
        """One task that cannot be read keeps none of the others waiting; its claim ages until it is tried again."""
        for claim in claims:
            self._starting[claim.entry] = claim
            group.start_soon(self._try_to_start, claim, group)

    async def _try_to_start(self, claim: Claim, group: TaskGroup) -> None:
        try:
            await self._start(claim, group)
        except RedisUnavailable as error:
            logger.warning("task %s cannot be read for now: %s", claim.task, error.detail)
        except Exception:
            logger.exception("task %s cannot be read", claim.task)
        del self._starting[claim.entry]  # not at the end of this process: what was still to be read is handed over

    async def _start(self, claim: Claim, group: TaskGroup) -> None:
        job = await self._store.take_task(claim)
        if job is None or claim.task in self._runs:
            await self._queue.acknowledge(claim)
            return
        run = self._runs[claim.task] = RunningTask(claim, job, self._wake)
        if run.news:  # another gateway saved the last of it and died
            self._wake(run)
        group.start_soon(self._feed, run)

    async def _feed(self, run: RunningTask) -> None:
        task, urls = run.claim.task, run.job.urls
        try:
            with run.scope:
                for start in range(0, len(urls), BATCH_URLS):
                    places = range(start, min(start + BATCH_URLS, len(urls)))
                    wanted = {place for place in places if run.codes[place] is None}
                    if wanted:
                        batch = Batch(task, start, urls[start : places.stop], wanted, run.job.follow_redirects)
                        await self._flights.fan_out(batch, run.land)
        except Exception:
            logger.exception("task %s stopped; it is taken up again", task)
            self._drop(run)
        if run.scope.cancel_called:
            self._flights.leave(task)

    def _wake(self, run: RunningTask) -> None:
        self._news.set()
        if run.missing == 0:
            self._whole.set()

    async def _save(self) -> None:
        """Save what is new: little by little in few calls, but a task that is whole at once."""
        await self._news.wait()
        with anyio.move_on_after(SAVE_EVERY_S):
            await self._whole.wait()
        self._news, self._whole = anyio.Event(), anyio.Event()
        runs = iter([run for run in self._runs.values() if run.news])
        failed: list[RunningTask] = []
        async with anyio.create_task_group() as savers:
            for _ in range(SAVERS):
                savers.start_soon(self._save_each, runs, failed)
        if failed:
            await anyio.sleep(PAUSE_S)
            for run in failed:
                self._wake(run)

    async def _save_each(self, runs: Iterator[RunningTask], failed: list[RunningTask]) -> None:
        for run in runs:
            try:
                await self._save_run(run)
            except RedisUnavailable:
                failed.append(run)
            except Exception:
                logger.exception("task %s cannot be saved; it is taken up again", run.claim.task)
                self._drop(run)

    async def _save_run(self, run: RunningTask) -> None:
        task = run.claim.task
        running = True
        while run.unsaved and running:
            chunk = list(islice(run.unsaved, SAVE_AT_ONCE))
            running = await self._store.save_probes(task, chunk, run.done)
            del run.unsaved[: len(chunk)]
        if running and run.missing:
            return
        if running:
            await self._store.finish_task(task, [code or 0 for code in run.codes])
        await self._queue.acknowledge(run.claim)
        self._drop(run)

    async def _renew(self) -> None:
        """Renew all claims in one call to Redis: nothing that takes longer with more tasks comes between two."""
        runs = list(self._runs.values())
        held = await self._queue.renew([*(run.claim for run in runs), *self._starting.values()])
        for run in runs:
            if run.claim.entry not in held and self._runs.get(run.claim.task) is run:
                logger.warning("task %s: another gateway has taken it over", run.claim.task)
                self._drop(run)

    async def _drop_ended(self) -> None:
        for run in list(self._runs.values()):
            if run.missing and await self._has_ended(run):  # cancelled
                self._drop(run)
                await self._queue.acknowledge(run.claim)

    async def _has_ended(self, run: RunningTask) -> bool:
        try:
            return not await self._store.is_running(run.claim.task)
        except KeyCorrupted:
            return False  # it is not known, and the others must not wait for it

    def _drop(self, run: RunningTask) -> None:
        self._runs.pop(run.claim.task, None)
        run.scope.cancel()
        self._flights.leave(run.claim.task)

    async def _part(self) -> None:
        try:
            for run in list(self._runs.values()):
                if run.news:
                    await self._save_run(run)
            left = [*(run.claim for run in self._runs.values()), *self._starting.values()]
            await self._queue.release(left)
        except RedisUnavailable:
            return  # they are adopted once the claims have aged
        if left:
            logger.info("%d tasks left for the next gateway", len(left))
