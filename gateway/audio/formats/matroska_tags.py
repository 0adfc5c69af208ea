"""Tags and cover of Matroska and WebM (RFC 9559, 5.1.6 and 5.1.8). The seek head finds those behind the sound."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from .bounded_reader import BeyondHead, BoundedReader
from .ebml_elements import list_elements, read_element
from .tag_fields import ALBUM, ARTIST, DISC, MAX_PICTURE_BYTES, MAX_TEXT_BYTES, TITLE, TRACK, FoundTags, read_bytes

_SEGMENT, _SEEK_HEAD, _SEEK, _SEEK_POSITION = 0x18538067, 0x114D9B74, 0x4DBB, 0x53AC
_CLUSTER, _INFO, _INFO_TITLE, _TAGS, _ATTACHMENTS = 0x1F43B675, 0x1549A966, 0x7BA9, 0x1254C367, 0x1941A469
_TAG, _TARGETS, _TARGET_LEVEL, _SIMPLE_TAG, _NAME, _STRING = 0x7373, 0x63C0, 0x68CA, 0x67C8, 0x45A3, 0x4487
_FILE, _FILE_NAME, _MEDIA_TYPE, _FILE_DATA = 0x61A7, 0x466E, 0x4660, 0x465C
_PART_LEVEL, _ALBUM_LEVEL = 40, 50
"""A part is a disc, or a side of one."""
_MAX_SEEKS = 64
_NAMES = {
    "TITLE": TITLE, "ARTIST": ARTIST, "ALBUM": ALBUM,
    "PART_NUMBER": TRACK, "TRACKNUMBER": TRACK, "TRACK": TRACK, "DISCNUMBER": DISC, "DISC": DISC,
}  # fmt: skip


@dataclass
class _Levels:
    """What the tags of each level say. Those that tell none, or are about a set of albums, count last."""

    track: FoundTags = field(default_factory=FoundTags)
    part: FoundTags = field(default_factory=FoundTags)
    album: FoundTags = field(default_factory=FoundTags)
    others: FoundTags = field(default_factory=FoundTags)

    def choose(self, level: int | None) -> FoundTags:
        """Where the tags of a level are kept."""
        if level is None or level > _ALBUM_LEVEL:
            return self.others
        return {_ALBUM_LEVEL: self.album, _PART_LEVEL: self.part}.get(level, self.track)

    def merge(self) -> FoundTags:
        """All in one. `PART_NUMBER` is the number of the level in that above it: of a part, or of an album, a disc."""
        found, track, album = FoundTags(), self.track, self.album
        if TRACK in self.part.fields:
            found.fields[DISC] = self.part.fields[TRACK]
        elif TRACK in track.fields and TRACK in album.fields:
            album.fields.setdefault(DISC, album.fields[TRACK])
        album.merge(self.others)
        if TITLE in track.fields and TITLE in album.fields:  # that of the album then
            album.fields.setdefault(ALBUM, album.fields.pop(TITLE))
        found.merge(track)
        found.merge(album)
        return found


def read_matroska_tags(reader: BoundedReader) -> FoundTags:
    """What the tags say of the track, then of the album, and the picture attached."""
    _, _, end = read_element(reader, 0, reader.size_bytes)
    segment, body, limit = read_element(reader, end, reader.size_bytes)
    levels, pictures, title = _Levels(), FoundTags(), b""
    with suppress(BeyondHead):  # the file is cut short: what was read counts
        for kind, start, stop in _list_parts(reader, body, limit) if segment == _SEGMENT else ():
            if kind == _INFO:
                title = _read_text(reader, start, stop, _INFO_TITLE)
            elif kind == _TAGS:
                _take_tags(reader, start, stop, levels)
            elif kind == _ATTACHMENTS:
                _take_pictures(reader, start, stop, pictures)
    found = levels.merge()
    found.merge(pictures)
    found.add(TITLE, title.decode("utf-8", "replace"))
    return found


def _list_parts(reader: BoundedReader, body: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """The elements of the segment before its first cluster, and those that a seek head tells to stand behind it."""
    seen, seeks = set[int](), list[int]()
    for kind, start, stop in list_elements(reader, body, limit):
        if kind == _CLUSTER:
            break
        seen.add(start)
        if kind == _SEEK_HEAD:
            seeks += _list_seeks(reader, start, stop)
        yield kind, start, stop
    for position in islice(seeks, _MAX_SEEKS):
        if not 0 <= position < limit - body:
            continue
        kind, start, stop = read_element(reader, body + position, limit)
        if start not in seen and kind in {_TAGS, _ATTACHMENTS, _SEEK_HEAD, _INFO}:
            seen.add(start)
            if kind == _SEEK_HEAD:
                seeks += _list_seeks(reader, start, stop)
            yield kind, start, stop


def _list_seeks(reader: BoundedReader, body: int, end: int) -> list[int]:
    positions = [
        reader.number(start, stop - start)
        for kind, at, to in list_elements(reader, body, end)
        if kind == _SEEK
        for inner, start, stop in list_elements(reader, at, to)
        if inner == _SEEK_POSITION and stop - start <= 8
    ]
    return positions[:_MAX_SEEKS]


def _take_tags(reader: BoundedReader, body: int, end: int, levels: _Levels) -> None:
    for kind, start, stop in list_elements(reader, body, end):
        if kind == _TAG:
            _take_simple_tags(reader, start, stop, levels.choose(_read_level(reader, start, stop)))


def _read_level(reader: BoundedReader, body: int, end: int) -> int | None:
    """What a tag is about: 50 the album, 40 a part, 30 the track (RFC 9559, 5.1.8.1.1.1); None: it is not told."""
    for kind, at, to in list_elements(reader, body, end):
        if kind == _TARGETS:
            for inner, start, stop in list_elements(reader, at, to):
                if inner == _TARGET_LEVEL and 0 < stop - start <= 8:
                    return reader.number(start, stop - start)
    return None


def _take_simple_tags(reader: BoundedReader, body: int, end: int, found: FoundTags) -> None:
    for kind, start, stop in list_elements(reader, body, end):
        if kind == _SIMPLE_TAG:
            name = _read_text(reader, start, stop, _NAME).decode("utf-8", "replace").upper()
            found.add(_NAMES.get(name), _read_text(reader, start, stop, _STRING).decode("utf-8", "replace"))


def _take_pictures(reader: BoundedReader, body: int, end: int, found: FoundTags) -> None:
    for kind, at, to in list_elements(reader, body, end):
        if kind != _FILE or not _read_text(reader, at, to, _MEDIA_TYPE).startswith(b"image/"):
            continue
        is_front = _read_text(reader, at, to, _FILE_NAME).lower().startswith(b"cover")
        for inner, start, stop in list_elements(reader, at, to):
            if inner == _FILE_DATA and stop - start <= MAX_PICTURE_BYTES:
                found.add_picture(read_bytes(reader, start, stop - start), is_front=is_front)


def _read_text(reader: BoundedReader, body: int, end: int, identity: int) -> bytes:
    """The start of the first element of an identity; nothing where there is none."""
    for kind, start, stop in list_elements(reader, body, end):
        if kind == identity:
            return reader.at(start, min(stop - start, MAX_TEXT_BYTES))
    return b""
