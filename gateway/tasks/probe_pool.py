"""The coroutines that probe: each takes the next job of the fair scheduler, asks one site, and reports the outcome.

A job that is not at its end gives its slot back and is scheduled again: at once if a redirect leads to another site,
after a pause if there is another attempt. A site that answers 429 or 503 with Retry-After is held: none of its URLs is
asked for that time. A circuit breaker skips sites that time out again and again.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

import anyio
from anyio.abc import TaskGroup

from gateway.tasks.probe.prober import Prober, limit_concurrency
from gateway.tasks.probe.request import ProbeRequest
from gateway.tasks.probe.state import ProbeState
from gateway.tasks.probe.urls import Site
from gateway.tasks.probe.verdict import is_transient

from .circuit_breaker import CircuitBreaker
from .fair_scheduler import FairScheduler, Slot
from .models import ProbeError, ProbeOutcome

FIRST_PAUSE_S = 3.0
"""The pause before the second attempt; it doubles with each attempt, and up to half of it is added at random."""
MAX_HOLD_S = 60.0
"""The longest hold. A URL whose site asks for more has no other attempt: a task is to become ready some time."""
MAX_HOLDS = 3
"""How often in a row a site is held; then its URLs are asked all the same, and have the codes they get."""
HOLDS_KEPT_S = 600.0
"""Holds are in a row if no more than this lies between two answers with Retry-After."""
MAX_HELD_SITES = 10_000
"""Of so many sites the number of holds in a row is remembered."""

logger = logging.getLogger("gateway.tasks")


class ProbeJob(Protocol):
    """A request that is to be probed.

    `first_site` is the site of its URL, `site` the one that is asked next. `is_scheduled`: it waits in the schedule.
    `state` is None until it was out or held.
    """

    request: ProbeRequest
    first_site: Site
    site: Site
    dispatches: int
    is_scheduled: bool
    state: ProbeState | None

    @property
    def tasks(self) -> Collection[Hashable]:
        """The tasks that wait for it."""


J = TypeVar("J", bound=ProbeJob)


class ProbePool(Generic[J]):
    """Probes the jobs of a schedule in its order; `report` is called with each job that has ended, and its outcome.

    The outcome is None if it ended early, at a redirect, because no task waits for it any more.
    `asking` are the jobs that are out, `pausing` are those in the pause before another attempt.
    """

    def __init__(
        self, prober: Prober, schedule: FairScheduler[J], report: Callable[[J, ProbeOutcome | None], None]
    ) -> None:
        self.asking: set[J] = set()
        self.pausing: set[J] = set()
        self._prober = prober
        self._schedule = schedule
        self._report = report
        self._holds: dict[Site, tuple[int, float]] = {}
        self._breaker = CircuitBreaker()
        self._group: TaskGroup | None = None
        self._workers = 0
        self._idle: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """Work for ever. Workers start as they are needed and stay."""
        self._schedule.limit(limit_concurrency(self._schedule.slots))
        async with self._prober, anyio.create_task_group() as group:
            self._group = group
            try:
                await anyio.sleep_forever()
            finally:
                self._group = None

    def start(self, jobs: int) -> None:
        """Wake or start a worker for each of `jobs` more jobs in the schedule, as far as it has slots."""
        woken = min(jobs, len(self._idle))
        for _ in range(woken):
            wake_up = self._idle.pop()
            if not wake_up.done():  # else its worker is being cancelled
                wake_up.set_result(None)
        if self._group is None:  # shutdown
            return
        for _ in range(min(jobs - woken, self._schedule.slots - self._workers)):
            self._workers += 1
            self._group.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            slot = self._schedule.take()
            if slot is None:
                wake_up = asyncio.get_running_loop().create_future()
                self._idle.append(wake_up)
                await wake_up
                continue
            self.asking.add(slot.job)
            state, outcome = await self._ask(slot)
            self.asking.discard(slot.job)
            self._schedule.release(slot)
            if outcome is None and not slot.job.tasks:
                self._report(slot.job, None)
            elif outcome is None:
                slot.job.site = state.site
                self._schedule_job(slot.job)
            elif not self._retry(slot.job, state, outcome):
                self._report(slot.job, _note_hold(outcome, state.held_s) if state.held_s else outcome)

    async def _ask(self, slot: Slot[J]) -> tuple[ProbeState, ProbeOutcome | None]:
        """Ask the site of a job. The outcome is None if the job goes on at another site."""
        job = slot.job
        job.is_scheduled = False
        state = job.state = job.state or self._prober.begin(job.request, job.site)
        if outcome := self._breaker.refuse(slot.site):
            state.left_s = 0.0  # no other attempt
            return state, replace(outcome, attempts=state.attempts if state.hops else state.attempts - 1)
        is_full_time = state.left_s > self._prober.timeout_s / 2
        try:
            outcome = await self._prober.ask(state)
        except Exception:
            logger.exception("probing %r failed", job.request.url)
            outcome = ProbeOutcome(0, ProbeError.PROTOCOL, "the gateway could not make sense of it")
        self._breaker.note(slot.site, outcome, is_full_time=is_full_time)
        self._note_answer(slot.site, outcome)
        return state, outcome

    def _schedule_job(self, job: J) -> None:
        job.is_scheduled = True
        for task in job.tasks:
            self._schedule.add(task, job)
        self.start(1)

    def _end_pause(self, job: J) -> None:
        if job in self.pausing:
            self.pausing.remove(job)
            self._schedule_job(job)

    def _retry(self, job: J, state: ProbeState, outcome: ProbeOutcome) -> bool:
        """Begin another attempt of a job, if it has one left, within its deadline, and while a task waits for it."""
        if state.attempts > job.request.options.retries or self._group is None:
            return False
        pause_s = self._choose_pause(job, state, outcome)
        if pause_s is None or not job.tasks:
            return False
        job.site = job.first_site
        state.restart(job.first_site, pause_s)
        if pause_s:
            self.pausing.add(job)
            asyncio.get_running_loop().call_later(pause_s, self._end_pause, job)
        else:
            self._schedule_job(job)
        return True

    def _choose_pause(self, job: J, state: ProbeState, outcome: ProbeOutcome) -> float | None:
        """Seconds before another attempt, 0 if the hold of the site is the pause; None: no other attempt."""
        if outcome.retry_after_s and self._schedule.is_held(job.site):
            return 0.0 if outcome.retry_after_s <= MAX_HOLD_S else None
        if outcome.retry_after_s != 0 and not is_transient(outcome):
            return None
        pause_s = FIRST_PAUSE_S * 2 ** (state.attempts - 1) * random.uniform(1.0, 1.5)  # noqa: S311
        return pause_s if pause_s < state.left_s else None

    def _note_answer(self, site: Site, outcome: ProbeOutcome | None) -> None:
        """Hold a site that sent Retry-After, unless it was held `MAX_HOLDS` times in a row."""
        if outcome is not None and outcome.retry_after_s:
            holds, asked_at = self._holds.pop(site, (0, 0.0))
            if time.monotonic() - asked_at > HOLDS_KEPT_S:
                holds = 0
            if holds < MAX_HOLDS and self._group is not None and self._schedule.hold(site):
                holds += 1
                self._group.start_soon(self._free_later, site, min(outcome.retry_after_s, MAX_HOLD_S))
            self._holds[site] = holds, time.monotonic()
            if len(self._holds) > MAX_HELD_SITES:
                del self._holds[next(iter(self._holds))]
        elif outcome is None or outcome.error is None:
            self._holds.pop(site, None)

    async def _free_later(self, site: Site, hold_s: float) -> None:
        await anyio.sleep(hold_s)
        waiting = set(self._schedule.free(site))
        for job in waiting:
            if job.state is None:
                job.state = self._prober.begin(job.request, job.site)
            job.state.held_s += hold_s
        self.start(len(waiting))


def _note_hold(outcome: ProbeOutcome, held_s: float) -> ProbeOutcome:
    note = f"waited {held_s:g} s, as the host had asked (Retry-After)"
    return replace(outcome, detail=f"{outcome.detail}; {note}" if outcome.detail else note)
