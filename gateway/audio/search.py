"""Which files of the list a query finds. Pure."""

from collections.abc import Sequence

from .folding import fold
from .index import AudioFile


def find_files(files: Sequence[AudioFile], query: str) -> Sequence[AudioFile]:
    """The files whose name and tags together have every word of the query, in the order given.

    Words are parted by blanks, may be parts of words, and are compared as `fold` makes them.
    """
    for word in fold(query).split():
        files = [audio for audio in files if word in audio.search_text]
    return files
