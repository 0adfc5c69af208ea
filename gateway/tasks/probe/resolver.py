"""Names to addresses, without threads: owns pycares.

c-ares has a thread of its own unless its sockets are watched by the event loop, as they are here. It sorts addresses by
a connection to each of them (RFC 6724), of which a name server may send thousands: so they are sorted here, by family.

c-ares reads the files of the system once, when a channel is opened. So a channel is replaced as soon as one of them
has changed; lookups under way go on with the new one. `Channel.reinit` would read them in a thread of c-ares, and call
back from there.
"""

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pycares

QUERY_TIMEOUT_S = 2.0
QUERY_TRIES = 5
TICK_S = 0.5
"""How often timeouts and files are looked at during a lookup."""
DOUBT_S = 1.0
"""How soon after the files were read they may be read again because no name server answers."""
MAX_ADDRESSES = 64
"""Of one name: each may be connected to."""
SYSTEM_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/svc.conf")
"""What c-ares reads."""
_UNSORTED = 1 << 7
"""ARES_AI_NOSORT of ares_getaddrinfo(3), which pycares does not name."""
_NO_ANSWER = frozenset({pycares.errno.ARES_ECONNREFUSED, pycares.errno.ARES_ETIMEOUT})

Addresses = list[tuple[int, str]]
"""(family, address), in the order of preference: the families take turns, IPv6 first (RFC 8305, 4)."""


class NameNotFound(OSError):
    """A name has no address, or no name server answered; the text is c-ares' own."""


class _ChannelClosed(Exception):
    """A lookup was cancelled because its channel was closed."""


class _Channel:
    """c-ares with the files of the system as they were when it was opened, on the running event loop."""

    def __init__(self, name_servers: Sequence[str]) -> None:
        self.files = _describe_files()
        self.opened_at = asyncio.get_running_loop().time()
        self.waiting = 0
        self._watched: set[int] | None = set()
        """The sockets of c-ares; None once the channel is closed."""
        self._cares = pycares.Channel(
            sock_state_cb=self._watch, timeout=QUERY_TIMEOUT_S, tries=QUERY_TRIES, servers=name_servers or None
        )

    @property
    def name_servers(self) -> list[str]:
        """Those that are asked."""
        return self._cares.servers

    async def look_up(self, host: str) -> Addresses:
        """What the hosts file or a name server says of a name, at most `MAX_ADDRESSES`.

        :raises _ChannelClosed: it was closed meanwhile.
        :raises pycares.AresError: (number, text).
        """
        found: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()

        def settle(result: Any, number: int | None) -> None:
            if found.done():
                return
            if number == pycares.errno.ARES_ECANCELLED:
                found.set_exception(_ChannelClosed())
            elif number is not None:
                found.set_exception(pycares.AresError(number, pycares.errno.strerror(number)))
            else:
                found.set_result(_choose_addresses(result.nodes))

        self.waiting += 1
        try:
            self._cares.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=_UNSORTED, callback=settle)
            return await found
        finally:
            self.waiting -= 1

    def tick(self) -> None:
        """Let c-ares see which questions have waited for too long."""
        self._cares.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)

    def close(self) -> None:
        """Cancel all lookups, on the loop: pycares frees the channel in a thread, and c-ares calls back from there."""
        self._cares.cancel()
        loop = asyncio.get_running_loop()
        for number in self._watched or ():
            loop.remove_reader(number)
            loop.remove_writer(number)
        self._watched = None
        self._cares.close()

    def _watch(self, number: int, readable: bool, writable: bool) -> None:  # noqa: FBT001 - called by pycares
        if self._watched is None:
            return
        loop = asyncio.get_running_loop()
        self._watched.add(number)
        if readable:
            loop.add_reader(number, self._cares.process_read_fd, number)
        else:
            loop.remove_reader(number)
        if writable:
            loop.add_writer(number, self._cares.process_write_fd, number)
        else:
            loop.remove_writer(number)
        if not (readable or writable):
            self._watched.discard(number)


class Resolver:
    """Names looked up by c-ares: hosts file, then DNS, both address families.

    `name_servers` ("192.0.2.1:53") are asked instead of the system's.
    """

    def __init__(self, name_servers: Sequence[str] = ()) -> None:
        self._name_servers = name_servers
        self._channel = _Channel(name_servers)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def resolve(self, host: str) -> Addresses:
        """The addresses of `host`, at most `MAX_ADDRESSES`.

        :raises NameNotFound: there is none.
        """
        while not self._closed:
            try:
                channel = self._open_channel()
                self._start_timer()
                addresses = await channel.look_up(host)
            except _ChannelClosed:
                continue
            except pycares.AresError as error:
                if error.args[0] in _NO_ANSWER:
                    self._doubt()
                raise NameNotFound(f"{host}: {error.args[-1]}") from None
            if not addresses:
                raise NameNotFound(f"{host}: no address")
            return addresses
        raise NameNotFound(f"{host}: the gateway stops")

    async def close(self) -> None:
        """End the lookups under way."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._channel.close()

    def _open_channel(self) -> _Channel:
        """A channel that knows the files of the system as they are now."""
        if self._channel.files != _describe_files():
            self._replace(_Channel(self._name_servers))
        return self._channel

    def _doubt(self) -> None:
        """No name server answers: see whether there are others by now."""
        channel = self._channel
        now = asyncio.get_running_loop().time()
        if self._closed or now - channel.opened_at < DOUBT_S:
            return
        fresh = _Channel(self._name_servers)
        if fresh.name_servers == channel.name_servers:
            channel.opened_at = now
            fresh.close()
        else:
            self._replace(fresh)

    def _replace(self, fresh: _Channel) -> None:
        stale, self._channel = self._channel, fresh
        stale.close()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._channel.waiting:
            self._start_timer()
            self._open_channel().tick()


def _describe_files() -> list[tuple[int, ...] | None]:
    """What tells a file that c-ares reads from another version of it; None if it is not there."""
    found: list[tuple[int, ...] | None] = []
    for path in SYSTEM_FILES:
        try:
            status = Path(path).stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return found


def _choose_addresses(nodes: Sequence[Any]) -> Addresses:
    """The first addresses of each family, by turns."""
    families = [[node for node in nodes if node.family == family] for family in (socket.AF_INET6, socket.AF_INET)]
    by_turns = [node for node in chain.from_iterable(zip_longest(*families)) if node is not None]
    return [(node.family, node.addr[0].decode("ascii")) for node in by_turns[:MAX_ADDRESSES]]
