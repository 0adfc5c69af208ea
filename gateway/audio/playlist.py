"""The list as an extended M3U playlist, for players. Pure.

An entry is two lines: `#EXTINF:` with the length in whole seconds (-1: unknown) and a title, then the address. It is
relative to that of the playlist: so it is right behind any proxy, and a player keeps the user and password that the
address of the playlist has.
"""

from collections.abc import Sequence
from unicodedata import category

from .index import AudioFile
from .representation import locate_bytes

M3U = "audio/mpegurl"
HEAD = b"#EXTM3U\n#PLAYLIST:Gateway audio\n"


def write_entries(files: Sequence[AudioFile]) -> bytes:
    """The entries of these files."""
    return "".join(map(_write_entry, files)).encode()


def make_title(audio: AudioFile) -> str:
    """The title of a file, or its name without the ending."""
    return audio.title or audio.name.rpartition(".")[0] or audio.name


def _write_entry(audio: AudioFile) -> str:
    length = -1 if audio.duration_s is None else round(audio.duration_s)
    title = f"{audio.artist} - {make_title(audio)}" if audio.artist else make_title(audio)
    line = "".join(" " if category(char) in {"Cc", "Zl", "Zp"} else char for char in title)
    return f"#EXTINF:{length},{line}\n{locate_bytes(audio.name).removeprefix('/')}\n"
