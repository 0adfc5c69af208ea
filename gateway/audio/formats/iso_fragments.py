"""The length of fragmented ISO base media, whose header does not tell it: recordings of browsers, DASH."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .bounded_reader import BoundedReader
from .iso_boxes import find_boxes, iterate_boxes

_TAIL_BYTES = 8 * 1024 * 1024
_MAX_ENTRIES = 8192


@dataclass(frozen=True)
class _Fragment:
    """The samples of one track in one `moof`: where they begin, where that is told, and their length, in its units."""

    start: int | None
    length: int


def measure_fragments(
    reader: BoundedReader, moov: tuple[int, int], identity: int, timescale: int, stated_s: float
) -> tuple[float | None, int | None]:
    """The seconds of a track to the end of its last fragment, or the sum of all; and the bytes of all media.

    `stated_s` is what `moov` (its bounds) has by itself. A recording need not begin at 0. Raises as `BoundedReader.at`.
    """
    default = _read_default(reader, *moov, identity)

    def read(moofs: Iterable[tuple[int, int]]) -> Iterator[_Fragment]:
        return (found for moof in moofs for found in _read_fragments(reader, *moof, identity, default))

    moofs, media_bytes, whole = _list_fragments(reader)
    first = next(read(moofs), None)
    if first is None or not timescale:
        return stated_s or None, media_bytes
    if first.start is None:
        length = sum(fragment.length for fragment in read(moofs)) if whole else 0
        return stated_s + length / timescale if length else None, media_bytes
    start = 0 if stated_s else first.start
    for fragment in read(reversed(moofs) if whole else _search_moofs(reader)):
        if fragment.start is not None:
            return (fragment.start + fragment.length - start) / timescale, media_bytes
    return None, media_bytes


def list_tracks(reader: BoundedReader) -> set[int]:
    """The tracks that the fragments have samples of. Raises as `BoundedReader.at`."""
    return {
        reader.number(at + 4, 4)
        for moof in find_boxes(reader, 0, reader.size_bytes, b"moof")
        for traf in find_boxes(reader, *moof, b"traf")
        for at, _ in find_boxes(reader, *traf, b"tfhd")
    }


def _list_fragments(reader: BoundedReader) -> tuple[list[tuple[int, int]], int | None, bool]:
    """The bounds of fragments in order, about the bytes of all media, and whether these are all fragments."""
    moofs, media_bytes, reached = [], 0, 0
    for kind, start, stop in iterate_boxes(reader, 0, reader.size_bytes):
        reached = stop
        if kind == b"moof":
            moofs.append((start, stop))
        elif kind == b"mdat":
            media_bytes += min(stop, reader.size_bytes) - start
    whole = reached + 8 > reader.size_bytes
    if not whole:  # as much of the rest as of what was seen
        media_bytes = media_bytes * reader.size_bytes // reached if reached else 0
    return moofs, media_bytes or None, whole


def _search_moofs(reader: BoundedReader) -> Iterator[tuple[int, int]]:
    """What looks like a fragment near the end, backwards."""
    for at in reader.find_last(b"moof", within_bytes=_TAIL_BYTES):
        size = reader.number(at - 4, 4)
        if 8 < size <= reader.size_bytes - at + 4 and reader.at(at + 8, 4) == b"mfhd":
            yield at + 4, at - 4 + size


def _read_default(reader: BoundedReader, body: int, end: int, identity: int) -> int:
    """The length of a sample where a fragment does not tell it (`trex`)."""
    for start, _ in find_boxes(reader, body, end, b"mvex", b"trex"):
        if reader.number(start + 4, 4) == identity:
            return reader.number(start + 12, 4)
    return 0


def _read_fragments(reader: BoundedReader, body: int, end: int, identity: int, default: int) -> Iterator[_Fragment]:
    for traf in find_boxes(reader, body, end, b"traf"):
        start, length, default_here, ours = None, 0, default, False
        for kind, at, stop in iterate_boxes(reader, *traf):
            if kind == b"tfhd":
                flags = reader.number(at + 1, 3)
                ours = reader.number(at + 4, 4) == identity
                if flags & 8:
                    default_here = reader.number(at + 8 + (8 if flags & 1 else 0) + (4 if flags & 2 else 0), 4)
            elif kind == b"tfdt":
                start = reader.number(at + 4, 8 if reader.number(at, 1) == 1 else 4)
            elif kind == b"trun":
                length += _read_run(reader, at, stop, default_here)
        if ours:
            yield _Fragment(start, length)


def _read_run(reader: BoundedReader, body: int, end: int, default: int) -> int:
    """The length of the samples of a `trun` (8.8.8)."""
    flags, count = reader.number(body + 1, 3), reader.number(body + 4, 4)
    if not flags & 0x100:
        return count * default
    width = sum(4 for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit)
    table = body + 8 + (4 if flags & 1 else 0) + (4 if flags & 4 else 0)
    count = min(count, (end - table) // width, _MAX_ENTRIES)
    entries = struct.unpack(f">{count * width // 4}I", reader.at(table, count * width))
    return sum(entries[:: width // 4])
