"""The folder: whole or not at all, one winner for a name, nothing served that is no audio file."""

import asyncio
import errno
import logging
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from unicodedata import normalize

import anyio
import anyio.lowlevel
import pytest

from gateway.audio import index
from gateway.audio.filenames import NameTaken
from gateway.audio.formats.bounded_reader import AudioType
from gateway.audio.formats.detect import detect_type
from gateway.audio.index import AudioFile, Index, to_moment
from gateway.audio.library import Library
from gateway.audio.tags import Cover, Tags, read_tags
from gateway.audio.uploads.atomic_file import AtomicFile, open_atomic, sweep_leftovers
from gateway.audio.uploads.resumable import ResumableUploads
from gateway.audio.uploads.storage import NoSpace, Storage
from gateway.audio.uploads.writer import NotAudio
from gateway.errors import BodyTooLarge, NotFound, Unavailable, Unprocessable
from tests.audio.formats.corpus import NOT_AUDIO, Corpus, make_wave
from tests.conftest import OpenGateway
from tests.disks import mounting

pytestmark = pytest.mark.anyio
WAVE = make_wave(10_000)
WRITERS = ThreadPoolExecutor(2)


async def feed(data: bytes, piece_bytes: int = 4096) -> AsyncIterator[bytes]:
    """The bytes as a network brings them."""
    for at in range(0, len(data), piece_bytes):
        await anyio.lowlevel.checkpoint()
        yield data[at : at + piece_bytes]


