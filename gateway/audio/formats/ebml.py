"""EBML: Matroska and WebM (RFC 8794, RFC 9559). Audio is a file with a track of sound and none of moving pictures.

A track of video with one picture is a cover: ffmpeg writes covers so, coded as film by default.
"""

import struct
from contextlib import suppress
from itertools import islice

from .bounded_reader import AudioType, BoundedReader, ReadLimitReached
from .ebml_blocks import CLUSTER, read_blocks, read_last_blocks, shows_film
from .ebml_elements import find_elements, list_elements, read_element

_MAX_TRACKS = 64
_EBML, _DOC_TYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_INFO, _TIME_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _TRACK_NUMBER = 0x1654AE6B, 0xAE, 0x83, 0xD7
_VIDEO_TRACK, _AUDIO_TRACK = 1, 2
_SCALE_NS = 1_000_000


def check_ebml(reader: BoundedReader) -> AudioType | None:
    """RFC 8794 and RFC 9559: the tracks stand before the first cluster."""
    first, body, end = read_element(reader, 0, reader.size_bytes)
    if first != _EBML or end > 4096:
        return None
    kinds = [reader.at(start, stop - start) for start, stop in find_elements(reader, body, end, _DOC_TYPE)]
    segment, body, limit = read_element(reader, end, reader.size_bytes)
    if segment != _SEGMENT or not kinds or kinds[0] not in {b"webm", b"matroska"}:
        return None
    sound, video, duration_s, scale_ns = False, set[int](), None, _SCALE_NS
    offset = body
    for kind, start, stop in list_elements(reader, body, limit):
        if kind == _INFO:
            scale_ns, ticks = _read_info(reader, start, stop)
            duration_s = ticks * scale_ns / 1e9
        elif kind == _TRACKS:
            if not _has_audio_tracks(reader, start, stop):
                return None
            sound, video = True, _list_video(reader, start, stop)
        elif kind == CLUSTER:
            if video and shows_film(reader, offset, limit, video):
                return None
            content_type = "audio/webm" if kinds[0] == b"webm" else "audio/x-matroska"
            if not duration_s and reader.is_whole:
                duration_s = _measure_clusters(reader, start, stop, scale_ns)
            return AudioType(content_type, duration_s or None) if sound else None
        offset = stop
    return None


def _has_audio_tracks(reader: BoundedReader, body: int, end: int) -> bool:
    """Whether there is a track of sound, and no more tracks than there may be."""
    kinds = [
        reader.number(start, 1)
        for track in find_elements(reader, body, end, _TRACK)
        for start, _ in find_elements(reader, *track, _TRACK_TYPE)
    ]
    return _AUDIO_TRACK in kinds and len(kinds) <= _MAX_TRACKS


def _list_video(reader: BoundedReader, body: int, end: int) -> set[int]:
    """The numbers of the tracks of video."""
    found = set[int]()
    for start, stop in islice(find_elements(reader, body, end, _TRACK), _MAX_TRACKS):
        parts = {kind: reader.at(at, min(until - at, 8)) for kind, at, until in list_elements(reader, start, stop)}
        if parts.get(_TRACK_TYPE) == bytes([_VIDEO_TRACK]):
            found.add(int.from_bytes(parts.get(_TRACK_NUMBER, b""), "big"))
    return found


def _read_info(reader: BoundedReader, body: int, end: int) -> tuple[int, float]:
    """The nanoseconds of a tick, and the length in ticks: 0 where `Info` does not tell it."""
    scale_ns, ticks = _SCALE_NS, 0.0
    for kind, start, stop in list_elements(reader, body, end):
        if kind == _TIME_SCALE and stop - start <= 8:
            scale_ns = reader.number(start, stop - start)
        elif kind == _DURATION and stop - start in {4, 8}:
            (ticks,) = struct.unpack(">f" if stop - start == 4 else ">d", reader.at(start, stop - start))
    return scale_ns, ticks


def _measure_clusters(reader: BoundedReader, body: int, end: int, scale_ns: int) -> float | None:
    """The length of what was recorded without one: from the first block of the first cluster to the end of the last.

    The last cluster is searched from the end, for its size may not be known and its forerunners are many.
    """
    with suppress(ReadLimitReached):
        first = next((time for _, time in read_blocks(reader, body, min(end, reader.size_bytes))), None)
        times = [time for _, time in read_last_blocks(reader)[-2:]]
        if times and first is not None:
            return max(2 * times[-1] - times[0] - first, 0) * scale_ns / 1e9
    return None
