"""What is taken for audio and what is not."""

import cProfile
import io
import struct
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.audio.formats.bounded_reader import MAX_LOOK_BYTES, MAX_READS, AudioType
from gateway.audio.formats.detect import FORMS, HEAD_BYTES, detect_type, may_be_audio
from gateway.audio.tags import read_tags
from tests.audio.formats.corpus import (
    AUDIO,
    FFMPEG,
    HTML,
    MAGICS,
    NOT_AUDIO,
    VIDEO,
    Corpus,
    make_midi,
    make_ogg_page,
    make_wave,
    read_program,
    run,
)
from tests.fast import first_fast


def name_type(data: bytes) -> str | None:
    """The content type of a whole file."""
    found = detect_type(io.BytesIO(data), len(data))
    return found.content_type if found else None


@pytest.mark.parametrize("name", AUDIO)
def test_accept_audio(corpus: Corpus, name: str) -> None:
    """Every form that ffmpeg and sox write is audio, of its right type, under whatever name."""
    assert name_type(corpus[name]) == AUDIO[name][0]


@pytest.mark.parametrize("name", AUDIO)
def test_never_refuse_a_head_of_audio(corpus: Corpus, name: str) -> None:
    """However much of an audio file has arrived, its head is never refused."""
    data = corpus[name]
    lengths = [*range(1, 80), *range(80, 2000, 61), *range(2000, HEAD_BYTES, 4999), HEAD_BYTES]
    refused = [n for n in lengths if n <= len(data) and not may_be_audio(data[:n])]
    assert not refused


@pytest.mark.parametrize("name", AUDIO)
def test_duration(corpus: Corpus, name: str) -> None:
    """The length is found: one second here."""
    data = corpus[name]
    found = detect_type(io.BytesIO(data), len(data))
    assert found
    tags = read_tags(io.BytesIO(data), found)
    assert tags.duration_s == found.duration_s == pytest.approx(1, abs=0.16)  # 8 frames of padding at 8 kHz


def test_accept_midi() -> None:
    """A MIDI file is audio, alone and in RIFF; one whose track has no end is not."""
    song = make_midi()
    assert name_type(song) == "audio/midi"
    assert name_type(b"RIFF" + struct.pack("<I", len(song) + 12) + b"RMIDdata" + struct.pack("<I", len(song)) + song)
    assert name_type(song[:-1] + b"\x01") is None


@pytest.mark.parametrize("prefix", [0, 5, 4000, 300_000])
@pytest.mark.parametrize("name", ["cbr.mp3", "flac.flac", "adts.aac"])
def test_skip_id3(corpus: Corpus, name: str, prefix: int) -> None:
    """An ID3v2 tag of any size, its padding, and a second tag stand before the sound."""
    size = bytes((prefix >> shift) & 127 for shift in (21, 14, 7, 0))
    tag = b"ID3\x03\x00\x00" + size + bytes(prefix)
    bare = corpus["bare.mp3"] if name == "cbr.mp3" else corpus[name]
    for data in (tag + bare, tag + tag + bare, tag + bytes(1000) + bare):
        assert name_type(data) == AUDIO[name][0]
        assert may_be_audio(data[:HEAD_BYTES])


BRANDS = (
    "M4A  M4B  M4P  M4V  isom iso2 iso3 iso4 iso5 iso6 iso7 iso8 iso9 mp41 mp42 mp71 dash msdh MSNV avc1 f4a  F4A  "
    "f4b  F4B  qt   mmp4 NDSC NDAS kddi KDDI CAEP XAVC xxxx 3gp4 3gp5 3gp6 3gp7 3gr6 3gs6 3ge6 3ge7 3gg6 3g2a 3g2b 3g2c"
)