def list_disk(folder: Path) -> list[str]:
    """All names in the folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=[True, False], ids=["nameless", "hidden"])
def library(request: pytest.FixtureRequest, folder: Path) -> Library:
    """A library on both ways to stage a file."""
    return Library(folder, max_upload_bytes=1_000_000, nameless=request.param)


async def test_add(library: Library, folder: Path) -> None:
    """A file is kept byte by byte under its name, and known at once."""
    audio = await library.add("a.wav", feed(WAVE))
    assert (folder / "a.wav").read_bytes() == WAVE
    assert (audio.name, audio.size_bytes, audio.content_type) == ("a.wav", len(WAVE), "audio/wav")
    assert audio.duration_s == pytest.approx((len(WAVE) - 44) / 16000)
    assert await library.list_files() == [audio]
    assert await library.find("a.wav") == audio
    assert list_disk(folder) == ["a.wav"]


@pytest.mark.parametrize("piece_bytes", [1, 7, 65536])
async def test_add_pieces(library: Library, folder: Path, piece_bytes: int) -> None:
    """Bytes may come one by one."""
    await library.add("a.wav", feed(WAVE[:3000] + bytes(7000), piece_bytes))
    assert (folder / "a.wav").stat().st_size == 10_000


async def test_add_large(folder: Path) -> None:
    """A file of many pieces keeps their order."""
    data = make_wave(30_000_000, seed=os.urandom(1_000_003))
    await Library(folder, max_upload_bytes=1 << 30).add("a.wav", feed(data, 100_000))
    assert (folder / "a.wav").read_bytes() == data


async def test_add_taken(library: Library, folder: Path) -> None:
    """A name can be taken once, and who comes late is told which; the first file stays as it is."""
    await library.add("a.wav", feed(WAVE))
    with pytest.raises(NameTaken, match="already exists") as caught:
        await library.add("a.wav", feed(make_wave(5000)))
    assert caught.value.fields == {"name": "a.wav", "free_name": "a (2).wav"}
    assert (folder / "a.wav").read_bytes() == WAVE
    assert list_disk(folder) == ["a.wav"]


async def test_taken_by_a_leftover(library: Library, folder: Path) -> None:
    """An empty file that a killed gateway left in place of a name does not take it; one of another program does."""
    await library.list_files()
    (folder / ".claim-0").write_text("a.wav")
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"")
    assert (await library.add("a.wav", feed(WAVE))).size_bytes == len(WAVE)
    with pytest.raises(NameTaken):
        await library.add("b.wav", feed(WAVE))
    assert list_disk(folder) == ["a.wav", "b.wav"]


async def test_taken_at_once(library: Library) -> None:
    """A name that is taken is refused before a byte is read, in whatever Unicode form."""
    await library.add("é.wav", feed(WAVE))
    for name in ("é.wav", "e\u0301.wav"):
        chunks = feed(WAVE)
        with pytest.raises(NameTaken):
            await library.add(name, chunks)
        assert await anext(chunks) == WAVE[:4096]


async def test_refuse_early(library: Library, folder: Path) -> None:
    """A file that is no audio is refused on its first bytes, and nothing of it stays."""
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 4096
            yield NOT_AUDIO["photo.jpg"][:4096]

    with pytest.raises(NotAudio):
        await library.add("a.mp3", endless())
    assert given <= 8192
    assert list_disk(folder) == []


async def test_refuse_late(library: Library, folder: Path) -> None:
    """A file whose end shows that it is no audio is refused too."""
    with pytest.raises(NotAudio):
        await library.add(
            "a.m4a", feed(b"\x00\x00\x00\x18ftypM4A " + bytes(12) + b"\x00\x01\x00\x00mdat" + bytes(65528))
        )
    assert list_disk(folder) == []


async def test_refuse_empty(library: Library) -> None:
    """An empty file is no audio."""
    with pytest.raises(NotAudio):
        await library.add("a.mp3", feed(b""))


async def test_refuse_too_large(library: Library, folder: Path) -> None:
    """A file of exactly the limit is taken; one byte more is not."""
    await library.add("a.wav", feed(make_wave(1_000_000)))
    with pytest.raises(BodyTooLarge):
        await library.add("b.wav", feed(make_wave(1_000_001)))
    assert list_disk(folder) == ["a.wav"]


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", ".hidden", "a/b", "/a", "a\0b", "a\nb", "a\x7fb", "a\x85b", "\ud800", "x" * 256, "é" * 128],
)
async def test_refuse_name(library: Library, folder: Path, name: str) -> None:
    """Names that are empty, hidden, too long, or have slashes or control characters cannot be."""
    with pytest.raises(Unprocessable):
        await library.add(name, feed(WAVE))
    assert list_disk(folder) == []


KEPT_NAMES = [
    "x" * 255,
    "é" * 127,
    "日本.mp3",
    " a ",
    "a..b",
    "-rf",
    "~",
    "a\\b",
    'a"b',
    "a%2Fb",
    "a?b#c",
    "🎷.mp3",
    "שיר.mp3",
    "\u202ea.mp3",
    "CON",
    "a\u200cb",
]


@pytest.mark.parametrize("name", KEPT_NAMES)
async def test_keep_name(library: Library, folder: Path, name: str) -> None:
    """Every other name is kept exactly."""
    audio = await library.add(name, feed(WAVE))
    assert audio.name == name
    assert list_disk(folder) == [name]
    assert (await library.find(name)).name == name
    await library.delete(name)
    assert list_disk(folder) == []


async def test_unicode_forms(library: Library, folder: Path) -> None:
    """Names that differ only by their Unicode form are one name, for uploads and for files put there by others."""
    composed, decomposed = normalize("NFC", "Café Å.wav"), normalize("NFD", "Café Å.wav")
    await library.add(decomposed, feed(WAVE))
    assert list_disk(folder) == [composed]
    with pytest.raises(NameTaken):
        await library.add(composed, feed(WAVE))
    (folder / composed).rename(folder / decomposed)
    with pytest.raises(NameTaken):
        await library.add(composed, feed(WAVE))
    assert [audio.name for audio in await library.list_files()] == [composed]
    assert (await library.find(composed)).name == composed
    await library.delete(composed)
    assert list_disk(folder) == []


async def test_both_unicode_forms(library: Library, folder: Path) -> None:
    """Where other programs put a name in both forms, it is one file: the composed one, then the other."""
    for letter in "éèüöåçñ":
        (folder / normalize("NFD", letter)).write_bytes(make_wave(5000))
        (folder / letter).write_bytes(WAVE)
    assert [audio.size_bytes for audio in await library.list_files()] == [10_000] * 7
    await library.delete("é")
    assert (await library.find("é")).size_bytes == 5000
    await library.delete("é")
    assert len(await library.list_files()) == 6


async def try_name(library: Library, name: str, number: int, won: list[bytes]) -> None:
    """One of many uploads of a name, each with bytes of its own."""
    data = make_wave(20_000, seed=bytes([number]) * 4)
    try:
        await library.add(name, feed(data))
        won.append(data)
    except NameTaken as taken:
        assert taken.fields["name"] == name


@pytest.mark.parametrize("nameless", [True, False])
async def test_race_for_a_name(folder: Path, nameless: bool) -> None:  # noqa: FBT001
    """Of eight uploads of one name through two gateways exactly one wins, and its bytes are whole."""
    libraries = [Library(folder, max_upload_bytes=1_000_000, nameless=nameless) for _ in range(2)]
    for round_ in range(10):
        won: list[bytes] = []
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(try_name, libraries[number % 2], f"{round_}.wav", number, won)
        assert len(won) == 1
        assert (folder / f"{round_}.wav").read_bytes() == won[0]
    assert len(list_disk(folder)) == 10


@pytest.mark.parametrize("options", [{}, {"nameless": True}, {"nameless": False}])
async def test_staged(folder: Path, options: dict[str, bool]) -> None:
    """What is on its way has no name, unless it is to have a hidden one."""

    async def look() -> AsyncIterator[bytes]:
        yield WAVE[:5000]
        names = list_disk(folder)
        assert names == [] if options.get("nameless", True) else names[0].startswith(".upload-")
        yield WAVE[5000:]

    await Library(folder, max_upload_bytes=1_000_000, **options).add("a.wav", look())
    assert list_disk(folder) == ["a.wav"]


async def test_cancelled(library: Library, folder: Path) -> None:
    """A cancelled upload leaves nothing, wherever it was."""
    for wait_s in (0, 0.001, 0.005, 0.02):
        with anyio.move_on_after(wait_s):
            await library.add("a.wav", feed(make_wave(900_000), 1000))
        for name in list_disk(folder):
            assert (name, (folder / name).stat().st_size) == ("a.wav", 900_000)
            await library.delete(name)


async def test_broken_chunks(library: Library, folder: Path) -> None:
    """An upload whose source fails leaves nothing."""

    async def broken() -> AsyncIterator[bytes]:
        yield WAVE
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await library.add("a.wav", broken())
    assert list_disk(folder) == []


UPLOADER = """
import sys, anyio
from pathlib import Path
from gateway.audio.library import Library
from tests.audio.formats.corpus import make_wave
async def drip():
    data = make_wave(50_000_000)
    for at in range(0, len(data), 1_000_000):
        yield data[at : at + 1_000_000]
        print(at, flush=True)
        await anyio.sleep(0.01)
