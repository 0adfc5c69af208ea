"""The note beside the hidden file of an upload that goes on later: what it is to be, in JSON.

Read strictly and written whole. Blocking calls, made for worker threads.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

from gateway.audio.filenames import check_name
from gateway.errors import NotFound, Unprocessable

from .descriptors import close_quietly, open_regular, sync_folder

PREFIX = ".resumable-"
"""The hidden names of uploads that go on later begin so; the key of the upload follows."""
_MAX_NOTE_BYTES = 128 * 1024
"""Several times the longest head of a request, from which the metadata come."""


@dataclass(frozen=True)
class Note:
    """What an upload is to be.

    `metadata` is kept as the client sent it. `finished`: it was published. `moving`: its hidden file is whole, and is
    being renamed for its publication.
    """

    __pydantic_config__: ClassVar = ConfigDict(strict=True, extra="forbid")

    name: str
    length_bytes: Annotated[int, Field(gt=0, lt=10**18)]
    metadata: Annotated[str, Field(pattern=r"^[\t -~]*$")] = ""
    finished: bool = False
    moving: bool = False


_NOTE = TypeAdapter(Note)


def read_note(folder: Path, key: str) -> tuple[Note, os.stat_result]:
    """The note of an upload and the status of its file; other programs write here too, so it is read strictly.

    :raises NotFound: there is none, or it is not one that a request leads to.
    :raises OSError: the disk failed.
    """
    try:
        fd = open_regular(folder / _name_note(key))
        try:
            data, status = os.pread(fd, _MAX_NOTE_BYTES, 0), os.fstat(fd)
        finally:
            close_quietly(fd)
        note = _NOTE.validate_json(data)
        if check_name(note.name) == note.name:
            return note, status
    except (FileNotFoundError, ValueError, Unprocessable):
        pass
    raise not_found()


def remove_note(folder: Path, key: str) -> None:
    """Remove the note of an upload, if there is one.

    :raises OSError: it cannot be removed.
    """
    for name in (_name_note(key), f"{PREFIX}{key}.new"):
        (folder / name).unlink(missing_ok=True)


def write_note(folder: Path, key: str, note: Note) -> None:
    """Put the note there whole, over the one before, and have it on the disk.

    :raises OSError: no space, no disk; the note before may still be there.
    """
    new = folder / f"{PREFIX}{key}.new"
    new.unlink(missing_ok=True)  # left by a crash
    fd = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.write(_NOTE.dump_json(note, exclude_defaults=True))  # an older gateway knows no `moving`
        os.fsync(fd)
        new.replace(folder / _name_note(key))
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    finally:
        close_quietly(fd)
    sync_folder(folder)


def not_found() -> NotFound:
    """The answer for a key under which there is no upload."""
    return NotFound("There is no such upload, or no more.")


def _name_note(key: str) -> str:
    return f"{PREFIX}{key}.json"
