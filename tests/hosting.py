"""What the servers of the tests have in common: each connection is a coroutine, and all end with their server."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any


def listen(hosts: Sequence[str]) -> list[socket.socket]:
    """Listeners on all of these addresses, on one port that is free on each of them."""
    while True:
        with ExitStack() as stack:
            port, listeners = 0, []
            try:
                for host in hosts:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    listener = socket.create_server((host, port), family=family, backlog=4096)
                    listeners.append(stack.enter_context(listener))
                    port = listener.getsockname()[1]
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                stack.pop_all()
                return listeners


class Host:
    """A server over streams. A subclass opens it in `__aenter__`, and says in `_converse` what a connection does."""

    async def _open(self, listeners: Iterable[socket.socket], tls: ssl.SSLContext | None = None) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers = [await asyncio.start_server(self._serve, sock=listener, ssl=tls) for listener in listeners]

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def await_nobody(self) -> None:
        """Return once all that was sent to it is read, and each connection has ended: its clients are gone."""
        await asyncio.sleep(0.05)  # for those that are not accepted yet
        while self._tasks:
            await asyncio.sleep(0.01)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.create_task(work))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, OSError, RuntimeError, asyncio.CancelledError):
            pass  # uvloop raises a RuntimeError where the peer is gone
        finally:
            writer.transport.abort()
