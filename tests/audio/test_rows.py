"""What a row of the page shows of a file: a name in two parts, a cover."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.audio.index import AudioFile
from gateway.audio.rows import cut_name, find_covers

FILE = AudioFile("a.mp3", 1, "audio/mpeg", datetime(2026, 1, 1, tzinfo=UTC), "v", has_cover=True)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.mp3", ("a.mp3", "")),
        ("x" * 20, ("x" * 20, "")),
        ("The Well-Tempered Clavier, part 07.mp3", ("The Well-Tempered Clavier, p", "art 07.mp3")),
        ("a" * 20 + "e\u0301" + "123456789", ("a" * 20, "e\u0301123456789")),  # an accent stays with its letter
        ("", ("", "")),
    ],
)
def test_cut_name(name: str, parts: tuple[str, str]) -> None:
    """A long name is cut before its last ten characters, never inside of one letter."""
    assert cut_name(name) == parts


def test_covers() -> None:
    """Files of one album share a cover; a file without one has none, one without an album its own."""
    suite = [replace(FILE, name=f"{number}.mp3", artist="Bach", album="Suite") for number in range(3)]
    other = replace(FILE, name="x.mp3", artist="Cage", album="Suite")
    bare = replace(FILE, name="bare.mp3", has_cover=False)
    covers = find_covers([*suite, other, bare, FILE], "/app")
    assert covers == {
        **dict.fromkeys(("0.mp3", "1.mp3", "2.mp3"), "/app/api/v1/audio/0.mp3/cover"),
        "x.mp3": "/app/api/v1/audio/x.mp3/cover",
        "a.mp3": "/app/api/v1/audio/a.mp3/cover",
    }