async def main():
    library = Library(Path(sys.argv[1]), max_upload_bytes=1 << 30, nameless=sys.argv[2] == "True")
    await library.add("a.wav", drip())
anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.parametrize("nameless", [True, False])
async def test_kill(folder: Path, nameless: bool) -> None:  # noqa: FBT001
    """kill -9 in the middle of an upload leaves nothing that can be seen; what is hidden goes at the next start."""
    with subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", UPLOADER, str(folder), str(nameless)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout
        while (line := process.stdout.readline()) != b"5000000\n":
            assert line, "the uploader has ended"
        alive = Library(folder, max_upload_bytes=1000, nameless=nameless)
        await alive.disk.prepare()
        hidden = list_disk(folder)
        assert len(hidden) == (0 if nameless else 1)  # the sweep knows that its owner lives
        process.send_signal(signal.SIGKILL)
    library = Library(folder, max_upload_bytes=1000)
    assert list_disk(folder) == hidden
    await library.disk.prepare()
    assert list_disk(folder) == []
    assert await library.list_files() == []


def test_sweep_spares_the_living(folder: Path) -> None:
    """A sweep removes what a dead owner left, and nothing else."""
    staged = open_atomic(folder, WRITERS, nameless=False)
    staged.write([WAVE])
    (folder / ".upload-dead").write_bytes(WAVE)
    (folder / ".other").write_bytes(WAVE)
    sweep_leftovers(folder)
    assert len(list_disk(folder)) == 2
    staged.publish("a.wav")
    staged.close()
    assert list_disk(folder) == [".other", "a.wav"]


def test_name_taken_beside_a_snapshot(folder: Path, tmp_path: Path) -> None:
    """A name that another file has is taken, though a snapshot of hard links gave the loser a second link too."""
    staged = open_atomic(folder, WRITERS, nameless=False)
    staged.write([WAVE])
    shutil.copytree(folder, tmp_path / "snapshot", copy_function=os.link)
    (folder / "a.wav").write_bytes(b"another file")
    with pytest.raises(FileExistsError):
        staged.publish("a.wav")
    staged.close()
    assert (folder / "a.wav").read_bytes() == b"another file"


