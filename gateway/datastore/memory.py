"""How much memory this process may use: the least of the machine's and of every control group round it.

cgroups(7) puts groups inside one another, and version 1 and 2 may be mounted side by side. A container sees its own
group as the root of the mount, or sees the whole path, and finds the mount at another place of it.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_LIMITS = {"cgroup2": ("memory.max", "memory.high"), "cgroup": ("memory.limit_in_bytes",)}


def bound_redis() -> int:
    """The memory in bytes that an embedded Redis gets where nothing is set: a quarter, at most 512 MB."""
    return min(512 * 1024**2, measure_memory() // 4)


def measure_memory(root: Path = Path("/")) -> int:
    """The bytes of memory that this process may use; `root` is where /proc and /sys stand."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_list_limits(root)])


def _list_limits(root: Path) -> Iterator[int]:
    for kind, folder in _list_groups(root):
        for name in _LIMITS[kind]:
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except (OSError, ValueError):
                continue
            if text.isdecimal() and int(text):
                yield int(text)


def _list_groups(root: Path) -> Iterator[tuple[str, Path]]:
    """The groups of memory round this process, the version of each and its folder."""
    paths = dict(_read_own_paths(root))
    for kind, inside, mounted in _read_mounts(root):
        if kind not in paths:
            continue
        path = PurePosixPath(paths[kind])
        below = path.relative_to(inside) if path.is_relative_to(inside) else PurePosixPath()
        for group in (below, *below.parents):
            yield kind, root / mounted.lstrip("/") / group


def _read_own_paths(root: Path) -> Iterator[tuple[str, str]]:
    """The path of this process in the hierarchy of memory, by version: lines `id:controllers:path`."""
    for line in _read_lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield "cgroup2", path
        elif "memory" in controllers.split(","):
            yield "cgroup", path


def _read_mounts(root: Path) -> Iterator[tuple[str, str, str]]:
    """Version, root and place of the mounts of control groups: proc_pid_mountinfo(5)."""
    for line in _read_lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        fields, (kind, _, options) = mount.split(" "), system.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            yield kind, fields[3], fields[4]


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # no Linux
        return []
