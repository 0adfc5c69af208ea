"""What files say of themselves: tags, length, form, cover; and what hostile tags cannot do."""

import io
import struct
from base64 import b64encode

import pytest

from gateway.audio.formats.bounded_reader import AudioType
from gateway.audio.formats.detect import detect_type
from gateway.audio.tags import read_cover, read_tags
from tests.audio.formats.corpus import AUDIO, COVERS, HTML, Corpus, make_ogg_page


def test_tags(corpus: Corpus) -> None:
    """Title, artist and album come from the tags of the form."""
    data = corpus["cbr.mp3"]
    tags = read_tags(io.BytesIO(data), AudioType("audio/mpeg"))
    assert (tags.title, tags.artist, tags.album) == ("Prelude", "Anna", "One")
    for name, title in (("vorbis.ogg", "Fuge"), ("flac.flac", "Gigue"), ("aac.m4a", "Air"), ("windows.wma", "Menuett")):
        data = corpus[name]
        assert read_tags(io.BytesIO(data), AudioType(AUDIO[name][0])).title == title


def make_comments(comments: list[bytes]) -> bytes:
    """An Ogg Vorbis file of nothing but comments, in as many pages as it takes."""
    packet = b"\x03vorbis" + struct.pack("<II", 0, len(comments))
    packet += b"".join(struct.pack("<I", len(comment)) + comment for comment in comments)
    first = make_ogg_page(b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 1, 8000, 0, 0, 0, 0x88, 1), flags=2)
    parts = [packet[at : at + 65025] for at in range(0, len(packet), 65025)]
    pages = [
        struct.pack("<4sBBqIIIB", b"OggS", 0, 0 if n == 0 else 1, 0, 7, n + 1, 0, len(lacing := lace(part)))
        + lacing
        + part
        for n, part in enumerate(parts)
    ]
    return first + b"".join(pages)


