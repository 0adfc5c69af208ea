"""MPEG audio (mp3) and AAC in ADTS: their frames, and the length that a first frame of mp3 may tell."""

import re
from functools import cache

from .bounded_reader import AudioType, BoundedReader
from .frames import Frame, Framing, check_row, count_row, measure_frames

_MPEG_1_KBPS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
)
_MPEG_2_KBPS = (
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
)
_MPEG_RATES = (44100, 48000, 32000)
_MPEG_DIVISORS = {3: 1, 2: 2, 0: 4}
_XING_BYTES = 200
_XING_TOLERANCE_BYTES = 2 * 1024


def _parse_mpeg(header: bytes) -> Frame | None:
    """ISO/IEC 11172-3 and 13818-3, 2.4.1.3, with version 2.5. The free format tells no length: refused."""
    return _read_mpeg_fields(header[1], header[2]) if header[0] == 0xFF else None


@cache
def _read_mpeg_fields(second: int, third: int) -> Frame | None:
    version, layer = second >> 3 & 3, second >> 1 & 3
    kbps_index, rate_index, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version == 1 or not layer or kbps_index in {0, 15} or rate_index == 3:
        return None
    kbps = (_MPEG_1_KBPS if version == 3 else _MPEG_2_KBPS)[layer - 1][kbps_index]
    rate = _MPEG_RATES[rate_index] // _MPEG_DIVISORS[version]
    if layer == 3:
        size_bytes, samples = (12_000 * kbps // rate + padding) * 4, 384
    else:
        samples = 576 if layer == 1 and version != 3 else 1152
        size_bytes = samples // 8 * 1000 * kbps // rate + padding
    return Frame(size_bytes, (version, layer, rate), samples, rate)


MPEG = Framing(4, re.compile(rb"\xff[\xe2-\xe7\xf2-\xff][\x10-\xef]"), _parse_mpeg)
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def _parse_adts(header: bytes) -> Frame | None:
    rate_index = header[2] >> 2 & 15
    size_bytes = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or rate_index > 12 or size_bytes < 8:
        return None
    stream = (header[1], header[2] & 0xFD, header[3] & 0xC0)
    return Frame(size_bytes, stream, 1024 * ((header[6] & 3) + 1), _AAC_RATES[rate_index])


ADTS = Framing(7, re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"), _parse_adts)
"""ISO/IEC 13818-7, 6.2."""


def check_adts(reader: BoundedReader) -> AudioType | None:
    """AAC in the Audio Data Transport Stream."""
    return check_row(reader.until(find_end(reader)), "audio/aac", ADTS)


def check_mpeg(reader: BoundedReader) -> AudioType | None:
    """MPEG-1, -2 and -2.5 audio, layers I to III (mp3)."""
    sound = reader.until(find_end(reader))
    if not sound.is_whole or count_row(sound, MPEG, 0, 2)[0] < 2:
        return check_row(sound, "audio/mpeg", MPEG)
    return _read_xing(sound) or measure_frames(sound, "audio/mpeg", MPEG)


def _read_xing(reader: BoundedReader) -> AudioType | None:
    """What Xing, Info (LAME) or VBRI (Fraunhofer) in the first frame tells, if it speaks of so many bytes as there are.

    A file that was cut, or put together of several, has that of its first part.
    """
    head = reader.peek(0, _XING_BYTES)
    frame = _parse_mpeg(head[:4])
    at = next((at for at in (36, 21, 23, 13) if head[at : at + 4] in {b"Xing", b"Info", b"VBRI"}), None)
    if frame is None or at is None:
        return None
    if head[at : at + 4] == b"VBRI":
        size_bytes, count = (int.from_bytes(head[at + start : at + start + 4], "big") for start in (10, 14))
    elif head[at + 7] & 3 == 3:
        count, size_bytes = (int.from_bytes(head[at + start : at + start + 4], "big") for start in (8, 12))
    else:
        return None
    if not count or abs(size_bytes - reader.size_bytes) > max(reader.size_bytes // 50, _XING_TOLERANCE_BYTES):
        return None
    return AudioType("audio/mpeg", count * frame.samples / frame.rate, reader.size_bytes - frame.size_bytes, frame.rate)


def find_end(reader: BoundedReader) -> int:
    """Where the frames end: before ID3v1, Lyrics3 and APEv2, in whatever order they stand."""
    end = reader.size_bytes
    for _ in range(4):
        tail = reader.peek(max(end - 160, 0), min(160, end)) if reader.is_whole else b""
        size_bytes = 0
        if tail[-128:-125] == b"TAG":
            size_bytes = 128
        elif tail[-32:-24] == b"APETAGEX":
            size_bytes = int.from_bytes(tail[-20:-16], "little") + (32 if tail[-9] & 0x80 else 0)
        elif tail.endswith(b"LYRICS200") and tail[-15:-9].isdigit():
            size_bytes = int(tail[-15:-9]) + 15
        if not 0 < size_bytes < end:
            break
        end -= size_bytes
    return end
