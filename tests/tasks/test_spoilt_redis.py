"""Values of another form under every key in Redis: no 5xx but 503, no traceback, and other tasks go on."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from redis.asyncio import Redis

from gateway.settings import Settings
from tests.fast import first_fast
from tests.target import Target

pytestmark = pytest.mark.anyio

TASKS = "/api/v1/tasks/"
Put = Callable[[Redis, str], Awaitable[Any]]

ODD = [
    b"", b"-1", b"1e309", b"inf", b"9" * 400, b"999999999999999", b"1.5", b"null", b"{}", b"[[]]", b"[1]",
    b'[[0,200,"odd",null,false,0.1,null]]', b"[[-1,200,null,null,false,0.1,null]]",
    b"[[0,1e400,null,null,false,NaN,null]]", b"[[0,99999,null,null,false,0.1,null]]", b"[" * 10_000, b'["\\ud800"]',
    b"\xff\xfe", b"running\n", b"0000-00-00T00:00:00+00:00", b"0001-01-01T00:00:00+14:00", b"x" * 100_000,
]  # fmt: skip
TYPES: dict[str, Put] = {
    "a list": lambda redis, key: redis.rpush(key, "[[]]", "x"),
    "a set": lambda redis, key: redis.sadd(key, "x", b"\xff"),
    "a hash": lambda redis, key: redis.hset(key, mapping={"x": "y", b"\xff": b"\xff"}),
    "a sorted set": lambda redis, key: redis.zadd(
        key, {b"gateway:recent": 0, b"\xff": float("inf"), b"": float("-inf"), str(uuid4()).encode(): 1e300}
    ),
    "a stream": lambda redis, key: redis.xadd(key, {"foo": "bar"}),
    "a bitmap": lambda redis, key: redis.setbit(key, 100, 1),
}
STRINGS: dict[str, Put] = {repr(value[:20]): lambda redis, key, value=value: redis.set(key, value) for value in ODD}  # type: ignore[misc]
STRING_KEYS = ("gateway:{queue}:urls", "gateway:{codes}:{url}")
KEYS = (
    *STRING_KEYS, "gateway:{queue}", "gateway:{queue}:ended", "gateway:recent", "gateway:{codes}", "gateway:{domains}",
    "gateway:{domains}:{task}", "gateway:{{task}}:task",
)  # fmt: skip
FIELDS = (
    "status",
    "total",
    "done",
    "options",
    "follow",
    "urls",
    "created_at",
    "finished_at",
    "result",
    "entry",
    "digest",
    "probes:8",
)


HARMLESS = ("done", "follow", "result", "digest", "probes:8")
"""Fields that keep no task from its end, whatever they hold."""


@pytest.fixture
def client(own_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a gateway of its own: these tests spoil what it keeps."""
    return own_client


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is spoilt is logged in a line, not as a fault of the program."""
    yield
    assert not [record.getMessage() for record in caplog.get_records("call") if record.exc_info]


@pytest.fixture
async def redis(client: httpx.AsyncClient, settings: Settings) -> AsyncIterator[Redis]:
    """The Redis of the gateway."""
    async with Redis(unix_socket_path=str(settings.data_dir / "redis" / "redis.sock")) as redis:
        yield redis


@asynccontextmanager
async def spoilt(redis: Redis, key: str, put: Put) -> AsyncIterator[None]:
    """The key holds something else."""
    before = await redis.dump(key)
    async with redis.pipeline(transaction=True) as pipeline:  # the gateway may write the key between two commands
        pipeline.delete(key)
        put(pipeline, key)
        await pipeline.execute()
    yield
    if before:
        await redis.restore(key, 0, before, replace=True)
    else:
        await redis.delete(key)


def put_string(value: bytes) -> Put:
    """SET."""
    return lambda redis, key: redis.set(key, value)


async def check_task(client: httpx.AsyncClient, task: str, what: str) -> None:
    """No call to a task is answered by a 5xx but 503, and what is answered is JSON."""
    calls = [
        client.get(f"{TASKS}{task}"),
        client.get(f"{TASKS}{task}/probes"),
        client.get(TASKS),
        client.delete(f"{TASKS}{task}"),
        client.get(f"{TASKS}{task}/events", headers={"Last-Event-ID": "ready"}),
    ]
    check_answers([await call for call in calls], what)


async def check_rest(client: httpx.AsyncClient, what: str) -> None:
    """The same for all other calls that need Redis."""
    calls = [
        client.get("/api/v1/domains/"),
        client.get("/metrics"),
        client.get("/readyz"),
        client.post(TASKS, json=["x:"], headers={"Idempotency-Key": "one"}),
    ]
    check_answers([await call for call in calls], what)


def check_answers(answers: list[httpx.Response], what: str) -> None:
    """Each is no 5xx but 503, and its JSON is JSON."""
    for answer in answers:
        assert answer.status_code < 500 or answer.status_code == 503, f"{what}: {answer.url} {answer.text}"
        if answer.headers.get("Content-Type") == "application/json":
            json.loads(answer.content, parse_constant=lambda word: pytest.fail(f"{what}: {word} in JSON"))


async def await_end(client: httpx.AsyncClient, location: str) -> list[int]:
    """The result of a task."""
    with anyio.fail_after(60):
        while (seen := (await client.get(location, headers={"Prefer": "wait=5"})).json()).get("status") != "ready":
            await anyio.sleep(0.02)
    return list(seen["result"])


async def post(client: httpx.AsyncClient, *urls: str) -> str:
    """The Location of a new task."""
    answer = await client.post(TASKS, json=urls)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


@pytest.mark.parametrize("key", first_fast(KEYS))
async def test_key(client: httpx.AsyncClient, redis: Redis, target: Target, key: str) -> None:
    """A key that holds another type, or for a string another value, keeps no other task from its end."""
    url = f"{target.url}/code/200"
    location = await post(client, url)
    await await_end(client, location)
    task = location.rpartition("/")[2]
    name = key.replace("{url}", url).replace("{task}", task)
    strings = {repr(value[:20]): put_string(value) for value in (ODD[:9] if key in STRING_KEYS else ODD[:1])}
    for what, put in (TYPES | strings).items():
        async with spoilt(redis, name, put):
            await check_task(client, task, f"{name}, {what}")
            await check_rest(client, f"{name}, {what}")
            if key not in ("gateway:{queue}", "gateway:{queue}:urls"):
                assert await await_end(client, await post(client, url)) == [200]
    assert await await_end(client, location) == [200]
    assert await await_end(client, await post(client, url)) == [200]


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
async def test_field(client: httpx.AsyncClient, redis: Redis, target: Target, field: str) -> None:
    """A field of a task that is missing or holds another value is answered by 503 at most."""
    location = await post(client, f"{target.url}/code/200")
    await await_end(client, location)
    name = f"gateway:{{{location.rpartition('/')[2]}}}:task"
    before: dict[Any, Any] = await redis.hgetall(name)
    await redis.hdel(name, field)
    await check_task(client, location.rpartition("/")[2], f"no {field}")
    for value in ODD:
        await redis.hset(name, field, value)
        await check_task(client, location.rpartition("/")[2], f"{field} {value!r:.30}")
    await redis.delete(name)
    await redis.hset(name, mapping=before)
    assert await await_end(client, location) == [200]


@pytest.mark.slow
@pytest.mark.parametrize("field", FIELDS)
async def test_field_of_a_queued_task(client: httpx.AsyncClient, redis: Redis, target: Target, field: str) -> None:
    """Whatever stands in a task that the runner takes, it goes on to the next; where it can it brings it to its end."""
    url = f"{target.url}/code/200"
    good: dict[Any, Any] = {
        "status": "running",
        "total": 1,
        "done": 0,
        "follow": 0,
        "urls": json.dumps([url]),
        "digest": "",
    }
    tasks = {value: str(uuid4()) for value in ODD}
    for value, task in tasks.items():
        fields: dict[Any, Any] = {**good, "created_at": "2026-01-01T00:00:00+00:00", field: value}
        await redis.hset(f"gateway:{{{task}}}:task", mapping=fields)
        await redis.xadd("gateway:{queue}", {"task": task, "urls": 1})
    assert await await_end(client, await post(client, url)) == [200]
    for value, task in tasks.items():
        if field not in HARMLESS:
            check_answers([await client.get(f"{TASKS}{task}")], f"{field} {value!r:.30}")
        else:
            assert await await_end(client, f"{TASKS}{task}") == [200], f"{field} {value!r:.30}"
            probes = (await client.get(f"{TASKS}{task}/probes")).json()["probes"]
            assert [probe["code"] for probe in probes] == [200], f"{field} {value!r:.30}"


@pytest.mark.slow
async def test_strange_entries(client: httpx.AsyncClient, redis: Redis, target: Target) -> None:
    """Entries that no gateway made are removed; the tasks behind them, of a dead gateway too, become ready."""
    url, lost, left = f"{target.url}/code/200", str(uuid4()), str(uuid4())
    strange: list[dict[Any, Any]] = [
        {"foo": "bar"}, {"task": lost}, {"urls": 1}, {"task": "no id", "urls": 1}, {"task": b"\xff", "urls": 1},
        {"task": lost, "urls": "x"}, {"task": lost, "urls": -1}, {"task": lost, "urls": "9" * 5_000},
        {"task": lost, "urls": 10**15}, {"": ""}, {b"\xff": b"\xff" * 100_000},
    ]  # fmt: skip
    fields: dict[Any, Any] = {"status": "running", "total": 1, "done": 0, "follow": 0, "urls": json.dumps([url])}
    await redis.hset(f"gateway:{{{left}}}:task", mapping=fields | {"created_at": "2026-01-01T00:00:00+00:00"})
    pipeline = redis.pipeline(transaction=True)  # so that the gateway takes none of them before
    for entry in [*strange, {"task": left, "urls": 1}]:
        pipeline.xadd("gateway:{queue}", entry)
    pipeline.xreadgroup("gateways", "a dead gateway", {"gateway:{queue}": ">"})
    taken = (await pipeline.execute())[-1][0][1]
    await redis.xdel("gateway:{queue}", taken[0][0])
    await redis.xclaim(
        "gateway:{queue}", "gateways", "a dead gateway", 0, [entry for entry, _ in taken[1:]], idle=60_000
    )
    for entry in strange:
        await redis.xadd("gateway:{queue}", entry)
    assert await await_end(client, await post(client, url)) == [200]
    assert await await_end(client, f"{TASKS}{left}") == [200]
    with anyio.fail_after(60):
        while await redis.xlen("gateway:{queue}"):
            await anyio.sleep(0.02)
    assert (await redis.xpending("gateway:{queue}", "gateways"))["pending"] == 0


async def test_strange_rows(client: httpx.AsyncClient, redis: Redis, target: Target) -> None:
    """Rows that no gateway wrote into a list are left out, and the others are shown."""
    location = await post(client, f"{target.url}/code/200")
    await await_end(client, location)
    await redis.zadd("gateway:recent", {b"\xff": 9e15, b"no id": 9e15, b"x" * 100_000: 9e15})
    await redis.zadd("gateway:{domains}", {b"\xff": 7, b"a": float("inf"), b"b": float("-inf"), b"c": -1, b"d": 1e300})
    await redis.zadd("gateway:{codes}", {b"gateway:{queue}": 0, b"gateway:recent": 0, b"\xff": 0, b"": 0})
    with anyio.fail_after(60):
        while await redis.zscore("gateway:{codes}", "gateway:recent") is not None:
            await anyio.sleep(0.02)
    assert len((await client.get(TASKS)).json()["tasks"]) == 1
    assert (await client.get("/api/v1/domains/")).json()["domains"] == [{"domain": "127.0.0.1", "requests": 1}]
    assert await redis.exists("gateway:{queue}", "gateway:recent") == 2
