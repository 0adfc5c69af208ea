"""Structures that nest: ISO base media (mp4, m4a, mov, 3gp), EBML (Matroska, WebM) and ASF (wma).

A file of these is audio when it declares a track of sound and none of moving pictures. Depth is that of the
formats, never that of the file; every loop has its bound.
"""

import struct
from collections.abc import Iterator

from .bounded_reader import AudioType, BoundedReader

_MAX_SIBLINGS = 512
_MAX_TRACKS = 64
_PHONE_TYPES = {b"3g2": "audio/3gpp2", **dict.fromkeys((b"3gp", b"3gr", b"3gs", b"3ge", b"3gg"), "audio/3gpp")}
"""By brand (RFC 3839, RFC 4393, 3GPP TS 26.244); every other brand with nothing but sound is audio/mp4."""


def check_iso(reader: BoundedReader) -> AudioType | None:
    """ISO/IEC 14496-12, and QuickTime before it: `moov` and the media data, in either order."""
    brand = reader.at(8, 4) if reader.at(4, 4) == b"ftyp" else b""
    sound = media = False
    for kind, body, end in _boxes(reader, 0, reader.size_bytes):
        if kind == b"moov":
            if not _has_sound_only(reader, body, end):
                return None
            sound = True
        media = media or kind in {b"mdat", b"moof"}
        if sound and media:
            return AudioType(_PHONE_TYPES.get(brand[:3], "audio/mp4"))
    return None


def _boxes(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
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


def _children(reader: BoundedReader, body: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """The bounds of the bodies of all direct children of one type."""
    return ((start, stop) for name, start, stop in _boxes(reader, body, end) if name == kind)


def _has_sound_only(reader: BoundedReader, body: int, end: int) -> bool:
    """Whether a `moov` has a track of sound, and none of video (handlers of 8.4.3)."""
    sound = False
    for count, track in enumerate(_children(reader, body, end, b"trak")):
        if count >= _MAX_TRACKS:
            return False
        for media in _children(reader, *track, b"mdia"):
            for start, _ in _children(reader, *media, b"hdlr"):
                handler = reader.at(start + 8, 4)
                if handler == b"vide":
                    return False
                sound = sound or (handler == b"soun" and _has_sample_entry(reader, *media))
    return sound


def _has_sample_entry(reader: BoundedReader, body: int, end: int) -> bool:
    """Whether the media of a track describes its samples as sound (AudioSampleEntry, 12.2.3)."""
    for information in _children(reader, body, end, b"minf"):
        for table in _children(reader, *information, b"stbl"):
            for start, stop in _children(reader, *table, b"stsd"):
                if reader.number(start + 4, 4) and start + 44 <= stop:
                    size, channels = reader.number(start + 8, 4), reader.number(start + 32, 2)
                    return size >= 36 and 1 <= channels <= 255
    return False


_EBML, _DOC_TYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_INFO, _TIME_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _CLUSTER = 0x1654AE6B, 0xAE, 0x83, 0x1F43B675
_VIDEO_TRACK, _AUDIO_TRACK = 1, 2


def check_ebml(reader: BoundedReader) -> AudioType | None:
    """RFC 8794 and RFC 9559: the tracks stand before the first cluster."""
    first, body, end = _element(reader, 0, reader.size_bytes)
    if first != _EBML or end > 4096:
        return None
    kinds = [reader.at(start, stop - start) for start, stop in _find(reader, body, end, _DOC_TYPE)]
    segment, body, limit = _element(reader, end, reader.size_bytes)
    if segment != _SEGMENT or not kinds or kinds[0] not in {b"webm", b"matroska"}:
        return None
    sound, duration_s = False, None
    for kind, start, stop in _elements(reader, body, limit):
        if kind == _INFO:
            duration_s = _read_duration(reader, start, stop)
        elif kind == _TRACKS:
            if not _has_audio_tracks(reader, start, stop):
                return None
            sound = True
        elif kind == _CLUSTER:
            content_type = "audio/webm" if kinds[0] == b"webm" else "audio/x-matroska"
            return AudioType(content_type, duration_s) if sound else None
    return None


def _element(reader: BoundedReader, offset: int, limit: int) -> tuple[int, int, int]:
    """One element as (identity, start of the body, end); an unknown size runs to the limit."""
    first = reader.number(offset, 1)
    width = 9 - first.bit_length()
    if width > 4:
        return 0, offset, offset
    identity = reader.number(offset, width)
    offset += width
    width = 9 - reader.number(offset, 1).bit_length()
    if width > 8:
        return 0, offset, offset
    mask = (1 << 7 * width) - 1
    size = reader.number(offset, width) & mask
    body = offset + width
    return identity, body, limit if size == mask else body + size


def _elements(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[int, int, int]]:
    for _ in range(_MAX_SIBLINGS):
        if offset >= limit:
            return
        element = _element(reader, offset, limit)
        if not element[0]:
            return
        yield element
        offset = element[2]


def _find(reader: BoundedReader, body: int, end: int, identity: int) -> Iterator[tuple[int, int]]:
    return ((start, stop) for kind, start, stop in _elements(reader, body, end) if kind == identity)


def _has_audio_tracks(reader: BoundedReader, body: int, end: int) -> bool:
    kinds = [
        reader.number(start, 1)
        for track in _find(reader, body, end, _TRACK)
        for start, _ in _find(reader, *track, _TRACK_TYPE)
    ]
    return _AUDIO_TRACK in kinds and _VIDEO_TRACK not in kinds and len(kinds) <= _MAX_TRACKS


def _read_duration(reader: BoundedReader, body: int, end: int) -> float | None:
    """The length that `Info` tells: a float counted in units of nanoseconds."""
    scale_ns, ticks = 1_000_000, None
    for kind, start, stop in _elements(reader, body, end):
        if kind == _TIME_SCALE and stop - start <= 8:
            scale_ns = reader.number(start, stop - start)
        elif kind == _DURATION and stop - start in {4, 8}:
            (ticks,) = struct.unpack(">f" if stop - start == 4 else ">d", reader.at(start, stop - start))
    return None if ticks is None else ticks * scale_ns / 1e9


ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def check_asf(reader: BoundedReader) -> AudioType | None:
    """Advanced Systems Format 1.2: the stream properties in the header object, then the data object."""
    end, offset = reader.number(16, 8, little=True), 30
    streams = []
    for _ in range(min(reader.number(24, 4, little=True), _MAX_SIBLINGS)):
        if offset + 24 > end:
            break
        size = reader.number(offset + 16, 8, little=True)
        if size < 24:
            return None
        if reader.at(offset, 16) == _ASF_STREAM:
            streams.append(reader.at(offset + 24, 16))
        offset += size
    if _ASF_AUDIO not in streams or _ASF_VIDEO in streams:
        return None
    return AudioType("audio/x-ms-wma") if reader.at(end, 16) == _ASF_DATA else None
