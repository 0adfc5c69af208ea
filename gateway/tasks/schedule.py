"""Whose turn it is: round robin over tasks, and at most so many jobs of one host at once. Pure, no I/O.

A job whose host is full never holds up another: its task is parked at that host and goes on with its other
hosts; a slot that frees wakes the task that has waited longest. Every call takes constant time.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    """What is scheduled. It may stand in the lanes of several tasks: once `started`, it is passed over."""

    host: str
    started: bool


J = TypeVar("J", bound=Job)


class _Lane(Generic[J]):
    """The jobs of one task by host. `open_hosts` are those it is not parked at."""

    __slots__ = ("in_ring", "jobs", "open_hosts")

    def __init__(self) -> None:
        self.jobs: dict[str, deque[J]] = {}
        self.open_hosts: deque[str] = deque()
        self.in_ring = False


class _Host:
    """The slots of one host that are taken, and the tasks that wait for one."""

    __slots__ = ("busy", "parked")

    def __init__(self) -> None:
        self.busy = 0
        self.parked: deque[Hashable] = deque()


class Schedule(Generic[J]):
    """The jobs that wait, task by task. `per_host` is how many jobs of one host may be out at once."""

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._lanes: dict[Hashable, _Lane[J]] = {}
        self._hosts: dict[str, _Host] = {}
        self._ring: deque[Hashable] = deque()

    def add(self, task: Hashable, job: J) -> None:
        """Put a job at the end of its task's lane."""
        lane = self._lanes.setdefault(task, _Lane())
        jobs = lane.jobs.get(job.host)
        if jobs is not None:
            jobs.append(job)
            return
        lane.jobs[job.host] = deque([job])
        self._open(task, lane, job.host)

    def take(self) -> J | None:
        """The next job, None if there is none for now; it holds a slot of its host until `release`."""
        while self._ring:
            task = self._ring[0]
            lane = self._lanes[task]
            if not lane.open_hosts:
                lane.in_ring = False
                self._ring.popleft()
                if not lane.jobs:
                    del self._lanes[task]
                continue
            name = lane.open_hosts[0]
            host = self._hosts.setdefault(name, _Host())
            if host.busy >= self._per_host:
                lane.open_hosts.popleft()
                host.parked.append(task)
                continue
            job = lane.jobs[name].popleft()
            lane.open_hosts.rotate(-1)
            if not lane.jobs[name]:
                del lane.jobs[name]
                lane.open_hosts.pop()
            if job.started:
                self._wake_parked(name)
                continue
            self._ring.rotate(-1)
            host.busy += 1
            return job
        return None

    def release(self, host: str) -> None:
        """Give back the slot of a job that is done."""
        self._hosts[host].busy -= 1
        self._wake_parked(host)

    def remove(self, task: Hashable) -> list[J]:
        """Forget a task; the jobs that were left of it."""
        lane = self._lanes.pop(task, None)
        if lane is None:
            return []
        if lane.in_ring:
            self._ring.remove(task)
        for host in lane.jobs:
            self._wake_parked(host)
        return [job for jobs in lane.jobs.values() for job in jobs]

    def _open(self, task: Hashable, lane: _Lane[J], host: str) -> None:
        lane.open_hosts.append(host)
        if not lane.in_ring:
            lane.in_ring = True
            self._ring.append(task)

    def _wake_parked(self, name: str) -> None:
        host = self._hosts.get(name)
        if host is None:
            return
        while host.parked and host.busy < self._per_host:
            task = host.parked.popleft()
            lane = self._lanes.get(task)
            if lane is not None and name in lane.jobs:
                self._open(task, lane, name)
                return
        if not host.busy and not host.parked:
            del self._hosts[name]
