"""Tags in the chunks of WAVE and AIFF (an ID3 tag, the list INFO, the texts of AIFF), of CAF, DSF and DSDIFF."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from .bounded_reader import BeyondHead, BoundedReader
from .id3 import read_id3v2
from .riff import iterate_chunks
from .tag_fields import ALBUM, ARTIST, DISC, MAX_TEXT_BYTES, TITLE, TRACK, FoundTags

_MAX_CHUNKS = 512
_INFO = {b"INAM": TITLE, b"IART": ARTIST, b"IPRD": ALBUM, b"IPRT": TRACK, b"ITRK": TRACK}
_CAF = {b"title": TITLE, b"artist": ARTIST, b"album": ALBUM, b"track number": TRACK, b"track": TRACK, b"disc": DISC}
_MAX_INFO_BYTES = 64 * 1024
_TEXTS = {b"NAME": TITLE, b"AUTH": ARTIST}


def read_chunk_tags(reader: BoundedReader) -> FoundTags:
    """What a WAVE, RF64 or AIFF file says of itself; an ID3 tag counts before the texts of the format."""
    little = reader.at(0, 4) not in {b"FORM", b"RIFX"}
    found, texts = FoundTags(), FoundTags()
    with suppress(BeyondHead):  # the file is cut short: what was read counts
        for name, start, size in _list_chunks(reader, 12, reader.size_bytes, little=little):
            if name in {b"id3 ", b"ID3 "}:
                found.merge(read_id3v2(reader.since(start))[0])
            elif name == b"LIST" and reader.peek(start, 4) == b"INFO":
                _take_info(reader, start + 4, min(start + size, reader.size_bytes), texts, little=little)
            elif name in _TEXTS:
                texts.add(_TEXTS[name], reader.peek(start, min(size, MAX_TEXT_BYTES)))
    found.merge(texts)
    return found


def _take_info(reader: BoundedReader, body: int, end: int, found: FoundTags, *, little: bool) -> None:
    for name, start, size in _list_chunks(reader, body, end, little=little):
        found.add(_INFO.get(name), reader.peek(start, min(size, MAX_TEXT_BYTES)))


def _list_chunks(reader: BoundedReader, offset: int, end: int, *, little: bool) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and size of each chunk between two offsets."""
    wide_bytes = None
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > end:
            return
        name, size = reader.at(offset, 4), reader.number(offset + 4, 4, little=little)
        if name == b"ds64":
            wide_bytes = reader.number(offset + 16, 8, little=True)
        if name == b"data" and size == 0xFFFFFFFF and wide_bytes is not None:
            size = wide_bytes
        yield name, offset + 8, size
        offset += 8 + size + size % 2


def read_dsf_tags(reader: BoundedReader) -> FoundTags:
    """The ID3 tag that the header of a DSF file points to."""
    pointer = reader.number(20, 8, little=True)
    return read_id3v2(reader.since(pointer))[0] if pointer else FoundTags()


def read_dff_tags(reader: BoundedReader) -> FoundTags:
    """The ID3 tag in a chunk of DSDIFF."""
    for name, start, _ in islice(iterate_chunks(reader, 16, wide=True), _MAX_CHUNKS):
        if name == b"ID3 ":
            return read_id3v2(reader.since(start))[0]
    return FoundTags()


def read_caf_tags(reader: BoundedReader) -> FoundTags:
    """The information strings of a CAF file, pairs of a key and a value in UTF-8."""
    found, offset = FoundTags(), 8
    for _ in range(_MAX_CHUNKS):
        if offset + 12 > reader.size_bytes:
            break
        name, size = reader.at(offset, 4), reader.number(offset + 4, 8)
        if name == b"info":
            texts = reader.peek(offset + 16, min(size, _MAX_INFO_BYTES)).split(b"\0")
            for key, value in zip(texts[::2], texts[1::2], strict=False):
                found.add(_CAF.get(key.lower()), value.decode("utf-8", "replace"))
        offset += 12 + size
    return found
