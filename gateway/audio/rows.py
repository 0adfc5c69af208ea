"""What a row of the page shows of a file beside its figures: a name that can be cut in the middle, a cover. Pure."""

import unicodedata
from collections.abc import Iterable

from .index import AudioFile
from .representation import locate_cover

_WHOLE_CHARS = 20
"""A name of so many characters is never cut."""
_TAIL_CHARS = 10


def cut_name(name: str) -> tuple[str, str]:
    """The two parts of a name between which a narrow window leaves something out; a short name has only the first.

    The second part is its end, with the number and the ending that tell one file from the next.
    """
    if len(name) <= _WHOLE_CHARS:
        return name, ""
    cut = len(name) - _TAIL_CHARS
    while unicodedata.combining(name[cut]) or name[cut] in "\u200d\ufe0f":
        cut -= 1
    return name[:cut], name[cut:]


def find_covers(files: Iterable[AudioFile], root: str) -> dict[str, str]:
    """The paths of covers by the names of files; the files of one album share the first, which is fetched once.

    `root` is the path of the gateway, empty at the root of its site.
    """
    albums: dict[tuple[str | None, str], str] = {}
    covers: dict[str, str] = {}
    for file in files:
        if file.has_cover:
            own = locate_cover(file.name, root)
            covers[file.name] = albums.setdefault((file.artist, file.album), own) if file.album else own
    return covers
