"""Rows of frames: how they are told from other bytes, and how long they play.

Two bytes of sync prove nothing, so one frame must lead exactly to the next and both must speak of the same
stream. The length is that of all frames, or of those in windows all over a large file. Knows no format:
each gives its `Framing`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from .bounded_reader import MAX_LOOK_BYTES, AudioType, BoundedReader

_SLACK_BYTES = 16 * 1024
"""What a window has behind its end, so that a row that begins in it can be followed."""
_WINDOW_BYTES = MAX_LOOK_BYTES - _SLACK_BYTES
_MAX_WINDOWS = 600
_PROBES = 16
_PROBE_BYTES = 8 * 1024
_STRIDE = 89
"""Windows are visited in this step, prime to their number: where the budget ends early, all parts were visited."""
_MAX_FRAMES = 600_000
"""How many headers one measurement may read: less than a second of CPU."""
_MIN_COVERAGE = 0.5
"""How much of a file must be frames; the rest is damage."""
_STEADY_COVERAGE = 0.9
"""Windows begin in the middle of a frame, and lose some bytes of it."""
_HEAD_FRAMES = 32
_PATTERN_BYTES = 256
_PATTERN_TIMES = 4


class Frame(NamedTuple):
    """One header: how far to the next one, what every frame of the stream shares, what it plays."""

    size_bytes: int
    stream: object
    samples: int
    rate: int


@dataclass(frozen=True)
class Framing:
    """How the frames of one format are found: a pattern of headers, and what one header says.

    `row` is how many frames in a row are a sign of the format in the middle of other bytes.
    """

    header_bytes: int
    sync: re.Pattern[bytes]
    parse: Callable[[bytes], Frame | None]
    row: int = 3


def count_row(reader: BoundedReader, framing: Framing, offset: int, most: int) -> tuple[int, int]:
    """How many frames of one stream follow each other from an offset on, at most so many; and where they end.

    :raises BeyondHead: the row goes on where the head ends.
    """
    count, stream = 0, None
    while count < most and offset + framing.header_bytes <= reader.size_bytes:
        header = reader.at(offset, framing.header_bytes)
        frame = framing.parse(header)
        if (
            frame is None
            or (count and frame.stream != stream)
            or (not count and _is_pattern(reader, offset, frame, header))
        ):
            break
        stream = frame.stream
        offset += frame.size_bytes
        count += 1
    return count, offset


def _is_pattern(reader: BoundedReader, offset: int, frame: Frame, header: bytes) -> bool:
    """Whether a header comes again and again in its frame, which makes rows of frames out of a few repeated bytes."""
    body = reader.peek(offset, min(frame.size_bytes, _PATTERN_BYTES))
    return len(header) > 3 and body.count(header[:3]) >= _PATTERN_TIMES


def check_row(reader: BoundedReader, content_type: str, framing: Framing, *, needed: int = 2) -> AudioType | None:
    """`needed` frames in a row, or fewer (but two) if the file ends with them; and a file that is mostly frames."""
    count, end = count_row(reader, framing, 0, max(needed, _HEAD_FRAMES))
    if count < 2 or (count < needed and end < reader.size_bytes):
        return None
    return measure_frames(reader, content_type, framing) if reader.is_whole else AudioType(content_type)


def measure_frames(reader: BoundedReader, content_type: str, framing: Framing) -> AudioType | None:
    """The type and length of a whole stream of frames; None where less than half of it are frames."""
    meter = _Meter(reader, framing)
    total = reader.size_bytes
    if total > _WINDOW_BYTES:
        starts = [index * (total - _PROBE_BYTES) // (_PROBES - 1) for index in range(_PROBES)]
        tally = meter.scan_all(starts, _PROBE_BYTES)
        if not tally.is_steady:
            tally = meter.scan_all(_choose_windows(total), _WINDOW_BYTES)
    else:
        tally = meter.scan_all([0], total)
    if tally.frame_bytes < _MIN_COVERAGE * tally.scanned_bytes:
        return None
    share = total / (tally.frame_bytes if tally.is_steady else tally.scanned_bytes)
    sound_bytes = min(round(tally.frame_bytes * share), total)
    return AudioType(content_type, tally.seconds * share or None, sound_bytes, tally.rate or None)


def _choose_windows(total: int) -> list[int]:
    """The starts of windows that cover all of a stream, or stand evenly in a large one; those far apart first."""
    count = -(-total // _WINDOW_BYTES)
    if count <= _MAX_WINDOWS:
        starts = [index * _WINDOW_BYTES for index in range(count)]
    else:
        count = _MAX_WINDOWS
        starts = [index * (total - _WINDOW_BYTES) // (count - 1) for index in range(count)]
    return [starts[index * _STRIDE % count] for index in range(count)] if count % _STRIDE else starts


@dataclass
class _Tally:
    """What the windows had."""

    scanned_bytes: int = 0
    frame_bytes: int = 0
    seconds: float = 0
    smallest: int = 1 << 30
    largest: int = 0
    rate: int = 0

    @property
    def is_steady(self) -> bool:
        """Whether all frames have one size, but for padding, and nothing else of some size is between them."""
        return self.largest - self.smallest <= 4 and self.frame_bytes >= _STEADY_COVERAGE * self.scanned_bytes


class _Meter:
    """Counts frames in windows of a stream, within a budget."""

    def __init__(self, reader: BoundedReader, framing: Framing) -> None:
        self._reader = reader
        self._framing = framing
        self._left = _MAX_FRAMES

    def scan_all(self, starts: list[int], size_bytes: int) -> _Tally:
        """Count the frames that begin in windows of this size, until the budget is spent."""
        tally = _Tally()
        for start in starts:
            if self._left <= 0:
                break
            stop = min(start + size_bytes, self._reader.size_bytes)
            self._scan(tally, self._reader.peek(start, stop - start + _SLACK_BYTES), stop - start, starts_row=not start)
        return tally

    def _scan(self, tally: _Tally, data: bytes, stop: int, *, starts_row: bool) -> None:
        tally.scanned_bytes += stop
        parse, header_bytes = self._framing.parse, self._framing.header_bytes
        at = 0 if starts_row else self._find_row(data, 0, stop)
        while at < stop:
            self._left -= 1
            header = data[at : at + header_bytes]
            frame = parse(header) if len(header) == header_bytes else None
            if frame is None:
                if self._left < 0:
                    return
                at = self._find_row(data, at + 1, stop)
                continue
            size = frame.size_bytes
            tally.rate = tally.rate or (frame.rate if frame.samples else 0)
            at += size
            tally.frame_bytes += size
            tally.seconds += frame.samples / frame.rate
            tally.smallest, tally.largest = min(tally.smallest, size), max(tally.largest, size)

    def _find_row(self, data: bytes, at: int, stop: int) -> int:
        """Where the next row of frames begins, or `stop`."""
        for match in self._framing.sync.finditer(data, at, stop):
            self._left -= 1
            if self._left < 0:
                return stop
            if is_row(data, match.start(), self._framing):
                return match.start()
        return stop


def is_row(data: bytes, at: int, framing: Framing) -> bool:
    """Whether frames of one stream follow each other in these bytes: `framing.row` of them, or as many as there are."""
    stream = None
    for count in range(framing.row):
        header = data[at : at + framing.header_bytes]
        if len(header) < framing.header_bytes:
            return count > 0
        frame = framing.parse(header)
        if frame is None or (count and frame.stream != stream):
            return False
        stream = frame.stream
        at += frame.size_bytes
    return True


def find_rows(data: bytes, framing: Framing, stop: int, candidates: int) -> Iterator[int]:
    """Where rows of frames begin before `stop` in these bytes; looks at so many headers at most."""
    for match in islice(framing.sync.finditer(data, 0, stop), candidates):
        if is_row(data, match.start(), framing):
            yield match.start()
