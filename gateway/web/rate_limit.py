"""How often something may happen for each of many keys: token buckets in bounded memory. Pure; knows no clock."""

from collections import OrderedDict


class RateLimiter:
    """So many times at once (`burst`), then one more every `every_s`; for each key on its own.

    Of `max_keys` keys at most it is known; the one that was quiet for longest is forgotten first.
    """

    def __init__(self, *, burst: int, every_s: float, max_keys: int) -> None:
        self._burst = burst
        self._every_s = every_s
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the bucket of a key is full again."""

    def take(self, key: str, now_s: float) -> float:
        """0 if it may happen now, and then it has; else in how many seconds it may."""
        full_at = max(now_s, self._full_at.get(key, now_s))
        wait_s = full_at - now_s - (self._burst - 1) * self._every_s
        if wait_s > 0:
            self._full_at.move_to_end(key)
            return wait_s
        self._full_at[key] = full_at + self._every_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        return len(self._full_at)
