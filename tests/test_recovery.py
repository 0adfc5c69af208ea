"""kill -9 in the middle of a task: the next gateway ends it, and asks only for what was not saved."""

from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.processes import Gateway
from tests.target import Target

pytestmark = pytest.mark.anyio


@pytest.mark.slow
async def test_kill_in_the_middle(tmp_path: Path) -> None:
    """A task of 2,000 URLs whose whole process group is killed becomes ready with every code after a restart."""
    gateway = Gateway(tmp_path)
    async with Target(hosts=20) as target, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        urls = [f"http://{target.hosts[i % 20]}:{target.port}/delay/0.2?{i}" for i in range(2000)]
        await anyio.to_thread.run_sync(gateway.start)
        location = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
        done = 0
        while done < 500:
            done = (await client.get(location)).json()["done"]
            await anyio.sleep(0.02)
        gateway.kill()
        await target.await_nobody()
        before = target.requests.total()
        assert done < 2000
        await anyio.to_thread.run_sync(gateway.start)
        try:
            task = (await client.get(location, headers={"Prefer": "wait=30"})).json()
            domains = (await client.get("/api/v1/domains/")).json()["domains"]
        finally:
            gateway.stop()
    assert (task["status"], task["result"]) == ("ready", [200] * 2000)
    assert target.requests.total() - before <= 2000 - done
    assert sum(row["requests"] for row in domains) == 2000


@pytest.mark.slow
async def test_term_in_the_middle(tmp_path: Path) -> None:
    """SIGTERM in the middle of a task ends the gateway with 0, and the next one goes on with the task at once."""
    gateway = Gateway(tmp_path)
    async with Target() as target, httpx.AsyncClient(base_url=gateway.url, timeout=60) as client:
        urls = [f"{target.url}/delay/0.2?{i}" for i in range(200)]
        await anyio.to_thread.run_sync(gateway.start)
        location = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
        while target.requests.total() < 50:  # the third twenty are out
            await anyio.sleep(0.02)
        assert await anyio.to_thread.run_sync(gateway.stop) == 0
        await anyio.to_thread.run_sync(gateway.start)
        try:
            task = (await client.get(location, headers={"Prefer": "wait=30"})).json()
        finally:
            gateway.stop()
    assert (task["status"], task["result"]) == ("ready", [200] * 200)
    assert target.requests.total() < 200 + 40
