"""screwdriver.py as a process: against the real gateway, and against servers and files that mean harm."""

import asyncio
import json
import os
import signal
import wave
from contextlib import suppress
from pathlib import Path
from typing import Any
from unicodedata import normalize

import anyio
import pytest

from gateway_client.natural_order import make_natural_key
from tests.audio.formats.corpus import make_wave
from tests.clients.commands import Run, Start, finish, run_on_terminal
from tests.clients.wire import Call, Handler, never_end, reset, sends, serve_calls, stay_silent
from tests.fast import first_fast
from tests.processes import ROOT, running
from tests.relay import relaying
from tests.waiting import wait_until

pytestmark = pytest.mark.anyio

SCRIPT = "screwdriver.py"
MIB = 1024 * 1024
FULL = b"\x1b[38;5;70m"
"""The colour of a bar that is full."""
PROBLEM = {"type": "urn:gateway:problem:not-audio", "status": 415, "detail": "Non-audio file detected"}


def make_wav(path: Path, seconds: int = 1) -> Path:
    """A real audio file."""
    with wave.open(os.fspath(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\2" * 8000 * seconds)
    return path


def make_file(path: Path, size_bytes: int) -> Path:
    """A file of zeros that takes no space."""
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def names_in(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def follow_peak(process: asyncio.subprocess.Process) -> int:
    """The most memory a process had until it ended, in KiB."""
    peak_kib = 0
    status = anyio.Path(f"/proc/{process.pid}/status")
    while process.returncode is None:
        with suppress(OSError):
            lines = (await status.read_text()).splitlines()
            peak_kib = max([peak_kib, *(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))])
        await asyncio.sleep(0.02)
    return peak_kib


async def store(call: Call) -> None:
    """What a gateway does with an upload."""
    body = await call.read_body()
    await call.answer(201, {"name": call.path.rpartition("/")[2], "size_bytes": len(body)})


def listing(files: Any) -> Handler:
    """A server whose library is this."""

    async def handler(call: Call) -> None:
        await call.answer(200, {"files": files})

    return handler


def after_creation(handler: Handler, calls: list[str] | None = None) -> Handler:
    """A server of resumable uploads that knows one, has nothing of it, and answers its bytes as `handler` does."""

    async def resumable(call: Call) -> None:
        if calls is not None:
            calls.append(call.method)
        if call.method == "POST":
            await call.answer(201, {}, "Location: http://elsewhere.example:1/x/key?y")
        elif call.method == "PATCH":
            assert call.path == "/api/v1/uploads/key%3Fy"
            await handler(call)
        else:
            await call.send(b"HTTP/1.1 204 None\r\nUpload-Offset: 0\r\n\r\n")

    return resumable


# --- The real gateway ---------------------------------------------------------------------------------------


async def test_upload_list_download_delete(gateway: str, run: Run, tmp_path: Path) -> None:
    """A file goes up, is listed, comes down as it was, and goes."""
    sound = make_wav(tmp_path / "日本 100%.wav", seconds=65)
    before = sound.read_bytes()
    uploaded = await run(SCRIPT, "upload", sound, "--json", GATEWAY_URL=gateway)
    assert (uploaded.code, uploaded.err) == (0, "")
    assert json.loads(uploaded.out)["name"] == sound.name
    listed = await run(SCRIPT, "list", GATEWAY_URL=gateway)
    assert (listed.code, listed.err) == (0, "")
    assert sound.name in listed.out.splitlines()
    long = await run(SCRIPT, "list", "-l", GATEWAY_URL=gateway)
    row = next(line for line in long.out.splitlines() if line.endswith(sound.name))
    assert row.split()[:2] == [str(len(before)), "1:05"]
    assert row.split()[2].startswith("audio/")
    sound.unlink()
    assert (await run(SCRIPT, "download", sound.name, GATEWAY_URL=gateway)).code == 0
    assert sound.read_bytes() == before
    assert names_in(tmp_path) == [sound.name]
    assert (await run(SCRIPT, "delete", sound.name, GATEWAY_URL=gateway)).code == 0
    again = await run(SCRIPT, "list", GATEWAY_URL=gateway)
    assert sound.name not in again.out.splitlines()


@pytest.mark.slow
async def test_gateway_refuses_in_its_own_words(gateway: str, run: Run, tmp_path: Path) -> None:
    """What is no audio is refused by the server's sentence, a second copy too, and the rest still goes up."""
    text = tmp_path / "notes.mp3"
    text.write_text("no sound at all")
    empty = make_file(tmp_path / "empty.mp3", 0)
    sound = make_wav(tmp_path / "one.wav")
    outcome = await run(SCRIPT, "upload", text, empty, sound, sound, GATEWAY_URL=gateway)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.lines[0].startswith(f"{text}: Non-audio file detected")
    assert outcome.lines[1].startswith(f"{empty}: Non-audio file detected. The file is empty.")
    assert outcome.lines[2].startswith(f"{sound}: it has the name of {sound}")
    assert outcome.lines[3:] == ["1 uploaded, 3 refused"]
    assert "one.wav" in (await run(SCRIPT, "list", "--server", gateway)).out.splitlines()
    await run(SCRIPT, "delete", "one.wav", GATEWAY_URL=gateway)


@pytest.mark.slow
async def test_upload_folders(gateway: str, run: Run, tmp_path: Path) -> None:
    """A folder goes up with all below it, by name, also by a link to it; hidden files and links in it stay behind."""
    (album := tmp_path / "album" / "CD 2").mkdir(parents=True)
    names = ["f1.wav", "f2.wav", "f3.wav"]
    for place, name in zip((album.parent, album, album), names, strict=True):
        make_wav(place / name)
    make_wav(album / ".hidden.wav")
    make_wav(tmp_path / "out.wav")
    (album / "link.wav").symlink_to(tmp_path / "out.wav")
    (album / "circle").symlink_to(album)
    os.mkfifo(album / "fifo.wav")
    (album.parent / "cover.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (linked := tmp_path / "linked").symlink_to(album.parent)
    outcome = await run(SCRIPT, "upload", "-r", linked, "--json", GATEWAY_URL=gateway)
    assert outcome.code == 1
    assert [json.loads(line)["name"] for line in outcome.out.splitlines()] == ["f2.wav", "f3.wav", "f1.wav"]
    assert outcome.lines == [f"{linked}/cover.jpg: Non-audio file detected", "3 uploaded, 1 refused, 4 left out"]
    make_wav(album.parent / "f4.wav")
    (album.parent / "cover.jpg").unlink()
    again = await run(SCRIPT, "upload", album.parent, "--skip-existing", GATEWAY_URL=gateway)
    assert (again.code, again.lines) == (0, ["1 uploaded, 3 skipped, 4 left out"])
    await run(SCRIPT, "delete", *names, "f4.wav", GATEWAY_URL=gateway)


@pytest.mark.slow
async def test_order_of_an_upload(gateway: str, run: Run, tmp_path: Path) -> None:
    """Folders and files go up in natural order: numbers by value, without case, accents and Unicode forms."""
    names = [
        "CD2/2 a.wav",
        "CD2/10 a.wav",
        "cd10/1 b.wav",
        "Cd11/1 c.wav",
        "Éclair 2.wav",
        "e\u0301clair 10.wav",
        "f.wav",
    ]
    for name in reversed(names):
        (tmp_path / "album" / name).parent.mkdir(parents=True, exist_ok=True)
        make_wav(tmp_path / "album" / name)
    outcome = await run(SCRIPT, "upload", "album", "--json", GATEWAY_URL=gateway)
    sent = [json.loads(line)["name"] for line in outcome.out.splitlines()]
    assert sent == [normalize("NFC", Path(name).name) for name in names]
    await run(SCRIPT, "delete", *sent, GATEWAY_URL=gateway)


def test_natural_order() -> None:
    """Numbers of any digits and length are sorted by value, and what is equal but for its form has one order."""
    names = ["", "007", "7", "8", "٩", "a", "A", "ä", "a1", "a01b", "a1c", "b" + "9" * 254, "я 2", "Я 10"]
    keys = [make_natural_key(name) for name in names]
    assert all(keys.count(key) == 1 for key in sorted(keys))
    assert sorted(["t10", "T9", "t1", os.fsdecode(b"\xff")], key=make_natural_key)[:3] == ["t1", "T9", "t10"]
    assert sorted(["Я 10", "я 9", "12", "٩"], key=make_natural_key) == ["٩", "12", "я 9", "Я 10"]


async def test_upload_of_one_name_twice(gateway: str, run: Run, tmp_path: Path) -> None:
    """Another file of a name that was just uploaded is no copy of it: it is refused in each run, never skipped."""
    for number in ("1", "2"):
        (tmp_path / "album" / number).mkdir(parents=True)
        make_wav(tmp_path / "album" / number / "track.wav", seconds=int(number))
    outcome = await run(SCRIPT, "upload", "--skip-existing", "album", GATEWAY_URL=gateway)
    assert outcome.code == 1
    assert outcome.lines == [
        "album/2/track.wav: it has the name of album/1/track.wav, which was just uploaded",
        "1 uploaded, 1 refused",
    ]
    again = await run(SCRIPT, "upload", "--skip-existing", "album", "album/1/track.wav", GATEWAY_URL=gateway)
    assert again.code == 1
    assert again.lines == [
        "album/2/track.wav: it has the name of album/1/track.wav, which was just skipped",
        "0 uploaded, 2 skipped, 1 refused",
    ]
    await run(SCRIPT, "delete", "track.wav", GATEWAY_URL=gateway)


@pytest.mark.slow
async def test_upload_of_odd_folders(gateway: str, run: Run, tmp_path: Path) -> None:
    """An empty folder is counted, and a name that comes up between the look and the upload is skipped."""
    (tmp_path / "empty").mkdir()
    outcome = await run(SCRIPT, "upload", "empty", GATEWAY_URL=gateway)
    assert (outcome.code, outcome.err) == (0, "0 uploaded\n")

    async def rival(call: Call) -> None:
        if call.method == "GET":
            await call.answer(404, {"type": "urn:gateway:problem:not-found"})
        else:
            await call.read_body()
            await call.answer(409, {"type": "urn:gateway:problem:name-taken"})

    make_wav(tmp_path / "empty" / "a.wav")
    async with serve_calls(rival) as url:
        outcome = await run(SCRIPT, "upload", "empty", "--skip-existing", GATEWAY_URL=url)
    assert (outcome.code, outcome.err) == (0, "0 uploaded, 1 skipped\n")


async def test_rename(gateway: str, run: Run, tmp_path: Path) -> None:
    """A file has its new name alone; a name that is taken, that cannot be or that is not text is refused."""
    sounds = [make_wav(tmp_path / name) for name in ("r1.wav", "r2.wav")]
    await run(SCRIPT, "upload", *sounds, GATEWAY_URL=gateway)
    taken = await run(SCRIPT, "rename", "r1.wav", "r2.wav", GATEWAY_URL=gateway)
    assert (taken.code, taken.lines) == (1, ["r1.wav: A file of this name already exists."])
    for name, words in (
        ("../r3.wav", "A file name must not be empty or begin with a dot."),
        (os.fsdecode(b"caf\xe9"), "the new name is not UTF-8"),
    ):
        assert (await run(SCRIPT, "rename", "r1.wav", name, GATEWAY_URL=gateway)).lines == [f"r1.wav: {words}"]
    done = await run(SCRIPT, "rename", "r1.wav", "日本 100%.wav", "--json", GATEWAY_URL=gateway)
    assert (done.code, done.err, json.loads(done.out)["name"]) == (0, "", "日本 100%.wav")
    gone = await run(SCRIPT, "rename", "r1.wav", "r3.wav", GATEWAY_URL=gateway)
    assert (gone.code, gone.lines) == (1, ["r1.wav: There is no audio file of this name."])
    await run(SCRIPT, "delete", "r2.wav", "日本 100%.wav", GATEWAY_URL=gateway)


async def test_gateway_refuses_large_file_early(gateway: str, run: Run, tmp_path: Path) -> None:
    """A refusal on the first bytes of a large file reaches the user, not a broken pipe."""
    large = make_file(tmp_path / "zeros.mp3", 256 * 1024 * 1024)
    outcome = await run(SCRIPT, "upload", large, GATEWAY_URL=gateway)
    assert outcome.code == 1
    assert outcome.lines[0].startswith(f"{large}: Non-audio file detected")


@pytest.mark.slow
async def test_gateway_knows_no_such_file(gateway: str, run: Run) -> None:
    """Downloading and deleting what is not there is refused by name."""
    for verb in ("download", "delete"):
        outcome = await run(SCRIPT, verb, "missing.mp3", GATEWAY_URL=gateway)
        assert (outcome.code, len(outcome.lines)) == (1, 1)
        assert outcome.err.startswith("missing.mp3: ")


# --- Uploads ------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_final_slash(gateway: str, run: Run, tmp_path: Path) -> None:
    """A slash behind a name makes it another name: nothing is uploaded, downloaded or deleted by it."""
    sound = make_wav(tmp_path / "slash.wav")
    assert (await run(SCRIPT, "upload", f"{sound}/", GATEWAY_URL=gateway)).code == 1
    assert (await run(SCRIPT, "upload", sound, GATEWAY_URL=gateway)).code == 0
    for command in ("download", "delete"):
        outcome = await run(SCRIPT, command, "slash.wav/", GATEWAY_URL=gateway)
        assert (outcome.code, outcome.lines[0].partition(":")[0]) == (1, "slash.wav/")
    assert "slash.wav" in (await run(SCRIPT, "list", GATEWAY_URL=gateway)).out.splitlines()


async def test_upload_sends_exact_length(run: Run, tmp_path: Path) -> None:
    """The body is the file, byte by byte, under its declared length and its quoted name."""
    seen: list[Call] = []
    bodies: list[bytes] = []

    async def handler(call: Call) -> None:
        seen.append(call)
        bodies.append(await call.read_body())
        await call.answer(201, {"name": "x"})

    content = os.urandom(700_000)
    sound = tmp_path / "a b?#%2F日.mp3"
    sound.write_bytes(content)
    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "--server", url, "--token", "sésame", "upload", sound)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert bodies == [content]
    assert (seen[0].method, seen[0].path) == ("PUT", "/api/v1/audio/a%20b%3F%23%252F%E6%97%A5.mp3")
    assert seen[0].headers["content-length"] == "700000"
    assert seen[0].headers["authorization"].startswith("Bearer s")


async def test_early_answer_stops_the_upload(run: Run, tmp_path: Path) -> None:
    """A server that answers on the first bytes is understood at once: the rest is not sent, and the upload removed."""
    large = make_file(tmp_path / "large.mp3", 512 * 1024 * 1024)
    calls: list[str] = []
    taken_bytes = 0

    async def handler(call: Call) -> None:
        nonlocal taken_bytes
        taken_bytes += len(await call.reader.read(65536))
        await call.answer(415, PROBLEM, "Connection: close")
        while chunk := await call.reader.read(1 << 20):
            taken_bytes += len(chunk)

    async with serve_calls(after_creation(handler, calls)) as url:
        outcome = await run(SCRIPT, "upload", large, GATEWAY_URL=url)
    assert (outcome.code, outcome.lines) == (1, [f"{large}: Non-audio file detected"])
    assert taken_bytes < 64 * 1024 * 1024
    assert calls == ["POST", "PATCH", "DELETE"]


@pytest.mark.parametrize("size_bytes", first_fast([16 * MIB, 64 * MIB]), ids=["put", "tus"])
async def test_early_answer_before_a_reset(run: Run, tmp_path: Path, size_bytes: int) -> None:
    """The words of a server that answers, reads nothing more and resets are still shown."""
    large = make_file(tmp_path / "large.mp3", size_bytes)

    async def handler(call: Call) -> None:
        await call.answer(415, PROBLEM, "Connection: close")
        await asyncio.sleep(0.2)
        call.reset()

    async with serve_calls(handler if size_bytes == 16 * MIB else after_creation(handler)) as url:
        outcome = await run(SCRIPT, "upload", large, GATEWAY_URL=url)
    assert (outcome.code, outcome.lines) == (1, [f"{large}: Non-audio file detected"])


@pytest.mark.slow
async def test_hostile_files_get_one_line_each(run: Run, tmp_path: Path) -> None:
    """What is no regular file is refused here, without asking the server; the good one still goes up."""
    os.mkfifo(tmp_path / "fifo.mp3")
    good = make_file(tmp_path / "good.mp3", 10)
    latin = tmp_path / os.fsdecode(b"caf\xe9.mp3")
    latin.write_bytes(b"x")
    loop = tmp_path / "loop.mp3"
    loop.symlink_to(loop)
    calls: list[str] = []

    async def handler(call: Call) -> None:
        calls.append(call.path)
        await store(call)

    bad = [tmp_path / "fifo.mp3", "/dev/zero", tmp_path / "gone\x1b[31m.mp3", latin, loop, ""]
    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "upload", *bad, good, GATEWAY_URL=url)
    assert (outcome.code, outcome.out) == (1, "")
    reasons = [
        "not a regular file",
        "not a regular file",
        "No such file",
        "its name is not UTF-8",
    ]
    assert outcome.lines[len(bad) :] == ["1 uploaded, 6 refused"]
    assert [why in line for why, line in zip(reasons, outcome.lines, strict=False)] == [True] * len(reasons)
    assert "\x1b" not in outcome.err
    assert calls == ["/api/v1/audio/good.mp3"]


@pytest.mark.parametrize("change", first_fast([lambda file: file.truncate(1000), lambda file: file.write(b"more")]))
@pytest.mark.parametrize("size_bytes", [16 * MIB, 64 * MIB], ids=["put", "tus"])
async def test_file_that_changes_during_upload(change: Any, size_bytes: int, run: Run, tmp_path: Path) -> None:
    """A file that grows or shrinks while it is sent is broken off before its end, in one clear line."""
    path = make_file(tmp_path / "live.mp3", size_bytes)
    whole = False

    async def handler(call: Call) -> None:
        nonlocal whole
        await call.reader.read(65536)
        with path.open("ab") as file:
            change(file)
        rest = await call.reader.read(-1)
        whole = len(rest) >= size_bytes - MIB
        await call.answer(201, {})

    async with serve_calls(handler if size_bytes == 16 * MIB else after_creation(handler)) as url:
        outcome = await run(SCRIPT, "upload", path, GATEWAY_URL=url)
    assert (outcome.code, outcome.lines) == (1, [f"{path}: the file changed while it was being read"])
    assert not whole


@pytest.mark.slow
async def test_upload_memory_stays_flat(start: Start, tmp_path: Path) -> None:
    """A file of 300 MB costs no more memory than one of a byte."""
    peaks = []

    async def handler(call: Call) -> None:
        left = int(call.headers["content-length"])
        while left:
            left -= len(await call.reader.read(1 << 20))
        await call.answer(201, {}, f"Upload-Offset: {300 * MIB}")

    async with serve_calls(lambda call: (handler if call.method == "PUT" else after_creation(handler))(call)) as url:
        for size_bytes in (1, 300 * MIB):
            path = make_file(tmp_path / f"{size_bytes}.mp3", size_bytes)
            process = await start(SCRIPT, "upload", path, GATEWAY_URL=url)
            peak_kib = await follow_peak(process)
            assert process.returncode == 0
            peaks.append(peak_kib)
    assert peaks[1] - peaks[0] < 16 * 1024


# --- Large files --------------------------------------------------------------------------------------------


def make_large_wav(path: Path, size_bytes: int) -> Path:
    """A wav that takes no space."""
    path.write_bytes(make_wave(size_bytes)[:1000])
    os.truncate(path, size_bytes)
    return path


@pytest.mark.slow
async def test_large_upload_over_a_bad_road(gateway: str, run: Run, tmp_path: Path) -> None:
    """A connection that is reset three times costs no more than what was under way: the bytes are sent once."""
    sound = make_large_wav(tmp_path / "日本 large.wav", 24 * MIB)
    async with relaying(int(gateway.rpartition(":")[2]), 3 * MIB, 5 * MIB, 1) as road:
        outcome = await run(SCRIPT, "upload", "--json", sound, GATEWAY_URL=road.url)
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)["size_bytes"] == 24 * MIB
    assert road.cuts == []
    assert road.sent_bytes < 25 * MIB
    before = sound.read_bytes()
    sound.unlink()
    assert (await run(SCRIPT, "download", sound.name, GATEWAY_URL=gateway)).code == 0
    assert sound.read_bytes() == before
    await run(SCRIPT, "delete", sound.name, GATEWAY_URL=gateway)


