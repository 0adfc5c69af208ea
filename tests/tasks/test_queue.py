"""The bound of the queue, on a real Redis."""

from pathlib import Path
from uuid import UUID

import anyio
import httpx
import pytest
from redis.asyncio import Redis

from gateway.datastore.client import Datastore, KeyCorrupted, RedisUnavailable
from gateway.tasks.queue import MAX_QUEUED_URLS, Claim, Queue, QueueFull
from tests.conftest import OpenGateway
from tests.target import Target

pytestmark = pytest.mark.anyio

LOST = str(UUID(int=7, version=4))


async def test_bound(datastore: Datastore) -> None:
    """So many URLs are taken in, not one more; what is acknowledged makes room, once."""
    queue = Queue(datastore)
    await queue.prepare()
    for number in range(100):
        await queue.put(str(UUID(int=number)), MAX_QUEUED_URLS // 100)
    with pytest.raises(QueueFull) as refused:
        await queue.put("one more", 1)
    assert refused.value.retry_after_s
    claims: list[Claim] = await queue.take()
    assert claims[0].total == MAX_QUEUED_URLS // 100
    await queue.acknowledge(claims[0])
    await queue.acknowledge(claims[0])
    await queue.put("next", MAX_QUEUED_URLS // 100)
    with pytest.raises(QueueFull):
        await queue.put("one more", 1)


async def test_abandoned_behind_live_ones(datastore: Datastore) -> None:
    """A gateway with room for one task finds an abandoned one behind any number of live claims, and then the next."""
    busy, dead, full = Queue(datastore), Queue(datastore), Queue(datastore)
    await busy.prepare()
    abandoned: list[Claim] = []
    for number in range(70):
        await busy.put(str(UUID(int=number, version=4)), 1)
        if number in (5, 33, 69):
            abandoned += await dead.take()
        else:
            await busy.take()
    await dead.release(abandoned)
    found = [claim.task for _ in range(5) for claim in await full.take_abandoned(1)]
    assert found == [claim.task for claim in abandoned]
    await full.release(abandoned)
    assert [claim.task for claim in await busy.take_abandoned(1)] == found[:1]
    await datastore.client().flushall()
    await full.prepare()
    await dead.put(LOST, 1)
    await dead.release(await dead.take())
    assert [claim.task for claim in await full.take_abandoned(1)] == [LOST]


async def test_refused_preparation(datastore: Datastore) -> None:
    """A queue that Redis does not let be made is Redis refusing, not a queue that is spoilt; one made twice is none."""
    queue = Queue(datastore)
    await queue.prepare()
    await queue.prepare()
    assert (await queue.measure()).tasks == 0
    client = datastore.client()
    await client.replicaof("127.0.0.1", "1")
    with pytest.raises(RedisUnavailable) as refused:
        await queue.prepare()
    assert not isinstance(refused.value, KeyCorrupted)
    await client.replicaof("NO", "ONE")


async def test_full_over_http(open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """A POST to a full queue is 429 with Retry-After, leaves no task, and is taken once there is room."""
    urls = [f"{target.url}/code/200", f"{target.url}/code/404"]
    headers = {"Idempotency-Key": '"one"'}
    async with open_gateway() as client, Redis(unix_socket_path=str(tmp_path / "data/redis/redis.sock")) as redis:
        await redis.incrby("gateway:{queue}:urls", MAX_QUEUED_URLS - 1)
        full = await client.post("/api/v1/tasks/", json=urls, headers=headers)
        single = await client.post("/api/v1/tasks/", json=urls[:1])
        await client.get(single.headers["Location"], headers={"Prefer": "wait=8"})
        tasks = (await client.get("/api/v1/tasks/")).json()["tasks"]
        await redis.decrby("gateway:{queue}:urls", 1)
        taken = await client.post("/api/v1/tasks/", json=urls, headers=headers)
        ready = await client.get(taken.headers["Location"], headers={"Prefer": "wait=8"})
    assert (full.status_code, full.headers["Retry-After"]) == (429, "10")
    assert full.json()["type"] == "urn:gateway:problem:queue-full"
    assert (single.status_code, taken.status_code) == (201, 201)
    assert [task["id"] for task in tasks] == [single.json()["id"]]
    assert ready.json()["result"] == [200, 404]


@pytest.mark.slow
async def test_same_key_at_once(own_client: httpx.AsyncClient, target: Target) -> None:
    """POSTs under one key at the same moment make one task, and its URLs are asked and counted once."""
    answers: list[httpx.Response] = []

    async def post() -> None:
        headers = {"Idempotency-Key": '"at-once"'}
        answers.append(await own_client.post("/api/v1/tasks/", json=[f"{target.url}/delay/0.3"], headers=headers))

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(post)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    await own_client.get(answers[0].headers["Location"], headers={"Prefer": "wait=8"})
    assert (await own_client.get("/api/v1/domains/")).json()["domains"] == [{"domain": "127.0.0.1", "requests": 1}]
    assert target.requests.total() == 1
