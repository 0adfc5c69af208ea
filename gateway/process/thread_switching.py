"""How long the event loop waits for the interpreter's lock (GIL) while a worker thread computes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

INTERVAL_S = 0.001
"""Python's own is 5 ms. A request takes the lock a dozen times: behind a busy thread that adds up to 60 ms."""


@contextmanager
def quick_switching() -> Iterator[None]:
    """Let threads that compute give the lock away after INTERVAL_S, for as long as the block."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before_s)
