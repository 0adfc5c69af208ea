"""Names where /etc is this test's own: run by `test_names` in a mount namespace, with a folder over /etc.

Its name servers are on ports of loopback: c-ares takes `nameserver [127.0.0.1]:5353` in resolv.conf.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.tasks.probe.resolver import NameNotFound, Resolver
from tests.nameserver import NameServer, Reply

pytestmark = pytest.mark.anyio

CONF = Path("/etc/resolv.conf")
HOSTS = Path("/etc/hosts")
FIRST, SECOND = "127.0.0.1", "127.0.0.2"


@pytest.fixture(autouse=True)
def _own_files() -> Iterator[None]:
    """No resolv.conf, an empty hosts file."""
    for path in Path("/etc").glob("resolv*"):
        path.unlink()
    HOSTS.write_text("")
    yield


def name(server: NameServer, more: str = "") -> str:
    """A resolv.conf with this server."""
    host, _, port = server.address.partition(":")
    return f"nameserver [{host}]:{port}\n{more}"


def make_server(address: str, *names: str) -> NameServer:
    """A name server for which each of these names leads to one address."""
    return NameServer({each: Reply([address]) for each in names or ("site.test",)})


async def ask(resolver: Resolver, host: str = "site.test") -> list[str]:
    """The addresses of a name, or the end in words."""
    try:
        return [address for _, address in await resolver.resolve(host)]
    except NameNotFound as error:
        return [str(error)]


@pytest.mark.parametrize("start", [None, "", "# nothing\n", "nameserver\n", "\x00\xff"])
async def test_written_later(start: str | None) -> None:
    """A resolv.conf that is missing, empty or spoilt at the start counts once it is written."""
    if start is not None:
        CONF.write_text(start)
    resolver = Resolver()
    assert await ask(resolver) != [FIRST]
    async with make_server(FIRST) as server:
        CONF.write_text(name(server))
        assert await ask(resolver) == [FIRST]
    await resolver.close()


async def test_changed() -> None:
    """The server moved: written anew, replaced by a rename, by a link, by another target of the link, or its target."""
    resolver = Resolver()
    async with make_server(FIRST) as first, make_server(SECOND) as second:
        texts = {FIRST: name(first), SECOND: name(second)}
        targets = {address: CONF.with_name(f"resolv.{number}") for number, address in enumerate(texts)}
        for address, target in targets.items():
            target.write_text(texts[address])

        def write(address: str) -> None:
            CONF.write_text(texts[address])

        def rename(address: str) -> None:
            new = CONF.with_name("resolv.new")
            new.write_text(texts[address])
            new.replace(CONF)

        def link(address: str) -> None:
            CONF.unlink()
            CONF.symlink_to(targets[address].name)

        for step in (write, rename, link):
            for address in (FIRST, SECOND, FIRST):
                step(address)
                assert await ask(resolver) == [address], (step, address)
        targets[FIRST].write_text(texts[SECOND])
        assert await ask(resolver) == [SECOND]
        CONF.unlink()
        assert await ask(resolver) not in ([FIRST], [SECOND])
    await resolver.close()


async def test_lookups_under_way() -> None:
    """A lookup that waits for a server that is gone goes on with the new one."""
    async with NameServer({"site.test": Reply(silent=True)}) as silent, make_server(SECOND) as good:
        CONF.write_text(name(silent))
        resolver = Resolver()
        lookups = [asyncio.create_task(ask(resolver)) for _ in range(20)]
        await asyncio.sleep(0.1)
        CONF.write_text(name(good))
        async with asyncio.timeout(5):
            assert await asyncio.gather(*lookups) == [[SECOND]] * 20
    await resolver.close()


async def test_change_that_no_time_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing tells that a file has changed, name servers that do not answer have it read again."""
    monkeypatch.setattr("gateway.tasks.probe.resolver.SYSTEM_FILES", ())
    monkeypatch.setattr("gateway.tasks.probe.resolver.DOUBT_S", 0.0)
    async with make_server(FIRST) as first, make_server(SECOND) as second:
        CONF.write_text(name(first))
        resolver = Resolver()
        assert await ask(resolver) == [FIRST]
        await first.__aexit__(None, None, None)
        CONF.write_text(name(second))
        async with asyncio.timeout(5):
            while await ask(resolver) != [SECOND]:
                pass
    await resolver.close()


async def test_hosts_file() -> None:
    """A name in the hosts file is found at once, also where the file is older than the one before."""
    resolver = Resolver()
    async with make_server(FIRST, "other.test") as server:
        CONF.write_text(name(server))
        assert await ask(resolver) != [SECOND]
        for text, found in ((f"{SECOND} site.test\n", SECOND), (f"{FIRST} site.test\n", FIRST)):
            new = HOSTS.with_name("hosts.new")
            new.write_text(text)
            os.utime(new, (1_000_000_000, 1_000_000_000))
            new.replace(HOSTS)
            assert await ask(resolver) == [found]
    await resolver.close()


async def test_search() -> None:
    """Search domains and ndots are read anew too."""
    resolver = Resolver()
    async with make_server(FIRST, "site.a.test", "site.sub.b.test") as server:
        CONF.write_text(name(server, "search a.test\n"))
        assert await ask(resolver, "site") == [FIRST]
        assert await ask(resolver, "site.sub") != [FIRST]
        CONF.write_text(name(server, "search b.test\noptions ndots:2\n"))
        assert await ask(resolver, "site.sub") == [FIRST]
        assert await ask(resolver, "site") != [FIRST]
        assert server.asked["site.sub.b.test", 1]
    await resolver.close()
