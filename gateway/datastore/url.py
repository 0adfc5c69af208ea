"""What REDIS_URL says, and clients of that Redis with time limits of our own.

Standalone, Sentinel and Cluster differ here and nowhere else. A password goes into the client and never into
`shown`, an error or a log.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal
from urllib.parse import unquote

import anyio
from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel, SentinelConnectionPool
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, AuthorizationError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from gateway.errors import StartRefused

from .url_options import check_options

CONNECT_S = 0.7
"""How long a call waits for a connection: for a free place in the pool, for a server that is just restarting."""
NODE_CONNECT_S = 0.3
"""How long one of several nodes may take, so that a silent one leaves time for the next."""
PAUSES_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.16, 0.16)
"""The pauses between the attempts to connect."""
CONNECTIONS = 50

_URL = re.compile(
    r"(?P<base>rediss?|unix)(\+(?P<kind>sentinel|cluster))?://((?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]*)"
    r"(?P<path>[^?#]*)(?P<query>\?[^#]*)?",
    re.IGNORECASE,
)
_NODE = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^:\[\]]*)(:(?P<port>\d{1,5}))?", re.IGNORECASE)

Client = Redis | RedisCluster
Close = Callable[[], Awaitable[None]]
Kind = Literal["standalone", "sentinel", "cluster"]


class RedisUrlInvalid(StartRefused):
    """REDIS_URL cannot be understood. The text holds nothing of the URL: a password may stand anywhere in it."""


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is. `shown` is for logs; `options` are those of redis-py, passwords among them."""

    kind: Kind
    shown: str
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @asynccontextmanager
    async def connect(self, *, timeout_s: float) -> AsyncIterator[Client]:
        """A client whose every answer must arrive within `timeout_s`; closed at the exit. No I/O until used.

        A command is sent once. After a lost answer redis-py would send it again by default, and count twice.
        """
        client, closes = self.open_client(timeout_s)
        try:
            yield client
        finally:
            with anyio.CancelScope(shield=True):
                for close in closes:
                    with suppress(RedisError, OSError):
                        await close()

    def open_client(self, timeout_s: float) -> tuple[Client, list[Close]]:
        """The client and what closes it.

        :raises RedisUrlInvalid: redis-py does not know an option, or not this value of it.
        """
        options: dict[str, Any] = {
            "protocol": 2,  # a round trip less than RESP3 at each connect, and no push messages
            "driver_info": None,  # two commands less
            "socket_connect_timeout": CONNECT_S if self.kind == "standalone" else NODE_CONNECT_S,
            "max_connections": CONNECTIONS,
            "retry": Retry(NoBackoff(), 0),
            **self.options,
        }
        options["socket_timeout"] = max(timeout_s, options.get("socket_timeout", 0))
        opens = {"standalone": _open_standalone, "sentinel": _open_sentinel, "cluster": _open_cluster}
        try:
            return opens[self.kind](self, options)
        except (TypeError, ValueError, RedisError, RedisClusterException) as error:
            raise RedisUrlInvalid(f"REDIS_URL has an option that cannot be: {error}") from None


async def drop_connections(*clients: Client | None) -> None:
    """Make every next command go over a new connection; those under way keep theirs to their end."""
    for client in clients:
        if isinstance(client, RedisCluster):
            for node in client.get_nodes():
                node.update_active_connections_for_reconnect()
                await node.disconnect_free_connections()
        elif client is not None:
            with suppress(RedisError, OSError):
                await client.connection_pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
                await client.connection_pool.disconnect(inuse_connections=False)


def parse_redis_url(url: str) -> RedisAddress:
    """The address in a `redis://`, `rediss://` or `unix://` URL as redis-py has them, or with more hosts in
    `redis+sentinel://host:port,host:port/service/db` and `redis+cluster://host:port,host:port` (or `rediss+`).

    The query holds options of redis-py, of those in `url_options`; `sentinel_username` and `sentinel_password` are for
    the sentinels.

    :raises RedisUrlInvalid: it is none of these.
    """
    found = _URL.fullmatch(url.strip())
    if not found:
        raise RedisUrlInvalid(
            "REDIS_URL must begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, "
            "and a user and password in it must be percent-encoded"
        )
    base, kind, user, hosts, path, query = (
        found[name] or "" for name in ("base", "kind", "user", "hosts", "path", "query")
    )
    try:
        options: dict[str, Any] = {**parse_url(f"{base.lower()}://{query}")}
        options.pop("connection_class", None)
        check_options(options)
    except ValueError as error:
        raise RedisUrlInvalid(f"REDIS_URL: {error}") from None
    for name, value in zip(("username", "password"), user.split(":", 1), strict=False):
        if value:
            options[name] = unquote(value)
    address = _read_place(base.lower(), kind.lower(), hosts, path, options)
    address.open_client(1)  # reads the options, opens nothing
    return address