@pytest.mark.slow
async def test_large_upload_over_a_restart(start: Start, tmp_path: Path) -> None:
    """kill -9 of the gateway in the middle and a start 2 s later: the upload goes on and ends whole."""
    sound = make_large_wav(tmp_path / "large.wav", 400 * MIB)
    with running(tmp_path) as served:
        process = await start(SCRIPT, "upload", sound, GATEWAY_URL=served.url)
        folder = tmp_path / "data" / "audio"
        await wait_until(lambda: any(path.stat().st_size > 5 * MIB for path in folder.glob(".resumable-*")))
        served.kill()
        await asyncio.sleep(2)
        await anyio.to_thread.run_sync(served.start)
        (partial,) = (path for path in folder.glob(".resumable-*") if not path.suffix)
        begun = partial.stat().st_ino
        outcome = await finish(process)
        assert (outcome.code, outcome.err) == (0, "")
        assert (folder / "large.wav").stat().st_ino == begun
        assert (folder / "large.wav").stat().st_size == 400 * MIB


@pytest.mark.slow
async def test_large_upload_is_refused(gateway: str, run: Run, tmp_path: Path) -> None:
    """A name that is taken is known before a byte is sent; what is no audio, on the first bytes."""
    taken = make_wav(tmp_path / "taken.wav")
    await run(SCRIPT, "upload", taken, GATEWAY_URL=gateway)
    make_large_wav(taken, 64 * MIB)
    zeros = make_file(tmp_path / "zeros.wav", 64 * MIB)
    async with relaying(int(gateway.rpartition(":")[2])) as road:
        outcome = await run(SCRIPT, "upload", taken, GATEWAY_URL=road.url)
        assert (outcome.code, outcome.lines) == (1, [f"{taken}: A file of this name already exists."])
        assert road.sent_bytes < MIB
        outcome = await run(SCRIPT, "upload", zeros, GATEWAY_URL=road.url)
        assert (outcome.code, outcome.lines) == (1, [f"{zeros}: Non-audio file detected"])
    await run(SCRIPT, "delete", "taken.wav", GATEWAY_URL=gateway)


