"""A task as a stream of events, without its probes, and how waiting ends with the process."""

import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.conftest import OpenGateway
from tests.processes import Gateway
from tests.target import Target
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio


async def read_events(answer: httpx.Response) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """(id, name, task) of each event of a stream."""
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            if name == "id":
                identity = value
            elif name == "event":
                event = value
            else:
                assert name == "data"
                yield identity, event, json.loads(value)


async def post(client: httpx.AsyncClient, urls: list[str]) -> str:
    """The path of a new task."""
    return (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]


async def test_progress_then_ready(open_gateway: OpenGateway, target: Target) -> None:
    """Progress as it is made, then the ready task with its result, and the end of the stream."""
    async with open_gateway(probe_timeout_s=60) as client:
        task = await post(client, [f"{target.url}/code/200", f"{target.url}/held/201", f"{target.url}/held/202"])
        events: list[tuple[str, str, dict[str, Any]]] = []
        async with client.stream("GET", f"{task}/events?probes=0") as answer:
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert answer.headers["Cache-Control"] == "no-store"
            async for event in read_events(answer):
                events.append(event)
                target.release(200 + event[2]["done"])
        assert [name for _, name, _ in events[:-1]] == ["progress"] * (len(events) - 1)
        done = [data["done"] for _, _, data in events[:-1]]
        assert done == sorted(set(done))
        assert {1, 2} <= set(done)
        identity, name, data = events[-1]
        assert (identity, name, data["result"]) == ("ready", "ready", [200, 201, 202])
        assert data == (await client.get(task)).json()


async def test_last_event_id(open_gateway: OpenGateway, target: Target) -> None:
    """Who comes again gets what it has not seen; after the last event it is told to stop."""
    async with open_gateway(probe_timeout_s=60) as client:
        task = await post(client, [f"{target.url}/held/200", f"{target.url}/code/404"])
        while (await client.get(task)).json()["done"] < 1:
            await anyio.sleep(0.05)
        path = f"{task}/events?probes=0"
        async with client.stream("GET", path, headers={"Last-Event-ID": "running"}) as answer:
            assert (answer.status_code, (await anext(read_events(answer)))[1]) == (200, "progress")
        async with client.stream("GET", path, headers={"Last-Event-ID": "1"}) as answer:
            target.release(200)
            events = [(identity, event) async for identity, event, _ in read_events(answer)]
        # All can be known for a moment before the task is ready.
        assert events in ([("ready", "ready")], [("2", "progress"), ("ready", "ready")])
        assert (await client.get(f"{task}/events/?probes=0", headers={"Last-Event-ID": "ready"})).status_code == 204
        async with client.stream("GET", path, headers={"Last-Event-ID": "nonsense"}) as answer:
            assert [identity async for identity, _, _ in read_events(answer)] == ["ready"]


async def test_cancelled(client: httpx.AsyncClient, target: Target) -> None:
    """The cancellation of a task is its last event."""
    task = await post(client, [f"{target.url}/silent"])
    async with client.stream("GET", f"{task}/events?probes=0") as answer:
        events = read_events(answer)
        assert (await anext(events))[1] == "progress"
        await client.delete(task)
        assert (await anext(events))[1] == "cancelled"
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_no_such_task(client: httpx.AsyncClient) -> None:
    """A task that is not there is 404 before any stream begins."""
    answer = await client.get("/api/v1/tasks/00000000-0000-4000-8000-000000000000/events")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_client_goes(open_gateway: OpenGateway, target: Target) -> None:
    """A client that goes in the middle of a stream leaves nothing behind and harms nobody."""
    async with open_gateway(probe_timeout_s=60) as client:
        task = await post(client, [f"{target.url}/held/200"])
        heard: list[str] = []
        while len(heard) < 20:
            async with client.stream("GET", f"{task}/events?probes=0") as answer:
                heard.append((await anext(read_events(answer)))[1])
        target.release(200)
        assert heard == ["progress"] * 20
        assert (await client.get(task, headers={"Prefer": "wait=30"})).json()["status"] == "ready"


async def test_head(open_gateway: OpenGateway, target: Target) -> None:
    """HEAD is answered at once, also while the task runs."""
    async with open_gateway(probe_timeout_s=600) as client:
        task = await post(client, [f"{target.url}/silent"])
        with anyio.fail_after(60):
            answer = await client.head(f"{task}/events")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream")


async def test_short_task_beside_long_ones(open_gateway: OpenGateway) -> None:
    """A task of one URL is ready while ten of 1,000 silent URLs hold every slot that they may."""
    async with Target(hosts=50) as target, open_gateway(concurrency=100, per_host=100, probe_timeout_s=600) as client:
        for task in range(10):
            hosts = target.hosts[1:]
            await post(client, [f"http://{hosts[i % 49]}:{target.port}/silent/{task}/{i}" for i in range(1000)])
        await wait_until(lambda: target.open >= 90)
        short = await post(client, [f"{target.url}/code/201"])
        ready = (await client.get(short, headers={"Prefer": "wait=30"})).json()
    assert ready["result"] == [201]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_end_of_the_process(tmp_path: Path, target: Target, number: signal.Signals) -> None:
    """At a signal, streams end and waits are answered with the task as it stands; the gateway ends with 0, at once."""
    gateway = Gateway(tmp_path)
    await anyio.to_thread.run_sync(gateway.start)
    try:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
            task = await post(client, [f"{target.url}/silent"])
            answers: list[httpx.Response] = []

            async def wait() -> None:
                answers.append(await client.get(task, headers={"Prefer": "wait=30"}))

            async with anyio.create_task_group() as group, client.stream("GET", f"{task}/events?probes=0") as answer:
                group.start_soon(wait)
                events = read_events(answer)
                assert (await anext(events))[1] == "progress"
                await anyio.sleep(1)  # so that both have been taken in
                before = time.monotonic()
                gateway.process.send_signal(number)
                with pytest.raises(StopAsyncIteration):
                    await anext(events)
        assert await anyio.to_thread.run_sync(gateway.process.wait, 15) == 0
        assert time.monotonic() - before < 8  # less than the graceful timeout of ten
        assert answers[0].json()["status"] == "running"
    finally:
        if gateway.process.poll() is None:
            gateway.kill()
