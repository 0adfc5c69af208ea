"""The codecs of sound that a stream of Ogg announces in its first packet."""

from dataclasses import dataclass

from .ogg_pages import Page


@dataclass(frozen=True)
class OggSound:
    """A stream of sound: the rate in which its granules count, and those that are not played.

    `packet_samples` is the most that one packet may have; 0 where its first byte tells it, as in Opus.
    """

    serial: int
    rate: int
    channels: int | None = None
    skipped: int = 0
    packet_samples: int = 0


def identify_codec(page: Page, packet: bytes) -> OggSound | None:
    """The stream of sound that a first packet announces, or None for anything else."""
    rate = channels = skipped = packet_samples = 0
    if packet.startswith(b"\x01vorbis") and len(packet) == 30:
        rate, channels = int.from_bytes(packet[12:16], "little"), packet[11]
        packet_samples = 1 << (packet[28] >> 4) >> 1
    elif packet.startswith(b"OpusHead") and len(packet) >= 19:
        rate, channels, skipped = 48000, packet[9], int.from_bytes(packet[10:12], "little")
    elif packet.startswith(b"\x7fFLAC\x01") and packet[9:13] == b"fLaC" and len(packet) == 51:
        rate, channels = int.from_bytes(packet[27:30], "big") >> 4, (packet[29] >> 1 & 7) + 1
        packet_samples = int.from_bytes(packet[19:21], "big")
    elif packet.startswith(b"Speex   ") and len(packet) >= 80:
        rate, channels, *sizes = (int.from_bytes(packet[at : at + 4], "little") for at in (36, 48, 56, 64))
        packet_samples = sizes[0] * max(sizes[1], 1)
    elif packet.startswith(b"CELT    ") and len(packet) >= 56:
        rate, channels = (int.from_bytes(packet[at : at + 4], "little") for at in (40, 44))
    return OggSound(page.serial, rate, channels or None, skipped, packet_samples) if rate else None