@pytest.mark.parametrize("brand", first_fast([BRANDS[at : at + 4] for at in range(0, len(BRANDS), 5)], 3))
def test_accept_every_brand(corpus: Corpus, brand: str) -> None:
    """Whatever brand an mp4 has, its tracks decide; the brand of a phone gives the type of one."""
    sound, film = (bytearray(corpus[name]) for name in ("fast.m4a", "fast.mp4"))
    sound[8:12] = film[8:12] = brand.encode()
    expected = "audio/3gpp2" if brand.startswith("3g2") else "audio/3gpp" if brand.startswith("3g") else "audio/mp4"
    assert name_type(bytes(sound)) == expected
    assert name_type(bytes(film)) is None


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.extension)
def test_every_magic_is_tried(form: Any) -> None:
    """Each form that the gate lets through has its magic among those that prove nothing alone."""
    assert any(form.match(magic + bytes(20)) for magic in MAGICS.values())


@pytest.mark.parametrize("name", first_fast(VIDEO, 8))
def test_refuse_video(corpus: Corpus, name: str) -> None:
    """A film is no audio, whatever sound it has."""
    assert name_type(corpus[name]) is None


@pytest.mark.parametrize(
    "name", first_fast(["fast.mp4", "film.mkv", "film.webm", "film.ogv", "film.wmv", "film.avi", "film.mpg"], 3)
)
def test_refuse_video_early(corpus: Corpus, name: str) -> None:
    """A film that says at its beginning what it is, is refused on its head."""
    assert not may_be_audio(corpus[name][:HEAD_BYTES])


@pytest.mark.parametrize(
    "coding", first_fast(["-c:v mpeg4 -g 1 -f matroska", "-c:v libtheora -f ogg", "-c:v mjpeg -f matroska"])
)
def test_refuse_slides(tmp_path: Path, coding: str) -> None:
    """Pictures that come every quarter of a minute are a film, though the first seconds have one of them."""
    sound, slides = "anullsrc=r=48000:cl=mono", "testsrc=size=176x144:rate=1/14"
    command = ["-f", "lavfi", "-i", sound, "-f", "lavfi", "-i", slides, "-t", "30", "-c:a", "libopus", *coding.split()]
    run(*FFMPEG, *command, str(tmp_path / "slides"))
    assert name_type((tmp_path / "slides").read_bytes()) is None


@pytest.mark.parametrize("name", NOT_AUDIO)
def test_refuse_others(name: str) -> None:
    """Images, documents, programs and text are no audio."""
    assert name_type(NOT_AUDIO[name]) is None


@pytest.mark.parametrize("name", [name for name, data in NOT_AUDIO.items() if len(data) > 100])
def test_refuse_others_early(name: str) -> None:
    """They are refused on their first bytes."""
    if name == "image.heic":  # its boxes could still go on with sound
        return
    # Behind zeros and the like there may be frames.
    head = NOT_AUDIO[name] * 5 if name in {"zeros.bin", "ones.bin"} else NOT_AUDIO[name][:4096]
    assert not may_be_audio(head[:HEAD_BYTES])


def test_refuse_program() -> None:
    """An executable is no audio, and is refused on its first bytes."""
    assert name_type(read_program()) is None
    assert not may_be_audio(read_program()[:64])


@pytest.mark.parametrize("follower", [b"", HTML, bytes(5000), b"\xff" * 5000, bytes(range(256)) * 20], ids=len)
@pytest.mark.parametrize("form", MAGICS)
def test_refuse_magic_alone(form: str, follower: bytes) -> None:
    """A magic number proves nothing: what follows it must have the structure."""
    assert name_type(MAGICS[form] + follower) is None


@pytest.mark.parametrize("name", AUDIO)
def test_refuse_first_bytes(corpus: Corpus, name: str) -> None:
    """The first sixteen bytes of an audio file are not an audio file."""
    assert name_type(corpus[name][:16]) is None


def test_refuse_theora_beside_vorbis(corpus: Corpus) -> None:
    """An Ogg file whose second stream is unknown is refused, though the first is sound."""
    vorbis = corpus["vorbis.ogg"]
    second = make_ogg_page(b"\x80theora" + bytes(35), flags=2, serial=99)
    assert name_type(vorbis[:58] + second + vorbis[58:]) is None
    assert name_type(vorbis[:58] + make_ogg_page(b"fishead\0" + bytes(56), flags=2) + vorbis[58:]) == "audio/ogg"


