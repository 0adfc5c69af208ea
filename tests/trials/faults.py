"""What can befall a Redis, done to a real one: each fault is a block in which it lasts, and after which it is over."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from types import TracebackType
from typing import Any, Self

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.processes import free_port
from tests.redis_server import serving

OPTIONS = ("--appendonly", "yes", "--appendfsync", "everysec", "--enable-debug-command", "yes")


class Patient:
    """A Redis with an append-only file, on which faults are tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def start(self, *options: str) -> None:
        """Start it on what it has kept, and return once it listens."""
        self.process = await self._stack.enter_async_context(serving(self.folder, self.port, *OPTIONS, *options))

    async def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(SIGKILL)
        await self.process.wait()

    async def say(self, *words: str | int, password: str | None = None) -> Any:
        """What it answers to one command."""
        async with Redis(port=self.port, password=password) as redis:
            return await redis.execute_command(*words)  # type: ignore[no-untyped-call]


Fault = Callable[[Patient], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def killed(patient: Patient) -> AsyncIterator[None]:
    """kill -9, and a restart from its append-only file."""
    await patient.kill()
    yield
    await patient.start()


@asynccontextmanager
async def stopped(patient: Patient) -> AsyncIterator[None]:
    """SIGSTOP: it takes connections and answers nothing."""
    patient.process.send_signal(SIGSTOP)
    yield
    patient.process.send_signal(SIGCONT)


@asynccontextmanager
async def paused(patient: Patient) -> AsyncIterator[None]:
    """CLIENT PAUSE: as in a failover, it lets every command wait."""
    await patient.say("CLIENT", "PAUSE", 2_000, "ALL")
    yield
    await patient.say("PING")


@asynccontextmanager
async def full_house(patient: Patient) -> AsyncIterator[None]:
    """maxclients is reached: every new connection is refused, and the old ones are gone."""
    async with Redis(port=patient.port, single_connection_client=True) as redis:
        await redis.config_set("maxclients", 1)
        await redis.client_kill_filter(_type="normal", skipme=True)
        yield
        await redis.config_set("maxclients", 1000)


@asynccontextmanager
async def locked(patient: Patient) -> AsyncIterator[None]:
    """NOAUTH: it has a password from now on, and every connection is made anew."""
    await patient.say("CONFIG", "SET", "requirepass", "s3cret")
    await patient.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", password="s3cret")
    yield
    await patient.say("CONFIG", "SET", "requirepass", "", password="s3cret")


@asynccontextmanager
async def read_only(patient: Patient) -> AsyncIterator[None]:
    """READONLY: a failover made it the replica of another."""
    await patient.say("REPLICAOF", "127.0.0.1", 1)
    yield
    await patient.say("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def masterless(patient: Patient) -> AsyncIterator[None]:
    """MASTERDOWN: a replica that does not even read, for its master is away."""
    await patient.say("CONFIG", "SET", "replica-serve-stale-data", "no")
    await patient.say("REPLICAOF", "127.0.0.1", 1)
    yield
    await patient.say("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def lonely(patient: Patient) -> AsyncIterator[None]:
    """NOREPLICAS: it writes only with a replica, and has none."""
    await patient.say("CONFIG", "SET", "min-replicas-to-write", 1)
    yield
    await patient.say("CONFIG", "SET", "min-replicas-to-write", 0)


@asynccontextmanager
async def full(patient: Patient) -> AsyncIterator[None]:
    """OOM: no memory is left, and its policy is noeviction."""
    await patient.say("CONFIG", "SET", "maxmemory-policy", "noeviction")
    await patient.say("CONFIG", "SET", "maxmemory", 1)
    yield
    await patient.say("CONFIG", "SET", "maxmemory", 0)


@asynccontextmanager
async def unsaved(patient: Patient) -> AsyncIterator[None]:
    """MISCONF: its last snapshot failed, for a folder stands where the file should."""
    obstacle = anyio.Path(patient.folder / "dump.rdb")
    await obstacle.unlink(missing_ok=True)
    await obstacle.mkdir()
    await patient.say("CONFIG", "SET", "save", "3600 1000000")
    await _snapshot(patient, b"err")
    yield
    await obstacle.rmdir()
    await _snapshot(patient, b"ok")
    await patient.say("CONFIG", "SET", "save", "")


async def _snapshot(patient: Patient, outcome: bytes) -> None:
    await patient.say("BGSAVE")
    with anyio.fail_after(8):
        while (await patient.say("INFO", "persistence"))["rdb_last_bgsave_status"] != outcome.decode():
            await anyio.sleep(0.02)


@asynccontextmanager
async def loading(patient: Patient) -> AsyncIterator[None]:
    """LOADING: it has come back and reads a large file; over as soon as that is read."""
    async with Redis(port=patient.port) as redis:
        pipe = redis.pipeline(transaction=False)
        for i in range(30_000):
            pipe.set(f"filling:{i}", i)
        await pipe.execute()
    await patient.kill()
    await patient.start("--key-load-delay", os.environ.get("LOAD_DELAY_US", "60"))
    yield
    with anyio.fail_after(30):
        while True:
            with suppress(RedisError):
                await patient.say("PING")
                return
            await anyio.sleep(0.01)


@asynccontextmanager
async def busy(patient: Patient) -> AsyncIterator[None]:
    """BUSY: somebody's script runs without an end."""
    await patient.say("CONFIG", "SET", "busy-reply-threshold", 50)

    async def loop() -> None:
        with suppress(RedisError):
            await patient.say("EVAL", "while true do end", 0)

    async with anyio.create_task_group() as group:
        group.start_soon(loop)
        await anyio.sleep(0.1)
        yield
        await patient.say("SCRIPT", "KILL")


@asynccontextmanager
async def cut_off(patient: Patient) -> AsyncIterator[None]:
    """CLIENT KILL again and again: every connection of ours breaks off, at any point of a call."""

    async def cut() -> None:
        while True:
            await patient.say("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await anyio.sleep(0.02)

    async with anyio.create_task_group() as group:
        group.start_soon(cut)
        yield
        group.cancel_scope.cancel()


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        killed, stopped, paused, full_house, locked, read_only, masterless, lonely, full, unsaved, loading, busy,
        cut_off,
    )
}  # fmt: skip

SPOILT = (
    "gateway:{{codes}}",
    "gateway:{{codes}}:{url}",
    "gateway:{{domains}}",
    "gateway:{{domains}}:{task}",
    "gateway:{{queue}}",
    "gateway:{{queue}}:urls",
    "gateway:recent",
    "gateway:{{{task}}}:task",
    "gateway:{{queue}}:ended",
)
"""Every key of ours."""


_SPOIL = """
local strings = redis.call('TYPE', KEYS[1]).ok == 'string'
if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('RENAME', KEYS[1], KEYS[2]) end
if strings then redis.call('RPUSH', KEYS[1], 'x') else redis.call('SET', KEYS[1], 'x') end
"""
_MEND = """
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) end
"""
"""Each in one step: at no moment is the key missing, which would be another fault."""


@asynccontextmanager
async def spoilt(patient: Patient, key: str) -> AsyncIterator[None]:
    """The key holds a value of a type that it never has; mended by putting back what was there."""
    await patient.say("EVAL", _SPOIL, "2", key, "aside")
    yield
    await patient.say("EVAL", _MEND, "2", key, "aside")
