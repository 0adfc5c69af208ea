"""Deadlines that count only while the event loop runs.

After a SIGSTOP, a suspended machine or a call that blocked the loop, every timer is due at once, before the loop reads
the bytes that have arrived meanwhile. So a deadline that has passed expires only after the loop has run freely for
`_GRACE_S` more.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

import anyio

_GRACE_S = 0.5
"""Within this time bytes that have arrived reach their reader."""
_LATE_S = 0.1
"""A timer that fires later than this shows that the loop was blocked."""


class Deadline:
    """Calls `expire` after `delay_s` and the grace period, unless it is cancelled before."""

    def __init__(self, delay_s: float, expire: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._expire: Callable[[], object] | None = expire
        self._timer = self._loop.call_later(delay_s, self._start_grace)

    def cancel(self) -> None:
        """Never expire."""
        self._timer.cancel()
        self._expire = None  # avoids a reference cycle

    def _start_grace(self) -> None:
        ends_at = self._loop.time() + _GRACE_S
        self._timer = self._loop.call_at(ends_at, self._end_grace, ends_at)

    def _end_grace(self, ends_at: float) -> None:
        if self._loop.time() - ends_at > _LATE_S:
            self._start_grace()
        elif self._expire:
            self._expire()


class DeadlineScope:
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


def move_on_after(delay_s: float) -> DeadlineScope:
    """`anyio.move_on_after` with such a deadline."""
    return DeadlineScope(delay_s)


@contextmanager
def fail_after(delay_s: float) -> Iterator[None]:
    """`anyio.fail_after` with such a deadline.

    :raises TimeoutError: the deadline has expired.
    """
    with move_on_after(delay_s) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError


class Timeout:
    """One deadline for several `async with` blocks in a row; `cancel` it after the last. Cheaper than a cancel scope.

    :raises TimeoutError: the deadline expires in a block, or has expired before it.
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
