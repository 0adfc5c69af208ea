"""A bounded look at bytes: what every structural check reads through, and what it may answer.

The same check serves the first bytes of an upload and the finished file. Over the first bytes `BeyondHead` means
that only the rest can tell; over a whole file it means that the structure points past the end. Nothing here
knows any format.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

MAX_LOOKS = 10_000
"""How often one check may look, so that no size field of a stranger makes a loop (measured: under 10 ms)."""
MAX_READS = 1_000
"""How often one check may go to the file, a cold disk in mind."""
MAX_LOOK_BYTES = 128 * 1024
"""How much one look may take."""
ENDLESS = 1 << 62
"""The size of a file whose end is not known yet."""
_WINDOW_BYTES = 4096


class BeyondHead(Exception):
    """The bytes asked for lie past the end of what there is."""


class ReadLimitReached(Exception):
    """The check looked too often or at too much: no honest file needs that."""


@dataclass(frozen=True)
class AudioType:
    """What a check found: the content type, and the length where the structure tells it."""

    content_type: str
    duration_s: float | None = None


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

    def number(self, offset: int, count: int, *, little: bool = False) -> int:
        """An unsigned integer of `count` bytes, big-endian unless `little`; raises as `at` does."""
        return int.from_bytes(self.at(offset, count), "little" if little else "big")


Check = Callable[[BoundedReader], AudioType | None]
"""A structure, from its magic number on -> its type, or None where it is not the audio it claims to be.

May raise `BeyondHead` and `ReadLimitReached`, and nothing else.
"""
