"""The blocks in the clusters of Matroska and WebM (RFC 9559, 10): of which tracks they are, and when they begin."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from .bounded_reader import BeyondHead, BoundedReader, ReadLimitReached
from .ebml_elements import find_elements, read_element

CLUSTER = 0x1F43B675
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP = 0xE7, 0xA3, 0xA0
_CLUSTER_PARTS = {0xA7, 0xAB, 0xEC, 0xBF}
"""What may stand between blocks: Position, PrevSize, Void, CRC-32."""
_CUES, _CUE_POINT, _CUE_POSITIONS, _CUE_TRACK = 0x1C53BB6B, 0xBB, 0xB7, 0xF7
_MAX_BLOCKS = 500
_CUES_BYTES = 1024 * 1024
_TAIL_BYTES = 8 * 1024 * 1024


def shows_film(reader: BoundedReader, offset: int, limit: int, video: set[int]) -> bool:
    """Whether tracks of video have another number of pictures than one each; `offset` is that of a cluster.

    The first blocks tell it, and the last cluster and the index, where there are no others. Of a head, only too many
    pictures tell something.
    """
    blocks = _list_blocks(reader, offset, min(limit, reader.size_bytes))
    tracks = [track for track, _ in islice(blocks, _MAX_BLOCKS)]
    shown = [track for track in tracks if track in video]
    if not reader.is_whole:
        return len(shown) > len(video)
    if sorted(shown) != sorted(video):
        return True
    later = [track for track, _ in read_last_blocks(reader)] if len(tracks) == _MAX_BLOCKS else []
    cued = sum(track in video for track in _list_cues(reader))
    return cued > len(video) or not video.isdisjoint(later)


def _list_cues(reader: BoundedReader) -> list[int]:
    """The track of each entry of the index, which stands behind the clusters; none where it is not found."""
    with suppress(BeyondHead, ReadLimitReached):
        for at in reader.find_last(_CUES.to_bytes(4, "big"), within_bytes=_CUES_BYTES):
            _, start, stop = read_element(reader, at, reader.size_bytes)
            return [
                reader.number(track_at, min(end - track_at, 8))
                for point in find_elements(reader, start, stop, _CUE_POINT)
                for positions in find_elements(reader, *point, _CUE_POSITIONS)
                for track_at, end in find_elements(reader, *positions, _CUE_TRACK)
            ]
    return []


def _list_blocks(reader: BoundedReader, offset: int, limit: int) -> Iterator[tuple[int, int]]:
    """The blocks of all clusters from an offset on, as `read_blocks` tells them; up to the end of a cut file."""
    with suppress(BeyondHead):
        for bounds in find_elements(reader, offset, limit, CLUSTER):
            yield from read_blocks(reader, *bounds)


def read_last_blocks(reader: BoundedReader) -> list[tuple[int, int]]:
    """The blocks of the last cluster, as `read_blocks` tells them; none where it is not found."""
    limit = reader.size_bytes
    with suppress(BeyondHead, ReadLimitReached):
        for at in reader.find_last(CLUSTER.to_bytes(4, "big"), within_bytes=_TAIL_BYTES):
            _, start, stop = read_element(reader, at, limit)
            if blocks := list(read_blocks(reader, start, min(stop, limit))):
                return blocks
    return []


def read_blocks(reader: BoundedReader, offset: int, end: int) -> Iterator[tuple[int, int]]:
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
