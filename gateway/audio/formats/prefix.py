"""What stands before the first frame of mp3, ADTS, AC-3 and DTS: tags, padding, the rest of a cut frame, anything.

Decoders look for a frame in the first bytes of a stream, and many files need it. So a row of many frames is
searched where no magic number says what the bytes are instead.
"""

from itertools import islice

from .bounded_reader import MAX_LOOK_BYTES, AudioType, BeyondHead, BoundedReader
from .frames import Framing, count_row, find_rows
from .mpeg import ADTS, MPEG, check_adts, check_mpeg, find_end
from .surround import AC3, DTS, check_ac3, check_dts

SEARCH_BYTES = 256 * 1024
"""How far the first frame may be; Chromium and mutagen look as far."""
_STEP_BYTES = MAX_LOOK_BYTES // 2
_ROW = 12
_SHORT_ROW = 4
_CANDIDATES = 250
"""How many headers are looked at in one step; random bytes have 15."""
_ROWS = 16
"""How many of them are followed, if they begin a row."""
_TAGS_IN_A_ROW = 8
_PADDING_BYTES = 64 * 1024
_STREAMS = ((MPEG, check_mpeg), (ADTS, check_adts), (AC3, check_ac3), (DTS, check_dts))


def skip_tags(reader: BoundedReader) -> BoundedReader | None:
    """What stands behind ID3v2 (2.4, section 3.1) and APEv2 tags and their padding; None if one is malformed.

    :raises BeyondHead: a tag goes on where the head ends.
    """
    for _ in range(_TAGS_IN_A_ROW):
        head = reader.at(0, 10)
        if head[:3] == b"ID3":
            if not 2 <= head[3] <= 4 or head[4] == 0xFF or head[5] & 0x0F or max(head[6:]) > 127:
                return None
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            reader = reader.since(10 + size + (10 if head[5] & 0x10 else 0))
        elif head[:8] == b"APETAGEX":
            reader = reader.since(32 + reader.number(12, 4, little=True))
        else:
            return reader
        padding = reader.peek(0, _PADDING_BYTES)
        reader = reader.since(len(padding) - len(padding.lstrip(b"\0")))
    return None


def find_frames(reader: BoundedReader) -> AudioType | None:
    """mp3, ADTS, AC-3 or DTS by a row of many frames (or of few, up to the end) in the first bytes of a stream.

    :raises BeyondHead: the head has none, and is shorter than what is searched.
    """
    sound = reader.until(find_end(reader))
    for start in range(0, SEARCH_BYTES, _STEP_BYTES):
        data = sound.peek(start, MAX_LOOK_BYTES)
        for framing, check in _STREAMS:
            for at in islice(find_rows(data, framing, _STEP_BYTES, _CANDIDATES), _ROWS):
                if _is_long_row(sound, framing, start + at):
                    return check(sound.since(start + at))
        if not sound.is_whole and len(data) < MAX_LOOK_BYTES:
            raise BeyondHead
    return None


def _is_long_row(reader: BoundedReader, framing: Framing, offset: int) -> bool:
    count, end = count_row(reader, framing, offset, _ROW)
    return count >= _ROW or (count >= _SHORT_ROW and end >= reader.size_bytes)
