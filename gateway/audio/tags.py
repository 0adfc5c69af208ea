"""What a file says of itself: title, artist, album, the form of its sound, and its cover.

Everything here is a stranger's word: text is cleaned, figures must be possible, a cover must be a picture by its
first bytes, and reading is metered. Owns tinytag; knows no folder and no request. Whether a file is audio at all
is not asked here.
"""

import math
from dataclasses import dataclass
from io import SEEK_END
from typing import Any, BinaryIO, cast
from unicodedata import category

from tinytag import TinyTag

from gateway.audio.formats.bounded_reader import AudioType, ReadLimitReached
from gateway.audio.formats.detect import is_plausible

_READS = 20_000
_BYTES = 4 * 1024 * 1024
"""How much of one file is read for its tags; so a cover is smaller."""
_OGG_HEAD_READS = 8
_CHARS = 300
_TAGGED_TYPES = frozenset(
    f"audio/{name}" for name in ("mpeg", "ogg", "wav", "flac", "mp4", "3gpp", "3gpp2", "aiff", "x-ms-wma")
)
_AAC = "mp4a"
"""The channels that mp4 states for AAC are 2 by rule, whatever the sound has (ISO 14496-14, 5.6)."""
_PICTURES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF8": "image/gif"}


@dataclass(frozen=True)
class Cover:
    """A picture out of a file. The type is that of its bytes, whatever the tag calls it."""

    content_type: str
    data: bytes


@dataclass(frozen=True)
class Tags:
    """What a file says of itself, cleaned of control characters; None where it says nothing."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    duration_s: float | None = None
    bit_rate_bps: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    has_cover: bool = False


class _Metered:
    """A file of which only so much may be read: past that a hostile tag is an error, or the file seems to end."""

    def __init__(self, file: BinaryIO, reads: int, *, seems_to_end: bool) -> None:
        self._file = file
        self._reads = reads
        self._bytes = _BYTES
        self._seems_to_end = seems_to_end
        self.seek = file.seek
        self.tell = file.tell

    def read(self, count: int) -> bytes:
        """The next `count` bytes, within the meter."""
        data = self._file.read(min(count, self._bytes + 1) if count >= 0 else self._bytes + 1)
        self._reads -= 1
        self._bytes -= len(data)
        if self._reads >= 0 and self._bytes >= 0:
            return data
        if self._seems_to_end:
            return b""
        raise ReadLimitReached


def read_tags(file: BinaryIO, found: AudioType) -> Tags:
    """Tags and form by tinytag, and the length where the structure did not tell it."""
    if found.content_type not in _TAGGED_TYPES:
        return Tags(duration_s=found.duration_s)
    measures = found.duration_s is None or found.content_type == "audio/mpeg"
    walks = found.content_type == "audio/ogg" and not measures  # page by page to the end, for a length that is known
    # What is damaged or too large in one part must not hide the others.
    attempts = dict.fromkeys([(not walks, True), (measures, False), (False, False)])
    tag = next(filter(None, (_parse(file, duration=length, image=image) for length, image in attempts)), None)
    if tag is None:
        return Tags(duration_s=found.duration_s)
    form = (_parse(file, tags=False, reads=_OGG_HEAD_READS) if walks else tag) or tag
    # A fragmented mp4 says 0 where it does not know.
    duration_s = tag.duration if measures and tag.duration and is_plausible(tag.duration) else found.duration_s
    sample_rate_hz = _whole(form.samplerate, 1, 10_000_000)
    bit_rate_bps = _whole((form.bitrate or 0) * 1000, 1, 10**9)
    if walks or bit_rate_bps is None:  # no header that says it: the average
        size_bytes = file.seek(0, SEEK_END)
        bit_rate_bps = _whole(size_bytes * 8 / duration_s, 1, 10**9) if duration_s and sample_rate_hz else None
    return Tags(
        title=_clean(tag.title),
        artist=_clean(tag.artist),
        album=_clean(tag.album),
        duration_s=duration_s,
        bit_rate_bps=bit_rate_bps,
        sample_rate_hz=sample_rate_hz,
        channels=None if _AAC in str(form.mime_type) else _whole(form.channels, 1, 255),
        has_cover=_find_cover(tag) is not None,
    )


def read_cover(file: BinaryIO, found_type: str) -> Cover | None:
    """The cover of a file of this content type: its front, or else another picture in it. Never raises."""
    tag = _parse(file, image=True, duration=False) if found_type in _TAGGED_TYPES else None
    return _find_cover(tag) if tag else None


def _find_cover(tag: TinyTag) -> Cover | None:
    image = tag.images.front_cover or tag.images.any
    data = bytes(image.data) if image and isinstance(image.data, bytes | bytearray) else b""
    content_type = next((_PICTURES[magic] for magic in _PICTURES if data.startswith(magic)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        content_type = "image/webp"
    return Cover(content_type, data) if content_type else None


def _parse(
    file: BinaryIO, *, tags: bool = True, duration: bool = True, image: bool = False, reads: int = _READS
) -> TinyTag | None:
    try:
        file.seek(0)
        metered = cast("BinaryIO", _Metered(file, reads, seems_to_end=not tags))
        return TinyTag.get(file_obj=metered, tags=tags, duration=duration, image=image)
    except Exception:  # tinytag lets everything through that a hostile file provokes
        return None


def _whole(value: Any, least: int, most: int) -> int | None:
    """A figure of a header as a whole number, or None if it cannot be."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(value) if least <= value <= most else None


def _clean(text: str | None) -> str | None:
    if not isinstance(text, str):
        return None
    kept = "".join(" " if category(char) in {"Cc", "Cs"} else char for char in text[:_CHARS])
    return " ".join(kept.split()) or None


def _forget_field(self: TinyTag, fieldname: str, value: str) -> None:
    """Replaces tinytag's list of unknown fields, which it searches for each value it adds.

    We read none of them, and 400,000 comments of one name (2 MB) would take hours.
    """


TinyTag._set_other_field = _forget_field  # type: ignore[method-assign]  # noqa: SLF001
