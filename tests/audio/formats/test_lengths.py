"""Lengths beside what ffmpeg decodes, of files that begin with silence; and of files too large to be read whole."""

import os
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from gateway.audio.formats.bounded_reader import MAX_LOOK_BYTES, MAX_READS
from gateway.audio.formats.detect import detect_type
from tests.audio.formats.cases import CASES, UNKNOWN
from tests.audio.formats.corpus import AUDIO, COVERS, Corpus
from tests.audio.formats.oracles import decode_duration, probe_duration

SECONDS = 30
SHORT = ("adts.aac", "vbr-bare.mp3")
"""Those of the fast tests: no header tells their length."""


@pytest.fixture(scope="session")
def long_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Files of half a minute: silence, then loud and quiet noise."""
    own = tmp_path_factory.getbasetemp()
    return Corpus((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "corpus-of-noise", seconds=SECONDS)


def check_length(path: Path, expected_s: float | None = None) -> None:
    """The length is right to 2 %, by ffprobe; where that only guesses, by what ffmpeg decodes or is expected."""
    with path.open("rb") as file:
        found = detect_type(file, path.stat().st_size)
    assert found
    assert found.duration_s
    probed_s = probe_duration(path)
    if not probed_s or found.duration_s != pytest.approx(probed_s, rel=0.02):
        assert found.duration_s == pytest.approx(expected_s or decode_duration(path), rel=0.02)


@pytest.mark.parametrize("name", SHORT)
def test_quiet_beginning(long_corpus: Corpus, name: str) -> None:
    """The length is not guessed from the beginning."""
    check_length(long_corpus.path(name), SECONDS)


@pytest.mark.parametrize(
    "names", [["vorbis.ogg"], ["opus.opus"], ["flac.oga"], ["opus.opus", "paged.opus"], ["windows.wma"]]
)
def test_cut(long_corpus: Corpus, tmp_path: Path, names: list[str]) -> None:
    """What is left of a file that was cut has its own length: a page that is not whole does not play."""
    *others, last = (long_corpus[name] for name in names)
    path = tmp_path / "file"
    path.write_bytes(b"".join(others) + last[: len(last) * 3 // 5])
    with path.open("rb") as file:
        found = detect_type(file, path.stat().st_size)
    assert found
    assert found.duration_s == pytest.approx(decode_duration(path), rel=0.02)


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", [*AUDIO, *COVERS])
def test_length(long_corpus: Corpus, name: str) -> None:
    """Every form has its right length."""
    # ffmpeg does not decode the silence of sox' AMR.
    check_length(long_corpus.path(name), SECONDS if name == "phone.amr" else None)


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.content_type and case.seconds != UNKNOWN]
)
def test_length_of_case(long_corpus: Corpus, tmp_path: Path, name: str) -> None:
    """Files that are cut, joined, recorded or hand-made have their right length."""
    path = tmp_path / "file"
    path.write_bytes(CASES[name].make(long_corpus))
    check_length(path, CASES[name].expect_duration(long_corpus))


class RepeatedFile:
    """A file that has the same bytes many times over, and takes no space; counts what is read of it."""

    def __init__(self, data: bytes, times: int) -> None:
        self._data = data
        self._at = 0
        self.times = times
        self.size = len(data) * times
        self.reads = self.read_bytes = 0

    def seek(self, offset: int) -> int:
        """Go to a place."""
        self._at = offset
        return offset

    def read(self, count: int) -> bytes:
        """What is there."""
        count = max(min(count, self.size - self._at), 0)
        start = self._at % len(self._data)
        self._at += count
        self.reads += 1
        self.read_bytes += count
        return (self._data * (count // len(self._data) + 2))[start : start + count]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size_bytes"), [("adts.aac", 60_000_000), ("vbr-bare.mp3", 300_000_000)])
def test_length_of_large_file(long_corpus: Corpus, name: str, size_bytes: int) -> None:
    """A large file is read frame by frame, a larger one in places all over: its length is right, the work bounded."""
    data = long_corpus[name]
    file = RepeatedFile(data, size_bytes // len(data))
    found = detect_type(cast(BinaryIO, file), file.size)
    assert found
    assert found.duration_s == pytest.approx(SECONDS * file.times, rel=0.02)
    assert file.reads < MAX_READS
    assert file.read_bytes < 640 * MAX_LOOK_BYTES
