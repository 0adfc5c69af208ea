"""Ogg (RFC 3533): which codecs its streams have.

Every stream begins with a page of its own, and these stand before the first page of data. So the pages that say
"beginning of stream" tell everything: Theora beside Vorbis is a film.
"""

import zlib

from .bounded_reader import AudioType, BoundedReader
from .ogg_codecs import OggSound, identify_codec
from .ogg_length import measure_ogg
from .ogg_pages import BEGINS, read_page

_MAX_STREAMS = 32
_FILMS = tuple(
    b"\x80theora \x80daala BBCD\0 OVP80 \x01video UVS YUV4MPEG SPOTS\0 \x8bMNG \x8aJNG \x89PNG \x01Direct".split()
)
"""How streams of pictures begin, of moving ones and of still ones."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits reversed."""


def check_ogg(reader: BoundedReader) -> AudioType | None:
    """Vorbis, Opus, FLAC, Speex or CELT, and beside them no stream of pictures."""
    sound: OggSound | None = None
    serials, offset = set[int](), 0
    for _ in range(_MAX_STREAMS):
        page = read_page(reader, offset)
        if page is None:
            return None
        if not page.flags & BEGINS:
            if sound is None:
                return None
            return measure_ogg(reader, sound, offset, serials) if reader.is_whole else AudioType("audio/ogg")
        packet = reader.at(page.body, min(page.end - page.body, 4096))
        if not _is_intact(reader.at(offset, page.body - offset) + packet) or packet.startswith(_FILMS):
            return None
        sound = sound or identify_codec(page, packet)
        serials.add(page.serial)
        offset = page.end
    return None


def _is_intact(page: bytes) -> bool:
    """Whether the checksum of a page is right (RFC 3533, 6.7): counted with its own field as zero.

    It has the polynomial of zlib, with the bits of each byte the other way round, and neither start nor end inverted.
    """
    counted = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    crc = zlib.crc32(counted, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return page[22:26] == crc.to_bytes(4, "big").translate(_REVERSED)
