"""One-bit sound (DSD): the stream files of Sony (dsf) and the interchange format of Philips (dff)."""

from dataclasses import replace
from itertools import islice

from .bounded_reader import AudioType, BoundedReader
from .riff import MAX_CHUNKS, iterate_chunks


def check_dsf(reader: BoundedReader) -> AudioType | None:
    """DSD Stream File 1.01: three chunks of fixed places."""
    sizes_fit = reader.number(4, 8, little=True) == 28 and reader.number(32, 8, little=True) == 52
    names_fit = reader.at(28, 4) == b"fmt " and reader.at(80, 4) == b"data"
    rate, samples = reader.number(56, 4, little=True), reader.number(64, 8, little=True)
    return (
        AudioType("audio/x-dsf", samples / rate, None, rate, reader.number(52, 4, little=True))
        if sizes_fit and names_fit and rate
        else None
    )


def check_dff(reader: BoundedReader) -> AudioType | None:
    """DSDIFF 1.5: the properties of the sound, and then its samples, plain (`DSD `) or packed (`DST `)."""
    rate = channels = 0
    for name, body, size in islice(iterate_chunks(reader, 16, wide=True), MAX_CHUNKS):
        if name == b"PROP" and reader.at(body, 4) == b"SND ":
            rate, channels = _read_properties(reader.until(body + size), body + 4)
            if not 0 < rate < 1 << 30 or not 0 < channels <= 1024:
                return None
        elif name == b"DSD ":
            size_bytes = min(size, reader.size_bytes - body)
            return (
                AudioType("audio/x-dff", size_bytes * 8 / channels / rate, size_bytes, rate, channels) if rate else None
            )
        elif name == b"DST ":
            return replace(_read_packed(reader, body), sample_rate_hz=rate, channels=channels) if rate else None
    return None


def _read_properties(reader: BoundedReader, offset: int) -> tuple[int, int]:
    """Samples a second and channels, 0 where nothing says them."""
    rate = channels = 0
    for name, body, _ in islice(iterate_chunks(reader, offset, wide=True), MAX_CHUNKS):
        if name == b"FS  ":
            rate = reader.number(body, 4)
        elif name == b"CHNL":
            channels = reader.number(body, 2)
    return rate, channels


def _read_packed(reader: BoundedReader, body: int) -> AudioType:
    """The first part of DST tells how many frames there are, and how many of them are a second."""
    has_frames = reader.at(body, 4) == b"FRTE"
    frames, frame_rate = (reader.number(body + 12, 4), reader.number(body + 16, 2)) if has_frames else (0, 0)
    return AudioType("audio/x-dff", frames / frame_rate if frame_rate else None)