def tells(offset: str, status: int = 204) -> Handler:
    """A server that reads a PATCH and says that this is where it is."""

    async def handler(call: Call) -> None:
        await call.read_body()
        await call.send(b"HTTP/1.1 %d X\r\nUpload-Offset: %b\r\nContent-Length: 0\r\n\r\n" % (status, offset.encode()))

    return handler


STUBBORN: dict[str, tuple[Handler, str]] = {
    "no progress": (tells("0"), "takes nothing of the file"),
    "too far": (tells(str(10**9)), "nowhere"),
    "negative": (tells("-1"), "nowhere"),
    "no number": (tells("x"), "nowhere"),
    "locked": (tells("0", 423), "answered 423"),
    "failing": (tells("0", 500), "answered 500"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUBBORN)
async def test_large_upload_gives_up(name: str, run: Run, tmp_path: Path) -> None:
    """A server that makes no progress is asked again for as long as silence is borne, and then given up in a line."""
    handler, words = STUBBORN[name]
    path = make_file(tmp_path / "a.mp3", 17 * MIB)
    calls: list[str] = []
    async with serve_calls(after_creation(handler, calls)) as url:
        outcome = await run(SCRIPT, "upload", path, "--timeout", "1", GATEWAY_URL=url)
    assert (outcome.code, len(outcome.lines)) == (1 if name == "locked" else 3, 1)
    assert words in outcome.err
    assert 2 <= calls.count("PATCH") <= 5
    assert calls[-1] == "DELETE"


@pytest.mark.slow
async def test_large_upload_goes_on_behind_an_answer_that_was_lost(run: Run, tmp_path: Path) -> None:
    """A server that has it all already is not sent it again."""
    path = make_file(tmp_path / "a.mp3", 17 * MIB)
    calls: list[str] = []

    async def handler(call: Call) -> None:
        calls.append(call.method)
        if call.method == "POST":
            await call.answer(201, {}, "Location: k")
        elif call.method == "PATCH":
            await call.read_body()
            call.reset()
        else:
            await call.send(b"HTTP/1.1 204 None\r\nUpload-Offset: %d\r\n\r\n" % (17 * MIB))

    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "upload", path, GATEWAY_URL=url)
    assert (outcome.code, outcome.err, calls) == (0, "", ["POST", "PATCH", "HEAD"])


