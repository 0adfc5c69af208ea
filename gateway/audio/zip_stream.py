"""A zip archive of stored files in one pass, as APPNOTE.TXT 6.3 describes it. Pure: knows no file and sends nothing.

The CRC-32 of a file is known only behind its bytes, so it follows them in a data descriptor (4.3.9). Sizes are known
before, so that the length of an archive is, and that only what is large has the fields of zip64 (4.5.3).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

_LIMIT_32 = 0xFFFF_FFFF
_LIMIT_16 = 0xFFFF
_FLAGS = 1 << 3 | 1 << 11
"""A data descriptor follows the bytes; names are UTF-8."""
_PLAIN, _ZIP64 = 20, 45
"""The version that a reader needs, times ten."""
_UNIX = 3 << 8
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class ZipEntry:
    """A file of an archive; it has `size_bytes` bytes, neither more nor fewer."""

    name: str
    size_bytes: int
    modified: datetime

    @property
    def is_large(self) -> bool:
        """Whether its size needs zip64."""
        return self.size_bytes >= _LIMIT_32


class ZipWriter:
    """Gives what stands around the files: `begin` before each, `end` behind it, and `finish` behind all.

    `offset` is how many bytes the archive has up to here, those of the files among them.
    """

    def __init__(self) -> None:
        self.offset = 0
        self._directory: list[bytes] = []
        self._entry: tuple[ZipEntry, int] | None = None

    def begin(self, entry: ZipEntry) -> bytes:
        """The local file header (4.3.7)."""
        name, stamp = _encode_name(entry.name), _encode_time(entry.modified)
        extra = stamp + (struct.pack("<HHQQ", 1, 16, 0, 0) if entry.is_large else b"")
        size = _LIMIT_32 if entry.is_large else 0
        need = _ZIP64 if entry.is_large else _PLAIN
        date = _encode_dos_time(entry.modified)
        self._entry = entry, self.offset
        header = struct.pack("<4s3HI3I2H", b"PK\3\4", need, _FLAGS, 0, date, 0, size, size, len(name), len(extra))
        return self._count(header + name + extra)

    def end(self, crc: int) -> bytes:
        """The data descriptor of the file that was begun last; `crc` is the CRC-32 of its bytes."""
        assert self._entry, "begin was not called"
        entry, offset = self._entry
        self._entry = None
        self.offset += entry.size_bytes
        self._directory.append(_describe_entry(entry, crc, offset))
        form = "<4sIQQ" if entry.is_large else "<4sIII"
        return self._count(struct.pack(form, b"PK\7\10", crc, entry.size_bytes, entry.size_bytes))

    def finish(self) -> bytes:
        """The central directory and its end (4.3.12 to 4.3.16)."""
        start, number = self.offset, len(self._directory)
        directory = self._count(b"".join(self._directory))
        size, large = len(directory), b""
        if number >= _LIMIT_16 or max(start, size) >= _LIMIT_32:
            large = struct.pack(
                "<4sQ2H2I4Q", b"PK\6\6", 44, _UNIX | _ZIP64, _ZIP64, 0, 0, number, number, size, start
            ) + struct.pack("<4sIQI", b"PK\6\7", 0, self.offset, 1)
            number = min(number, _LIMIT_16)
        end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, number, number, min(size, _LIMIT_32), min(start, _LIMIT_32), 0)
        return directory + self._count(large + end)

    def _count(self, data: bytes) -> bytes:
        self.offset += len(data)
        return data


def measure_archive(entries: Iterable[ZipEntry]) -> int:
    """How many bytes an archive of these files has."""
    writer = ZipWriter()
    for entry in entries:
        writer.begin(entry)
        writer.end(0)
    writer.finish()
    return writer.offset


def _describe_entry(entry: ZipEntry, crc: int, offset: int) -> bytes:
    """The central directory header (4.3.12) of a file; in its zip64 field stands only what does not fit elsewhere."""
    name = _encode_name(entry.name)
    large = [size for size in (entry.size_bytes, entry.size_bytes, offset) if size >= _LIMIT_32]
    extra = _encode_time(entry.modified) + (
        struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    )
    need = _ZIP64 if large else _PLAIN
    size = min(entry.size_bytes, _LIMIT_32)
    header = struct.pack("<4s4HI3I2H", b"PK\1\2", _UNIX | need, need, _FLAGS, 0, _encode_dos_time(entry.modified),
                         crc, size, size, len(name), len(extra))  # fmt: skip
    return header + struct.pack("<3H2I", 0, 0, 0, _MODE, min(offset, _LIMIT_32)) + name + extra


def _encode_name(name: str) -> bytes:
    """A name in UTF-8. A backslash would be a folder to readers on Windows (4.4.17)."""
    return name.replace("\\", "_").encode()


def _encode_time(moment: datetime) -> bytes:
    """The extra field of Info-ZIP for the time of the last change, in seconds of UTC."""
    return struct.pack("<2sHBi", b"UT", 5, 1, max(-(2**31), min(int(moment.timestamp()), 2**31 - 1)))


def _encode_dos_time(moment: datetime) -> int:
    """A time in the form of MS-DOS, for readers that know no other: from 1980 to 2107, in steps of two seconds."""
    if not 1980 <= moment.year <= 2107:
        return 1 << 21 | 1 << 16
    day = moment.year - 1980 << 9 | moment.month << 5 | moment.day
    return day << 16 | moment.hour << 11 | moment.minute << 5 | moment.second // 2
