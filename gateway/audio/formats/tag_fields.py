"""What a tag says, as its readers find it: fields, of which some are bytes in an encoding to be told, and a picture."""

from dataclasses import dataclass, field

from .bounded_reader import MAX_LOOK_BYTES, BoundedReader
from .charset import find_charset

TITLE, ARTIST, ALBUM, TRACK, DISC = "title", "artist", "album", "track", "disc"
MAX_TEXT_BYTES = 4096
"""How much of a text is read."""
MAX_PICTURE_BYTES = 4 * 1024 * 1024
FRONT_COVER = 3
"""The kind of picture in ID3 and its heirs."""


@dataclass
class FoundTags:
    """Fields by name, and a picture. Bytes are text of which the tag tells no encoding, or maybe a wrong one."""

    fields: dict[str, str | bytes] = field(default_factory=dict)
    picture: bytes | None = None
    is_front: bool = False

    def add(self, name: str | None, value: str | bytes) -> None:
        """Keep a text, unless there is one of its name; it ends at its first NUL, and blanks around it do not count."""
        value = (value.split("\0") if isinstance(value, str) else value.split(b"\0"))[0].strip()
        if name and value:
            self.fields.setdefault(name, value)

    def add_picture(self, picture: bytes, *, is_front: bool) -> None:
        """Keep a picture: the first front cover, or else the first one."""
        if picture and (self.picture is None or (is_front and not self.is_front)):
            self.picture, self.is_front = picture, is_front

    def merge(self, other: "FoundTags") -> None:
        """Take what is only there."""
        self.fields = other.fields | self.fields
        if other.picture:
            self.add_picture(other.picture, is_front=other.is_front)

    def decode(self) -> dict[str, str]:
        """The fields as text, those of bytes in one encoding."""
        charset = find_charset([value for value in self.fields.values() if isinstance(value, bytes)])
        return {
            name: value if isinstance(value, str) else value.decode(charset, "replace")
            for name, value in self.fields.items()
        }


def read_bytes(reader: BoundedReader, offset: int, count: int) -> bytes:
    """Exactly `count` bytes, more than one look may take; raises as `BoundedReader.at`."""
    ends = range(0, count, MAX_LOOK_BYTES)
    return b"".join(reader.at(offset + at, min(MAX_LOOK_BYTES, count - at)) for at in ends)
