"""The memory of a process: the least of its machine and of the control groups round it."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.datastore.memory import bound_redis, measure_memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
MIB = 1024**2
V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "35 31 0:32 {root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
OTHER = "36 31 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"

TREES: dict[str, tuple[str, str, dict[str, str], int]] = {
    "version 2, a container": ("0::/\n", V2.format(root="/"), {"memory.max": "157286400"}, 150),
    "version 2, nested, the unit": (
        "0::/system.slice/gateway.service\n",
        V2.format(root="/"),
        {"system.slice/memory.max": "max", "system.slice/gateway.service/memory.max": "104857600"},
        100,
    ),
    "version 2, nested, the slice": (
        "0::/a/b/c\n",
        V2.format(root="/"),
        {"a/memory.max": "52428800", "a/b/memory.max": "max", "a/b/c/memory.max": "104857600"},
        50,
    ),
    "version 2, a soft bound": (
        "0::/a\n",
        V2.format(root="/"),
        {"a/memory.max": "max", "a/memory.high": "83886080"},
        80,
    ),
    "version 2, its own root": ("0::/docker/1f/x\n", V2.format(root="/docker/1f"), {"memory.max": "104857600"}, 100),
    "version 1, a container": (
        "9:pids:/\n4:memory:/docker/1f\n0::/\n",
        OTHER + V1.format(root="/docker/1f"),
        {"memory/memory.limit_in_bytes": "157286400"},
        150,
    ),
    "version 1, nested": (
        "4:memory:/a/b\n",
        V1.format(root="/"),
        {"memory/memory.limit_in_bytes": "9223372036854771712", "memory/a/memory.limit_in_bytes": "62914560"},
        60,
    ),
    "both, the memory in version 1": (
        "4:cpu,memory:/a\n0::/\n",
        V1.format(root="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n",
        {"memory/a/memory.limit_in_bytes": "62914560"},
        60,
    ),
    "outside its own root": ("0::/../x\n", V2.format(root="/"), {"memory.max": "104857600"}, 100),
    "no bound": ("0::/\n", V2.format(root="/"), {"memory.max": "max"}, 0),
    "nonsense": ("x\n::\n0:\n", V2.format(root="/"), {"memory.max": "-1\x00lots"}, 0),
    "zero": ("0::/\n", V2.format(root="/"), {"memory.max": "0"}, 0),
}


@pytest.mark.parametrize("tree", TREES)
def test_least_bound_counts(tree: str, tmp_path: Path) -> None:
    """A bound is found wherever a group round this process has one, in both versions of control groups."""
    paths, mounts, files, expected_mib = TREES[tree]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(paths)
    (tmp_path / "proc/self/mountinfo").write_text(mounts)
    for name, text in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
    assert measure_memory(tmp_path) == (expected_mib * MIB or MACHINE)


def test_machine_bounds_where_nothing_else_does(tmp_path: Path) -> None:
    """Without control groups, as on macOS, it is the memory of the machine."""
    assert measure_memory(tmp_path) == MACHINE
    assert 0 < bound_redis() <= 512 * MIB


@pytest.mark.slow
def test_real_group_is_found() -> None:
    """A process in a real control group of 150 MiB gives its Redis a quarter of that."""
    group = find_group() / f"gateway-test-{os.getpid()}"
    try:
        group.mkdir()
        limit = next(path for name in ("memory.max", "memory.limit_in_bytes") if (path := group / name).exists())
        limit.write_text(str(150 * MIB))
    except (OSError, StopIteration):
        with suppress(OSError):
            group.rmdir()
        pytest.skip("no control group can be made here")
    try:
        command = "import os; open(f'{os.sys.argv[1]}/cgroup.procs', 'w').write(str(os.getpid())); "
        command += "from gateway.datastore.memory import bound_redis; print(bound_redis())"
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": root}
        run = subprocess.run(
            [sys.executable, "-c", command, str(group)], check=True, capture_output=True, env=environment
        )
        assert int(run.stdout) == 150 * MIB // 4
    finally:
        group.rmdir()


def find_group() -> Path:
    """The folder of this process's own group of memory."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return Path(f"/sys/fs/cgroup/memory{path}")
    return Path("/sys/fs/cgroup")
