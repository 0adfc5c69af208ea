"""What is in the folder: the audio files among its entries, each read once and then remembered.

Other gateways and other programs change the folder too, so the folder is asked every time, and only what was
found inside a file is kept: by name, size, inode and both times of change. A program that writes tags may put mtime
back (`touch -r`), ctime it cannot. Of many new files the names are listed at once, and what is inside is read
afterwards, piece by piece. Blocking calls, made for worker threads.
"""

import errno
import logging
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from unicodedata import normalize

from gateway.audio.formats.bounded_reader import AudioType
from gateway.audio.formats.detect import detect_type
from gateway.audio.uploads.descriptors import open_regular
from gateway.errors import NotFound, Unavailable

from .filenames import find_entry, is_visible, show_name, to_disk
from .folder_scan import FolderScan
from .folding import fold, make_natural_key
from .tags import Cover, Tags, read_cover, read_tags

_PROCESS_FAILURES = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
"""Failures to open a file that say nothing about the file."""
_RETRY_AFTER_S = 5
_LEAST_S = 0.03
"""For so long new files are read also while the list is asked for."""
_TYPES = {
    ".aac": "audio/aac", ".ac3": "audio/ac3", ".aif": "audio/aiff", ".aiff": "audio/aiff", ".amr": "audio/amr",
    ".ape": "audio/x-ape", ".au": "audio/basic", ".caf": "audio/x-caf", ".dff": "audio/x-dff", ".dsf": "audio/x-dsf",
    ".dts": "audio/vnd.dts", ".flac": "audio/flac", ".it": "audio/x-it", ".m4a": "audio/mp4", ".m4b": "audio/mp4",
    ".mid": "audio/midi", ".mka": "audio/x-matroska", ".mod": "audio/x-mod", ".mp3": "audio/mpeg",
    ".mpc": "audio/x-musepack", ".oga": "audio/ogg", ".ogg": "audio/ogg", ".opus": "audio/ogg", ".s3m": "audio/x-s3m",
    ".tta": "audio/x-tta", ".w64": "audio/x-w64", ".wav": "audio/wav", ".wma": "audio/x-ms-wma",
    ".wv": "audio/x-wavpack", ".xm": "audio/x-xm",
}  # fmt: skip
"""What a file is shown as, by its ending, until it is read."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_US, _LAST_US = (
    (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) for moment in (datetime.min, datetime.max)
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioFile:
    """One file of the library. `version` changes whenever its bytes may have.

    So it does after a chmod, or a hard link (`cp -al`): ctime does not tell them from a change of the bytes, and only
    reading the whole file would.
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
    track_number: int | None = None
    disc_number: int | None = None
    bit_rate_bps: int | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    has_cover: bool = False
    is_read: bool = True
    """Whether the file was looked into; until then its type is that of its ending, and the rest is not known."""
    json: dict[str, bytes] = field(default_factory=dict, init=False, compare=False, repr=False)
    """Its JSON by the path of the gateway, once it was listed: 0.6 kB, so that a list sent before is sent at once."""

    @cached_property
    def sort_key(self) -> str:
        """Sorts by name: folded, numbers by value, an ending after all else; unique."""
        stem, ending = os.path.splitext(self.name)  # noqa: PTH122 - 20,000 of them
        return f"{make_natural_key(stem)}\0{ending}\0{self.name}"

    @cached_property
    def album_key(self) -> str:
        """Tells albums apart: folded, empty without one."""
        return fold(self.album or "")

    @cached_property
    def artist_key(self) -> str:
        """Keeps the files of an artist together, by album; those of an album have the same."""
        return "\0".join((make_natural_key(self.artist or ""), make_natural_key(self.album or "")))

    @cached_property
    def fingerprint(self) -> int:
        """A number that is another one whenever what the list shows of the file is another."""
        state = f"{self.name}\0{self.version}\0{self.is_read}".encode()
        return int.from_bytes(blake2b(state, digest_size=10).digest())

    @cached_property
    def search_text(self) -> str:
        """What a query is compared with, folded."""
        return fold("\n".join(filter(None, (self.name, self.title, self.artist, self.album))))


@dataclass(frozen=True, slots=True)
class _Key:
    """What tells one state of a file from another."""

    name: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int

    @classmethod
    def of(cls, name: str, status: os.stat_result) -> "_Key":
        return cls(name, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)

    @property
    def version(self) -> str:
        return f"{self.inode:x}-{self.size_bytes:x}-{self.modified_ns:x}-{self.changed_ns:x}"

    def describe(self, found: AudioType, tags: Tags, *, is_read: bool = True) -> AudioFile:
        return AudioFile(
            name=normalize("NFC", self.name),
            size_bytes=self.size_bytes,
            content_type=found.content_type,
            uploaded_at=to_moment(self.modified_ns),
            version=self.version,
            is_read=is_read,
            **vars(tags),
        )

    def describe_unread(self) -> AudioFile | None:
        """What is shown of a file that was not read yet: nothing if its name does not end as that of audio."""
        content_type = _TYPES.get(os.path.splitext(self.name)[1].lower())  # noqa: PTH122
        return self.describe(AudioType(content_type), Tags(), is_read=False) if content_type else None


