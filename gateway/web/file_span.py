"""A part of an open file as the body of an answer: what a view yields where it would yield bytes.

Who passes it on has the system take the bytes from the file to the socket where that can be had (`zerocopy`), and
reads them in pieces where it cannot.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

PIECE_BYTES = 1024 * 1024
"""What is handed to a server, or read, at once at most: what was sent is counted by it."""
_READ_PIECES = ((16 * 1024 * 1024, PIECE_BYTES), (1024 * 1024, 256 * 1024), (0, 64 * 1024))
"""How much is read at once, once so much went without a wait: the more a peer takes, the more it is given.

A piece that is read is what a slow listener holds in memory, and has to take within the idle time.
"""
_WAIT_S = 0.05


class OpenFile(Protocol):
    """A file that stays open until its whole span is sent."""

    def fileno(self) -> int:
        """Its descriptor."""

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end.

        :raises OSError: the disk fails.
        """


@dataclass(frozen=True, slots=True)
class FileSpan:
    """`count` bytes of `file` from `offset` on."""

    file: OpenFile
    offset: int
    count: int

    def __len__(self) -> int:  # h11 counts the body by it
        return self.count

    def cut(self) -> Iterator["FileSpan"]:
        """The same in pieces, in order."""
        end = self.offset + self.count
        for offset in range(self.offset, end, PIECE_BYTES):
            yield FileSpan(self.file, offset, min(PIECE_BYTES, end - offset))

    async def read(self) -> AsyncIterator[bytes]:
        """The same as bytes, in pieces that grow while the client keeps up.

        :raises EOFError: the file was cut short meanwhile: the answer must not look whole.
        :raises OSError: the disk fails.
        """
        offset, end, flowing_bytes = self.offset, self.offset + self.count, 0
        while offset < end:
            count = next(piece_bytes for limit_bytes, piece_bytes in _READ_PIECES if flowing_bytes >= limit_bytes)
            piece = await self.file.read(offset, min(count, end - offset))
            if not piece:
                raise EOFError(f"the file of an answer ends at {offset}")
            offset += len(piece)
            given = monotonic()
            yield piece
            flowing_bytes = flowing_bytes + len(piece) if monotonic() - given < _WAIT_S else 0
