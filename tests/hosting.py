"""What the servers of the tests have in common: each connection is a coroutine, and all end with their server."""

import asyncio
import socket
import ssl
from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any


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
