"""A part of an open file as the body of an answer, read in pieces that grow while the client keeps up.

Few large pieces cost a fraction of the CPU time of many small ones. But the last piece is what a client that stops
reading holds in memory, so a new client begins with a small one.
"""

from collections.abc import AsyncIterator
from time import monotonic
from typing import Protocol

PIECE_BYTES = ((16 * 1024 * 1024, 1024 * 1024), (1024 * 1024, 256 * 1024), (0, 64 * 1024))
"""Pairs: bytes sent since the client last kept the server waiting, and the size of the next piece from then on."""
_WAIT_S = 0.05


class OpenFile(Protocol):
    """A file that stays open until all of it is sent."""

    async def read(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; fewer at the end.

        :raises OSError: the disk fails.
        """


async def read_pieces(file: OpenFile, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes of the file from `start` to before `end`.

    :raises EOFError: the file was cut short meanwhile: the answer must not look whole.
    :raises OSError: the disk fails.
    """
    offset, flowing_bytes = start, 0
    while offset < end:
        count = next(piece_bytes for limit_bytes, piece_bytes in PIECE_BYTES if flowing_bytes >= limit_bytes)
        piece = await file.read(offset, min(count, end - offset))
        if not piece:
            raise EOFError(f"the file of an answer ends at {offset}")
        offset += len(piece)
        given = monotonic()
        yield piece
        flowing_bytes = flowing_bytes + len(piece) if monotonic() - given < _WAIT_S else 0
