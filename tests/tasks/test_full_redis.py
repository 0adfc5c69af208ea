"""A Redis whose memory is full: accepted tasks become ready, others are refused, and none is evicted in part."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from redis.asyncio import Redis

from tests.conftest import OpenGateway
from tests.processes import free_port
from tests.redis_server import serving
from tests.target import Target

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

TASKS = "/api/v1/tasks/"
ROOM_BYTES = 1_000_000


@asynccontextmanager
async def small_redis(folder: Path, policy: str) -> AsyncIterator[tuple[Redis, str]]:
    """A Redis that takes `ROOM_BYTES` more than it needs for itself, and its URL."""
    port = free_port()
    options = ("--latency-tracking", "no", "--maxmemory-policy", policy)  # 25 KB for each kind of command
    async with serving(folder, port, *options), Redis(port=port) as redis:
        await bound(redis)
        yield redis, f"redis://127.0.0.1:{port}/0"


async def bound(redis: Redis) -> None:
    """Let it take `ROOM_BYTES` more than it holds now."""
    await redis.config_set("maxmemory", (await redis.info("memory"))["used_memory"] + ROOM_BYTES)


async def fill(redis: Redis, *, expiry_s: int | None) -> None:
    """Put in values, such as cached codes are, until Redis refuses or evicts."""
    for number in range(100):
        pipeline = redis.pipeline(transaction=False)
        for place in range(100):
            pipeline.set(f"filling:{number}:{place}", os.urandom(500).hex(), ex=expiry_s)
        refused = any(isinstance(answer, Exception) for answer in await pipeline.execute(raise_on_error=False))
        if refused or (await redis.info("stats"))["evicted_keys"]:
            return


def name_urls(target: Target, number: int) -> list[str]:
    """Ten long URLs that answer 200 to 209."""
    return [f"{target.url}/code/{200 + place}?{number}.{place}.{'x' * 2_000}" for place in range(10)]


async def await_ready(client: httpx.AsyncClient, location: str) -> dict[str, Any]:
    """A task that was told 201: it is never gone, and becomes ready."""
    with anyio.fail_after(60):
        while True:
            answer = await client.get(location, headers={"Prefer": "wait=5"})
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200 and answer.json()["status"] == "ready":
                return dict(answer.json())


@pytest.mark.parametrize("policy", ["volatile-ttl", "volatile-lru", "noeviction"])
async def test_accepted_tasks(open_gateway: OpenGateway, target: Target, tmp_path: Path, policy: str) -> None:
    """Every task that was told 201 becomes ready, however full Redis is; the others are told 503."""
    locations, refused = [], set()
    async with small_redis(tmp_path / "own", policy) as (redis, url), open_gateway(redis_url=url) as client:
        if policy != "noeviction":
            await fill(redis, expiry_s=600)
        for number in range(60):
            answer = await client.post(TASKS, json=name_urls(target, number))
            if answer.status_code == 201:
                locations.append(answer.headers["Location"])
            else:
                refused.add(answer.status_code)
        for location in locations:
            assert (await await_ready(client, location))["result"] == list(range(200, 210))
            assert len((await client.get(f"{location}/probes")).json()["probes"]) == 10
    assert locations
    assert refused == {503}


@pytest.mark.parametrize("policy", ["volatile-ttl", "noeviction"])
async def test_full_while_a_task_runs(open_gateway: OpenGateway, target: Target, tmp_path: Path, policy: str) -> None:
    """A task that runs while Redis fills up is saved, counted and listed all the same; a new one is told 503."""
    async with small_redis(tmp_path / "own", policy) as (redis, url), open_gateway(redis_url=url) as client:
        location = (await client.post(TASKS, json=[f"{target.url}/delay/0.5"])).headers["Location"]
        await redis.config_set("maxmemory", 1)
        assert (await client.post(TASKS, json=[f"{target.url}/code/200"])).status_code == 503
        assert (await await_ready(client, location))["result"] == [200]
        assert len((await client.get(TASKS)).json()["tasks"]) == 1
        assert (await client.get("/api/v1/domains/")).json()["domains"][0]["requests"] == 1
        assert await redis.xlen("gateway:{queue}") == 0
        await redis.config_set("maxmemory", 0)
        location = (await client.post(TASKS, json=[f"{target.url}/code/404"])).headers["Location"]
        assert (await await_ready(client, location))["result"] == [404]


async def test_nothing_of_a_running_task_expires(open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """No key that a running task needs bears an expiry at any moment, so that no volatile policy evicts it."""
    async with small_redis(tmp_path / "own", "volatile-ttl") as (redis, url), open_gateway(redis_url=url) as client:
        async with redis.monitor() as monitor:
            urls = [f"{target.url}/code/200", f"{target.url}/delay/0.5"]
            answer = await client.post(TASKS, json=urls, headers={"Idempotency-Key": "one"})
            while (await client.get(answer.headers["Location"])).json()["done"] < 1:
                await anyio.sleep(0.02)
            await redis.echo("over")
            commands: list[str] = []
            while not commands or "over" not in commands[-1]:
                commands.append((await monitor.next_command())["command"])
        expiries = {key: await redis.ttl(key) for key in await redis.keys("gateway:*")}
    task = f"gateway:{{{answer.json()['id']}}}:task"
    assert not [command for command in commands if command.upper().startswith("EXPIRE") and ":task" in command]
    assert {expiries[key] for key in (task.encode(), b"gateway:{queue}", b"gateway:recent")} == {-1}
    assert {key for key, ttl in expiries.items() if ttl >= 0 and answer.json()["id"].encode() in key} <= {
        f"gateway:{{domains}}:{answer.json()['id']}".encode()
    }


async def test_ended_task_is_evicted_whole(open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """An ended task gives way once it may expire, and then it is gone with its probes: 404 for both."""
    async with small_redis(tmp_path / "own", "volatile-ttl") as (redis, url), open_gateway(redis_url=url) as client:
        location = (await client.post(TASKS, json=name_urls(target, 0))).headers["Location"]
        key = f"gateway:{{{location.rpartition('/')[2]}}}:task"
        await await_ready(client, location)
        before = await redis.ttl(key)
        await bound(redis)  # once more: the connections of the gateway count too
        await redis.zadd("gateway:{queue}:ended", {location.rpartition("/")[2]: 0})
        with anyio.fail_after(60):
            while await redis.ttl(key) < 0:
                await anyio.sleep(0.05)
            after = await redis.ttl(key)
            await fill(redis, expiry_s=100_000)
            while await redis.exists(key):
                await redis.set(f"more:{os.urandom(8).hex()}", os.urandom(5_000), ex=100_000)
        answers = [await client.get(path) for path in (location, f"{location}/probes", f"{location}/events")]
    assert (before, after > 80_000) == (-1, True)
    assert {answer.status_code for answer in answers} == {404}
