"""Ogg (RFC 3533): which codecs its streams have, and how long the first stream of sound is.

Every stream begins with one page of its own, and all of these stand before the first page of data. So the
pages that say "beginning of stream" tell everything: Theora beside Vorbis is a film.
"""

from dataclasses import dataclass

from .bounded_reader import ENDLESS, AudioType, BoundedReader

MAGIC = b"OggS"
_MAX_STREAMS = 32
_TAIL_BYTES = 65_536 + 1024
_BEGINS = 2
_CONTINUED = 1


@dataclass(frozen=True)
class _Page:
    flags: int
    serial: int
    body: int
    end: int


@dataclass(frozen=True)
class _Sound:
    """A stream of sound: the rate in which its granules count, and those that are not played."""

    serial: int
    rate: int
    skipped: int = 0


def check_ogg(reader: BoundedReader) -> AudioType | None:
    """Vorbis, Opus, FLAC, Speex or CELT; beside them only Skeleton, which describes and shows nothing."""
    sound: _Sound | None = None
    offset = 0
    for _ in range(_MAX_STREAMS):
        page = _read_page(reader, offset)
        if page is None:
            return None
        if not page.flags & _BEGINS:
            if sound is None or page.flags & _CONTINUED:
                return None
            return AudioType("audio/ogg", _measure_duration(reader, sound))
        packet = reader.at(page.body, min(page.end - page.body, 4096))
        if not _is_intact(reader.at(offset, page.body - offset) + packet):
            return None
        if not packet.startswith(b"fishead\0"):
            found = _identify_codec(page.serial, packet)
            if found is None:
                return None
            sound = sound or found
        offset = page.end
    return None


def _read_page(reader: BoundedReader, offset: int) -> _Page | None:
    header = reader.at(offset, 27)
    if header[:5] != MAGIC + b"\0":
        return None
    lacing = reader.at(offset + 27, header[26])
    body = offset + 27 + header[26]
    return _Page(header[5], int.from_bytes(header[14:18], "little"), body, body + sum(lacing))


def _identify_codec(serial: int, packet: bytes) -> _Sound | None:
    """The stream of sound that a first packet announces, or None for anything else."""
    rate = skipped = 0
    if packet.startswith(b"\x01vorbis") and len(packet) == 30:
        rate = int.from_bytes(packet[12:16], "little")
    elif packet.startswith(b"OpusHead") and len(packet) >= 19:
        rate, skipped = 48000, int.from_bytes(packet[10:12], "little")
    elif packet.startswith(b"\x7fFLAC\x01") and packet[9:13] == b"fLaC" and len(packet) == 51:
        rate = int.from_bytes(packet[27:30], "big") >> 4
    elif packet.startswith(b"Speex   ") and len(packet) >= 80:
        rate = int.from_bytes(packet[36:40], "little")
    elif packet.startswith(b"CELT    ") and len(packet) >= 56:
        rate = int.from_bytes(packet[40:44], "little")
    return _Sound(serial, rate, skipped) if rate else None


def _measure_duration(reader: BoundedReader, sound: _Sound) -> float | None:
    """The granule position of the last page of the stream (a page is at most 65,307 bytes)."""
    if reader.size_bytes == ENDLESS:
        return None
    start = max(reader.size_bytes - _TAIL_BYTES, 0)
    tail = reader.peek(start, _TAIL_BYTES)
    at = len(tail)
    for _ in range(256):
        at = tail.rfind(MAGIC, 0, at)
        if at < 0:
            break
        if len(tail) - at < 18:
            continue
        granule = int.from_bytes(tail[at + 6 : at + 14], "little", signed=True)
        serial = int.from_bytes(tail[at + 14 : at + 18], "little")
        if serial == sound.serial and granule >= 0:
            return max(granule - sound.skipped, 0) / sound.rate
    return None


def _crc_of(byte: int) -> int:
    crc = byte << 24
    for _ in range(8):
        crc = crc << 1 ^ (0x104C11DB7 if crc >> 31 else 0)
    return crc


_CRCS = tuple(map(_crc_of, range(256)))


def _is_intact(page: bytes) -> bool:
    """Whether the checksum of a page is right (RFC 3533, 6.7): counted with its own field as zero."""
    crc = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRCS[crc >> 24 ^ byte]
    return crc == int.from_bytes(page[22:26], "little")
