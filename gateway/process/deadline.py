"""Deadlines that count only while the event loop runs: a process that was paused has not been kept waiting.

After a SIGSTOP, a suspended machine or a call that held the loop, every timer is due at once, before the bytes are
looked at that lie in the sockets meanwhile. So a deadline that has passed is followed by a look: it expires only if the
loop was free for all of that time and nothing came.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import anyio

LOOK_S = 0.5
"""How long the loop must have been free before a deadline expires: what has arrived reaches its reader in that time."""
_LATE_S = 0.1
"""A look that ends later than that was none: the loop was held."""


class Deadline:
    """Calls `expire` after `delay_s` and a look, unless it is cancelled before."""

    def __init__(self, delay_s: float, expire: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expire: Callable[[], object] | None = expire
        self._timer = self._loop.call_later(delay_s, self._look)

    def cancel(self) -> None:
        """Never expire."""
        self._timer.cancel()
        self._expire = None  # it may lead back to this

    def _look(self) -> None:
        ends_at = self._loop.time() + LOOK_S
        self._timer = self._loop.call_at(ends_at, self._decide, ends_at)

    def _decide(self, ends_at: float) -> None:
        if self._loop.time() - ends_at > _LATE_S:
            self._look()
        elif self._expire:
            self._expire()


class Scope:
    """A block that is cancelled, and left, once its deadline expires."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._scope = anyio.CancelScope()

    def __enter__(self) -> anyio.CancelScope:
        self._deadline = Deadline(self._delay_s, self._scope.cancel)
        return self._scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._deadline.cancel()
        return self._scope.__exit__(kind, error, trace)


def move_on_after(delay_s: float) -> Scope:
    """As that of anyio."""
    return Scope(delay_s)


@contextmanager
def fail_after(delay_s: float) -> Iterator[None]:
    """As that of anyio.

    :raises TimeoutError: the deadline has expired.
    """
    with move_on_after(delay_s) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError


class Timeout:
    """One deadline for several blocks, each `async with` it, one after the other. To be cancelled behind the last.

    It costs less than a scope of anyio.

    :raises TimeoutError: the deadline expires in this block, or has expired before it.
    """

    def __init__(self, delay_s: float) -> None:
        self._block: asyncio.Timeout | None = None
        self._expired = False
        self._deadline = Deadline(delay_s, self._expire)

    def cancel(self) -> None:
        """Never expire."""
        self._deadline.cancel()

    async def __aenter__(self) -> None:
        self._block = asyncio.timeout(0 if self._expired else None)
        await self._block.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        block, self._block = self._block, None
        if block is not None:
            await block.__aexit__(kind, error, trace)

    def _expire(self) -> None:
        self._expired = True
        if self._block is not None:
            self._block.reschedule(0)