@pytest.mark.parametrize("nameless", [True, False])
def test_link_repeated(folder: Path, nameless: bool) -> None:  # noqa: FBT001
    """A link that is reported as there already, because the file itself has the name, is a success (NFS)."""
    staged = open_atomic(folder, WRITERS, nameless=nameless)
    staged.write([WAVE])
    source = f"/proc/self/fd/{staged.finish().fileno()}"
    folder_fd = os.open(folder, os.O_RDONLY)
    os.link(source, "a.wav", dst_dir_fd=folder_fd, follow_symlinks=True)
    os.close(folder_fd)
    staged.publish("a.wav")
    staged.close()
    assert (folder / "a.wav").read_bytes() == WAVE
    assert list_disk(folder) == ["a.wav"]


def test_sweep_of_other_entries(folder: Path, tmp_path: Path) -> None:
    """A sweep waits for no pipe, follows no link and stops at no folder of a hidden name."""
    (tmp_path / "other").write_bytes(WAVE)
    (folder / ".upload-link").symlink_to(tmp_path / "other")
    (folder / ".upload-folder").mkdir()
    os.mkfifo(folder / ".upload-pipe")
    (folder / ".upload-zzz").write_bytes(WAVE)
    sweep_leftovers(folder)
    assert list_disk(folder) == [".upload-folder", ".upload-link", ".upload-pipe"]


