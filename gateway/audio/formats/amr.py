"""Adaptive Multi-Rate speech, narrow-band and wide-band (RFC 4867)."""

import re
from functools import cache, partial

from .bounded_reader import AudioType, BoundedReader
from .frames import Frame, Framing, check_row

_NARROW, _WIDE = b"#!AMR\n", b"#!AMR-WB\n"
_SIZES = {
    _NARROW: (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    _WIDE: (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
}
_ROW = 16
"""So many frames prove something: the header of one has a single byte."""


@cache
def _parse(magic: bytes, header: bytes) -> Frame | None:
    size_bytes = _SIZES[magic][header[0] >> 3 & 15]
    rate = 16000 if magic == _WIDE else 8000
    return Frame(size_bytes, (), rate // 50, rate) if size_bytes and not header[0] & 0x83 else None


_FRAMINGS = {
    magic: Framing(1, re.compile(rb"[\x04\x0c\x14\x1c\x24\x2c\x34\x3c\x44\x7c]"), partial(_parse, magic), row=_ROW)
    for magic in _SIZES
}


def check_amr(reader: BoundedReader) -> AudioType | None:
    """RFC 4867, 5.3: after the magic number a row of frames, each told by its first byte."""
    magic = _WIDE if reader.at(0, 6) != _NARROW else _NARROW
    if not reader.number(len(magic), 1) & 4:  # a first frame that says it is damaged: zeros look like that
        return None
    content_type = "audio/amr-wb" if magic == _WIDE else "audio/amr"
    return check_row(reader.since(len(magic)), content_type, _FRAMINGS[magic], needed=_ROW)
