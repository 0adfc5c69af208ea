"""Exponential backoff: what fails is left alone for a while, twice as long each time. No I/O."""

from collections.abc import Hashable
from time import monotonic

MAX_KEYS = 10_000
"""Beyond this the key whose first failure is oldest is forgotten."""


class Backoff:
    """A pause for each key: `first_s` after its first failure, then twice as long each time, at most `max_s`."""

    def __init__(self, *, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._pauses: dict[Hashable, tuple[float, float]] = {}

    def fail(self, key: Hashable) -> float:
        """Begin a pause. Returns its length in seconds."""
        last_s, _ = self._pauses.get(key, (self._first_s / 2, 0.0))
        pause_s = min(2 * last_s, self._max_s)
        self._pauses[key] = pause_s, monotonic() + pause_s
        if len(self._pauses) > MAX_KEYS:
            del self._pauses[next(iter(self._pauses))]
        return pause_s

    def is_paused(self, key: Hashable) -> bool:
        """Whether the pause of a key is not over yet."""
        return key in self._pauses and monotonic() < self._pauses[key][1]

    def forget(self, key: Hashable) -> None:
        """Reset a key that did not fail."""
        self._pauses.pop(key, None)
