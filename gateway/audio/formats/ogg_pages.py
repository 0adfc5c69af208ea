"""Pages of Ogg (RFC 3533, 6), one by one or all that follow a place."""

from collections.abc import Iterator
from dataclasses import dataclass

from .bounded_reader import MAX_LOOK_BYTES, BoundedReader

MAGIC = b"OggS"
BEGINS = 2
MAX_PAGE_BYTES = 27 + 255 + 255 * 255
_HEADER_BYTES = 27 + 255


@dataclass(frozen=True)
class Page:
    """A header: where the body is, and how many packets end in it. `granule` is -1 where none does."""

    flags: int
    granule: int
    serial: int
    body: int
    end: int
    packets: int


def read_page(reader: BoundedReader, offset: int) -> Page | None:
    """The page at an offset, or None if there is none; raises as `BoundedReader.at`."""
    header = reader.at(offset, 27)
    return _parse_header(header + reader.at(offset + 27, header[26]), offset)


def iterate_pages(reader: BoundedReader, offset: int) -> Iterator[tuple[Page, bytes]]:
    """The pages that follow each other from an offset on, each with the first bytes of its body; ends with the last.

    :raises ReadLimitReached: the budget of this check is spent.
    """
    data, start = b"", offset
    while True:
        at = offset - start
        if at < 0 or at + _HEADER_BYTES + 256 > len(data):
            data, start, at = reader.peek(offset, MAX_LOOK_BYTES), offset, 0
        header = data[at : at + _HEADER_BYTES]
        page = _parse_header(header, offset) if len(header) >= 27 else None
        if page is None:
            return
        yield page, data[page.body - start : min(page.end - start, page.body - start + 256)]
        offset = page.end


def _parse_header(header: bytes, offset: int) -> Page | None:
    if header[:5] != MAGIC + b"\0" or len(header) < 27 + header[26]:
        return None
    lacing = header[27 : 27 + header[26]]
    body = offset + 27 + len(lacing)
    granule = int.from_bytes(header[6:14], "little", signed=True)
    serial = int.from_bytes(header[14:18], "little")
    packets = len(lacing) - lacing.count(255)
    return Page(header[5], granule, serial, body, body + sum(lacing), packets)
