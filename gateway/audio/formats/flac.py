"""FLAC (RFC 9639): metadata blocks, and the first frame behind them."""

from .bounded_reader import AudioType, BoundedReader

_MAX_BLOCKS = 1024
_FRAME_HEADER_BYTES = 16


def check_flac(reader: BoundedReader) -> AudioType | None:
    """STREAMINFO, the rest of the metadata, and the header of a first frame with its checksum.

    The block sizes of STREAMINFO are not judged: encoders write any, also in files of a few samples.
    """
    if reader.number(4, 4) & 0x7FFFFFFF != 34:
        return None
    rate, samples = reader.number(18, 3) >> 4, reader.number(21, 5) & 0xFFFFFFFFF
    offset = _skip_metadata(reader)
    if offset is None or not _is_frame_header(reader.peek(offset, _FRAME_HEADER_BYTES)):
        return None
    duration_s = samples / rate if samples and rate else None
    sound_bytes = reader.size_bytes - offset if reader.is_whole else None
    return AudioType("audio/flac", duration_s, sound_bytes, rate or None, (reader.number(20, 1) >> 1 & 7) + 1)


def _skip_metadata(reader: BoundedReader) -> int | None:
    """Where the frames begin."""
    offset = 4
    for _ in range(_MAX_BLOCKS):
        header = reader.number(offset, 4)
        offset += 4 + (header & 0xFFFFFF)
        if header >> 31:
            reader.at(offset, 6)  # the shortest frame header must be there
            return offset
    return None


def _is_frame_header(data: bytes) -> bool:
    """Whether a frame begins here (RFC 9639, 9.1): sync, no reserved value, and a right CRC-8."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8:
        return False
    block_code, rate_code = data[2] >> 4, data[2] & 15
    if not block_code or rate_code == 15 or data[3] >> 4 > 10 or data[3] & 1:
        return False
    number_bytes = 1 if data[4] < 0x80 else 8 - (data[4] ^ 0xFF).bit_length()
    length = 4 + number_bytes + {6: 1, 7: 2}.get(block_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    return length < len(data) and _count_crc8(data[:length]) == data[length]


def _count_crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