def test_write_after_close(folder: Path) -> None:
    """A write that a cancellation left behind cannot touch a descriptor that is somebody else's by now."""
    staged = open_atomic(folder, WRITERS)
    staged.write([WAVE])
    staged.close()
    staged.close()
    staged.write([WAVE])
    with pytest.raises(ValueError, match="closed"):
        staged.finish()
    with pytest.raises(ValueError, match="closed"):
        staged.publish("a.wav")
    assert list_disk(folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    with mounting(tmp_path / "disk", "2m") as disk:
        yield disk


@pytest.mark.parametrize("nameless", [True, False])
async def test_full_disk(small_disk: Path, nameless: bool) -> None:  # noqa: FBT001
    """A full disk refuses a file as a whole, keeps those it has, and takes the next one that fits."""
    library = Library(small_disk, max_upload_bytes=1 << 30, nameless=nameless)
    await library.add("a.wav", feed(make_wave(500_000)))
    for _ in range(3):
        with pytest.raises(NoSpace):
            await library.add("b.wav", feed(make_wave(5_000_000)))
    assert list_disk(small_disk) == ["a.wav"]
    await library.add("c.wav", feed(make_wave(500_000)))
    assert len(await library.list_files()) == 2


async def test_read_only_disk(small_disk: Path, open_gateway: OpenGateway) -> None:
    """On a disk that became read-only the files are listed and served, the page shows them, and each write is 503."""
    async with open_gateway(audio_dir_override=small_disk) as client:
        assert (await client.put("/api/v1/audio/a.wav", content=WAVE)).status_code == 201
        await anyio.run_process(["mount", "-o", "remount,ro", str(small_disk)])
        for door in (
            client.put("/api/v1/audio/b.wav", content=WAVE),
            client.post("/api/v1/audio/", files={"file": ("b.wav", WAVE)}),
            client.delete("/api/v1/audio/a.wav"),
            client.post("/api/v1/uploads/", headers={"Tus-Resumable": "1.0.0", "Upload-Length": "9",
                                                     "Upload-Metadata": "filename YQ=="}),
        ):  # fmt: skip
            answer = await door
            assert (answer.status_code, answer.json()["detail"]) == (503, "The audio folder cannot be used for now.")
        page = await client.post("/", files={"file": ("b.wav", WAVE)})
        assert (page.status_code, "cannot be used" in page.text, "a.wav" in page.text) == (503, True, True)
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/audio/a.wav")).content == WAVE


def test_late_failure(folder: Path) -> None:
    """What failed while the caller was away is raised by the next call, and nothing can be published."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    calls: list[Callable[[AtomicFile], object]] = [
        lambda staged: staged.write([b"x"]),
        lambda staged: staged.finish(),
        lambda staged: staged.publish("a.wav"),
    ]
    for call in calls:
        staged = open_atomic(folder, WRITERS)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            staged.write([make_wave(200_000)])
            with pytest.raises(OSError, match="large"):
                call(staged)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            staged.close()
    assert list_disk(folder) == []


async def test_file_size_limit(library: Library, folder: Path) -> None:
    """A file system or a process that may not make a file so large answers as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(NoSpace):
            await library.add("a.wav", feed(make_wave(900_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list_disk(folder) == []


async def test_missing_folder(tmp_path: Path) -> None:
    """A folder that goes away makes every call unavailable, and is used again once it is back."""
    folder = tmp_path / "audio"
    library = Library(folder, max_upload_bytes=1_000_000)
    await library.disk.prepare()
    await library.add("a.wav", feed(WAVE))
    folder.rename(tmp_path / "away")
    for call in (library.list_files(), library.find("a.wav"), library.delete("a.wav"), library.add("b", feed(WAVE))):
        with pytest.raises(Unavailable):
            await call
    (tmp_path / "away").rename(folder)
    assert len(await library.list_files()) == 1


async def test_unusable_folder(tmp_path: Path) -> None:
    """A folder that cannot be made does not stop the start; it is made once it can be."""
    (tmp_path / "data").write_text("a file stands where the folder should be")
    library = Library(tmp_path / "data" / "audio", max_upload_bytes=1_000_000)
    await library.disk.prepare()
    with pytest.raises(Unavailable):
        await library.add("a.wav", feed(WAVE))
    (tmp_path / "data").unlink()
    await library.add("a.wav", feed(WAVE))
    assert len(await library.list_files()) == 1


async def test_other_entries(library: Library, folder: Path, tmp_path: Path) -> None:
    """Pipes, sockets, links, folders, hidden and non-audio files are neither listed nor served nor deleted."""
    (tmp_path / "secret.wav").write_bytes(WAVE)
    os.mkfifo(folder / "pipe.wav")
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "folder.wav").mkdir()
    (folder / ".hidden.wav").write_bytes(WAVE)
    (folder / "text.wav").write_text("no audio")
    (folder / os.fsdecode(b"\xff.wav")).write_bytes(WAVE)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket.wav"))
    (folder / "good.wav").write_bytes(WAVE)
    before = list_disk(folder)
    assert [audio.name for audio in await library.list_files()] == ["good.wav"]
    for name in (*before, "../secret.wav", "folder.wav/x", "", ".", "..", "a\0", "x" * 300, "\ud800"):
        if name != "good.wav":
            with pytest.raises(NotFound):
                await library.open(name)
            with pytest.raises(NotFound):
                await library.delete(name)
    assert list_disk(folder) == before


async def test_unreadable_file() -> None:
    """A file that may not be read is not listed, and there is nothing of its name."""
    with TemporaryDirectory() as name:
        (Path(name) / "a.wav").write_bytes(WAVE)
        (Path(name) / "a.wav").chmod(0)
        if os.geteuid() == 0:  # root may read everything
            Path(name).chmod(0o755)
            os.seteuid(65534)
        try:
            library = Library(Path(name), max_upload_bytes=1000)
            assert await library.list_files() == []
            with pytest.raises(NotFound):
                await library.open("a.wav")
        finally:
            os.seteuid(os.getuid())


DAY_S = 86_400
ODD_TIMES_S = {
    "0000-12-31": (-719_163 * DAY_S, "0001-01-01T00:00:00+00:00"),
    "1901-12-13": (-(2**31) - 1, "1901-12-13T20:45:51+00:00"),
    "9999-12-31": (253_402_300_799, "9999-12-31T23:59:59+00:00"),
    "10000-01-01": (253_402_300_800, "9999-12-31T23:59:59.999999+00:00"),
    "32767-01-01": (971_859_340_800, "9999-12-31T23:59:59.999999+00:00"),
    "the last": (2**62, "9999-12-31T23:59:59.999999+00:00"),
    "the first": (-(2**62), "0001-01-01T00:00:00+00:00"),
}


@pytest.mark.parametrize("day", ODD_TIMES_S)
def test_moments(day: str) -> None:
    """A time that datetime does not know becomes the nearest one that it does."""
    time_s, moment = ODD_TIMES_S[day]
    assert to_moment(time_s * 10**9).isoformat() == moment


def test_moment_of_nanoseconds() -> None:
    """Nanoseconds are cut to microseconds, and never make another second."""
    assert to_moment(999_999_999).isoformat() == "1970-01-01T00:00:00.999999+00:00"
    assert to_moment(-1).isoformat() == "1969-12-31T23:59:59.999999+00:00"


@pytest.mark.parametrize("error", [RecursionError, MemoryError, OverflowError, KeyError("x"), UnicodeError])
async def test_parser_that_fails(
    library: Library,
    folder: Path,
    error: type[Exception] | Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A parser that stumbles over one file hides neither the others nor, if only its tags are odd, that one."""

    def stumble(file: BinaryIO, found: AudioType) -> Tags:
        if os.fstat(file.fileno()).st_size == 6000:
            raise error
        return read_tags(file, found)

    def stop(file: BinaryIO, size_bytes: int) -> AudioType | None:
        if size_bytes == 7000:
            raise error
        return detect_type(file, size_bytes)

    monkeypatch.setattr(index, "read_tags", stumble)
    monkeypatch.setattr(index, "detect_type", stop)
    for name, size_bytes in (("good.wav", 5000), ("odd tags.wav", 6000), ("odd form.wav", 7000)):
        (folder / name).write_bytes(make_wave(size_bytes))
    for _ in range(3):
        assert [audio.name for audio in await library.list_files()] == ["good.wav", "odd tags.wav"]
        assert (await library.find("odd tags.wav")).duration_s
        with pytest.raises(NotFound):
            await library.find("odd form.wav")
    assert len(caplog.messages) == 2


@contextmanager
def failing_file(path: Path) -> Iterator[None]:
    """A file whose bytes cannot be read, by whomever: the system answers EINVAL."""
    path.touch()
    source = next((file for file in Path("/sys/class/net").glob("*/speed") if not is_readable(file)), None)
    command = ["mount", "--bind", str(source), str(path)]
    if source is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("there is no file here that cannot be read")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


async def read_cover(library: Library, name: str) -> Cover:
    """The picture in the file of a name."""
    with closing(await library.open(name)) as opened:
        return await opened.read_cover()


def is_readable(file: Path) -> bool:
    """Whether its bytes come."""
    try:
        return bool(file.read_bytes())
    except OSError:
        return False


async def test_failing_file(library: Library, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that the disk fails to read hides no other one, and fills no log: it is named once, until it is back."""
    (folder / "good.wav").write_bytes(WAVE)
    for turn in (1, 2):
        with failing_file(folder / "bad.wav"):
            for _ in range(3):
                assert [audio.name for audio in await library.list_files()] == ["good.wav"]
                for call in (library.find("bad.wav"), library.delete("bad.wav"), read_cover(library, "bad.wav")):
                    with pytest.raises(Unavailable) as caught:
                        await call
                assert caught.value.fields == {"name": "bad.wav"}
            assert [message for message in caplog.messages if "bad.wav" in message] == [
                "the file 'bad.wav' cannot be read: Invalid argument"
            ] * turn
        (folder / "bad.wav").write_bytes(WAVE)
        assert len(await library.list_files()) == 2
        (folder / "bad.wav").unlink()


async def test_no_more_descriptors(library: Library, folder: Path) -> None:
    """A process that can open no more files says so, and does not show a library of fewer files."""
    (folder / "a.wav").write_bytes(WAVE)
    await library.disk.prepare()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with os.scandir(folder) as held:  # so that the folder itself can be opened
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            for call in (library.list_files(), library.find("a.wav")):
                with pytest.raises(Unavailable):
                    await call
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert next(held).name == "a.wav"
    assert len(await library.list_files()) == 1


async def test_long_name_on_disk(library: Library, folder: Path) -> None:
    """A name that fits the disk only in its own Unicode form, which is shorter than NFC, is listed, found, deleted."""
    name = "\u0958" * 85  # three bytes each, six in NFC
    (folder / name).write_bytes(WAVE)
    (audio,) = await library.list_files()
    assert await library.find(audio.name) == audio
    await library.delete(audio.name)
    assert list_disk(folder) == []


async def test_failing_folder_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is away for many calls is one line of the log."""
    library = Library(folder, max_upload_bytes=1_000_000)
    await library.disk.prepare()
    folder.rmdir()
    for _ in range(5):
        with pytest.raises(Unavailable):
            await library.list_files()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_changed_by_others(library: Library, folder: Path) -> None:
    """A file that another program puts, replaces or removes is seen as it is now."""
    (folder / "a.wav").write_bytes(WAVE)
    (first,) = await library.list_files()
    (folder / "b.wav").write_bytes(make_wave(6000))
    (folder / "b.wav").rename(folder / "a.wav")
    (second,) = await library.list_files()
    assert (first.size_bytes, second.size_bytes) == (10_000, 6000)
    assert first.version != second.version
    (folder / "a.wav").write_text("no audio any more")
    assert await library.list_files() == []
    with pytest.raises(NotFound):
        await library.open("a.wav")


async def test_read_deleted(library: Library) -> None:
    """A file held open can be read to its end after it was deleted."""
    await library.add("a.wav", feed(WAVE))
    opened = await library.open("a.wav")
    await library.delete("a.wav")
    with pytest.raises(NotFound):
        await library.find("a.wav")
    assert await opened.read(0, 1 << 20) == WAVE
    assert await opened.read(44, 10) == WAVE[44:54]
    opened.close()
    opened.close()


class Stuck:
    """Calls that hang as on a disk that does not answer, one for each thread of their kind."""

    def __init__(self, run: Callable[[Callable[[], bool]], Awaitable[bool]], limiter: anyio.CapacityLimiter) -> None:
        self._run = run
        self._limiter = limiter
        self._answers = threading.Event()

    async def __aenter__(self) -> None:
        count = 2 * int(self._limiter.total_tokens)
        self._calls = [asyncio.ensure_future(self._run(self._answers.wait)) for _ in range(count)]
        while self._limiter.available_tokens:
            await anyio.lowlevel.checkpoint()

    async def __aexit__(self, *_: object) -> None:
        self._answers.set()
        await asyncio.gather(*self._calls)


async def test_reads_wait_for_no_write(library: Library, folder: Path, corpus: Corpus) -> None:
    """While every write hangs in its fsync, the list, the files, their bytes, their covers and the room are told."""
    (folder / "a.mp3").write_bytes(corpus["cover.mp3"])
    async with Stuck(library.disk.run, library.disk.writes):
        (audio,) = await library.list_files()
        assert await library.find("a.mp3") == audio
        opened = await library.open("a.mp3")
        assert await opened.read(0, 1 << 20) == corpus["cover.mp3"]
        opened.close()
        assert (await read_cover(library, "a.mp3")).data == corpus["cover.png"]
        assert (await library.disk.measure()).writable


async def test_writes_wait_for_no_read(library: Library, folder: Path) -> None:
    """While every read hangs, files are added, deleted and uploaded in pieces, and the room is told."""
    uploads = ResumableUploads(library, expires_after_s=60)
    async with Stuck(library.disk.read, library.disk.reads):
        await library.add("a.wav", feed(WAVE))
        await library.delete("a.wav")
        upload = await uploads.create("b.wav", len(WAVE), "")
        await uploads.append(upload.key, 0, feed(WAVE))
        assert (await library.disk.measure()).writable
    assert [audio.name for audio in await library.list_files()] == ["b.wav"]


async def test_read_cover(library: Library, folder: Path, corpus: Corpus) -> None:
    """The picture in a file is had by its name; a file without one, and a name without a file, have none."""
    (folder / "a.mp3").write_bytes(corpus["cover.mp3"])
    (folder / "b.wav").write_bytes(WAVE)
    assert (await read_cover(library, "a.mp3")).data == corpus["cover.png"]
    for name in ("b.wav", "c.wav"):
        with pytest.raises(NotFound) as caught:
            await read_cover(library, name)
        assert caught.value.fields == {"name": name}
    with closing(await library.open("a.mp3")) as opened:
        (folder / "a.mp3").unlink()
        assert (await opened.read_cover()).data == corpus["cover.png"]


async def test_delete_twice(library: Library) -> None:
    """Of two deletions at the same time one finds the file, and none fails otherwise."""
    for _ in range(30):
        await library.add("a.wav", feed(WAVE))
        results: list[str] = []
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(try_delete, library, "a.wav", results)
        assert sorted(results) == ["gone", *["missing"] * 7]


async def try_delete(library: Library, name: str, results: list[str]) -> None:
    """One of many deletions."""
    try:
        await library.delete(name)
        results.append("gone")
    except NotFound as missing:
        assert missing.fields == {"name": name}
        results.append("missing")


async def test_no_descriptor_leaks(library: Library, folder: Path) -> None:
    """Uploads, refusals, listings and openings leave no descriptor behind."""

    async def use() -> None:
        await library.add("a.wav", feed(WAVE))
        for data in (b"no audio" * 1000, WAVE):
            with pytest.raises((NotAudio, NameTaken)):
                await library.add("a.wav" if data is WAVE else "b.wav", feed(data))
        await library.list_files()
        (await library.open("a.wav")).close()
        await library.open("a.wav")  # dropped without close, as what a cancelled request has just opened
        open_atomic(folder, WRITERS)
        await library.delete("a.wav")

    await use()
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        await use()
    assert len(list(Path("/dev/fd").iterdir())) == before


def note_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files of the folder that are opened from now on."""
    opened: list[str] = []
    real_open = os.open

    def note_open(path: Path | str, *args: Any, **options: Any) -> int:
        if Path(path).parent == folder:
            opened.append(Path(path).name)
        return real_open(path, *args, **options)

    monkeypatch.setattr(os, "open", note_open)
    return opened


async def test_list_many(library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand files are read once: what is inside one is not looked at again until it changes."""
    for number in range(1000):
        (folder / f"{number:04}.wav").write_bytes(make_wave(1000))
    opened = note_opened(folder, monkeypatch)
    listed = await library.list_files()
    assert len(listed) == len(opened) == 1000
    opened.clear()
    assert await library.list_files() == listed
    assert opened == []


async def test_change_behind_the_times(library: Library, folder: Path) -> None:
    """A file that was written to, with its size and mtime kept, is read again, and is another version of it."""
    path = folder / "a.wav"
    path.write_bytes(WAVE)
    (before,) = await library.list_files()
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(WAVE[:-1] + b"?")
    os.utime(path, ns=times)
    (after,) = await library.list_files()
    assert (after.size_bytes, after.uploaded_at) == (before.size_bytes, before.uploaded_at)
    assert after.version != before.version
    assert (await library.find("a.wav")).version == after.version
    path.write_bytes(b"x" * len(WAVE))
    os.utime(path, ns=times)
    assert await library.list_files() == []


async def test_added_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged when it was added is not read again for the list: its own name is no change of it."""
    library = Library(folder, max_upload_bytes=1_000_000)
    added = await library.add("a.wav", feed(WAVE))
    opened = note_opened(folder, monkeypatch)
    assert await library.list_files() == [added]
    assert opened == []


async def test_list_is_shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask at once share one look at the folder, and nobody misses what was there when he asked."""
    looks, look = Counter[str](), Index.scan

    def count(catalogue: Index, at_once: int | None = None) -> list[AudioFile]:
        looks["at the folder"] += 1
        return look(catalogue, at_once)

    monkeypatch.setattr(Index, "scan", count)
    library = Library(folder, max_upload_bytes=1_000_000)
    found: list[list[str]] = []

    async def add_and_list(name: str) -> None:
        await library.add(name, feed(WAVE))
        found.append([audio.name for audio in await library.list_files()])
        assert name in found[-1]

    for turn in (1, 2, 3):
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(library.list_files)
        assert looks.total() == turn
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(add_and_list, f"{number}.wav")
    assert len(found) == 20


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.ESTALE, errno.EMFILE, errno.EACCES])
async def test_other_failures(folder: Path, number: int) -> None:
    """Every other failure of a disk is unavailability: its words do not reach the client."""
    with pytest.raises(Unavailable) as raised:
        await Storage(folder).run(fail, number)
    assert "secret" not in raised.value.detail
    assert raised.value.headers["Retry-After"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
async def test_no_room(folder: Path, number: int) -> None:
    """A full disk, a quota and a limit of the size of files are one refusal, in words."""
    with pytest.raises(NoSpace) as raised:
        await Storage(folder).run(fail, number)
    assert raised.value.detail == "There is no space left for this file."


def fail(number: int) -> None:
    """What a call does that the disk refuses."""
    raise OSError(number, os.strerror(number), "/secret/path")
