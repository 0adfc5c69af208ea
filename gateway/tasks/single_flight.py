"""Single flight: concurrent requests for one URL share one probe.

A flight is one request under way. Its outcome is recalled from the cache; else the pool probes it, and the outcome is
put into the cache. Then the outcome is delivered to each waiter, and the flight ends. Until then other requests for the
URL join the flight, so that this gateway never probes a URL twice at the same time. An outcome that the cache may not
keep is delivered at once.
"""

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import anyio

from gateway.datastore.client import KeyCorrupted, RedisUnavailable
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.probe.targets import read_targets
from gateway.tasks.probe.urls import SchemeUnsupported, Target, UrlRefused, find_site
from gateway.tasks.probe.verdict import judge

from .cache import MAX_CODES_AT_ONCE, Cache, is_cacheable
from .fair_scheduler import FairScheduler
from .flight import Batch, Deliver, Flight, ProbedFlight, Waiter
from .models import ProbeError, ProbeOutcome, ProbeResult
from .probe_pool import ProbePool

GATHER_S = 0.01
"""How long probed flights gather before they are put into the cache together."""
REDIS_RETRY_S = 0.25
"""The pause before another try while Redis is away."""

logger = logging.getLogger("gateway.tasks")

T = TypeVar("T")


@dataclass(slots=True)
class FlightStats:
    """Counters for the metrics: probed URLs by outcome (`2xx`, `dns`), URLs of tasks by what the cache said."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lookups: Counter[str] = field(default_factory=lambda: Counter(hit=0, miss=0, joined=0))


class SingleFlight:
    """All flights of this gateway: at most `concurrency` probes at once, and `per_host` of one host.

    `schedule` has those that are probed or wait for it.
    """

    def __init__(self, cache: Cache, prober: Prober, *, concurrency: int, per_host: int) -> None:
        self.stats = FlightStats()
        self._cache = cache
        self.schedule: FairScheduler[Flight] = FairScheduler(slots=concurrency, per_host=per_host)
        self._pool = ProbePool(prober, self.schedule, self._take_outcome)
        self._flights: dict[str, Flight] = {}
        self._probed: list[ProbedFlight] = []
        self._has_probed = anyio.Event()

    @property
    def waiting(self) -> int:
        """How many URLs wait: for the cache, for a slot, or to be put into the cache."""
        return len(self._flights) - self.schedule.busy

    async def run(self) -> None:
        """Work for ever: probe, put into the cache, deliver. When it is cancelled, all that is probed is delivered."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._pool.run)
                while True:
                    await self._has_probed.wait()
                    await anyio.sleep(GATHER_S)
                    self._has_probed = anyio.Event()
                    for _ in range(0, len(self._probed), MAX_CODES_AT_ONCE):
                        probed = self._probed[:MAX_CODES_AT_ONCE]
                        await self._remember(probed)
                        self._deliver_probed(len(probed))
        finally:
            self._deliver_probed(len(self._probed))

    async def fan_out(self, batch: Batch, deliver: Deliver) -> None:
        """Begin or join a flight for each wanted URL of a batch; `deliver` is called with each result, now or later.

        Returns once the domains are counted and the cache was asked; while Redis is away it waits. Nothing is
        delivered before the whole batch is counted: a task that ended uncounted would stay so. Corrupted counters or
        cache entries stop no task.
        """
        targets = [target async for target in read_targets(batch.urls)]
        domains = Counter(target.domain for target in targets if target.domain)
        loss = f"task {batch.task}: {domains.total()} URLs are not counted"
        await _retry(lambda: self._cache.count(batch.task, batch.start, domains), loss)
        fresh = self._join(batch, targets, deliver)
        known: Sequence[ProbeOutcome | None] | None = None
        try:
            requests = [flight.request for flight in fresh]
            loss = f"the codes of {len(fresh)} URLs cannot be recalled"
            known = await _retry(lambda: self._cache.recall(requests, batch.options.max_age_s), loss)
        finally:  # also when this task is cancelled here: others may wait for the same flights
            self._start(fresh, known or [None] * len(fresh))

    def remove_task(self, task: str) -> None:
        """Forget a task before its end: URLs that no other task waits for are not probed any more."""
        for flight in (*self.schedule.remove(task), *self._pool.pausing, *self._pool.asking):
            flight.waiters = [waiter for waiter in flight.waiters if waiter.task != task]
            if not flight.waiters and flight not in self._pool.asking:
                self._pool.pausing.discard(flight)
                self._flights.pop(flight.key, None)

    def _join(self, batch: Batch, targets: Sequence[Target | UrlRefused], deliver: Deliver) -> list[Flight]:
        """Add a waiter to the flight of each wanted URL. Returns the flights that are new."""
        fresh: list[Flight] = []
        sharing = _name_sharing(batch.options)
        for place, target in enumerate(targets, batch.start):
            if place not in batch.wanted:
                continue
            if isinstance(target, UrlRefused):
                deliver(ProbeResult(place, _refuse(target), cached=False))
                continue
            request = ProbeRequest(target.url, batch.options)
            key = request.key + sharing
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Flight(key, request, target.domain)
                fresh.append(flight)
            else:
                self.stats.lookups["joined"] += 1
                if flight.is_scheduled:
                    self.schedule.add(batch.task, flight)
            flight.waiters.append(Waiter(batch.task, place, deliver))
        return fresh

    def _start(self, fresh: Sequence[Flight], known: Sequence[ProbeOutcome | None]) -> None:
        """Deliver what the cache knows; the pool probes the others."""
        misses = 0
        for flight, outcome in zip(fresh, known, strict=True):
            if outcome:
                self._deliver(flight, outcome, cached=True)
                continue
            misses += 1
            flight.first_site = flight.site = find_site(flight.request.url, flight.host)
            flight.is_scheduled = True
            for task in flight.tasks:
                self.schedule.add(task, flight)
        self.stats.lookups["hit"] += len(fresh) - misses
        self.stats.lookups["miss"] += misses
        self._pool.start(misses)

    def _take_outcome(self, flight: Flight, outcome: ProbeOutcome | None) -> None:
        """Count the outcome of a probe; deliver it, after it was put into the cache if it may be kept.

        None: no task waits for the flight any more.
        """
        if outcome is None:
            del self._flights[flight.key]
            return
        self.stats.outcomes[outcome.error or f"{outcome.code // 100}xx"] += 1
        if is_cacheable(outcome):
            self._probed.append(ProbedFlight(flight, outcome, time.monotonic()))
            self._has_probed.set()
        else:
            self._deliver(flight, outcome, cached=False)

    async def _remember(self, probed: Sequence[ProbedFlight]) -> None:
        async def remember() -> None:
            now = time.monotonic()
            await self._cache.remember((flight.request, outcome, now - at) for flight, outcome, at in probed)

        await _retry(remember, f"the codes of {len(probed)} URLs are not remembered")

    def _deliver_probed(self, count: int) -> None:
        """Deliver the first of those that are probed."""
        probed, self._probed = self._probed[:count], self._probed[count:]
        for flight, outcome, _ in probed:
            self._deliver(flight, outcome, cached=False)

    def _deliver(self, flight: Flight, outcome: ProbeOutcome, *, cached: bool) -> None:
        """End a flight: judge its outcome, and give it to each waiter."""
        del self._flights[flight.key]
        outcome = judge(flight.request.url, outcome)
        for waiter in flight.waiters:
            waiter.deliver(ProbeResult(waiter.place, outcome, cached))


async def _retry(call: Callable[[], Awaitable[T]], loss: str) -> T | None:
    """What a call to Redis gives, made again while Redis is away; None after any other failure.

    Such a failure is logged; `loss` says in a sentence what is lost by it.
    """
    while True:
        try:
            return await call()
        except KeyCorrupted as error:
            logger.error("%s: %s", loss, error.__cause__)  # noqa: TRY400
            return None
        except RedisUnavailable:
            await anyio.sleep(REDIS_RETRY_S)
        except Exception:
            logger.exception("%s", loss)
            return None


def _refuse(refused: UrlRefused) -> ProbeOutcome:
    word = ProbeError.UNSUPPORTED_SCHEME if isinstance(refused, SchemeUnsupported) else ProbeError.INVALID_URL
    return judge("", ProbeOutcome(0, word, refused.detail))


def _name_sharing(options: ProbeOptions) -> str:
    """What must be equal for two requests to share a flight, beyond the key of the request.

    An answer of the cache that is good for one may be too old for another, or a failure seen too few times.
    """
    return "" if options.max_age_s is None and options.retries == 1 else f"\n{options.max_age_s} {options.retries}"
