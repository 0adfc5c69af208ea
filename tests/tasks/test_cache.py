"""The code cache and the domain counters, on a real Redis."""

import time
from collections import Counter
from typing import Any

import anyio
import pytest

from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.tasks.cache import Cache, is_cacheable
from gateway.tasks.models import Domain, Hop, ProbeError, ProbeOutcome
from gateway.tasks.probe.request import ProbeOptions, ProbeRequest
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio


def ask(url: str, *, follow_redirects: bool = False) -> ProbeRequest:
    """A request of this URL."""
    return ProbeRequest(url, ProbeOptions(follow_redirects=follow_redirects))


def answer(request: ProbeRequest, code: int, age_s: float) -> tuple[ProbeRequest, ProbeOutcome, float]:
    """An answer to be remembered."""
    return request, ProbeOutcome(code), age_s


async def recall_codes(cache: Cache, requests: list[ProbeRequest]) -> list[int]:
    """The codes that are known, 0 for the others."""
    return [outcome.code if outcome else 0 for outcome in await cache.recall(requests)]


async def test_recall(datastore: Datastore) -> None:
    """Codes come back in the order asked for, 0 for what is not known; a followed URL is another entry."""
    cache = Cache(datastore, timeout_s=60)
    await cache.remember(
        [
            answer(ask("http://a/"), 200, 0.0),
            answer(ask("http://b/", follow_redirects=True), 404, 0.0),
            answer(ask("http://c/" + "x" * 8000), 999, 0.0),
        ]
    )
    urls = ["http://b/", "http://a/", "http://c/" + "x" * 8000, "http://c/" + "x" * 7999]
    assert await recall_codes(cache, [ask(url) for url in urls]) == [0, 200, 999, 0]
    assert await recall_codes(cache, [ask(url, follow_redirects=True) for url in urls]) == [404, 0, 0, 0]
    assert await cache.recall([]) == []


async def test_way(datastore: Datastore) -> None:
    """Where an answer leads, and the redirects that led to it, are kept with its code."""
    cache = Cache(datastore, timeout_s=60)
    known = [
        ProbeOutcome(301, location="http://a/\u00e9 x"),
        ProbeOutcome(200, hops=(Hop(301, "http://b/"), Hop(302, "http://c/?a b")), final_url="http://d/"),
        ProbeOutcome(302, location="/x", hops=(Hop(308, "http://b/"),), final_url="http://d/"),
        ProbeOutcome(500, attempts=2),
        ProbeOutcome(502, hops=(Hop(308, "http://b/"),), final_url="http://d/", attempts=1),
    ]
    requests = [ask(f"http://{number}/", follow_redirects=True) for number in range(len(known))]
    await cache.remember([(request, outcome, 0.0) for request, outcome in zip(requests, known, strict=True)])
    assert await cache.recall(requests) == known


async def test_age(datastore: Datastore) -> None:
    """A code is never given once it is as old as the timeout, cleared or not; its age before it was stored counts."""
    cache = Cache(datastore, timeout_s=60)
    await cache.remember([answer(ask("http://old/"), 200, 60.1), answer(ask("http://new/"), 200, 57.0)])
    assert await recall_codes(cache, [ask("http://old/"), ask("http://new/")]) == [0, 200]
    await anyio.sleep(3.05)
    assert await recall_codes(cache, [ask("http://old/"), ask("http://new/")]) == [0, 0]


async def test_clock_is_turned_back(datastore: Datastore) -> None:
    """A code that Redis' clock, turned back, says was seen in an hour is not given, and is cleared."""
    cache = Cache(datastore, timeout_s=60)
    await cache.remember([answer(ask("http://ahead/"), 200, -3600.0), answer(ask("http://now/"), 404, 0.0)])
    assert await recall_codes(cache, [ask("http://ahead/"), ask("http://now/")]) == [0, 404]
    assert await cache.clear() == 1
    assert await recall_codes(cache, [ask("http://ahead/"), ask("http://now/")]) == [0, 404]


async def test_temporary_codes_of_another_version(datastore: Datastore) -> None:
    """A temporary code that stands in Redis all the same is never given."""
    cache = Cache(datastore, timeout_s=60)
    codes = [200, 408, 425, 429, 500, 503]
    await cache.remember([answer(ask(f"http://{code}/"), code, 0.0) for code in codes])
    recalled = await recall_codes(cache, [ask(f"http://{code}/") for code in codes])
    assert recalled == [200, 0, 0, 0, 500, 0]


async def test_clear(datastore: Datastore, redis: Any) -> None:
    """The coroutine deletes what is over age, and touches nothing else."""
    cache = Cache(datastore, timeout_s=60)

    async def old_ones_are_gone() -> bool:
        members: list[bytes] = await redis.zrange("gateway:{codes}", 0, -1)
        return members == [b"gateway:{codes}:http://new/"]

    async with anyio.create_task_group() as group:
        group.start_soon(cache.run)
        await cache.count("task", 0, Counter(a=1))
        await redis.set("other", "value")
        await cache.remember([answer(ask(f"http://old/{i}"), 200, 59.9) for i in range(3000)])
        await cache.remember([answer(ask("http://new/"), 200, 0.0)])
        await wait_until(old_ones_are_gone)
        group.cancel_scope.cancel()
    assert set(await redis.keys("*")) - {b"gateway:{health}"} == {
        b"other",
        b"gateway:{codes}",
        b"gateway:{codes}:http://new/",
        b"gateway:{domains}",
        b"gateway:{domains}:task",
    }


