"""ASF, the container of Windows Media: a header object with the properties of its streams, and a data object."""

from .bounded_reader import AudioType, BoundedReader

_MAX_OBJECTS = 512
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_ASF_VIDEO = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")


def check_asf(reader: BoundedReader) -> AudioType | None:
    """Advanced Systems Format 1.2: the stream properties in the header object, then the data object."""
    end, offset = reader.number(16, 8, little=True), 30
    streams, duration_s = [], None
    for _ in range(min(reader.number(24, 4, little=True), _MAX_OBJECTS)):
        if offset + 24 > end:
            break
        size = reader.number(offset + 16, 8, little=True)
        if size < 24:
            return None
        if reader.at(offset, 16) == _ASF_STREAM:
            streams.append(reader.at(offset + 24, 16))
        elif reader.at(offset, 16) == _ASF_FILE:
            duration_s = _read_duration(reader, offset)
        offset += size
    if _ASF_AUDIO not in streams or _ASF_VIDEO in streams:
        return None
    return AudioType("audio/x-ms-wma", duration_s) if reader.at(end, 16) == _ASF_DATA else None


def _read_duration(reader: BoundedReader, offset: int) -> float | None:
    """The play duration of the file properties in 100 ns, less the preroll in ms; a broadcast does not tell it."""
    play_s, preroll_s = (reader.number(offset + at, 8, little=True) / unit for at, unit in ((64, 1e7), (80, 1e3)))
    is_broadcast = reader.number(offset + 88, 1) & 1
    return play_s - preroll_s if play_s > preroll_s and not is_broadcast else None
