"""Files of other kinds that filetype does not name, or that it names too late: inside them there may be mp3.

Archives, disk images, films and text hold rows of frames too. Where one of these is recognised, no frames are searched.
"""

import re
from codecs import getincrementaldecoder

from .bounded_reader import BoundedReader

_MAGICS = re.compile(
    rb"RIF[FX]|FORM|LIST|RF64|BW64|riff|OggS|fLaC|\x1a\x45\xdf\xa3|\x30\x26\xb2\x75"  # containers
    rb"|\.RMF|\.ra\xfd|FLV|FWS|CWS|ZWS|DKIF|YUV4MPEG2|\x06\x0e\x2b\x34|nut/|\xb7\xd8\x00\x20|BIK[b-k]|SMK[24]"  # films
    rb"|KB2|\0\0\x01[\xb0-\xbf\xe0-\xef]"
    rb"|PK(?:[\x01-\x08]|00PK)|7z\xbc\xaf|Rar!|\x1f[\x8b\x9d\xa0]|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|MSCF|ISc\(|!<arch>|xar!|\x60\xea"
    rb"|.{2}-l[hz][0-9ds]-|.{7}\*\*ACE\*\*|SIT!|StuffIt|0707[0-9]{2}|\xc7\x71|\x71\xc7|ZOO |hsqs|sqsh|LZIP"
    rb"|\x04\x22\x4d\x18|PACK|[IP]WAD|BSA\0|BTDX|VPVP|\x34\x12\xaa\x55|UnityFS|UnityWeb|KenSilverman|GDPC|RPF[0-9]"
    rb"|conectix|KDMV|QFI\xfb|vhdxfile|CISO|CD001|<<< Oracle VM|ER\x02\0|\xeb[\x3c\x58\x76]\x90"  # disks
    rb"|%PDF|%!PS|\{\\rtf|\xd0\xcf\x11\xe0|SQLite format 3|II\*\0|MM\0\*|8BPS|\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0{4}"
    rb"|MZ|\x7fELF|[\xce\xcf]\xfa\xed\xfe|\xca\xfe\xba\xbe|\0asm|dex\n|#!",
    re.DOTALL,
)
_ISO_9660 = (0x8001, 0x8801, 0x9311)
_VOLUMES = {b"CD001", b"BEA01"}
_TEXT_BYTES = 512
_LEAST_TEXT_BYTES = 200
_CONTROLS = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_PACKET_SIZES = (188, 192, 204)
"""Of the packets of an MPEG transport stream."""
_PACKETS_IN_A_ROW = 5


def is_foreign(reader: BoundedReader, head: bytes) -> bool:
    """Whether these first bytes are those of a file of another kind, whatever it holds."""
    if _MAGICS.match(head) or head[510:512] == b"\x55\xaa" or _is_tar(head) or _is_transport_stream(head):
        return True
    return is_text(head) or any(reader.peek(at, 5) in _VOLUMES for at in _ISO_9660)


def is_text(head: bytes) -> bool:
    """Whether enough of the first bytes is text: UTF-8, UTF-16, or of an old code page.

    It has no control characters, and is no row of the letter U (0x55): that is the silence of mp3.
    """
    sample = head[:_TEXT_BYTES]
    if len(sample) < _LEAST_TEXT_BYTES:
        return False
    encoding = "utf-16" if sample[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    try:
        text = getincrementaldecoder(encoding)().decode(sample)
    except UnicodeDecodeError:
        text = sample.decode("latin-1")
        if 2 * len(text.encode("ascii", "ignore")) < len(text):
            return False
    return not _CONTROLS.search(text) and 2 * text.count("U") < len(text)


def _is_tar(head: bytes) -> bool:
    """The checksum of a tar header, which has no magic number in old ones."""
    stated = head[148:156].strip(b" \0")
    if len(head) < 512 or not stated or stated.strip(b"01234567"):
        return False
    return int(stated, 8) == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _is_transport_stream(head: bytes) -> bool:
    """Sync bytes at one distance, from any place in the first packet on."""
    for size in _PACKET_SIZES:
        if len(head) >= size * (_PACKETS_IN_A_ROW + 1):
            rows = zip(*(head[number * size : (number + 1) * size] for number in range(_PACKETS_IN_A_ROW)), strict=True)
            if any(row == (0x47,) * _PACKETS_IN_A_ROW for row in rows):
                return True
    return False
