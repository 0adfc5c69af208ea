"""The Redis of this gateway: the one at REDIS_URL, or the embedded server; its clients and its health.

Who calls Redis writes `with datastore.open() as redis`, or `eval` for a script; both raise RedisAway, so that a
call fails within a second when Redis is down or hangs, and at once when that is known. Keys are not known here.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any, Literal

import anyio
from anyio.abc import TaskStatus
from redis.asyncio import RedisCluster
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterError,
    CrossSlotTransactionError,
    InvalidPipelineStack,
    InvalidResponse,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .address import Address, Client, parse_address
from .embedded import EmbeddedServer, find_server
from .errors import Unavailable

ANSWER_S = 0.7
"""How long Redis may take for one answer."""
PLACE_S = 0.1
"""How much longer a call may take than one answer, its place among many others and its connection included."""
BLOCK_S = 2.0
"""The longest BLOCK that a command sent through `client(blocking=True)` may ask for."""
EXAMINE_S = 1.5
"""How long one look at the health of Redis takes at most: twice the time to connect, and a little."""
HEALTH_S = 1.0
"""The pause between two looks."""
AWAY_S = 0.05
"""While Redis is away the pauses double from this up to the usual one."""
LOADING_S = 0.7
"""How long a server may load its data without being held for away."""

_AWAY = (TimeoutError, RedisConnectionError, RedisTimeoutError, InvalidResponse, ClusterError, RedisClusterException)
_REFUSED = (ReadOnlyError, NoPermissionError, TryAgainError, AskError)
_OURS = (CrossSlotTransactionError, InvalidPipelineStack)
# What redis-py leaves untyped of the words of a server that cannot serve for now; a pipeline puts others before.
_REFUSAL = re.compile(r"(?:^|caused error: \W*)(?:MISCONF|NOREPLICAS|BUSY|UNKILLABLE|UNBLOCKED)\b")

log = logging.getLogger("gateway.redis")


class RedisAway(Unavailable):
    """Redis is down, hangs, or refuses for now. Whether the failed command was carried out is not known."""

    def __init__(self, detail: str = "Redis is away for now.", *, retry_after_s: int = 1, **fields: Any) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, **fields)


class RedisFull(RedisAway):
    """Redis has no memory for this, and has done nothing."""


class KeySpoiled(RedisAway):
    """A key of ours holds something of another type. Trying again does not help; somebody has to mend the key."""


@dataclass(frozen=True)
class Health:
    """What /readyz says of Redis. `version` and `durability` are those last seen, empty before."""

    kind: Literal["embedded", "remote", "none"]
    available: bool = False
    version: str = ""
    durability: str = ""


class Datastore:
    """One Redis, watched for as long as `run` runs.

    `redis_url` None: the embedded server on `data_dir`/redis, of the binary that `find_binary` finds; it is
    killed when it has been silent for `hang_s`.

    :raises RedisUrlInvalid: `redis_url` is no address of Redis.
    """

    def __init__(
        self,
        *,
        redis_url: str | None,
        data_dir: Path,
        find_binary: Callable[[], Path | None] = find_server,
        hang_s: float = 5.0,
    ) -> None:
        self._address = parse_address(redis_url) if redis_url else None
        patience_s = self._address.options.get("socket_timeout", 0) if self._address else 0
        self._call_s = max(ANSWER_S, patience_s) + PLACE_S
        self._server = EmbeddedServer(data_dir, hang_s=hang_s)
        self._find_binary = find_binary
        self._health = Health("remote" if redis_url else "embedded")
        self._client: Client | None = None
        self._blocking_client: Client | None = None
        self._doubt = anyio.Event()
        self._run_id: object = None
        self._reason = ""

    def client(self, *, blocking: bool = False) -> Client:
        """The client for commands that answer at once, or, `blocking`, for those that BLOCK for up to BLOCK_S.

        Bytes come out, in the shapes of RESP2.

        :raises RedisAway: there is no Redis for now.
        """
        client = self._blocking_client if blocking else self._client
        if client is None or not self._health.available:
            raise RedisAway
        return client

    def describe(self) -> Health:
        """The health of Redis as last seen, at most a few seconds ago."""
        return self._health

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns what redis-py raises for a Redis that cannot serve into RedisAway.

        Errors of ours (a wrong type, a bad script) pass through unchanged.

        :raises RedisAway: Redis is down, hangs, loads, is full, refuses to write, or knows us not.
        """
        try:
            yield
        except _OURS:
            raise
        except _AWAY as error:
            self._doubt.set()
            raise RedisAway from error
        except OutOfMemoryError as error:
            raise RedisFull("Redis has no memory left for this.") from error
        except ResponseError as error:
            if not isinstance(error, _REFUSED) and not _REFUSAL.search(str(error)):
                raise
            raise RedisAway("Redis refuses this for now.") from error

    @contextmanager
    def open(self, *, blocking: bool = False) -> Iterator[Any]:
        """`with datastore.open() as redis`: the client, and every error of Redis as RedisAway.

        What is read should be decoded inside the block: a value that cannot be is spoilt, like one of a wrong type.
        The block as a whole has the time of one answer, so that a call fails within a second however many others
        wait for a connection to a Redis that hangs. `blocking`: the client for commands that wait, without that
        limit. It is typed as Any because redis-py types an answer as the union of what every protocol and decoding
        would give; these give RESP2 shapes of bytes.

        :raises RedisAway: as `translated`.
        :raises KeySpoiled: a key holds something of another type than ours.
        """
        try:
            with self.translated(), anyio.fail_after(None if blocking else self._call_s):
                yield self.client(blocking=blocking)
        except (ResponseError, ValueError, TypeError) as error:
            log.warning("redis: a key of ours holds something else: %s", shorten(str(error), 300))
            raise KeySpoiled("Redis does not hold what is expected of it.") from error

    async def eval(self, script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """What a Lua script gives. It is sent whole, which a Redis that restarts or fails over does not mind.

        :raises RedisAway: as `open`.
        """
        with self.open() as redis:
            return await redis.eval(script, len(keys), *keys, *args)

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Keep Redis at hand, for ever; stop the embedded server when cancelled.

        Reports started after the first attempt: within about a second where Redis is away.
        """
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
                address = Address("standalone", str(self._server.folder), options={"path": str(self._server.socket)})
            try:
                async with (
                    address.connect(timeout_s=ANSWER_S) as self._client,
                    address.connect(timeout_s=BLOCK_S + ANSWER_S) as self._blocking_client,
                ):
                    await self._watch(address, self._client, task_status)
            finally:
                self._client = self._blocking_client = None
                self._health = replace(self._health, available=False)

    async def _watch(self, address: Address, client: Client, task_status: TaskStatus[None]) -> None:
        """Look at Redis every second, and as soon as a call fails."""
        await self._look(address, client)
        task_status.started()
        pause_s = AWAY_S
        while True:
            pause_s = AWAY_S if self._health.available else min(2 * pause_s, HEALTH_S)
            with anyio.move_on_after(HEALTH_S if self._health.available else pause_s):
                await self._doubt.wait()
            self._doubt = anyio.Event()
            await self._look(address, client)

    async def _look(self, address: Address, client: Client) -> None:
        try:
            with anyio.fail_after(EXAMINE_S):
                await self._examine(address, client)
        except TimeoutError:
            reason = f"no answer within {EXAMINE_S:g} s"
        except Exception as error:  # whatever it is, the next look comes
            reason = str(error) or type(error).__name__
        else:
            self._reason = ""
            return
        if not self._reason:
            log.warning("redis: %s is away: %s", address.shown, shorten(reason, 200))
        self._reason = reason
        self._health = replace(self._health, available=False)

    async def _examine(self, address: Address, client: Client) -> None:
        """Ask Redis whether it serves, which one it is and, once a process of it, how it keeps its data."""
        node = {"target_nodes": RedisCluster.DEFAULT_NODE} if address.kind == "cluster" else {}
        await self._ping(client, node)
        info: dict[str, Any] = await _unless_refused(client.info("server", **node), {})
        if self._health.available and info.get("run_id") == self._run_id:
            return
        name = info.get("server_name", "redis")
        version = f"{name} {info.get('valkey_version') or info.get('redis_version', '')}".strip()
        if self._address is None:
            durability = "aof everysec"
        else:
            durability = await _read_durability(client, node)
        mode = info.get("server_mode") or info.get("redis_mode")
        if mode == "cluster" and address.kind != "cluster":
            log.error("redis: %s is a node of a Cluster, which takes redis+cluster://", address.shown)
        self._run_id = info.get("run_id")
        self._health = replace(self._health, available=True, version=version, durability=durability)
        pid = info.get("process_id")
        owner = "" if self._address or pid == self._server.pid else ", run by another gateway"
        log.info("redis: %s %s at %s, pid %s%s", self._health.kind, version, address.shown, pid, owner)

    async def _ping(self, client: Client, node: dict[str, Any]) -> None:
        """PING, again for a while that Redis loads its data, and once more after a connection lost to a restart."""
        loaded_by = anyio.current_time() + LOADING_S
        may_be_back = self._health.available
        while True:
            try:
                await client.ping(**node)
            except BusyLoadingError:
                if anyio.current_time() > loaded_by:
                    raise
                await anyio.sleep(0.01)
            except RedisConnectionError:
                if not may_be_back:
                    raise
                may_be_back = False
            else:
                return


async def _unless_refused(answer: Awaitable[Any], default: Any) -> Any:
    """The answer, or `default` where this user may not ask (hosted Redis often refuses INFO and CONFIG)."""
    try:
        return await answer
    except ResponseError:
        return default


async def _read_durability(client: Client, node: dict[str, Any]) -> str:
    """How a Redis that is not ours keeps its data: "aof everysec", "rdb", "none", "unknown"."""
    info = await _unless_refused(client.info("persistence", **node), {})
    config: dict[str, str] = {}
    for name in ("appendfsync", "save", "maxmemory-policy"):
        config |= await _unless_refused(client.config_get(name, **node), {})
    if config.get("maxmemory-policy", "").startswith("allkeys"):
        log.warning("redis: its maxmemory-policy may evict tasks: noeviction or volatile-ttl keeps them")
    if info.get("aof_enabled"):
        return f"aof {config.get('appendfsync', '')}".strip()
    if "save" not in config:
        return "unknown"
    return "rdb" if config["save"] else "none"
