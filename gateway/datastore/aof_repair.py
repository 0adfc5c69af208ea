"""The append-only files of the embedded server, mended after a power cut, a full disk or a wrong hand.

Redis 7 and Valkey keep a base (RDB), increments (commands) and a manifest that names them; Redis 6.2 keeps one file.
Call this only while the lock of the folder is held and no server runs. Nothing is deleted: what is cut off or put
aside stays beside the rest, and the log names it.
"""

import logging
import os
import re
import shutil
import stat
import subprocess
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

_FILE = re.compile(r"appendonly\.aof\.(?P<seq>\d+)\.(?P<kind>base|incr)\.(rdb|aof)")
_LINE = re.compile(r'file "?(?P<name>appendonly\.aof\.[\w.]+)"? seq \d+ type (?P<type>[bih])\b.*')
_WHOLE_UP_TO = re.compile(rb"\bsize=(\d+), ok_up_to=(\d+),")
"""What redis-check-aof says of a file with a bad end; the same in Redis 6.2, 7 and Valkey."""
_ANNOTATION_BYTES = 1024
"""How much of a line the server reads to tell whether it is an annotation."""

log = logging.getLogger("gateway.redis")


class _Part(NamedTuple):
    """A file that the server wrote, by its name."""

    kind: str
    seq: int
    path: Path