# --- Servers that mean harm ---------------------------------------------------------------------------------


async def refuse_http(call: Call) -> None:
    """A peer of another protocol."""
    await call.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    call.writer.close()


async def close(call: Call) -> None:
    """A connection closed without a word."""
    call.writer.close()


async def fail_in_html(call: Call) -> None:
    """A failure that speaks to browsers."""
    await call.read_body()
    page = b"<html><h1>Oh no</h1>" + b"x" * 5000
    await call.send(b"HTTP/1.1 500 Internal\x1b[31m Error\r\nContent-Length: %d\r\n\r\n" % len(page) + page)


async def promise_too_much(call: Call) -> None:
    """A length that is never reached."""
    await call.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"files": [')
    call.writer.close()


async def drip(call: Call) -> None:
    """A list that comes a byte at a time."""
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await call.send(b"[")
        await asyncio.sleep(0.1)


HARM: dict[str, tuple[Handler, str]] = {
    "reset": (reset, "broke off: Connection reset by peer"),
    "html-500": (fail_in_html, "answered 500 Internal"),
    "html-200": (sends(b"<html>"), "is it a gateway?"),
    "not-http": (refuse_http, "broke off"),
    "close": (close, "broke off"),
    "lying-length": (promise_too_much, "broke off"),
    "endless": (never_end, "sent too much"),
    "drip": (drip, "gave no whole answer in 1 s"),
    "silent": (stay_silent, "gave no answer in 1 s"),
    "redirect": (sends(b"", b"302 Found"), "answered 302 Found"),
    "list": (sends(b"[1]"), "is it a gateway?"),
    "deep": (sends(b"[" * 200_000), "is it a gateway?"),
    "huge-number": (sends(b'{"files": [' + b"9" * 10_000 + b"]}"), "is it a gateway?"),
    "not-utf-8": (sends(b'{"files": "\xff"}'), "is it a gateway?"),
    "no-files": (sends(b'{"files": null}'), "is it a gateway?"),
    "files-of-numbers": (sends(b'{"files": [1]}'), "is it a gateway?"),
    "names-of-numbers": (sends(b'{"files": [{"name": 1}]}'), "is it a gateway?"),
}


@pytest.mark.parametrize("name", first_fast(HARM, 3))
async def test_list_survives_hostile_server(name: str, run: Run) -> None:
    """Whatever a server does, `list` ends in one clear line and exit code 3."""
    handler, words = HARM[name]
    async with serve_calls(handler) as url:
        timeout = "9" if name == "endless" else "1"
        outcome = await run(SCRIPT, "list", "--timeout", timeout, GATEWAY_URL=url)
    assert (outcome.code, outcome.out, len(outcome.lines)) == (3, "", 1)
    assert words in outcome.err
    assert outcome.err.startswith("screwdriver.py: ")
    assert "\x1b" not in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["not-http", "reset", "close", "html-500", "html-200", "silent", "redirect"])
