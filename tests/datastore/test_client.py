"""The Redis at REDIS_URL: used when it is there, waited for when it is not, and never slow to be away."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from gateway.datastore.client import Datastore, KeyCorrupted, RedisUnavailable
from gateway.datastore.embedded import find_server
from gateway.datastore.url import CONNECTIONS, RedisUrlInvalid, parse_redis_url
from tests.datastore.running import running, wait_for_answer
from tests.processes import free_port
from tests.redis_server import accepts, serving
from tests.relay import relaying
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

AWAY_LIMIT_S = 3.0
"""The promise is one second; redis-py by itself takes 4 s when Redis is down and 11 s when it hangs."""


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The port of a server that runs."""
    port = free_port()
    async with serving(tmp_path / "server", port):
        yield port


async def test_remote_server_is_described(port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Health says that it is remote, what it is and how it keeps its data; the log has one line of it."""
    caplog.set_level(logging.INFO, "gateway")
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        pid = (await client.info("server"))["process_id"]
        health = datastore.describe()
        assert (health.kind, health.available, health.durability) == ("remote", True, "none")
    assert caplog.messages == [f"redis: remote {health.version} at redis://127.0.0.1:{port}, pid {pid}"]
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize(
    ("options", "durability"),
    [
        (["--appendonly", "yes", "--appendfsync", "always"], "aof always"),
        (["--save", "3600 1"], "rdb"),
        (["--rename-command", "CONFIG", ""], "unknown"),
    ],
)
async def test_durability_is_that_of_the_server(options: list[str], durability: str, tmp_path: Path) -> None:
    """The durability described is what the server's own settings say, as far as it may be asked."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port, *options),
        running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore,
    ):
        assert datastore.describe().durability == durability


async def test_evicting_server_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A Redis that may throw tasks away is used, and the log says what to change."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port, "--maxmemory-policy", "allkeys-lru"),
        running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore,
    ):
        assert datastore.describe().available
    assert "maxmemory-policy" in caplog.text


@pytest.mark.slow
async def test_server_that_comes_later_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is away at the start is named in the log once, fails calls at once, and is used when it comes."""
    port = free_port()
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        with pytest.raises(RedisUnavailable):
            datastore.client()
        with pytest.raises(RedisUnavailable):
            datastore.client(blocking=True)
        await anyio.sleep(1)
        async with serving(tmp_path / "server", port):
            await wait_for_answer(datastore)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


@pytest.mark.slow
async def test_call_to_a_stopped_server_fails_soon(port: int, tmp_path: Path) -> None:
    """A server that ends makes a call fail soon, the next ones at once, and none when it is back."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        with suppress(RedisUnavailable), datastore.translated():
            await client.shutdown(nosave=True)
        with anyio.fail_after(AWAY_LIMIT_S), pytest.raises(RedisUnavailable), datastore.translated():
            await client.ping()
        await wait_until(lambda: is_away(datastore))
        async with serving(tmp_path / "server", port):
            await wait_for_answer(datastore)


def is_away(datastore: Datastore) -> bool:
    return not datastore.describe().available


@pytest.mark.slow
async def test_call_to_a_hung_server_fails_soon(tmp_path: Path) -> None:
    """A server that stops answering makes the calls under way fail soon, and recovers without a restart."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port) as process,
        running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore,
    ):
        client = datastore.client()
        process.send_signal(SIGSTOP)

        async def fail_soon() -> None:
            with anyio.fail_after(AWAY_LIMIT_S), pytest.raises(RedisUnavailable), datastore.translated():
                await client.ping()

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(fail_soon)
        await wait_until(lambda: is_away(datastore))
        process.send_signal(SIGCONT)
        await wait_for_answer(datastore)


@pytest.mark.slow
async def test_blocking_client_may_wait(port: int, tmp_path: Path) -> None:
    """A read that blocks for over a second is no failure, and its message arrives while it waits."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        blocking = datastore.client(blocking=True)
        await datastore.client().xgroup_create("s", "g", mkstream=True)
        with datastore.translated():
            assert not await blocking.xreadgroup("g", "c", {"s": ">"}, block=1500)

        async def add_later() -> None:
            await anyio.sleep(0.2)
            await datastore.client().xadd("s", {"task": "1"})

        async with anyio.create_task_group() as group:
            group.start_soon(add_later)
            found = await blocking.xreadgroup("g", "c", {"s": ">"}, block=2000)
        assert b"task" in str(found).encode()


