"""Tags of each kind, as ffmpeg writes them and as other programs do; and what damaged ones cannot do."""

import io
import random
import struct
from base64 import b64encode

import pytest

from gateway.audio.formats.bounded_reader import AudioType
from gateway.audio.formats.detect import detect_type
from gateway.audio.tags import Tags, read_cover, read_tags
from tests.audio.formats import handmade
from tests.audio.formats.corpus import TAGGED, Corpus
from tests.audio.test_tags import make_comments

SOUND = (b"\xff\xfb\x90\x00" + bytes(413)) * 40
PNG = b"\x89PNG\r\n\x1a\n"
LARGE_BYTES = 12_000_000


def pack_synchsafe(size: int) -> bytes:
    """A size in seven bits of each byte."""
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def make_frame(name: bytes, content: bytes, version: int = 3, flags: int = 0) -> bytes:
    """A frame of an ID3v2 tag."""
    if version == 2:
        return name + len(content).to_bytes(3, "big") + content
    size = pack_synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name + size + bytes([0, flags]) + content


def make_id3(*frames: bytes, version: int = 3, flags: int = 0) -> bytes:
    """An ID3v2 tag of these frames."""
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, flags]) + pack_synchsafe(len(body)) + body


def make_text(name: bytes, text: bytes, version: int = 3, encoding: int = 0) -> bytes:
    """A frame of text."""
    return make_frame(name, bytes([encoding]) + text, version)


def make_picture(size: int = 100, version: int = 3, kind: int = 3) -> bytes:
    """A frame with a picture."""
    return make_frame(b"APIC", b"\0image/png\0" + bytes([kind]) + b"\0" + PNG + bytes(size), version)


def make_v1(title: bytes, artist: bytes = b"", album: bytes = b"", track: int = 0) -> bytes:
    """An ID3v1.1 tag."""
    texts = b"".join(text.ljust(30, b"\0") for text in (title, artist, album))
    return b"TAG" + texts + bytes(4 + 29) + bytes([track, 255])


def make_ape(items: dict[bytes, bytes], version: int = 2000) -> bytes:
    """An APE tag with header and footer; of pictures the kind is binary."""
    body = b"".join(
        struct.pack("<II", len(value), 2 if key.startswith(b"Cover") else 0) + key + b"\0" + value
        for key, value in items.items()
    )
    ends = [
        b"APETAGEX" + struct.pack("<IIII", version, len(body) + 32, len(items), flags) + bytes(8)
        for flags in (0xA0000000, 0x80000000)
    ]
    return ends[0] + body + ends[1]


def read(data: bytes, content_type: str = "audio/mpeg") -> Tags:
    """The tags of a whole file."""
    return read_tags(io.BytesIO(data), AudioType(content_type, 1.0))


def read_texts(data: bytes, content_type: str = "audio/mpeg") -> tuple[str | None, str | None, str | None, int | None]:
    """Title, artist, album and track number of a whole file."""
    tags = read(data, content_type)
    return tags.title, tags.artist, tags.album, tags.track_number


@pytest.mark.parametrize("name", TAGGED)
def test_of_ffmpeg(corpus: Corpus, name: str) -> None:
    """What ffmpeg writes comes out as it went in, whatever the format."""
    data = corpus[name]
    found = detect_type(io.BytesIO(data), len(data))
    assert found
    # The list INFO of wav has no field for a disc; of QuickTime ffmpeg writes no number.
    track, disc = {"tagged.wav": (3, None), "texts.mov": (None, None)}.get(name, (3, 2))
    assert read_texts(data, found.content_type) == ("Прелюдия", "Anna", "One", track)
    assert read(data, found.content_type).disc_number == disc


def make_flac(*comments: bytes) -> bytes:
    """The metadata of a FLAC file."""
    body = bytes(4) + struct.pack("<I", len(comments)) + b"".join(struct.pack("<I", len(c)) + c for c in comments)
    return b"fLaC\0\0\0\x22" + bytes(34) + b"\x84" + len(body).to_bytes(3, "big") + body


