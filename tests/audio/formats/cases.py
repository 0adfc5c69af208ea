"""Audio as people have it, and what only looks like it: each case with its type, or None where it is to be refused.

Most are made of the files of a `Corpus`, so that they have its length; the others tell their own.
"""

import io
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from tests.audio.formats import handmade
from tests.audio.formats.corpus import Corpus, make_midi, make_ogg_page

UNKNOWN = -1.0


@dataclass(frozen=True)
class Case:
    """How a file is made, and what it is. `share` is how much of the corpus' length it has; or it has `seconds`."""

    make: Callable[[Corpus], bytes]
    content_type: str | None
    share: float = 1
    seconds: float = 0

    def expect_duration(self, corpus: Corpus) -> float | None:
        """The right length in seconds; None where it is not known."""
        if self.seconds == UNKNOWN:
            return None
        return self.seconds or self.share * corpus.seconds


def noise(count: int) -> bytes:
    """The same random bytes each time."""
    return random.Random(count).randbytes(count)


def make_id3(stated_bytes: int, body: bytes) -> bytes:
    """An ID3v2.3 tag that says it is so long, and what it really has."""
    return b"ID3\x03\0\0" + bytes(stated_bytes >> shift & 127 for shift in (21, 14, 7, 0)) + body


def make_ape_tag(body: bytes, *, header: bool) -> bytes:
    """An APEv2 tag of one item, with a header or without."""

    def part(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, 1, flags) + bytes(8)

    return (part(0xA0000000) if header else b"") + body + part(0x80000000 if header else 0)


def split_pages(data: bytes) -> list[bytes]:
    """The pages of an Ogg file."""
    pages, at = [], 0
    while at < len(data):
        table = data[at + 27 : at + 27 + data[at + 26]]
        end = at + 27 + len(table) + sum(table)
        pages.append(data[at:end])
        at = end
    return pages


