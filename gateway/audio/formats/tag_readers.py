"""Which reader finds the tags of a type of file, and where its sound begins behind those in front of it."""

from collections.abc import Callable
from functools import partial
from io import SEEK_END
from typing import BinaryIO

from .apev2 import read_ape_in_front, read_end
from .asf_tags import read_asf_tags
from .bounded_reader import BeyondHead, BoundedReader, ReadLimitReached
from .chunk_tags import read_caf_tags, read_chunk_tags, read_dff_tags, read_dsf_tags
from .id3 import read_id3v2
from .matroska_tags import read_matroska_tags
from .quicktime_tags import read_quicktime_tags
from .tag_fields import TITLE, FoundTags
from .vorbis_tags import read_flac_tags, read_ogg_tags

_PADDING_BYTES = 64 * 1024


def _read_edges(reader: BoundedReader) -> FoundTags:
    """The tags in front of the frames of a stream and behind them: ID3v2, APEv2, ID3v1."""
    found, start = read_id3v2(reader)
    found.merge(read_ape_in_front(reader.since(start)))
    found.merge(read_end(reader))
    return found


def _read_flac(reader: BoundedReader) -> FoundTags:
    """The comments of FLAC, then the tags of others round it."""
    edges, start = read_id3v2(reader)
    found = read_flac_tags(reader.since(start))
    found.merge(edges)
    found.merge(read_end(reader))
    return found


def _read_name(reader: BoundedReader, offset: int, count: int) -> FoundTags:
    """The name of the song in a module, which is at a fixed place."""
    found = FoundTags()
    found.add(TITLE, reader.peek(offset, count))
    return found


_READERS: dict[str, Callable[[BoundedReader], FoundTags]] = {
    "audio/wav": read_chunk_tags,
    "audio/aiff": read_chunk_tags,
    "audio/x-caf": read_caf_tags,
    "audio/x-dff": read_dff_tags,
    "audio/x-dsf": read_dsf_tags,
    "audio/ogg": read_ogg_tags,
    "audio/flac": _read_flac,
    "audio/webm": read_matroska_tags,
    "audio/x-matroska": read_matroska_tags,
    "audio/x-ms-wma": read_asf_tags,
    "audio/x-mod": partial(_read_name, offset=0, count=20),
    "audio/x-s3m": partial(_read_name, offset=0, count=28),
    "audio/x-it": partial(_read_name, offset=4, count=26),
    "audio/x-xm": partial(_read_name, offset=17, count=20),
    **dict.fromkeys(("audio/mp4", "audio/3gpp", "audio/3gpp2"), read_quicktime_tags),
}
"""All others are streams of frames. The other tags of mp4 tinytag reads."""


def find_tags(file: BinaryIO, content_type: str) -> FoundTags:
    """What the tags in a file of this content type say, within the budget of a `BoundedReader`.

    :raises OSError: the file cannot be read.
    """
    try:
        return _READERS.get(content_type, _read_edges)(BoundedReader.over(file, file.seek(0, SEEK_END)))
    except (BeyondHead, ReadLimitReached):
        return FoundTags()


def find_sound(file: BinaryIO) -> int:
    """Where the sound begins behind ID3 tags and their padding; raises as `find_tags`."""
    reader = BoundedReader.over(file, file.seek(0, SEEK_END))
    try:
        _, start = read_id3v2(reader)
        padding = reader.peek(start, _PADDING_BYTES) if start else b""
    except ReadLimitReached:
        return 0
    return start + len(padding) - len(padding.lstrip(b"\0"))
