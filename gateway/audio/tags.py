"""What a file says of itself: title, artist, album, numbers of track and disc, the form of its sound, and its cover.

Everything here is a stranger's word: text is cleaned, figures must be possible, a cover must be a picture by its
first bytes, and reading is metered. Owns tinytag; knows no folder and no request. Whether a file is audio at all
is not asked here. What tinytag does not read, or misreads (CONTRIBUTING has the list), readers of `formats` read.
"""

import re
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET
from typing import Any, BinaryIO, cast
from unicodedata import category

from tinytag import TinyTag

from gateway.audio.formats.bounded_reader import AudioType, ReadLimitReached
from gateway.audio.formats.tag_fields import ALBUM, ARTIST, DISC, TITLE, TRACK
from gateway.audio.formats.tag_readers import find_sound, find_tags

_READS = 20_000
_BYTES = 4 * 1024 * 1024
"""How much of one file is read for its tags; so a cover is smaller."""
_OGG_HEAD_READS = 8
_CHARS = 300
_TAGGED_TYPES = frozenset(
    f"audio/{name}" for name in ("mpeg", "ogg", "wav", "flac", "mp4", "3gpp", "3gpp2", "aiff", "x-ms-wma")
)
"""Those whose form tinytag reads."""
_TINYTAG_TEXTS = frozenset(f"audio/{name}" for name in ("flac", "mp4", "3gpp", "3gpp2"))
_ID3_TYPES = frozenset({"audio/mpeg", "audio/flac"})
"""Those in front of which tinytag expects one ID3 tag at most."""
_TEXTS = (TITLE, ARTIST, ALBUM, TRACK, DISC)
_NUMBERS = {TRACK: "track_number", DISC: "disc_number"}
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
    track_number: int | None = None
    disc_number: int | None = None
    duration_s: float | None = None
    bit_rate_bps: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    has_cover: bool = False


