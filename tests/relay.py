"""A road to a server that can break: a TCP relay that cuts connections where the test says."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream


class Relay:
    """Carries bytes both ways; `cuts` are how many bytes of a client pass before its connection is reset.

    One number a connection that sends so many, in order; after the last one nothing is cut any more. The server gets
    what passed and sees an end: a reset would throw away what it has not read. A new `target_port` is that of the
    next connections.
    """

    def __init__(self, target_port: int, cuts: Iterable[int] = ()) -> None:
        self.url = ""
        self.sent_bytes = 0
        self.connections = 0
        self.cuts = list(cuts)
        self.target_port = target_port
        self.delay_s = 0.0
        """How long each piece from the server is on its way."""
        self._clients: set[SocketStream] = set()

    async def cut(self) -> None:
        """Reset all connections that are open."""
        for client in list(self._clients):
            _prepare_reset(client)
            await client.aclose()

    async def carry(self, client: SocketStream) -> None:
        """One connection, until an end closes it or it is cut."""
        self.connections += 1
        self._clients.add(client)  # to be cut also while there is no way on
        async with client:
            with suppress(OSError):
                server = await anyio.connect_tcp("127.0.0.1", self.target_port)
                await self._join(client, server)
        self._clients.discard(client)

    async def _join(self, client: SocketStream, server: SocketStream) -> None:
        async with server, anyio.create_task_group() as group:
            group.start_soon(self._pass_up, client, server, group.cancel_scope)
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                async for data in server:
                    await anyio.sleep(self.delay_s)
                    await client.send(data)
            group.cancel_scope.cancel()

    async def _pass_up(self, client: SocketStream, server: SocketStream, connection: anyio.CancelScope) -> None:
        passed_bytes = 0
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for data in client:
                passed_bytes += len(data)
                self.sent_bytes += len(data)
                await server.send(data)
                if self.cuts and passed_bytes >= self.cuts[0]:
                    self.cuts.pop(0)
                    _prepare_reset(client)
                    break
        connection.cancel()


def _prepare_reset(client: SocketStream) -> None:
    """Let the end of a connection be an RST, unless it has ended already (the browser closed it)."""
    raw = client.extra(SocketAttribute.raw_socket)
    if raw.fileno() != -1:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@asynccontextmanager
async def relaying(target_port: int, *cuts: int) -> AsyncIterator[Relay]:
    """A relay to a port of loopback, for as long as the block."""
    relay = Relay(target_port, cuts)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        relay.url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        async with anyio.create_task_group() as group:
            group.start_soon(listener.serve, relay.carry)
            try:
                yield relay
            finally:
                group.cancel_scope.cancel()
