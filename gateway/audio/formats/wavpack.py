"""WavPack 4 and 5: blocks of samples, also of DSD."""

from contextlib import suppress

from .bounded_reader import AudioType, BoundedReader, ReadLimitReached

_RATES = (6000, 8000, 9600, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 192000)
_DSD = 1 << 31
_UNKNOWN = 0xFFFFFFFF
_MAX_PARTS = 64
_TAIL_BYTES = 1024 * 1024
_DSD_PART, _RATE_PART = 0x0E, 0x27


def check_wavpack(reader: BoundedReader) -> AudioType | None:
    """A block leads to the next one, to a tag (APEv2, ID3v1), or to the end."""
    size_bytes, version = reader.number(4, 4, little=True) + 8, reader.number(8, 2, little=True)
    if not 0x402 <= version <= 0x410 or not 32 <= size_bytes < 1 << 20:
        return None
    if size_bytes != reader.size_bytes:
        following = reader.at(size_bytes, 4)
        if following not in {b"wvpk", b"APET"} and following[:3] != b"TAG":
            return None
    samples = reader.number(12, 4, little=True) + (reader.number(11, 1) << 32)
    rate = _read_rate(reader, size_bytes)
    if samples & _UNKNOWN in {0, _UNKNOWN}:  # it was written to a pipe
        samples = _find_end(reader) if reader.is_whole else 0
    return AudioType("audio/x-wavpack", samples / rate if samples and rate else None, None, rate or None)


def _find_end(reader: BoundedReader) -> int:
    """The samples up to the end of the last block; 0 where none is found."""
    with suppress(ReadLimitReached):
        for at in reader.find_last(b"wvpk", within_bytes=_TAIL_BYTES):
            header = reader.peek(at, 24)
            if len(header) == 24 and 0x402 <= int.from_bytes(header[8:10], "little") <= 0x410:
                start = int.from_bytes(header[16:20], "little") | header[10] << 32
                return start + int.from_bytes(header[20:24], "little")
    return 0


def _read_rate(reader: BoundedReader, end: int) -> int:
    """Samples a second: of the table, or of the parts of the block that say it. A sample of DSD is a byte."""
    flags = reader.number(24, 4, little=True)
    rate_index = flags >> 23 & 15
    rate = _RATES[rate_index] if rate_index < len(_RATES) else 0
    if rate and not flags & _DSD:
        return rate
    offset, multiplier = 32, 1
    for _ in range(_MAX_PARTS):
        if offset + 4 > end:
            break
        kind = reader.number(offset, 1)
        words = reader.number(offset + 1, 3 if kind & 0x80 else 1, little=True)
        body = offset + (4 if kind & 0x80 else 2)
        if kind & 0x3F == _DSD_PART:
            multiplier = 1 << min(reader.number(body, 1), 30)
        elif kind & 0x3F == _RATE_PART & 0x3F:
            rate = reader.number(body, 3, little=True)
        offset = body + 2 * words
    return rate * multiplier
