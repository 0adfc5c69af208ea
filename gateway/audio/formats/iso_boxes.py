"""Boxes of ISO base media (ISO/IEC 14496-12, 4.2), as they follow each other and as they nest."""

from collections.abc import Iterator

from .bounded_reader import BoundedReader

_MAX_SIBLINGS = 512


def iterate_boxes(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two offsets as (type, start of the body, end); ends at the first bad one."""
    for _ in range(_MAX_SIBLINGS):
        if offset + 8 > limit:
            return
        size, kind, body = reader.number(offset, 4), reader.at(offset + 4, 4), offset + 8
        if size == 1:
            size, body = reader.number(offset + 8, 8), offset + 16
        end = offset + size if size else limit
        # A media box may be cut short, and what is there still plays; a structure may not.
        if end < body or (end > limit and kind != b"mdat"):
            return
        yield kind, body, end
        offset = end


def find_boxes(reader: BoundedReader, body: int, end: int, *path: bytes) -> Iterator[tuple[int, int]]:
    """The bounds of the bodies of all boxes under a path of types."""
    for name, start, stop in iterate_boxes(reader, body, end):
        if name == path[0]:
            if len(path) == 1:
                yield start, stop
            else:
                yield from find_boxes(reader, start, stop, *path[1:])