def lace(part: bytes) -> bytes:
    """The lacing values of a part of a packet."""
    return bytes([255] * (len(part) // 255) + ([] if len(part) == 65025 else [len(part) % 255]))


def test_tags_of_many_comments() -> None:
    """Very many comments of one name cost no more than reading them; tinytag alone would take minutes."""
    data = make_comments([b"TITLE=Real", *(b"x=%06d" % n for n in range(200_000))])
    assert read_tags(io.BytesIO(data), AudioType("audio/ogg")).title == "Real"


def test_tags_without_end() -> None:
    """A text however long is cut, costs no more than its start, and hides no other one."""
    data = make_comments([b"COMMENT=" + b"x" * 6_000_000, b"TITLE=" + b"x" * 6_000_000, b"ARTIST=Anna"])
    tags = read_tags(io.BytesIO(data), AudioType("audio/ogg", 2.0))
    assert (tags.title, tags.artist) == ("x" * 300, "Anna")


def test_tags_are_clean() -> None:
    """Control characters, surplus spaces and surplus length do not leave the tags; bidirectional marks stay."""
    data = make_comments(["TITLE=a\x00\x1b[31m\n b\u200f".encode(), b"ARTIST= \x07 ", b"ALBUM=" + b"y" * 5000])
    tags = read_tags(io.BytesIO(data), AudioType("audio/ogg"))
    assert tags.title == "a [31m b\u200f"
    assert tags.artist is None
    assert tags.album == "y" * 300


FORMS = {
    # name: sample rate, bit rate and how far it may be off
    "cbr.mp3": (44_100, 128_000, 0.1),
    "low.mp3": (11_025, None, 0),
    "vorbis.ogg": (44_100, 15_000, 0.5),
    "opus.opus": (48_000, 50_000, 0.7),
    "flac.oga": (44_100, 300_000, 0.9),
    "pcm.wav": (44_100, 705_600, 0.01),
    "flac.flac": (44_100, 300_000, 0.9),
    "aac.m4a": (44_100, 70_000, 0.5),
    "pcm.aiff": (44_100, 705_600, 0.01),
    "windows.wma": (44_100, 128_000, 0.5),
}


@pytest.mark.parametrize("name", FORMS)
def test_form(corpus: Corpus, name: str) -> None:
    """Bit rate, sample rate and channels are those of the sound; the channels of AAC in mp4 are not told."""
    data = corpus[name]
    found = detect_type(io.BytesIO(data), len(data))
    assert found
    tags = read_tags(io.BytesIO(data), found)
    sample_rate_hz, bit_rate_bps, tolerance = FORMS[name]
    assert (tags.sample_rate_hz, tags.channels) == (sample_rate_hz, None if name == "aac.m4a" else 1)
    if bit_rate_bps:
        assert tags.bit_rate_bps == pytest.approx(bit_rate_bps, rel=tolerance)


def test_bit_rate_without_cover(corpus: Corpus) -> None:
    """The bit rate is that of the sound: a cover of 200 KB does not count, in Ogg, FLAC and mp3."""
    opus, flac, mp3 = corpus["opus.opus"], corpus["flac.flac"], corpus["vbr.mp3"]
    second = opus.find(b"OggS", 4)
    third = opus.find(b"OggS", second + 4)
    comments = b"OpusTags" + struct.pack("<I4sII", 4, b"test", 1, 200_002) + b"x=" + b"y" * 200_000
    parts = [comments[at : at + 65_025] for at in range(0, len(comments), 65_025)]
    serial = int.from_bytes(opus[14:18], "little")
    pages = [make_ogg_page(part, serial=serial, flags=int(n > 0), sequence=n + 1) for n, part in enumerate(parts)]
    picture = b"\x06" + (200_000).to_bytes(3, "big") + bytes(200_000)
    size = bytes(200_000 >> shift & 127 for shift in (21, 14, 7, 0))
    for plain, covered in (
        (opus, opus[:second] + b"".join(pages) + opus[third:]),
        (flac, flac[:42] + picture + flac[42:]),
        (mp3, b"ID3\3\0\0" + size + bytes(200_000) + mp3),
    ):
        rates = []
        for data in (plain, covered):
            found = detect_type(io.BytesIO(data), len(data))
            assert found
            rates.append(read_tags(io.BytesIO(data), found).bit_rate_bps)
        assert rates[0]
        assert rates[1] == pytest.approx(rates[0], rel=0.02)


def test_form_of_a_lie() -> None:
    """Figures that cannot be are not told."""
    stream = b"\x01vorbis" + struct.pack("<IBIIIIBB", 0, 255, 0x7FFFFFFF, 0, 0x7FFFFFFF, 0, 0x88, 1)
    tags = read_tags(io.BytesIO(make_ogg_page(stream, flags=2)), AudioType("audio/ogg", 2.0))
    assert (tags.sample_rate_hz, tags.bit_rate_bps, tags.duration_s) == (None, None, 2.0)


@pytest.mark.parametrize("name", COVERS)
def test_cover(corpus: Corpus, name: str) -> None:
    """The picture in a file comes out as it went in."""
    data = corpus[name]
    found = detect_type(io.BytesIO(data), len(data))
    assert found
    assert read_tags(io.BytesIO(data), found).has_cover
    cover = read_cover(io.BytesIO(data), found.content_type)
    assert cover
    assert (cover.content_type, cover.data) == ("image/png", corpus["cover.png"])


def make_picture(data: bytes, claimed: bytes = b"image/png") -> bytes:
    """An Ogg Vorbis file with this as its front cover."""
    head = struct.pack(">II", 3, len(claimed)) + claimed + bytes(20) + struct.pack(">I", len(data))
    return make_comments([b"TITLE=Air", b"METADATA_BLOCK_PICTURE=" + b64encode(head + data)])


@pytest.mark.parametrize("data", [HTML, b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"RIFF1234WAVE", b"GIF"])
def test_cover_that_is_none(data: bytes) -> None:
    """What is no picture by its first bytes is no cover, whatever the tag calls it; the other tags stay."""
    file = io.BytesIO(make_picture(data))
    tags = read_tags(file, AudioType("audio/ogg", 2.0))
    assert (tags.title, tags.has_cover) == ("Air", False)
    assert read_cover(file, "audio/ogg") is None


def test_cover_of_another_type() -> None:
    """The bytes say which picture it is, not the tag."""
    for data, content_type in (
        (b"\xff\xd8\xff\xe0" + bytes(99), "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(99), "image/webp"),
        (b"GIF89a" + bytes(99), "image/gif"),
    ):
        cover = read_cover(io.BytesIO(make_picture(data, b"text/html")), "audio/ogg")
        assert cover
        assert (cover.content_type, cover.data) == (content_type, data)


def test_cover_too_large() -> None:
    """A cover past the meter is none, and costs the file neither its tags nor its form."""
    frame = b"\0image/jpeg\0\3\0\xff\xd8\xff" + bytes(5_000_000)
    title = b"\3Air"
    frames = b"TIT2" + struct.pack(">IH", len(title), 0) + title + b"APIC" + struct.pack(">IH", len(frame), 0) + frame
    size = len(frames)
    head = b"ID3\3\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    sound = (b"\xff\xfb\x90\x00" + bytes(413)) * 40
    tags = read_tags(io.BytesIO(head + frames + sound), AudioType("audio/mpeg", 1.0))
    assert (tags.title, tags.has_cover, tags.sample_rate_hz) == ("Air", False, 44_100)
