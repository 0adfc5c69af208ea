"""Names that are offered where one is taken."""

from pathlib import Path

import pytest

from gateway.audio.filenames import check_name, find_free_name


@pytest.mark.parametrize(
    ("name", "others", "free_name"),
    [
        ("song.mp3", [], "song (2).mp3"),
        ("song.mp3", ["song (2).mp3", "SONG (3).MP3"], "song (4).mp3"),
        ("song (2).mp3", [], "song (3).mp3"),
        ("song (99).mp3", ["song (100).mp3"], "song (101).mp3"),
        ("song (0).mp3", [], "song (0) (2).mp3"),
        ("song", [], "song (2)"),
        ("Mr. Brown live", [], "Mr. Brown live (2)"),
        ("a.b.flac", [], "a.b (2).flac"),
        ("(2).mp3", [], "(2) (2).mp3"),
        ("e\u0301.wav", ["é (2).wav"], "é (3).wav"),
        ("日" * 83 + ".mp3", [], "日" * 82 + " (2).mp3"),
        ("x" * 255, [], "x" * 251 + " (2)"),
        ("a.", [], "a. (2)"),
    ],
)
def test_free_name(tmp_path: Path, name: str, others: list[str], free_name: str) -> None:
    """A number stands before the ending; it goes on from the one that is there, and the name fits."""
    for other in [name, *others]:
        (tmp_path / other).touch()
    found = find_free_name(tmp_path, name)
    assert found == free_name
    assert check_name(found) == found
    assert not (tmp_path / found).exists()
