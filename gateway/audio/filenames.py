"""Names of audio files: which one an upload may have, and which entry of the folder is meant by one.

A name is text in NFC. The disk may hold it in another Unicode form (macOS writes NFD, `cp` keeps it); the two
are one name. Blocking where it looks at the disk.
"""

import errno
import os
from pathlib import Path
from unicodedata import category, normalize

from gateway.errors import Unprocessable

MAX_NAME_BYTES = 255
"""NAME_MAX of every file system in use."""


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


def find_entry(folder: Path, name: str) -> str | None:
    """The name on the disk that is this name: itself, or one that differs only by its Unicode form.

    :raises OSError: the folder is away or broken.
    """
    name = normalize("NFC", name)
    try:
        os.lstat(folder / name)
    except OSError as error:  # NFC can be longer than what is on the disk
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise
        os.lstat(folder)
    else:
        return name
    with os.scandir(folder) as entries:
        others = (entry.name for entry in entries if not entry.name.isascii())
        return next((other for other in others if _is_text(other) and normalize("NFC", other) == name), None)


def _is_text(name: str) -> bool:
    """Whether the bytes of a name on the disk are UTF-8; Python shows others as lone surrogates (PEP 383)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
