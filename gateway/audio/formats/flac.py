"""FLAC (RFC 9639): metadata blocks, and the first frame behind them; the last one where no length is told."""

from contextlib import suppress
from typing import NamedTuple

from .bounded_reader import AudioType, BoundedReader, ReadLimitReached

_MAX_BLOCKS = 1024
_FRAME_HEADER_BYTES = 16
_TAIL_BYTES = 512 * 1024
"""How far from the end the last frame may begin."""


class _Frame(NamedTuple):
    """The header of a frame: its number, or in a stream of variable blocks that of its first sample; its samples."""

    form: tuple[int, int, int]
    number: int
    samples: int

    @property
    def is_variable(self) -> bool:
        """Whether blocks differ in size."""
        return bool(self.form[0] & 1)


def check_flac(reader: BoundedReader) -> AudioType | None:
    """STREAMINFO, the rest of the metadata, and the header of a first frame with its checksum.

    The block sizes of STREAMINFO are not judged: encoders write any, also in files of a few samples.
    """
    if reader.number(4, 4) & 0x7FFFFFFF != 34:
        return None
    rate, channels = reader.number(18, 3) >> 4, (reader.number(20, 1) >> 1 & 7) + 1
    samples = reader.number(21, 5) & 0xFFFFFFFFF
    offset = _skip_metadata(reader)
    if offset is None:
        return None
    look = reader.peek if reader.is_whole else reader.at
    first = _parse_frame(look(offset, _FRAME_HEADER_BYTES))
    if first is None:
        return None
    if not samples and reader.is_whole:  # it was written to a pipe
        samples = _count_samples(reader.since(offset), first)
    duration_s = samples / rate if samples and rate else None
    sound_bytes = reader.size_bytes - offset if reader.is_whole else None
    return AudioType("audio/flac", duration_s, sound_bytes, rate or None, channels)


def _skip_metadata(reader: BoundedReader) -> int | None:
    """Where the frames begin."""
    offset = 4
    for _ in range(_MAX_BLOCKS):
        header = reader.number(offset, 4)
        offset += 4 + (header & 0xFFFFFF)
        if header >> 31:
            return offset
    return None


def _count_samples(reader: BoundedReader, first: _Frame) -> int:
    """The samples from the first frame to the end of the last; 0 where none is found."""
    with suppress(ReadLimitReached):
        for at in reader.find_last(bytes([0xFF, first.form[0]]), within_bytes=_TAIL_BYTES):
            last = _parse_frame(reader.peek(at, _FRAME_HEADER_BYTES))
            if last and last.form == first.form:
                length = last.number - first.number  # a part of a stream does not begin at 0
                return max(0, length if last.is_variable else length * first.samples) + last.samples
    return 0


def _parse_frame(data: bytes) -> _Frame | None:
    """The frame that begins here (RFC 9639, 9.1): sync, no reserved value, and a right CRC-8."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8:
        return None
    block_code, rate_code = data[2] >> 4, data[2] & 15
    if not block_code or rate_code == 15 or data[3] >> 4 > 10 or data[3] & 1:
        return None
    number_bytes = 1 if data[4] < 0x80 else 8 - (data[4] ^ 0xFF).bit_length()
    at = 4 + number_bytes
    length = at + {6: 1, 7: 2}.get(block_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if length >= len(data) or _count_crc8(data[:length]) != data[length]:
        return None
    form = data[1], rate_code, data[3] & 0x0E
    return _Frame(form, _read_number(data[4:at]), _read_block_size(block_code, data[at : at + 2]))


def _read_number(coded: bytes) -> int:
    """A number coded as UTF-8 codes a character, of up to 36 bits."""
    number = coded[0] & (0x7F if len(coded) == 1 else 0x7F >> len(coded))
    for byte in coded[1:]:
        number = number << 6 | byte & 0x3F
    return number


def _read_block_size(code: int, following: bytes) -> int:
    """The samples of a block (9.1.1)."""
    if code in {6, 7}:
        return int.from_bytes(following[: code - 5], "big") + 1
    return 192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8


def _count_crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x107 if crc & 0x80 else 0)
    return crc
