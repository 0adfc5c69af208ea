"""The comments of FLAC and of Ogg streams (xiph.org/vorbis/doc/v-comment.html) and the picture in them.

A packet of Ogg is not put together: a picture of many MB in front of the title costs a look at each of its pages.
"""

import binascii
from base64 import b64decode
from contextlib import suppress
from itertools import pairwise

from .bounded_reader import BeyondHead, BoundedReader, ReadLimitReached
from .ogg_codecs import identify_codec
from .ogg_pages import BEGINS, read_page
from .tag_fields import ALBUM, ARTIST, DISC, FRONT_COVER, MAX_PICTURE_BYTES, MAX_TEXT_BYTES, TITLE, TRACK, FoundTags

_PAGE_BYTES = 27
_MAX_PAGES = 800
_MAX_STREAMS = 32
_CODEC_BYTES = 128
_MAX_KEY_BYTES = 64
_FLAC_BLOCK_BYTES = 4
_FLAC, _FLAC_COMMENTS = b"fLaC", 4
_FIELDS = {
    b"title": TITLE, b"artist": ARTIST, b"album": ALBUM,
    b"tracknumber": TRACK, b"discnumber": DISC, b"disc": DISC,
}  # fmt: skip
_PICTURE = b"metadata_block_picture"


class _Packet:
    """Comments as one piece: bytes by offset, wherever its pages are."""

    def __init__(self, reader: BoundedReader) -> None:
        self._reader = reader
        self._pieces: list[tuple[int, int]] = []
        """Offset in the packet and in the file, of each page."""
        self.size_bytes = 0

    def find(self) -> None:
        """Take the second packet of the first stream of sound in Ogg."""
        offset, packets, serial = _find_sound(self._reader), 0, b""
        for _ in range(_MAX_PAGES):
            header = self._reader.peek(offset, _PAGE_BYTES)
            if len(header) < _PAGE_BYTES or header[:4] != b"OggS":
                return
            lacing = self._reader.at(offset + _PAGE_BYTES, header[26])
            at = offset + _PAGE_BYTES + len(lacing)
            offset = at + sum(lacing)
            serial = serial or header[14:18]
            if header[14:18] != serial:
                continue
            for size in lacing:
                if packets == 1:
                    self.add(at, size)
                at += size
                packets += size < 255
            if packets > 1:
                return

    def add(self, at: int, size: int) -> None:
        """Take so many bytes of the file, from an offset on."""
        if not self._pieces or self._pieces[-1][1] + self.size_bytes - self._pieces[-1][0] != at:
            self._pieces.append((self.size_bytes, at))
        self.size_bytes += size

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes; raises as `BoundedReader.at`."""
        if offset + count > self.size_bytes:
            raise BeyondHead
        found = []
        for (start, at), (end, _) in pairwise([*self._pieces, (self.size_bytes, 0)]):
            first, last = max(offset, start), min(offset + count, end)
            if first < last:
                found.append(self._reader.at(at + first - start, last - first))
        return b"".join(found)

    def number(self, offset: int) -> int:
        """A number of 32 bits."""
        return int.from_bytes(self.read(offset, 4), "little")


def _find_sound(reader: BoundedReader) -> int:
    """The offset of the page that begins the first stream of sound: pictures or a skeleton may stand before it."""
    offset = 0
    for _ in range(_MAX_STREAMS):
        page = read_page(reader, offset)
        if page is None or not page.flags & BEGINS:
            break
        if identify_codec(page, reader.peek(page.body, min(page.end - page.body, _CODEC_BYTES))):
            return offset
        offset = page.end
    return 0


def read_ogg_tags(reader: BoundedReader) -> FoundTags:
    """What the comments of the first stream of sound say."""
    found = FoundTags()
    with suppress(BeyondHead, ReadLimitReached):  # what was read of them counts
        packet = _Packet(reader)
        packet.find()
        _take_comments(packet, _skip_magic(packet.read(0, min(8, packet.size_bytes))), found)
    return found


def read_flac_tags(reader: BoundedReader) -> FoundTags:
    """What the comments among the metadata blocks of FLAC say (RFC 9639, 8.6)."""
    found = FoundTags()
    with suppress(BeyondHead, ReadLimitReached):  # what was read of them counts
        offset, is_last = len(_FLAC), reader.peek(0, len(_FLAC)) != _FLAC
        while not is_last:
            kind, size = reader.number(offset, 1), reader.number(offset + 1, 3)
            offset, is_last = offset + _FLAC_BLOCK_BYTES, kind > 0x7F
            if kind & 0x7F == _FLAC_COMMENTS:
                packet = _Packet(reader)
                packet.add(offset, size)
                _take_comments(packet, 0, found)
            offset += size
    return found


def _take_comments(packet: _Packet, offset: int, found: FoundTags) -> None:
    """The comments behind the name of the program that wrote them."""
    offset += 4 + packet.number(offset)
    count, offset = packet.number(offset), offset + 4
    for _ in range(count):
        size = packet.number(offset)
        _take_comment(packet, offset + 4, size, found)
        offset += 4 + size


def _skip_magic(head: bytes) -> int:
    """Where the comments begin: Speex has them at once, FLAC behind the header of its block (RFC 9639, 10.1)."""
    for magic in (b"\x03vorbis", b"OpusTags"):
        if head.startswith(magic):
            return len(magic)
    block = int.from_bytes(head[1:4], "big")  # of Speex it would be the length of a vendor of megabytes
    return _FLAC_BLOCK_BYTES if head[:1] in {b"\4", b"\x84"} and block else 0


def _take_comment(packet: _Packet, offset: int, size: int, found: FoundTags) -> None:
    key = packet.read(offset, min(size, _MAX_KEY_BYTES)).partition(b"=")[0].lower()
    start, count = offset + len(key) + 1, size - len(key) - 1
    if key in _FIELDS and count > 0:
        text = packet.read(start, min(count, MAX_TEXT_BYTES)).decode("utf-8", "replace")
        found.add(_FIELDS[key], text.replace("\0", " "))
    elif key == _PICTURE and count <= MAX_PICTURE_BYTES * 4 // 3:
        with suppress(binascii.Error):
            _take_picture(b64decode(packet.read(start, count)), found)


def _take_picture(block: bytes, found: FoundTags) -> None:
    """A picture as a block of FLAC has it (RFC 9639, 8.8)."""
    kind, offset = int.from_bytes(block[:4], "big"), 4
    for skipped in (0, 16):  # the media type, the description and four figures
        offset += 4 + int.from_bytes(block[offset : offset + 4], "big") + skipped
    size = int.from_bytes(block[offset : offset + 4], "big")
    found.add_picture(block[offset + 4 : offset + 4 + size], is_front=kind == FRONT_COVER)