class Index:
    """The audio files of one folder.

    An entry that cannot be read is left out, and is named in the log once, until that changes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scan = FolderScan(folder, _Key.of)
        self._known: dict[str, tuple[_Key, AudioFile | None]] = {}
        """What was found in the file of each name, and in which state of it."""
        self._unread: dict[str, tuple[_Key, AudioFile | None]] = {}
        """The new files that were not read yet, the newest first, with what is shown of them meanwhile."""
        self._unreadable: dict[str, int | None] = {}
        self._retried_round = 0
        self._files: list[AudioFile] = []
        self._is_changed = True

    @property
    def entries(self) -> int:
        """How many plain files the folder has."""
        return len(self._scan.entries)

    @property
    def unread(self) -> int:
        """How many of them were not read yet."""
        return len(self._unread)

    def examine(self, name: str, file: FileIO) -> AudioFile | None:
        """What an open file would be under this name, or None if it is not audio; it is not remembered.

        :raises OSError: the file cannot be read.
        """
        return _read_audio(_Key.of(name, os.fstat(file.fileno())), file)

    def _examine(self, key: _Key, file: FileIO) -> AudioFile | None:
        """What is in an open file; read only if it is not known in this state."""
        known = self._known.get(key.name)
        if known is None or known[0] != key:
            known = self._known[key.name] = key, _read_audio(key, file)
        return known[1]

    def keep(self, audio: AudioFile, file: FileIO) -> AudioFile:
        """Remember a file, still open, that was examined before it had its name: link(2) changes its ctime."""
        key = _Key.of(audio.name, os.fstat(file.fileno()))
        audio = replace(audio, version=key.version)
        self._known[audio.name] = key, audio
        return audio

    def forget(self, disk_name: str) -> None:
        """Note that a file was removed here."""
        self._scan.distrust(disk_name)

    def scan(self, at_once: int | None = None) -> list[AudioFile]:
        """All files that are audio, by name; the same object while nothing has changed.

        More than `at_once` new files (None: any number) are left to `read_new`; until the next change of the folder,
        or `list_known`, the list has those whose names end as those of audio do.

        :raises OSError: the folder is away or broken, or this process may open no more files.
        """
        self._is_changed = self._scan.look() or self._is_changed
        for disk_name, error in self._scan.failures.items():
            self._note_failure(disk_name, error)
        if self._is_changed or (self._unreadable and self._retried_round != self._scan.rounds):
            self._retried_round = self._scan.rounds
            self._take_changes(at_once)
            self._is_changed = False
            self._files = self.list_known()
        return self._files

    def read_new(self, duration_s: float, is_asked: Callable[[], bool] = lambda: False) -> int:
        """Read new files that a scan has left, the newest first, for so long; how many are left.

        It ends sooner if `is_asked` says that another thread should go first.

        :raises OSError: this process may open no more files.
        """
        begun_s = time.monotonic()
        unread = self._unread
        for name in list(unread):
            read_s = time.monotonic() - begun_s
            is_over = read_s >= duration_s or (read_s >= _LEAST_S and is_asked())
            if is_over or self._unread is not unread:  # a scan has found changes
                break
            self._read_one(name)
            unread.pop(name, None)
        return len(self._unread)

    def _take_changes(self, at_once: int | None) -> None:
        """Forget what is gone, read what is new, or leave it for later if it is too much."""
        entries, known, unread = self._scan.entries, self._known, self._unread
        for name in known.keys() - entries.keys():
            known.pop(name, None)
        for name in self._unreadable.keys() - entries.keys() - self._scan.failures.keys():
            self._unreadable.pop(name, None)
        new = [key for name, key in entries.items() if (found := known.get(name)) is None or found[0] != key]
        failed = [key for key in new if key.name in self._unreadable]
        new = [key for key in new if key.name not in self._unreadable]
        if at_once is not None and len(new) > at_once:
            new.sort(key=lambda key: key.modified_ns, reverse=True)
            shown = ((key, unread.get(key.name)) for key in new)
            self._unread = {
                key.name: old if old and old[0] == key else (key, key.describe_unread()) for key, old in shown
            }
            new = []
        else:
            self._unread = {}
        for key in (*new, *failed):
            self._read_one(key.name)

    def _read_one(self, name: str) -> None:
        """Look into one file, unless it is gone.

        :raises OSError: this process may open no more files.
        """
        try:
            with FileIO(open_regular(self._folder / to_disk(name))) as file:
                self._examine(_Key.of(name, os.fstat(file.fileno())), file)
            self._unreadable.pop(name, None)
        except FileNotFoundError:  # it is gone, or no plain file
            pass
        except OSError as error:
            self._note_failure(name, error)

    def list_known(self) -> list[AudioFile]:
        """The files as far as they are known by now, by name, without a look at the folder."""
        known, unread = self._known, self._unread
        listed: dict[str, AudioFile] = {}
        for name, key in list(self._scan.entries.items()):
            waits = unread.get(name)  # first: what is read meanwhile is known before it waits no more
            found = known.get(name)
            if found is None or (found[0] is not key and found[0] != key):
                found = waits
            audio = found[1] if found else None
            if audio and (audio.name not in listed or audio.name == name):
                listed[audio.name] = audio
        return sorted(listed.values(), key=lambda audio: audio.sort_key)

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
            with ExitStack() as unless_returned:
                file = unless_returned.enter_context(FileIO(open_regular(self._folder / to_disk(disk_name))))
                audio = self._examine(_Key.of(disk_name, os.fstat(file.fileno())), file)
                self._unreadable.pop(disk_name, None)
                if audio is None:
                    raise not_found(name)
                unless_returned.pop_all()
        except FileNotFoundError:
            raise not_found(name) from None
        except OSError as error:
            raise self._refuse(disk_name, error) from error
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