DISCS = {
    "2.4": (make_id3(make_text(b"TPOS", b"2/2", 4), version=4) + SOUND, "audio/mpeg", 2),
    "2.2": (make_id3(make_text(b"TPA", b"02", 2), version=2) + SOUND, "audio/mpeg", 2),
    "UTF-16": (make_id3(make_text(b"TPOS", "1/2".encode("utf-16"), encoding=1)) + SOUND, "audio/mpeg", 1),
    "of none": (make_id3(make_text(b"TPOS", b"0/2")) + SOUND, "audio/mpeg", None),
    "a side": (make_id3(make_text(b"TPOS", b"A")) + SOUND, "audio/mpeg", None),
    "APE": (SOUND + make_ape({b"Disc": b"3/4"}), "audio/mpeg", 3),
    "DISC of FLAC": (make_flac(b"DISC=2"), "audio/flac", 2),
    "DISCNUMBER of FLAC": (make_flac(b"title=Air", b"DiscNumber=2/3"), "audio/flac", 2),
    "DISC of Ogg": (make_comments([b"DISC=2"]), "audio/ogg", 2),
}


@pytest.mark.parametrize(("data", "content_type", "disc"), DISCS.values(), ids=DISCS)
def test_disc(data: bytes, content_type: str, disc: int | None) -> None:
    """The number of a disc is read as that of a track is; what is no number is not known."""
    assert read(data, content_type).disc_number == disc


CYRILLIC = "Группа крови".encode("windows-1251")
ID3 = {
    "2.2": (make_id3(make_text(b"TT2", b"Air", 2), make_text(b"TRK", b"5", 2), version=2), ("Air", None, None, 5)),
    "UTF-16": (make_id3(make_text(b"TIT2", "Жар".encode("utf-16"), encoding=1)), ("Жар", None, None, None)),
    "UTF-16, big endian": (
        make_id3(make_text(b"TIT2", "Жар".encode("utf-16-be"), 4, 2), version=4),
        ("Жар", None, None, None),
    ),
    "UTF-8": (make_id3(make_text(b"TPE1", "Жар".encode(), 4, 3), version=4), (None, "Жар", None, None)),
    "several values": (make_id3(make_text(b"TPE1", b"A\0B", 4), version=4), (None, "A", None, None)),
    "latin-1": (make_id3(make_text(b"TIT2", "À la Françoise".encode("latin-1"))), ("À la Françoise", None, None, None)),
    "windows-1251": (make_id3(make_text(b"TIT2", CYRILLIC)), ("Группа крови", None, None, None)),
    "control characters": (make_id3(make_text(b"TIT2", b"a\x1b[1m\nb")), ("a [1m b", None, None, None)),
    "two in a row": (
        make_id3(make_text(b"TIT2", b"First")) + make_id3(make_text(b"TIT2", b"Second"), make_text(b"TPE1", b"A")),
        ("First", "A", None, None),
    ),
    "padding": (make_id3(make_text(b"TIT2", b"Air"), bytes(5000)), ("Air", None, None, None)),
    "large picture": (
        make_id3(make_picture(LARGE_BYTES), make_text(b"TIT2", b"Air"), make_text(b"TRCK", b"7")),
        ("Air", None, None, 7),
    ),
    "extended header": (
        make_id3(struct.pack(">IHI", 6, 0, 0), make_text(b"TIT2", b"Air"), flags=0x40),
        ("Air", None, None, None),
    ),
    "unsynchronised": (
        make_id3(make_frame(b"PRIV", b"\xff" * 50).replace(b"\xff", b"\xff\0"), make_text(b"TIT2", b"Air"), flags=0x80),
        ("Air", None, None, None),
    ),
    "length told": (
        make_id3(make_frame(b"TIT2", pack_synchsafe(4) + b"\0Air", 4, flags=1), version=4),
        ("Air", None, None, None),
    ),
    "plain sizes in 2.4": (
        make_id3(make_picture(300), make_text(b"TIT2", b"Air", 4), bytes(100), version=4),
        ("Air", None, None, None),
    ),
    "cut short": (make_id3(make_text(b"TIT2", b"Air"), b"TPE1\0\0\x7f\x7f"), ("Air", None, None, None)),
}  # fmt: skip