def _read_place(base: str, kind: str, hosts: str, path: str, options: dict[str, Any]) -> RedisAddress:
    """The address of these parts of a URL; takes `options` over."""
    shown = f"{base}{'+' if kind else ''}{kind}://{hosts}{path}"
    if base == "unix":
        if kind or hosts or len(path) < 2:
            raise RedisUrlInvalid("REDIS_URL: unix:// takes an absolute path: unix:///run/redis.sock")
        return RedisAddress("standalone", shown, options={**options, "path": unquote(path)})
    if base == "rediss":
        options["ssl"] = True
    service, _, db = path[1:].rpartition("/") if kind == "sentinel" else ("", "", path[1:])
    if kind == "sentinel" and not service:
        service, db = db, ""
    if not re.fullmatch("[0-9]*", db) or (kind == "sentinel" and not service):
        raise RedisUrlInvalid(
            "REDIS_URL: the path is the number of a database, for Sentinel /service or /service/number"
        )
    if db:
        options.setdefault("db", int(db))
    port = 26379 if kind == "sentinel" else 6379
    nodes = tuple(_read_node(node, port) for node in hosts.split(","))
    if not kind and len(nodes) > 1:
        raise RedisUrlInvalid("REDIS_URL: several hosts take redis+sentinel:// or redis+cluster://")
    known: dict[str, Kind] = {"sentinel": "sentinel", "cluster": "cluster"}
    return RedisAddress(known.get(kind, "standalone"), shown, nodes, unquote(service), options)


def _read_node(text: str, default_port: int) -> tuple[str, int]:
    found = _NODE.fullmatch(text)
    port = int((found and found["port"]) or default_port)
    if not found or not 0 < port < 65536:
        raise RedisUrlInvalid("REDIS_URL: a host is name:port, 192.0.2.1:port or [2001:db8::1]:port")
    return unquote(found["host"].strip("[]")) or "localhost", port


def _open_standalone(address: RedisAddress, options: dict[str, Any]) -> tuple[Client, list[Close]]:
    if options.pop("ssl", False):
        options["connection_class"] = SSLConnection
    if "path" in options:
        options["connection_class"] = UnixDomainSocketConnection
    else:
        options["host"], options["port"] = address.nodes[0]
    pool = _Pool(timeout=None, **options)
    # Raises on an unknown option; connects nothing.
    pool.make_connection()  # type: ignore[no-untyped-call]
    client = Redis.from_pool(pool)
    return client, [client.aclose]


def _open_cluster(address: RedisAddress, options: dict[str, Any]) -> tuple[Client, list[Close]]:
    nodes = [ClusterNode(host, port) for host, port in address.nodes]
    client = RedisCluster(startup_nodes=nodes, **options)
    manager = client.nodes_manager
    # After a failed call the client holds itself for closed and leaves its connections open.
    return client, [client.aclose, manager.aclose, partial(manager.aclose, "startup_nodes")]


def _open_sentinel(address: RedisAddress, options: dict[str, Any]) -> tuple[Client, list[Close]]:
    own = {name[9:]: options.pop(name) for name in list(options) if name.startswith("sentinel_")}
    shared = {name: value for name, value in options.items() if name.startswith(("ssl", "driver", "retry"))}
    limits = {"socket_timeout": NODE_CONNECT_S, "socket_connect_timeout": NODE_CONNECT_S, "protocol": 2}
    own_options = {**limits, **shared, **own}
    sentinel = Sentinel(address.nodes, sentinel_kwargs=own_options)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(address.service, connection_pool_class=_SentinelPool, **options)
    client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    return client, [client.aclose, sentinel.aclose]


async def _connect_patiently(connect: Callable[[], Awaitable[Any]]) -> Any:
    """A connection, in at most CONNECT_S; a server that restarts meanwhile costs its caller only the wait.

    :raises RedisConnectionError, RedisTimeoutError: there is none, for the last reason seen.
    """
    last: Exception = RedisTimeoutError("no connection in time")
    with anyio.move_on_after(CONNECT_S):
        for pause_s in PAUSES_S:
            try:
                return await connect()
            except (AuthenticationError, AuthorizationError):
                raise
            except RedisConnectionError as error:
                last = error
            await anyio.sleep(pause_s)
    raise last


class _Pool(BlockingConnectionPool):
    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:  # noqa: ARG002
        return await _connect_patiently(super().get_connection)


class _SentinelPool(SentinelConnectionPool):
    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:  # noqa: ARG002
        return await _connect_patiently(super().get_connection)