@pytest.mark.parametrize("size_bytes", [3, 40_000_000])
async def test_upload_survives_hostile_server(name: str, size_bytes: int, run: Run, tmp_path: Path) -> None:
    """An upload to such a server ends in one line that names the file, and the next file is tried."""
    handler, words = HARM[name]
    files = [make_file(tmp_path / f"{number}.mp3", size_bytes) for number in range(2)]
    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "upload", *files, "--timeout", "1", GATEWAY_URL=url)
    assert (outcome.code, len(outcome.lines), outcome.lines[-1]) == (3, 3, "0 uploaded, 2 failed")
    assert all(line.startswith(f"{file}: ") for line, file in zip(outcome.lines[:-1], files, strict=True))
    if name not in ("reset", "close", "silent"):  # those have more than one way to be noticed while sending
        assert words in outcome.err


async def test_unauthorized_is_told_in_the_servers_words(run: Run) -> None:
    """A problem's detail is shown, its control characters escaped, and the exit code is 1."""

    async def handler(call: Call) -> None:
        await call.answer(401, {"detail": "Say the word\x1b[2J.\nPlease."}, "WWW-Authenticate: Basic")

    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "list", GATEWAY_URL=url)
    assert (outcome.code, outcome.err) == (1, "screwdriver.py: Say the word\\x1b[2J.\\nPlease.\n")


