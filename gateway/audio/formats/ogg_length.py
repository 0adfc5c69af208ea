"""How long an Ogg file plays: by the granule positions of its first and last pages, in every link of a chain."""

from dataclasses import dataclass

from .bounded_reader import AudioType, BeyondHead, BoundedReader, ReadLimitReached
from .ogg_codecs import OggSound, identify_codec
from .ogg_pages import BEGINS, MAGIC, Page, iterate_pages, read_page

_TAIL_BYTES = 1024 * 1024
_HEADER_PAGES = 2000
_OPUS_SAMPLES = [*(480 << n for n in (0, 1, 2)), 2880] * 3 + [480, 960] * 2 + [120, 240, 480, 960] * 4
"""The samples of a frame at 48 kHz, by the five bits of a first byte (RFC 6716, 3.1)."""


@dataclass
class _Link:
    """One stream of a chain: its sound, and the granules between which it plays."""

    sound: OggSound
    start: int | None = None
    end: int = 0

    @property
    def duration_s(self) -> float:
        """Granules that are not played are skipped where the stream begins with its beginning."""
        if self.start is None:
            return 0
        skipped = self.sound.skipped if self.start < self.sound.skipped else 0
        return max(self.end - self.start - skipped, 0) / self.sound.rate


def measure_ogg(reader: BoundedReader, sound: OggSound, offset: int, serials: set[int]) -> AudioType:
    """The type of a whole file with its length, where the pages behind the first ones tell it.

    `offset` is that of the first page behind those that begin the streams `serials`.
    """
    link, sound_at, end = _Link(sound), None, None
    try:
        for number, (page, packet) in enumerate(iterate_pages(reader, offset)):
            if page.serial == sound.serial and page.granule > 0:
                link.start, sound_at = _find_start(sound, page, packet), page.body
                break
            if number > _HEADER_PAGES:
                break
        sound_bytes = reader.size_bytes - sound_at if sound_at else None
        end, chained = _find_end(reader, sound, serials)
        if chained:
            return AudioType(
                "audio/ogg", _measure_chain(reader, sound, offset), sound_bytes, sound.rate, sound.channels
            )
    except ReadLimitReached:
        return AudioType("audio/ogg")
    link.end = end or 0
    return AudioType("audio/ogg", link.duration_s or None, sound_bytes, sound.rate, sound.channels)


def _find_start(sound: OggSound, page: Page, packet: bytes) -> int:
    """The granule at which a first page begins, if not at 0: a recording that was begun in the middle, or cut there."""
    samples = sound.packet_samples or _count_opus_samples(packet)
    return max(page.granule - page.packets * samples, 0)


def _count_opus_samples(packet: bytes) -> int:
    if not packet:
        return 0
    frames = (1, 2, 2, packet[1] & 63 if len(packet) > 1 else 1)[packet[0] & 3]
    return _OPUS_SAMPLES[packet[0] >> 3] * frames


def _find_end(reader: BoundedReader, sound: OggSound, serials: set[int]) -> tuple[int | None, bool]:
    """The last granule of a stream; and whether the file ends with another stream, as a chain does.

    A page that is cut off does not play.
    """
    for at in reader.find_last(MAGIC, within_bytes=_TAIL_BYTES):
        try:
            page = read_page(reader, at)
        except BeyondHead:
            continue
        if page is None or page.flags > 7 or page.end > reader.size_bytes:
            continue
        if page.serial not in serials:
            return None, True
        if page.serial == sound.serial and page.granule >= 0:
            return page.granule, False
    return None, False


def _measure_chain(reader: BoundedReader, sound: OggSound, offset: int) -> float | None:
    """The sum of all links, page by page."""
    links = [_Link(sound)]
    for page, packet in iterate_pages(reader, offset):
        if page.flags & BEGINS:
            found = identify_codec(page, packet[: page.end - page.body])
            if found:
                links.append(_Link(found))
        elif page.serial == links[-1].sound.serial and page.granule > 0 and page.end <= reader.size_bytes:
            link = links[-1]
            if link.start is None:
                link.start = _find_start(link.sound, page, packet)
            link.end = page.granule
    return sum(link.duration_s for link in links) or None
