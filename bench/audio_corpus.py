"""What is taken for audio, and how long it is, beside ffprobe: a table of all forms that the tests know.

Usage: python bench/audio_corpus.py [seconds]

Each file has so many seconds (65) of silence, loud and quiet noise, so that a guess from its beginning is wrong. Where
ffprobe only guesses (over 2 % off), the length that ffmpeg decodes counts; the length of forms that ffmpeg does not
read is that with which they were made. Exits with 1 if an outcome is not as expected, or a length is off by over 2 %.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stand import ROOT

sys.path.insert(0, str(ROOT))

from gateway.audio.formats.detect import detect_type
from tests.audio.formats.cases import CASES
from tests.audio.formats.corpus import AUDIO, COVERS, NOT_AUDIO, VIDEO, Corpus
from tests.audio.formats.oracles import decode_duration, probe_duration

TOLERANCE = 0.02


def list_files(corpus: Corpus, folder: Path) -> Iterator[tuple[str, Path, str | None, float | None]]:
    """(form, file, expected type, length with which it was made) of all files."""
    for name, (content_type, _) in AUDIO.items():
        yield name, corpus.path(name), content_type, corpus.seconds
    for name in COVERS:
        yield name, corpus.path(name), "", corpus.seconds
    films = Corpus(folder / "films")  # of a second: it is enough, and they take long to make
    for name in VIDEO:
        yield name, films.path(name), None, None
    for number, (name, case) in enumerate(CASES.items()):
        path = folder / str(number)
        path.write_bytes(case.make(corpus))
        yield name, path, case.content_type, case.expect_duration(corpus)
    for name, data in NOT_AUDIO.items():
        path = folder / f"other-{name}"
        path.write_bytes(data)
        yield name, path, None, None


def show(value: float | None) -> str:
    """A length for the table."""
    return "–" if value is None else f"{value:.2f}"


def judge(name: str, path: Path, expected: str | None, made_s: float | None) -> tuple[str, bool]:
    """The line of one file, and whether all is as it should be."""
    with path.open("rb") as file:
        found = detect_type(file, path.stat().st_size)
    as_expected = (found is not None) == (expected is not None) and (not expected or found.content_type == expected)  # type: ignore[union-attr]
    ours_s = found.duration_s if found else None
    probed_s = probe_duration(path) if found else None
    right_s, by = probed_s, "ffprobe"
    if ours_s and (not probed_s or abs(ours_s / probed_s - 1) > TOLERANCE):
        right_s, by = decode_duration(path), "decoded"
        if not right_s or (made_s and abs(right_s / made_s - 1) > TOLERANCE):
            right_s, by = made_s, "made"
    error = ours_s / right_s - 1 if ours_s and right_s else None
    is_right = as_expected and abs(error or 0) <= TOLERANCE
    outcome = f"{found.content_type if found else 'refused'} ({'as expected' if as_expected else 'WRONG'})"
    shown = "" if error is None else f"{100 * error:+.2f} by {by}"
    return f"| {name} | {outcome} | {show(ours_s)} | {show(probed_s)} | {shown} |", is_right


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Which files are audio, and how long they are, beside ffprobe.")
    parser.add_argument("seconds", type=int, nargs="?", default=65, help="length of each file that ffmpeg makes")
    seconds = parser.parse_args().seconds
    print("| form | outcome | our length, s | ffprobe, s | error, % |\n|---|---|---|---|---|")
    total = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder) / "corpus", seconds=seconds)
        for file in list_files(corpus, Path(folder)):
            line, is_right = judge(*file)
            print(line, flush=True)
            total, wrong = total + 1, wrong + (not is_right)
    print(f"\n{total} files, {wrong} wrong")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
