"""Whose turn it is: round robin over tasks, so many jobs at once, so many of one host at once. Pure, no I/O, no clock.

A job whose host is full or held never blocks another: its task is parked at that host and goes on with
its other hosts; a slot that frees wakes the task that has waited longest. The last tenth of the slots is for tasks
with few jobs out, so that a short task never waits for the slow sites of a long one.
"""

from collections import Counter, deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar

RESERVE = 10
"""One slot in so many is kept for tasks with few jobs out."""
FEW = 4
"""So many jobs out are few."""


class Schedulable(Protocol):
    """What is scheduled. It may be in the lanes of several tasks: once `started`, it is passed over."""

    host: str
    started: bool


J = TypeVar("J", bound=Schedulable)


class Turn(NamedTuple, Generic[J]):
    """A job that is out, and the task whose turn it was; it holds a slot until it is given back with `release`."""

    job: J
    task: Hashable


class _Lane(Generic[J]):
    """The jobs of one task by host. `open_hosts` are those it is not parked at."""

    __slots__ = ("in_ring", "jobs", "open_hosts")

    def __init__(self) -> None:
        self.jobs: dict[str, deque[J]] = {}
        self.open_hosts: deque[str] = deque()
        self.in_ring = False


class _Host:
    """The slots of one host that are taken, and the tasks that wait for one, or for the end of its hold."""

    __slots__ = ("busy", "held", "parked")

    def __init__(self) -> None:
        self.busy = 0
        self.held = False
        self.parked: deque[Hashable] = deque()


class FairScheduler(Generic[J]):
    """The jobs that wait, task by task; `slots` of them may be out at once, `per_host` of one host."""

    def __init__(self, *, slots: int, per_host: int) -> None:
        self._per_host = per_host
        self._lanes: dict[Hashable, _Lane[J]] = {}
        self._hosts: dict[str, _Host] = {}
        self._ring: deque[Hashable] = deque()
        self._out: Counter[Hashable] = Counter()
        self._busy = 0
        self.limit(slots)

    def limit(self, slots: int) -> None:
        """Say how many jobs may be out at once from now on."""
        self.slots = slots
        self._open_slots = slots - slots // RESERVE

    @property
    def busy(self) -> int:
        """How many jobs are out."""
        return self._busy

    def add(self, task: Hashable, job: J) -> None:
        """Put a job at the end of its task's lane."""
        lane = self._lanes.setdefault(task, _Lane())
        jobs = lane.jobs.get(job.host)
        if jobs is not None:
            jobs.append(job)
            return
        lane.jobs[job.host] = deque([job])
        self._open(task, lane, job.host)

    def take(self) -> Turn[J] | None:
        """The next job, None if there is none for now."""
        passed = 0
        while self._busy < self.slots and passed < len(self._ring):
            task = self._ring[0]
            if self._busy >= self._open_slots and self._out[task] >= FEW:
                self._ring.rotate(-1)
                passed += 1
                continue
            job = self._take_from(task, self._lanes[task])
            if job is not None:
                self._ring.rotate(-1)
                self._busy += 1
                self._out[task] += 1
                return Turn(job, task)
        return None

    def release(self, turn: Turn[J]) -> None:
        """Give back the slot of a job that is done."""
        self._busy -= 1
        self._out[turn.task] -= 1
        if not self._out[turn.task]:
            del self._out[turn.task]
        self._hosts[turn.job.host].busy -= 1
        self._wake_parked(turn.job.host)

    def hold(self, host: str) -> bool:
        """Let no job of a host out until `free`; False if it is held already."""
        state = self._hosts.setdefault(host, _Host())
        held, state.held = state.held, True
        return not held

    def free(self, host: str) -> list[J]:
        """End the hold of a host; the jobs that it has kept waiting."""
        state = self._hosts[host]
        state.held = False
        jobs = [job for task in state.parked for job in self._lanes[task].jobs[host]]
        self._wake_parked(host, everybody=True)
        return jobs

    def remove(self, task: Hashable) -> list[J]:
        """Forget a task; the jobs that were left of it."""
        lane = self._lanes.pop(task, None)
        if lane is None:
            return []
        if lane.in_ring:
            self._ring.remove(task)
        for host in lane.jobs.keys() - set(lane.open_hosts):
            self._hosts[host].parked.remove(task)
        for host in lane.jobs:
            self._wake_parked(host)
        return [job for jobs in lane.jobs.values() for job in jobs]

    def _take_from(self, task: Hashable, lane: _Lane[J]) -> J | None:
        """The next job of the lane at the head of the ring, which leaves the ring when it has none for now."""
        while lane.open_hosts:
            name = lane.open_hosts[0]
            host = self._hosts.setdefault(name, _Host())
            if host.held or host.busy >= self._per_host:
                lane.open_hosts.popleft()
                host.parked.append(task)
                continue
            job = lane.jobs[name].popleft()
            lane.open_hosts.rotate(-1)
            if not lane.jobs[name]:
                del lane.jobs[name]
                lane.open_hosts.pop()
            if not job.started:
                host.busy += 1
                return job
            self._wake_parked(name)
        lane.in_ring = False
        self._ring.popleft()
        if not lane.jobs:
            del self._lanes[task]
        return None

    def _open(self, task: Hashable, lane: _Lane[J], host: str) -> None:
        lane.open_hosts.append(host)
        if not lane.in_ring:
            lane.in_ring = True
            self._ring.append(task)

    def _wake_parked(self, name: str, *, everybody: bool = False) -> None:
        host = self._hosts.get(name)
        if host is None or host.held:
            return
        while host.parked and host.busy < self._per_host:
            task = host.parked.popleft()
            self._open(task, self._lanes[task], name)
            if not everybody:
                return
        if not host.busy and not host.parked:
            del self._hosts[name]
