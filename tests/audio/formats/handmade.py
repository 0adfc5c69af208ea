"""Audio that no tool here writes, byte by byte: recorders of DSD, Musepack, trackers, mp4 with pictures of chapters."""

import random
import struct
import zlib
from collections.abc import Iterable

from tests.audio.formats.corpus import make_ogg_page

NOISE = random.Random(7)


def make_box(kind: bytes, body: bytes) -> bytes:
    """One box of ISO base media."""
    return struct.pack(">I", len(body) + 8) + kind + body


def make_chunk(name: bytes, body: bytes) -> bytes:
    """One chunk of DSDIFF."""
    return name + struct.pack(">Q", len(body)) + body + bytes(len(body) % 2)


def make_dff(seconds: float, *, packed: bool = False) -> bytes:
    """DSDIFF 1.5 with two channels of DSD64, or their header in DST."""
    rate = 2_822_400
    properties = b"SND " + make_chunk(b"FS  ", struct.pack(">I", rate))
    properties += make_chunk(b"CHNL", b"\0\2SLFTSRGT") + make_chunk(b"CMPR", b"DST \x0bDST Encoded")
    sound = make_chunk(b"DSD ", b"\x69" * int(rate * seconds / 4))
    if packed:
        frames = make_chunk(b"FRTE", struct.pack(">IH", int(seconds * 75), 75))
        sound = make_chunk(b"DST ", frames + make_chunk(b"DSTF", bytes(2000)) * int(seconds * 75))
    body = b"DSD " + make_chunk(b"FVER", b"\1\5\0\0") + make_chunk(b"PROP", properties) + sound
    return make_chunk(b"FRM8", body)


