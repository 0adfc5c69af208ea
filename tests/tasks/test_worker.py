"""Tasks and Redis: away, back, emptied, shared by several gateways."""

import json
import os
import signal
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import httpx
import pytest
from redis.asyncio import Redis

from gateway.settings import Settings
from gateway.tasks import queue, running_task, worker
from gateway.tasks.record import name_key
from tests.conftest import OpenGateway
from tests.fast import first_fast
from tests.processes import free_port
from tests.redis_server import serving
from tests.relay import relaying
from tests.target import Target
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

TASKS = "/api/v1/tasks/"


@pytest.fixture
def client(own_client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client of a gateway of its own: these tests spoil what it keeps."""
    return own_client


async def wait_ready(client: httpx.AsyncClient, location: str) -> dict[str, object]:
    """The task, as soon as it is ready."""
    with anyio.fail_after(8):
        while True:
            answer = await client.get(location, headers={"Prefer": "wait=5"})
            if answer.status_code == 200 and answer.json()["status"] == "ready":
                return dict(answer.json())
            await anyio.sleep(0.1)


async def wait_status(client: httpx.AsyncClient, path: str, status: int) -> None:
    """Return once the path answers so."""
    with anyio.fail_after(8):
        while (await client.get(path)).status_code != status:
            await anyio.sleep(0.05)


async def wait_known(redis: Redis, url: str) -> None:
    """Return once the cache has the code of a URL."""
    await wait_until(lambda: redis.exists(f"gateway:{{codes}}:{url}"))


async def find_redis_pid(folder: Path) -> int:
    """The process of the embedded server, by its unix socket."""
    async with await anyio.connect_unix(folder / "redis" / "redis.sock") as stream:
        await stream.send(b"INFO server\r\n")
        text = (await stream.receive()).decode()
    return int(text.partition("process_id:")[2].splitlines()[0])


async def test_redis_away_at_the_start(open_gateway: OpenGateway) -> None:
    """Without Redis the gateway starts, its page works, and tasks are answered by 503 and Retry-After."""
    async with open_gateway(redis_url="redis://127.0.0.1:1/0") as client:
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        for answer in (
            await client.post(TASKS, json=["http://127.0.0.1/"]),
            await client.get("/api/v1/domains/"),
            await client.get(TASKS),
        ):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["type"] == "urn:gateway:problem:unavailable"


async def test_whole_task_is_saved_at_once(
    client: httpx.AsyncClient, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known is saved now and then, but the end of a task does not wait for that moment."""
    monkeypatch.setattr(running_task, "SAVE_EVERY_S", 3600)
    urls = [f"{target.url}/code/200", f"{target.url}/delay/0.3"]
    location = (await client.post(TASKS, json=urls)).headers["Location"]
    assert (await wait_ready(client, location))["result"] == [200, 200]


async def test_redis_killed_in_the_middle(client: httpx.AsyncClient, settings: Settings, target: Target) -> None:
    """A task that runs while Redis is killed goes on and is saved when it is back; nothing is asked twice."""
    urls = [f"{target.url}/delay/0.3?{i}" for i in range(60)]
    location = (await client.post(TASKS, json=urls)).headers["Location"]
    await anyio.sleep(1.3)  # what is written to the append-only file within a second stays
    os.kill(await find_redis_pid(settings.data_dir), signal.SIGKILL)
    task = await wait_ready(client, location)
    assert task["result"] == [200] * 60
    assert set(target.requests.values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(20)
async def test_redis_stopped(client: httpx.AsyncClient, settings: Settings, target: Target) -> None:
    """While Redis hangs, calls are answered by 503 and not held; afterwards all is well again."""
    pid = await find_redis_pid(settings.data_dir)
    os.kill(pid, signal.SIGSTOP)
    try:
        with anyio.fail_after(3):
            answer = await client.post(TASKS, json=[f"{target.url}/code/200"])
        assert answer.status_code == 503
        assert (await client.get("/api/v1/audio/")).status_code == 200
    finally:
        os.kill(pid, signal.SIGCONT)
    await wait_status(client, "/readyz", 200)
    answer = await client.post(TASKS, json=[f"{target.url}/code/200"])
    assert (await wait_ready(client, answer.headers["Location"]))["result"] == [200]


async def test_redis_emptied(client: httpx.AsyncClient, settings: Settings, target: Target) -> None:
    """After FLUSHALL, group and stream gone, new tasks are taken and become ready."""
    await wait_ready(client, (await client.post(TASKS, json=[f"{target.url}/code/200"])).headers["Location"])
    async with await anyio.connect_unix(settings.data_dir / "redis" / "redis.sock") as stream:
        await stream.send(b"FLUSHALL\r\n")
        assert await stream.receive() == b"+OK\r\n"
    answer = await client.post(TASKS, json=[f"{target.url}/code/404"])
    assert (await wait_ready(client, answer.headers["Location"]))["result"] == [404]


async def test_wrong_types(client: httpx.AsyncClient, settings: Settings) -> None:
    """Keys that hold something else than ours are answered by 503, not by a wrong answer or a 500."""
    async with await anyio.connect_unix(settings.data_dir / "redis" / "redis.sock") as stream:
        for key in (b"gateway:{domains}", b"gateway:recent"):
            await stream.send(b"DEL " + key + b"\r\nSET " + key + b" x\r\n")
            await stream.receive()
    assert (await client.get("/api/v1/domains/")).status_code == 503
    assert (await client.get(TASKS)).status_code == 503


@pytest.mark.parametrize("field", first_fast(["status", "total", "created_at", "result", "urls"]))
async def test_wrong_values(client: httpx.AsyncClient, settings: Settings, target: Target, field: str) -> None:
    """A task of which somebody has changed a value is answered by 503, and no other task suffers, nor their list."""
    spoilt, other = [
        (await client.post(TASKS, json=[f"{target.url}/code/{code}"])).headers["Location"] for code in (200, 404)
    ]
    for location in (spoilt, other):
        await wait_ready(client, location)
    async with Redis(unix_socket_path=str(settings.data_dir / "redis" / "redis.sock")) as redis:
        await redis.hset(f"gateway:{{{spoilt.rpartition('/')[2]}}}:task", field, "{no\xff")
    path = f"{spoilt}/probes" if field == "urls" else spoilt
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (await client.get(other)).json()["result"] == [404]
    assert (await client.get(f"{other}/probes")).json()["probes"][0]["code"] == 404
    listed = {task["id"] for task in (await client.get(TASKS)).json()["tasks"]}
    assert listed >= {other.rpartition("/")[2]}
    assert (spoilt.rpartition("/")[2] in listed) == (field in ("result", "urls"))


async def test_list_of_spoilt_tasks(client: httpx.AsyncClient, settings: Settings, target: Target) -> None:
    """What stands on the list and is no task, or no longer a whole one, does not hide the others."""
    lost, cut, whole = [
        (await client.post(TASKS, json=[f"{target.url}/code/200"])).headers["Location"].rpartition("/")[2]
        for _ in range(3)
    ]
    async with Redis(unix_socket_path=str(settings.data_dir / "redis" / "redis.sock")) as redis:
        await redis.set(f"gateway:{{{lost}}}:task", "x")
        await redis.hdel(f"gateway:{{{cut}}}:task", "total")
        await redis.hset("gateway:{no id}:task", "status", "ready")
        await redis.zadd("gateway:recent", {"no id": 0})
    assert [task["id"] for task in (await client.get(TASKS)).json()["tasks"]] == [whole]


async def test_two_gateways(open_gateway: OpenGateway, target: Target) -> None:
    """Two gateways on one folder share one Redis: each answers for the tasks of the other."""
    async with open_gateway() as one, open_gateway() as two:
        locations = [
            (await client.post(TASKS, json=[f"{target.url}/code/20{i}"])).headers["Location"]
            for i, client in enumerate([one, two, one, two])
        ]
        for i, location in enumerate(locations):
            for client in (one, two):
                assert (await wait_ready(client, location))["result"] == [200 + i]
        counted = (await two.get("/api/v1/domains/")).json()["domains"]
    assert counted == [{"domain": "127.0.0.1", "requests": 4}]


@pytest.mark.slow
async def test_second_entry_of_a_running_task(open_gateway: OpenGateway, settings: Settings, target: Target) -> None:
    """Another entry of a task that is worked on leaves the queue, and takes none of its URLs with it."""
    async with open_gateway(concurrency=1) as client:
        urls = [f"{target.url}/delay/0.2?{i}" for i in range(5)]
        location = (await client.post(TASKS, json=urls)).headers["Location"]
        async with Redis(unix_socket_path=str(settings.data_dir / "redis" / "redis.sock")) as redis:
            while not target.requests.total():
                await anyio.sleep(0.01)
            await redis.xadd("gateway:{queue}", {"task": location.rpartition("/")[2], "urls": 5})
            assert (await wait_ready(client, location))["result"] == [200] * 5
            with anyio.fail_after(5):
                while await redis.xlen("gateway:{queue}"):
                    await anyio.sleep(0.02)
    assert set(target.requests.values()) == {1}


async def test_parting(
    open_gateway: OpenGateway, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that ends saves and hands over each task, though one of them cannot be saved."""
    monkeypatch.setattr(running_task, "SAVE_EVERY_S", 3600)
    port = free_port()
    async with serving(tmp_path / "redis", port), Redis(port=port) as redis:
        async with open_gateway(redis_url=f"redis://127.0.0.1:{port}/0") as client:
            await wait_status(client, "/readyz", 200)
            tasks = []
            for number in range(3):
                urls = [f"{target.url}/code/200?{number}", f"{target.url}/silent/?{number}"]
                tasks.append((await client.post(TASKS, json=urls)).json()["id"])
                await wait_known(redis, urls[0])
            await redis.set(f"gateway:{{{tasks[0]}}}:task", "x")
        pending = await redis.xpending_range("gateway:{queue}", "gateways", "-", "+", 10)
        saved = [await redis.hget(f"gateway:{{{task}}}:task", "done") for task in tasks[1:]]
    assert len(pending) == 3
    assert min(int(entry["time_since_delivered"]) for entry in pending) >= 20_000
    assert saved == [b"1", b"1"]


@pytest.mark.slow
async def test_corrupted_for_a_while(
    open_gateway: OpenGateway,
    settings: Settings,
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task whose key is corrupted, running or queued, is tried again ever less often; once mended, it goes on."""
    monkeypatch.setattr(queue, "ABANDONED_S", 0.2)
    monkeypatch.setattr(worker, "RENEW_EVERY_S", 0.1)
    monkeypatch.setattr(worker, "CORRUPTED_S", (0.8, 3.0))
    running, queued = str(UUID(int=1, version=4)), str(UUID(int=2, version=4))
    fields: dict[Any, Any] = {"status": "running", "done": 0, "total": 1, "created_at": "2026-01-01T00:00:00+00:00"}
    paths = {running: "/delay/0.3", queued: "/code/204"}
    async with (
        open_gateway() as client,
        Redis(unix_socket_path=str(settings.data_dir / "redis" / "redis.sock")) as redis,
    ):
        for task, path in paths.items():
            await redis.hset(name_key(task), mapping=fields | {"urls": json.dumps([f"{target.url}{path}"])})
        hashes = {task: await redis.dump(name_key(task)) for task in paths}
        await redis.set(name_key(queued), "x")
        for task in paths:
            await redis.xadd("gateway:{queue}", {"task": task, "urls": 1})
        await wait_until(lambda: target.requests[paths[running]])
        await redis.set(name_key(running), "x")
        await anyio.sleep(3)
        tries = caplog.text.count("a value of another form")
        for task, value in hashes.items():
            await redis.restore(name_key(task), 0, value or b"", replace=True)
        results = [(await wait_ready(client, f"{TASKS}{task}"))["result"] for task in paths]
    assert 2 <= tries <= 10
    assert results == [[200], [204]]
    assert set(target.requests.values()) == {1}


@pytest.mark.slow
async def test_claims_are_renewed_whatever_else_takes(
    open_gateway: OpenGateway, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many tasks and a Redis that is far away, no look at each of the tasks keeps their claims from renewal."""
    monkeypatch.setattr(worker, "RENEW_EVERY_S", 0.2)
    port, tasks, oldest_ms = free_port(), 40, 0
    async with (
        serving(tmp_path / "redis", port),
        Redis(port=port) as redis,
        relaying(port) as relay,
        open_gateway(redis_url=relay.url.replace("http", "redis"), probe_timeout_s=30) as client,
    ):
        await wait_status(client, "/readyz", 200)
        for i in range(tasks):
            assert (await client.post(TASKS, json=[f"{target.url}/silent//{i}"])).status_code == 201
        while len(await redis.xpending_range("gateway:{queue}", "gateways", "-", "+", 100)) < tasks:
            await anyio.sleep(0.05)
        relay.delay_s = 0.05
        for _ in range(30):
            await anyio.sleep(0.1)
            pending = await redis.xpending_range("gateway:{queue}", "gateways", "-", "+", 100)
            oldest_ms = max(oldest_ms, *(int(entry["time_since_delivered"]) for entry in pending))
        relay.delay_s = 0
    assert len(pending) == tasks
    assert oldest_ms < 1_500
