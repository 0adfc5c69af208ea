"""The command `upload`: files, and folders with all that is in them, one after the other, and a summary.

A file is sent as the raw body of a PUT, in chunks and with its exact length, so memory does not grow with it; a large
one by tus, so that a broken connection costs only what was being sent. The server decides whether a file is audio.
"""

import argparse
import json
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from .api import ApiError, GatewayApi, Refused, Unreachable
from .natural_order import make_natural_key
from .progress_bar import ProgressBar
from .terminal import Exit, print_error, print_failure
from .tus import ResumableUpload, read_chunks

RESUMABLE_BYTES = 16 * 1024 * 1024
"""From here on a file is sent by tus: a smaller one is sooner sent again."""


class UploadRun:
    """One run of the command: what was uploaded, and how many files came to which end."""

    def __init__(self, api: GatewayApi, *, skip_existing: bool, as_json: bool) -> None:
        self._api = api
        self._skip_existing = skip_existing
        self._as_json = as_json
        self._done: dict[str, tuple[str, str]] = {}  # by the name in the library: the path, and the end it came to
        self._ends: Counter[str] = Counter()
        self._has_folders = False

    def upload_all(self, names: list[str]) -> Exit:
        """Upload files and folders. A failure does not stop the others, unless the server is not there."""
        worst = Exit.DONE
        for name in self._walk(names):
            try:
                end = self._upload(name)
                self._ends[end] += 1
                self._done.setdefault(make_key(name), (name, end))
            except BrokenPipeError:
                raise
            except (OSError, ApiError) as error:
                code = print_failure(name, error)
                self._ends["refused" if code == Exit.REFUSED else "failed"] += 1
                worst = max(worst, code)
                if isinstance(error, Unreachable):
                    break
        if self._has_folders or self._ends.total() > 1:
            print_error(self._summarise())
        return worst

    def _summarise(self) -> str:
        words = ("uploaded", "skipped", "refused", "failed", "left out")
        return ", ".join(f"{self._ends[word]} {word}" for word in words if self._ends[word] or word == "uploaded")

    def _walk(self, names: list[str]) -> Iterator[str]:
        """The files to upload, those of a folder in natural order.

        As for `rsync -r`, a link is followed where it is an argument, and left out inside a folder: it may lead out
        of it, or in a circle. Hidden files are left out, as the library has none.
        """
        for name in names:
            try:
                is_folder = stat.S_ISDIR(os.stat(name).st_mode)  # noqa: PTH116 - a Path leaves a slash at the end out
            except OSError:
                is_folder = False  # told when it is opened
            if not is_folder:
                yield name
                continue
            self._has_folders = True
            yield from self._walk_folder(name)

    def _walk_folder(self, folder: str) -> Iterator[str]:
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: make_natural_key(entry.name))
        except OSError:
            yield folder  # its upload tells why
            return
        for entry in entries:
            if entry.name.startswith(".") or not (entry.is_dir(follow_symlinks=False) or _is_regular(entry)):
                self._ends["left out"] += 1
            elif entry.is_dir(follow_symlinks=False):
                yield from self._walk_folder(entry.path)
            else:
                yield entry.path

    def _upload(self, name: str) -> str:
        """Send one file under its own name: `uploaded`, or `skipped` if the library has it already.

        :raises Refused: the server said no, or it is not a regular file.
        """
        path = Path(name)
        check_file(name, path)
        other, end = self._done.get(make_key(name), (None, ""))
        if other is not None and not (self._skip_existing and Path(other).resolve() == path.resolve()):
            raise Refused(f"it has the name of {other}, which was just {end}")
        if self._skip_existing and self._is_there(path.name):
            return "skipped"
        try:
            stored = self._send(path)
        except Refused as error:
            if self._skip_existing and error.code == "name-taken":
                return "skipped"
            raise
        if self._as_json:
            print(json.dumps(stored), flush=True)
        return "uploaded"

    def _is_there(self, name: str) -> bool:
        try:
            self._api.call_json("GET", locate_file(name))
        except Refused as error:
            if error.code != "not-found":
                raise
            return False
        return True

    def _send(self, path: Path) -> dict[str, Any]:
        """What the library says of the file, where that is asked for. The bar is full only once the file is taken."""
        with path.open("rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            bar = ProgressBar(found.st_size, path.name, in_bytes=True)

            def show(done_bytes: int) -> None:
                bar.show(max(min(done_bytes, found.st_size - 1), 0))

            try:
                if found.st_size > RESUMABLE_BYTES:
                    ResumableUpload(self._api, path.name, file, found).send(show)
                    stored = self._api.call_json("GET", locate_file(path.name)) if self._as_json else {}
                else:
                    headers = {"Content-Length": str(found.st_size), "Content-Type": "application/octet-stream"}
                    chunks = read_chunks(file, found, 0, self._api.has_answered, show)
                    stored = self._api.call_json("PUT", locate_file(path.name), headers=headers, content=chunks)
            except BaseException:
                bar.remove()
                raise
            bar.show(found.st_size)
            bar.hide()
        return stored


def _is_regular(entry: os.DirEntry[str]) -> bool:
    try:
        return stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return False


def check_file(name: str, path: Path) -> None:
    """Look at a file before it is opened: a FIFO would block.

    :raises Refused: it is not a regular file, or its name is not text.
    """
    mode = os.stat(name).st_mode  # noqa: PTH116 - a Path leaves a slash at the end out
    if stat.S_ISDIR(mode):
        next(os.scandir(name), None)  # :raises OSError: the reason why it was not entered
        raise Refused("a folder, not a file")
    if not stat.S_ISREG(mode):
        raise Refused("not a regular file")
    if re.search("[\ud800-\udfff]", path.name):
        raise Refused("its name is not UTF-8")


def make_key(name: str) -> str:
    """The name that a file has in the library, whatever its Unicode form and its folder."""
    return normalize("NFC", Path(name).name)


def locate_file(name: str) -> str:
    """The path of a file in the API."""
    return f"/api/v1/audio/{quote(os.fsencode(name), safe='')}"


def upload_files(api: GatewayApi, arguments: argparse.Namespace) -> Exit:
    """Do what the command line says."""
    run = UploadRun(api, skip_existing=arguments.skip_existing, as_json=arguments.json)
    return run.upload_all(arguments.names)
