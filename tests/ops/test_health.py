"""What an operator asks: health, readiness, figures."""

import os
import re
from pathlib import Path

import anyio
import httpx
import pytest

from gateway.audio.uploads.storage import DiskSpace, Storage
from gateway.settings import Settings
from tests.conftest import OpenGateway
from tests.target import Target

pytestmark = pytest.mark.anyio


async def read_metrics(client: httpx.AsyncClient) -> dict[str, float]:
    """Every sample, by its name and labels as they stand in the text format."""
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    rows = (line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


async def crawl(client: httpx.AsyncClient, urls: list[str]) -> None:
    """A task to its end."""
    posted = await client.post("/api/v1/tasks/", json=urls)
    task = await client.get(posted.headers["Location"], headers={"Prefer": "wait=8"})
    assert task.json()["status"] == "ready"


async def test_health(client: httpx.AsyncClient) -> None:
    """A process that serves is alive."""
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_readiness(client: httpx.AsyncClient) -> None:
    """A gateway with its Redis and room on its disk is ready, and says which Redis it is and how it keeps its data."""
    answer = await client.get("/readyz")
    state = answer.json()
    assert (answer.status_code, state["ready"]) == (200, True)
    assert state["redis"] | {"version": ""} == {
        "kind": "embedded", "available": True, "version": "", "durability": "aof everysec"
    }  # fmt: skip
    assert state["audio"]["writable"] is True
    assert state["audio"]["free_bytes"] > 0


async def test_readiness_leaves_nothing(client: httpx.AsyncClient, folder: Path) -> None:
    """What /readyz tries in the folder is gone afterwards, and never in the list."""
    assert (await client.get("/readyz")).json()["audio"]["writable"] is True
    assert list(folder.iterdir()) == []
    assert (await client.get("/api/v1/audio/")).json()["files"] == []


async def test_redis_away(open_gateway: OpenGateway) -> None:
    """Without its Redis a gateway is not ready; its figures say so, and the last ones of the queue stand."""
    async with open_gateway(redis_url="redis://127.0.0.1:1/") as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert answer.json()["redis"]["kind"] == "remote"
        metrics = await read_metrics(client)
    assert metrics["gateway_redis_up"] == 0
    assert metrics["gateway_queue_tasks"] == 0


async def test_no_room(open_gateway: OpenGateway, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is all but full is not ready, and /readyz says how much is left."""
    monkeypatch.setattr("gateway.ops.health.MIN_FREE_BYTES", 1 << 62)
    async with open_gateway() as client:
        answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert 0 < answer.json()["audio"]["free_bytes"] < 1 << 62


async def test_folder_that_is_away(tmp_path: Path) -> None:
    """A folder that is gone, or on a disk that is mounted read-only, has no room for files."""
    assert await Storage(tmp_path / "none").measure() == DiskSpace(writable=False, free_bytes=0)
    assert (await Storage(Path("/proc/self")).measure()).writable is False
    measured = await Storage(tmp_path).measure()
    assert measured.writable
    assert measured.free_bytes == pytest.approx(os.statvfs(tmp_path).f_bavail * os.statvfs(tmp_path).f_frsize, rel=0.1)


async def test_metrics_of_requests(client: httpx.AsyncClient) -> None:
    """Requests are counted by route and status; what strangers make up is counted under one name."""
    for path in ("/api/v1/audio/a.mp3", "/api/v1/audio/b.mp3", "/made/up", "/made/up/too"):
        await client.get(path)
    await client.request("BREW", "/")
    await client.put("/api/v1/audio/a.mp3", content=b"x" * 1000)
    metrics = await read_metrics(client)
    assert metrics['gateway_requests_total{method="GET",route="/api/v1/audio/<name>",status="404"}'] == 2
    assert metrics['gateway_requests_total{method="none",route="none",status="404"}'] == 2
    assert metrics['gateway_requests_total{method="none",route="none",status="405"}'] == 1
    assert metrics['gateway_request_seconds_count{route="/api/v1/audio/<name>"}'] == 3
    assert metrics["gateway_received_bytes_total"] == 1000
    assert metrics["gateway_sent_bytes_total"] > 100
    assert metrics["gateway_requests_open"] == 1  # this one
    assert not [name for name in metrics if "made" in name or "BREW" in name]


async def test_metrics_of_tasks(client: httpx.AsyncClient, target: Target) -> None:
    """Probes are counted by outcome, lookups by what the cache said, and nothing is left open at the end."""
    urls = [f"{target.url}/code/{code}" for code in (200, 204, 404, 503)]
    await crawl(client, [*urls, *urls, f"{target.url}/reset", "http://127.0.0.1:1/", "no scheme://"])
    await crawl(client, urls)
    metrics = await read_metrics(client)
    probes = {name: value for name, value in metrics.items() if name.startswith("gateway_probes_total")}
    assert probes == {
        f'gateway_probes_total{{outcome="{outcome}"}}': count
        for outcome, count in {"2xx": 2, "4xx": 1, "5xx": 2, "reset": 1, "refused": 1}.items()
    }
    lookups = {
        result: metrics[f'gateway_cache_lookups_total{{result="{result}"}}'] for result in ("hit", "miss", "joined")
    }
    assert lookups == {"hit": 3, "miss": 7, "joined": 4}  # a 503 is not cached
    for name in ("probes_open", "probes_waiting", "tasks_open", "queue_tasks", "queue_urls"):
        assert metrics[f"gateway_{name}"] == 0, name


async def test_metrics_while_it_works(client: httpx.AsyncClient, target: Target) -> None:
    """What is queued, in hand and out shows while it is."""
    await client.post("/api/v1/tasks/", json=[f"{target.url}/delay/3?{i}" for i in range(30)])
    with anyio.fail_after(60):
        while (metrics := await read_metrics(client))["gateway_probes_open"] < 20:
            await anyio.sleep(0.05)
    assert metrics["gateway_probes_open"] == 20  # PER_HOST
    assert metrics["gateway_probes_waiting"] == 10
    assert metrics["gateway_tasks_open"] == metrics["gateway_queue_tasks"] == 1
    assert metrics["gateway_queue_urls"] == 30


async def test_metrics_of_the_process(client: httpx.AsyncClient) -> None:
    """The process, the loop and Redis have their figures."""
    await anyio.sleep(0.3)
    metrics = await read_metrics(client)
    assert metrics["gateway_redis_up"] == 1
    assert [
        n
        for n in metrics
        if re.match(r'gateway_redis_info\{durability="aof everysec",kind="embedded",version=".+"\}', n)
    ]
    assert metrics["gateway_loop_lag_seconds_count"] >= 1
    assert metrics["process_resident_memory_bytes"] > 10_000_000
    assert metrics["process_open_fds"] > 5
    assert metrics["gateway_audio_listeners"] == 0
