"""ISO base media (ISO/IEC 14496-12): mp4, m4a, m4b, 3gp, and QuickTime (mov) before it.

A file is audio when it declares a track of sound and none of moving pictures; one picture, or those of chapters, are
none.
Depth is that of the format, never that of the file; every loop has its bound.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .bounded_reader import MAX_LOOK_BYTES, AudioType, BeyondHead, BoundedReader, ReadLimitReached
from .iso_boxes import find_boxes, iterate_boxes
from .iso_fragments import list_tracks, measure_fragments

_MAX_TRACKS = 64
_MAX_CHAPTER_TRACKS = 16
_PHONE_TYPES = {b"3g2": "audio/3gpp2", **dict.fromkeys((b"3gp", b"3gr", b"3gs", b"3ge", b"3gg"), "audio/3gpp")}
"""By brand (RFC 3839, RFC 4393, 3GPP TS 26.244); every other brand with nothing but sound is audio/mp4."""


@dataclass(frozen=True)
class Track:
    """One track: whether its samples are sound, how long they play, and which tracks name its chapters.

    The number of samples and their bytes are those of pictures; of sound they are not read.
    """

    identity: int
    handler: bytes
    has_sound: bool
    samples: int
    sample_bytes: int
    timescale: int
    duration_s: float
    chapters: frozenset[int]


def check_iso(reader: BoundedReader) -> AudioType | None:
    """`moov` and the media data, in either order."""
    brand = reader.at(8, 4) if reader.at(4, 4) == b"ftyp" else b""
    moov, tracks, media_bytes = None, list[Track](), None
    for kind, body, end in iterate_boxes(reader, 0, reader.size_bytes):
        if kind == b"moov":
            moov, tracks = (body, end), _read_tracks(reader, body, end)
            if not _has_sound_only(tracks) or (reader.is_whole and _goes_on(reader, moov, tracks)):
                return None
        elif kind in {b"mdat", b"moof"}:
            media_bytes = min(end, reader.size_bytes) - body
        if moov and media_bytes is not None:
            found = AudioType(_PHONE_TYPES.get(brand[:3], "audio/mp4"))
            return _measure(reader, found, moov, tracks, media_bytes) if reader.is_whole else found
    return None


def _read_tracks(reader: BoundedReader, body: int, end: int) -> list[Track]:
    """The tracks of a `moov`; one more than there may be where there are too many."""
    time_unit = next((_read_times(reader, start)[0] for start, _ in find_boxes(reader, body, end, b"mvhd")), 0)
    tracks: list[Track] = []
    for start, stop in find_boxes(reader, body, end, b"trak"):
        tracks += _read_track(reader, start, stop, time_unit)
        if len(tracks) > _MAX_TRACKS:
            break
    return tracks


def _read_track(reader: BoundedReader, body: int, end: int, movie_timescale: int) -> Iterator[Track]:
    """One track for each handler (8.4.3) that a `trak` has; it should be one."""
    identity, shown_s, chapters, media = 0, 0.0, frozenset[int](), list[tuple[int, int]]()
    for kind, start, stop in iterate_boxes(reader, body, end):
        if kind == b"tkhd":
            wide = reader.number(start, 1) == 1
            identity = reader.number(start + (20 if wide else 12), 4)
            duration = _read_known(reader, start + (28 if wide else 20), 8 if wide else 4)
            shown_s = duration / movie_timescale if movie_timescale else 0
        elif kind == b"tref":
            chapters = _read_chapters(reader, start, stop)
        elif kind == b"mdia":
            media.append((start, stop))
    for start, stop in media:
        times = next(find_boxes(reader, start, stop, b"mdhd"), None)
        timescale, length_s = _read_times(reader, times[0]) if times else (0, 0.0)
        for handler_at, _ in find_boxes(reader, start, stop, b"hdlr"):
            handler = reader.at(handler_at + 8, 4)
            has_sound = _describes_sound(reader, start, stop)
            samples, sample_bytes = _count_samples(reader, start, stop) if handler == b"vide" else (0, 0)
            yield Track(identity, handler, has_sound, samples, sample_bytes, timescale, shown_s or length_s, chapters)


def _read_times(reader: BoundedReader, body: int) -> tuple[int, float]:
    """The units a second and the seconds of `mvhd` or `mdhd`; 0 where they are not known."""
    wide = reader.number(body, 1) == 1
    timescale = reader.number(body + (20 if wide else 12), 4)
    duration = _read_known(reader, body + (24 if wide else 16), 8 if wide else 4)
    return timescale, duration / timescale if timescale else 0


def _read_known(reader: BoundedReader, offset: int, count: int) -> int:
    """A length, or 0 where all its bits say that it is not known."""
    value = reader.number(offset, count)
    return 0 if value == (1 << 8 * count) - 1 else value


def _read_chapters(reader: BoundedReader, body: int, end: int) -> frozenset[int]:
    """The tracks that `tref` names as chapters (QuickTime File Format, chapter lists)."""
    found = set[int]()
    for start, stop in find_boxes(reader, body, end, b"chap"):
        found |= {reader.number(at, 4) for at in range(start, min(stop, start + 4 * _MAX_CHAPTER_TRACKS) - 3, 4)}
    return frozenset(found)


def _describes_sound(reader: BoundedReader, body: int, end: int) -> bool:
    """Whether the samples of a `mdia` are described as sound (AudioSampleEntry, 12.2.3)."""
    for start, stop in find_boxes(reader, body, end, b"minf", b"stbl", b"stsd"):
        if reader.number(start + 4, 4) and start + 44 <= stop:
            return reader.number(start + 8, 4) >= 36 and 1 <= reader.number(start + 32, 2) <= 255
    return False


def _count_samples(reader: BoundedReader, body: int, end: int) -> tuple[int, int]:
    """How many samples a `mdia` has, and the bytes of all, as far as a look into their table reaches (`stsz`)."""
    for start, _ in find_boxes(reader, body, end, b"minf", b"stbl", b"stsz"):
        size, count = reader.number(start + 4, 4), reader.number(start + 8, 4)
        if size:
            return count, size * count
        table = reader.peek(start + 12, min(4 * count, MAX_LOOK_BYTES))
        return count, sum(struct.unpack(f">{len(table) // 4}I", table[: len(table) & ~3]))
    return 0, 0


def _has_sound_only(tracks: Sequence[Track]) -> bool:
    """Whether there is a track of sound, and none of moving pictures."""
    sounds = [track for track in tracks if track.handler == b"soun" and track.has_sound]
    chapters = frozenset[int]().union(*(track.chapters for track in sounds))
    films = (track for track in tracks if track.handler == b"vide" and not _is_still(track, chapters))
    return bool(sounds) and len(tracks) <= _MAX_TRACKS and next(films, None) is None


def _goes_on(reader: BoundedReader, moov: tuple[int, int], tracks: Sequence[Track]) -> bool:
    """Whether what seems to be one picture is the first of a film in fragments."""
    stills = {track.identity for track in tracks if track.handler == b"vide"}
    is_fragmented = bool(stills) and next(find_boxes(reader, *moov, b"mvex"), None) is not None
    return is_fragmented and not stills.isdisjoint(list_tracks(reader))


def _is_still(track: Track, chapters: frozenset[int]) -> bool:
    """Whether a track of pictures is a cover, or has those of chapters: at most one a second."""
    if track.identity in chapters:
        return 0 < track.samples <= 1 + track.duration_s
    return track.samples == 1


def _measure(
    reader: BoundedReader, found: AudioType, moov: tuple[int, int], tracks: Sequence[Track], media_bytes: int | None
) -> AudioType:
    """The length of the longest track of sound, by its header or by the fragments that follow."""
    sounds = [track for track in tracks if track.handler == b"soun"]
    duration_s: float | None = max(track.duration_s for track in sounds)
    try:
        if not duration_s or next(find_boxes(reader, *moov, b"mvex"), None):
            track = sounds[0]
            duration_s, media_bytes = measure_fragments(reader, moov, track.identity, track.timescale, duration_s or 0)
    except (BeyondHead, ReadLimitReached):
        duration_s = media_bytes = None
    picture_bytes = sum(track.sample_bytes for track in tracks)
    sound_bytes = max(media_bytes - picture_bytes, 0) if media_bytes else None
    return replace(found, duration_s=duration_s or None, sound_bytes=sound_bytes)
