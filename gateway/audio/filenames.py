"""Names of audio files: which one an upload may have, and which entry of the folder is meant by one.

A name is text in NFC. The disk may hold it in another Unicode form (macOS writes NFD, `cp` keeps it); the two
are one name. On the disk it is UTF-8 in any locale: Python asks the locale, so `to_disk` and `from_disk` stand between.
Blocking where it looks at the disk.
"""

import errno
import os
import re
import sys
from itertools import count
from pathlib import Path
from unicodedata import category, normalize

from gateway.errors import GatewayError, Unprocessable

_NUMBERED = re.compile(r"(.+?)(?: \(([1-9]\d{0,5})\))?((?<=.)\.[^.\s]{1,9}|)", re.DOTALL)
"""A name as its stem, its number and its ending: `song (2).mp3`."""
MAX_NAME_BYTES = 255
"""NAME_MAX of every file system in use."""

IMPOSSIBLE = {errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ}
"""How a call fails for a name that a file system cannot have, such as `a?.wav` on exFAT, or has not."""
_LOCALE_IS_UTF8 = sys.getfilesystemencoding() == "utf-8"


class NameTaken(GatewayError):
    """A file of this name is in the library; `free_name` is a similar one that none has for now."""

    status, code = 409, "name-taken"

    def __init__(self, folder: Path, name: str) -> None:
        super().__init__("A file of this name already exists.", name=name, free_name=find_free_name(folder, name))


def check_name(name: str) -> str:
    """The name under which an upload is kept: NFC, and otherwise exactly as given.

    :raises Unprocessable: it is empty, hidden, too long, or has a character no name can have.
    """
    name = normalize("NFC", name)
    shown = show_name(name)
    if not name.strip() or name.startswith("."):
        raise Unprocessable("A file name must not be empty or begin with a dot.", name=shown)
    if "/" in name or any(category(char) in {"Cc", "Cs"} for char in name):
        raise Unprocessable("A file name must be UTF-8 without slashes and control characters.", name=shown)
    if len(name.encode()) > MAX_NAME_BYTES:
        raise Unprocessable(f"A file name must not be longer than {MAX_NAME_BYTES} bytes of UTF-8.", name=shown)
    return name


def show_name(name: str) -> str:
    """A name as JSON can hold it: a question mark for a byte that is not UTF-8."""
    return name.encode(errors="replace").decode()


def is_visible(name: str) -> bool:
    """Whether an entry of the folder can be shown and asked for: not hidden, and text."""
    return not name.startswith(".") and "/" not in name and "\0" not in name and _is_text(name)


def to_disk(name: str) -> str:
    """A name as functions of `os` take it, so that the disk gets UTF-8."""
    return name if _LOCALE_IS_UTF8 else os.fsdecode(name.encode("utf-8", "surrogateescape"))


def from_disk(entry_name: str) -> str:
    """The name of an entry of a folder, as functions of `os` give it; a byte that is not UTF-8 is a lone surrogate."""
    return entry_name if _LOCALE_IS_UTF8 else os.fsencode(entry_name).decode("utf-8", "surrogateescape")


def find_entry(folder: Path, name: str) -> str | None:
    """The name on the disk that is this name: itself, or one that differs only by its Unicode form.

    :raises OSError: the folder is away or broken.
    """
    name = normalize("NFC", name)
    try:
        os.lstat(folder / to_disk(name))
    except OSError as error:  # NFC can be longer than what is on the disk
        if error.errno not in IMPOSSIBLE:
            raise
        os.lstat(folder)
    else:
        return name
    with os.scandir(folder) as entries:
        others = (from_disk(entry.name) for entry in entries if not entry.name.isascii())
        return next((other for other in others if _is_text(other) and normalize("NFC", other) == name), None)


def refuse_taken(folder: Path, name: str) -> None:
    """:raises NameTaken: a file of this name is there, in whatever Unicode form; raises as `find_entry` too."""
    if find_entry(folder, name):
        raise NameTaken(folder, name)


def find_free_name(folder: Path, name: str) -> str:
    """The first of `song (2).mp3`, `song (3).mp3` … that no entry has; of `song (2).mp3` it is `song (3).mp3`.

    :raises OSError: the folder is away or broken.
    """
    found = _NUMBERED.fullmatch(name)
    stem, number, ending = found.groups() if found else (name, None, "")
    with os.scandir(folder) as entries:
        taken = {normalize("NFC", from_disk(entry.name)).casefold() for entry in entries}
    numbered = (_join_name(stem, f" ({each}){ending}") for each in count(int(number or 1) + 1))
    return next(each for each in numbered if each.casefold() not in taken)


def _join_name(stem: str, tail: str) -> str:
    """The two as one name, the stem as far as it fits."""
    return normalize("NFC", stem.encode()[: MAX_NAME_BYTES - len(tail.encode())].decode(errors="ignore") + tail)


def _is_text(name: str) -> bool:
    """Whether the bytes of a name on the disk are UTF-8; Python shows others as lone surrogates (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