# --- Listings and downloads ---------------------------------------------------------------------------------

HOSTILE_NAMES = [
    {"name": "a\nb.mp3", "size_bytes": 5, "duration_s": 3723.4, "content_type": "audio/mpeg"},
    {"name": "\x1b]0;x\x07\u202egpj.mp3", "size_bytes": -1, "duration_s": float("nan"), "content_type": "\x1b[1m"},
    {"name": "日本.mp3", "size_bytes": 10**30, "duration_s": "x", "content_type": None},
    {"name": "\ud800.mp3", "size_bytes": 123456},
]


@pytest.mark.slow
async def test_list_escapes_names(run: Run) -> None:
    """A name never breaks a line or speaks to the terminal; plain ones are printed as they are."""
    async with serve_calls(listing(HOSTILE_NAMES)) as url:
        outcome = await run(SCRIPT, "list", GATEWAY_URL=url)
        long = await run(SCRIPT, "list", "-l", GATEWAY_URL=url)
        lines = await run(SCRIPT, "list", "--json", GATEWAY_URL=url)
        ascii_only = await run(SCRIPT, "list", GATEWAY_URL=url, PYTHONIOENCODING="ascii")
    names = ["a\\nb.mp3", "\\x1b]0;x\\x07\\u202egpj.mp3", "日本.mp3", "\\ud800.mp3"]
    assert outcome.out.splitlines() == names
    assert long.out.splitlines() == [
        f"     5  1:02:03  audio/mpeg  {names[0]}",
        f"     -        -  \\x1b[1m     {names[1]}",
        f"     -        -  -           {names[2]}",
        f"123456        -  -           {names[3]}",
    ]
    assert [json.loads(line)["name"] for line in lines.out.splitlines()] == [file["name"] for file in HOSTILE_NAMES]
    assert "\\u65e5\\u672c.mp3" in ascii_only.out
    assert [outcome.err, long.err, lines.err, ascii_only.err] == [""] * 4


