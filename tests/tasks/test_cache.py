"""The code cache and the domain counters, on a real Redis."""

from collections import Counter

import anyio
import pytest

from gateway.datastore.client import Datastore, RedisUnavailable
from gateway.tasks.cache import Cache, is_cacheable
from gateway.tasks.models import Domain, ProbeError, ProbeOutcome

pytestmark = pytest.mark.anyio


async def test_recall(datastore: Datastore) -> None:
    """Codes come back in the order asked for, 0 for what is not known; a followed URL is another entry."""
    cache = Cache(datastore, timeout_s=60)
    await cache.remember(
        [("http://a/", False, 200, 0.0), ("http://b/", True, 404, 0.0), ("http://c/" + "x" * 8000, False, 999, 0.0)]
    )
    urls = ["http://b/", "http://a/", "http://c/" + "x" * 8000, "http://c/" + "x" * 7999]
    assert await cache.recall(urls, follow_redirects=False) == [0, 200, 999, 0]
    assert await cache.recall(urls, follow_redirects=True) == [404, 0, 0, 0]
    assert await cache.recall([], follow_redirects=True) == []


async def test_age(datastore: Datastore) -> None:
    """A code is never given once it is as old as the timeout, cleared or not; its age before it was stored counts."""
    cache = Cache(datastore, timeout_s=0.5)
    await cache.remember([("http://old/", False, 200, 0.6), ("http://new/", False, 200, 0.0)])
    assert await cache.recall(["http://old/", "http://new/"], follow_redirects=False) == [0, 200]
    await anyio.sleep(0.55)
    assert await cache.recall(["http://old/", "http://new/"], follow_redirects=False) == [0, 0]


async def test_clock_is_turned_back(datastore: Datastore) -> None:
    """A code that Redis' clock, turned back, says was seen in an hour is not given, and is cleared."""
    cache = Cache(datastore, timeout_s=60)
    await cache.remember([("http://ahead/", False, 200, -3600.0), ("http://now/", False, 404, 0.0)])
    assert await cache.recall(["http://ahead/", "http://now/"], follow_redirects=False) == [0, 404]
    assert await cache.clear() == 1
    assert await cache.recall(["http://ahead/", "http://now/"], follow_redirects=False) == [0, 404]


async def test_temporary_codes_of_another_version(datastore: Datastore) -> None:
    """A temporary code that stands in Redis all the same is never given."""
    cache = Cache(datastore, timeout_s=60)
    codes = [200, 408, 425, 429, 500, 503]
    await cache.remember([(f"http://{code}/", False, code, 0.0) for code in codes])
    recalled = await cache.recall([f"http://{code}/" for code in codes], follow_redirects=False)
    assert recalled == [200, 0, 0, 0, 500, 0]


async def test_clear(datastore: Datastore) -> None:
    """The coroutine deletes what is over age within a second, and touches nothing else."""
    cache = Cache(datastore, timeout_s=1)
    async with anyio.create_task_group() as group:
        group.start_soon(cache.run)
        await cache.count("task", 0, Counter(a=1))
        with datastore.open() as redis:
            await redis.set("other", "value")
        await cache.remember([(f"http://old/{i}", False, 200, 0.9) for i in range(3000)])
        await cache.remember([("http://new/", False, 200, 0.0)])
        await anyio.sleep(0.8)
        with datastore.open() as redis:
            keys = set(await redis.keys("*")) - {b"gateway:{health}"}
            members = await redis.zrange("gateway:{codes}", 0, -1)
        group.cancel_scope.cancel()
    assert members == [b"gateway:{codes}:http://new/"]
    assert keys == {
        b"other",
        b"gateway:{codes}",
        b"gateway:{codes}:http://new/",
        b"gateway:{domains}",
        b"gateway:{domains}:task",
    }


async def test_backstop(datastore: Datastore) -> None:
    """Every entry and the index bear an expiry, so that nothing outlives the gateways."""
    await Cache(datastore, timeout_s=5).remember([("http://a/", False, 200, 0.0)])
    with datastore.open() as redis:
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


async def test_count_that_failed(datastore: Datastore) -> None:
    """A batch whose counting failed is not taken for counted: the next try counts it."""
    cache = Cache(datastore, timeout_s=1)
    with datastore.open() as redis:
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
    assert not is_cacheable(ProbeOutcome(0, ProbeError.TIMEOUT, "late"))


async def test_spoilt_codes(datastore: Datastore) -> None:
    """An entry that is no code and no time is not known; a member of the index that is no entry costs no other key."""
    cache = Cache(datastore, timeout_s=60)
    values = ["", "200", "inf 1", "200 nan", "200 inf", "99999 1", f"200 {'9' * 400}", f"{'9' * 400} 1", "-20 1"]
    with datastore.open() as redis:
        for number, value in enumerate(values):
            await redis.set(f"gateway:{{codes}}:http://{number}/", value)
        await redis.rpush("gateway:{codes}:http://list/", "x")
        await redis.zadd("gateway:{codes}", {"gateway:recent": 0, "gateway:{codes}:http://0/": 0})
        await redis.set("gateway:recent", "x")
        urls = [f"http://{number}/" for number in range(len(values))]
        assert await cache.recall([*urls, "http://list/"], follow_redirects=False) == [0] * (len(values) + 1)
        assert await cache.clear() == 2
        assert await redis.exists("gateway:recent", "gateway:{codes}:http://0/") == 1


async def test_spoilt_counts(datastore: Datastore) -> None:
    """What is no count of a domain is left out of the list."""
    cache = Cache(datastore, timeout_s=60)
    await cache.count("task", 0, Counter(a=1))
    with datastore.open() as redis:
        odd = {b"\xff": 7.0, b"b": float("inf"), b"c": float("-inf"), b"d": -1.0, b"e": 1e300}
        await redis.zadd("gateway:{domains}", odd)
    assert await cache.list_domains(10) == [Domain(domain="a", requests=1)]
