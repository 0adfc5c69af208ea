"""Elements of EBML (RFC 8794), as they follow each other."""

from collections.abc import Iterator

from .bounded_reader import BeyondHead, BoundedReader

_MAX_SIBLINGS = 512


def read_element(reader: BoundedReader, offset: int, limit: int) -> tuple[int, int, int]:
    """One element as (identity, start of the body, end); an unknown size runs to the limit."""
    head = reader.at(offset, 1) + reader.peek(offset + 1, 11)
    width = 9 - head[0].bit_length()
    if width > 4:
        return 0, offset, offset
    identity, rest = int.from_bytes(head[:width], "big"), head[width:]
    size_width = 9 - rest[0].bit_length() if rest else 1
    if size_width > 8:
        return 0, offset, offset
    if len(rest) < size_width:
        raise BeyondHead
    mask = (1 << 7 * size_width) - 1
    size = int.from_bytes(rest[:size_width], "big") & mask
    body = offset + width + size_width
    return identity, body, limit if size == mask else body + size


def list_elements(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """The elements from an offset on, each as `read_element` gives it."""
    for _ in range(_MAX_SIBLINGS):
        if offset >= limit:
            return
        element = read_element(reader, offset, limit)
        if not element[0]:
            return
        yield element
        offset = element[2]


def find_elements(reader: BoundedReader, body: int, end: int, identity: int) -> Iterator[tuple[int, int]]:
    """The bounds of the bodies of all elements of an identity."""
    return ((start, stop) for kind, start, stop in list_elements(reader, body, end) if kind == identity)
