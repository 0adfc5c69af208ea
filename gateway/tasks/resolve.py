"""Names to addresses and addresses to connections, without threads: owns aiodns, and fills two seams of aiohttp.

aiohttp's own resolver runs getaddrinfo in threads (60 lookups of 100 ms took 1.0 s; c-ares: 100 in 0.13 s), aiodns
lets c-ares run a thread of its own unless its sockets are watched by the loop, and uvloop asks getaddrinfo in a
thread even to connect to an address. Here nothing leaves the event loop.
"""

import asyncio
import errno
import os
import socket
import ssl
from typing import Any, cast

import aiodns
import aiohttp
import pycares
from aiohappyeyeballs import start_connection
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

QUERY_TIMEOUT_S = 2.0
QUERY_TRIES = 3


class NameNotFound(OSError):
    """A name has no address, or no name server answered; the text is c-ares' own."""


class _LoopResolver(aiodns.DNSResolver):
    """aiodns on the loop alone: the branch it keeps for machines where c-ares has no thread."""

    def _make_channel(self, **kwargs: Any) -> tuple[bool, pycares.Channel]:
        channel = pycares.Channel(
            sock_state_cb=self._sock_state_cb, timeout=QUERY_TIMEOUT_S, tries=QUERY_TRIES, **kwargs
        )
        return False, channel


class DirectConnector(aiohttp.TCPConnector):
    """aiohttp's connector, but for how a socket is connected: uvloop 0.23 sends even an address to its threads.

    It stands in for a private method, so a test counts the threads, should that method change its name.
    """

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[aiohttp.AddrInfoType],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002, ASYNC109 - aiohttp's own; the deadline of a probe covers it
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        try:
            sock = await start_connection(
                addr_infos,
                happy_eyeballs_delay=self._happy_eyeballs_delay,
                interleave=self._interleave,
                loop=cast(asyncio.AbstractEventLoop, _DirectLoop(self._loop)),
                socket_factory=self._socket_factory,
            )
            return await self._loop.create_connection(*args, **kwargs, sock=sock)
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            raise client_error(req.connection_key, error) from error


class _DirectLoop:
    """The one method of an event loop that aiohappyeyeballs calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect a socket that does not block to an address that needs no resolving.

        :raises OSError: as `connect(2)` has it.
        """
        code = sock.connect_ex(address)
        if code in (errno.EINPROGRESS, errno.EAGAIN, errno.EINTR):
            connected: asyncio.Future[None] = self._loop.create_future()
            self._loop.add_writer(sock, _settle, connected)
            try:
                await connected
            finally:
                self._loop.remove_writer(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))


def _settle(connected: asyncio.Future[None]) -> None:
    if not connected.done():
        connected.set_result(None)


class Resolver(AbstractResolver):
    """aiohttp's resolver over c-ares: hosts file, then DNS, both address families."""

    def __init__(self) -> None:
        self._dns = _LoopResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`.

        :raises NameNotFound: there is none.
        """
        try:
            found = await self._dns.getaddrinfo(
                host, port=port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
            )
        except aiodns.error.DNSError as error:
            raise NameNotFound(f"{host}: {error.args[-1]}") from None
        results = [
            _result(host, node.addr[0].decode("ascii"), port, socket.AddressFamily(node.family)) for node in found.nodes
        ]
        if not results:
            raise NameNotFound(f"{host}: no address")
        return results

    async def close(self) -> None:
        """End the lookups under way."""
        await self._dns.close()


def _result(hostname: str, address: str, port: int, family: socket.AddressFamily) -> ResolveResult:
    return ResolveResult(
        hostname=hostname,
        host=address,
        port=port,
        family=family,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
