"""Which plain files a folder has, looked at again only as far as it may have changed. Blocking. Knows no audio.

The time of a folder changes when an entry comes, goes or is renamed: an unchanged folder costs one fstat(2), a changed
one is listed again, and only entries with a new name or inode are asked for their status. A file that is changed in
place leaves no trace in its folder, so each look also asks a thousand files for their status, by turns.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from .filenames import from_disk, is_visible, to_disk

_TURN = 1000
"""How many files a look asks for their status; that takes 5 ms. A smaller folder is asked as a whole."""
_TURN_S = 0.25
"""How often, at most, in a larger one."""
_TICK_S, _COARSE_TICK_S = 0.1, 2.0
"""Two changes nearer to each other than this may leave the same time on a folder: where times have fractions of a
second, which the kernel takes from its clock tick of at most 10 ms, and where they have none (FAT: 2 s).
"""

State = TypeVar("State")


class FolderScan(Generic[State]):
    """The plain files of one folder. `describe` makes the state of a file, by which changes are told.

    Calls of `look` must not overlap; `distrust` may be called at any time.
    """

    def __init__(self, folder: Path, describe: Callable[[str, os.stat_result], State]) -> None:
        self._folder = folder
        self._describe = describe
        self.entries: dict[str, State] = {}
        """The state of each visible plain file, by its name on the disk."""
        self.failures: dict[str, OSError] = {}
        """Why the status of an entry could not be read when it was last asked for."""
        self.rounds = 0
        """How often the turns have come to their end."""
        self._inodes: dict[str, int] = {}
        self._turns: list[str] = []
        self._distrusted: set[str] = set()
        self._trusted_after_round: set[str] = set()
        self._turned_s = 0.0
        self._seen: tuple[int, ...] = ()
        self._seen_s = 0.0
        self._listed: tuple[int, ...] = ()

    def distrust(self, name: str) -> None:
        """Note that a file was removed here: another one of its name may get the same inode."""
        self._distrusted.add(name)

    def look(self) -> bool:
        """Bring the entries up to date; whether one of them has changed.

        :raises OSError: the folder is away or broken.
        """
        begun_s = time.monotonic()
        folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)  # NFS asks its server at an open
        try:
            status = os.fstat(folder_fd)
            seen = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if seen != self._seen:
                self._seen, self._seen_s = seen, begun_s
            changed = seen != self._listed and self._list_names(folder_fd)
            changed = self._take_turn(folder_fd) or changed
        finally:
            os.close(folder_fd)
        tick_s = _TICK_S if status.st_mtime_ns % 1_000_000_000 else _COARSE_TICK_S
        if begun_s - self._seen_s > tick_s:  # by this clock alone: that of a file server may be another
            self._listed = seen
        return changed

    def _list_names(self, folder_fd: int) -> bool:
        """Whether an entry has come or gone; those that are new are asked for their status."""
        with os.scandir(folder_fd) as found:
            inodes = {from_disk(entry.name): entry.inode() for entry in found if not entry.name.startswith(".")}
        gone = self._inodes.keys() - inodes.keys()
        changed = False
        for name in gone:
            changed = self._forget(name) or changed
        known, distrusted = self._inodes, self._distrusted
        new = [name for name, inode in inodes.items() if known.get(name) != inode or name in distrusted]
        return self._ask(folder_fd, filter(is_visible, new)) or changed

    def _take_turn(self, folder_fd: int) -> bool:
        """Whether one of the next files has changed in place."""
        if len(self.entries) > _TURN and time.monotonic() - self._turned_s < _TURN_S:
            return False
        self._turned_s = time.monotonic()
        if not self._turns:
            self.rounds += 1
            self._distrusted -= self._trusted_after_round
            self._trusted_after_round = set(self._distrusted)
            self._turns = [*self.entries, *(name for name in self.failures if name not in self.entries)]
        turn = self._turns[-_TURN:]
        del self._turns[-_TURN:]
        return self._ask(folder_fd, turn)

    def _ask(self, folder_fd: int, names: Iterable[str]) -> bool:
        """Read the status of files; whether it is another one."""
        changed = False
        for name in names:
            try:
                status = os.stat(to_disk(name), dir_fd=folder_fd, follow_symlinks=False)
            except OSError as error:
                changed = self._forget(name) or changed
                if not isinstance(error, FileNotFoundError):
                    self.failures[name] = error
                continue
            self.failures.pop(name, None)
            self._inodes[name] = status.st_ino
            if not stat.S_ISREG(status.st_mode):
                changed = self.entries.pop(name, None) is not None or changed
            elif (state := self._describe(name, status)) != self.entries.get(name):
                self.entries[name] = state
                changed = True
        return changed

    def _forget(self, name: str) -> bool:
        self._inodes.pop(name, None)
        self.failures.pop(name, None)
        return self.entries.pop(name, None) is not None
