"""Musepack: stream version 7 (`MP+`), a header and frames of any number of bits; version 8 (`MPCK`), packets."""

from .bounded_reader import AudioType, BoundedReader

_RATES = (44100, 48000, 37800, 32000)
_FRAME_SAMPLES = 1152
_ROW = 8
_MAX_FRAME_BITS = 40_000
_MAX_PACKETS = 16


def check_sv7(reader: BoundedReader) -> AudioType | None:
    """Version 7: 28 bytes of header, and a row of frames, each with its length in bits in front."""
    version, frames = reader.number(3, 1), reader.number(4, 4, little=True)
    flags = reader.number(8, 4, little=True)
    if version & 15 != 7 or not frames or flags >> 31 or flags >> 24 & 63 > 31:
        return None
    bit = 8  # of the words of 32 bits from byte 24 on
    for _ in range(min(_ROW, frames)):
        word = 24 + bit // 32 * 4
        bits = reader.number(word, 4, little=True) << 32
        if bit % 32 > 12:
            bits |= reader.number(word + 4, 4, little=True)
        frame_bits = bits >> 44 - bit % 32 & 0xFFFFF
        if not 0 < frame_bits <= _MAX_FRAME_BITS:
            return None
        bit += 20 + frame_bits
    if (reader.size_bytes - 24) * 8 < bit:
        return None
    rate = _RATES[flags >> 16 & 3]
    return AudioType("audio/x-musepack", frames * _FRAME_SAMPLES / rate, reader.size_bytes - 24, rate)


def check_sv8(reader: BoundedReader) -> AudioType | None:
    """Version 8: packets of a key of two capitals and a size that counts the whole packet; `SH` describes the sound."""
    offset, duration_s, described = 4, None, False
    for _ in range(_MAX_PACKETS):
        key = reader.at(offset, 2)
        size, body = _read_number(reader, offset + 2)
        if not (key.isalpha() and key.isupper()) or size < body - offset:
            return None
        if key == b"SH":
            if reader.number(body + 4, 1) != 8:
                return None
            samples, silence_at = _read_number(reader, body + 5)
            silence, rate_at = _read_number(reader, silence_at)
            rate_index = reader.number(rate_at, 1) >> 5
            if rate_index >= len(_RATES):
                return None
            described = True
            duration_s = (samples - silence) / _RATES[rate_index] if samples > silence else None
        elif key == b"AP":
            sound_bytes = reader.size_bytes - offset if reader.is_whole else None
            return AudioType("audio/x-musepack", duration_s, sound_bytes) if described else None
        offset += size
    return None


def _read_number(reader: BoundedReader, offset: int) -> tuple[int, int]:
    """A number of seven bits a byte, most significant first; and where it ends."""
    number = 0
    for _ in range(9):
        byte = reader.number(offset, 1)
        number = number << 7 | byte & 127
        offset += 1
        if byte < 128:
            break
    return number, offset