def test_refuse_broken_checksum(corpus: Corpus) -> None:
    """The first page of an Ogg file must be whole."""
    data = bytearray(corpus["vorbis.ogg"])
    data[45] ^= 1
    assert name_type(bytes(data)) is None


def test_moov_at_the_end(corpus: Corpus) -> None:
    """An m4a that tells its tracks at the end is found by a few reads, however large its middle is."""
    data = corpus["aac.m4a"]
    assert data.find(b"moov") > data.find(b"mdat")
    at = data.find(b"mdat") - 4
    size = struct.unpack(">I", data[at : at + 4])[0]
    hole = 3 << 30
    file = SparseFile({0: data[:at] + struct.pack(">I", size + hole)[:4] + data[at + 4 : at + size]}, 0)
    file.parts[at + size + hole] = data[at + size :]
    file.size = len(data) + hole
    found = detect_type(cast(BinaryIO, file), file.size)
    assert found and found.content_type == "audio/mp4"
    assert file.reads < 30


class SparseFile:
    """A file of which only some parts are not zero; counts what is read of it."""

    def __init__(self, parts: dict[int, bytes], size: int) -> None:
        self.parts = parts
        self.size = size
        self.reads = 0
        self._at = 0

    def seek(self, offset: int) -> int:
        """Go to a place."""
        self._at = offset
        return offset

    def read(self, count: int) -> bytes:
        """What is there."""
        self.reads += 1
        assert count <= MAX_LOOK_BYTES
        data = bytearray(max(min(count, self.size - self._at), 0))
        for start, part in self.parts.items():
            for index in range(max(start, self._at), min(start + len(part), self._at + len(data))):
                data[index - self._at] = part[index - start]
        self._at += len(data)
        return bytes(data)


def make_box(kind: bytes, body: bytes) -> bytes:
    """One box of ISO base media."""
    return struct.pack(">I", len(body) + 8) + kind + body


def make_element(identity: bytes, body: bytes) -> bytes:
    """One element of EBML, with a size of eight bytes."""
    return identity + b"\x01" + len(body).to_bytes(7, "big") + body