async def test_command_is_sent_once(port: int, tmp_path: Path) -> None:
    """A command whose answer is lost is not sent again behind the caller's back: counters count once."""

    async def relay(client: ByteStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", port) as server:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while True:
                    request = await client.receive()
                    await server.send(request)
                    answer = await server.receive()
                    if b"INCR" in request:
                        return
                    await client.send(answer)

    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(listener.serve, relay)
        relay_port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with running(tmp_path / "unused", f"redis://127.0.0.1:{relay_port}") as datastore:
            with pytest.raises(RedisUnavailable), datastore.translated():
                await datastore.client().incr("n")
            assert await datastore.client().get("n") == b"1"
        group.cancel_scope.cancel()


async def call(command: Callable[..., Awaitable[Any]], *args: Any) -> None:
    await command(*args)


async def test_call_waits_for_a_server_that_restarts(tmp_path: Path) -> None:
    """A call that begins while a server is not listening for a moment is answered, not refused."""
    port = free_port()

    async def answer(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.receive()
                    await stream.send(b"+PONG\r\n")

    async def listen_late() -> None:
        await anyio.sleep(0.2)
        async with await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port) as listener:
            await listener.serve(answer)

    async with anyio.create_task_group() as group:
        group.start_soon(listen_late)
        async with parse_redis_url(f"redis://127.0.0.1:{port}").connect(timeout_s=30) as client:
            assert await client.ping()
        group.cancel_scope.cancel()


async def test_many_callers_share_few_connections(port: int, tmp_path: Path) -> None:
    """Hundreds of calls at once wait for a connection instead of failing, and cancelled ones give theirs back."""
    patient = "socket_timeout=30&socket_connect_timeout=30"
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}?{patient}") as datastore:
        client = datastore.client()
        with anyio.move_on_after(0.1):
            async with anyio.create_task_group() as group:
                for _ in range(CONNECTIONS * 2):
                    group.start_soon(call, client.blpop, ["nothing"], 0.6)
        async with anyio.create_task_group() as group:
            for _ in range(500):
                group.start_soon(call, client.incr, "n")
        assert await client.get("n") == b"500"
        assert int((await client.info("clients"))["connected_clients"]) <= CONNECTIONS + 2


@pytest.mark.slow
async def test_end_leaves_no_connection(port: int, tmp_path: Path) -> None:
    """Calls that go on while a datastore ends are refused; none of them connects once its clients are closed."""

    async def call_on(datastore: Datastore) -> None:
        while True:
            with suppress(RedisUnavailable):
                await datastore.eval("return 1", ["key"], [])
            await anyio.lowlevel.checkpoint()

    async with Redis(port=port) as admin, anyio.create_task_group() as group:
        for number in range(10):
            async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
                for _ in range(5):
                    group.start_soon(call_on, datastore)
                await anyio.sleep(0.01 * number)
        await anyio.sleep(0.1)
        assert len(await admin.client_list()) == 1
        group.cancel_scope.cancel()


async def test_full_server_refuses(port: int, tmp_path: Path) -> None:
    """A server without memory left is RedisUnavailable with words of its own, in a pipeline too, and reads go on."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        await client.set("before", "1")
        await client.config_set("maxmemory", "1mb")
        with pytest.raises(RedisUnavailable, match="memory"), datastore.translated():
            await client.set("key", b"x" * 2_000_000)
            await client.set("key", b"x")
        with pytest.raises(RedisUnavailable, match="memory"), datastore.translated():
            async with client.pipeline() as pipe:
                pipe.set("a", b"x")
                pipe.set("b", b"x")
                await pipe.execute()
        with pytest.raises(RedisUnavailable, match="memory"), datastore.open() as redis:
            await redis.set("key", b"x")
        assert await client.get("before") == b"1"


async def test_script_runs(port: int, tmp_path: Path) -> None:
    """A script runs with its keys and arguments, and while Redis is away it is RedisUnavailable."""
    datastore = Datastore(redis_url=f"redis://127.0.0.1:{port}", data_dir=tmp_path)
    with pytest.raises(RedisUnavailable):
        await datastore.eval("return 1", [], [])
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        assert await datastore.eval("return {KEYS[1], ARGV[1]}", ["key"], [5]) == [b"key", b"5"]


@pytest.mark.slow
async def test_demoted_primary_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a failover behind one address every call reaches the new primary, those of connections in use too."""
    old, new = free_port(), free_port()
    async with (
        serving(tmp_path / "old", old),
        serving(tmp_path / "new", new),
        relaying(old) as relay,
        running(tmp_path / "unused", relay.url.replace("http", "redis")) as datastore,
        Redis(port=old) as demoted,
    ):
        async with anyio.create_task_group() as group:
            for _ in range(20):  # so many connections, and one that waits for longer than the failover takes
                group.start_soon(call, datastore.client().incr, "n")
            group.start_soon(pass_refusal, datastore.client(blocking=True).blpop, ["nothing"], 1)

            async def is_counted() -> bool:
                return bool(await demoted.get("n") == b"20")

            await wait_until(is_counted)
            relay.target_port = new
            await demoted.replicaof("127.0.0.1", str(new))

            async def writes() -> bool:
                return bool(await datastore.eval("return redis.call('INCR', KEYS[1])", ["m"], []))

            await wait_until(writes)
        for _ in range(100):
            assert await writes()
        assert datastore.describe().available
        with datastore.open(blocking=True) as redis:
            await redis.rpush("list", "element")

        async def is_left() -> bool:
            return len(await demoted.client_list(_type="normal")) == 1  # this one

        await wait_until(is_left)
    assert "READONLY" in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 2


