"""Tracker modules: Protracker (mod), FastTracker 2 (xm), Scream Tracker 3 (s3m), Impulse Tracker (it).

They are scores with their instruments. How long one plays is known only to a player, so no length is told.
"""

import re

from .bounded_reader import AudioType, BoundedReader

MOD_MAGIC_AT = 1080
MOD_MAGIC = rb"M\.K\.|M!K!|M&K!|N\.T\.|FLT[48]|EXO[48]|OCTA|CD[68]1|[1-9]CHN|[1-3][0-9]C[HN]|TDZ[1-9]"
_MAX_PARTS = 256


def check_mod(reader: BoundedReader) -> AudioType | None:
    """31 samples, an order of patterns, and patterns of 64 rows whose cells name no other sample."""
    volumes_fit = all(
        reader.number(20 + 30 * number + 24, 1) <= 15 and reader.number(20 + 30 * number + 25, 1) <= 64
        for number in range(31)
    )
    length, order = reader.number(950, 1), reader.at(952, 128)
    if not volumes_fit or not 1 <= length <= 128 or max(order) > 127:
        return None
    channels = _count_channels(reader.at(MOD_MAGIC_AT, 4))
    pattern_bytes = channels * 4 * 64
    cells = reader.at(1084, pattern_bytes)
    if any(high & 0xE0 for high in cells[::4]):
        return None
    end = 1084 + pattern_bytes * (max(order[:length]) + 1)
    return AudioType("audio/x-mod") if end <= reader.size_bytes else None


def _count_channels(magic: bytes) -> int:
    if magic in {b"OCTA", b"CD81", b"CD61"}:
        return 6 if magic == b"CD61" else 8
    digits = re.sub(rb"\D", b"", magic)
    return int(digits) if digits else 4


def check_xm(reader: BoundedReader) -> AudioType | None:
    """FastTracker 2: the header, and that of the first pattern."""
    size, length, channels = reader.number(60, 4, little=True), *(reader.number(at, 2, little=True) for at in (64, 68))
    if reader.number(37, 1) != 0x1A or not 20 <= size <= 4096 or not 1 <= length <= 256 or not 1 <= channels <= 128:
        return None
    if reader.number(58, 2, little=True) >= 0x104 and reader.number(70, 2, little=True):
        rows = reader.number(60 + size + 5, 2, little=True)
        if reader.number(60 + size, 4, little=True) not in {8, 9} or not 1 <= rows <= 1024:
            return None
    return AudioType("audio/x-xm")


def check_s3m(reader: BoundedReader) -> AudioType | None:
    """Scream Tracker 3: `SCRM` in its place, and instruments where the header points."""
    if reader.number(28, 1) != 0x1A or reader.at(44, 4) != b"SCRM":
        return None
    orders, instruments = reader.number(32, 2, little=True), reader.number(34, 2, little=True)
    if not 1 <= orders <= 256 or not 1 <= instruments <= _MAX_PARTS:
        return None
    for number in range(instruments):
        at = reader.number(96 + orders + 2 * number, 2, little=True) * 16
        if at and (reader.number(at, 1) > 7 or (reader.number(at, 1) and reader.at(at + 76, 3) != b"SCR")):
            return None
    return AudioType("audio/x-s3m")


def check_it(reader: BoundedReader) -> AudioType | None:
    """Impulse Tracker: samples (`IMPS`) where the header points."""
    orders, instruments, samples = (reader.number(at, 2, little=True) for at in (32, 34, 36))
    if not 1 <= orders <= 256 or instruments > _MAX_PARTS or not 1 <= samples <= 4 * _MAX_PARTS:
        return None
    table = 192 + orders + 4 * instruments
    for number in range(min(samples, _MAX_PARTS)):
        if reader.at(reader.number(table + 4 * number, 4, little=True), 4) != b"IMPS":
            return None
    return AudioType("audio/x-it")
