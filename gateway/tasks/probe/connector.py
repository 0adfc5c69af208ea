"""Names to connections, without threads: fills two seams of aiohttp.

uvloop asks getaddrinfo in a thread even to connect to an address. Here nothing leaves the event loop.

Every address is judged where its socket is made, and that socket is connected to it: there is no moment in between
at which a name could change its mind.
"""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import aiohttp
from aiohappyeyeballs import start_connection
from aiohttp.client_proto import ResponseHandler

from .address_policy import Policy, refuse_address
from .resolver import Resolver
from .response import ResponseReader
from .tls import make_context

NAME_KEPT_S = 10
RECEIVE_BYTES = 64 * 1024
"""What the kernel takes of an answer before we ask for it; left to itself it would take 6 MB of an endless one."""
HANDSHAKE_S = 3_600
"""No limit: the deadline of a probe is shorter."""
_BEST_ERRORS = (errno.ECONNREFUSED, errno.ETIMEDOUT, errno.ECONNRESET)
"""Of several addresses, what the site said counts before what the network did."""


class AddressBlocked(OSError):
    """The address of a host may not be probed."""


class DirectConnector(aiohttp.TCPConnector):
    """aiohttp's connector: to allowed addresses only, and connected on the loop (uvloop 0.23 sends even an address to
    its threads).

    `name_servers` ("192.0.2.1:53") are asked instead of the system's. TLS is verified against the authorities of the
    system, or of SSL_CERT_FILE. It overrides private methods of aiohttp: tests count the threads and
    read hostile answers, so that a change of these shows.
    """

    def __init__(self, *, policy: Policy, name_servers: Sequence[str] = ()) -> None:
        self._names = Resolver(name_servers)
        super().__init__(
            limit=0,
            ssl=make_context(),
            resolver=self._names,
            ttl_dns_cache=NAME_KEPT_S,
            socket_factory=self._open_socket,
        )
        self._policy = policy
        self._factory = cast("partial[ResponseHandler]", partial(ResponseReader, self._loop))

    async def close(self, *, abort_ssl: bool = False) -> None:
        """Close every connection and end the lookups under way."""
        await super().close(abort_ssl=abort_ssl)
        await self._names.close()

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[aiohttp.AddrInfoType],
        req: aiohttp.ClientRequest,
        timeout: aiohttp.ClientTimeout,  # noqa: ARG002, ASYNC109 - aiohttp's own; the deadline of a probe covers it
        client_error: type[Exception] = aiohttp.ClientConnectorError,
        **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        if kwargs.get("ssl"):
            kwargs["ssl_handshake_timeout"] = HANDSHAKE_S
        try:
            sock = await self._connect(addr_infos)
            return await self._loop.create_connection(*args, **kwargs, sock=sock)
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except OSError as error:
            raise client_error(req.connection_key, error) from error
        finally:
            addr_infos.clear()  # all were tried; aiohttp would try all but the first again, and so on: n²/2 connections

    async def _connect(self, addr_infos: list[aiohttp.AddrInfoType]) -> socket.socket:
        """A socket that is connected to one of the addresses.

        :raises AddressBlocked: none of them may be probed.
        :raises OSError: none of the others could be connected to.
        """
        refusals = [refuse_address(str(where[0]), self._policy) for *_, where in addr_infos]
        allowed = [info for info, refusal in zip(addr_infos, refusals, strict=True) if refusal is None]
        if not allowed:
            raise AddressBlocked(refusals[0])
        loop = _DirectLoop(self._loop)
        try:
            return await start_connection(
                allowed,
                happy_eyeballs_delay=self._happy_eyeballs_delay,
                interleave=self._interleave,
                loop=cast(asyncio.AbstractEventLoop, loop),
                socket_factory=self._socket_factory,
            )
        except OSError as error:
            best = [failed for number in _BEST_ERRORS for failed in loop.errors if failed.errno == number]
            raise next(iter(best or loop.errors), error) from None

    def _open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, where = address
        refusal = refuse_address(str(where[0]), self._policy)
        if refusal is not None:
            raise AddressBlocked(refusal)
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return sock


class _DirectLoop:
    """The one method of an event loop that aiohappyeyeballs calls; `errors` are those of each connection tried."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.errors: list[OSError] = []

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
            error = OSError(code, os.strerror(code))
            self.errors.append(error)
            raise error


def _settle(connected: asyncio.Future[None]) -> None:
    if not connected.done():
        connected.set_result(None)
