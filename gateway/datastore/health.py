"""The examination of a Redis: does it take writes and every command needed, which one is it, how does it keep data.

COMMANDS is the one list of what the gateway asks of a Redis: its user needs them, and a server without one of them
is too old. The examination runs all of them on a key of its own.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Literal

import anyio
from pydantic_core import to_json
from redis.asyncio import RedisCluster
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from .url import Client

LOADING_S = 0.7
"""How long a server may load its data without being taken for away."""
KEPT_MS = 1
"""How long the key of the examination lives: no list of keys ever has it."""

_KEY = "gateway:{health}"
_STRING, _HASH, _SET, _SORTED, _STREAM = KEYS = [
    f"{_KEY}:{kind}" for kind in ("string", "hash", "set", "sorted", "stream")
]
_EXERCISES = (
    ("unlink", *KEYS),
    ("set", _STRING, "0"),
    ("get", _STRING),
    ("mget", _STRING),
    ("expire", _STRING, "1"),
    ("pexpire", _STRING, "1000"),
    ("ttl", _STRING),
    ("persist", _STRING),
    ("del", _STRING),
    ("hset", _HASH, "field", "0"),
    ("hget", _HASH, "field"),
    ("hmget", _HASH, "field"),
    ("hsetnx", _HASH, "field", "0"),
    ("hgetall", _HASH),
    ("hlen", _HASH),
    ("sadd", _SET, "0"),
    ("sismember", _SET, "0"),
    ("zadd", _SORTED, "0", "member"),
    ("zincrby", _SORTED, "1", "member"),
    ("zrevrange", _SORTED, "0", "-1"),
    ("zrangebyscore", _SORTED, "-inf", "+inf"),
    ("zremrangebyrank", _SORTED, "1", "1"),
    ("zrem", _SORTED, "member"),
    ("xgroup", "create", _STREAM, "group", "0", "MKSTREAM"),
    ("xadd", _STREAM, "1-1", "field", "0"),
    ("xlen", _STREAM),
    ("xreadgroup", "GROUP", "group", "consumer", "STREAMS", _STREAM, ">"),
    ("xpending", _STREAM, "group"),
    ("xclaim", _STREAM, "group", "consumer", "0", "1-1"),
    ("xautoclaim", _STREAM, "group", "consumer", "0", "0"),
    ("xinfo", "consumers", _STREAM, "group"),
    ("xack", _STREAM, "group", "1-1"),
    ("xdel", _STREAM, "1-1"),
    ("xgroup", "delconsumer", _STREAM, "group", "consumer"),
    ("time",),
    ("unlink", *KEYS),
)
COMMANDS = tuple(
    sorted(
        {
            *("config|get", "eval", "info"),
            *("|".join(words[:2]) if words[0] in ("xgroup", "xinfo") else words[0] for words in _EXERCISES),
        }
    )
)
"""The commands that the user of the gateway needs, in the form of ACL SETUSER."""

_EXERCISE = """
for _, words in ipairs(cjson.decode(ARGV[1])) do
    local answer = redis.pcall(unpack(words))
    if type(answer) == 'table' and answer.err then return words[1] .. ': ' .. answer.err end
end
return false
"""


@dataclass(frozen=True)
class Health:
    """What /readyz says of Redis. `available`: it answers and takes writes. `version` and `durability` are those last
    seen, empty before."""

    kind: Literal["embedded", "remote", "none"]
    available: bool = False
    version: str = ""
    durability: str = ""


@dataclass(frozen=True)
class RedisServer:
    """A process of a Redis. `clustered`: it is a node of a Cluster."""

    run_id: str | None
    pid: int | None
    version: str
    clustered: bool


async def check_writes(client: Client, *, may_be_back: bool) -> None:
    """Write a key, again for a while that Redis loads its data, and once more after a connection lost to a restart.

    :raises RedisError: it cannot be written.
    """
    loaded_by = anyio.current_time() + LOADING_S
    while True:
        try:
            await client.set(_KEY, b"", px=KEPT_MS)
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


async def check_commands(client: Client) -> None:
    """Run every command that the gateway uses.

    :raises ResponseError: one of them is not known here, or not permitted.
    """
    refused = await client.eval(_EXERCISE, len(KEYS), *KEYS, to_json(_EXERCISES))
    if refused:
        raise ResponseError(refused.decode())


async def read_server(client: Client) -> RedisServer:
    """What INFO says of the server; what it does not say, or this user may not ask, is empty."""
    info: dict[str, Any] = await _unless_refused(client.info("server", **_one_node(client)), {})
    name, number = info.get("server_name", "redis"), info.get("valkey_version") or info.get("redis_version", "")
    mode = info.get("server_mode") or info.get("redis_mode")
    return RedisServer(info.get("run_id"), info.get("process_id"), f"{name} {number}".strip(), mode == "cluster")


async def read_durability(client: Client) -> tuple[str, bool]:
    """How a Redis keeps its data ("aof everysec", "rdb", "none", "unknown"), and whether it may evict tasks."""
    node = _one_node(client)
    info = await _unless_refused(client.info("persistence", **node), {})
    config: dict[str, str] = {}
    for name in ("appendfsync", "save", "maxmemory-policy"):
        config |= await _unless_refused(client.config_get(name, **node), {})
    evicts = config.get("maxmemory-policy", "").startswith("allkeys")
    if info.get("aof_enabled"):
        return f"aof {config.get('appendfsync', '')}".strip(), evicts
    if "save" not in config:
        return "unknown", evicts
    return "rdb" if config["save"] else "none", evicts


async def _unless_refused(answer: Awaitable[Any], default: Any) -> Any:
    """The answer, or `default` where this user may not ask (hosted Redis often refuses INFO and CONFIG)."""
    try:
        return await answer
    except ResponseError:
        return default


def _one_node(client: Client) -> dict[str, Any]:
    return {"target_nodes": RedisCluster.DEFAULT_NODE} if isinstance(client, RedisCluster) else {}
