"""ID3v1 and ID3v2.2 to 2.4 (id3.org): title, artist, album, numbers of track and disc, and picture.

Frames are walked by their sizes, so that none is read that is not wanted, however large it is.
"""

import zlib
from collections.abc import Iterator
from io import BytesIO

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

V1_BYTES = 128
_HEADER_BYTES = 10
_IN_A_ROW = 4
_MAX_FRAMES = 2000
_MAX_WHOLE_BYTES = 8 * 1024 * 1024
_FIELDS = {
    b"TIT2": TITLE, b"TPE1": ARTIST, b"TALB": ALBUM, b"TRCK": TRACK, b"TPOS": DISC,
    b"TT2": TITLE, b"TP1": ARTIST, b"TAL": ALBUM, b"TRK": TRACK, b"TPA": DISC,
}  # fmt: skip
_UNSYNCHRONISED, _EXTENDED, _FOOTER = 0x80, 0x40, 0x10
_GROUPED, _COMPRESSED, _ENCRYPTED, _FRAME_UNSYNCHRONISED, _LENGTH = 0x40, 0x08, 0x04, 0x02, 0x01
"""Flags of a frame of 2.4; those of 2.3 are brought to these."""


def read_id3v2(reader: BoundedReader) -> tuple[FoundTags, int]:
    """What the tags at the start say, the first before the others, and where the sound behind them begins."""
    found, offset = FoundTags(), 0
    for _ in range(_IN_A_ROW):
        header = reader.peek(offset, _HEADER_BYTES)
        if len(header) < _HEADER_BYTES or header[:3] != b"ID3" or not 2 <= header[3] <= 4:
            break
        size = _read_synchsafe(header[6:])
        tag = reader.since(offset + _HEADER_BYTES)
        found.merge(_read_tag(tag, min(size, tag.size_bytes), version=header[3], flags=header[5]))
        offset += _HEADER_BYTES + size + (_HEADER_BYTES if header[5] & _FOOTER else 0)
    return found, offset


def read_id3v1(tag: bytes) -> FoundTags:
    """What the last 128 bytes of a file say; what stands behind a NUL is left over from another text."""
    found = FoundTags()
    if len(tag) == V1_BYTES and tag[:3] == b"TAG":
        for name, start in ((TITLE, 3), (ARTIST, 33), (ALBUM, 63)):
            found.add(name, tag[start : start + 30])
        if not tag[125] and tag[126]:
            found.add(TRACK, str(tag[126]))
    return found


def _read_synchsafe(digits: bytes) -> int:
    size = 0
    for digit in digits:
        size = size << 7 | digit & 0x7F
    return size


def _read_tag(reader: BoundedReader, size: int, *, version: int, flags: int) -> FoundTags:
    found = FoundTags()
    try:
        if flags & _UNSYNCHRONISED and version < 4:  # of the whole tag, so its sizes are those of what was there before
            data = _synchronise(read_bytes(reader, 0, min(size, _MAX_WHOLE_BYTES)))
            reader, size = BoundedReader.over(BytesIO(data), len(data)), len(data)
        start = 0
        if flags & _EXTENDED and version > 2:
            extended = reader.at(0, 4)
            start = _read_synchsafe(extended) if version == 4 else int.from_bytes(extended, "big") + 4
        for name, offset, count, frame_flags in _list_frames(reader, start, size, version):
            if name in _FIELDS:
                content = _read_frame(reader, offset, min(count, MAX_TEXT_BYTES), frame_flags)
                found.add(_FIELDS[name], _decode(content))
            elif name in {b"APIC", b"PIC"} and count <= MAX_PICTURE_BYTES:
                _add_picture(found, name, _read_frame(reader, offset, count, frame_flags))
    except BeyondHead:  # the tag is cut short: what was read of it counts
        pass
    return found


def _list_frames(reader: BoundedReader, offset: int, end: int, version: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Name, start, size and flags of each frame; ends at the padding."""
    width = 3 if version == 2 else 4
    for _ in range(_MAX_FRAMES):
        header_bytes = 6 if version == 2 else _HEADER_BYTES
        header = reader.peek(offset, header_bytes)
        name = header[:width]
        if len(header) < header_bytes or offset + header_bytes > end or not _is_name(name, width):
            return
        size = _measure_frame(reader, offset, end, version, header[width : 2 * width])
        body, flags = offset + len(header), header[9] if version > 2 else 0
        if version == 3:
            flags = (flags & 0x80) >> 4 | (flags & 0x40) >> 4 | (flags & 0x20) << 1
        yield name, body, min(size, end - body), flags
        offset = body + size


def _is_name(name: bytes, width: int) -> bool:
    return len(name) == width and name.isalnum() and name == name.upper()


def _measure_frame(reader: BoundedReader, offset: int, end: int, version: int, digits: bytes) -> int:
    """The size of a frame. Some programs write plain numbers into 2.4: only those lead to a next frame then."""
    plain = int.from_bytes(digits, "big")
    if version < 4 or plain < 0x80:
        return plain
    size = _read_synchsafe(digits)

    def rate(size: int) -> int:
        """How well it leads on: to a frame, to padding or the end, or nowhere."""
        following = offset + _HEADER_BYTES + size
        name = reader.peek(following, min(4, max(end - following, 0)))
        return 2 if _is_name(name, 4) else 1 if following <= end and not name.strip(b"\0") else 0

    return plain if max(digits) > 0x7F or rate(plain) > rate(size) else size


def _read_frame(reader: BoundedReader, offset: int, count: int, flags: int) -> bytes:
    """The content of a frame, or of the first `count` bytes of it, as it was before it was packed."""
    content = read_bytes(reader, offset, count)
    if flags & _FRAME_UNSYNCHRONISED:
        content = _synchronise(content)
    content = content[(1 if flags & _GROUPED else 0) + (4 if flags & (_LENGTH | _COMPRESSED) else 0) :]
    if flags & _ENCRYPTED:
        return b""
    if flags & _COMPRESSED:
        try:
            return zlib.decompressobj().decompress(content, MAX_PICTURE_BYTES)
        except zlib.error:
            return b""
    return content


def _synchronise(data: bytes) -> bytes:
    """Undo the unsynchronisation (ID3v2.4, 6.1)."""
    return data.replace(b"\xff\0", b"\xff")


def _decode(content: bytes) -> str | bytes:
    """The text of a frame; bytes where it says ISO 8859-1."""
    encoding, text = content[:1], content[1:]
    if encoding == b"\0":
        return text.lstrip(b"\0")
    if encoding == b"\3":
        return text.decode("utf-8", "replace").lstrip("\0\ufeff")
    is_big = text[:2] == b"\xfe\xff" if encoding == b"\1" else encoding == b"\2"
    return text[: len(text) & ~1].decode("utf-16-be" if is_big else "utf-16-le", "replace").lstrip("\0\ufeff")


def _add_picture(found: FoundTags, name: bytes, content: bytes) -> None:
    wide = content[:1] in {b"\1", b"\2"}
    start = 4 if name == b"PIC" else content.find(b"\0", 1) + 1
    if not start or start >= len(content):
        return
    described = content[start + 1 :]
    end = described.find(b"\0\0" if wide else b"\0")
    if wide and end % 2:
        end += 1
    if end >= 0:
        found.add_picture(described[end + (2 if wide else 1) :], is_front=content[start] == FRONT_COVER)
