"""Several gateways, as processes of their own, on one Redis that is none of theirs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
from redis.asyncio import Redis

from tests.processes import Gateway, free_port
from tests.redis_server import serving
from tests.trials.conftest import Trial


class Fleet:
    """So many gateways on one Redis, each with a client of its own."""

    def __init__(self, gateways: list[Gateway], clients: list[httpx.AsyncClient], redis: Redis) -> None:
        self.gateways = gateways
        self.clients = clients
        self.redis = redis

    async def start(self, number: int) -> None:
        """Start one of them, and return once it takes tasks."""
        await anyio.to_thread.run_sync(self.gateways[number].start)
        await anyio.sleep(0.2)

    async def stop(self, number: int) -> int:
        """End one of them by SIGTERM; its exit code."""
        return await anyio.to_thread.run_sync(self.gateways[number].stop)

    async def start_all(self) -> None:
        """Start all of them at once."""
        async with anyio.create_task_group() as group:
            for number in range(len(self.gateways)):
                group.start_soon(self.start, number)

    async def check_empty(self, trial: Trial, label: object) -> None:
        """The queue holds nothing that is ended, and counts nothing."""
        with anyio.move_on_after(5):
            while await self.redis.xlen("gateway:{queue}"):
                await anyio.sleep(0.05)
        left, urls = await self.redis.xlen("gateway:{queue}"), await self.redis.get("gateway:{queue}:urls")
        trial.check(left == 0 and int(urls or 0) == 0, f"{label}: {left} entries, {urls!r} URLs left in the queue")


@asynccontextmanager
async def fleet(folder: Path, size: int, kind: type[Gateway] = Gateway, **settings: str) -> AsyncIterator[Fleet]:
    """A Redis and `size` gateways of a `kind` on it, none of them started."""
    port = free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(folder / "redis", port, "--appendonly", "yes"))
        gateways, clients = [], []
        for number in range(size):
            home = folder / str(number)
            home.mkdir()
            gateway = kind(home, None, REDIS_URL=f"redis://127.0.0.1:{port}", **settings)
            gateways.append(gateway)
            clients.append(await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url, timeout=35)))
        redis = await stack.enter_async_context(Redis(port=port))
        try:
            yield Fleet(gateways, clients, redis)
        finally:
            for gateway in gateways:
                with suppress(AssertionError):
                    gateway.kill()


async def list_consumers(redis: Redis) -> set[bytes]:
    """The names of all gateways that ever asked the queue."""
    if not await redis.exists("gateway:{queue}"):
        return set()
    return {consumer["name"] for consumer in await redis.xinfo_consumers("gateway:{queue}", "gateways")}


async def list_holders(redis: Redis) -> list[bytes]:
    """The gateways that hold entries of the queue."""
    consumers = await redis.xinfo_consumers("gateway:{queue}", "gateways")
    return [consumer["name"] for consumer in consumers if consumer["pending"]]
