"""What is in the folder: the audio files among its entries, each read once and then remembered.

Other gateways and other programs change the folder too, so the folder is asked every time, and only what was
found inside a file is kept: by name, size, time of change and inode. Blocking calls, made for worker threads.
"""

import errno
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from unicodedata import normalize

from ..errors import NotFound
from .names import find_entry, is_visible, show_name
from .reader import AudioType
from .sniff import identify
from .tags import Cover, Tags, read_cover, read_tags


@dataclass(frozen=True)
class AudioFile:
    """One file of the library. `version` changes whenever its bytes may have."""

    name: str
    size_bytes: int
    content_type: str
    uploaded_at: datetime
    version: str
    duration_s: float | None = None
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    bit_rate_bps: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    has_cover: bool = False


@dataclass(frozen=True)
class _Key:
    """What tells one state of a file from another."""

    name: str
    size_bytes: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> "_Key":
        return cls(name, status.st_size, status.st_mtime_ns, status.st_ino)

    def describe(self, found: AudioType, tags: Tags) -> AudioFile:
        return AudioFile(
            name=normalize("NFC", self.name),
            size_bytes=self.size_bytes,
            content_type=found.content_type,
            uploaded_at=datetime.fromtimestamp(self.modified_ns / 1e9, UTC),
            version=f"{self.inode:x}-{self.size_bytes:x}-{self.modified_ns:x}",
            **vars(tags),
        )


class Catalogue:
    """The audio files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[_Key, AudioFile | None] = {}

    def examine(self, name: str, file: FileIO) -> AudioFile | None:
        """What an open file is under this name, or None if it is not audio; read only if it is not known."""
        key = _Key.of(name, os.fstat(file.fileno()))
        known = self._known  # one scan may replace it meanwhile
        if key not in known:
            found = identify(file, key.size_bytes)
            known[key] = key.describe(found, read_tags(file, found)) if found else None
        return known[key]

    def scan(self) -> list[AudioFile]:
        """All files that are audio, by name, and nothing else is remembered afterwards.

        :raises OSError: the folder is away or broken.
        """
        known, seen = self._known, dict[_Key, AudioFile | None]()
        listed: dict[str, AudioFile] = {}
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not is_visible(entry.name):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue
                    key = _Key.of(entry.name, status)
                    audio = seen[key] = known[key] if key in known else self._look(entry.name)
                except OSError:  # gone, not ours to read, or broken: one entry does not hide the others
                    continue
                if audio and (audio.name not in listed or audio.name == entry.name):
                    listed[audio.name] = audio
        self._known = seen
        return sorted(listed.values(), key=lambda audio: (audio.name.casefold(), audio.name))

    def _look(self, disk_name: str) -> AudioFile | None:
        with _open_plain(self._folder / disk_name) as file:
            return self.examine(disk_name, file)

    def open(self, name: str) -> tuple[AudioFile, FileIO, str]:
        """The file of this name in whatever Unicode form: what it is, itself held open, its name on the disk.

        :raises NotFound: there is none, or it is no plain readable audio file.
        :raises OSError: the folder is away or broken.
        """
        disk_name = find_entry(self._folder, name) if is_visible(name) else None
        if disk_name is None:
            raise not_found(name)
        try:
            file = _open_plain(self._folder / disk_name)
        except (FileNotFoundError, PermissionError):
            raise not_found(name) from None
        try:
            audio = self.examine(disk_name, file)
        except BaseException:
            file.close()
            raise
        if audio is None:
            file.close()
            raise not_found(name)
        return audio, file, disk_name


def find_cover(audio: AudioFile, file: FileIO) -> Cover:
    """The cover in an open file.

    :raises NotFound: it has none.
    """
    cover = read_cover(file, audio.content_type) if audio.has_cover else None
    if cover is None:
        raise NotFound("This file has no cover.", name=audio.name)
    return cover


def not_found(name: str) -> NotFound:
    """The answer for a name that nothing here has."""
    return NotFound("There is no audio file of this name.", name=show_name(name))


def _open_plain(path: Path) -> FileIO:
    """A regular file, opened without following a link or waiting for the other end of a pipe.

    :raises FileNotFoundError: it is something else.
    """
    try:
        file = FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "r")
    except IsADirectoryError:
        raise FileNotFoundError(path) from None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO, errno.ENODEV}:
            raise FileNotFoundError(path) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file
