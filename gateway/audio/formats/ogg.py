"""Ogg (RFC 3533): which codecs its streams have.

Every stream begins with a page of its own, and these stand before the first page of data. So the pages that say
"beginning of stream" tell which there are: Theora beside Vorbis is a film, unless it has one picture. ffmpeg writes
covers so.
"""

import zlib
from itertools import islice

from .bounded_reader import AudioType, BeyondHead, BoundedReader
from .ogg_codecs import OggSound, identify_codec
from .ogg_length import measure_ogg
from .ogg_pages import BEGINS, MAGIC, iterate_pages, read_page

_MAX_STREAMS = 32
_THEORA = b"\x80theora"
_THEORA_HEADERS = 2
"""Packets behind the first one, before those of pictures."""
_MAX_FILM_PAGES = 400
_TAIL_BYTES = 1024 * 1024
_FILMS = tuple(b"\x80daala BBCD\0 OVP80 \x01video UVS YUV4MPEG SPOTS\0 \x8bMNG \x8aJNG \x89PNG \x01Direct".split())
"""How streams of pictures begin, of moving ones and of still ones."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits reversed."""


def check_ogg(reader: BoundedReader) -> AudioType | None:
    """Vorbis, Opus, FLAC, Speex or CELT, and beside them no stream of more than one picture."""
    sound: OggSound | None = None
    serials, covers, offset = set[int](), set[int](), 0
    for _ in range(_MAX_STREAMS):
        page = read_page(reader, offset)
        if page is None:
            return None
        if not page.flags & BEGINS:
            if sound is None or any(_shows_film(reader, offset, serial) for serial in covers):
                return None
            return measure_ogg(reader, sound, offset, serials) if reader.is_whole else AudioType("audio/ogg")
        packet = reader.at(page.body, min(page.end - page.body, 4096))
        if not _is_intact(reader.at(offset, page.body - offset) + packet) or packet.startswith(_FILMS):
            return None
        if packet.startswith(_THEORA):
            covers.add(page.serial)
        sound = sound or identify_codec(page, packet)
        serials.add(page.serial)
        offset = page.end
    return None


def _shows_film(reader: BoundedReader, offset: int, serial: int) -> bool:
    """Whether a stream of Theora has another number of pictures than one: in the first pages, and near the end.

    :raises BeyondHead: the head has one or none, and the file goes on.
    """
    pictures, end = -_THEORA_HEADERS, offset
    for page, _ in islice(iterate_pages(reader, offset), _MAX_FILM_PAGES):
        end = page.end
        if page.serial == serial:
            pictures += page.packets
            if pictures > 1:
                return True
    if not reader.is_whole:
        raise BeyondHead
    return pictures != 1 or _is_near_end(reader, end, serial)


def _is_near_end(reader: BoundedReader, offset: int, serial: int) -> bool:
    """Whether a stream has pages near the end, behind an offset."""
    for at in reader.find_last(MAGIC, within_bytes=min(_TAIL_BYTES, max(reader.size_bytes - offset, 0))):
        header = reader.peek(at, 18)
        if header[4:5] == b"\0" and int.from_bytes(header[14:18], "little") == serial:
            return True
    return False


def _is_intact(page: bytes) -> bool:
    """Whether the checksum of a page is right (RFC 3533, 6.7): counted with its own field as zero.

    It has the polynomial of zlib, with the bits of each byte the other way round, and neither start nor end inverted.
    """
    counted = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    crc = zlib.crc32(counted, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return page[22:26] == crc.to_bytes(4, "big").translate(_REVERSED)
