"""Structures that are a row of chunks: RIFF (wav) and its 64-bit heirs, AIFF, CAF, MIDI, DSF.

A file of these is audio when the chunk that describes the sound and the chunk that holds it are both there.
"""

import struct
from collections.abc import Iterator
from itertools import islice

from .bounded_reader import AudioType, BoundedReader

_MAX_CHUNKS = 512
_TO_THE_END = 0xFFFFFFFF


def _chunks(
    reader: BoundedReader, offset: int, *, little: bool = False, wide: bool = False, align: int = 2
) -> Iterator[tuple[bytes, int, int]]:
    """The chunks from an offset on as (name, start of the body, size); ends at the first bad name."""
    width = 8 if wide else 4
    while offset + 4 + width <= reader.size_bytes:
        name, size = reader.at(offset, 4), reader.number(offset + 4, width, little=little)
        if not (name.isascii() and name[:3].decode().isprintable()):
            return
        body = offset + 4 + width
        yield name, body, size
        offset = body + size + -size % align


def check_wave(reader: BoundedReader) -> AudioType | None:
    """RIFF WAVE, big-endian RIFX, RF64 and BW64 (EBU Tech 3306): `fmt ` and then `data`."""
    little = reader.at(0, 4) != b"RIFX"
    wide_size, byte_rate = 0, None
    for name, body, size in islice(_chunks(reader, 12, little=little), _MAX_CHUNKS):
        if name == b"ds64":
            wide_size = reader.number(body + 8, 8, little=True)
        elif name == b"fmt ":
            byte_rate = _read_byte_rate(reader, body, size, little=little)
            if byte_rate is None:
                return None
        elif name == b"data":
            # A stream that was written to a pipe does not know its own size.
            size_bytes = wide_size if size == _TO_THE_END and wide_size else size
            return _describe("audio/wav", min(size_bytes, reader.size_bytes - body), byte_rate)
    return None


_EVEN_CODINGS = {1, 3, 6, 7, 0xFFFE}
"""PCM, float, A-law, mu-law: only of these the byte rate can be trusted."""


def _read_byte_rate(reader: BoundedReader, body: int, size: int, *, little: bool) -> int | None:
    """The bytes a second of a WAVEFORMATEX, 0 where that is no measure of time; None if it is no sound."""
    if size < 14:
        return None
    order = "<" if little else ">"
    tag, channels, rate, byte_rate = struct.unpack(f"{order}HHII", reader.at(body, 12))
    if not tag or not rate or not 1 <= channels <= 1024:
        return None
    return int(byte_rate) if tag in _EVEN_CODINGS else 0


def _describe(content_type: str, size_bytes: int, byte_rate: int | None) -> AudioType | None:
    if byte_rate is None:
        return None
    return AudioType(content_type, size_bytes / byte_rate if byte_rate else None)


_W64_TAIL = {b"riff": "2e91cf11a5d628db04c10000", b"wave": "f3acd3118cd100c04f8edb8a"}
W64_RIFF = b"riff" + bytes.fromhex(_W64_TAIL[b"riff"])
_W64_WAVE, _W64_FMT, _W64_DATA = (name + bytes.fromhex(_W64_TAIL[b"wave"]) for name in (b"wave", b"fmt ", b"data"))


def check_w64(reader: BoundedReader) -> AudioType | None:
    """Sony Wave64: the chunks of WAVE under 16-byte names, sizes that count their own header."""
    if reader.at(24, 16) != _W64_WAVE:
        return None
    offset, byte_rate = 40, None
    for _ in range(_MAX_CHUNKS):
        if offset + 24 > reader.size_bytes:
            return None
        name, size = reader.at(offset, 16), reader.number(offset + 16, 8, little=True)
        if name == _W64_FMT:
            byte_rate = _read_byte_rate(reader, offset + 24, size - 24, little=True)
        if name == _W64_DATA:
            size_bytes = min(size - 24, reader.size_bytes - offset - 24)
            return _describe("audio/x-w64", size_bytes, byte_rate)
        if size < 24:
            return None
        offset += size + -size % 8
    return None


def check_aiff(reader: BoundedReader) -> AudioType | None:
    """AIFF and AIFC (EA IFF 85): the description and the samples, in either order."""
    if reader.at(8, 4) not in (b"AIFF", b"AIFC"):
        return None
    missing = {b"COMM", b"SSND"}
    duration_s = None
    for name, body, size in islice(_chunks(reader, 12), _MAX_CHUNKS):
        if name == b"COMM":
            if not reader.number(body, 2):
                return None
            duration_s = _read_aiff_duration(reader, body, size)
        missing.discard(name)
        if not missing:
            return AudioType("audio/aiff", duration_s)
    return None


def _read_aiff_duration(reader: BoundedReader, body: int, size: int) -> float | None:
    """What `COMM` of AIFF and AIFC tells: frames, and their rate as an extended float of 80 bits."""
    exponent = (reader.number(body + 8, 2) & 0x7FFF) - 16383 - 63
    mantissa = reader.number(body + 10, 8)
    if not mantissa or not -63 <= exponent <= -32:  # 1 to 2**32 frames a second
        return None
    frame_samples = 64 if size >= 22 and reader.at(body + 18, 4) == b"ima4" else 1
    return reader.number(body + 2, 4) * frame_samples / (mantissa * 2.0**exponent)


def check_caf(reader: BoundedReader) -> AudioType | None:
    """Apple Core Audio Format: `desc` comes first; the size of `data` may be -1."""
    if reader.at(4, 8) != b"\x00\x01\x00\x00desc":
        return None
    rate, _, _, packet_bytes, packet_frames, channels = struct.unpack(">d4sIIII", reader.at(20, 28))
    if not (0 < rate < 1e8 and 1 <= channels <= 1024):
        return None
    for name, body, size in islice(_chunks(reader, 8, wide=True, align=1), _MAX_CHUNKS):
        if name == b"data":
            size_bytes = min(size, reader.size_bytes - body) - 4
            if packet_bytes and packet_frames and size_bytes >= 0:
                return AudioType("audio/x-caf", size_bytes / packet_bytes * packet_frames / rate)
            return AudioType("audio/x-caf")
    return None


def check_midi(reader: BoundedReader) -> AudioType | None:
    """Standard MIDI File 1.0: the header, and a first track that ends as every track must (FF 2F 00)."""
    if reader.at(0, 4) == b"RIFF":
        reader = reader.since(20)
    size, shape, tracks, division = struct.unpack(">IHHH", reader.at(4, 10))
    if reader.at(0, 4) != b"MThd" or size < 6 or shape > 2 or not tracks or not division:
        return None
    for name, body, length in islice(_chunks(reader, 8 + size, align=1), _MAX_CHUNKS):
        if name == b"MTrk":
            ended = length >= 4 and reader.at(body + length - 3, 3) == b"\xff\x2f\x00"
            return AudioType("audio/midi") if ended else None
    return None


def check_dsf(reader: BoundedReader) -> AudioType | None:
    """DSD Stream File 1.01: three chunks of fixed places."""
    sizes_fit = reader.number(4, 8, little=True) == 28 and reader.number(32, 8, little=True) == 52
    names_fit = reader.at(28, 4) == b"fmt " and reader.at(80, 4) == b"data"
    rate, samples = reader.number(56, 4, little=True), reader.number(64, 8, little=True)
    return AudioType("audio/x-dsf", samples / rate) if sizes_fit and names_fit and rate else None
