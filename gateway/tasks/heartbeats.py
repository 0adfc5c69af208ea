"""Which gateways are dead, told without a clock.

Redis counts the idle time of a claim by the wall clock of its machine. When that is set back by an hour, the claim of a
dead gateway seems new for an hour. So each gateway counts up in Redis whenever it renews its claims, and the others
look as often: a count that stays the same is that of a dead one.
"""

from collections.abc import Mapping


class Heartbeats:
    """The counts of other gateways, as one gateway sees them."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._seen: dict[bytes, tuple[float, int]] = {}

    def look(self, counts: Mapping[bytes, float]) -> list[bytes]:
        """The gateways whose count was the same in the last `looks` looks and is in this one."""
        before, self._seen = self._seen, {}
        for name, count in counts.items():
            last, times = before.get(name, (None, 0))
            self._seen[name] = (count, times + 1 if last == count else 0)
        return [name for name, (_, times) in self._seen.items() if times >= self._looks]
