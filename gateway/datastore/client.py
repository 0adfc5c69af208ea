"""The Redis of this gateway: the one at REDIS_URL, or the embedded server; its clients and its health.

Callers write `with datastore.open() as redis`, or `eval` for a script; both raise RedisUnavailable within a second when
Redis is down, hangs or refuses, and at once when that is known. Keys are not known here.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import anyio
from anyio.abc import TaskStatus
from redis import exceptions
from redis.exceptions import ClusterError, ResponseError

from gateway.errors import Unavailable
from gateway.process.logs import show_path

from .embedded import EmbeddedServer, find_server
from .health import Health, check_commands, check_writes, read_durability, read_server
from .refusal import HINTS, NO_MEMORY, READS_GO_ON, describe_refusal, is_about_value, name_refusal
from .url import Client, RedisAddress, drop_connections, parse_redis_url

ANSWER_S = 0.7
"""How long Redis may take for one answer."""
PLACE_S = 0.1
"""How much longer a call may take than one answer, its place among many others and its connection included."""
BLOCK_S = 2.0
"""The longest BLOCK that a command sent through `client(blocking=True)` may ask for."""
EXAMINE_S = 1.5
"""How long one look at the health of Redis takes at most: twice the time to connect, and a little."""
HEALTH_S = 1.0
AWAY_S = 0.05
"""The pause between two looks is HEALTH_S; while Redis is away it doubles from AWAY_S up to that."""

_AWAY = (
    TimeoutError, exceptions.ConnectionError, exceptions.TimeoutError, exceptions.InvalidResponse,
    ClusterError, exceptions.RedisClusterException,
)  # fmt: skip

log = logging.getLogger("gateway.redis")


class RedisUnavailable(Unavailable):
    """Redis is down, hangs, or refuses for now. Whether the failed command was carried out is not known."""

    def __init__(self, detail: str = "Redis is away for now.", *, retry_after_s: int = 1, **fields: Any) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, **fields)


class RedisFull(RedisUnavailable):
    """Redis has no memory for this, and has done nothing."""


class KeyCorrupted(RedisUnavailable):
    """A key holds a value of another form. A retry does not help; an operator has to remove the key."""


class Datastore:
    """One Redis, watched for as long as `run` runs.

    `redis_url` None: the embedded server on `data_dir`/redis, of the binary that `find_binary` finds; it is
    killed when it has been silent for `hang_s`, and its data is bounded by `maxmemory_bytes` (None: by the machine).

    :raises RedisUrlInvalid: `redis_url` is no address of Redis.
    """

    def __init__(
        self,
        *,
        redis_url: str | None,
        data_dir: Path,
        find_binary: Callable[[], Path | None] = find_server,
        hang_s: float = 5.0,
        maxmemory_bytes: int | None = None,
    ) -> None:
        self._address = parse_redis_url(redis_url) if redis_url else None
        patience_s = self._address.options.get("socket_timeout", 0) if self._address else 0
        self._call_s = max(ANSWER_S, patience_s) + PLACE_S
        self._server = EmbeddedServer(data_dir, hang_s=hang_s, maxmemory_bytes=maxmemory_bytes)
        self._find_binary = find_binary
        self._health = Health("remote" if redis_url else "embedded")
        self._client: Client | None = None
        self._blocking_client: Client | None = None
        self._calls = 0
        self._all_ended = anyio.Event()
        self._doubt = anyio.Event()
        self._run_id: object = None
        self._refusal = ""
        self._trouble = ""
        self._ended_trouble = ""
        """What ended at the last look: commands that were under way may still be refused for it."""
        self._told: set[str] = set()

    def client(self, *, blocking: bool = False) -> Client:
        """The client for commands that answer at once, or, `blocking`, for those that BLOCK for up to BLOCK_S.

        :raises RedisUnavailable: there is no Redis for now.
        """
        client = self._blocking_client if blocking else self._client
        if client is None or not (self._health.available or self._trouble in READS_GO_ON):
            raise RedisUnavailable
        return client

    def describe_kind(self) -> str:
        """For the log: which Redis there is to be, without its password."""
        if self._address:
            return f"Redis at {self._address.shown}"
        return f"embedded Redis of at most {self._server.maxmemory_bytes / 1024**2:.0f} MB"

    def describe(self) -> Health:
        """The health of Redis as last seen, at most a few seconds ago."""
        return self._health

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns what redis-py raises for a Redis that cannot serve into RedisUnavailable; an error on a value passes.

        :raises RedisUnavailable: Redis is down, hangs, loads, is full, or refuses the command for any other reason.
        """
        try:
            yield
        except (exceptions.CrossSlotTransactionError, exceptions.InvalidPipelineStack):  # a defect here
            raise
        except _AWAY as error:
            self._doubt.set()
            raise RedisUnavailable from error
        except ResponseError as error:
            if is_about_value(error):
                raise
            self._refusal = describe_refusal(error)
            self._doubt.set()
            if name_refusal(self._refusal) == NO_MEMORY:
                raise RedisFull("Redis has no memory left for this.") from error
            raise RedisUnavailable("Redis refuses this for now.") from error

    @contextmanager
    def open(self, *, blocking: bool = False) -> Iterator[Any]:
        """`with datastore.open() as redis`: the client, in the time of one answer, and its errors translated.

        What is read should be decoded inside the block: a value that cannot be is spoilt, like one of a wrong type.
        `blocking`: the client for commands that wait, without a limit of time. It is typed as Any because redis-py
        types an answer as the union of what every protocol and decoding would give; these give RESP2 shapes of bytes.

        :raises RedisUnavailable: as `translated`; within a second however many others wait for a connection.
        :raises KeyCorrupted: a key holds something of another type than ours.
        """
        self._calls += 1
        try:
            with self.translated(), anyio.fail_after(None if blocking else self._call_s):
                yield self.client(blocking=blocking)
        except (ResponseError, ValueError, TypeError) as error:
            log.warning("redis: a key holds a value of another form: %s", shorten(str(error), 300))
            raise KeyCorrupted("Redis does not hold what is expected of it.") from error
        finally:
            self._calls -= 1
            if not self._calls:
                self._all_ended.set()

    async def eval(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What a Lua script gives; raises as `open`. It is sent whole, so that a Redis may restart or fail over."""
        with self.open() as redis:
            return await redis.eval(script, len(keys), *keys, *args)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep Redis at hand until cancelled. Reports started after the first attempt, within about a second."""
        async with anyio.create_task_group() as group:
            address = self._address
            if address is None:
                binary = self._find_binary()
                if binary is None:
                    self._health = Health("none")
                    log.error("redis: no valkey-server or redis-server here: no tasks until REDIS_URL is set")
                    task_status.started()
                    await anyio.sleep_forever()
                    return
                await group.start(self._server.run, binary)
                address = RedisAddress(
                    "standalone", show_path(self._server.folder), options={"path": str(self._server.socket)}
                )
            async with (
                address.connect(timeout_s=ANSWER_S) as client,
                address.connect(timeout_s=BLOCK_S + ANSWER_S) as blocking_client,
            ):
                self._client, self._blocking_client = client, blocking_client
                try:
                    await self._watch(address, client, task_status)
                finally:
                    self._client = self._blocking_client = None
                    self._health = replace(self._health, available=False)
                    await self._wait_for_calls()

    async def _wait_for_calls(self) -> None:
        """Let the calls under way end: with a client that is closed they would connect anew."""
        self._all_ended = anyio.Event()
        if self._calls:
            with anyio.move_on_after(self._call_s, shield=True):
                await self._all_ended.wait()

    async def _watch(self, address: RedisAddress, client: Client, task_status: TaskStatus[None]) -> None:
        """Look at Redis every second, and as soon as a call fails, but never without a pause."""
        await self._look(address, client)
        task_status.started()
        pause_s = AWAY_S
        while True:
            await anyio.sleep(pause_s)
            pause_s = AWAY_S if self._health.available else min(2 * pause_s, HEALTH_S)
            if self._health.available:
                with anyio.move_on_after(HEALTH_S):
                    await self._doubt.wait()
            self._doubt = anyio.Event()
            await self._look(address, client)

    async def _look(self, address: RedisAddress, client: Client) -> None:
        refusal, self._refusal = self._refusal, ""
        news = refusal and name_refusal(refusal) not in {*self._told, self._trouble, self._ended_trouble}
        try:
            with anyio.fail_after(EXAMINE_S):
                if news or not self._health.available:
                    # The address may lead to another server by now, or to this one under other rules.
                    await drop_connections(client, self._blocking_client)
                await self._examine(address, client, anew=bool(news))
        except Exception as error:  # whatever it is, the next look comes
            self._note_trouble(address, error)
            return
        self._ended_trouble, self._trouble = self._trouble, ""
        if news:
            self._told.add(name_refusal(refusal))
            log.warning("redis: %s refused a command: %s", address.shown, refusal)

    def _note_trouble(self, address: RedisAddress, error: Exception) -> None:
        """Redis cannot do its work: one line in the log for each kind of trouble, however long it lasts."""
        refuses = isinstance(error, ResponseError) and not isinstance(error, ClusterError)
        late = f"no answer within {EXAMINE_S:g} s" if isinstance(error, TimeoutError) else ""
        reason = late or describe_refusal(error) or type(error).__name__
        trouble = name_refusal(reason) if refuses else "away"
        if trouble != self._trouble:
            hint = HINTS.get(name_refusal(reason), "") if address.kind != "cluster" else ""
            log.warning("redis: %s %s: %s%s", address.shown, "refuses to work" if refuses else "is away", reason, hint)
        self._trouble = trouble
        self._health = replace(self._health, available=False)

    async def _examine(self, address: RedisAddress, client: Client, *, anew: bool) -> None:
        """Does it write, which one is it; once for each process, and `anew`: can it do all, how does it keep data.

        :raises RedisError: it does not work.
        """
        await check_writes(client, may_be_back=self._health.available)
        server = await read_server(client)
        known = self._health.available and server.run_id == self._run_id
        if anew or not known:
            await check_commands(client)
        if known:
            return
        durability, evicts = await read_durability(client)
        if evicts:
            log.warning("redis: its maxmemory-policy may evict tasks: noeviction or volatile-ttl keeps them")
        if server.clustered and address.kind != "cluster":
            log.error("redis: %s is a node of a Cluster, which takes redis+cluster://", address.shown)
        self._run_id = server.run_id
        self._told.clear()
        self._health = replace(self._health, available=True, version=server.version, durability=durability)
        owner = "" if self._address or server.pid == self._server.pid else ", run by another gateway"
        log.info("redis: %s %s at %s, pid %s%s", self._health.kind, server.version, address.shown, server.pid, owner)
