"""Formats of one fixed header and then samples: au, TTA, Monkey's Audio, and Flash Video that holds sound alone.

Their magic numbers are short, so each header must also make sense as a whole: known encodings, a rate, a
number of channels, a checksum where there is one.
"""

import struct
import zlib

from .bounded_reader import AudioType, BoundedReader

_MAX_RATE = 10_000_000


def _is_sane(channels: int, rate: float) -> bool:
    return 1 <= channels <= 255 and 0 < rate <= _MAX_RATE


_AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def check_au(reader: BoundedReader) -> AudioType | None:
    """Sun and NeXT `.snd`, and the little-endian `dns.` of DEC."""
    order = "<" if reader.at(0, 4) == b"dns." else ">"
    offset, size_bytes, encoding, rate, channels = struct.unpack(f"{order}5I", reader.at(4, 20))
    if not (24 <= offset <= min(1 << 20, reader.size_bytes) and 1 <= encoding <= 27):
        return None
    if not _is_sane(channels, rate):
        return None
    width = _AU_WIDTHS.get(encoding)
    rest_bytes = reader.size_bytes - offset
    size_bytes = min(size_bytes or rest_bytes, rest_bytes)  # a stream that was written to a pipe says 0 or 2**32 - 1
    return AudioType("audio/basic", size_bytes / channels / width / rate if width else None, size_bytes, rate, channels)


def check_tta(reader: BoundedReader) -> AudioType | None:
    """True Audio 1: the header has a checksum."""
    channels, _, rate, samples, crc = struct.unpack("<HHIII", reader.at(6, 16))
    if zlib.crc32(reader.at(0, 18)) != crc or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-tta", samples / rate, None, rate, channels)


def check_ape(reader: BoundedReader) -> AudioType | None:
    """Monkey's Audio: since 3.98 a descriptor and then the header, before it the header alone."""
    version = reader.number(4, 2, little=True)
    if version >= 3980:
        descriptor, header = struct.unpack("<II", reader.at(8, 8))
        if not (52 <= descriptor <= 4096 and 24 <= header <= 4096):
            return None
        level, _, blocks, last, frames, _, channels, rate = struct.unpack("<HHIIIHHI", reader.at(descriptor, 24))
        samples = max(frames - 1, 0) * blocks + last
    else:
        level, _, channels, rate, _, _, frames, last = struct.unpack("<HHHIIIII", reader.at(6, 26))
        blocks = 9216 if version < 3900 and not (version >= 3800 and level == 4000) else 73_728
        samples = max(frames - 1, 0) * (blocks * 4 if version >= 3950 else blocks) + last
    if level % 1000 or not 1000 <= level <= 6000 or not 3800 <= version < 4200 or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-ape", samples / rate if samples else None, None, rate, channels)


def check_flv(reader: BoundedReader) -> AudioType | None:
    """Flash Video whose header and first tags speak of sound alone (annex E of the F4V specification)."""
    offset = reader.number(5, 4) + 4
    if reader.number(4, 1) != 4 or offset > 64:
        return None
    for _ in range(64):
        kind, size = reader.number(offset, 1), reader.number(offset + 1, 3)
        if kind == 8:
            return AudioType("audio/x-flv", _read_flv_duration(reader) if reader.is_whole else None)
        if kind != 18 or reader.number(offset + 11 + size, 4) != size + 11:
            return None
        offset += size + 15
    return None


def _read_flv_duration(reader: BoundedReader) -> float | None:
    """When the last tag plays; the last four bytes lead to its beginning."""
    end = reader.size_bytes - 4
    at = end - reader.number(end, 4)
    if at < 9 or reader.number(at, 1) not in {8, 18}:
        return None
    return (reader.number(at + 4, 3) | reader.number(at + 7, 1) << 24) / 1000 or None
