"""Tags and cover of WMA: the descriptions in the header of Advanced Systems Format 1.2 (3.10, 3.11, 4.8)."""

from collections.abc import Iterator
from contextlib import suppress

from .bounded_reader import BeyondHead, BoundedReader
from .tag_fields import (
    ALBUM,
    ARTIST,
    DISC,
    FRONT_COVER,
    MAX_PICTURE_BYTES,
    MAX_TEXT_BYTES,
    TITLE,
    TRACK,
    FoundTags,
    read_bytes,
)

_DESCRIPTION = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c")
_MORE = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_LIBRARY = bytes.fromhex("941c23449894d149a1411d134e457054")
_HEADER_BYTES, _OBJECT_BYTES, _EXTENSION_BYTES = 30, 24, 46
_MAX_OBJECTS = 256
_TEXT, _BINARY = 0, 1
_NUMBERS = {3, 4, 5}
_FIELDS = {
    "Title": TITLE, "Author": ARTIST, "WM/AlbumTitle": ALBUM, "WM/TrackNumber": TRACK, "WM/Track": TRACK,
    "WM/PartOfSet": DISC,
}  # fmt: skip
_PICTURE = "WM/Picture"
_PICTURE_HEAD_BYTES = 5


def read_asf_tags(reader: BoundedReader) -> FoundTags:
    """What the objects of the header say. `WM/Track` is older than `WM/TrackNumber` and counts from 0."""
    found = FoundTags()
    with suppress(BeyondHead):  # the file is cut short: what was read counts
        for kind, start, end in _list_objects(reader, _HEADER_BYTES, reader.number(16, 8, little=True)):
            if kind == _DESCRIPTION:
                _take_description(reader, start, found)
            elif kind == _MORE:
                _take_more(reader, start, end, found)
            elif kind == _EXTENSION:
                for inner, at, to in _list_objects(reader, start - _OBJECT_BYTES + _EXTENSION_BYTES, end):
                    if inner == _LIBRARY:
                        _take_library(reader, at, to, found)
    return found


def _list_objects(reader: BoundedReader, offset: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Identity, start and end of each object between two offsets."""
    for _ in range(_MAX_OBJECTS):
        if offset + _OBJECT_BYTES > min(end, reader.size_bytes):
            return
        size = reader.number(offset + 16, 8, little=True)
        if size < _OBJECT_BYTES:
            return
        yield reader.at(offset, 16), offset + _OBJECT_BYTES, offset + size
        offset += size


def _take_description(reader: BoundedReader, start: int, found: FoundTags) -> None:
    title_bytes, author_bytes = (reader.number(start + at, 2, little=True) for at in (0, 2))
    found.add(TITLE, _read_text(reader, start + 10, title_bytes))
    found.add(ARTIST, _read_text(reader, start + 10 + title_bytes, author_bytes))


def _take_more(reader: BoundedReader, start: int, end: int, found: FoundTags) -> None:
    offset = start + 2
    for _ in range(reader.number(start, 2, little=True)):
        name_bytes = reader.number(offset, 2, little=True)
        name, offset = _read_text(reader, offset + 2, name_bytes), offset + 2 + name_bytes
        kind, size = (reader.number(offset + at, 2, little=True) for at in (0, 2))
        offset += 4
        if offset + size > end:
            return
        _take_value(reader, name.rstrip("\0"), kind, offset, size, found)
        offset += size


def _take_library(reader: BoundedReader, start: int, end: int, found: FoundTags) -> None:
    offset = start + 2
    for _ in range(reader.number(start, 2, little=True)):
        name_bytes, kind = (reader.number(offset + at, 2, little=True) for at in (4, 6))
        size, offset = reader.number(offset + 8, 4, little=True), offset + 12
        name, offset = _read_text(reader, offset, name_bytes), offset + name_bytes
        if offset + size > end:
            return
        _take_value(reader, name.rstrip("\0"), kind, offset, size, found)
        offset += size


def _take_value(reader: BoundedReader, name: str, kind: int, start: int, size: int, found: FoundTags) -> None:
    if name in _FIELDS and kind == _TEXT:
        found.add(_FIELDS[name], _read_text(reader, start, size))
    elif name in _FIELDS and kind in _NUMBERS and size <= 8:
        found.add(_FIELDS[name], str(reader.number(start, size, little=True) + (name == "WM/Track")))
    elif name == _PICTURE and kind == _BINARY and _PICTURE_HEAD_BYTES < size <= MAX_PICTURE_BYTES:
        block = read_bytes(reader, start, size)
        picture_bytes = int.from_bytes(block[1:_PICTURE_HEAD_BYTES], "little")
        if picture_bytes < size:  # in front of it stand its media type and its description
            found.add_picture(block[size - picture_bytes :], is_front=block[0] == FRONT_COVER)


def _read_text(reader: BoundedReader, start: int, size: int) -> str:
    return reader.at(start, min(size, MAX_TEXT_BYTES) & ~1).decode("utf-16-le", "replace")
