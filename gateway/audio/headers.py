"""Forms that are one fixed header and then samples: au, voc, tta, ape and their elders.

Their magic numbers are short, so each header must also make sense as a whole: known encodings, a rate, a
number of channels, a checksum where there is one.
"""

import re
import struct
import zlib

from .reader import AudioType, Reader

_MAX_RATE = 10_000_000


def _is_sane(channels: int, rate: float) -> bool:
    return 1 <= channels <= 255 and 0 < rate <= _MAX_RATE


_AU_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}


def check_au(reader: Reader) -> AudioType | None:
    """Sun and NeXT `.snd`, and the little-endian `dns.` of DEC."""
    order = "<" if reader.at(0, 4) == b"dns." else ">"
    offset, _, encoding, rate, channels = struct.unpack(f"{order}5I", reader.at(4, 20))
    if not (24 <= offset <= min(1 << 20, reader.size_bytes) and 1 <= encoding <= 27):
        return None
    if not _is_sane(channels, rate):
        return None
    width = _AU_WIDTHS.get(encoding)
    frames = (reader.size_bytes - offset) / channels
    return AudioType("audio/basic", frames / width / rate if width else None)


VOC_MAGIC = b"Creative Voice File\x1a"


def check_voc(reader: Reader) -> AudioType | None:
    """Creative Voice: a version, its check number, and a first block of a known kind."""
    offset, version, check = struct.unpack("<3H", reader.at(20, 6))
    if offset != 26 or check != (~version + 0x1234) & 0xFFFF:
        return None
    return AudioType("audio/x-voc") if reader.number(26, 1) in range(1, 10) else None


def check_tta(reader: Reader) -> AudioType | None:
    """True Audio 1: the header has a checksum."""
    channels, _, rate, samples, crc = struct.unpack("<HHIII", reader.at(6, 16))
    if zlib.crc32(reader.at(0, 18)) != crc or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-tta", samples / rate)


def check_ape(reader: Reader) -> AudioType | None:
    """Monkey's Audio: since 3.98 a descriptor and then the header, before it the header alone."""
    version = reader.number(4, 2, little=True)
    if version >= 3980:
        descriptor, header = struct.unpack("<II", reader.at(8, 8))
        if not (52 <= descriptor <= 4096 and 24 <= header <= 4096):
            return None
        level, _, blocks, last, frames, _, channels, rate = struct.unpack("<HHIIIHHI", reader.at(descriptor, 24))
        samples = max(frames - 1, 0) * blocks + last
    else:
        level, _, channels, rate = struct.unpack("<HHHI", reader.at(6, 10))
        samples = 0
    if level % 1000 or not 1000 <= level <= 6000 or not 3800 <= version < 4200 or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-ape", samples / rate if samples else None)


IRCAM_MAGICS = tuple(
    magic for machine in (1, 2, 3, 4) for magic in (bytes((0x64, 0xA3, machine, 0)), bytes((0, machine, 0xA3, 0x64)))
)


def check_ircam(reader: Reader) -> AudioType | None:
    """Berkeley, IRCAM and Carl sound files, in both byte orders."""
    encodings = {1, 2, 4, 0x10001, 0x20001, 0x40004}
    for order in "<>":
        rate, channels, encoding = struct.unpack(f"{order}fII", reader.at(4, 12))
        fits = encoding in encodings and rate >= 1 and _is_sane(channels, rate)
        if fits and reader.size_bytes >= 1024:
            return AudioType("audio/x-ircam")
    return None


def check_sox(reader: Reader) -> AudioType | None:
    """The native form of SoX, in both byte orders."""
    order = "<" if reader.at(0, 4) == b".SoX" else ">"
    header, samples, rate, channels, comment = struct.unpack(f"{order}IQdII", reader.at(4, 28))
    if not (28 <= header <= 1 << 20) or comment > header or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-sox", samples / channels / rate)


