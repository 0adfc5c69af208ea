"""The orders of the list, and which files a query finds."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.audio.index import AudioFile
from gateway.audio.order import sort_files
from gateway.audio.search import find_files
from gateway.errors import Unprocessable

START = datetime(2026, 7, 1, tzinfo=UTC)


def make_file(name: str, at_s: float = 0, **known: Any) -> AudioFile:
    """A file that came so many seconds after START."""
    return AudioFile(name, 1000, "audio/mpeg", START + timedelta(seconds=at_s), f"{name}-1", **known)


def read_names(files: list[AudioFile]) -> list[str]:
    """Their names in order."""
    return [audio.name for audio in files]


def test_names() -> None:
    """Names sort by value of their numbers, without case and accents; a name comes before its own continuation."""
    names = ["2.mp3", "10.mp3", "Étude.mp3", "etude 2.mp3", "Etude 10.mp3", "song.mp3", "song 2.mp3", "ёлка.mp3"]
    assert read_names(sort_files([make_file(name) for name in reversed(names)], "name")) == names
    assert read_names(sort_files([make_file(name) for name in names], "-name")) == names[::-1]


def test_album_dropped() -> None:
    """An album that was dropped plays from its first track and stands at the top, however its uploads ended."""
    old = [make_file(f"{n}.mp3", n, album="Old") for n in range(1, 13)]
    new = [make_file(f"{n:02}.mp3", 500 + 40 * (n * 7 % 12), album="New") for n in range(1, 13)]
    assert sort_files([*old, *new], "newest") == new + old


def test_track_numbers() -> None:
    """An album whose names do not count plays by its track numbers; one of two discs, which count twice, by names."""
    names = {"Prelude.mp3": 1, "Allemande.mp3": 2, "Courante.mp3": 3}
    suite = [make_file(name, n, album="Suite", track_number=n) for name, n in names.items()]
    assert read_names(sort_files(suite[::-1], "newest")) == list(names)
    discs = [make_file(f"{d}-{n}.mp3", n, album="Set", track_number=n) for d in (1, 2) for n in (1, 2, 3)]
    assert read_names(sort_files(discs[::-1], "newest")) == [audio.name for audio in discs]
    untold = [make_file(name, album="Suite") for name in names]
    assert read_names(sort_files(untold, "newest")) == sorted(names)


def test_discs() -> None:
    """An album of discs plays disc by disc, in each order that has albums; what has no disc number is on the first."""
    names = {"Dawn.mp3": (1, 1), "Noon.mp3": (1, 2), "Chill.mp3": (2, 1), "Brisk.mp3": (2, 2), "Air.mp3": (10, 1)}
    files = [
        make_file(name, n, artist="Anna", album="Set", disc_number=places[0], track_number=places[1])
        for n, (name, places) in enumerate(names.items())
    ]
    for sort in ("newest", "-newest", "artist", "-artist"):
        assert read_names(sort_files(files[::-1], sort)) == list(names)
    files[0] = make_file("Dawn.mp3", artist="Anna", album="Set", track_number=1)
    third = make_file("Bonus.mp3", artist="Anna", album="Set", track_number=3)
    assert read_names(sort_files([third, *files[:2]], "newest")) == ["Dawn.mp3", "Noon.mp3", "Bonus.mp3"]
    bonus = make_file("Bonus.mp3", artist="Anna", album="Set")
    for sort in ("newest", "artist"):
        assert read_names(sort_files([bonus, *files], sort)) == [*names, "Bonus.mp3"]
    files[2] = make_file("Chill.mp3", artist="Anna", album="Set", track_number=1)
    for sort in ("newest", "artist"):
        assert read_names(sort_files(files, sort)) == sorted(names)


def test_few_numbers() -> None:
    """If most files of an album have no track number, their names decide."""
    files = [make_file(f"{n}.mp3", album="Set", track_number=3 if n == 3 else None) for n in (1, 2, 3, 4)]
    assert sort_files(files[::-1], "newest") == files


def test_albums_of_one_name() -> None:
    """Albums of one name that come together are not mixed; a collection of many artists whose numbers repeat is one."""
    songs = [("Z", "Queen", 1), ("M", "Queen", 2), ("A", "Queen", 3), ("Y", "ABBA", 1), ("B", "ABBA", 2)]
    hits = [
        make_file(f"{name}.mp3", at_s, album="Greatest Hits", artist=artist, track_number=track)
        for at_s, (name, artist, track) in enumerate(songs)
    ]
    assert sort_files(hits[::-1], "newest") == hits
    mixed = [make_file(f"{d}-{n}.mp3", album="Hits", artist=f"{d}{n}", track_number=n) for d in (1, 2) for n in (1, 2)]
    assert sort_files(mixed[::-1], "newest") == mixed


def test_two_albums_at_once() -> None:
    """Albums that come at the same time are not mixed, nor are they with files without an album."""
    one = [make_file(f"{n} one.mp3", 10 * n, album="One") for n in range(1, 4)]
    two = [make_file(f"{n} two.mp3", 10 * n + 1, album="Two") for n in range(1, 4)]
    rest = [make_file(f"{n}.mp3", 10 * n + 2) for n in range(1, 4)]
    assert sort_files([*one, *two, *rest], "newest") == rest + two + one
    assert sort_files([*one, *two, *rest], "-newest") == one + two + rest


def test_arrivals_apart() -> None:
    """A file on its own that comes minutes later stands above; an album may take its time."""
    single = [make_file("a.mp3", 0), make_file("b.mp3", 180)]
    assert read_names(sort_files(single, "newest")) == ["b.mp3", "a.mp3"]
    album = [make_file(f"{n}.mp3", 500 * n, album="Slow") for n in (1, 2, 3)]
    assert sort_files(album, "newest") == album
    later = make_file("0.mp3", 3000, album="Slow")
    assert sort_files([*album, later], "newest") == [later, *album]


def test_artist_and_title() -> None:
    """An artist has his albums together, each in its order; who is not named comes last. A title may be the name."""
    files = [
        make_file("2.mp3", artist="Björk", album="Debut", title="Alpha"),
        make_file("1.mp3", artist="BJORK", album="Debut", title="Omega"),
        make_file("0.mp3", artist="björk", album="Post", title="beta 10"),
        make_file("9.mp3", artist="Abba", title="Beta 9"),
        make_file("kappa.mp3"),
    ]
    assert read_names(sort_files(files, "artist")) == ["9.mp3", "1.mp3", "2.mp3", "0.mp3", "kappa.mp3"]
    assert read_names(sort_files(files, "-artist"))[-1] == "kappa.mp3"
    assert read_names(sort_files(files, "title")) == ["2.mp3", "9.mp3", "0.mp3", "kappa.mp3", "1.mp3"]


def test_unknown_order() -> None:
    """An order that there is not is refused."""
    for sort in ("", "colour", "--name", "name,size"):
        with pytest.raises(Unprocessable):
            sort_files([], sort)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("bjork", True),
        ("  DEBUT   bjö ", True),
        ("debut bjork strasse", True),
        ("strasse ﬁlm", True),
        ("debut post", False),
        ("", True),
        ("   ", True),
    ],
)
def test_find(query: str, found: bool) -> None:  # noqa: FBT001
    """All words are found, in any order, in the name and the tags together."""
    audio = make_file("01 Straße.mp3", artist="Björk", album="Debut", title="Film")
    assert bool(find_files([audio], query)) is found
