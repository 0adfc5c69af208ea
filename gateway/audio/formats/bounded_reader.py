"""A bounded look at bytes: what every structural check reads through, and what it may answer.

The same check serves the first bytes of an upload and the finished file. Over the first bytes `BeyondHead` means
that only the rest can tell; over a whole file it means that the structure points past the end. Nothing here
knows any format.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_LOOKS = 10_000
"""How often one check may look, so that no size field of a stranger makes a loop."""
MAX_READS = 1_000
"""How often one check may go to the file, a cold disk in mind."""
MAX_LOOK_BYTES = 128 * 1024
"""How much one look may take."""
ENDLESS = 1 << 62
"""The size of a file whose end is not known yet."""
MAX_DURATION_S = 10 * 365 * 86_400
_WINDOW_BYTES = 4096
_STEP_BYTES = MAX_LOOK_BYTES - 1024


class BeyondHead(Exception):
    """The bytes asked for lie past the end of what there is."""


class ReadLimitReached(Exception):
    """The check looked too often or at too much: no honest file needs that."""


@dataclass(frozen=True)
class AudioType:
    """What a check found: the content type, and the length where the structure tells it.

    `sound_bytes` is how much of the file is sound, without tags and pictures, where that is known.
    """

    content_type: str
    duration_s: float | None = None
    sound_bytes: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None

    @property
    def bit_rate_bps(self) -> float | None:
        """The average of the sound, without tags and pictures."""
        return self.sound_bytes * 8 / self.duration_s if self.sound_bytes and self.duration_s else None


def is_plausible(duration_s: float | None) -> bool:
    """Whether a file can be so long; a longer one is a lie of its header."""
    return duration_s is not None and math.isfinite(duration_s) and 0 <= duration_s <= MAX_DURATION_S


class _Source:
    """A file, the last window read from it, and what may still be spent on it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._looks = MAX_LOOKS
        self._reads = MAX_READS
        self._window = b""
        self._window_start = 0

    def peek(self, offset: int, count: int) -> bytes:
        """At most `count` bytes: what there is of them."""
        self._looks -= 1
        if self._looks < 0 or count > MAX_LOOK_BYTES:
            raise ReadLimitReached
        start = offset - self._window_start
        if start < 0 or start + count > len(self._window):
            self._fill(offset, max(count, _WINDOW_BYTES))
            start = 0
        return self._window[start : start + count]

    def _fill(self, offset: int, count: int) -> None:
        self._reads -= 1
        if self._reads < 0:
            raise ReadLimitReached
        self._file.seek(offset)
        self._window = self._file.read(count)
        self._window_start = offset


class BoundedReader:
    """Bytes by offset, from the start of a structure to `size_bytes` (`ENDLESS` over a mere head)."""

    def __init__(self, source: _Source, start: int, size_bytes: int) -> None:
        self._source = source
        self._start = start
        self.size_bytes = size_bytes

    @classmethod
    def over(cls, file: BinaryIO, size_bytes: int) -> "BoundedReader":
        """A reader of a whole file with a fresh budget."""
        return cls(_Source(file), 0, size_bytes)

    @property
    def is_whole(self) -> bool:
        """Whether the end of the file is known; it is not over a mere head."""
        return self.size_bytes < ENDLESS // 2

    def until(self, end: int) -> "BoundedReader":
        """The same bytes on the same budget, as if they ended at an offset."""
        return BoundedReader(self._source, self._start, min(self.size_bytes, end))

    def since(self, offset: int) -> "BoundedReader":
        """The same bytes on the same budget, counted from `offset` on."""
        return BoundedReader(self._source, self._start + offset, max(self.size_bytes - offset, 0))

    def at(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes.

        :raises BeyondHead: they are not all there.
        :raises ReadLimitReached: the budget of this check is spent.
        """
        if offset < 0 or offset + count > self.size_bytes:
            raise BeyondHead
        data = self._source.peek(self._start + offset, count)
        if len(data) < count:
            raise BeyondHead
        return data

    def peek(self, offset: int, count: int) -> bytes:
        """At most `count` bytes: what there is of them.

        :raises ReadLimitReached: the budget of this check is spent.
        """
        count = min(count, self.size_bytes - offset)
        return self._source.peek(self._start + offset, count) if count > 0 else b""

    def find_last(self, pattern: bytes, *, within_bytes: int) -> Iterator[int]:
        """Where a pattern occurs, from the end backwards, in at most so many of the last bytes.

        :raises ReadLimitReached: the budget of this check is spent.
        """
        stop = self.size_bytes
        floor = max(stop - within_bytes, 0)
        while stop > floor:
            start = max(stop - _STEP_BYTES, floor)
            data = self.peek(start, min(stop + len(pattern) - 1, self.size_bytes) - start)
            at = data.rfind(pattern)
            while at >= 0:
                yield start + at
                at = data.rfind(pattern, 0, at + len(pattern) - 1)
            stop = start

    def number(self, offset: int, count: int, *, little: bool = False) -> int:
        """An unsigned integer of `count` bytes, big-endian unless `little`; raises as `at` does."""
        return int.from_bytes(self.at(offset, count), "little" if little else "big")


Check = Callable[[BoundedReader], AudioType | None]
"""A structure, from its magic number on -> its type, or None where it is not the audio it claims to be.

May raise `BeyondHead` and `ReadLimitReached`, and nothing else.
"""
