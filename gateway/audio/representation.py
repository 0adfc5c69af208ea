"""Files and parts of the list as JSON, written in threads, a few hundred files at a time. Knows no request."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import fields
from functools import partial
from urllib.parse import quote

from pydantic_core import to_json

from .index import AudioFile
from .library import Library
from .listing import Listing
from .models import File, Files, Reading

PIECE_FILES = 500
"""So many files are written in 5 ms."""
_SAFE = "!$'()*,:=@"
"""What stays as it is in an address: reserved characters without a meaning in a path (RFC 3986, 3.3)."""
_PLAYABLE = {"audio/aac", "audio/flac", "audio/mp4", "audio/mpeg", "audio/ogg", "audio/wav", "audio/webm"}
_FIELDS = tuple(field.name for field in fields(AudioFile) if field.name not in ("version", "is_read", "json"))


def locate_bytes(name: str) -> str:
    """The path of the bytes of a file, below that of the gateway."""
    return f"/audio/{quote(name, safe=_SAFE)}"


def locate_cover(name: str, root: str) -> str:
    """The path of the cover of a file; `root` as for `describe_file`."""
    return f"{root}/api/v1{locate_bytes(name)}/cover"


def describe_file(audio: AudioFile, root: str) -> File:
    """A file as the API shows it: all that is known of it, and the paths of its bytes and its cover.

    `root` is the path of the gateway, empty at the root of its site.
    """
    path = locate_bytes(audio.name)
    return File(
        **{name: getattr(audio, name) for name in _FIELDS},
        playable=audio.content_type in _PLAYABLE,
        cover=locate_cover(audio.name, root) if audio.has_cover else None,
        url=root + path,
    )


def read_progress(listing: Listing) -> Reading | None:
    """How far the reading of new files is; None at its end."""
    return Reading(listing.entries - listing.unread, listing.entries) if listing.unread else None


async def write_pieces(
    library: Library, files: Sequence[AudioFile], write: Callable[[Sequence[AudioFile]], bytes]
) -> AsyncIterator[bytes]:
    """What `write` makes of the files, piece by piece, in threads."""
    for start in range(0, len(files), PIECE_FILES):
        yield await library.process(write, files[start : start + PIECE_FILES])


async def write_files(library: Library, files: Sequence[AudioFile], part: Files, root: str) -> AsyncIterator[bytes]:
    """The JSON of `part`, with these files in place of its own."""
    head, tail = to_json(part).split(b"[]", 1)
    yield head + b"["
    separator = b""
    async for piece in write_pieces(library, files, partial(_write_some, root=root)):
        yield separator + piece
        separator = b","
    yield b"]" + tail


def _write_some(files: Sequence[AudioFile], root: str) -> bytes:
    return b",".join([audio.json.get(root) or _write_file(audio, root) for audio in files])


def _write_file(audio: AudioFile, root: str) -> bytes:
    written = audio.json[root] = to_json(describe_file(audio, root))
    return written
