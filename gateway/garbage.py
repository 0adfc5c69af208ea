"""How often Python looks for circular garbage while the gateway serves: process-wide, so it stands alone.

By default it looks after every 700 new objects (2,000 from Python 3.13 on) and walks all of them again and again; the
imports alone are 150,000. That was 25 % of the CPU of a fresh URL (on 3.11). Longer walks than these cost no less, but
hold the event loop: with 50,000 objects at a time for up to 172 ms while 100,000 URLs were waiting, with these numbers
for 64.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (10_000, 5, 20)
"""New objects before a look at the young, such looks before one at the middle-aged, those before one at all.

The last bounds the garbage that is found late: a million objects, about 100 MiB."""


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
