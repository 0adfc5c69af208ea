"""What is in the folder: the audio files among its entries, each read once and then remembered.

Other gateways and other programs change the folder too, so the folder is asked every time, and only what was
found inside a file is kept: by name, size, time of change and inode. Blocking calls, made for worker threads.
"""

import errno
import logging
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from unicodedata import normalize

from gateway.audio.formats.bounded_reader import AudioType
from gateway.audio.formats.detect import detect_type
from gateway.audio.uploads.descriptors import open_regular
from gateway.errors import NotFound, Unavailable

from .filenames import find_entry, is_visible, show_name
from .tags import Cover, Tags, read_cover, read_tags

_PROCESS_FAILURES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Failures to open a file that say nothing about the file."""
_RETRY_AFTER_S = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = (
    (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max)
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioFile:
    """One file of the library. `version` changes whenever its bytes may have.

    `uploaded_at`: file systems know years that `datetime` does not; then it is the nearest moment that can be told.
    """

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
            uploaded_at=to_moment(self.modified_ns),
            version=f"{self.inode:x}-{self.size_bytes:x}-{self.modified_ns:x}",
            **vars(tags),
        )


class Index:
    """The audio files of one folder.

    An entry that cannot be read is left out, and is named in the log once, until that changes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[_Key, AudioFile | None] = {}
        self._unreadable: dict[str, int | None] = {}

    def examine(self, name: str, file: FileIO) -> AudioFile | None:
        """What an open file is under this name, or None if it is not audio; read only if it is not known.

        :raises OSError: the file cannot be read.
        """
        key = _Key.of(name, os.fstat(file.fileno()))
        known = self._known  # one scan may replace it meanwhile
        if key not in known:
            known[key] = _read_audio(key, file)
        return known[key]

    def scan(self) -> list[AudioFile]:
        """All files that are audio, by name, and nothing else is remembered afterwards.

        :raises OSError: the folder is away or broken, or this process may open no more files.
        """
        known, seen = self._known, dict[_Key, AudioFile | None]()
        listed: dict[str, AudioFile] = {}
        with os.scandir(self._folder) as entries:
            for entry in filter(lambda entry: is_visible(entry.name), entries):
                try:
                    audio = self._look(entry, known, seen)
                except FileNotFoundError:  # it is gone, or no plain file
                    continue
                except OSError as error:
                    self._note_failure(entry.name, error)
                    continue
                if audio and (audio.name not in listed or audio.name == entry.name):
                    listed[audio.name] = audio
        self._known = seen
        for name in list(self._unreadable):
            if not os.path.lexists(self._folder / name):
                self._unreadable.pop(name, None)
        return sorted(listed.values(), key=lambda audio: (audio.name.casefold(), audio.name))

    def _look(
        self, entry: os.DirEntry[str], known: Mapping[_Key, AudioFile | None], seen: dict[_Key, AudioFile | None]
    ) -> AudioFile | None:
        """What an entry is; taken from `known` into `seen`, or read."""
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(status.st_mode):
            return None
        key = _Key.of(entry.name, status)
        if key in known:
            seen[key] = known[key]
        else:
            with _open_plain(self._folder / entry.name) as file:
                seen[key] = self.examine(entry.name, file)
            self._unreadable.pop(entry.name, None)
        return seen[key]

    def open(self, name: str) -> tuple[AudioFile, FileIO, str]:
        """The file of this name in whatever Unicode form: what it is, itself held open, its name on the disk.

        :raises NotFound: there is none, or it is no plain readable audio file.
        :raises Unavailable: the disk fails to read it.
        :raises OSError: the folder is away or broken, or this process may open no more files.
        """
        disk_name = find_entry(self._folder, name) if is_visible(name) else None
        if disk_name is None:
            raise not_found(name)
        try:
            file = _open_plain(self._folder / disk_name)
        except FileNotFoundError:
            raise not_found(name) from None
        except OSError as error:
            raise self._refuse(disk_name, error) from error
        try:
            audio = self.examine(disk_name, file)
        except OSError as error:
            file.close()
            raise self._refuse(disk_name, error) from error
        except BaseException:
            file.close()
            raise
        self._unreadable.pop(disk_name, None)
        if audio is None:
            file.close()
            raise not_found(name)
        return audio, file, disk_name

    def _refuse(self, disk_name: str, error: OSError) -> NotFound | Unavailable:
        self._note_failure(disk_name, error)
        name = normalize("NFC", disk_name)
        if isinstance(error, PermissionError):
            return not_found(name)
        return Unavailable("The disk fails to read this file.", retry_after_s=_RETRY_AFTER_S, name=name)

    def _note_failure(self, disk_name: str, error: OSError) -> None:
        """Log what is new. :raises OSError: it does not concern this file."""
        if error.errno in _PROCESS_FAILURES:
            raise error
        if self._unreadable.get(disk_name, 0) != error.errno:
            self._unreadable[disk_name] = error.errno
            logger.warning("the file %r cannot be read: %s", disk_name, error.strerror or error)


def to_moment(time_ns: int) -> datetime:
    """A time in nanoseconds since 1970, or the nearest one that a datetime can hold."""
    return _EPOCH + timedelta(microseconds=min(max(time_ns // 1000, _FIRST_US), _LAST_US))


def _read_audio(key: _Key, file: FileIO) -> AudioFile | None:
    """What a file is by its bytes. What a parser stumbles over makes it no audio, or leaves its tags out.

    :raises OSError: what tells its form cannot be read.
    """
    try:
        found = detect_type(file, key.size_bytes)
    except OSError:
        raise
    except Exception as error:
        logger.warning("the form of the file %r cannot be told: %r", key.name, error)
        return None
    if found is None:
        return None
    try:
        tags = read_tags(file, found)
    except Exception as error:
        logger.warning("the tags of the file %r cannot be read: %r", key.name, error)
        tags = Tags(duration_s=found.duration_s)
    return key.describe(found, tags)


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
    """A regular file, as `open_regular`."""
    return FileIO(open_regular(path), "r")
