"""The orders of the list: the same for the page, the API, the playlist and the feed. Pure.

`newest` keeps together what came together. Files of one album that follow one another within ten minutes are one
arrival, as are files without an album within two; the newest arrival comes first, and inside one the order is that of
the album: by disc and track number, or by name. So an album that was dropped plays from its first track, and stands at
the top. `artist` has the files of an album in the same order.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.errors import Unprocessable

from .folding import fold, make_natural_key
from .index import AudioFile

ALBUM_GAP = timedelta(minutes=10)
GAP = timedelta(minutes=2)
NEWEST = "newest"

ARTIST = "artist"

_KEYS: dict[str, Callable[[AudioFile], Any]] = {
    "name": lambda audio: audio.sort_key,
    ARTIST: lambda audio: audio.artist_key if audio.artist else None,
    "title": lambda audio: make_natural_key(audio.title) if audio.title else audio.sort_key,
    "length": lambda audio: audio.duration_s,
    "size": lambda audio: audio.size_bytes,
    "uploaded_at": lambda audio: audio.uploaded_at,
}
"""The values by which files are sorted, smallest first; None: unknown, which comes last in both directions."""
_SYNONYMS = {"duration_s": "length", "size_bytes": "size"}
"""The names of fields, as the API has them."""
SORTS = (NEWEST, *_KEYS, *_SYNONYMS)


@dataclass
class _Arrival:
    """Files that came together; `ended_at` is the time of the last one."""

    ended_at: datetime
    files: list[AudioFile] = field(default_factory=list)


def check_sort(sort: str) -> str:
    """An order that there is, forwards or after `-` backwards.

    :raises Unprocessable: there is no such order.
    """
    if sort.removeprefix("-") not in SORTS:
        raise Unprocessable(
            "The order must be one of " + ", ".join(SORTS) + ", or one of them after `-`.", field="sort"
        )
    return sort


def sort_files(files: Sequence[AudioFile], sort: str) -> list[AudioFile]:
    """The files in an order of SORTS, or after `-` the other way round. What is equal is by name.

    Albums are never turned round in themselves.

    :raises Unprocessable: there is no such order.
    """
    name, backwards = check_sort(sort).removeprefix("-"), sort.startswith("-")
    if name == NEWEST:
        return _sort_arrivals(files, oldest_first=backwards)
    key = _KEYS[_SYNONYMS.get(name, name)]
    keyed = [(key(audio), audio) for audio in sorted(files, key=lambda audio: audio.sort_key)]
    known = [pair for pair in keyed if pair[0] is not None]
    if name == ARTIST:
        known = _sort_albums(known)
    known.sort(key=lambda pair: pair[0], reverse=backwards)
    return [audio for _, audio in known] + [audio for value, audio in keyed if value is None]


def _sort_arrivals(files: Sequence[AudioFile], *, oldest_first: bool) -> list[AudioFile]:
    arrivals: list[_Arrival] = []
    latest: dict[str, _Arrival] = {}
    for audio in sorted(files, key=lambda audio: audio.uploaded_at):
        album = audio.album_key
        arrival = latest.get(album)
        if arrival is None or audio.uploaded_at - arrival.ended_at > (ALBUM_GAP if album else GAP):
            arrival = latest[album] = _Arrival(audio.uploaded_at)
            arrivals.append(arrival)
        arrival.ended_at = audio.uploaded_at
        arrival.files.append(audio)
    for arrival in arrivals:
        arrival.files = _sort_album(arrival.files)
    arrivals.sort(key=lambda arrival: arrival.ended_at, reverse=not oldest_first)
    return [audio for arrival in arrivals for audio in arrival.files]


def _sort_albums(keyed: list[tuple[Any, AudioFile]]) -> list[tuple[Any, AudioFile]]:
    """The same keys and files, those of one key in the order of an album."""
    albums: dict[Any, list[AudioFile]] = {}
    for key, audio in keyed:
        albums.setdefault(key, []).append(audio)
    return [(key, audio) for key, files in albums.items() for audio in _sort_album(files)]


def _sort_album(files: Sequence[AudioFile]) -> list[AudioFile]:
    """Files of one album in its order: by disc and track number, or by name.

    What has no disc number is on the first disc, what has no track number comes last. Where a place comes twice, files
    of several artists may be albums that have the same name ("Greatest Hits"): then artist by artist. Names decide if
    they are not, if most files have no number, and where there is no album.
    """
    by_name = sorted(files, key=lambda audio: audio.sort_key)
    places = {audio.name: (audio.disc_number or 1, audio.track_number) for audio in files if audio.track_number}
    if 2 * len(places) <= len(files) or not files[0].album_key:
        return by_name
    if len(set(places.values())) == len(places):
        last = (sys.maxsize, 0)
        return sorted(by_name, key=lambda audio: places.get(audio.name, last))
    artists: dict[str, list[AudioFile]] = {}
    for audio in files:
        artists.setdefault(fold(audio.artist or ""), []).append(audio)
    if len(artists) == 1 or any(len(own) == 1 for own in artists.values()):
        return by_name
    return [audio for own in artists.values() for audio in _sort_album(own)]