def drop_pages(data: bytes) -> bytes:
    """An Ogg file without the first half of its pages of sound, as one that was recorded from then on."""
    pages = split_pages(data)
    return b"".join(pages[:2] + pages[len(pages) // 2 + 1 :])


def record_radio(stream: bytes) -> bytes:
    """What a recorder takes of a radio stream: begun anywhere, with the titles of ICY between."""
    blocks = [stream[at : at + 16_000] for at in range(0, len(stream), 16_000)]
    title = b"\2" + b"StreamTitle='x';".ljust(32, b"\0")
    return b"".join(block + (b"\0" if n % 5 else title) for n, block in enumerate(blocks))[500:]


def put(data: bytes, at: int, new: bytes) -> bytes:
    """Other bytes at a place."""
    return data[:at] + new + data[at + len(new) :]


def forget_size(data: bytes, name: bytes, new: bytes) -> bytes:
    """A chunk whose size is not known."""
    return put(data, data.find(name) + len(name), new)


def forget_length(data: bytes) -> bytes:
    """WebM as a browser records it: no duration (a void element is in its place), and a segment of unknown size."""
    data = put(data, data.find(b"\x44\x89\x88"), b"\xec\x89")
    return put(data, data.find(b"\x18\x53\x80\x67") + 4, b"\x01" + b"\xff" * 7)


def dig_hole(data: bytes) -> bytes:
    """A file of which three tenths in the middle are zeros, as of a download that did not come to its end."""
    return put(data, len(data) * 4 // 10, bytes(len(data) * 3 // 10))


def swap_bytes(data: bytes) -> bytes:
    """Words of 16 bits in the other byte order."""
    swapped = bytearray(data[: len(data) & ~1])
    swapped[::2], swapped[1::2] = swapped[1::2], swapped[::2]
    return bytes(swapped)


def spread_words(data: bytes) -> bytes:
    """Words of 16 bits, of which each has 14, as a CD of DTS: the upper two repeat the third, for less noise."""
    bits = "".join(f"{byte:08b}" for byte in data)
    return b"".join(int(bits[at] * 2 + bits[at : at + 14], 2).to_bytes(2, "big") for at in range(0, len(bits), 14))


def make_zip(data: bytes) -> bytes:
    """An archive that holds a file as it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("song.mp3", data)
    return buffer.getvalue()


def make_tar(data: bytes, *, old: bool = False) -> bytes:
    """An archive that holds a file as it is; an old one has no magic number."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("song.mp3")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    made = buffer.getvalue()
    if old:
        head = made[:148] + b" " * 8 + made[156:257] + bytes(8) + made[265:512]
        made = put(head, 148, b"%06o\0 " % sum(head)) + made[512:]
    return made


def make_iso(data: bytes) -> bytes:
    """A disk image that holds a file."""
    return bytes(32_768) + b"\1CD001\1" + bytes(4089) + data


def name_other_stream(data: bytes) -> bytes:
    """WMA whose stream of video has another number than its pictures."""
    at = data.find(bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")) + 48
    return put(data, at, bytes([data[at] ^ 127]))


MP3, AAC, WMA = "audio/mpeg", "audio/aac", "audio/x-ms-wma"
CASES: dict[str, Case] = {
    "mp3 behind a zero": Case(lambda c: b"\0" + c["bare.mp3"], MP3),
    "mp3 behind half a frame": Case(lambda c: c["bare.mp3"][100:], MP3),
    "mp3 behind 417 zeros": Case(lambda c: bytes(417) + c["bare.mp3"], MP3),
    "mp3 behind 250 KiB": Case(lambda c: noise(250 * 1024) + c["vbr.mp3"], MP3),
    "mp3 behind APEv2": Case(lambda c: make_ape_tag(noise(70), header=True) + c["bare.mp3"], MP3),
    "mp3 behind APEv2 and ID3": Case(
        lambda c: make_ape_tag(b"x", header=True) + make_id3(9, bytes(9)) + c["vbr.mp3"], MP3
    ),
    "mp3 behind a longer ID3": Case(lambda c: make_id3(1000, b"TIT2" + noise(90_000)) + c["bare.mp3"], MP3),
    "mp3 behind a longer ID3 of text": Case(lambda c: make_id3(50, b"words of a song " * 900) + c["bare.mp3"], MP3),
    "mp3 behind a shorter ID3": Case(lambda c: make_id3(250_000_000, bytes(99)) + c["bare.mp3"], MP3),
    "mp3 behind a malformed ID3": Case(lambda c: b"ID3\x03\0\0\0\0\x01\xf6" + noise(502) + c["bare.mp3"], MP3),
    "mp3 before tags": Case(
        lambda c: c["vbr.mp3"] + make_ape_tag(noise(90_000), header=False) + b"TAG" + bytes(125), MP3
    ),
    "mp3 before Lyrics3": Case(lambda c: c["bare.mp3"] + b"LYRICSBEGIN" + bytes(50) + b"000061LYRICS200", MP3),
    "mp3 of a radio": Case(lambda c: record_radio(c["loud.mp3"]), MP3),
    "mp3 behind half a frame of silence": Case(lambda c: b"U" * 300 + b"LAME3.100" + b"U" * 99 + c["bare.mp3"], MP3),
    "mp3 before zeros": Case(lambda c: c["bare.mp3"] + bytes(len(c["bare.mp3"]) // 2), MP3),
    "mp3 with a hole": Case(lambda c: dig_hole(c["bare.mp3"]), MP3, share=0.7),
    "mp3, VBR without Xing": Case(lambda c: c["vbr-bare.mp3"], MP3),
    "mp3, a half": Case(lambda c: c["vbr.mp3"][: len(c["vbr.mp3"]) // 2], MP3, seconds=UNKNOWN),
    "mp3, two in one": Case(lambda c: c["cbr.mp3"] + c["vbr.mp3"], MP3, share=2),
    "ADTS of silence": Case(lambda _: (b"\xff\xf1\x50\x40\x01\x7f\xfc\x01\x18\x20\x07") * 431, AAC, seconds=10),
    "ADTS behind noise": Case(lambda c: noise(3000) + c["adts.aac"], AAC),
    "ADTS behind half a frame": Case(lambda c: c["adts.aac"][5:], AAC),
    "AC-3 behind half a frame": Case(lambda c: c["dolby.ac3"][300:], "audio/ac3"),
    "DTS behind half a frame": Case(lambda c: c["cinema.dts"][300:], "audio/vnd.dts"),
    "DTS of the other byte order": Case(lambda c: swap_bytes(c["cinema.dts"]), "audio/vnd.dts"),
    "DTS of 14 bits": Case(lambda c: spread_words(c["even.dts"]), "audio/vnd.dts"),
    "DTS of 14 bits and the other byte order": Case(lambda c: swap_bytes(spread_words(c["even.dts"])), "audio/vnd.dts"),
    "wav of size 0": Case(lambda c: forget_size(c["pcm.wav"], b"data", bytes(4)), "audio/wav"),
    "wav of unknown size": Case(lambda c: forget_size(c["pcm.wav"], b"data", b"\xff" * 4), "audio/wav"),
    "w64 of unknown size": Case(
        lambda c: put(c["wave.w64"], c["wave.w64"].find(b"data\xf3") + 16, bytes(8)), "audio/x-w64"
    ),
    "au of unknown size": Case(lambda c: put(c["sun.au"], 8, b"\xff" * 4), "audio/basic"),
    "caf of unknown size": Case(lambda c: forget_size(c["core.caf"], b"data", b"\xff" * 8), "audio/x-caf"),
    "aiff of unknown size": Case(
        lambda c: forget_size(put(c["pcm.aiff"], c["pcm.aiff"].find(b"COMM") + 10, bytes(4)), b"SSND", bytes(4)),
        "audio/aiff",
    ),
    "Ogg without its end": Case(lambda c: c["vorbis.ogg"] + c["vorbis.ogg"][-3000:-2000], "audio/ogg"),
    "Ogg of a radio": Case(lambda c: drop_pages(c["paged.opus"]), "audio/ogg", share=0.5),
    "Ogg of two links": Case(lambda c: c["vorbis.ogg"] + c["opus.opus"], "audio/ogg", share=2),
    "Speex between other streams": Case(
        lambda _: handmade.make_multiplexed_speex([b"fishead\0" + bytes(56), b"something else", b"\x80kate\0\0\0"]),
        "audio/ogg",
        seconds=0.04,
    ),
    "WebM of a browser": Case(lambda c: forget_length(c["opus.webm"]), "audio/webm"),
    "mp4 in fragments": Case(lambda c: c["many-fragments.mp4"], "audio/mp4"),
    "audiobook with pictures": Case(lambda c: handmade.add_chapters(c["chapters.mov"]), "audio/mp4"),
    "mp4 with a cover as a track": Case(lambda c: c["cover-track.mov"], "audio/mp4"),
    "Matroska with a cover as a track": Case(lambda c: c["cover-track.mka"], "audio/x-matroska"),
    "WMA with a cover as a film": Case(lambda c: c["cover-track.wma"], WMA),
    "WMA with a cover as a track": Case(lambda c: c["copied-cover.wma"], WMA),
    "Matroska with a cover as a film": Case(lambda c: c["cover-film.mka"], "audio/x-matroska"),
    "WebM with a cover as a film": Case(lambda c: c["cover-track.webm"], "audio/webm"),
    "mp4 with a cover as a film": Case(lambda c: c["cover-film.mp4"], "audio/mp4"),
    "Ogg with a cover as a film": Case(lambda c: c["cover-track.ogg"], "audio/ogg"),
    "FLAC of odd block sizes": Case(lambda c: put(c["flac.flac"], 8, b"\0\0\0\0"), "audio/flac"),
    "FLAC of variable blocks, piped": Case(lambda _: handmade.make_flac(30), "audio/flac", seconds=30),
    "FLAC from the middle of a stream": Case(lambda _: handmade.make_flac(30, begins_s=15), "audio/flac", seconds=30),
    "FLAC of no known length": Case(
        lambda _: handmade.make_flac(0) + b"\xff\xf9" * 200_000, "audio/flac", seconds=UNKNOWN
    ),
    "WavPack of DSD": Case(lambda _: handmade.make_wavpack_dsd(30), "audio/x-wavpack", seconds=30),
    "DSDIFF": Case(lambda _: handmade.make_dff(2), "audio/x-dff", seconds=2),
    "DSDIFF, packed": Case(lambda _: handmade.make_dff(2, packed=True), "audio/x-dff", seconds=2),
    "DSF": Case(lambda _: handmade.make_dsf(2), "audio/x-dsf", seconds=2),
    "Musepack 7": Case(lambda _: handmade.make_musepack_7(3), "audio/x-musepack", seconds=3),
    "Musepack 8": Case(lambda _: handmade.make_musepack_8(30), "audio/x-musepack", seconds=30),
    "Monkey's Audio": Case(lambda _: handmade.make_ape(30), "audio/x-ape", seconds=30),
    "Monkey's Audio of 2003": Case(lambda _: handmade.make_ape(30, version=3970), "audio/x-ape", seconds=30),
    "Monkey's Audio of 2001": Case(lambda _: handmade.make_ape(30, version=3920), "audio/x-ape", seconds=30),
    "True Audio": Case(lambda _: handmade.make_tta(30), "audio/x-tta", seconds=30),
    "AMR-WB": Case(lambda _: handmade.make_amr_wide(3), "audio/amr-wb", seconds=3),
    "MIDI": Case(lambda _: make_midi(), "audio/midi", seconds=UNKNOWN),
    "MIDI in RIFF": Case(lambda _: handmade.make_rmi(b"data", make_midi()), "audio/midi", seconds=UNKNOWN),
    "MIDI in RIFF behind words": Case(
        lambda _: handmade.make_rmi(b"LIST", b"INFO", b"data", make_midi()), "audio/midi", seconds=UNKNOWN
    ),
    "RIFF of MIDI without a song": Case(lambda _: handmade.make_rmi(b"LIST", b"INFO"), None),
    "Protracker": Case(lambda _: handmade.make_mod(), "audio/x-mod", seconds=UNKNOWN),
    "Protracker of 8 channels": Case(lambda _: handmade.make_mod(b"8CHN", 8), "audio/x-mod", seconds=UNKNOWN),
    "FastTracker 2": Case(lambda _: handmade.make_xm(), "audio/x-xm", seconds=UNKNOWN),
    "Scream Tracker 3": Case(lambda _: handmade.make_s3m(), "audio/x-s3m", seconds=UNKNOWN),
    "Impulse Tracker": Case(lambda _: handmade.make_it(), "audio/x-it", seconds=UNKNOWN),
    "zip of mp3, one part of one": Case(lambda c: b"PK00" + make_zip(c["bare.mp3"]), None),
    "zip of mp3": Case(lambda c: make_zip(c["bare.mp3"]), None),
    "zip of tagged mp3": Case(lambda c: make_zip(c["cbr.mp3"]), None),
    "tar of mp3": Case(lambda c: make_tar(c["bare.mp3"]), None),
    "old tar of mp3": Case(lambda c: make_tar(c["bare.mp3"], old=True), None),
    "disk image of mp3": Case(lambda c: make_iso(c["bare.mp3"]), None),
    "pdf with mp3": Case(lambda c: b"%PDF-1.7\n" + bytes(99) + c["bare.mp3"], None),
    "program with mp3": Case(lambda c: b"MZ" + noise(3000) + c["bare.mp3"], None),
    "mail with mp3": Case(lambda c: b"Content-Type: audio/mpeg\r\n" * 20 + c["bare.mp3"], None),
    "picture with mp3": Case(lambda c: b"\xff\xd8\xff\xe0\0\x10JFIF\0" + noise(3000) + c["bare.mp3"], None),
    "tagged zip of mp3": Case(lambda c: make_id3(20, bytes(20)) + make_zip(c["bare.mp3"]), None),
    "a few frames, then noise": Case(lambda c: c["bare.mp3"][:2000] + noise(20_000), None),
    "noise, a few frames, noise": Case(lambda c: noise(999) + c["bare.mp3"][:2000] + noise(99_000), None),
    "mp3 behind 2 MiB": Case(lambda c: noise(2**21) + c["bare.mp3"], None),
    "bytes that repeat": Case(lambda _: b"\0" + b"\xff\xfb\x10\0" * 50_000, None),
    "noise": Case(lambda _: noise(400_000), None),
    "transport stream, cut": Case(lambda c: c["film.ts"][100:], None),
    "program stream, cut": Case(lambda c: c["film.mpg"][1000:], None),
    "avi with mp3, cut": Case(lambda c: c["mp3.avi"][5000:], None),
    "nut with mp3": Case(lambda c: c["mp3.nut"], None),
    "WMA of a track that is not there": Case(lambda c: name_other_stream(c["copied-cover.wma"]), None),
    "film that calls itself chapters": Case(lambda c: handmade.add_chapters(c["film.mov"], sound=2, pictures=1), None),
    "Ogg with Theora behind Speex": Case(
        lambda _: handmade.make_multiplexed_speex([b"more", b"\x80theora" + bytes(35)]), None
    ),
    "Ogg without sound": Case(lambda _: make_ogg_page(b"something", flags=2) + make_ogg_page(b"more"), None),
    "module of other bytes": Case(lambda _: noise(1080) + b"M.K." + noise(9000), None),
    "magic of Musepack": Case(lambda _: b"MP+\x07" + noise(9000), None),
}
