"""Standard output and error without blocking: a reader that stops reading holds up neither requests nor SIGTERM.

A terminal stopped by Ctrl-S, a full pipe and a hung disk make write(2) wait, and the event loop with it. So a thread
writes, and what it has no room for is dropped and counted.
"""

import atexit
import io
import os
import select
import sys
import threading
import time
from contextlib import suppress

LIMIT_BYTES = 1024 * 1024
"""How much waits for its reader: some seconds of a full access log."""
PIECE_BYTES = 64 * 1024
DRAIN_S = 1.0
"""How long the end of the process waits for the last lines."""


class LogStream(io.TextIOBase):
    """A text stream, in UTF-8 whatever the locale, over a file descriptor. `write` and `flush` never wait."""

    def __init__(self, descriptor: int, limit_bytes: int = LIMIT_BYTES) -> None:
        self._descriptor = descriptor
        self._limit_bytes = limit_bytes
        self._waiting = bytearray()
        self._dropped = 0
        self._news = threading.Event()
        threading.Thread(target=self._run, name=f"log-{descriptor}", daemon=True).start()

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """The descriptor under it."""
        return self._descriptor

    def write(self, text: str) -> int:
        """Take all of a text, or drop it and count it where no room is left."""
        data = text.encode("utf-8", "backslashreplace")
        if len(self._waiting) + len(data) > self._limit_bytes:
            self._dropped += 1
        else:
            self._waiting += data
            self._news.set()
        return len(text)

    def take_dropped(self) -> int:
        """How many texts were dropped since the last call; 0 until there is room again."""
        if not self._dropped or len(self._waiting) > self._limit_bytes // 2:
            return 0
        dropped, self._dropped = self._dropped, 0
        return dropped

    def drain(self, wait_s: float = DRAIN_S) -> None:
        """Return when all is written, and after `wait_s` in any case."""
        deadline = time.monotonic() + wait_s
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.005)

    def _run(self) -> None:
        while self._news.wait():
            self._news.clear()
            while piece := bytes(self._waiting[:PIECE_BYTES]):
                del self._waiting[: self._write(piece)]

    def _write(self, piece: bytes) -> int:
        """How many bytes are done with."""
        try:
            return os.write(self._descriptor, piece)
        except BlockingIOError:  # another program has made the terminal non-blocking
            select.select((), (self._descriptor,), (), 1.0)
            return 0
        except OSError:  # the reader is gone
            return len(piece)


def unblock_standard_streams() -> None:
    """Make `sys.stdout` and `sys.stderr` streams that never block, until the process ends."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # None: it was closed at the start
            with suppress(OSError):
                stream.flush()
                setattr(sys, name, LogStream(stream.fileno()))
    atexit.register(drain_standard_streams)


def drain_standard_streams() -> None:
    """Have the last lines written, if their reader takes them within `DRAIN_S`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, LogStream):
            stream.drain()