class AppendOnlyFiles:
    """The append-only files in `folder`, the folder of the server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts_folder = folder / "appendonlydir"
        self._manifest = self._parts_folder / "appendonly.aof.manifest"
        self._single = folder / "appendonly.aof"

    def prepare(self) -> None:
        """Make the files accessible, and the manifest name them all: without it a server begins empty, over them.

        Cheap enough for every start.

        :raises OSError: they cannot be mended.
        """
        if self._parts_folder.is_dir():
            self._make_accessible()
            for part in self._list_parts():
                if part.kind == "incr":
                    _cut_annotation(part.path)
                elif not part.path.stat().st_size:  # a server would take it without a word
                    _put_aside(part.path, "it is empty: what was kept before the last rewrite is lost")
            if not self._is_manifest_right():
                self._write_manifest()
        elif self._parts_folder.exists():
            _put_aside(self._parts_folder, "it is no folder")

    def repair(self, binary: Path) -> bool:
        """Cut off what the server cannot read; whether there was any. `binary` is the server, which checks its files.

        :raises OSError: they cannot be mended.
        """
        parts = [part.path for part in self._list_parts()]
        paths = [*parts, self._single] if self._single.is_file() else parts
        found = [
            self._repair_base(binary, path) if path.suffix == ".rdb" else self._repair_commands(binary, path)
            for path in paths
        ]
        return any(found)

    def put_aside(self, reason: str) -> bool:
        """Leave everything to be looked at, so that the server begins empty; whether there was anything."""
        there = [path for path in (self._parts_folder, self._single) if path.exists()]
        for path in there:
            _put_aside(path, reason)
        return bool(there)

    def _list_parts(self) -> list[_Part]:
        found = ((path, _FILE.fullmatch(path.name)) for path in self._list_files())
        return sorted(_Part(name["kind"], int(name["seq"]), path) for path, name in found if name)

    def _list_files(self) -> list[Path]:
        return [path for path in self._parts_folder.iterdir() if path.is_file()] if self._parts_folder.is_dir() else []

    def _make_accessible(self) -> None:
        """Give this user its files back: those it owns by their mode, those of another user as copies."""
        _open_mode(self._parts_folder)
        try:
            files = self._list_files()
        except PermissionError:
            files = []
        for path in files:
            _open_mode(path)
        if all(_is_accessible(path) for path in (self._parts_folder, *files)):
            return
        copy = _find_free(self._folder / "appendonlydir.copy")
        copy.mkdir(mode=0o700)
        for path in files:
            with suppress(PermissionError):
                shutil.copy2(path, copy / path.name)
        _put_aside(self._parts_folder, "this user may not write it; what it may read was copied")
        copy.rename(self._parts_folder)

    def _is_manifest_right(self) -> bool:
        """Whether every file named is there, and no increment is left out: a server would write over it."""
        if not self._manifest.is_file():
            return not self._list_parts()
        lines = self._manifest.read_text(errors="replace").splitlines()
        found = [_LINE.fullmatch(line) for line in lines if line and not line.startswith("#")]
        named = {line["name"] for line in found if line and line["type"] != "h"}
        parts = self._list_parts()
        newest = max((part.seq for part in parts if part.kind == "incr" and part.path.name in named), default=0)
        left_out = [part for part in parts if part.kind == "incr" and part.seq > newest and part.path.stat().st_size]
        return all(found) and bool(named) and named <= {part.path.name for part in parts} and not left_out

    def _write_manifest(self) -> None:
        """Name the newest base and what was written after it."""
        parts = self._list_parts()
        bases = [part for part in parts if part.kind == "base"]
        increments = [part for part in parts if part.kind == "incr"]
        if len(bases) > 1:  # a rewrite has just ended: what came before its increment is in the newest base
            increments = increments[-1:]
        if self._manifest.exists():
            _put_aside(self._manifest, "it does not name the files that are there")
        kept = [*bases[-1:], *increments]
        if not kept:
            return
        lines = [f"file {part.path.name} seq {part.seq} type {part.kind[0]}\n" for part in kept]
        fresh = self._manifest.with_suffix(".fresh")
        with fresh.open("w") as file:
            file.writelines(lines)
            os.fsync(file.fileno())
        fresh.rename(self._manifest)
        _flush_folder(self._parts_folder)
        log.warning("redis: %s was written anew: %s", self._manifest, ", ".join(part.path.name for part in kept))

    def _repair_base(self, binary: Path, path: Path) -> bool:
        # Not by redis-check-aof: that of Valkey takes a base of Valkey itself for damaged from its first byte.
        code, _ = self._check("redis-check-rdb", binary, path)
        if code == 0:
            return False
        _put_aside(path, "it is damaged: what was kept before the last rewrite is lost")
        self._write_manifest()
        return True

    def _repair_commands(self, binary: Path, path: Path) -> bool:
        _, output = self._check("redis-check-aof", binary, path)
        found = _WHOLE_UP_TO.search(output)
        if not found or int(found[2]) >= path.stat().st_size:
            return False
        _cut(path, int(found[2]))
        return True

    def _check(self, name: str, binary: Path, path: Path) -> tuple[int, bytes]:
        """What the server finds in a file, started under the name of the tool that is in it."""
        tool = self._folder / name
        tool.unlink(missing_ok=True)
        tool.symlink_to(binary)
        try:
            command = [str(tool), str(path)]
            result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603
        finally:
            tool.unlink(missing_ok=True)
        return result.returncode, result.stdout


def _open_mode(path: Path) -> None:
    found = path.stat()
    wanted = 0o700 if stat.S_ISDIR(found.st_mode) else 0o600
    if found.st_uid == os.geteuid() and found.st_mode & wanted != wanted:
        path.chmod(found.st_mode | wanted)
        log.warning("redis: %s had the mode %o, which this user cannot work with", path, stat.S_IMODE(found.st_mode))


def _is_accessible(path: Path) -> bool:
    wanted = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)


def _cut_annotation(path: Path) -> None:
    """Cut off an annotation without the end of its line: a server skips it, and writes on in the same line."""
    with path.open("rb") as file:
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(max(0, size_bytes - _ANNOTATION_BYTES))
        last = file.read().rpartition(b"\n")[2]
    if last.startswith(b"#") and len(last) < _ANNOTATION_BYTES:
        _cut(path, size_bytes - len(last))


def _cut(path: Path, whole_bytes: int) -> None:
    """Keep what comes after `whole_bytes` in a file of its own, then cut it off."""
    kept = _find_free(path.with_name(f"{path.name}.cut"))
    with path.open("r+b") as file:
        file.seek(whole_bytes)
        with kept.open("xb") as copy:
            shutil.copyfileobj(file, copy, 1024 * 1024)
            cut_bytes = copy.tell()
            os.fsync(copy.fileno())
        _flush_folder(path.parent)
        file.truncate(whole_bytes)
        os.fsync(file.fileno())
    log.warning(
        "redis: %s is damaged at byte %d: it was cut off there, and the last %d bytes are kept in %s",
        path, whole_bytes, cut_bytes, kept.name,
    )  # fmt: skip


def _put_aside(path: Path, reason: str) -> None:
    aside = _find_free(path.with_name(f"{path.name}.aside"))
    path.rename(aside)
    _flush_folder(path.parent)
    log.error("redis: %s was put aside as %s: %s", path, aside.name, reason)


def _find_free(path: Path) -> Path:
    """A name like this one that nothing has: with the time and a number."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"{path.name}-{stamp}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
