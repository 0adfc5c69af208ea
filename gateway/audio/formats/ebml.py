"""EBML: Matroska and WebM (RFC 8794, RFC 9559). Audio is a file with a track of sound and none of moving pictures."""

import struct
from collections import deque
from collections.abc import Iterator
from itertools import chain, islice

from .bounded_reader import AudioType, BeyondHead, BoundedReader, ReadLimitReached

_MAX_SIBLINGS = 512
_MAX_TRACKS = 64
_MAX_BLOCKS = 500
_EBML, _DOC_TYPE, _SEGMENT = 0x1A45DFA3, 0x4282, 0x18538067
_INFO, _TIME_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_TYPE, _CLUSTER = 0x1654AE6B, 0xAE, 0x83, 0x1F43B675
_VIDEO_TRACK, _AUDIO_TRACK = 1, 2
_TRACK_NUMBER, _CODEC, _CODEC_PRIVATE = 0xD7, 0x86, 0x63A2
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP = 0xE7, 0xA3, 0xA0
_CLUSTER_PARTS = {0xA7, 0xAB, 0xEC, 0xBF}
"""What may stand between blocks: Position, PrevSize, Void, CRC-32."""
_SCALE_NS = 1_000_000
_TAIL_BYTES = 8 * 1024 * 1024


def check_ebml(reader: BoundedReader) -> AudioType | None:
    """RFC 8794 and RFC 9559: the tracks stand before the first cluster."""
    first, body, end = read_element(reader, 0, reader.size_bytes)
    if first != _EBML or end > 4096:
        return None
    kinds = [reader.at(start, stop - start) for start, stop in _find(reader, body, end, _DOC_TYPE)]
    segment, body, limit = read_element(reader, end, reader.size_bytes)
    if segment != _SEGMENT or not kinds or kinds[0] not in {b"webm", b"matroska"}:
        return None
    sound, stills, duration_s, scale_ns = False, set[int](), None, _SCALE_NS
    offset = body
    for kind, start, stop in list_elements(reader, body, limit):
        if kind == _INFO:
            scale_ns, ticks = _read_info(reader, start, stop)
            duration_s = ticks * scale_ns / 1e9
        elif kind == _TRACKS:
            if not _has_audio_tracks(reader, start, stop):
                return None
            sound, stills = True, _list_stills(reader, start, stop)
        elif kind == _CLUSTER:
            if stills and _shows_film(reader, offset, limit, stills):
                return None
            content_type = "audio/webm" if kinds[0] == b"webm" else "audio/x-matroska"
            if not duration_s and reader.is_whole:
                duration_s = _measure_clusters(reader, start, stop, scale_ns)
            return AudioType(content_type, duration_s or None) if sound else None
        offset = stop
    return None


def read_element(reader: BoundedReader, offset: int, limit: int) -> tuple[int, int, int]:
    """One element as (identity, start of the body, end); an unknown size runs to the limit."""
    head = reader.at(offset, 1) + reader.peek(offset + 1, 11)
    width = 9 - head[0].bit_length()
    if width > 4:
        return 0, offset, offset
    identity, rest = int.from_bytes(head[:width], "big"), head[width:]
    size_width = 9 - rest[0].bit_length() if rest else 1
    if size_width > 8:
        return 0, offset, offset
    if len(rest) < size_width:
        raise BeyondHead
    mask = (1 << 7 * size_width) - 1
    size = int.from_bytes(rest[:size_width], "big") & mask
    body = offset + width + size_width
    return identity, body, limit if size == mask else body + size


def list_elements(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """The elements from an offset on, each as `read_element` gives it."""
    for _ in range(_MAX_SIBLINGS):
        if offset >= limit:
            return
        element = read_element(reader, offset, limit)
        if not element[0]:
            return
        yield element
        offset = element[2]


def _find(reader: BoundedReader, body: int, end: int, identity: int) -> Iterator[tuple[int, int]]:
    return ((start, stop) for kind, start, stop in list_elements(reader, body, end) if kind == identity)


def _has_audio_tracks(reader: BoundedReader, body: int, end: int) -> bool:
    """Whether there is a track of sound, and none of video but such as may be covers."""
    kinds = [
        reader.number(start, 1)
        for track in _find(reader, body, end, _TRACK)
        for start, _ in _find(reader, *track, _TRACK_TYPE)
    ]
    films = kinds.count(_VIDEO_TRACK) - len(_list_stills(reader, body, end))
    return _AUDIO_TRACK in kinds and not films and len(kinds) <= _MAX_TRACKS


def _list_stills(reader: BoundedReader, body: int, end: int) -> set[int]:
    """The numbers of video tracks whose coding is that of pictures; covers have one frame, films have many."""
    found = set[int]()
    for start, stop in islice(_find(reader, body, end, _TRACK), _MAX_TRACKS):
        parts = {kind: reader.at(at, min(until - at, 64)) for kind, at, until in list_elements(reader, start, stop)}
        is_still = parts.get(_CODEC) == b"V_MJPEG" or parts.get(_CODEC_PRIVATE, b"")[16:20] in {b"MPNG", b"png "}
        if parts.get(_TRACK_TYPE) == bytes([_VIDEO_TRACK]) and is_still:
            found.add(int.from_bytes(parts.get(_TRACK_NUMBER, b""), "big"))
    return found


def _shows_film(reader: BoundedReader, offset: int, limit: int, stills: set[int]) -> bool:
    """Whether tracks of pictures have more than one frame each in the first blocks; `offset` is that of a cluster."""
    clusters = (
        _read_blocks(reader, *bounds) for bounds in _find(reader, offset, min(limit, reader.size_bytes), _CLUSTER)
    )
    tracks = [track for track, _ in islice(chain.from_iterable(clusters), _MAX_BLOCKS)]
    return sum(track in stills for track in tracks) > len(stills)


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
    limit = reader.size_bytes
    try:
        first = next((time for _, time in _read_blocks(reader, body, min(end, limit))), None)
        for at in reader.find_last(_CLUSTER.to_bytes(4, "big"), within_bytes=_TAIL_BYTES):
            _, start, stop = read_element(reader, at, limit)
            times = deque((time for _, time in _read_blocks(reader, start, min(stop, limit))), maxlen=2)
            if times and first is not None:
                return max(2 * times[-1] - times[0] - first, 0) * scale_ns / 1e9
    except (BeyondHead, ReadLimitReached):
        pass
    return None


def _read_blocks(reader: BoundedReader, offset: int, end: int) -> Iterator[tuple[int, int]]:
    """The track of each block of a cluster, and when it begins, in ticks; nothing if this is no cluster."""
    cluster = None
    while offset < end:
        try:
            kind, start, stop = read_element(reader, offset, end)
            if kind == _TIMESTAMP and stop - start <= 8:
                cluster = reader.number(start, stop - start)
            elif kind in {_SIMPLE_BLOCK, _BLOCK_GROUP} and cluster is not None:
                block = start if kind == _SIMPLE_BLOCK else read_element(reader, start, stop)[1]
                head = reader.at(block, 10)  # the number of the track, and the time of the block in the cluster
                at = 9 - head[0].bit_length()
                track = int.from_bytes(head[:at], "big") & (1 << 7 * at) - 1
                yield track, cluster + int.from_bytes(head[at : at + 2], "big", signed=True)
            elif kind not in _CLUSTER_PARTS:
                return
        except BeyondHead:  # cut off in the middle of a block
            return
        offset = stop
