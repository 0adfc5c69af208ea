"""Single flight: concurrent requests for one URL share one probe.

A URL asked for while it is being asked for gets the same answer. A flight goes: recalled from the cache, or waiting
for its turn in the schedule, or out with a worker, then remembered, then landed on everybody who waits for it. It
stays joinable until the cache has it, so that there is no moment at which the same URL is asked twice; what the cache
may not keep lands at once, and the next one who wants that URL asks anew. A host that
answers 429 or 503 with Retry-After is left alone for that time; its flights wait in the schedule, without a slot.
"""

import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from gateway.datastore.client import KeyCorrupted, RedisUnavailable
from gateway.tasks.probe.prober import Prober, limit_concurrency
from gateway.tasks.probe.urls import SchemeUnsupported, Target, UrlRefused, parse_target

from .cache import MAX_CODES_AT_ONCE, Cache, is_cacheable
from .fair_scheduler import FairScheduler, Turn
from .models import ProbeError, ProbeOutcome, ProbeResult

SETTLE_S = 0.01
"""How long landed flights gather before they are remembered together."""
RETRY_S = 0.25
MAX_HOLDS = 3
"""How often in a row a host is left alone; then its URLs are asked all the same, and have the codes they get."""
MAX_HELD_HOSTS = 10_000
"""Of so many hosts it is remembered how often they were left alone."""
TURN_S = 0.005
"""For how long URLs are read before the event loop has its turn."""

logger = logging.getLogger("gateway.tasks")

T = TypeVar("T")
Land = Callable[[ProbeResult], None]


class Batch(NamedTuple):
    """Some consecutive URLs of a task, at most `MAX_CODES_AT_ONCE`, and which places among them are not known yet."""

    task: str
    start: int
    urls: Sequence[str]
    wanted: set[int]
    follow_redirects: bool


class Waiter(NamedTuple):
    """One place in the list of one task."""

    task: str
    place: int
    land: Land


@dataclass(slots=True, eq=False)
class Flight:
    """One URL under way. `recalling` until the cache has said whether it knows it."""

    url: str
    host: str
    follow_redirects: bool
    waiters: list[Waiter] = field(default_factory=list)
    recalling: bool = True
    started: bool = False
    held_s: float = 0.0
    outcome: ProbeOutcome | None = None
    ended_at: float = 0.0

    def land(self, outcome: ProbeOutcome, *, cached: bool) -> None:
        """Tell everybody who waits."""
        for waiter in self.waiters:
            waiter.land(ProbeResult(waiter.place, outcome, cached))


@dataclass(slots=True)
class Tally:
    """Since the start: URLs that were asked, by outcome (`2xx`, `dns`); URLs of tasks, by what the cache said."""

    outcomes: Counter[str] = field(default_factory=Counter)
    lookups: Counter[str] = field(default_factory=lambda: Counter(hit=0, miss=0, joined=0))