def make_dsf(seconds: float) -> bytes:
    """DSF 1.01 with two channels of DSD64."""
    samples = int(2_822_400 * seconds)
    data = b"\x69" * (-(-samples // 8 // 4096) * 4096 * 2)
    head = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 2, 2, 2_822_400, 1, samples, 4096, 0)
    whole = head + b"data" + struct.pack("<Q", len(data) + 12) + data
    return b"DSD " + struct.pack("<QQQ", 28, len(whole) + 28, 0) + whole


def make_flac(seconds: float, *, begins_s: float = 0) -> bytes:
    """FLAC of blocks that differ in size, written to a pipe: the number of samples is not known.

    It may be a part of a stream, which does not begin at 0.
    """
    info = struct.pack(">HHIH", 16, 4096, 0, 0) + (44_100 << 12 | 1 << 9 | 15 << 4).to_bytes(4, "big") + bytes(20)
    first, last = (int(44_100 * at_s) for at_s in (begins_s, begins_s + seconds))
    frames = [b"\xff\xf9\xc9\x18" + (_code_number(first) if first else b"\0")]
    frames += [b"\xff\xf9\x19\x18" + _code_number(last - 192)] if seconds else []
    return b"fLaC\x80\0\0\x22" + info + b"".join(head + bytes([sum_crc8(head)]) + bytes(3000) for head in frames)


def _code_number(number: int) -> bytes:
    """A number of four bytes, as UTF-8 codes characters."""
    return bytes([0xF0 | number >> 18, *(0x80 | number >> shift & 63 for shift in (12, 6, 0))])


def sum_crc8(data: bytes) -> int:
    """The checksum of a frame header of FLAC."""
    crc = 0
    for bit in "".join(f"{byte:08b}" for byte in data):
        crc = (crc << 1 ^ (0x107 if (crc >> 7 ^ int(bit)) & 1 else 0)) & 0xFF
    return crc


def make_wavpack_dsd(seconds: float) -> bytes:
    """WavPack 5 with DSD64: the rate of the table is that of bytes, times the power that a part of the block tells."""
    samples = int(352_800 * seconds)
    parts = b"\x0e\x01\x03\x00" + b"\x0a\x80" + bytes(256)
    flags = 0x80000000 | 9 << 23 | 0x1804
    head = struct.pack("<HBBIIIII", 0x410, 0, 0, samples, 0, 4096, flags, 0)
    block = b"wvpk" + struct.pack("<I", len(head) + len(parts)) + head + parts
    return block * 3


def make_ape(seconds: float, *, version: int = 3990) -> bytes:
    """The header of Monkey's Audio, of today and of before 3.98."""
    blocks = 73_728 * 4 if version >= 3950 else 73_728 if version >= 3900 else 9216
    frames, last = divmod(int(44_100 * seconds), blocks)
    if version >= 3980:
        descriptor = b"MAC " + struct.pack("<HHII", version, 0, 52, 24) + bytes(36)
        return descriptor + struct.pack("<HHIIIHHI", 2000, 0, blocks, last, frames + 1, 16, 2, 44_100) + bytes(100)
    return b"MAC " + struct.pack("<HHHHIIIII", version, 2000, 0, 2, 44_100, 44, 0, frames + 1, last) + bytes(100)


def make_tta(seconds: float) -> bytes:
    """The header of True Audio."""
    head = b"TTA1" + struct.pack("<HHHII", 1, 2, 16, 44_100, int(44_100 * seconds))
    return head + struct.pack("<I", zlib.crc32(head)) + bytes(100)


def make_musepack_7(seconds: float) -> bytes:
    """Musepack, stream version 7: frames of random bits, each with its length in front, in words of 32 bits."""
    frames = int(seconds * 44_100 / 1152)
    bits = "0" * 8 + "".join(
        f"{size:020b}" + "01" * (size // 2) for size in (NOISE.randrange(40, 400) * 2 for _ in range(frames))
    )
    bits += "0" * (-len(bits) % 32)
    words = struct.pack(f"<{len(bits) // 32}I", *(int(bits[at : at + 32], 2) for at in range(0, len(bits), 32)))
    return b"MP+\x07" + struct.pack("<IIHHHH", frames, 1 << 30 | 28 << 24 | 10 << 20, 0, 0, 0, 0) + bytes(4) + words


def make_musepack_8(seconds: float) -> bytes:
    """Musepack, stream version 8: a header packet, and packets of sound."""
    samples = int(seconds * 44_100)
    number = bytes([0x80 | samples >> 21 & 127, 0x80 | samples >> 14 & 127, 0x80 | samples >> 7 & 127, samples & 127])
    header = b"\0\0\0\0\x08" + number + b"\0" + bytes([0x1B, 0x1B])
    packets = ((b"SH", header), (b"RG", bytes(9)), (b"EI", bytes(4)), *[(b"AP", bytes(90))] * 20, (b"SE", b""))
    return b"MPCK" + b"".join(key + bytes([len(body) + 3]) + body for key, body in packets)


def make_amr_wide(seconds: float) -> bytes:
    """AMR-WB at 6.6 kbit/s."""
    return b"#!AMR-WB\n" + (b"\x04" + b"\x5a" * 17) * int(seconds * 50)


def make_mod(magic: bytes = b"M.K.", channels: int = 4) -> bytes:
    """A Protracker module of two patterns and one sample."""
    first = b"a sample".ljust(22, b"\0") + struct.pack(">HBBHH", 500, 0, 64, 0, 1)
    rest = (bytes(22) + struct.pack(">HBBHH", 0, 0, 0, 0, 1)) * 30
    pattern = b"\x01\xac\x10\0" * channels * 64
    return (
        b"a song".ljust(20, b"\0") + first + rest + b"\2\x7f\0\1" + bytes(126) + magic + pattern * 2 + b"\x10\xf0" * 500
    )


def make_rmi(*parts: bytes) -> bytes:
    """RIFF of MIDI: names and bodies of its chunks, one after the other."""
    chunks = [name + struct.pack("<I", len(body)) + body for name, body in zip(parts[::2], parts[1::2], strict=True)]
    body = b"RMID" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_xm() -> bytes:
    """A FastTracker 2 module of one pattern."""
    head = (
        b"Extended Module: " + b"a song".ljust(20, b"\0") + b"\x1a" + b"FastTracker v2.00   " + struct.pack("<H", 0x104)
    )
    song = struct.pack("<IHHHHHHHH", 276, 1, 0, 4, 1, 0, 1, 6, 125) + bytes(256)
    return head + song + struct.pack("<IBHH", 9, 0, 64, 256) + b"\x80" * 256


def make_s3m() -> bytes:
    """A Scream Tracker 3 module of one instrument and one pattern."""
    head = b"a song".ljust(28, b"\0") + b"\x1a\x10\0\0" + struct.pack("<HHHHHH", 2, 1, 1, 0, 0x1320, 2) + b"SCRM"
    head = (head + bytes([64, 6, 125, 0xB0, 0, 0]) + bytes(10)).ljust(64, b"\0") + bytes([0, 8]) + b"\xff" * 30
    head += b"\0\xff" + struct.pack("<HH", 8, 14)
    instrument = (b"\1" + b"a.raw".ljust(12, b"\0")).ljust(76, b"\0") + b"SCRS"
    return head.ljust(128, b"\0") + instrument.ljust(96, b"\0") + struct.pack("<H", 66) + bytes(64)


def make_it() -> bytes:
    """An Impulse Tracker module of one sample and one pattern."""
    head = b"IMPM" + b"a song".ljust(26, b"\0") + b"\4\x10" + struct.pack("<HHHHHHHH", 2, 0, 1, 1, 0x214, 0x200, 1, 0)
    head += bytes([128, 48, 6, 125, 128, 0]) + bytes(10) + b"\x20" * 64 + b"\x40" * 64
    at = len(head) + 2 + 8
    return (
        head
        + b"\0\xff"
        + struct.pack("<II", at, at + 80)
        + b"IMPS".ljust(80, b"\0")
        + struct.pack("<HHI", 64, 64, 0)
        + bytes(64)
    )


def make_speex_page(serial: int, flags: int = 2) -> bytes:
    """The first page of a stream of Speex in 16 kHz."""
    packet = b"Speex   " + b"1.2".ljust(20, b"\0")
    return make_ogg_page(
        packet + struct.pack("<13I", 1, 80, 16_000, 1, 4, 1, 0, 320, 0, 1, 0, 0, 0), flags=flags, serial=serial
    )


def make_multiplexed_speex(others: Iterable[bytes]) -> bytes:
    """Speex of two packets between pages of other streams, whose first pages begin with these bytes."""
    others = list(others)
    firsts = [make_ogg_page(head, flags=2, serial=50 + n) for n, head in enumerate(others)]
    data = b"".join(
        make_ogg_page(bytes(50), serial=7, sequence=2 + n, granule=320 * (n + 1))
        + b"".join(make_ogg_page(b"data", serial=50 + m, sequence=1 + n, granule=5) for m in range(len(others)))
        for n in range(2)
    )
    comments = make_ogg_page(struct.pack("<I4sI", 4, b"test", 0), serial=7, sequence=1)
    return b"".join(firsts[:1]) + make_speex_page(7) + b"".join(firsts[1:]) + comments + data


def add_chapters(data: bytes, *, sound: int = 1, pictures: int = 2) -> bytes:
    """An mp4 whose `moov` stands at its end, with a reference of one track to another as its chapters (`tref/chap`)."""
    at = data.rfind(b"moov") - 4
    reference = make_box(b"tref", make_box(b"chap", struct.pack(">I", pictures)))
    moov, track_number, place = data[at + 8 :], 0, 0
    while place < len(moov):
        size, kind = struct.unpack(">I4s", moov[place : place + 8])
        if kind == b"trak":
            track_number += 1
        if kind == b"trak" and track_number == sound:
            track = make_box(b"trak", moov[place + 8 : place + size] + reference)
            return data[:at] + make_box(b"moov", moov[:place] + track + moov[place + size :])
        place += size
    raise AssertionError("no such track")
