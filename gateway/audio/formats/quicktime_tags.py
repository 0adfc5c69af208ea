"""Texts of QuickTime in a mov or mp4 file: those of its user data, and those under keys of their own names (`mdta`)."""

from collections.abc import Iterator

from .bounded_reader import BoundedReader
from .iso_boxes import find_boxes, iterate_boxes
from .tag_fields import ALBUM, ARTIST, DISC, MAX_TEXT_BYTES, TITLE, TRACK, FoundTags

_USER_TEXTS = {b"\xa9nam": TITLE, b"\xa9ART": ARTIST, b"\xa9alb": ALBUM, b"\xa9trk": TRACK}
_KEYS = {b"title": TITLE, b"artist": ARTIST, b"album": ALBUM, b"track": TRACK, b"disc": DISC}
"""The last words of keys; Apple writes `com.apple.quicktime.title`."""
_MAX_KEYS = 256


def read_quicktime_tags(reader: BoundedReader) -> FoundTags:
    """The texts of `udta` and of `meta` in the `moov` of a file."""
    found = FoundTags()
    for body, end in find_boxes(reader, 0, reader.size_bytes, b"moov"):
        for path in ((b"meta",), (b"udta", b"meta")):
            for start, stop in find_boxes(reader, body, end, *path):
                _take_keyed_texts(reader, start, stop, found)
        for start, stop in find_boxes(reader, body, end, b"udta"):
            for kind, at, _ in iterate_boxes(reader, start, stop):
                if kind in _USER_TEXTS:  # a size and a language, and then the text
                    found.add(_USER_TEXTS[kind], reader.peek(at + 4, min(reader.number(at, 2), MAX_TEXT_BYTES)))
    return found


def _take_keyed_texts(reader: BoundedReader, body: int, end: int, found: FoundTags) -> None:
    """The items of `ilst`, each named by the number of its key."""
    if reader.peek(body, 4) == bytes(4):  # the version that only mp4 has
        body += 4
    names = [name for start, stop in find_boxes(reader, body, end, b"keys") for name in _read_keys(reader, start, stop)]
    if not names:
        return
    for start, stop in find_boxes(reader, body, end, b"ilst"):
        for kind, at, item_end in iterate_boxes(reader, start, stop):
            number = int.from_bytes(kind, "big")
            for text, text_end in find_boxes(reader, at, item_end, b"data"):
                if number <= len(names):
                    value = reader.peek(text + 8, min(text_end - text - 8, MAX_TEXT_BYTES))
                    found.add(_KEYS.get(names[number - 1].rpartition(b".")[2]), value)


def _read_keys(reader: BoundedReader, body: int, end: int) -> Iterator[bytes]:
    """The names of the keys, in the order of their numbers from 1 on."""
    offset = body + 8
    for _ in range(min(reader.number(body + 4, 4), _MAX_KEYS)):
        size = reader.number(offset, 4)
        if size < 8 or offset + size > end:
            return
        yield reader.peek(offset + 8, min(size - 8, MAX_TEXT_BYTES))
        offset += size
