"""Rate limits: token buckets for many keys, in bounded memory. Pure; knows no clock."""

from collections import OrderedDict


class RateLimiter:
    """For each key `burst` tokens at once, then one every `every_s`; bounded to the latest `max_keys` keys."""

    def __init__(self, *, burst: int, every_s: float, max_keys: int) -> None:
        self._burst = burst
        self._every_s = every_s
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When the bucket of each key is full again."""

    def take(self, key: str, now_s: float) -> float:
        """Take a token: 0.0, or the seconds until there is one."""
        full_at = max(now_s, self._full_at.get(key, now_s))
        wait_s = full_at - now_s - (self._burst - 1) * self._every_s
        if wait_s <= 0:
            self._full_at[key] = full_at + self._every_s
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._max_keys:
            self._full_at.popitem(last=False)
        return max(wait_s, 0.0)

    def __len__(self) -> int:
        return len(self._full_at)
