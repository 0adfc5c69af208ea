"""The probes of a task in its stream of events: each once, through broken connections, restarts and other gateways."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from gateway.tasks.events import EVENT_BYTES
from tests.conftest import OpenGateway, open_client
from tests.fast import first_fast
from tests.processes import Gateway
from tests.target import Target
from tests.tasks.test_events import post, read_events

pytestmark = pytest.mark.anyio


class Follower:
    """A client of the stream of one task that comes again as an EventSource does."""

    def __init__(self, task: str) -> None:
        self.path = f"{task}/events"
        self.seen = ""
        self.events: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def probes(self) -> list[dict[str, Any]]:
        """All probes so far."""
        return [probe for _, name, data in self.events if name == "probes" for probe in data["probes"]]

    @property
    def is_over(self) -> bool:
        """Whether the task has ended."""
        return self.seen in ("ready", "cancelled")

    async def follow(self, client: httpx.AsyncClient, *, events: int = 10_000) -> None:
        """Read that many events of one connection, or what comes before its end."""
        headers = {"Last-Event-ID": self.seen} if self.seen else {}
        async with client.stream("GET", self.path, headers=headers) as answer:
            assert answer.status_code == 200
            async for identity, name, data in read_events(answer):
                self.seen = identity
                self.events.append((identity, name, data))
                events -= 1
                if not events:
                    return

    async def follow_on(self, client: httpx.AsyncClient) -> None:
        """Come again until the task has ended, whatever breaks."""
        while not self.is_over:
            with suppress(httpx.HTTPError, AssertionError):
                await self.follow(client)
            await anyio.sleep(0.05)

    def check(self, urls: list[str]) -> None:
        """Each URL came once, as it was sent, and the last event is the end of the task with the same codes."""
        probes = sorted(self.probes, key=lambda probe: probe["index"])
        assert [probe["index"] for probe in probes] == list(range(len(urls)))
        assert [probe["url"] for probe in probes] == urls
        assert self.events[-1][1] == "ready"
        assert self.events[-1][2]["result"] == [probe["code"] for probe in probes]


async def test_as_they_land(client: httpx.AsyncClient, target: Target) -> None:
    """A probe comes when it is known, before the slower ones; the id counts the probes; progress comes between."""
    urls = [f"{target.url}/delay/1.5", f"{target.url}/code/404", f"{target.url}/delay/0.7", "nonsense://x"]
    follower = Follower(await post(client, urls))
    await follower.follow(client)
    follower.check(urls)
    assert [probe["index"] for probe in follower.probes][2:] == [2, 0]
    assert [identity for identity, name, _ in follower.events if name == "probes"][-2:] == ["3", "4"]
    assert {name for _, name, _ in follower.events} == {"progress", "probes", "ready"}
    known = (await client.get(follower.path.replace("/events", "/probes"))).json()["probes"]
    assert known == sorted(follower.probes, key=lambda probe: int(probe["index"]))


async def test_small_events(client: httpx.AsyncClient) -> None:
    """Many large probes come in events of bounded size; after any of them a client can go on with the next."""
    urls = [f"nonsense://{place}/{'x' * 2000}" for place in range(300)]
    whole = Follower(await post(client, urls))
    await whole.follow(client)
    whole.check(urls)
    sizes = [len(json.dumps(data)) for _, name, data in whole.events if name == "probes"]
    assert len(sizes) > len(urls) * 2000 // EVENT_BYTES
    assert max(sizes) < EVENT_BYTES + 4000
    pieces = Follower(whole.path.removesuffix("/events"))
    while not pieces.is_over:
        await pieces.follow(client, events=1)
    pieces.check(urls)
    assert len(pieces.events) == len(sizes) + 1
    assert (await client.get(pieces.path, headers={"Last-Event-ID": "ready"})).status_code == 204


@pytest.mark.parametrize("seen", first_fast(["nonsense", "-1", "1.5", "9" * 30, "\u00b2", ""], 2))
async def test_strange_ids(client: httpx.AsyncClient, seen: str) -> None:
    """An id that no gateway gave is as none."""
    urls = ["nonsense://a", "nonsense://b"]
    follower = Follower(await post(client, urls))
    async with client.stream("GET", follower.path, headers={b"Last-Event-ID": seen.encode()}) as answer:
        follower.events = [event async for event in read_events(answer)]
    follower.check(urls)


async def test_since(client: httpx.AsyncClient) -> None:
    """`since` is what Last-Event-ID is, for a client that cannot send the header; the header counts before it."""
    urls = [f"nonsense://{place}" for place in range(5)]
    whole = Follower(task := await post(client, urls))
    await whole.follow(client)
    for since, headers, left in (("3", {}, 2), ("1", {"Last-Event-ID": "4"}, 1), ("", {}, 5), ("x", {}, 5)):
        rest = Follower(task)
        async with client.stream("GET", f"{task}/events?since={since}", headers=headers) as answer:
            rest.events = [event async for event in read_events(answer)]
        assert rest.probes == whole.probes[5 - left :]
    assert (await client.get(f"{task}/events?since=ready")).status_code == 204


async def test_id_beyond_the_end(client: httpx.AsyncClient) -> None:
    """A client that has seen more than there is, as after a crash of Redis, gets the end."""
    follower = Follower(task := await post(client, ["nonsense://a"]))
    await client.get(task, headers={"Prefer": "wait=10"})
    follower.seen = "7"
    await follower.follow(client)
    assert (follower.probes, follower.seen) == ([], "ready")


async def test_cancelled(client: httpx.AsyncClient, target: Target) -> None:
    """All that was known of a cancelled task comes before its end."""
    urls = [f"{target.url}/code/{code}" for code in (200, 404)] + [f"{target.url}/silent"] * 2
    task = await post(client, urls)
    while (await client.get(task)).json()["done"] < 2:
        await anyio.sleep(0.02)
    await client.delete(task)
    follower = Follower(task)
    await follower.follow(client)
    assert sorted(probe["index"] for probe in follower.probes) == [0, 1]
    assert follower.seen == "cancelled"


@pytest.mark.slow
async def test_slow_client(own_client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """A client that reads nothing for a while has missed nothing then."""
    caplog.set_level(logging.INFO, "gateway.tasks")
    urls = [f"nonsense://{place}/{'x' * 4000}" for place in range(900)]
    follower = Follower(await post(own_client, urls))
    async with own_client.stream("GET", follower.path) as answer:
        await anyio.sleep(1)
        follower.events = [event async for event in read_events(answer)]
    follower.seen = follower.events[-1][0] if follower.events else ""
    # Only Redis may have cut it short: on a busy machine it is late.
    assert follower.is_over or "an event stream broke off" in caplog.text
    await follower.follow_on(own_client)
    follower.check(urls)


@pytest.mark.slow
async def test_next_gateway(open_gateway: OpenGateway, target: Target) -> None:
    """Followers get each probe once while a gateway ends and another goes on with its tasks, at either of them."""
    urls = [f"{target.url}/{'code/200' if place % 2 else f'delay/{place / 10}'}?{place}" for place in range(30)]
    with anyio.fail_after(60):
        async with open_gateway() as two, anyio.create_task_group() as group:
            async with open_gateway() as one:
                tasks = [await post(one, urls) for _ in range(4)]  # each gateway takes some of them
                before = [Follower(task) for task in tasks]
                beside = [Follower(task) for task in tasks]
                for follower in beside:
                    group.start_soon(follower.follow_on, two)
                for follower in before:
                    await follower.follow(one, events=4)
            for follower in before:
                group.start_soon(follower.follow_on, two)
    for follower in before + beside:
        follower.check(urls)


@pytest.mark.slow
async def test_kill(tmp_path: Path, target: Target) -> None:
    """A gateway that is killed and started again goes on with the stream where its client was."""
    urls = [f"{target.url}/{'code/200' if place % 2 else f'delay/{place / 20}'}?{place}" for place in range(80)]
    gateway = Gateway(tmp_path)
    await anyio.to_thread.run_sync(gateway.start)
    try:
        async with open_client(gateway.url) as client:
            follower = Follower(await post(client, urls))
            with anyio.fail_after(90):
                async with anyio.create_task_group() as group:
                    group.start_soon(follower.follow_on, client)
                    while len(follower.probes) < 50:
                        await anyio.sleep(0.05)
                    gateway.kill()
                    await anyio.to_thread.run_sync(gateway.start)
        follower.check(urls)
    finally:
        gateway.kill()
