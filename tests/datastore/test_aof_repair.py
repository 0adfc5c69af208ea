"""The files of the embedded server after damage: it starts, keeps what can be kept, and loses nothing unsaid."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from gateway.datastore.aof_repair import AppendOnlyFiles
from gateway.datastore.client import Datastore
from gateway.datastore.embedded import find_server
from tests.datastore.running import running
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

BINARIES = {str(path) for path in (find_server(), shutil.which("redis-server")) if path}
on_each_server = pytest.mark.parametrize("binary", sorted(BINARIES), ids=lambda path: Path(path).name)

BASE, INCREMENT, MANIFEST = "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.manifest"
OLD, NEW = {b"old"}, {b"new 1", b"new 2"}


async def fill(data_dir: Path, binary: str) -> Path:
    """A folder of files: `old` in a base, `new 1` and `new 2` in an increment."""
    async with running(data_dir, find_binary=lambda: Path(binary)) as datastore:
        client = datastore.client()
        await client.set("old", "value")
        await client.bgrewriteaof()
        folder = data_dir / "redis" / "appendonlydir"
        with anyio.fail_after(60):
            while (
                BASE not in (folder / MANIFEST).read_text()
                or (await client.info("persistence"))["aof_rewrite_in_progress"]
            ):
                await anyio.sleep(0.02)
        await client.set("new 1", "value")
        await client.set("new 2", "value")
    return folder


async def list_keys(datastore: Datastore) -> set[bytes]:
    """The keys, once the server has them; without what the gateway itself writes."""
    await wait_until(lambda: datastore.describe().available)
    keys: list[bytes] = await datastore.client().keys()  # type: ignore[assignment]
    return {key for key in keys if not key.startswith(b"gateway:")}


Damage = Callable[[Path], None]


def cut(name: str, by: int) -> Damage:
    """Make a file longer, by NULs, or shorter."""
    return lambda folder: os.truncate(folder / name, max(0, (folder / name).stat().st_size + by))


def overwrite(name: str, at: int, data: bytes) -> Damage:
    """Write `data` at `at`, counted from the end where it is negative."""

    def write(folder: Path) -> None:
        whole = bytearray((folder / name).read_bytes())
        begin = at % len(whole)
        whole[begin : begin + len(data)] = data
        (folder / name).write_bytes(whole)

    return write


def remove(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def leave_base(folder: Path) -> None:
    manifest = folder / MANIFEST
    manifest.write_text(manifest.read_text().splitlines(keepends=True)[0])


def zero_and_lengthen(folder: Path) -> None:
    overwrite(INCREMENT, -10, bytes(10))(folder)
    cut(INCREMENT, 4096)(folder)


def annotate(folder: Path) -> None:
    """End the increment within an annotation, which the server skips."""
    with (folder / INCREMENT).open("ab") as file:
        file.write(b"#TS:17")


def annotate_alone(folder: Path) -> None:
    """Let nothing else be in the increment."""
    (folder / INCREMENT).write_bytes(b"#" * 300)


def spoil_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(os.urandom(300))


def remove_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def replace_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("x")


def close_all(folder: Path) -> None:
    for path in folder.iterdir():
        path.chmod(0)


def is_kept(data: bytes, files: list[bytes]) -> bool:
    """Whether some file begins with the bytes, or they are the beginning of one and the whole of another."""
    ends = [end for end in (b"", *files) if data.endswith(end)]
    return any(file.startswith(data.removesuffix(end)) for file in files for end in ends)


ALL = -1_000_000
DAMAGES: dict[str, tuple[Damage, set[bytes], bool]] = {
    "NULs behind the increment": (cut(INCREMENT, 4096), OLD | NEW, True),
    "a zeroed end": (overwrite(INCREMENT, -10, bytes(10)), OLD | {b"new 1"}, True),
    "a zeroed end and more": (zero_and_lengthen, OLD | {b"new 1"}, True),
    "an increment cut off": (cut(INCREMENT, -7), OLD | {b"new 1"}, True),
    "garbage in the middle": (overwrite(INCREMENT, -20, b"\xff\x00garbage"), OLD | {b"new 1"}, True),
    "garbage at the beginning": (overwrite(INCREMENT, 0, b"garbage"), OLD, True),
    "an annotation cut off": (annotate, OLD | NEW, True),
    "an annotation alone": (annotate_alone, OLD, True),
    "an increment without a byte": (cut(INCREMENT, ALL), OLD, False),
    "no increment": (remove(INCREMENT), OLD, True),
    "a base cut off": (cut(BASE, -20), NEW, True),
    "a zeroed base": (overwrite(BASE, 0, bytes(50)), NEW, True),
    "a base with a wrong byte": (overwrite(BASE, -12, b"\x55"), NEW, True),
    "a base without a byte": (cut(BASE, ALL), NEW, True),
    "no base": (remove(BASE), NEW, True),
    "an empty manifest": (cut(MANIFEST, ALL), OLD | NEW, True),
    "a zeroed manifest": (overwrite(MANIFEST, 0, bytes(88)), OLD | NEW, True),
    "no manifest": (remove(MANIFEST), OLD | NEW, False),
    "a manifest of the base alone": (leave_base, OLD | NEW, True),
    "a manifest cut off": (cut(MANIFEST, -20), OLD | NEW, True),
    "a manifest with NULs behind": (cut(MANIFEST, 4096), OLD | NEW, True),
    "an unknown command": (overwrite(INCREMENT, 33, b"X"), set(), True),
    "garbage alone": (spoil_all, set(), True),
    "no file": (remove_all, set(), False),
    "a file in place of the folder": (replace_folder, set(), True),
    "files of no mode": (close_all, OLD | NEW, False),
}
"""What is done to the files, the keys that are there afterwards, and whether something is kept beside them."""


@pytest.mark.slow
@on_each_server
@pytest.mark.parametrize("damage", DAMAGES)
async def test_damaged_files_are_mended(
    damage: str, binary: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server starts with all that can be read, writes on, and no byte of the old files has gone."""
    folder = await fill(tmp_path, binary)
    inflict, left, keeps = DAMAGES[damage]
    inflict(folder)
    before = [path.read_bytes() for path in folder.iterdir()] if folder.is_dir() else []
    caplog.clear()
    for written in (set(), {b"written"}):
        async with running(tmp_path, find_binary=lambda: Path(binary)) as datastore:
            assert await list_keys(datastore) == left | written
            await datastore.client().set("written", "after")
    files = {path: path.read_bytes() for path in (tmp_path / "redis").rglob("*") if path.is_file()}
    assert [data for data in before if not is_kept(data, list(files.values()))] == []
    assert any(".cut-" in str(path) or ".aside-" in str(path) for path in files) is keeps
    assert not keeps or [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert not list((tmp_path / "redis").glob("trial-*"))


async def test_sound_files_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A start on sound files changes none of them and says nothing of them."""
    binary = str(find_server())
    folder = await fill(tmp_path, binary)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    caplog.clear()
    async with running(tmp_path, find_binary=lambda: Path(binary)) as datastore:
        assert await list_keys(datastore) == OLD | NEW
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert after.keys() == before.keys()
    assert all(after[name].startswith(data) for name, data in before.items())
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def test_fault_that_is_not_of_the_files_leaves_them(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that cannot start for another reason costs no data: it is tried again, and they are there."""
    folder = await fill(tmp_path / "data", str(find_server()))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 1\n")
    broken.chmod(0o755)
    async with running(tmp_path / "data", find_binary=lambda: broken) as datastore:
        assert not datastore.describe().available
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "ended with code 1" in caplog.text
    async with running(tmp_path / "data") as datastore:
        assert await list_keys(datastore) == OLD | NEW


async def test_files_are_not_mended_while_another_gateway_owns_them(tmp_path: Path) -> None:
    """A gateway that joins leaves the files to the owner of the server, whatever they look like."""
    binary = str(find_server())
    async with running(tmp_path, find_binary=lambda: Path(binary)) as owner:
        await owner.client().set("key", "value")
        manifest = tmp_path / "redis" / "appendonlydir" / MANIFEST
        manifest.write_bytes(b"")
        async with running(tmp_path, find_binary=lambda: Path(binary)) as joined:
            assert await joined.client().get("key") == b"value"
            assert manifest.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_files_of_another_user_are_copied(mode: int) -> None:
    """Files that this user may read are copied and the originals put aside; what it may not read is put aside."""
    base = Path(tempfile.gettempdir()) / f"aof-{os.getpid()}"
    folder = base / "appendonlydir"
    folder.mkdir(parents=True)
    try:
        (folder / "appendonly.aof.1.incr.aof").write_bytes(b"commands")
        (folder / "appendonly.aof.1.incr.aof").chmod(mode)
        os.chown(base, 65534, 65534)
        os.seteuid(65534)
        try:
            AppendOnlyFiles(base).prepare()
        finally:
            os.seteuid(0)
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert ("appendonly.aof.1.incr.aof" in found) is (mode == 0o644)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (aside,) = base.glob("appendonlydir.aside-*")
        assert (aside / "appendonly.aof.1.incr.aof").read_bytes() == b"commands"
    finally:
        shutil.rmtree(base)
