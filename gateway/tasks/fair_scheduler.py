"""Chooses the next job: round robin over tasks, with limits for all jobs and for those of one host. No I/O, no clock.

Slots are counted by host, a hold is for one origin. A job whose host is full, or whose origin is held, never blocks
another: its task is parked at that site and goes on with its other sites. A slot that is released wakes the task that
has waited longest for its host. The last tenth of the slots is for tasks with few jobs out, so that a short task never
waits for the slow sites of a long one.
"""

from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

from gateway.tasks.probe.urls import Site

RESERVE = 10
"""One slot in so many is reserved for tasks with less than `FEW` jobs out."""
FEW = 4


class Schedulable(Protocol):
    """A job. It may wait in the lanes of several tasks; its site may change while it is out.

    `dispatches` is how often it went out: a lane that holds the job with a smaller number has a stale entry.
    """

    site: Site
    dispatches: int


J = TypeVar("J", bound=Schedulable)


class Slot(NamedTuple, Generic[J]):
    """A slot in use until `release`: the job that is out, the site it went to, and the task it was taken from."""

    job: J
    site: Site
    task: Hashable


class _Lane(Generic[J]):
    """The jobs of one task by site, each with its `dispatches` when it was added.

    `ready` has the sites where the task is not parked.
    """

    __slots__ = ("in_ring", "jobs", "ready")

    def __init__(self) -> None:
        self.jobs: dict[Site, deque[tuple[int, J]]] = {}
        self.ready: deque[Site] = deque()
        self.in_ring = False


class _Host:
    """How many slots of one host are in use, and the tasks that wait for one, each with its site."""

    __slots__ = ("busy", "parked")

    def __init__(self) -> None:
        self.busy = 0
        self.parked: deque[tuple[Hashable, Site]] = deque()


class FairScheduler(Generic[J]):
    """The jobs that wait, task by task; `slots` of them may be out at once, `per_host` of one host."""

    def __init__(self, *, slots: int, per_host: int) -> None:
        self._per_host = per_host
        self._lanes: dict[Hashable, _Lane[J]] = {}
        self._hosts: dict[str, _Host] = {}
        self._held: dict[Site, list[Hashable]] = {}
        self._ring: deque[Hashable] = deque()
        self._out: Counter[Hashable] = Counter()
        self._busy = 0
        self.limit(slots)

    def limit(self, slots: int) -> None:
        """Set how many jobs may be out at once from now on."""
        self.slots = slots
        self._shared_slots = slots - slots // RESERVE

    @property
    def busy(self) -> int:
        """How many jobs are out."""
        return self._busy

    def add(self, task: Hashable, job: J) -> None:
        """Put a job at the end of its task's lane."""
        lane = self._lanes.get(task)
        if lane is None:
            lane = self._lanes[task] = _Lane()
        jobs = lane.jobs.get(job.site)
        if jobs is not None:
            jobs.append((job.dispatches, job))
            return
        lane.jobs[job.site] = deque([(job.dispatches, job)])
        self._make_ready(task, lane, job.site)

    def take(self) -> Slot[J] | None:
        """A slot with the next job in it; None if no job can go out now."""
        passed = 0
        while self._busy < self.slots and passed < len(self._ring):
            task = self._ring[0]
            if self._busy >= self._shared_slots and self._out[task] >= FEW:
                self._ring.rotate(-1)
                passed += 1
                continue
            job = self._take_from(task, self._lanes[task])
            if job is not None:
                job.dispatches += 1
                self._ring.rotate(-1)
                self._busy += 1
                self._out[task] += 1
                return Slot(job, job.site, task)
        return None

    def release(self, slot: Slot[J]) -> None:
        """Give back a slot whose job is no longer out."""
        self._busy -= 1
        self._out[slot.task] -= 1
        if not self._out[slot.task]:
            del self._out[slot.task]
        self._hosts[slot.site.host].busy -= 1
        self._wake_parked(slot.site.host)

    def hold(self, site: Site) -> bool:
        """Let no job of a site out until `free` is called. Returns False if the site is held already."""
        if site in self._held:
            return False
        self._held[site] = []
        return True

    def is_held(self, site: Site) -> bool:
        """Whether no job of a site is let out."""
        return site in self._held

    def free(self, site: Site) -> list[J]:
        """End the hold of a site. Returns the jobs that waited for it."""
        waiting = []
        for task in self._held.pop(site):
            lane = self._lanes[task]
            waiting += [job for number, job in lane.jobs[site] if number == job.dispatches]
            self._make_ready(task, lane, site)
        return waiting

    def remove(self, task: Hashable) -> list[J]:
        """Forget a task. Returns its jobs that were waiting."""
        lane = self._lanes.pop(task, None)
        if lane is None:
            return []
        if lane.in_ring:
            self._ring.remove(task)
        for site in lane.jobs.keys() - set(lane.ready):
            if task in self._held.get(site, ()):
                self._held[site].remove(task)
            else:
                self._hosts[site.host].parked.remove((task, site))
        for site in lane.jobs:
            self._wake_parked(site.host)
        return [job for jobs in lane.jobs.values() for number, job in jobs if number == job.dispatches]

    def _take_from(self, task: Hashable, lane: _Lane[J]) -> J | None:
        """The next job of the lane at the head of the ring; a lane without one leaves the ring."""
        while lane.ready:
            site = lane.ready[0]
            if site in self._held:
                lane.ready.popleft()
                self._held[site].append(task)
                self._wake_parked(site.host)  # the wake-up was for a slot of the host: pass it on
                continue
            host = self._hosts.get(site.host)
            if host is None:
                host = self._hosts[site.host] = _Host()
            if host.busy >= self._per_host:
                lane.ready.popleft()
                host.parked.append((task, site))
                continue
            number, job = lane.jobs[site].popleft()
            lane.ready.rotate(-1)
            if not lane.jobs[site]:
                del lane.jobs[site]
                lane.ready.pop()
            if number == job.dispatches:
                host.busy += 1
                return job
            self._wake_parked(site.host)
        lane.in_ring = False
        self._ring.popleft()
        if not lane.jobs:
            del self._lanes[task]
        return None

    def _make_ready(self, task: Hashable, lane: _Lane[J], site: Site) -> None:
        lane.ready.append(site)
        if not lane.in_ring:
            lane.in_ring = True
            self._ring.append(task)

    def _wake_parked(self, name: str) -> None:
        """Wake the task that has waited longest for a slot of a host; forget a host of which nothing is left."""
        host = self._hosts.get(name)
        if host is None:
            return
        if host.parked and host.busy < self._per_host:
            task, site = host.parked.popleft()
            self._make_ready(task, self._lanes[task], site)
        elif not host.busy and not host.parked:
            del self._hosts[name]
