"""Structures that are a row of chunks: RIFF (wav) and its 64-bit heirs, AIFF, CAF, MIDI.

A file of these is audio when the chunk that describes the sound and the chunk that holds it are both there.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from .bounded_reader import ENDLESS, AudioType, BoundedReader

MAX_CHUNKS = 512
_TO_THE_END = 0xFFFFFFFF


def iterate_chunks(
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


_EVEN_CODINGS = {1, 3, 6, 7, 0xFFFE}
"""PCM, float, A-law, mu-law: a frame of samples has `block_align` bytes."""


@dataclass(frozen=True)
class _WaveFormat:
    """A WAVEFORMATEX: bytes a second where they measure time, samples a second."""

    byte_rate: float
    rate: int
    channels: int
    is_even: bool


def check_wave(reader: BoundedReader) -> AudioType | None:
    """RIFF WAVE, big-endian RIFX, RF64 and BW64 (EBU Tech 3306): `fmt ` and then `data`."""
    little = reader.at(0, 4) != b"RIFX"
    wide_size, samples, form = 0, 0, None
    for name, body, size in islice(iterate_chunks(reader, 12, little=little), MAX_CHUNKS):
        if name == b"ds64":
            wide_size, samples = (reader.number(body + start, 8, little=True) for start in (8, 16))
        elif name == b"fact" and size >= 4:
            stated = reader.number(body, 4, little=little)
            samples = samples if stated == _TO_THE_END else stated
        elif name == b"fmt ":
            form = _read_format(reader, body, size, little=little)
            if form is None:
                return None
        elif name == b"data":
            # A stream that was written to a pipe does not know its own size.
            stated_bytes = wide_size if size == _TO_THE_END else size
            rest_bytes = reader.size_bytes - body
            return _describe("audio/wav", min(stated_bytes or rest_bytes, rest_bytes), form, samples, stated_bytes)
    return None


def _read_format(reader: BoundedReader, body: int, size: int, *, little: bool) -> _WaveFormat | None:
    if size < 14:
        return None
    order = "<" if little else ">"
    tag, channels, rate, byte_rate, align = struct.unpack(f"{order}HHIIH", reader.at(body, 14))
    if not tag or not rate or not 1 <= channels <= 1024:
        return None
    is_even = tag in _EVEN_CODINGS and align
    return _WaveFormat(align * rate if is_even else byte_rate, rate, channels, bool(is_even))


def _describe(
    content_type: str, size_bytes: int, form: _WaveFormat | None, samples: int = 0, stated_bytes: int = 0
) -> AudioType | None:
    """The length by the bytes that are there; where these are no measure, by the samples that `fact` states."""
    if form is None:
        return None
    if not form.is_even and samples and stated_bytes:
        return AudioType(
            content_type, samples / form.rate * min(size_bytes / stated_bytes, 1), size_bytes, form.rate, form.channels
        )
    duration_s = size_bytes / form.byte_rate if form.byte_rate else None
    return AudioType(content_type, duration_s, size_bytes, form.rate, form.channels)


_W64_TAIL = {b"riff": "2e91cf11a5d628db04c10000", b"wave": "f3acd3118cd100c04f8edb8a"}
W64_RIFF = b"riff" + bytes.fromhex(_W64_TAIL[b"riff"])
_W64_WAVE, _W64_FMT, _W64_DATA = (name + bytes.fromhex(_W64_TAIL[b"wave"]) for name in (b"wave", b"fmt ", b"data"))


def check_w64(reader: BoundedReader) -> AudioType | None:
    """Sony Wave64: the chunks of WAVE under 16-byte names, sizes that count their own header."""
    if reader.at(24, 16) != _W64_WAVE:
        return None
    offset, form = 40, None
    for _ in range(MAX_CHUNKS):
        if offset + 24 > reader.size_bytes:
            return None
        name, size = reader.at(offset, 16), reader.number(offset + 16, 8, little=True)
        if name == _W64_FMT:
            form = _read_format(reader, offset + 24, size - 24, little=True)
        if name == _W64_DATA:
            rest_bytes = reader.size_bytes - offset - 24
            return _describe("audio/x-w64", min(size - 24, rest_bytes) if size > 24 else rest_bytes, form)
        if size < 24:
            return None
        offset += size + -size % 8
    return None


def check_aiff(reader: BoundedReader) -> AudioType | None:
    """AIFF and AIFC (EA IFF 85): the description and the samples, in either order."""
    if reader.at(8, 4) not in (b"AIFF", b"AIFC"):
        return None
    missing, size_bytes, described = {b"COMM", b"SSND"}, 0, (0, 0)
    for name, body, size in islice(iterate_chunks(reader, 12), MAX_CHUNKS):
        if name == b"COMM":
            if not reader.number(body, 2):
                return None
            described = body, size
        elif name == b"SSND":
            size_bytes = min(size or ENDLESS, reader.size_bytes - body) - 8
        missing.discard(name)
        if not missing:
            return AudioType("audio/aiff", _read_aiff_duration(reader, *described, size_bytes), max(size_bytes, 0))
    return None


_UNCOMPRESSED = {b"NONE", b"twos", b"sowt", b"raw ", b"in24", b"in32", b"fl32", b"FL32", b"fl64", b"FL64"}


def _read_aiff_duration(reader: BoundedReader, body: int, size: int, size_bytes: int) -> float | None:
    """What `COMM` tells: frames, and their rate as an extended float of 80 bits; no more than there are samples."""
    channels, frames, bits = struct.unpack(">HIH", reader.at(body, 8))
    exponent = (reader.number(body + 8, 2) & 0x7FFF) - 16383 - 63
    mantissa = reader.number(body + 10, 8)
    if not mantissa or not -63 <= exponent <= -32:  # 1 to 2**32 frames a second
        return None
    coding = reader.at(body + 18, 4) if size >= 22 else b"NONE"
    if coding in _UNCOMPRESSED and bits:
        there = size_bytes // (channels * -(-bits // 8))
        frames = min(frames, there) if frames else there
    elif coding == b"ima4":
        frames *= 64
    return float(frames / (mantissa * 2.0**exponent))


def check_caf(reader: BoundedReader) -> AudioType | None:
    """Apple Core Audio Format: `desc` comes first; the size of `data` may be -1, then it is the last."""
    if reader.at(4, 8) != b"\x00\x01\x00\x00desc":
        return None
    rate, _, _, packet_bytes, packet_frames, channels = struct.unpack(">d4sIIII", reader.at(20, 28))
    if not (0 < rate < 1e8 and 1 <= channels <= 1024):
        return None
    frames, size_bytes = 0.0, None
    for name, body, size in islice(iterate_chunks(reader, 8, wide=True, align=1), MAX_CHUNKS):
        if name == b"pakt" and size >= 24:  # packets, then the frames of them that are played
            frames = reader.number(body + 8, 8)
        elif name == b"data":
            if not reader.is_whole:
                return AudioType("audio/x-caf")
            size_bytes = max(min(size, reader.size_bytes - body) - 4, 0)
    if size_bytes is None:
        return None
    if packet_bytes and packet_frames:
        frames = size_bytes / packet_bytes * packet_frames
    return AudioType("audio/x-caf", frames / rate if frames else None, size_bytes, round(rate), channels)


def check_midi(reader: BoundedReader) -> AudioType | None:
    """Standard MIDI File 1.0: the header, and a first track that ends as every track must (FF 2F 00)."""
    if reader.at(0, 4) == b"RIFF":  # words and instruments may stand before the song
        chunks = islice(iterate_chunks(reader, 12, little=True), MAX_CHUNKS)
        reader = reader.since(next((body for name, body, _ in chunks if name == b"data"), reader.size_bytes))
    size, shape, tracks, division = struct.unpack(">IHHH", reader.at(4, 10))
    if reader.at(0, 4) != b"MThd" or size < 6 or shape > 2 or not tracks or not division:
        return None
    for name, body, length in islice(iterate_chunks(reader, 8 + size, align=1), MAX_CHUNKS):
        if name == b"MTrk":
            ended = length >= 4 and reader.at(body + length - 3, 3) == b"\xff\x2f\x00"
            return AudioType("audio/midi") if ended else None
    return None
