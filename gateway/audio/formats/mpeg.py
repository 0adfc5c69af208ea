"""Structures that are a row of frames: MPEG audio, AAC, AC-3, DTS, AMR, FLAC, WavPack.

Two bytes of sync prove nothing, so one frame must lead exactly to the next and both must speak of the same
stream. How many frames make how many seconds is the estimate of the length.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .bounded_reader import AudioType, BoundedReader

_SAMPLED_FRAMES = 32


@dataclass(frozen=True)
class _Frame:
    """One header: how far to the next one, what every frame of the stream shares, what it plays."""

    size_bytes: int
    stream: object
    samples: int = 0
    rate: int = 0


def _check_row(
    reader: BoundedReader,
    content_type: str,
    parse: Callable[[bytes], _Frame | None],
    header_bytes: int,
    *,
    needed: int = 2,
) -> AudioType | None:
    """`needed` frames in a row, or fewer (but two) if the file ends exactly behind them."""
    offset = count = samples = 0
    first: _Frame | None = None
    while count < _SAMPLED_FRAMES and offset + header_bytes <= reader.size_bytes:
        frame = parse(reader.at(offset, header_bytes))
        if frame is None or (first and frame.stream != first.stream):
            break
        first = first or frame
        offset += frame.size_bytes
        samples += frame.samples
        count += 1
    if first is None or count < 2 or (count < needed and offset < reader.size_bytes):
        return None
    if not first.rate or not samples:
        return AudioType(content_type)
    return AudioType(content_type, reader.size_bytes / offset * samples / first.rate)


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


def _parse_mpeg(header: bytes) -> _Frame | None:
    """ISO/IEC 11172-3 and 13818-3, 2.4.1.3, with version 2.5. The free format tells no length: refused."""
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    kbps_index, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if header[0] != 0xFF or header[1] < 0xE0 or version == 1 or not layer:
        return None
    if kbps_index in {0, 15} or rate_index == 3:
        return None
    kbps = (_MPEG_1_KBPS if version == 3 else _MPEG_2_KBPS)[layer - 1][kbps_index]
    rate = _MPEG_RATES[rate_index] // _MPEG_DIVISORS[version]
    if layer == 3:
        size_bytes, samples = (12_000 * kbps // rate + padding) * 4, 384
    else:
        samples = 576 if layer == 1 and version != 3 else 1152
        size_bytes = samples // 8 * 1000 * kbps // rate + padding
    return _Frame(size_bytes, (version, layer, rate), samples, rate)


def check_mpeg(reader: BoundedReader) -> AudioType | None:
    """MPEG-1, -2 and -2.5 audio, layers I to III (mp3)."""
    return _check_row(reader, "audio/mpeg", _parse_mpeg, 4)


_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def _parse_adts(header: bytes) -> _Frame | None:
    rate_index = header[2] >> 2 & 15
    size_bytes = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    if header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or rate_index > 12 or size_bytes < 8:
        return None
    stream = (header[1], header[2] & 0xFD, header[3] & 0xC0)
    return _Frame(size_bytes, stream, 1024 * ((header[6] & 3) + 1), _AAC_RATES[rate_index])


def check_adts(reader: BoundedReader) -> AudioType | None:
    """AAC in the Audio Data Transport Stream of ISO/IEC 13818-7, 6.2."""
    return _check_row(reader, "audio/aac", _parse_adts, 7)


_AC3_RATES = (48000, 44100, 32000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _parse_ac3(header: bytes) -> _Frame | None:
    """ATSC A/52, 5.3 and annex E."""
    rate_index, version = header[4] >> 6, header[5] >> 3
    if header[:2] != b"\x0b\x77" or rate_index == 3 or version > 16:
        return None
    rate = _AC3_RATES[rate_index]
    if version > 10:
        blocks = (1, 2, 3, 6)[header[4] >> 4 & 3]
        size_bytes = ((header[2] & 7) << 8 | header[3]) * 2 + 2
        return _Frame(size_bytes, (rate, "enhanced"), 256 * blocks, rate)
    code = header[4] & 63
    if code >= 2 * len(_AC3_KBPS):
        return None
    words = _AC3_KBPS[code >> 1] * 96_000 // rate + (code & 1 if rate == 44100 else 0)
    return _Frame(words * 2, (rate, code >> 1), 1536, rate)


def check_ac3(reader: BoundedReader) -> AudioType | None:
    """AC-3 and Enhanced AC-3."""
    enhanced = reader.number(5, 1) >> 3 > 10
    return _check_row(reader, "audio/eac3" if enhanced else "audio/ac3", _parse_ac3, 6)


DTS_SYNC = b"\x7f\xfe\x80\x01"
_DTS_RATES = {1: 8000, 2: 16000, 3: 32000, 6: 11025, 7: 22050, 8: 44100, 11: 12000, 12: 24000, 13: 48000}


def _parse_dts(header: bytes) -> _Frame | None:
    """ETSI TS 102 114, 5.3."""
    fields = int.from_bytes(header[4:], "big")
    blocks, size_bytes, rate_code = fields >> 34 & 127, fields >> 20 & 0x3FFF, fields >> 10 & 15
    if header[:4] != DTS_SYNC or size_bytes < 95 or rate_code not in _DTS_RATES:
        return None
    return _Frame(size_bytes + 1, rate_code, (blocks + 1) * 32, _DTS_RATES[rate_code])


def check_dts(reader: BoundedReader) -> AudioType | None:
    """DTS Coherent Acoustics, the core in 16-bit words."""
    return _check_row(reader, "audio/vnd.dts", _parse_dts, 10)


AMR_NARROW, AMR_WIDE = b"#!AMR\n", b"#!AMR-WB\n"
_AMR_SIZES = {
    AMR_NARROW: (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    AMR_WIDE: (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}


def check_amr(reader: BoundedReader) -> AudioType | None:
    """RFC 4867, 5.3: after the magic number a row of frames, each told by its first byte."""
    magic = AMR_WIDE if reader.at(0, 6) != AMR_NARROW else AMR_NARROW
    if not reader.number(len(magic), 1) & 4:  # a first frame that says it is damaged: zeros look like that
        return None
    rate = 16000 if magic == AMR_WIDE else 8000

    def parse(header: bytes) -> _Frame | None:
        size_bytes = _AMR_SIZES[magic][header[0] >> 3 & 15]
        return _Frame(size_bytes, (), rate // 50, rate) if size_bytes and not header[0] & 0x83 else None

    content_type = "audio/amr-wb" if magic == AMR_WIDE else "audio/amr"
    return _check_row(reader.since(len(magic)), content_type, parse, 1, needed=16)


def check_flac(reader: BoundedReader) -> AudioType | None:
    """RFC 9639: STREAMINFO, the rest of the metadata, and the sync code of a first frame."""
    if reader.number(4, 4) & 0x7FFFFFFF != 34:
        return None
    rate = reader.number(18, 3) >> 4
    if reader.number(8, 2) < 16 or not rate:
        return None
    samples, offset, last = reader.number(21, 5) & 0xFFFFFFFFF, 4, False
    for _ in range(1024):
        if last:
            break
        header = reader.number(offset, 4)
        last = bool(header >> 31)
        offset += 4 + (header & 0xFFFFFF)
    frame = reader.number(offset, 4)
    # The reserved values of 9.1.1 to 9.1.4 tell a frame from two bytes that look like one.
    reserved = frame >> 17 & 1 or not frame >> 12 & 15 or frame >> 8 & 15 == 15 or frame & 1
    if not last or frame >> 18 != 0x3FFE or reserved:
        return None
    return AudioType("audio/flac", samples / rate if samples else None)


_WAVPACK_RATES = (6000, 8000, 9600, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 192000)


def check_wavpack(reader: BoundedReader) -> AudioType | None:
    """WavPack 4 and 5: a block leads to the next one, to a tag (APEv2, ID3v1), or to the end."""
    size_bytes, version = reader.number(4, 4, little=True) + 8, reader.number(8, 2, little=True)
    if not 0x402 <= version <= 0x410 or not 32 <= size_bytes < 1 << 20:
        return None
    if size_bytes != reader.size_bytes:
        following = reader.at(size_bytes, 4)
        if following not in {b"wvpk", b"APET"} and following[:3] != b"TAG":
            return None
    samples = reader.number(12, 4, little=True)
    rate_index = reader.number(24, 4, little=True) >> 23 & 15
    if samples in {0, 0xFFFFFFFF} or rate_index == len(_WAVPACK_RATES):
        return AudioType("audio/x-wavpack")
    return AudioType("audio/x-wavpack", samples / _WAVPACK_RATES[rate_index])