@pytest.mark.slow
async def test_empty_library(run: Run) -> None:
    """An empty library is nothing on stdout and exit code 0."""
    async with serve_calls(listing([])) as url:
        for arguments in (["list"], ["list", "-l"], ["list", "--json"]):
            outcome = await run(SCRIPT, *arguments, GATEWAY_URL=url)
            assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


async def test_download_stays_in_the_folder(run: Run, tmp_path: Path) -> None:
    """A name that leads elsewhere, or hides, is refused without asking the server."""
    calls: list[str] = []

    async def handler(call: Call) -> None:
        calls.append(call.path)
        await call.answer(200, {})

    async with serve_calls(handler) as url:
        names = ["../up.mp3", "/tmp/x.mp3", "a/b.mp3", "..", ".", "", ".bashrc", "a\nb", b"\xff.mp3"]
        outcome = await run(SCRIPT, "download", "--force", *names, GATEWAY_URL=url)
    assert (outcome.code, len(outcome.lines)) == (1, len(names))
    assert all(line.endswith(": not a plain file name") for line in outcome.lines)
    assert calls == []
    assert names_in(tmp_path) == []


async def test_download_never_overwrites(run: Run, tmp_path: Path) -> None:
    """A file that is here stays as it is, unless --force is given."""
    (tmp_path / "x.mp3").write_text("mine")
    async with serve_calls(sends(b"theirs")) as url:
        outcome = await run(SCRIPT, "download", "x.mp3", GATEWAY_URL=url)
        assert (outcome.code, (tmp_path / "x.mp3").read_text()) == (1, "mine")
        assert outcome.err == "x.mp3: a file of this name is here already (--force replaces it)\n"
        forced = await run(SCRIPT, "download", "--force", "x.mp3", GATEWAY_URL=url)
        assert (forced.code, (tmp_path / "x.mp3").read_text()) == (0, "theirs")
    assert names_in(tmp_path) == ["x.mp3"]


async def test_download_race_never_overwrites(run: Run, tmp_path: Path) -> None:
    """A file that comes up while the download runs is not replaced either."""

    async def handler(call: Call) -> None:
        (tmp_path / "x.mp3").write_text("mine")
        await sends(b"theirs")(call)

    async with serve_calls(handler) as url:
        outcome = await run(SCRIPT, "download", "x.mp3", GATEWAY_URL=url)
    assert (outcome.code, outcome.err) == (1, "x.mp3: File exists\n")
    assert (tmp_path / "x.mp3").read_text() == "mine"
    assert names_in(tmp_path) == ["x.mp3"]


@pytest.mark.slow
async def test_download_goes_where_it_is_told(run: Run, tmp_path: Path) -> None:
    """-o names a folder, a file, or stdout; a second file needs a folder."""
    (tmp_path / "folder").mkdir()
    async with serve_calls(sends(b"theirs")) as url:
        for arguments in (["x.mp3", "y.mp3", "-o", "folder"], ["x.mp3", "-o", "z.mp3"]):
            outcome = await run(SCRIPT, "download", *arguments, GATEWAY_URL=url)
            assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
        assert names_in(tmp_path / "folder") == ["x.mp3", "y.mp3"]
        assert (tmp_path / "z.mp3").read_text() == "theirs"
        outcome = await run(SCRIPT, "download", "x.mp3", "-o", "-", GATEWAY_URL=url)
        assert (outcome.code, outcome.out, outcome.err) == (0, "theirs", "")
        outcome = await run(SCRIPT, "download", "x.mp3", "-o", "no/such", GATEWAY_URL=url)
        assert (outcome.code, outcome.err) == (1, "x.mp3: No such file or directory\n")
        outcome = await run(SCRIPT, "download", "x.mp3", "y.mp3", "-o", "new", GATEWAY_URL=url)
        assert outcome.code == 2
    assert names_in(tmp_path) == ["folder", "z.mp3"]