async def pass_refusal(command: Callable[..., Awaitable[Any]], *args: Any) -> None:
    with suppress(RedisError):
        await command(*args)


REFUSALS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "READONLY": (("replicaof", "127.0.0.1", "1"), ("replicaof", "no", "one")),
    "NOREPLICAS": (("config", "set", "min-replicas-to-write", "1"), ("config", "set", "min-replicas-to-write", "0")),
    "OOM": (("config", "set", "maxmemory", "1"), ("config", "set", "maxmemory", "0")),
    "xautoclaim": (("acl", "setuser", "gateway", "-xautoclaim"), ("acl", "setuser", "gateway", "+xautoclaim")),
    "NOPERM": (("acl", "setuser", "gateway", "-set"), ("acl", "setuser", "gateway", "+set")),
    "NOAUTH|WRONGPASS": (("acl", "deluser", "gateway"), ("acl", "setuser", "gateway", "on", ">p", "~*", "+@all")),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", REFUSALS)
async def test_refusing_server_is_not_available(words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that answers and refuses is not available, though nobody calls, until it takes writes again; its
    reason is one line of the log, however many calls fail, and no key is said to be spoilt."""
    begin, end = REFUSALS[words]
    port = free_port()
    async with serving(tmp_path / "server", port), Redis(port=port) as admin:
        await admin.execute_command("acl", "setuser", "gateway", "on", ">p", "~*", "+@all")  # type: ignore[no-untyped-call]
        async with running(tmp_path / "unused", f"redis://gateway:p@127.0.0.1:{port}") as datastore:
            assert datastore.describe().available
            await admin.execute_command(*begin)  # type: ignore[no-untyped-call]
            if words == "xautoclaim":  # only a call can tell
                with pytest.raises(RedisUnavailable) as caught, datastore.open() as redis:
                    await redis.xautoclaim("s", "g", "c", 0)
                assert not isinstance(caught.value, KeyCorrupted)
            await wait_until(lambda: is_away(datastore))
            for _ in range(20):
                with anyio.fail_after(AWAY_LIMIT_S), pytest.raises(RedisUnavailable) as caught:
                    await datastore.eval(CALLS, ["key", "s"], [])
                assert not isinstance(caught.value, KeyCorrupted)
                assert caught.value.headers == {"Retry-After": "1"}
            await anyio.sleep(0.3)
            warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
            assert len(warnings) == 1
            assert re.search(words, warnings[0])
            await admin.execute_command(*end)  # type: ignore[no-untyped-call]
            await wait_until(lambda: datastore.describe().available)


CALLS = """
redis.call('SET', KEYS[1], 'value')
redis.call('XGROUP', 'CREATE', KEYS[2], 'g', '0', 'MKSTREAM')
return redis.call('XAUTOCLAIM', KEYS[2], 'g', 'c', 0, 0)
"""


async def test_full_server_is_read(port: int, tmp_path: Path) -> None:
    """A server without memory is not available, and what it holds can still be read, or deleted to make room."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        await datastore.client().set("key", "value")
        await datastore.client().config_set("maxmemory", "1")
        await wait_until(lambda: is_away(datastore))
        with datastore.open() as redis:
            assert await redis.get("key") == b"value"
            assert await redis.delete("key") == 1


async def test_replica_is_not_read(port: int, tmp_path: Path) -> None:
    """What a demoted primary holds may be older than the truth, so calls fail at once until the primary is found."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        await datastore.client().set("key", "value")
        await datastore.client().replicaof("127.0.0.1", "1")
        await wait_until(lambda: is_away(datastore))
        with pytest.raises(RedisUnavailable):
            datastore.client()


@pytest.mark.parametrize("missing", ["XAUTOCLAIM", "EVAL", "UNLINK", "INFO"])
async def test_old_server_is_named(missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that lacks a command of ours is not available and the log says which; INFO it may lack."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port, "--rename-command", missing, ""),
        running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore,
    ):
        assert datastore.describe().available is (missing == "INFO")
    assert (missing.lower() in caplog.text.lower()) is (missing != "INFO")


async def test_words_of_redis_6_are_understood(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """READONLY inside the error of a script, which Redis 6.2 gives, is a server that refuses and not a spoilt key."""
    script = b"-ERR Error running script (call to f_1f8f4cfba6f3375f8c4ec02b9de4361a5dea5c64): @user_script:1: "
    refusal = script + b"@user_script: 1: -READONLY You can't write against a read only replica.\r\n"

    async def answer(stream: ByteStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
            async with stream:
                while True:
                    request = await stream.receive()
                    info = b"-NOPERM no permissions\r\n" if b"INFO" in request or b"CONFIG" in request else b"$-1\r\n"
                    await stream.send(refusal if b"'INCR'" in request else info)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
            for _ in range(50):
                with pytest.raises(RedisUnavailable) as caught:
                    await datastore.eval("return redis.call('INCR', KEYS[1])", ["key"], [])
                assert not isinstance(caught.value, KeyCorrupted)
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert len(caplog.messages) == 1
    assert "READONLY You can't write" in caplog.messages[0]


@pytest.mark.slow
async def test_refusal_that_comes_late(port: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A command that was under way when a trouble ended, and is refused for it, is no second line of the log."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        await client.config_set("maxmemory", "1")
        with pytest.raises(ResponseError) as late:
            await client.set("key", "value")
        await wait_until(lambda: is_away(datastore))
        await client.config_set("maxmemory", "0")
        await wait_until(lambda: datastore.describe().available)
        with pytest.raises(RedisUnavailable), datastore.translated():
            raise late.value
        await anyio.sleep(1)
    lines = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 1
    assert "refuses to work: OOM" in lines[0]


async def test_replica_refuses_writes(port: int, tmp_path: Path) -> None:
    """A server that became a replica is RedisUnavailable for writes."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        await client.replicaof("127.0.0.1", "1")
        with pytest.raises(RedisUnavailable), datastore.translated():
            await client.set("key", "value")


async def test_refusals_in_a_pipeline_are_recognised(port: int, tmp_path: Path) -> None:
    """MISCONF and its like are recognised behind the words that redis-py puts before them."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        await client.config_set("min-replicas-to-write", 1)
        for transaction in (True, False):
            with pytest.raises(RedisUnavailable), datastore.translated():
                async with client.pipeline(transaction=transaction) as pipe:
                    pipe.get("a")
                    pipe.set("b", "c")
                    await pipe.execute()


async def test_mistakes_of_ours_are_not_hidden(port: int, tmp_path: Path) -> None:
    """A command that is wrong in itself stays the error it is, unless the caller translates all errors."""
    async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
        client = datastore.client()
        await client.set("key", "value")
        with pytest.raises(ResponseError, match="WRONGTYPE"), datastore.translated():
            await client.lpush("key", "value")
        with pytest.raises(RedisUnavailable, match="expected"), datastore.open() as redis:
            await redis.lpush("key", "value")
        with pytest.raises(ZeroDivisionError), datastore.open():
            _ = 1 / 0


@pytest.mark.parametrize("password", ["s3cret", "s3cret-but-wrong"])
async def test_password_stands_in_no_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, password: str) -> None:
    """A right password opens the server, a wrong one does not, and neither is logged at any level."""
    caplog.set_level(logging.DEBUG)
    port = free_port()
    async with (
        serving(tmp_path / "server", port, "--requirepass", "s3cret"),
        running(tmp_path / "unused", f"redis://:{password}@127.0.0.1:{port}") as datastore,
    ):
        assert datastore.describe().available is (password == "s3cret")
        assert password not in repr(datastore.describe())
    assert f"redis://127.0.0.1:{port}" in caplog.text
    assert "s3cret" not in caplog.text.replace(str(tmp_path), "")


async def test_what_is_no_redis_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An address where something else answers is Redis being away, not a failure of the gateway."""

    async def answer(stream: ByteStream) -> None:
        async with stream:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                await stream.receive()
                await stream.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(await anyio.create_tcp_listener(local_host="127.0.0.1"))
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(listener.serve, answer)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore:
            assert not datastore.describe().available
        group.cancel_scope.cancel()
    assert f"127.0.0.1:{port} is away" in caplog.text


@pytest.mark.slow
async def test_cluster_is_used(tmp_path: Path) -> None:
    """A Cluster answers through its own client; without it calls fail soon; when it is back they do not."""
    port = free_port()
    cluster = ["--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--appendonly", "yes"]
    async with serving(tmp_path / "server", port, *cluster) as process:
        async with Redis(port=port) as node:
            await node.cluster("ADDSLOTSRANGE", 0, 16383)
        url = f"redis+cluster://127.0.0.1:{port},127.0.0.1:1"
        async with running(tmp_path / "unused", url) as datastore:

            async def counts() -> bool:
                with datastore.translated():
                    return int(await datastore.client().incr("{task}n")) > 0

            await wait_until(counts)
            assert datastore.describe().durability == "aof everysec"
            client = datastore.client()
            process.kill()
            with anyio.fail_after(AWAY_LIMIT_S), pytest.raises(RedisUnavailable), datastore.translated():
                await client.get("{task}n")
            await wait_until(lambda: is_away(datastore))
            async with serving(tmp_path / "server", port, *cluster):
                await wait_until(counts)


async def test_node_of_a_cluster_takes_a_cluster_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A single-server address of a Cluster's node is answered with the address that it needs."""
    port = free_port()
    async with (
        serving(tmp_path / "server", port, "--cluster-enabled", "yes", "--cluster-port", str(free_port())),
        running(tmp_path / "unused", f"redis://127.0.0.1:{port}") as datastore,
    ):
        assert datastore.describe().kind == "remote"
    assert "redis+cluster://" in caplog.text


async def test_sentinel_leads_to_the_master(tmp_path: Path) -> None:
    """Of the sentinels named the one that answers is asked for the master, and a silent one costs little time."""
    port, sentinel_port = free_port(), free_port()
    url = f"redis+sentinel://:s3cret@127.0.0.1:1,127.0.0.1:{sentinel_port}/main/2"
    conf = tmp_path / "sentinel.conf"
    conf.write_text(f"sentinel monitor main 127.0.0.1 {port} 1\nsentinel auth-pass main s3cret\n")
    async with (
        serving(tmp_path / "server", port, "--requirepass", "s3cret"),
        serving_sentinel(conf, sentinel_port),
        running(tmp_path / "unused", url) as datastore,
    ):
        await wait_for_answer(datastore)
        await datastore.client().set("key", "value")
        async with Redis(port=port, password="s3cret", db=2) as master:
            assert await master.get("key") == b"value"


@asynccontextmanager
async def serving_sentinel(conf: Path, port: int) -> AsyncIterator[None]:
    command = [str(find_server()), str(conf), "--sentinel", "--port", str(port), "--dir", str(conf.parent)]
    process = await anyio.open_process(command, stdin=None, stdout=None)
    try:
        await wait_until(lambda: accepts(port))
        yield
    finally:
        process.kill()
        await process.aclose()


def test_malformed_url_stops_the_start(tmp_path: Path) -> None:
    """A REDIS_URL that cannot be understood is refused when the datastore is made."""
    with pytest.raises(RedisUrlInvalid, match="REDIS_URL"):
        Datastore(redis_url="localhost:6379", data_dir=tmp_path)


def test_nothing_is_touched_before_the_run(tmp_path: Path) -> None:
    """Making a datastore makes no file and connects nowhere, and until it runs there is no client."""
    datastore = Datastore(redis_url=None, data_dir=tmp_path / "data")
    assert not (tmp_path / "data").exists()
    with pytest.raises(RedisUnavailable):
        datastore.client()