async def test_backstop(datastore: Datastore, redis: Any) -> None:
    """Every entry and the index bear an expiry, so that nothing outlives the gateways."""
    await Cache(datastore, timeout_s=5).remember([answer(ask("http://a/"), 200, 0.0)])
    for key in await redis.keys("*"):
        assert 5_000 < await redis.pttl(key) <= 65_000


async def test_count(datastore: Datastore) -> None:
    """A batch counts once, however often it is sent; domains come most requested first."""
    cache = Cache(datastore, timeout_s=1)
    for _ in range(3):
        await cache.count("task", 0, Counter({"a": 2, "b": 5}))
    await cache.count("task", 1, Counter({"a": 2}))
    await cache.count("other", 0, Counter({"a": 2}))
    assert await cache.list_domains(10) == [Domain(domain="a", requests=6), Domain(domain="b", requests=5)]
    assert await cache.list_domains(1) == [Domain(domain="a", requests=6)]


async def test_count_that_failed(datastore: Datastore, redis: Any) -> None:
    """A batch whose counting failed is not taken for counted: the next try counts it."""
    cache = Cache(datastore, timeout_s=1)
    await redis.set("gateway:{domains}", "something else")
    with pytest.raises(RedisUnavailable):
        await cache.count("task", 0, Counter(a=1))
    await redis.delete("gateway:{domains}")
    await cache.count("task", 0, Counter(a=1))
    assert await cache.list_domains(10) == [Domain(domain="a", requests=1)]


def test_cacheable() -> None:
    """An HTTP answer may be kept, a failure and what says that it is for now never."""
    assert [code for code in range(1000) if not is_cacheable(ProbeOutcome(code))] == [0, 408, 425, 429, 503]
    assert not is_cacheable(ProbeOutcome(200, has_retry_after=True))
    assert not is_cacheable(ProbeOutcome(202, bot_protection="AWS WAF"))
    assert not is_cacheable(ProbeOutcome(0, ProbeError.TIMEOUT, "late"))


async def test_spoilt_codes(datastore: Datastore, redis: Any) -> None:
    """An entry that is no code and no time is not known; a member of the index that is no entry costs no other key."""
    cache = Cache(datastore, timeout_s=60)
    now_ms = round(time.time() * 1000)
    values = [
        f"200 {now_ms}junk",
        f"200 {now_ms} junk",
        f'200 {now_ms} ["a",[["x","y"]],"z"]',
        f"000 {now_ms}",
        "",
        "200",
        "inf 1",
        "200 nan",
        "200 inf",
        "99999 1",
        f"200 {'9' * 400}",
        f"{'9' * 400} 1",
        "-20 1",
    ]
    for number, value in enumerate(values):
        await redis.set(f"gateway:{{codes}}:http://{number}/", value)
    await redis.rpush("gateway:{codes}:http://list/", "x")
    await redis.zadd("gateway:{codes}", {"gateway:recent": 0, "gateway:{codes}:http://0/": 0})
    await redis.set("gateway:recent", "x")
    urls = [f"http://{number}/" for number in range(len(values))]
    assert await recall_codes(cache, [ask(url) for url in [*urls, "http://list/"]]) == [0] * (len(values) + 1)
    assert await cache.clear() == 2
    assert await redis.exists("gateway:recent", "gateway:{codes}:http://0/") == 1


async def test_spoilt_counts(datastore: Datastore, redis: Any) -> None:
    """What is no count of a domain is left out of the list."""
    cache = Cache(datastore, timeout_s=60)
    await cache.count("task", 0, Counter(a=1))
    odd = {b"\xff": 7.0, b"b": float("inf"), b"c": float("-inf"), b"d": -1.0, b"e": 1e300}
    await redis.zadd("gateway:{domains}", odd)
    assert await cache.list_domains(10) == [Domain(domain="a", requests=1)]


async def test_counts_of_no_domain(datastore: Datastore) -> None:
    """Counters of texts that are no host, from a gateway of before, are left out, and take no place in the list."""
    cache = Cache(datastore, timeout_s=60)
    hosts = ["::1", "127.0.0.1", "localhost", "my_host.example", "xn--53h.example"]
    texts = [
        '"http',
        "(http",
        "http",
        "https",
        "a,",
        "*.a",
        "..",
        "",
        "xn--http-996a",
        "1::2::3",
        *map(str, range(2_000)),
    ]
    await cache.count("task", 0, Counter({text + "!" * text.isdigit(): 9 for text in texts}))
    await cache.count("task", 1, Counter({host: number for number, host in enumerate(hosts, 1)}))
    listed = await cache.list_domains(3)
    assert listed == [Domain(domain=host, requests=number) for number, host in reversed([*enumerate(hosts, 1)][2:])]
    assert len(await cache.list_domains(10_000)) == len(hosts)
