"""Single flight and counting when Redis stumbles, on a real Redis."""

from collections import Counter
from collections.abc import Iterable

import anyio
import pytest

from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.tasks.cache import Cache
from gateway.tasks.flight import Batch
from gateway.tasks.models import ProbeOutcome, ProbeResult
from gateway.tasks.probe.prober import Prober
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from gateway.tasks.single_flight import SingleFlight
from tests.site import Line, Site
from tests.target import Target

pytestmark = pytest.mark.anyio


class StumblingCache(Cache):
    """The cache on a Redis that is away at the first count."""

    stumbled = False

    async def count(self, task: str, batch: int, domains: Counter[str]) -> None:
        """As the real one, but for the first time."""
        if not self.stumbled:
            self.stumbled = True
            raise RedisUnavailable
        await super().count(task, batch, domains)


async def test_nothing_lands_uncounted(datastore: Datastore) -> None:
    """Not even a URL that is refused at once lands before its batch is counted, however long Redis is away."""
    cache = StumblingCache(datastore, timeout_s=60)
    flights = SingleFlight(cache, Prober(timeout_s=3, policy="any"), concurrency=10, per_host=5)
    delivered: list[tuple[ProbeResult, int]] = []

    async with anyio.create_task_group() as group:
        group.start_soon(flights.run)
        batch = Batch("task", 0, ["ftp://lost.example/", "", "ftp://lost.example/x"], {0, 1, 2}, ProbeOptions())
        await flights.fan_out(batch, lambda result: delivered.append((result, cache.stumbled)))
        domains = await cache.list_domains(10)
        group.cancel_scope.cancel()
    assert cache.stumbled
    assert [result.place for result, _ in delivered] == [0, 1, 2]
    assert [(row.domain, row.requests) for row in domains] == [("lost.example", 2)]


class AbsentCache(Cache):
    """The cache on a Redis that is away when there is something to remember."""

    async def remember(self, seen: Iterable[tuple[ProbeRequest, ProbeOutcome, float]]) -> None:  # noqa: ARG002
        """Never done."""
        raise RedisUnavailable


@pytest.mark.parametrize("path", ["code/429", "reset", "raw/HTTP%2F1.1%20200%20X%0D%0ARetry-After:%200%0D%0A%0D%0A"])
async def test_temporary_outcome_is_not_joined(datastore: Datastore, path: str) -> None:
    """What the cache may not keep lands although Redis is away, and is not what the next task is told."""
    flights = SingleFlight(
        AbsentCache(datastore, timeout_s=60), Prober(timeout_s=3, policy="any"), concurrency=1, per_host=5
    )
    delivered: list[ProbeResult] = []
    async with Target() as target, anyio.create_task_group() as group:
        group.start_soon(flights.run)
        with anyio.fail_after(60):
            for task in ("a", "b", "c"):
                batch = Batch(task, 0, [f"{target.url}/{path}"], {0}, ProbeOptions())
                await flights.fan_out(batch, delivered.append)
                while len(delivered) < "abc".index(task) + 1:
                    await anyio.sleep(0.01)
        assert flights.waiting == 0
        group.cancel_scope.cancel()
    assert target.requests.total() >= 3  # a connection that ends before its answer is tried twice
    assert {result.cached for result in delivered} == {False}


class HangingCache(Cache):
    """The cache on a Redis that gives no answer when there is something to remember."""

    has_hung = False

    async def remember(self, seen: Iterable[tuple[ProbeRequest, ProbeOutcome, float]]) -> None:  # noqa: ARG002
        """Never done."""
        self.has_hung = True
        await anyio.sleep_forever()


async def test_end_before_an_outcome_is_in_the_cache(datastore: Datastore) -> None:
    """What is probed is delivered at the end, each outcome once: those being put into the cache, and those after them.

    A gateway saves what was delivered, so that the next one does not probe it again.
    """
    cache = HangingCache(datastore, timeout_s=60)
    flights = SingleFlight(cache, Prober(timeout_s=60, policy="any"), concurrency=3, per_host=3)
    delivered: list[ProbeResult] = []
    async with Target() as target, anyio.create_task_group() as group:
        group.start_soon(flights.run)
        for start, path in enumerate(("code/200", "code/404", "code/204")):
            await flights.fan_out(
                Batch("task", start, [f"{target.url}/{path}"], {start}, ProbeOptions()), delivered.append
            )
            while not cache.has_hung or flights.stats.outcomes.total() <= start:
                await anyio.sleep(0.01)
        assert delivered == []
        group.cancel_scope.cancel()
    assert [(result.place, result.outcome.code) for result in delivered] == [(0, 200), (1, 404), (2, 204)]
    assert flights.waiting == 0


async def test_owner_is_cancelled(datastore: Datastore) -> None:
    """A task that is cancelled takes no flight with it that another task waits for."""
    async with Target() as target, anyio.create_task_group() as group:
        flights = SingleFlight(
            Cache(datastore, timeout_s=60), Prober(timeout_s=3, policy="any"), concurrency=1, per_host=5
        )
        group.start_soon(flights.run)
        urls = [f"{target.url}/delay/0.2?{i}" for i in range(4)]
        lost: list[ProbeResult] = []
        kept: list[ProbeResult] = []
        await flights.fan_out(Batch("owner", 0, urls, {0, 1, 2, 3}, ProbeOptions()), lost.append)
        await flights.fan_out(Batch("other", 0, urls, {0, 3}, ProbeOptions()), kept.append)
        flights.remove_task("owner")
        with anyio.fail_after(60):
            while len(kept) < 2:
                await anyio.sleep(0.02)
        await anyio.sleep(0.5)
        group.cancel_scope.cancel()
    assert {(result.place, result.outcome.code) for result in kept} == {(0, 200), (3, 200)}
    assert target.requests.total() <= 3


async def test_owner_is_cancelled_during_a_redirect(datastore: Datastore) -> None:
    """A URL that no task waits for any more is not followed to another origin, and nothing is left of it."""
    asked, cancelled = anyio.Event(), anyio.Event()
    landed: list[ProbeResult] = []

    async def redirect(line: Line) -> None:
        await line.read_head()
        asked.set()
        await cancelled.wait()
        await line.send(f"HTTP/1.1 302 X\r\nLocation: {target.url}/code/200\r\nContent-Length: 0\r\n\r\n".encode())

    async with Target() as target, Site(redirect) as site, anyio.create_task_group() as group:
        cache, prober = Cache(datastore, timeout_s=60), Prober(timeout_s=3, policy="any")
        flights = SingleFlight(cache, prober, concurrency=1, per_host=5)
        group.start_soon(flights.run)
        batch = Batch("owner", 0, [f"{site.url}/"], {0}, ProbeOptions(follow_redirects=True))
        with anyio.fail_after(60):
            await flights.fan_out(batch, landed.append)
            await asked.wait()
            flights.remove_task("owner")
            cancelled.set()
            while flights.schedule.busy:
                await anyio.sleep(0.01)
        assert (flights.waiting, landed, target.requests.total()) == (0, [], 0)
        group.cancel_scope.cancel()
