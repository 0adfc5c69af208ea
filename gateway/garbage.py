"""How often Python looks for circular garbage while the gateway serves: process-wide, so it stands alone.

By default it looks after every 700 new objects and walks all of them again and again; the imports alone are 150,000.
That was 25 % of the CPU of a fresh URL (104 µs, now 64), and it holds the event loop while it lasts.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (50_000, 20, 20)
"""New objects before a look at the young, such looks before one at the middle-aged, those before one at all."""


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Leave what is there by now out of every collection, and collect by `THRESHOLDS`, as long as the block."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
