"""A gateway with files in it, as the page's tests need it, and what judges the page."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audio.formats.corpus import make_wave
from tests.browser import make_audio
from tests.programs import install_npm, need


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    """A picture with the name of one."""
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(200))
    return path


@pytest.fixture
def three(folder: Path) -> list[str]:
    """Three files that play, of 300, 301 and 302 seconds, in the order of their names: none ends during a test."""
    names = ["a.mp3", "b.ogg", "c.wav"]
    for seconds, name in enumerate(names, 300):
        make_audio(folder / name, seconds, "-ar", "8000")
    return names


@pytest.fixture
def waves(folder: Path) -> Callable[[int], None]:
    """`waves(1000)`: so many short files."""

    def make(count: int) -> None:
        for number in range(count):
            (folder / f"{number:04} take.wav").write_bytes(make_wave(2000 + number))

    return make


@pytest.fixture(scope="session")
def checkers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of axe-core and the Nu Html Checker."""
    return install_npm(Path(__file__).parent / "checkers", tmp_path_factory.mktemp("checkers")) / "node_modules"


@pytest.fixture(scope="session")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An mp3 of 30 seconds with title, artist, album and cover, whose loudness rises and falls."""
    folder = tmp_path_factory.mktemp("tagged")
    cover, path = folder / "cover.png", folder / "tagged.mp3"
    ffmpeg = [need("ffmpeg"), "-v", "error", "-f", "lavfi", "-i"]
    subprocess.run([*ffmpeg, "testsrc=size=64x64:rate=1:duration=1", "-frames:v", "1", str(cover)], check=True)
    sound = "aevalsrc='sin(440*2*PI*t)*abs(sin(t*0.7))':d=30:s=44100"
    words = ["-metadata", "title=Prelude", "-metadata", "artist=Anna <b>", "-metadata", "album=Six Suites"]
    maps = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"]
    subprocess.run([*ffmpeg, sound, "-i", str(cover), *maps, *words, str(path)], check=True)
    return path
