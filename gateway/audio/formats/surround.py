"""Sound of films: AC-3 and Enhanced AC-3 (Dolby Digital), and DTS with its extensions."""

import re
from functools import partial, reduce
from itertools import chain
from typing import Literal

from .bounded_reader import AudioType, BoundedReader
from .frames import Frame, Framing, check_row

_AC3_RATES = (48000, 44100, 32000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def _parse_ac3(header: bytes) -> Frame | None:
    """ATSC A/52, 5.3 and annex E."""
    rate_index, version = header[4] >> 6, header[5] >> 3
    if header[:2] != b"\x0b\x77" or version > 16:
        return None
    if version > 10:
        return _parse_eac3(header)
    code = header[4] & 63
    if rate_index == 3 or code >= 2 * len(_AC3_KBPS):
        return None
    rate = _AC3_RATES[rate_index]
    words = _AC3_KBPS[code >> 1] * 96_000 // rate + (code & 1 if rate == 44100 else 0)
    return Frame(words * 2, (rate, code >> 1), 1536, rate >> max(version - 8, 0))


def _parse_eac3(header: bytes) -> Frame | None:
    """Annex E: only the first independent substream counts for the length; the others play at the same time."""
    kind, substream, rate_index = header[2] >> 6, header[2] >> 3 & 7, header[4] >> 6
    half_rate_index = header[4] >> 4 & 3
    if kind == 3 or (rate_index == 3 and half_rate_index == 3):
        return None
    rate = _AC3_RATES[half_rate_index] // 2 if rate_index == 3 else _AC3_RATES[rate_index]
    blocks = 6 if rate_index == 3 else (1, 2, 3, 6)[half_rate_index]
    size_bytes = ((header[2] & 7) << 8 | header[3]) * 2 + 2
    is_first = kind != 1 and substream == 0
    return Frame(size_bytes, (rate, "enhanced"), 256 * blocks if is_first else 0, rate) if size_bytes > 6 else None


AC3 = Framing(6, re.compile(rb"\x0b\x77"), _parse_ac3)


def check_ac3(reader: BoundedReader) -> AudioType | None:
    """AC-3 and Enhanced AC-3."""
    enhanced = reader.number(5, 1) >> 3 > 10
    return check_row(reader, "audio/eac3" if enhanced else "audio/ac3", AC3)


_DTS_CORE, _DTS_EXTENSION = b"\x7f\xfe\x80\x01", b"\x64\x58\x20\x25"
_DTS_RATES = {1: 8000, 2: 16000, 3: 32000, 6: 11025, 7: 22050, 8: 44100, 11: 12000, 12: 24000, 13: 48000}


def _parse_dts(header: bytes) -> Frame | None:
    """ETSI TS 102 114, 5.3 and 7.4: frames of the core, and between them the extensions of DTS-HD."""
    fields = int.from_bytes(header[4:], "big")
    if header[:4] == _DTS_EXTENSION:  # 8 bits of the user, 2 of the index, 1 for the width of the sizes
        size_bytes = (fields >> 5 & 0xFFFFF if fields >> 37 & 1 else fields >> 13 & 0xFFFF) + 1
        return Frame(size_bytes, "DTS", 0, 1) if size_bytes > 10 else None
    blocks, size_bytes, rate_code = fields >> 34 & 127, fields >> 20 & 0x3FFF, fields >> 10 & 15
    if header[:4] != _DTS_CORE or size_bytes < 95 or rate_code not in _DTS_RATES:
        return None
    return Frame(size_bytes + 1, "DTS", (blocks + 1) * 32, _DTS_RATES[rate_code])


def _parse_swapped_dts(header: bytes) -> Frame | None:
    return _parse_dts(bytes(chain.from_iterable(zip(header[1::2], header[::2], strict=True))))


DTS = Framing(10, re.compile(rb"[\x7f\x64][\xfe\x58][\x80\x20][\x01\x25]"), _parse_dts)
SWAPPED_DTS = Framing(10, re.compile(rb"\xfe\x7f\x01\x80|\x58\x64\x25\x20"), _parse_swapped_dts)


def _parse_sparse_dts(order: Literal["big", "little"], header: bytes) -> Frame | None:
    """Words of which only the lower 14 bits count, as DTS has them on a CD."""
    words = (int.from_bytes(header[at : at + 2], order) & 0x3FFF for at in range(0, len(header), 2))
    bits = reduce(lambda number, word: number << 14 | word, words, 0)
    dense = (bits >> len(header) * 7 - 80).to_bytes(10, "big")
    frame = _parse_dts(dense) if dense[:4] == _DTS_CORE else None
    return frame._replace(size_bytes=frame.size_bytes * 8 // 14 * 2) if frame else None


_SPARSE_DTS = {
    0x1F: Framing(12, re.compile(rb"\x1f\xff\xe8\0\x07"), partial(_parse_sparse_dts, "big")),
    0xFF: Framing(12, re.compile(rb"\xff\x1f\0\xe8.\x07", re.DOTALL), partial(_parse_sparse_dts, "little")),
}


def check_dts(reader: BoundedReader) -> AudioType | None:
    """DTS Coherent Acoustics in words of 16 or 14 bits, of either byte order, with the extensions of DTS-HD or not."""
    framings = {0x7F: DTS, 0x64: DTS, **_SPARSE_DTS}
    return check_row(reader, "audio/vnd.dts", framings.get(reader.number(0, 1), SWAPPED_DTS))