class _Metered:
    """A file from `start` on, of which only so much may be read: past that a read is an error, or the end."""

    def __init__(self, file: BinaryIO, start: int, reads: int, *, seems_to_end: bool) -> None:
        self._file = file
        self._start = start
        self._reads = reads
        self._bytes = _BYTES
        self._seems_to_end = seems_to_end

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to an offset counted from `start`, and tell it."""
        if whence == SEEK_SET:
            offset += self._start
        at = self._file.seek(offset, whence)
        return at - self._start if at >= self._start else self.seek(0)

    def tell(self) -> int:
        """The offset counted from `start`."""
        return self.seek(0, SEEK_CUR)

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
    """Tags and form by tinytag and the readers of `formats`; the length is that of the structure."""
    own = find_tags(file, found.content_type)
    texts: dict[str, Any] = dict(own.decode())
    form = _measure_form(found)
    has_cover = _name_picture(own.picture) is not None
    if tag := _ask_tinytag(file, found) if found.content_type in _TAGGED_TYPES else None:
        texts |= {name: value for name in _TEXTS if (value := getattr(tag, name))}
        form = _read_form(file, found, tag)
        has_cover = has_cover or _find_cover(tag) is not None
    return Tags(**_clean_texts(texts), **form, has_cover=has_cover)


def _ask_tinytag(file: BinaryIO, found: AudioType) -> TinyTag | None:
    """What tinytag makes of a file: what is damaged or too large in one part must not hide the others."""
    start = find_sound(file) if found.content_type in _ID3_TYPES else 0
    tags, measures = found.content_type in _TINYTAG_TEXTS, not _is_walked(found)
    attempts = dict.fromkeys([(measures, tags), (measures, False), (False, False)])
    parsed = (_parse(file, start, tags=tags, duration=length, image=image) for length, image in attempts)
    return next(filter(None, parsed), None)


def _is_walked(found: AudioType) -> bool:
    """Whether tinytag would go page by page to the end, for a length that is known."""
    return found.content_type == "audio/ogg"


def _read_form(file: BinaryIO, found: AudioType, tag: TinyTag) -> dict[str, Any]:
    """Length, rates and channels as fields of `Tags`; length, and bit rate where it is known, by the structure."""
    walks, duration_s = _is_walked(found), found.duration_s
    form = (_parse(file, 0, tags=False, reads=_OGG_HEAD_READS, seems_to_end=True) if walks else tag) or tag
    sample_rate_hz = _whole(form.samplerate or found.sample_rate_hz, 1, 10_000_000)
    bit_rate_bps = _whole((form.bitrate or 0) * 1000, 1, 10**9)
    if walks or bit_rate_bps is None or found.sound_bytes:  # the average; of the sound alone where its size is known
        size_bytes = found.sound_bytes or file.seek(0, SEEK_END)
        bit_rate_bps = _whole(size_bytes * 8 / duration_s, 1, 10**9) if duration_s and sample_rate_hz else None
    return {
        "duration_s": duration_s,
        "bit_rate_bps": bit_rate_bps,
        "sample_rate_hz": sample_rate_hz,
        "channels": None if _AAC in str(form.mime_type) else _whole(form.channels or found.channels, 1, 255),
    }


def _measure_form(found: AudioType) -> dict[str, Any]:
    """The figures that the structure alone tells."""
    return {
        "duration_s": found.duration_s,
        "bit_rate_bps": _whole(found.bit_rate_bps, 1, 10**9),
        "sample_rate_hz": _whole(found.sample_rate_hz, 1, 10_000_000),
        "channels": _whole(found.channels, 1, 255),
    }


def read_cover(file: BinaryIO, found_type: str) -> Cover | None:
    """The cover of a file of this content type: its front, or else another picture in it. Never raises."""
    picture = find_tags(file, found_type).picture
    content_type = _name_picture(picture)
    if picture and content_type:
        return Cover(content_type, picture)
    if found_type not in _TINYTAG_TEXTS:
        return None
    start = find_sound(file) if found_type in _ID3_TYPES else 0
    tag = _parse(file, start, image=True, duration=False)
    return _find_cover(tag) if tag else None


def _find_cover(tag: TinyTag) -> Cover | None:
    image = tag.images.front_cover or tag.images.any
    data = bytes(image.data) if image and isinstance(image.data, bytes | bytearray) else b""
    content_type = _name_picture(data)
    return Cover(content_type, data) if content_type else None


def _name_picture(data: bytes | None) -> str | None:
    """The content type of a picture, by its first bytes."""
    data = data or b""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((_PICTURES[magic] for magic in _PICTURES if data.startswith(magic)), None)


def _parse(
    file: BinaryIO,
    start: int,
    *,
    tags: bool = True,
    duration: bool = True,
    image: bool = False,
    reads: int = _READS,
    seems_to_end: bool = False,
) -> TinyTag | None:
    """What tinytag makes of a file from `start` on; None where it fails."""
    try:
        file.seek(start)
        metered = cast("BinaryIO", _Metered(file, start, reads, seems_to_end=seems_to_end))
        return TinyTag.get(file_obj=metered, tags=tags, duration=duration, image=image)
    except Exception:  # tinytag lets everything through that a hostile file provokes
        return None


def _whole(value: Any, least: int, most: int) -> int | None:
    """A figure of a header as a whole number, or None if it cannot be."""
    return round(value) if isinstance(value, int | float) and least <= value <= most else None


def _clean_texts(texts: dict[str, Any]) -> dict[str, Any]:
    """The texts as fields of `Tags`."""
    numbers = {field: _read_number(texts.get(name)) for name, field in _NUMBERS.items()}
    return {name: _clean(texts.get(name)) for name in (TITLE, ARTIST, ALBUM)} | numbers


def _read_number(value: object) -> int | None:
    """The number of a track or a disc: of `3/12` it is 3; 0 says nothing."""
    digits = re.match(r"\s*([0-9]{1,6})(?![0-9])", str(value))
    return int(digits[1]) or None if digits else None


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
