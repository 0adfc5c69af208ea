"""Names to connections, without threads: uvloop asks getaddrinfo in a thread even to connect to an address.

Every address is judged where its socket is made, and that socket is connected to it: no other lookup of the name comes
in between (SSRF by DNS rebinding).
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, TypeVar, cast

from aiohappyeyeballs import AddrInfoType, start_connection

from .address_policy import Policy, refuse_address
from .name_cache import NameCache
from .resolver import Addresses, Resolver
from .tls import make_context

RECEIVE_BYTES = 64 * 1024
"""How much of an answer the kernel buffers; by default it would take 6 MB of an endless one."""
HANDSHAKE_S = 3_600
"""No limit: the deadline of a probe is shorter."""
ADDRESS_DELAY_S = (0.1, 0.25)
"""How long an address has before the next is tried beside it, at least and at most (RFC 8305, 5 and 8)."""
ALL_ADDRESSES_S = 2.0
"""How soon all addresses of a name are tried, as far as the delay allows."""
MAX_TRIES = 8
"""How many addresses of a name are tried at the same time; the one that has been tried for longest is given up."""
_BEST_ERRORS = (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ECONNRESET, errno.EHOSTUNREACH)
"""If no address of a name can be connected to, the first of these errors is raised: the site's before the network's."""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class AddressBlocked(OSError):
    """The address of a host may not be probed."""


class Connector:
    """Connects to addresses that `policy` allows, on the event loop.

    `name_servers` ("192.0.2.1:53") are asked instead of the system's. TLS is verified against the authorities of the
    system, or of SSL_CERT_FILE.
    """

    def __init__(self, *, policy: Policy, name_servers: Sequence[str] = ()) -> None:
        self._policy = policy
        self._resolver = Resolver(name_servers)
        self._names = NameCache(self._resolver.resolve)
        self._tls = make_context()

    async def connect(self, host: str, port: int, *, tls: bool, protocol: Callable[[], P]) -> P:
        """A protocol that is connected to a name or an address.

        :raises NameNotFound: the name has no address.
        :raises AddressBlocked: none of the addresses may be probed.
        :raises ssl.SSLError: no TLS, or a certificate that is not trusted.
        :raises OSError: none of the addresses could be connected to.
        """
        sock = await self._open(await self._find_addresses(host), port)
        _, connected = await asyncio.get_running_loop().create_connection(
            protocol,
            sock=sock,
            ssl=self._tls if tls else None,
            server_hostname=host.rstrip(".") if tls else None,
            ssl_handshake_timeout=HANDSHAKE_S if tls else None,
        )
        return connected

    async def close(self) -> None:
        """End the lookups under way."""
        await self._resolver.close()

    async def _find_addresses(self, host: str) -> Addresses:
        try:
            address = ip_address(host)
        except ValueError:
            return await self._names.resolve(host)
        return [(socket.AF_INET if address.version == 4 else socket.AF_INET6, host)]

    async def _open(self, addresses: Addresses, port: int) -> socket.socket:
        """A socket that is connected to one of the addresses."""
        refusals = [refuse_address(address, self._policy) for _, address in addresses]
        allowed = [
            _make_info(*address, port) for address, refusal in zip(addresses, refusals, strict=True) if refusal is None
        ]
        if not allowed:
            raise AddressBlocked(refusals[0])
        loop = _DirectLoop(asyncio.get_running_loop())
        least_s, most_s = ADDRESS_DELAY_S
        try:
            return await start_connection(
                allowed,
                happy_eyeballs_delay=max(least_s, min(most_s, ALL_ADDRESSES_S / len(allowed))),
                interleave=1,
                loop=cast(asyncio.AbstractEventLoop, loop),
                socket_factory=self._make_socket,
            )
        except OSError as error:
            best = [failed for number in _BEST_ERRORS for failed in loop.errors if failed.errno == number]
            raise next(iter(best or loop.errors), error) from None

    def _make_socket(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        refusal = refuse_address(str(where[0]), self._policy)
        if refusal is not None:
            raise AddressBlocked(refusal)
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return sock


def _make_info(family: int, address: str, port: int) -> AddrInfoType:
    where: Any = (address, port) if family == socket.AF_INET else (address, port, 0, 0)
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", where


class _DirectLoop:
    """The one method of an event loop that aiohappyeyeballs calls; `errors` are those of each connection tried."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tries: list[asyncio.Future[None]] = []
        self.errors: list[OSError] = []

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket that does not block to an address that needs no resolving.

        :raises OSError: as `connect(2)` has it; ETIMEDOUT when it was given up for another address.
        """
        code = sock.connect_ex(address)
        if code in (errno.EINPROGRESS, errno.EAGAIN, errno.EINTR):
            await self._wait_connected(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            error = OSError(code, os.strerror(code))
            self.errors.append(error)
            raise error

    async def _wait_connected(self, sock: socket.socket) -> None:
        """Return once the connection is there or has failed.

        :raises TimeoutError: it was given up for another address.
        """
        connected: asyncio.Future[None] = self._loop.create_future()
        self._tries.append(connected)
        if len(self._tries) > MAX_TRIES:
            _give_up(self._tries[0])
        self._loop.add_writer(sock, _settle, connected)
        try:
            await connected
        finally:
            self._tries.remove(connected)
            self._loop.remove_writer(sock)


def _settle(connected: asyncio.Future[None]) -> None:
    if not connected.done():
        connected.set_result(None)


def _give_up(connected: asyncio.Future[None]) -> None:
    if not connected.done():
        connected.set_exception(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
