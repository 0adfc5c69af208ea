"""Deadlines that count only while the event loop runs.

After a SIGSTOP, a suspended machine or a call that blocked the loop, every timer is due at once, before the loop reads
the bytes that have arrived meanwhile. So a deadline that has passed expires only after the loop has run freely for
`_GRACE_S` more.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from types import TracebackType

import anyio

_GRACE_S = 0.5
"""Within this time bytes that have arrived reach their reader."""
_LATE_S = 0.1
"""A timer that fires later than this shows that the loop was blocked."""
_TICK_S = 0.1


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


class Deadlines:
    """The deadlines of many `asyncio.timeout(None)` blocks, with one timer, as thousands of timers a second are dear.

    They expire up to `_TICK_S` later. `time` is the clock of their ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time
        self._ends: dict[asyncio.Timeout, float] = {}
        self._held_at = -inf
        self._ticking = False

    def start(self, block: asyncio.Timeout, ends_at: float) -> None:
        """Let a block raise TimeoutError once its end and the grace period have passed, unless `stop` is called."""
        self._ends[block] = ends_at
        if not self._ticking:
            self._ticking = True
            self._tick_later()

    def stop(self, block: asyncio.Timeout) -> None:
        """Let the block be; to be called in the block, or right behind it."""
        self._ends.pop(block, None)

    def _tick_later(self) -> None:
        due = self._loop.time() + _TICK_S
        self._loop.call_at(due, self._tick, due)

    def _tick(self, due: float) -> None:
        now = self._loop.time()
        if now - due > _LATE_S:
            self._held_at = now
        if now - self._held_at >= _GRACE_S:
            for block in [block for block, ends_at in self._ends.items() if ends_at + _GRACE_S <= now]:
                del self._ends[block]
                block.reschedule(0)
        self._ticking = bool(self._ends)
        if self._ticking:
            self._tick_later()
