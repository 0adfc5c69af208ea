"""kill -9 in the middle of a task: the next gateway ends it, and asks only for what was not saved."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx
import pytest

from tests.target import Target

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.anyio


def start_gateway(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """The gateway as the README serves it, in a process group of its own, on `folder`/data."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PROBE_TARGETS": "any", "DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-m", "hypercorn", "--config", str(ROOT / "hypercorn.toml"), "gateway:app"]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}"],
            cwd=folder, env=environment, stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip


@asynccontextmanager
async def gateway(folder: Path, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A gateway that is ready; it is asked to end if it has not."""
    process = start_gateway(folder, port)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get("/readyz")).status_code == 200:
                        break
                assert process.poll() is None, (folder / "log").read_text()
                await anyio.sleep(0.02)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_kill_in_the_middle(tmp_path: Path, port: int) -> None:
    """A task of 2,000 URLs whose whole process group is killed becomes ready with every code after a restart."""
    async with Target(hosts=20) as target, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=35) as client:
        urls = [f"http://{target.hosts[i % 20]}:{target.port}/delay/0.2?{i}" for i in range(2000)]
        async with gateway(tmp_path, port) as first:
            location = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
            done = 0
            while done < 500:
                done = (await client.get(location)).json()["done"]
                await anyio.sleep(0.02)
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
        before = target.requests.total()
        assert done < 2000
        async with gateway(tmp_path, port):
            task = (await client.get(location, headers={"Prefer": "wait=30"})).json()
            domains = (await client.get("/api/v1/domains/")).json()["domains"]
    assert (task["status"], task["result"]) == ("ready", [200] * 2000)
    assert target.requests.total() - before <= 2000 - done
    assert sum(row["requests"] for row in domains) == 2000


@pytest.mark.slow
@pytest.mark.timeout(60)
async def test_term_in_the_middle(tmp_path: Path, port: int) -> None:
    """SIGTERM in the middle of a task ends the gateway with 0, and the next one goes on with the task at once."""
    async with Target() as target, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=35) as client:
        urls = [f"{target.url}/delay/0.2?{i}" for i in range(200)]
        async with gateway(tmp_path, port) as first:
            location = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
            await anyio.sleep(0.7)
            first.terminate()
            assert await anyio.to_thread.run_sync(first.wait, 15) == 0
        async with gateway(tmp_path, port):
            task = (await client.get(location, headers={"Prefer": "wait=30"})).json()
    assert (task["status"], task["result"]) == ("ready", [200] * 200)
    assert target.requests.total() < 200 + 40
