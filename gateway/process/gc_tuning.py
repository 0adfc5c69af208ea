"""How often Python looks for circular garbage while the gateway serves: process-wide, so it stands alone.

By default it looks after every 700 new objects (2,000 from Python 3.13 on) and walks all of them again and again; the
imports alone are 150,000. That was 25 % of the CPU of a fresh URL (on 3.11). Longer walks than these cost no less, but
hold the event loop: with 10,000 new objects at a time for up to 117 ms under load, with 50,000 for 172 ms.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (4_000, 5, 200)
"""New objects before a look at the young, such looks before one at the middle-aged, those before one at all.

The last is the long one, 154 ms with 1,700 connections, and finds little: neither a connection nor a request leaves
circles behind (http1, exchange), but for the pages that are being made.
"""


@contextmanager
def tuned_gc() -> Iterator[None]:
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