async def test_broken_download_leaves_nothing(run: Run, tmp_path: Path) -> None:
    """A download that breaks off leaves no file, whole or partial."""
    async with serve_calls(promise_too_much) as url:
        outcome = await run(SCRIPT, "download", "x.mp3", GATEWAY_URL=url)
    assert (outcome.code, len(outcome.lines)) == (3, 1)
    assert names_in(tmp_path) == []


# --- Pipes, terminals, signals, usage -----------------------------------------------------------------------


@pytest.mark.slow
async def test_closed_pipe_is_quiet(start: Start) -> None:
    """A reader that leaves early is no error."""
    files = [{"name": f"{number:06d}.mp3"} for number in range(100_000)]
    async with serve_calls(listing(files)) as url:
        process = await start(SCRIPT, "list", GATEWAY_URL=url)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"000000.mp3\n"
        process.stdout._transport.close()  # type: ignore[attr-defined]
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 0


async def test_interrupt_exits_130(start: Start, tmp_path: Path) -> None:
    """Ctrl-C in the middle of an upload is quiet and exits 130."""
    begun = anyio.Event()

    async def handler(call: Call) -> None:
        await call.reader.read(65536)
        begun.set()
        await asyncio.sleep(3600)

    async with serve_calls(after_creation(handler)) as url:
        process = await start(SCRIPT, "upload", make_file(tmp_path / "a.mp3", 1 << 30), GATEWAY_URL=url)
        await begun.wait()
        process.send_signal(signal.SIGINT)
        outcome = await finish(process)
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


@pytest.mark.slow
async def test_progress_on_a_terminal_only(tmp_path: Path) -> None:
    """A terminal sees a bar with the file's escaped name, without colour under NO_COLOR; a pipe sees nothing."""
    path = make_file(tmp_path / "a[red]\x1b[2Jb.mp3", 3_000_000)
    command: list[str | Path] = [ROOT / SCRIPT, "upload", "--json", path]
    async with serve_calls(store) as url:
        code, out, seen = await anyio.to_thread.run_sync(lambda: run_on_terminal(command, tmp_path, GATEWAY_URL=url))
        plain = await anyio.to_thread.run_sync(
            lambda: run_on_terminal(command, tmp_path, GATEWAY_URL=url, NO_COLOR="1")
        )
    assert code == 0
    assert json.loads(out)["size_bytes"] == 3_000_000
    assert b"a[red]\\x1b[2Jb.mp3" in seen
    assert b"3.0/3.0 MB" in seen
    assert FULL in seen
    assert b"\x1b[3" in seen
    assert b"\x1b[3" not in plain[2]
    assert b"\x1b[2J" not in seen


@pytest.mark.slow
async def test_no_full_bar_for_a_refusal(tmp_path: Path) -> None:
    """A file that is refused when all of it has been sent leaves no bar that says it was taken."""

    async def refuse(call: Call) -> None:
        await call.read_body()
        await call.answer(415, PROBLEM)

    path = make_file(tmp_path / "a.mp3", 3_000_000)
    command: list[str | Path] = [ROOT / SCRIPT, "upload", path]
    async with serve_calls(refuse) as url:
        code, _, seen = await anyio.to_thread.run_sync(lambda: run_on_terminal(command, tmp_path, GATEWAY_URL=url))
    assert code == 1
    assert b"/3.0 MB" in seen
    assert FULL not in seen
    assert seen.rstrip().endswith(b"Non-audio file detected")


@pytest.mark.slow
async def test_options_stand_before_or_after_the_command(run: Run) -> None:
    """`--server URL list` and `list --server URL` are the same, and both beat the environment."""
    async with serve_calls(listing([{"name": "a.mp3"}])) as url:
        for arguments in (["--server", url, "list"], ["list", "--server", url]):
            assert (await run(SCRIPT, *arguments, GATEWAY_URL="http://127.0.0.1:1")).out == "a.mp3\n"


async def test_proxy_is_not_asked_for_loopback(run: Run) -> None:
    """A proxy for the outside world does not stand between this machine and itself."""
    async with serve_calls(listing([{"name": "a.mp3"}])) as url:
        outcome = await run(SCRIPT, "list", GATEWAY_URL=url, HTTP_PROXY="http://127.0.0.1:1", http_proxy="no such")
    assert (outcome.code, outcome.out) == (0, "a.mp3\n")
