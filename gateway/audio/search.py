"""Filtering and sorting of the list. Pure."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any
from unicodedata import normalize

from gateway.errors import Unprocessable

from .index import AudioFile

SORT_KEYS: dict[str, Callable[[AudioFile], Any]] = {
    "name": lambda audio: (audio.name.casefold(), audio.name),
    "uploaded_at": lambda audio: audio.uploaded_at,
    "size_bytes": lambda audio: audio.size_bytes,
    "duration_s": lambda audio: audio.duration_s,
}


def select_files(files: Sequence[AudioFile], *, query: str = "", sort: str = "name") -> list[AudioFile]:
    """The files whose name or tags contain the query, sorted; those without a value come last.

    :raises Unprocessable: there is no such order.
    """
    key = SORT_KEYS.get(sort.removeprefix("-"))
    if key is None:
        raise Unprocessable("The order must be one of " + ", ".join(SORT_KEYS) + ", or one of them after `-`.")
    wanted = _fold(query)
    found = [audio for audio in files if wanted in _fold(" ".join(filter(None, _list_words(audio))))]
    known = [audio for audio in found if key(audio) is not None]
    unknown = [audio for audio in found if key(audio) is None]
    return sorted(known, key=key, reverse=sort.startswith("-")) + unknown


def fingerprint(files: Sequence[AudioFile]) -> str:
    """A short name for the state of the library: another one whenever a file comes, goes or changes."""
    state = "\n".join(sorted(f"{audio.name}\0{audio.version}" for audio in files))
    return sha256(state.encode()).hexdigest()[:20]


def _list_words(audio: AudioFile) -> tuple[str | None, ...]:
    return audio.name, audio.title, audio.artist, audio.album


def _fold(text: str) -> str:
    return normalize("NFC", text).casefold().strip()