def check_nist(reader: Reader) -> AudioType | None:
    """NIST SPHERE: a header of text, which is 1024 bytes long and names its rate."""
    header = reader.at(0, 1024)
    fits = header.startswith(b"NIST_1A\n   1024\n") and b"\nend_head" in header
    return AudioType("audio/x-nist") if fits and b"\nsample_rate -i " in header else None


def check_paf(reader: Reader) -> AudioType | None:
    """Ensoniq PARIS, in both byte orders; the samples start at 2048."""
    order = "<" if reader.at(0, 4) == b"fap " else ">"
    version, _, rate, encoding, channels = struct.unpack(f"{order}5I", reader.at(4, 20))
    fits = version == 0 and encoding <= 2 and _is_sane(channels, rate) and reader.size_bytes >= 2048
    return AudioType("audio/x-paf") if fits else None


def check_pvf(reader: Reader) -> AudioType | None:
    """Portable Voice Format: three numbers in text."""
    found = re.match(rb"PVF[12]\n([1-9]\d{0,2}) ([1-9]\d{2,6}) (8|16|32)\n", reader.at(0, 20))
    return AudioType("audio/x-pvf") if found else None


def check_avr(reader: Reader) -> AudioType | None:
    """Audio Visual Research: flags of 16 bits that are all or nothing, 8 or 16 bits a sample."""
    mono, bits, signed, loop = struct.unpack(">4H", reader.at(12, 8))
    flags = {mono, signed, loop} <= {0, 0xFFFF}
    fits = flags and bits in {8, 16} and reader.number(23, 3) and reader.size_bytes >= 128
    return AudioType("audio/x-avr") if fits else None


ADX_MAGIC = b"\x80\x00"


def check_adx(reader: Reader) -> AudioType | None:
    """CRI ADX: the copyright stands right before the data."""
    offset, encoding, block, bits, channels, rate, samples = struct.unpack(">HBBBBII", reader.at(2, 14))
    if offset < 20 or reader.at(offset - 2, 6) != b"(c)CRI" or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-adx", samples / rate) if (encoding, block, bits) == (3, 18, 4) else None


def check_ast(reader: Reader) -> AudioType | None:
    """Nintendo AST: a header of 64 bytes, then blocks under their own name."""
    channels, rate, samples = reader.number(12, 2), reader.number(16, 4), reader.number(20, 4)
    if reader.at(64, 4) != b"BLCK" or not _is_sane(channels, rate):
        return None
    return AudioType("audio/x-ast", samples / rate)


def check_wve(reader: Reader) -> AudioType | None:
    """Psion A-law: a version, and the number of samples that follow, 8,000 a second."""
    samples = reader.number(18, 4)
    fits = reader.number(16, 2) == 0x0F10 and samples <= reader.size_bytes - 32
    return AudioType("audio/x-wve", samples / 8000) if fits else None


def check_smp(reader: Reader) -> AudioType | None:
    """Turtle Beach SampleVision 2."""
    fits = reader.at(18, 2) == b"2." and reader.size_bytes >= 112
    return AudioType("audio/x-smp") if fits else None


def check_xi(reader: Reader) -> AudioType | None:
    """FastTracker 2 instrument: a name of 22 characters that ends in 1A, a version, a first sample."""
    fits = reader.number(43, 1) == 0x1A and reader.number(64, 2, little=True) in {0x0102, 0x0104}
    return AudioType("audio/x-xi") if fits and 1 <= reader.number(296, 2, little=True) <= 128 else None


def check_flv(reader: Reader) -> AudioType | None:
    """Flash Video whose header and first tags speak of sound alone (annex E of the F4V specification)."""
    offset = reader.number(5, 4) + 4
    if reader.number(4, 1) != 4 or offset > 64:
        return None
    for _ in range(64):
        kind, size = reader.number(offset, 1), reader.number(offset + 1, 3)
        if kind == 8:
            return AudioType("audio/x-flv")
        if kind != 18 or reader.number(offset + 11 + size, 4) != size + 11:
            return None
        offset += size + 15
    return None
