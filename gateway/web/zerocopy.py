"""Bytes of a file that the system takes to a socket by itself: sendfile(2), past the transport of an event loop.

500 MB take a bit more than half of the time that reading and writing them in pieces of 1 MiB took, and a slow listener
holds no piece in memory (`bench/download_flask.py`). uvloop has no `sendfile`, and the one of asyncio waits for the
disk in the event loop; here a thread does.
"""

import asyncio
import errno
import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing

import anyio

from gateway.process.deadline import fail_after

from .file_span import FileSpan

EXTENSION = "http.response.zerocopysend"
"""The extension of ASGI by which an application hands a part of a file to its server, and the type of that message.

`file`, `offset` and `count` are always given, and `more_body` is always true.
"""
AVAILABLE = hasattr(os, "sendfile")
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EOVERFLOW}
"""What sendfile says of a file system that has no such thing."""
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}
_THREADS = 16


class FileSender:
    """Sends files to peers. `idle_timeout_s` is the idle timeout of a peer.

    A hanging disk holds up 16 threads and the files that wait for one of them, but never the event loop.
    """

    def __init__(self, *, idle_timeout_s: float) -> None:
        self._idle_timeout_s = idle_timeout_s
        self._threads = ThreadPoolExecutor(_THREADS, "file-sender")

    async def send(self, writer: asyncio.StreamWriter, span: FileSpan) -> None:
        """The whole span, after what was written before it; `writer` has no TLS.

        :raises ConnectionError: the peer is gone.
        :raises TimeoutError: in the idle time it took too little for its socket to have room again (`sockets`).
        :raises EOFError: the file is shorter.
        :raises OSError: the disk fails.
        """
        await self._flush(writer)
        try:
            transfer = _Transfer(writer.get_extra_info("socket").fileno(), span.file.fileno(), self._threads)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR:
                raise
            await self._copy(writer, span)  # an answer that has begun must not end for want of a descriptor
            return
        offset, end = span.offset, span.offset + span.count
        with closing(transfer):
            while offset < end:
                sent = await transfer.send(offset, end - offset)
                if sent is None:
                    await self._copy(writer, FileSpan(span.file, offset, end - offset))
                    return
                offset += sent
                if offset < end:  # the system has taken what it can, in most cases
                    with fail_after(self._idle_timeout_s):
                        await anyio.wait_writable(transfer.peer)

    async def _copy(self, writer: asyncio.StreamWriter, span: FileSpan) -> None:
        """What cannot be sent is read and written."""
        async for data in span.read():
            writer.write(data)
            await self._flush(writer)

    async def _flush(self, writer: asyncio.StreamWriter) -> None:
        """Leave nothing in the transport, so that others may write to its socket."""
        if not writer.transport.is_closing():
            writer.transport.set_write_buffer_limits(0)
            with fail_after(self._idle_timeout_s):
                await writer.drain()
        if writer.transport.is_closing():
            raise ConnectionResetError("the connection is closed")


class _Transfer:
    """A socket and a file, by duplicated descriptors that are closed once no thread uses them.

    The waiting request may be cancelled and its connection closed while the thread works: the numbers of the
    descriptors would soon be those of another file and another connection.
    """

    def __init__(self, peer: int, file: int, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._call: Future[int] | None = None
        with ExitStack() as opened:
            self.peer = os.dup(peer)
            opened.callback(os.close, self.peer)
            self._file = os.dup(file)
            opened.callback(os.close, self._file)
            self._opened = opened.pop_all()

    async def send(self, offset: int, count: int) -> int | None:
        """How many bytes the socket has taken, perhaps none; None: the system does not send such a file.

        :raises EOFError: the file has nothing at `offset`.
        :raises OSError: the disk fails, or the peer is gone.
        """
        self._call = future = self._threads.submit(_send, self.peer, self._file, offset, count)
        try:
            return await asyncio.wrap_future(future)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return None
            raise
        finally:  # what it raised holds this frame, and it would hold what it raised
            if future.done():
                self._call = None
            del future

    def close(self) -> None:
        """Close both, now or when the thread is done."""
        opened = self._opened
        if self._call is None:
            opened.close()
        else:
            self._call.add_done_callback(lambda _: opened.close())


def _send(peer: int, file: int, offset: int, count: int) -> int:
    try:
        sent = os.sendfile(peer, file, offset, count)
    except BlockingIOError:
        return 0
    if not sent:
        raise EOFError(f"the file of an answer ends at {offset}")
    return sent
