"""When the process is asked to end: known at once, while the server still waits for its connections.

An ASGI server tells an application so only after every answer is out, for which it waits up to its graceful timeout.
Answers without an end of their own (an event stream, a `Prefer: wait`) have to know before that. The handlers that
the server has set for the signals stay in force: an event loop hears of a signal through its wake-up descriptor
(`signal.set_wakeup_fd`), whatever Python function handles it.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import anyio

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether the end has begun. `wait` for it, or look at `begun`."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    @property
    def begun(self) -> bool:
        """Whether the process has been asked to end."""
        return self._event.is_set()

    def begin(self) -> None:
        """Let everything that waits end."""
        self._event.set()

    async def wait(self) -> None:
        """Return when the end begins."""
        await self._event.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Begin at the first SIGTERM or SIGINT, and at the end of the block at the latest.

        Outside the main thread there are no signals to be had, and the end of the block is all.
        """
        loop = asyncio.get_running_loop()
        held: dict[int, Any] = {}

        def note(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.begin)
            before = held[number]
            if callable(before):
                before(number, frame)

        try:
            for number in SIGNALS:
                held[number] = signal.getsignal(number)
                signal.signal(number, note)
        except ValueError:
            held.clear()
        try:
            yield
        finally:
            self.begin()
            for noted, before in held.items():
                if signal.getsignal(noted) is note:
                    signal.signal(noted, before)
