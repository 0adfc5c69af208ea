"""A flight is one request under way, with the URLs of tasks that wait for its outcome. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.probe.state import ProbeState
from gateway.tasks.probe.urls import Site

from .models import ProbeOutcome, ProbeResult

Deliver = Callable[[ProbeResult], None]


class Batch(NamedTuple):
    """Some consecutive URLs of a task, at most `MAX_CODES_AT_ONCE`.

    `start` is the place of the first one in the list of the task, `wanted` has the places that are not known yet.
    """

    task: str
    start: int
    urls: Sequence[str]
    wanted: set[int]
    options: ProbeOptions


class Waiter(NamedTuple):
    """One place in the list of one task; `deliver` is called with its result."""

    task: str
    place: int
    deliver: Deliver


@dataclass(slots=True, eq=False)
class Flight:
    """One request under way, known by its key. It is a `ProbeJob` of the pool unless the cache knows its answer.

    It has its sites once it is scheduled.
    """

    key: str
    request: ProbeRequest
    host: str
    waiters: list[Waiter] = field(default_factory=list)
    is_scheduled: bool = False
    dispatches: int = 0
    state: ProbeState | None = None
    first_site: Site = field(init=False)
    site: Site = field(init=False)

    @property
    def tasks(self) -> set[str]:
        """The tasks that it is for."""
        return {waiter.task for waiter in self.waiters}


class ProbedFlight(NamedTuple):
    """A flight whose outcome is not in the cache yet, and when it was probed, by the monotonic clock."""

    flight: Flight
    outcome: ProbeOutcome
    probed_at: float