HOSTILE = {
    "media far apart": make_box(b"ftyp", b"M4A " + bytes(12))
    + make_box(b"moov", make_box(b"trak", make_box(b"mdia", bytes(4200)) * 500) * 4),
    "tracks of many parts": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\xff"
    + make_element(b"\x16\x54\xae\x6b", make_element(b"\xae", b"\x83\x81\x02" + b"\xec\x80" * 500) * 60) * 400,
    "box of size zero": b"\x00\x00\x00\x18ftypM4A " + bytes(12) + b"\x00\x00\x00\x00moov" * 1000,
    "boxes of eight bytes": b"\x00\x00\x00\x08free" * 500_000,
    "box of 64 bits": b"\x00\x00\x00\x01ftyp" + b"\xff" * 8 + bytes(5000),
    "moov in moov": b"\x00\x00\x00\x18ftypM4A " + bytes(12)
    + b"".join(struct.pack(">I", 80_000 - 8 * i) + b"moov" for i in range(10_000)),
    "elements without end": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\xff" + b"\xec\x80" * 500_000,
    "element of all bits": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm\x18\x53\x80\x67\xff\x16\x54\xae\x6b\x01"
    + b"\xff" * 7 + b"\xae\xff" * 100_000,
    "chunks of nothing": b"RIFF\xff\xff\xff\xffWAVE" + b"junk\x00\x00\x00\x00" * 500_000,
    "objects of nothing": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + b"\xff" * 14
    + (bytes(16) + b"\x18" + bytes(7)) * 100_000,
    "tags in a row": b"ID3\x04\x00\x00\x00\x00\x00\x00" * 300_000,
    "pages that begin": b"".join(make_ogg_page(b"OpusHead\x01\x01" + bytes(10), flags=2, serial=n) for n in range(500)),
    "metadata blocks": b"fLaC\x00\x00\x00\x22\x10\x00\x10\x00" + bytes(6) + b"\x0a\xc4\x42\xf0" + bytes(20)
    + b"\x01\x00\x00\x00" * 500_000,
    "tracks of nothing": b"MThd\x00\x00\x00\x06\x00\x01\xff\xff\x00\x60" + b"junk\x00\x00\x00\x00" * 300_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_bounded_work(name: str) -> None:
    """Sizes of zero, of 64 bits and without end cost a bounded number of reads."""
    data = HOSTILE[name]
    file = CountingFile(data)
    assert detect_type(file, len(data)) is None
    assert file.reads <= MAX_READS
    assert isinstance(may_be_audio(data[:HEAD_BYTES]), bool)


class CountingFile(io.BytesIO):
    """Counts what is read of it."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """What is there."""
        self.reads += 1
        return super().read(size)


def test_work_is_bounded() -> None:
    """No hostile file takes as much CPU to be judged as 300,000 calls of functions: 20 ms when idle."""
    for name, data in HOSTILE.items():
        calls = cProfile.Profile()
        calls.runcall(detect_type, io.BytesIO(data), len(data))
        calls.runcall(may_be_audio, data[:HEAD_BYTES])
        assert sum(entry.callcount for entry in calls.getstats()) < 300_000, name


def test_duration_of_a_lie() -> None:
    """A header that claims ten thousand years is audio, of unknown length."""
    header = b"fLaC\x80\x00\x00\x22\x10\x00\x10\x00" + bytes(6) + b"\x00\x00\x12\xff" + b"\xff" * 4 + bytes(16)
    found = detect_type(io.BytesIO(header + b"\xff\xf8\xc9\x18\0\xc2" + bytes(50)), 98)
    assert found
    assert (found.content_type, found.duration_s) == ("audio/flac", None)


MUTATED = [
    "cbr.mp3",
    "vorbis.ogg",
    "pcm.wav",
    "flac.flac",
    "aac.m4a",
    "opus.webm",
    "windows.wma",
    "adts.aac",
    "pcm.aiff",
    "core.caf",
    "pack.wv",
    "phone.amr",
    "wave.w64",
    "dolby.ac3",
    "radio.flv",
    "vbr-bare.mp3",
    "many-fragments.mp4",
    "alac.caf",
    "cinema.dts",
    "phone.3gp",
]


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(MUTATED),
    edits=st.lists(st.tuples(st.integers(0, 1500), st.binary(min_size=1, max_size=9), st.booleans()), max_size=6),
    length=st.integers(0, 20_000),
)
def test_mutated_files(corpus: Corpus, name: str, edits: list[tuple[int, bytes, bool]], length: int) -> None:
    """No damage to a file makes an exception, and a refused head means a refused file."""
    data = bytearray(corpus[name][:length])
    for at, new, grows in edits:
        data[at : at if grows else at + len(new)] = new
    found = detect_type(io.BytesIO(data), len(data))
    if found:
        read_tags(io.BytesIO(data), found)
    for content_type in ("audio/mpeg", "audio/ogg", "audio/wav", "audio/flac", "audio/mp4", "audio/x-ms-wma"):
        read_tags(io.BytesIO(data), AudioType(content_type))
    for head in (bytes(data[:100]), bytes(data)):
        assert not found or may_be_audio(head)


@settings(max_examples=300, deadline=None)
@given(magic=st.sampled_from(sorted(MAGICS.values())), rest=st.binary(max_size=300))
def test_random_bytes(magic: bytes, rest: bytes) -> None:
    """Random bytes behind a magic number make no exception, and head and whole agree."""
    data = magic + rest
    found = detect_type(io.BytesIO(data), len(data))
    assert not found or may_be_audio(data)


def test_wave_of_any_size() -> None:
    """The wav that other tests use is one."""
    assert name_type(make_wave(5000)) == "audio/wav"