@pytest.mark.parametrize(("tag", "texts"), ID3.values(), ids=ID3)
def test_id3(tag: bytes, texts: tuple[str | None, ...]) -> None:
    """ID3v2 of each version and oddity, in front of mp3; the form is that of the sound behind it."""
    tags = read(tag + SOUND)
    assert (tags.title, tags.artist, tags.album, tags.track_number) == texts
    assert (tags.sample_rate_hz, tags.bit_rate_bps) == (44_100, 128_000)


def test_id3v1() -> None:
    """What stands behind a NUL of ID3v1, and blanks at the end, are no text; windows-1251 is told there too."""
    tag = make_v1(b"Air\0left over", b"Anna     ", b"One\0  x", 7)
    assert read_texts(SOUND + tag) == ("Air", "Anna", "One", 7)
    assert read_texts(SOUND + make_v1(CYRILLIC))[0] == "Группа крови"
    assert read_texts(make_id3(make_text(b"TIT2", b"Newer")) + SOUND + tag) == ("Newer", "Anna", "One", 7)


def test_ape() -> None:
    """APEv2 counts before the ID3v1 behind it, on mp3 and others, with its cover; APEv1 is in any encoding."""
    items = {
        b"Title": "Жар".encode(),
        b"ARTIST": b"Anna\0Bob",
        b"Track": b"4/9",
        b"Cover Art (Front)": b"a.png\0" + PNG,
    }
    data = SOUND + make_ape(items) + make_v1(b"Older", b"x", b"One")
    assert read_texts(data) == ("Жар", "Anna", "One", 4)
    assert read_cover(io.BytesIO(data), "audio/mpeg").data == PNG  # type: ignore[union-attr]
    lyrics = b"LYRICSBEGININD0000200"
    data = SOUND + make_ape(items) + lyrics + b"%06dLYRICS200" % len(lyrics) + make_v1(b"Older")
    assert read_texts(data) == ("Жар", "Anna", None, 4)
    assert read_texts(make_ape(items) + SOUND)[0] == "Жар"
    for content_type in ("audio/x-ape", "audio/x-tta", "audio/x-wavpack", "audio/aac"):
        assert read_texts(SOUND + make_ape({b"title": CYRILLIC}, 1000), content_type)[0] == "Группа крови"


def test_chunks(corpus: Corpus) -> None:
    """An ID3 tag in a chunk of wav, with a large picture in front, and INFO in windows-1251."""
    tag = make_id3(make_picture(LARGE_BYTES), make_text(b"TIT2", CYRILLIC))
    data = corpus["tagged.wav"] + b"id3 " + struct.pack("<I", len(tag)) + tag
    assert read_texts(data, "audio/wav") == ("Группа крови", "Anna", "One", 3)
    text = b"INFOINAM" + struct.pack("<I", len(CYRILLIC)) + CYRILLIC
    data = corpus["pcm.wav"] + b"LIST" + struct.pack("<I", len(text)) + text
    assert "Группа крови" in (read(data, "audio/wav").title or "")


def test_dsf() -> None:
    """The tag of DSF is where its header points to, that of DSDIFF in a chunk."""
    head = b"DSD " + struct.pack("<QQQ", 28, 1000, 92)
    data = head + bytes(92 - len(head)) + make_id3(make_text(b"TIT2", b"Air"), make_picture())
    assert read_texts(data, "audio/x-dsf")[0] == "Air"
    assert read(data, "audio/x-dsf").has_cover
    assert read_texts(head[:20] + bytes(72), "audio/x-dsf")[0] is None
    tag = make_id3(make_text(b"TIT2", b"Air"))
    data = b"FRM8" + bytes(8) + b"DSD " + b"DSD " + struct.pack(">Q", 100) + bytes(100)
    assert read_texts(data + b"ID3 " + struct.pack(">Q", len(tag)) + tag, "audio/x-dff")[0] == "Air"


