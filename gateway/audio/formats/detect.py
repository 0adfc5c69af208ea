"""What the bytes of a file are: the first gate (filetype's magic numbers) and the second (the structure).

A magic number alone proves nothing: filetype 1.2 takes `ID3<html>` for music, Ogg films for music and m4a for
films, and knows 20 of 40 real forms. So every form of sound is a matcher added to filetype's own table, and
each names the check that reads its structure. Owns filetype; knows no folder and no request.
"""

import logging
import math
from collections.abc import Callable
from enum import Enum
from io import BytesIO
from typing import BinaryIO

import filetype  # type: ignore[import-untyped]

from . import headers, ogg
from . import iso_bmff as boxes
from . import mpeg as frames
from . import riff as chunks
from .bounded_reader import ENDLESS, AudioType, BeyondHead, BoundedReader, Check, ReadLimitReached

HEAD_BYTES = 64 * 1024
"""After so many bytes a head tells nothing new; the rest is read from the finished file."""
MAX_DURATION_S = 10 * 365 * 86_400
"""A length above this is a lie of the header."""
_MAGIC_BYTES = 20
_GATE_BYTES = 1024
_ID3_PADDING_BYTES = 64 * 1024
_ID3_IN_A_ROW = 4

logger = logging.getLogger(__name__)


class HeadVerdict(Enum):
    """What the first bytes of a file tell."""

    NO = "no"
    MAYBE = "maybe"


class _Form(filetype.Type):  # type: ignore[misc]
    """A form of sound as filetype knows forms: a matcher of magic numbers; and beside it its check."""

    def __init__(self, content_type: str, extension: str, match: Callable[[bytes], bool], check: Check) -> None:
        super().__init__(mime=content_type, extension=extension)
        self._match = match
        self.check = check

    def match(self, buf: bytes) -> bool:
        """Whether the magic number is there."""
        return self._match(bytes(buf[:_MAGIC_BYTES]))


def _check_id3(reader: BoundedReader) -> AudioType | None:
    """ID3v2 tags (id3.org, 2.4, section 3.1), their padding, and the sound they stand before."""
    for _ in range(_ID3_IN_A_ROW):
        head = reader.at(0, 10)
        if head[:3] != b"ID3":
            break
        if not 2 <= head[3] <= 4 or head[4] == 0xFF or head[5] & 0x0F or max(head[6:]) > 127:
            return None
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        reader = reader.since(10 + size + (10 if head[5] & 0x10 else 0))
    padding = reader.peek(0, _ID3_PADDING_BYTES)
    reader = reader.since(len(padding) - len(padding.lstrip(b"\0")))
    return None if reader.at(0, 3) == b"ID3" else _check(reader)


def _begins(*magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics)


def _has(offset: int, *magics: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magics, offset)


def _both(*tests: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    return lambda head: all(test(head) for test in tests)


def _masked(mask: int, value: int) -> Callable[[bytes], bool]:
    return lambda head: int.from_bytes(head[:2], "big") & mask == value


_ISO_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_AIFF_STARTS = (b"AIFF", b"AIFC")

FORMS = (
    _Form("audio/aac", "aac", _masked(0xFFF6, 0xFFF0), frames.check_adts),
    _Form("audio/mpeg", "mp3", _masked(0xFFE0, 0xFFE0), frames.check_mpeg),
    _Form("audio/mpeg", "mp3", _begins(b"ID3"), _check_id3),
    _Form("audio/mp4", "m4a", _has(4, *_ISO_STARTS), boxes.check_iso),
    _Form("audio/ogg", "ogg", _begins(ogg.MAGIC), ogg.check_ogg),
    _Form("audio/webm", "webm", _begins(b"\x1a\x45\xdf\xa3"), boxes.check_ebml),
    _Form("audio/flac", "flac", _begins(b"fLaC"), frames.check_flac),
    _Form(
        "audio/wav",
        "wav",
        _both(_begins(b"RIFF", b"RIFX", b"RF64", b"BW64"), _has(8, b"WAVE")),
        chunks.check_wave,
    ),
    _Form("audio/x-w64", "w64", _begins(chunks.W64_RIFF), chunks.check_w64),
    _Form("audio/aiff", "aiff", _both(_begins(b"FORM"), _has(8, *_AIFF_STARTS)), chunks.check_aiff),
    _Form("audio/x-ms-wma", "wma", _begins(boxes.ASF_HEADER), boxes.check_asf),
    _Form("audio/midi", "mid", _begins(b"MThd"), chunks.check_midi),
    _Form("audio/midi", "rmi", _both(_begins(b"RIFF"), _has(8, b"RMID")), chunks.check_midi),
    _Form("audio/amr", "amr", _begins(frames.AMR_NARROW, frames.AMR_WIDE), frames.check_amr),
    _Form("audio/basic", "au", _begins(b".snd", b"dns."), headers.check_au),
    _Form("audio/x-caf", "caf", _begins(b"caff"), chunks.check_caf),
    _Form("audio/ac3", "ac3", _begins(b"\x0b\x77"), frames.check_ac3),
    _Form("audio/vnd.dts", "dts", _begins(frames.DTS_SYNC), frames.check_dts),
    _Form("audio/x-wavpack", "wv", _begins(b"wvpk"), frames.check_wavpack),
    _Form("audio/x-tta", "tta", _begins(b"TTA1"), headers.check_tta),
    _Form("audio/x-ape", "ape", _begins(b"MAC "), headers.check_ape),
    _Form("audio/x-dsf", "dsf", _begins(b"DSD "), chunks.check_dsf),
    _Form("audio/x-flv", "flv", _begins(b"FLV\x01"), headers.check_flv),
)
for _form in reversed(FORMS):
    filetype.add_type(_form)


def _check(reader: BoundedReader) -> AudioType | None:
    """Both gates: the form that filetype finds, if it is one of sound, and the structure of that form."""
    head = reader.peek(0, _GATE_BYTES)
    if len(head) < min(_MAGIC_BYTES, reader.size_bytes):
        raise BeyondHead
    form = filetype.guess(head)
    return form.check(reader) if isinstance(form, _Form) else None


def detect_head(head: bytes) -> HeadVerdict:
    """What is certain from the first bytes: NO only if nothing that follows could make it audio."""
    try:
        found = _check(BoundedReader.over(BytesIO(head), ENDLESS))
    except BeyondHead:
        return HeadVerdict.MAYBE
    except ReadLimitReached:
        return HeadVerdict.NO
    except Exception as error:
        logger.warning("a check of the first bytes of a file failed: %r", error)
        return HeadVerdict.NO
    return HeadVerdict.MAYBE if found else HeadVerdict.NO


def detect_type(file: BinaryIO, size_bytes: int) -> AudioType | None:
    """The type of a whole file by its structure, or None if it is not audio.

    Looks at a bounded number of places, wherever the sizes in the file point. Leaves the position anywhere.

    :raises OSError: the file cannot be read.
    """
    try:
        found = _check(BoundedReader.over(file, size_bytes))
    except (BeyondHead, ReadLimitReached):
        return None
    if found and not is_plausible(found.duration_s):
        return AudioType(found.content_type)
    return found


def is_plausible(duration_s: float | None) -> bool:
    """Whether a file can be so long."""
    return duration_s is not None and math.isfinite(duration_s) and 0 <= duration_s <= MAX_DURATION_S
