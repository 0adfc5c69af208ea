"""ASF, the container of Windows Media: a header object with the properties of its streams, and a data object."""

from dataclasses import dataclass, field

from .asf_packets import Packets, shows_film
from .bounded_reader import AudioType, BoundedReader

_MAX_OBJECTS = 512
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_DATA_HEAD_BYTES = 50


@dataclass
class _Header:
    """What the header object says: whether there is sound, the numbers of the streams of video, length, packets.

    A recording of a stream tells no length; its number of packets may be 0.
    """

    has_sound: bool = False
    videos: set[int] = field(default_factory=set)
    duration_s: float | None = None
    packets: int = 0
    packet_bytes: int = 0


def check_asf(reader: BoundedReader) -> AudioType | None:
    """Advanced Systems Format 1.2: the stream properties in the header object, then the data object.

    A stream of video with one picture is a cover: ffmpeg writes covers so.
    """
    end = reader.number(16, 8, little=True)
    header = _read_header(reader, end)
    if header is None or not header.has_sound or reader.at(end, 16) != _ASF_DATA:
        return None
    packets, duration_s = Packets(reader.since(end + _DATA_HEAD_BYTES), header.packet_bytes), header.duration_s
    if header.videos and shows_film(packets, header.videos):
        return None
    if reader.is_whole and (duration_s is None or packets.count < header.packets):  # cut short
        duration_s = packets.measure() or None
    return AudioType("audio/x-ms-wma", duration_s)


def _read_header(reader: BoundedReader, end: int) -> _Header | None:
    """The header object up to `end`, or None where it is damaged."""
    header, offset = _Header(), 30
    for _ in range(min(reader.number(24, 4, little=True), _MAX_OBJECTS)):
        if offset + 24 > end:
            break
        size = reader.number(offset + 16, 8, little=True)
        if size < 24:
            return None
        if reader.at(offset, 16) == _ASF_STREAM:
            kind = reader.at(offset + 24, 16)
            header.has_sound = header.has_sound or kind == _ASF_AUDIO
            if kind == _ASF_VIDEO:
                header.videos.add(reader.number(offset + 72, 1) & 127)
        elif reader.at(offset, 16) == _ASF_FILE:
            header.duration_s = _read_duration(reader, offset)
            header.packets = reader.number(offset + 56, 8, little=True)
            header.packet_bytes = reader.number(offset + 96, 4, little=True)
        offset += size
    return header


def _read_duration(reader: BoundedReader, offset: int) -> float | None:
    """The play duration of the file properties in 100 ns, less the preroll in ms; a broadcast does not tell it."""
    play_s, preroll_s = (reader.number(offset + at, 8, little=True) / unit for at, unit in ((64, 1e7), (80, 1e3)))
    is_broadcast = reader.number(offset + 88, 1) & 1
    return play_s - preroll_s if play_s > preroll_s and not is_broadcast else None