def test_id3_before_flac(corpus: Corpus) -> None:
    """ID3 tags in front of FLAC hide nothing of it, and fill in what its own comments leave out."""
    front = make_id3(make_text(b"TIT2", b"Other")) + make_id3(make_text(b"TPE1", b"Anna"))
    assert read_texts(front + corpus["flac.flac"], "audio/flac")[:2] == ("Gigue", "Anna")
    assert read(front + corpus["cover.flac"], "audio/flac").has_cover


def test_large_picture_in_flac(corpus: Corpus) -> None:
    """A picture of many MB in front of the comments of FLAC hides neither them nor the form."""
    block = (
        struct.pack(">II", 3, 9)
        + b"image/png"
        + bytes(20)
        + struct.pack(">I", LARGE_BYTES)
        + PNG
        + bytes(LARGE_BYTES - 8)
    )
    data = corpus["tagged.flac"]
    data = data[:42] + b"\6" + len(block).to_bytes(3, "big") + block + data[42:]
    tags = read(data, "audio/flac")
    assert (tags.title, tags.track_number, tags.sample_rate_hz, tags.has_cover) == ("Прелюдия", 3, 44_100, False)


def test_pictures_before_ogg(corpus: Corpus) -> None:
    """The comments are those of the sound, though a stream of pictures begins before it."""
    data = corpus["cover-track.ogg"]
    assert data.find(b"\x80theora") < data.find(b"\1vorbis")
    assert read(data, "audio/ogg").title == "Fuge"


def test_large_picture_in_ogg() -> None:
    """A picture of many MB in front of the comments of Ogg hides none of them."""
    picture = b"METADATA_BLOCK_PICTURE=" + b64encode(bytes(LARGE_BYTES))
    data = make_comments([picture, b"title=Air", b"TRACKNUMBER=5/6"])
    assert read_texts(data, "audio/ogg") == ("Air", None, None, 5)


def make_object(identity: str, *content: bytes) -> bytes:
    """An object of ASF."""
    body = b"".join(content)
    return bytes.fromhex(identity) + struct.pack("<Q", len(body) + 24) + body


def make_library(name: str, kind: int, value: bytes) -> bytes:
    """A row of the metadata library of ASF."""
    text = f"{name}\0".encode("utf-16-le")
    return struct.pack("<HHHHI", 0, 0, len(text), kind, len(value)) + text + value


def test_pictures_in_wma() -> None:
    """A picture of WMA is its cover, and one of many MB in front of the title hides nothing."""
    for picture, has_cover in ((PNG, True), (PNG + bytes(LARGE_BYTES), False)):
        block = struct.pack("<BI", 3, len(picture)) + "image/png\0\0".encode("utf-16-le") + picture
        rows = make_library("WM/Picture", 1, block), make_library("WM/AlbumTitle", 0, "One".encode("utf-16-le"))
        library = make_object("941c23449894d149a1411d134e457054", struct.pack("<H", 2), *rows)
        extension = make_object("b503bf5f2ea9cf118ee300c00c205365", bytes(18), struct.pack("<I", len(library)), library)
        text = "Жар\0".encode("utf-16-le")
        lengths = struct.pack("<5H", len(text), 0, 0, 0, 0)
        description = make_object("3326b2758e66cf11a6d900aa0062ce6c", lengths, text)
        body = struct.pack("<IBB", 2, 1, 2) + extension + description
        data = make_object("3026b2758e66cf11a6d900aa0062ce6c", body)
        assert read_texts(data, "audio/x-ms-wma") == ("Жар", None, "One", None)
        assert read(data, "audio/x-ms-wma").has_cover is has_cover


