"""The start of the shutdown, known at the first signal.

An ASGI server ends the lifespan only after the last response, for which it waits up to its graceful timeout. Endless
responses (an event stream, `Prefer: wait`) have to know before. The signal handlers of the server stay in force: each
is called after the one installed here.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import anyio

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether the shutdown has begun: `begun`, or `wait` for it."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    @property
    def begun(self) -> bool:
        """Whether the shutdown has begun."""
        return self._event.is_set()

    def begin(self) -> None:
        """Begin the shutdown."""
        self._event.set()

    async def wait(self) -> None:
        """Return when the shutdown begins."""
        await self._event.wait()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Begin at the first SIGTERM or SIGINT, at the latest at the end of the block.

        Only the main thread can handle signals; in another the end of the block decides.
        """
        loop = asyncio.get_running_loop()
        handlers = {number: signal.getsignal(number) for number in SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.begin)
            handler = handlers[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)

        with suppress(ValueError):  # raised outside the main thread
            for number in SIGNALS:
                signal.signal(number, note)
        try:
            yield
        finally:
            self.begin()
            for number, handler in handlers.items():
                if signal.getsignal(number) is note:
                    signal.signal(number, handler)
