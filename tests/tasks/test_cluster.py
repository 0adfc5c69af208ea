"""A Cluster of three nodes: no call touches two slots, tasks do all that they do on one Redis, and a node may fail."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from types import ModuleType
from typing import Any
from uuid import uuid4

import anyio
import pytest
from anyio.abc import Process
from redis.asyncio import Redis
from redis.crc import key_slot

from gateway.datastore.client import Datastore
from gateway.process.shutdown import Shutdown
from gateway.tasks import cache as cache_module
from gateway.tasks import queue as queue_module
from gateway.tasks import recent as recent_module
from gateway.tasks import record as record_module
from gateway.tasks import store as store_module
from gateway.tasks.cache import Cache
from gateway.tasks.idempotency import identify
from gateway.tasks.models import NewTask, ProbeOutcome, ProbeResult
from gateway.tasks.probe.request import ProbeRequest
from gateway.tasks.queue import Queue
from gateway.tasks.record import TaskCounts
from gateway.tasks.results import reader as reader_module
from gateway.tasks.store import Store
from tests.conftest import OpenGateway
from tests.crowd import Crowd, read_codes
from tests.processes import free_port
from tests.redis_server import serving
from tests.trials.calls import TASKS, await_end, count_domains, list_ids

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NODES = 3
SLOTS = 16_384
AWAY_LIMIT_S = 2.0
"""The promise is one second."""


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[tuple[list[int], list[Process]]]:
    """The ports and processes of three masters that share the slots."""
    async with AsyncExitStack() as stack:
        ports, processes = [], []
        for number in range(NODES):
            port = free_port()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "1000")
            ports.append(port)
            processes.append(await stack.enter_async_context(serving(folder / f"node{number}", port, *options)))
        nodes = [await stack.enter_async_context(Redis(port=port, decode_responses=True)) for port in ports]
        for number, node in enumerate(nodes):
            await node.cluster("ADDSLOTSRANGE", SLOTS * number // NODES, SLOTS * (number + 1) // NODES - 1)
            await node.cluster("SET-CONFIG-EPOCH", number + 1)
        for number in range(1, NODES):
            bus = (await nodes[number].config_get("cluster-port"))["cluster-port"]
            await nodes[0].cluster("MEET", "127.0.0.1", ports[number], bus)
        with anyio.fail_after(60):
            for node in nodes:
                while (await node.cluster("INFO"))["cluster_state"] != "ok":
                    await anyio.sleep(0.05)
        yield ports, processes


def find_node(task: str) -> int:
    """The number of the node that holds a task."""
    slot = key_slot(f"{{{task}}}".encode())
    return max(number for number in range(NODES) if slot >= SLOTS * number // NODES)


def name_cluster(ports: Sequence[int]) -> str:
    """Its REDIS_URL."""
    return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)


class WatchedDatastore(Datastore):
    """The real one; it keeps the scripts and keys of every call."""

    calls: list[tuple[str, Sequence[str]]]

    async def eval(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """As it is."""
        self.calls.append((script, keys))
        return await super().eval(script, keys, args)


def find_scripts(*modules: ModuleType) -> set[str]:
    """Every Lua script that these modules hold, without those that are a part of another."""
    texts = {value for module in modules for value in vars(module).values() if isinstance(value, str)}
    calling = {text for text in texts if re.search(r"redis\.p?call\(", text)}
    return {text for text in calling if not any(text in other for other in calling - {text})}


async def test_script_touches_one_slot(tmp_path: Path) -> None:
    """Every script there is, called as it is called, has all its keys in one slot."""
    datastore = WatchedDatastore(redis_url=None, data_dir=tmp_path)
    datastore.calls = []
    cache, queue = Cache(datastore, timeout_s=60), Queue(datastore)
    store = Store(datastore, queue, Shutdown(), task_ttl_s=0)
    async with anyio.create_task_group() as group:
        await group.start(datastore.run)
        await queue.prepare()
        identity = (await store.add_task(NewTask(urls=["http://a/", "http://b/"]), identify("key", b"body"))).id
        task = str(identity)
        claims = await queue.take()
        assert await store.take_task(claims[0])
        await cache.count(task, 0, Counter(a=1, b=1))
        requests = [ProbeRequest("http://a/"), ProbeRequest("http://b/")]
        known = [ProbeOutcome(200), ProbeOutcome(404)]
        await cache.remember([(requests[0], known[0], 0.0), (requests[1], known[1], 0.0)])
        assert await cache.recall(requests) == known
        await store.save_probes(task, [ProbeResult(0, ProbeOutcome(200), cached=False)], 1, TaskCounts())
        assert (await store.probes.read(identity)).landed == [0]
        await store.finish_task(task, [200, 404], TaskCounts())
        assert await queue.renew(claims)
        neighbour = Queue(datastore)
        adopted = [await neighbour.take_abandoned(1) for _ in range(queue_module.LOOKS + 1)][-1]
        assert [claim.task for claim in adopted] == [task]
        await queue.acknowledge(claims[0])
        await store.expire_tasks()
        await cache.clear()
        group.cancel_scope.cancel()
    assert {script for script, _ in datastore.calls} == find_scripts(
        cache_module, reader_module, queue_module, recent_module, record_module, store_module
    )
    for script, keys in datastore.calls:
        assert len({key_slot(key.encode()) for key in keys}) == 1, (script, keys)


async def test_tasks_on_a_cluster(tmp_path: Path, open_gateway: OpenGateway) -> None:
    """Post, repeat under a key, wait, watch, list, probe, count and cancel, on keys that lie on every node."""
    async with Crowd(latency_s=0.02) as crowd, cluster(tmp_path) as (ports, _):
        async with open_gateway(redis_url=name_cluster(ports)) as client:
            made: dict[str, list[str]] = {}
            for number in range(12):
                urls = crowd.name_urls(40, number % 6)
                headers = {"Idempotency-Key": str(number)}
                answers = [await client.post(TASKS, json=urls, headers=headers) for _ in range(2)]
                assert [answer.status_code for answer in answers] == [201, 201]
                assert len({answer.json()["id"] for answer in answers}) == 1
                made[answers[0].json()["id"]] = urls
            for task, urls in made.items():
                assert (await await_end(client, task, patience_s=10))["result"] == read_codes(urls)
                probes = (await client.get(f"{TASKS}{task}/probes")).json()["probes"]
                assert [probe["code"] for probe in probes] == read_codes(urls)
                assert "event: ready" in (await client.get(f"{TASKS}{task}/events")).text
            assert await list_ids(client) == list(reversed(made))
            assert sum((await count_domains(client)).values()) == 12 * 40
            assert sum(crowd.requests.values()) == 6 * 40
            assert (await client.get(f"{TASKS}{uuid4()}")).status_code == 404
            crowd.latency_s = 5
            long = (await client.post(TASKS, json=crowd.name_urls(40, "long"))).json()["id"]
            assert (await client.delete(f"{TASKS}{long}")).json()["status"] == "cancelled"
            assert (await client.get("/readyz")).status_code == 200
        for port in ports:
            async with Redis(port=port) as node:
                assert await node.keys("gateway:*"), "every node holds some of it"


async def test_node_stops(tmp_path: Path, open_gateway: OpenGateway) -> None:
    """While a node hangs no call does: each has its right answer or a 503. When it is back all tasks end right."""
    slowest_s = 0.0
    async with (
        Crowd(latency_s=0.1) as crowd,
        cluster(tmp_path) as (ports, processes),
        open_gateway(redis_url=name_cluster(ports), per_host=1) as client,
    ):
        made: dict[str, list[str]] = {}
        while len(made) < 9 or {find_node(task) for task in made} != set(range(NODES)):
            urls = crowd.name_urls(60, len(made))
            made[(await client.post(TASKS, json=urls)).json()["id"]] = urls
        await anyio.sleep(0.3)
        statuses = []
        processes[1].send_signal(SIGSTOP)
        for task in sorted(made, key=find_node) * 3:  # node 0 first: soon no node may serve without the other
            start = time.monotonic()
            answer = await client.get(f"{TASKS}{task}")
            slowest_s = max(slowest_s, time.monotonic() - start)
            statuses.append(answer.status_code)
            assert answer.status_code == 200 or answer.headers["Retry-After"]
        processes[1].send_signal(SIGCONT)
        assert set(statuses) == {200, 503}
        assert slowest_s < AWAY_LIMIT_S
        for task, urls in made.items():
            assert (await await_end(client, task, patience_s=20))["result"] == read_codes(urls)
        assert sum((await count_domains(client)).values()) == len(made) * 60


async def test_gateways_on_a_cluster(tmp_path: Path, open_gateway: OpenGateway) -> None:
    """Two gateways on one Cluster answer for each other, and one may name another node than the other."""
    async with (
        Crowd() as crowd,
        cluster(tmp_path) as (ports, _),
        open_gateway(redis_url=name_cluster(ports[:1])) as one,
        open_gateway(redis_url=name_cluster(ports[1:])) as two,
    ):
        for number, (client, other) in enumerate([(one, two), (two, one)] * 3):
            urls = crowd.name_urls(20, number)
            task = (await client.post(TASKS, json=urls)).json()["id"]
            assert (await await_end(other, task, patience_s=10))["result"] == read_codes(urls)