def make_element(identity: int, *content: bytes) -> bytes:
    """An element of EBML, its size in eight bytes."""
    body = b"".join(content)
    name = identity.to_bytes((identity.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(body)).to_bytes(8, "big") + body


def make_tag(level: int | None, **texts: str) -> bytes:
    """A tag of Matroska about a level: 50 is the album, 30 the track; None: it tells none."""
    pairs = [
        make_element(0x67C8, make_element(0x45A3, name.encode()), make_element(0x4487, text.encode()))
        for name, text in texts.items()
    ]
    target = make_element(0x68CA, bytes([level])) if level else b""
    return make_element(0x7373, make_element(0x63C0, target), *pairs)


def test_matroska_levels() -> None:
    """As mkvmerge writes them: tags behind the sound, the title of the album apart from that of the track; a cover."""
    tags = make_element(
        0x1254C367, make_tag(50, TITLE="One", ARTIST="Anna"), make_tag(30, TITLE="Air", PART_NUMBER="2")
    )
    file = make_element(
        0x61A7, make_element(0x466E, b"cover.png"), make_element(0x4660, b"image/png"), make_element(0x465C, PNG)
    )
    cluster = make_element(0x1F43B675, bytes(300_000))
    seek_bytes = len(make_element(0x114D9B74, *[make_element(0x4DBB, make_element(0x53AC, bytes(8)))] * 2))
    places = (seek_bytes + len(cluster), seek_bytes + len(cluster) + len(tags))
    seeks = [make_element(0x4DBB, make_element(0x53AC, place.to_bytes(8, "big"))) for place in places]
    body = make_element(0x114D9B74, *seeks) + cluster + tags + make_element(0x1941A469, file)
    data = make_element(0x1A45DFA3, b"") + make_element(0x18538067, body)
    assert read_texts(data, "audio/x-matroska") == ("Air", "Anna", "One", 2)
    assert read_cover(io.BytesIO(data), "audio/x-matroska").data == PNG  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("tags", "track", "disc"),
    [
        ((make_tag(30, PART_NUMBER="2"), make_tag(50, PART_NUMBER="1")), 2, 1),
        ((make_tag(40, PART_NUMBER="1", TITLE="Side"), make_tag(30, PART_NUMBER="2")), 2, 1),
        ((make_tag(50, PART_NUMBER="4"),), 4, None),
        ((make_tag(30, PART_NUMBER="2"), make_tag(60, PART_NUMBER="7")), 2, None),
        ((make_tag(None, PART_NUMBER="4", DISC="3/3"),), 4, 3),
    ],
)
def test_matroska_discs(tags: tuple[bytes, ...], track: int, disc: int | None) -> None:
    """A number of a part of the album is that of the disc, and one of the album beside that of the track."""
    data = make_element(0x1A45DFA3, b"") + make_element(0x18538067, make_element(0x1254C367, *tags))
    found = read(data, "audio/x-matroska")
    assert (found.title, found.track_number, found.disc_number) == (None, track, disc)


@pytest.mark.parametrize(
    "data",
    [handmade.make_mod(), handmade.make_xm(), handmade.make_s3m(), handmade.make_it()],
    ids=["mod", "xm", "s3m", "it"],
)
def test_names_of_modules(data: bytes) -> None:
    """The name of the song in a module is its title."""
    found = detect_type(io.BytesIO(data), len(data))
    assert found
    assert read_texts(data, found.content_type) == ("a song", None, None, None)


def test_damaged(corpus: Corpus) -> None:
    """No damage to a tag raises anything."""
    files = {
        name: corpus[name]
        for name in ("tagged.mka", "tagged.wv", "tagged.aiff", "tagged.caf", "tagged.opus", "tagged.wma")
    }
    files |= {"id3": ID3["plain sizes in 2.4"][0] + SOUND[:2000], "ape": SOUND[:2000] + make_ape({b"Title": b"Air"})}
    types = dict.fromkeys(files, "audio/mpeg") | {
        name: found.content_type for name, data in files.items() if (found := detect_type(io.BytesIO(data), len(data)))
    }
    chance = random.Random(1)
    for _ in range(500):
        name = chance.choice(list(files))
        data = bytearray(files[name])
        for _ in range(chance.choice([1, 3, 10])):
            end = chance.choice([1000, len(data)])
            data[chance.choice([1, -1]) * chance.randrange(1, min(end, len(data)))] = chance.choice(
                [0, 1, 127, 128, 255]
            )
        assert isinstance(read(bytes(data[: chance.choice([len(data), len(data) // 2])]), types[name]), Tags)
