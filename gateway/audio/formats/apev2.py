"""The tags at the end of a file: APEv1 and APEv2 (Monkey's Audio, WavPack, Musepack, mp3), Lyrics3, ID3v1."""

from .bounded_reader import BeyondHead, BoundedReader
from .id3 import V1_BYTES, read_id3v1
from .tag_fields import (
    ALBUM,
    ARTIST,
    DISC,
    MAX_PICTURE_BYTES,
    MAX_TEXT_BYTES,
    TITLE,
    TRACK,
    FoundTags,
    read_bytes,
)

_MAGIC = b"APETAGEX"
_FOOTER_BYTES = 32
_MAX_ITEMS = 1000
_MAX_KEY_BYTES = 256
_FIELDS = {b"title": TITLE, b"artist": ARTIST, b"album": ALBUM, b"track": TRACK, b"disc": DISC}
_LYRICS_END = b"LYRICS200"
_LYRICS_SIZE_BYTES = 6


def read_end(reader: BoundedReader) -> FoundTags:
    """What the end of a file says: an APE tag and, behind it, an ID3v1 tag, which counts less; Lyrics3 between them."""
    end = reader.size_bytes
    oldest = read_id3v1(reader.peek(end - V1_BYTES, V1_BYTES)) if end > V1_BYTES else FoundTags()
    if end > V1_BYTES and reader.peek(end - V1_BYTES, 3) == b"TAG":
        end -= V1_BYTES
    end = _skip_lyrics(reader, end)
    found = _read_ape(reader, end)
    found.merge(oldest)
    return found


def read_ape_in_front(reader: BoundedReader) -> FoundTags:
    """The APE tag that the bytes begin with, if there is one: a header, and the size of all behind it."""
    is_there = reader.peek(0, len(_MAGIC)) == _MAGIC and reader.size_bytes >= _FOOTER_BYTES
    return _read_ape(reader, _FOOTER_BYTES + reader.number(12, 4, little=True)) if is_there else FoundTags()


def _skip_lyrics(reader: BoundedReader, end: int) -> int:
    """Where a Lyrics3 2.00 tag begins that ends here."""
    marked_bytes = _LYRICS_SIZE_BYTES + len(_LYRICS_END)
    mark = reader.peek(end - marked_bytes, marked_bytes) if end > marked_bytes else b""
    digits = mark[:_LYRICS_SIZE_BYTES]
    if not mark.endswith(_LYRICS_END) or not digits.isdigit():
        return end
    return max(end - marked_bytes - int(digits), 0)


def _read_ape(reader: BoundedReader, end: int) -> FoundTags:
    """The APE tag that ends here, if there is one."""
    found = FoundTags()
    if end < _FOOTER_BYTES or reader.peek(end - _FOOTER_BYTES, len(_MAGIC)) != _MAGIC:
        return found
    footer = reader.since(end - _FOOTER_BYTES)
    version, size, count = (footer.number(at, 4, little=True) for at in (8, 12, 16))
    offset, end = end - size, end - _FOOTER_BYTES
    try:
        for _ in range(min(count, _MAX_ITEMS)):
            if not 0 <= offset < end:
                break
            offset = _read_item(reader, offset, end, found, has_utf8=version >= 2000)
    except BeyondHead:  # the tag is damaged: what was read of it counts
        pass
    return found


def _read_item(reader: BoundedReader, offset: int, end: int, found: FoundTags, *, has_utf8: bool) -> int:
    """Take one item, and tell where the next one begins."""
    size, flags = reader.number(offset, 4, little=True), reader.number(offset + 4, 4, little=True)
    key = reader.peek(offset + 8, _MAX_KEY_BYTES).partition(b"\0")[0]
    start = offset + 8 + len(key) + 1
    key, is_text = key.lower(), not flags & 6
    if start + size > end:
        raise BeyondHead
    if is_text and key in _FIELDS:
        value = reader.at(start, min(size, MAX_TEXT_BYTES))
        found.add(_FIELDS[key], value.decode("utf-8", "replace") if has_utf8 else value)
    elif key.startswith(b"cover art") and size <= MAX_PICTURE_BYTES:
        picture = read_bytes(reader, start, size).partition(b"\0")[2]
        found.add_picture(picture, is_front=key == b"cover art (front)")
    return start + size
