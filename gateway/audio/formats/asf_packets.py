"""The data packets of ASF 1.2 (5.2): which parts of which streams they hold, and when they are sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from .bounded_reader import MAX_LOOK_BYTES, BoundedReader

_FIRST_PACKETS, _OTHER_PACKETS = 48, 48
_WIDTHS = (0, 1, 2, 4)
"""The bytes of a field by the two bits that tell them."""


@dataclass(frozen=True)
class Packets:
    """The packets of a data object, all of one size, from the start of `reader` on."""

    reader: BoundedReader
    size_bytes: int

    @property
    def count(self) -> int:
        """How many there are, as far as the file goes."""
        return self.reader.size_bytes // self.size_bytes if 0 < self.size_bytes <= MAX_LOOK_BYTES else 0

    def list_objects(self, number: int) -> Iterator[tuple[int, int]]:
        """The payloads of one packet, as numbers of a stream and of a media object, such as a frame of video.

        Ends where the packet is damaged.

        :raises BeyondHead: the packet is not there.
        """
        fields = self._open(number)
        try:
            kinds, many, _, _ = _read_head(fields)
            yield from _list_payloads(fields, kinds, many)
        except IndexError:
            return

    def measure(self) -> float | None:
        """The seconds from the first packet to the end of the last one; None where one of them is damaged."""
        if not self.count:
            return None
        try:
            _, _, start_ms, _ = _read_head(self._open(0))
            _, _, last_ms, length_ms = _read_head(self._open(self.count - 1))
        except IndexError:
            return None
        return max(last_ms + length_ms - start_ms, 0) / 1000

    def _open(self, number: int) -> "_Fields":
        return _Fields(self.reader.at(number * self.size_bytes, self.size_bytes))


def shows_film(packets: Packets, videos: set[int]) -> bool:
    """Whether a stream of video has another number of pictures than one: in the first packets, and others all over.

    :raises BeyondHead: the head has no second one, and the file goes on.
    """
    seen: dict[int, int] = {}
    for number in _choose_packets(packets):
        for stream, media_object in packets.list_objects(number):
            if stream in videos and seen.setdefault(stream, media_object) != media_object:
                return True
    return seen.keys() != videos


def _choose_packets(packets: Packets) -> Iterator[int]:
    """The first packets, and then some of the others, up to the last; all of a short file."""
    first = min(_FIRST_PACKETS, packets.count)
    rest = packets.count - first
    count = min(_OTHER_PACKETS, rest)
    if not packets.reader.is_whole:
        count = 1  # somewhere beyond the head
    others = (packets.count - 1 - index * rest // count for index in range(count))
    return chain(range(first), others)


class _Fields:
    """Fields of a packet, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, width: int) -> int:
        """The next field of so many bytes. :raises IndexError: the packet has no more of them."""
        if self.at + width > len(self.data):
            raise IndexError
        value = int.from_bytes(self.data[self.at : self.at + width], "little")
        self.at += width
        return value


def _read_head(fields: _Fields) -> tuple[int, int, int, int]:
    """What a packet says of the fields of its payloads, and of many of them; when it is sent, for how long, in ms.

    :raises IndexError: the packet is damaged.
    """
    flags = fields.take(1)
    if flags & 0x80:  # error correction comes first
        fields.take(flags & 15)
        flags = fields.take(1)
    kinds = fields.take(1)
    for bits in (flags >> 5, flags >> 1, flags >> 3):  # sizes of the packet, of its number, of its padding
        fields.take(_WIDTHS[bits & 3])
    sent_ms, length_ms = fields.take(4), fields.take(2)
    return kinds, fields.take(1) if flags & 1 else 0, sent_ms, length_ms


def _list_payloads(fields: _Fields, kinds: int, many: int) -> Iterator[tuple[int, int]]:
    """:raises IndexError: the packet is damaged."""
    for _ in range(many & 63 or 1):
        stream = fields.take(1) & 127
        media_object = fields.take(_WIDTHS[kinds >> 4 & 3])
        fields.take(_WIDTHS[kinds >> 2 & 3])
        fields.take(fields.take(_WIDTHS[kinds & 3]))
        yield stream, media_object
        if many:
            fields.take(fields.take(_WIDTHS[many >> 6]))