class SingleFlight:
    """All flights of this gateway, at most `concurrency` out at once and `per_host` to one host."""

    def __init__(self, cache: Cache, prober: Prober, *, concurrency: int, per_host: int) -> None:
        self.tally = Tally()
        self._cache = cache
        self._prober = prober
        self._schedule: FairScheduler[Flight] = FairScheduler(slots=concurrency, per_host=per_host)
        self._holds: dict[str, int] = {}
        self._flights: dict[tuple[str, bool], Flight] = {}
        self._group: TaskGroup | None = None
        self._workers = 0
        self._idle: list[anyio.Event] = []
        self._landed: list[Flight] = []
        self._news = anyio.Event()

    @property
    def slots(self) -> int:
        """How many URLs can be out at once."""
        return self._schedule.slots

    @property
    def out(self) -> int:
        """How many URLs are being asked now."""
        return self._schedule.busy

    @property
    def waiting(self) -> int:
        """How many URLs wait: for the cache, their turn, or to be remembered."""
        return len(self._flights) - self._schedule.busy

    async def run(self) -> None:
        """Work for ever. Workers start as they are needed and stay."""
        self._schedule.limit(limit_concurrency(self._schedule.slots))
        async with self._prober, anyio.create_task_group() as group:
            self._group = group
            try:
                await self._settle()
            finally:
                self._group = None

    async def fan_out(self, batch: Batch, land: Land) -> None:
        """Send off one batch of a task; `land` is called for each place that is wanted, now or later.

        Returns once the domains are counted and the cache was asked; while Redis is away it waits. Nothing lands
        before the whole batch is counted: a task that ended uncounted would stay so. Corrupted counters or
        cache entries stop no task.
        """
        targets = [target async for target in _read_targets(batch.urls)]
        domains = Counter(target.domain for target in targets if target.domain)
        try:
            await _until_there(lambda: self._cache.count(batch.task, batch.start, domains))
        except KeyCorrupted as error:
            logger.error("task %s: %d URLs are not counted: %s", batch.task, domains.total(), error.__cause__)  # noqa: TRY400
        fresh: list[Flight] = []
        for place, target in enumerate(targets, batch.start):
            if place not in batch.wanted:
                continue
            if isinstance(target, UrlRefused):
                land(ProbeResult(place, _refuse(target), cached=False))
                continue
            key = (target.url, batch.follow_redirects)
            flight = self._flights.get(key)
            if flight is None:
                flight = self._flights[key] = Flight(target.url, target.domain, batch.follow_redirects)
                fresh.append(flight)
            else:
                self.tally.lookups["joined"] += 1
                if not flight.recalling and not flight.started:
                    self._schedule.add(batch.task, flight)
            flight.waiters.append(Waiter(batch.task, place, land))
        try:
            await self._recall(fresh, follow_redirects=batch.follow_redirects)
        finally:  # also when this task is cancelled here: others may wait for the same flights
            self._send_off(fresh)

    def leave(self, task: str) -> None:
        """Forget a task: URLs that no other task waits for are not probed any more."""
        for flight in self._schedule.remove(task):
            if not flight.started:
                flight.waiters = [waiter for waiter in flight.waiters if waiter.task != task]
                if not flight.waiters:
                    self._flights.pop((flight.url, flight.follow_redirects), None)

    async def _recall(self, fresh: list[Flight], *, follow_redirects: bool) -> None:
        urls = [flight.url for flight in fresh]
        try:
            codes = await _until_there(lambda: self._cache.recall(urls, follow_redirects=follow_redirects))
        except KeyCorrupted as error:
            logger.error("the codes of %d URLs cannot be recalled: %s", len(urls), error.__cause__)  # noqa: TRY400
            return
        for flight, code in zip(fresh, codes, strict=True):
            if code:
                flight.outcome = ProbeOutcome(code)

    def _send_off(self, fresh: list[Flight]) -> None:
        sent = 0
        for flight in fresh:
            flight.recalling = False
            if flight.outcome is not None:
                del self._flights[flight.url, flight.follow_redirects]
                flight.land(flight.outcome, cached=True)
                continue
            sent += 1
            for task in {waiter.task for waiter in flight.waiters}:
                self._schedule.add(task, flight)
        self.tally.lookups["hit"] += len(fresh) - sent
        self.tally.lookups["miss"] += sent
        self._wake(sent)

    def _wake(self, jobs: int) -> None:
        woken = min(jobs, len(self._idle))
        for _ in range(woken):
            self._idle.pop().set()
        if self._group is None:  # the end has begun
            return
        for _ in range(min(jobs - woken, self._schedule.slots - self._workers)):
            self._workers += 1
            self._group.start_soon(self._work)

    async def _work(self) -> None:
        while True:
            turn = self._schedule.take()
            if turn is None:
                news = anyio.Event()
                self._idle.append(news)
                await news.wait()
                continue
            flight = turn.job
            flight.started = True
            try:
                flight.outcome = await self._prober.probe(flight.url, follow_redirects=flight.follow_redirects)
            except Exception:
                logger.exception("probing %r failed", flight.url)
                flight.outcome = ProbeOutcome(0, ProbeError.PROTOCOL, "the gateway could not make sense of it")
            flight.ended_at = time.monotonic()
            self._land(turn, flight.outcome)

    def _land(self, turn: Turn[Flight], outcome: ProbeOutcome) -> None:
        flight = turn.job
        self.tally.outcomes[outcome.error or f"{outcome.code // 100}xx"] += 1
        if outcome.retry_after_s:
            self._leave_alone(flight.host, outcome.retry_after_s)
        elif outcome.error is None:
            self._holds.pop(flight.host, None)
        if flight.held_s:
            note = f"waited {flight.held_s:g} s, as the host had asked (Retry-After)"
            flight.outcome = replace(outcome, detail=f"{outcome.detail}; {note}" if outcome.detail else note)
        self._schedule.release(turn)
        if is_cacheable(outcome):
            self._landed.append(flight)
            self._news.set()
        else:
            del self._flights[flight.url, flight.follow_redirects]
            flight.land(flight.outcome or outcome, cached=False)

    def _leave_alone(self, host: str, hold_s: float) -> None:
        """Hold a host, unless it is held, or was MAX_HOLDS times since it last answered otherwise."""
        holds = self._holds.pop(host, 0)
        self._holds[host] = holds
        if holds < MAX_HOLDS and self._group is not None and self._schedule.hold(host):
            self._holds[host] += 1
            self._group.start_soon(self._free_later, host, hold_s)
        if len(self._holds) > MAX_HELD_HOSTS:
            del self._holds[next(iter(self._holds))]

    async def _free_later(self, host: str, hold_s: float) -> None:
        await anyio.sleep(hold_s)
        waiting = set(self._schedule.free(host))
        for flight in waiting:
            flight.held_s += hold_s
        self._wake(len(waiting))

    async def _settle(self) -> None:
        while True:
            await self._news.wait()
            await anyio.sleep(SETTLE_S)
            self._news = anyio.Event()
            landed, self._landed = self._landed, []
            for start in range(0, len(landed), MAX_CODES_AT_ONCE):
                await self._settle_batch(landed[start : start + MAX_CODES_AT_ONCE])

    async def _settle_batch(self, landed: list[Flight]) -> None:
        try:
            await _until_there(lambda: self._remember(landed))
        except Exception as error:
            logger.error("the codes of %d URLs are not remembered: %s", len(landed), error.__cause__ or error)  # noqa: TRY400
        for flight in landed:
            del self._flights[flight.url, flight.follow_redirects]
            if flight.outcome is not None:
                flight.land(flight.outcome, cached=False)

    async def _remember(self, landed: list[Flight]) -> None:
        now = time.monotonic()
        await self._cache.remember(
            (flight.url, flight.follow_redirects, flight.outcome.code, now - flight.ended_at)
            for flight in landed
            if flight.outcome is not None
        )


async def _until_there(call: Callable[[], Awaitable[T]]) -> T:
    """What a call to Redis gives, made again and again while Redis is away.

    :raises KeyCorrupted: it would never give anything.
    """
    while True:
        try:
            return await call()
        except KeyCorrupted:
            raise
        except RedisUnavailable:
            await anyio.sleep(RETRY_S)


async def _read_targets(urls: Iterable[str]) -> AsyncIterator[Target | UrlRefused]:
    turn = time.monotonic()
    for url in urls:
        try:
            yield parse_target(url)
        except UrlRefused as refused:
            yield refused
        except Exception:
            logger.exception("cannot read the URL %r", url[:200])
            yield UrlRefused("the gateway could not make sense of it")
        if time.monotonic() - turn > TURN_S:
            await anyio.lowlevel.checkpoint()
            turn = time.monotonic()


def _refuse(refused: UrlRefused) -> ProbeOutcome:
    word = ProbeError.UNSUPPORTED_SCHEME if isinstance(refused, SchemeUnsupported) else ProbeError.INVALID_URL
    return ProbeOutcome(0, word, refused.detail)
