"""Uploads under kill -9, cut and stalled connections, a full disk and rivals: whole or not at all, and nothing left."""

import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute

from tests.audio.formats.corpus import make_wave
from tests.disks import mounting
from tests.processes import Gateway, running
from tests.programs import need
from tests.trials.conftest import ROOM, Trial
from tests.trials.doors import AUDIO, DOORS, TUS, Resumed, list_hidden, list_visible, make_sound, send_form, send_raw

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(120)]
MB = 1_000_000


async def note(statuses: dict[Any, int], key: object, sending: Awaitable[int]) -> None:
    """Keep the status of one of several uploads at once."""
    statuses[key] = await sending


@pytest.mark.timeout(900)
async def test_kill_during_uploads(trial: Trial, tmp_path: Path) -> None:
    """kill -9 while a form, a PUT and a tus upload of 8 MB are on their way: no partial file is seen, none that was
    acknowledged is lost, the tus upload goes on where it was, and nothing is left over but a tus upload that its client
    was not told of in time: it might have been, so it has its time to go on."""
    gateway, rng, folder = Gateway(tmp_path), random.Random(0), tmp_path / "data" / "audio"
    acknowledged = resumed = untold = 0
    async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
        for number in trial.run(full=60, short=3):
            sounds = {f"{door}.wav": make_sound(8 * MB, 3 * number + index) for index, door in enumerate(DOORS)}
            upload = Resumed(client, "tus.wav", sounds["tus.wav"])
            statuses: dict[str, int] = {}

            await anyio.to_thread.run_sync(gateway.start, "/healthz")
            async with anyio.create_task_group() as group:
                for name, sending in (
                    ("form.wav", send_form(client, "form.wav", sounds["form.wav"], random.Random(number))),
                    ("raw.wav", send_raw(client, "raw.wav", sounds["raw.wav"], random.Random(number))),
                    ("tus.wav", upload.send(random.Random(number))),
                ):
                    group.start_soon(note, statuses, name, sending)
                await anyio.sleep(rng.uniform(0, 0.7))
                gateway.kill()
            for name in list_visible(folder):
                trial.check((folder / name).read_bytes() == sounds[name], f"{number}: {name} is not whole")
            await anyio.to_thread.run_sync(gateway.start, "/healthz")
            for name, status in statuses.items():
                trial.check(status in (0, 201), f"{number}: {name} was answered {status}")
                lost = status == 201 and (await client.get(f"/audio/{name}")).content != sounds[name]
                trial.check(not lost, f"{number}: {name} was acknowledged and is lost")
                acknowledged += status == 201
            if upload.url:
                offset = await upload.ask_offset()
                trial.check(offset is not None and offset >= upload.told_bytes,
                            f"{number}: told {upload.told_bytes}, then {offset}")  # fmt: skip
                resumed += 0 < (offset or 0) < 8 * MB
                upload.told_bytes = offset or 0
                trial.check(await upload.send(rng) == 201, f"{number}: the upload did not go on")
                whole = (await client.get("/audio/tus.wav")).content == sounds["tus.wav"]
                trial.check(whole, f"{number}: the upload went on and is not whole")
            left = list_hidden(folder)
            untold += (only_tus := not upload.url and len(left) == 1 and left[0].startswith(".resumable-"))
            trial.check(left == [] or only_tus, f"{number}: left over: {left}")
            gateway.kill()
            for path in folder.iterdir():
                path.unlink()
    trial.figures |= {"acknowledged": acknowledged, "gone on with": resumed, "not told of": untold}


async def test_cut_connections(trial: Trial, tmp_path: Path) -> None:
    """Connections that break off anywhere in an upload, by an end or by a reset, leave no file, no leftover and no
    descriptor."""
    rng = random.Random(1)
    folder = tmp_path / "data" / "audio"
    sound = make_sound(2 * MB, 0)
    with running(tmp_path) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
            upload = Resumed(client, "tus.wav", sound)
            await upload.create()
            descriptors = Path(f"/proc/{gateway.process.pid}/fd")
            before = len(list(descriptors.iterdir())) if descriptors.exists() else 0
            kept_bytes = 0
            for number in trial.run(full=200, short=40):
                way = ("form", "raw", "chunked", "tus")[number % 4]
                cut = rng.randrange(1, len(sound) // 4 if way == "tus" else len(sound))
                request, body = begin_upload(way, upload.url, kept_bytes, sound)
                await cut_upload(gateway.port, request, body[:cut], reset=number % 8 >= 4)
                offset = await upload.ask_offset()
                trial.check(offset is not None and offset >= kept_bytes, f"{number}: {offset} after {kept_bytes}")
                kept_bytes = offset or 0
                if kept_bytes > len(sound) // 2:
                    await client.delete(upload.url, headers=TUS)
                    await upload.create()
                    kept_bytes = 0
                trial.check(list_visible(folder) == [], f"{number}: {way} cut at {cut}: {list_visible(folder)}")
            await client.delete(upload.url, headers=TUS)
            with anyio.move_on_after(5):
                while os.listdir(folder) or (before and len(list(descriptors.iterdir())) > before):  # noqa: PTH208
                    await anyio.sleep(0.05)
            trial.check(list(folder.iterdir()) == [], f"left over: {list(folder.iterdir())}")
            more = len(list(descriptors.iterdir())) - before if before else 0
            trial.check(more <= 0, f"{more} descriptors more than before")


def begin_upload(way: str, url: str, offset: int, sound: bytes) -> tuple[str, bytes]:
    """The head of an upload of a sound, and its body."""
    size = len(sound)
    form = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="form.wav"\r\n\r\n' + sound
    tus = f"Tus-Resumable: 1.0.0\r\nUpload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
    first, headers, body = {
        "form": (f"POST {AUDIO}", f"{make_type('XX')}Content-Length: {size + 999}\r\n", form),
        "raw": (f"PUT {AUDIO}raw.wav", f"Content-Length: {size}\r\n", sound),
        "chunked": (f"PUT {AUDIO}chunked.wav", "Transfer-Encoding: chunked\r\n", b"%x\r\n" % size + sound),
        "tus": (f"PATCH {url}", f"{tus}Content-Length: {size - offset}\r\n", sound[offset:]),
    }[way]
    return f"{first} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n", body


def make_type(boundary: str) -> str:
    """The header line of a form."""
    return f"Content-Type: multipart/form-data; boundary={boundary}\r\n"


async def cut_upload(port: int, request: str, body: bytes, *, reset: bool) -> None:
    """Send the beginning of an upload, and go away."""
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        await stream.send(request.encode() + body)
        if reset:
            raw = stream.extra(SocketAttribute.raw_socket)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.timeout(180)
async def test_stalled_bodies(trial: Trial, tmp_path: Path) -> None:
    """Bodies that stand still are given up after the idle time, and cost an honest slow upload and the page nothing."""
    full = os.environ.get("TRIALS") == "full"
    idle_s, slow_s = (30, 90) if full else (2, 5)
    sound = make_sound(MB, 0)
    slowest_s, answers = 0.0, list[bytes]()

    async def stall(way: str, number: int) -> None:
        head = f"PUT {AUDIO}{number}.wav" if way == "raw" else f"POST {AUDIO}"
        headers = "" if way == "raw" else make_type("XX")
        async with await anyio.connect_tcp("127.0.0.1", gateway.port) as stream:
            request = f"{head} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: 1000000\r\n\r\n"
            await stream.send(request.encode() + (sound[:5000] if way == "raw" else b"--XX\r\n"))
            with anyio.move_on_after(idle_s + 10):
                answers.append((await stream.receive()).split(b"\r\n")[0])

    async def trickle(statuses: list[int]) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(sound), 10_000):
                yield sound[at : at + 10_000]
                await anyio.sleep(slow_s / 100)

        statuses.append((await client.put(f"{AUDIO}slow.wav", content=pieces())).status_code)

    with running(tmp_path, UPLOAD_IDLE_TIMEOUT=str(idle_s)) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=slow_s + 30, trust_env=False) as client:
            statuses: list[int] = []
            async with anyio.create_task_group() as group:
                group.start_soon(trickle, statuses)
                for number in trial.run(full=50, short=50):
                    group.start_soon(stall, ("raw", "form")[number % 2], number)
                while not statuses:
                    began = time.monotonic()
                    trial.check((await client.get(AUDIO)).status_code == 200, "the list was not given")
                    slowest_s = max(slowest_s, time.monotonic() - began)
                    await anyio.sleep(0.1)
            trial.check(statuses == [201], f"the honest upload was answered {statuses}")
            trial.check(list_visible(tmp_path / "data" / "audio") == ["slow.wav"], "a stalled body left a file")
            given_up = sum(b" 408 " in answer for answer in answers)
            trial.check(given_up == 50, f"{given_up} of 50 were given up with 408")
            trial.check(slowest_s < 2 * ROOM, f"the list took {slowest_s:.2f} s")
    trial.figures |= {"slow upload": f"{slow_s} s", "slowest list": f"{slowest_s * 1000:.0f} ms"}


async def test_full_disk(trial: Trial, tmp_path: Path) -> None:
    """On a disk of 8 MB a file that does not fit is 507 in words by every door; the page still works, and what fits
    goes in."""
    rng, sound = random.Random(2), tmp_path / "a.wav"
    need("curl")
    with (
        mounting(tmp_path / "small", "8m") as disk,
        running(tmp_path, until="/healthz", AUDIO_DIR=str(disk)) as gateway,  # so small a disk is never ready
    ):
        async with httpx.AsyncClient(base_url=gateway.url, timeout=30, trust_env=False) as client:
            await client.put(f"{AUDIO}first.wav", content=make_sound(MB, 0))
            for number in trial.run(full=40, short=8):
                door = ("form", "raw", "page", "tus")[number % 4]
                sound.write_bytes(make_sound(20 * MB, number))
                if door == "tus":
                    upload = Resumed(client, "a.wav", sound.read_bytes())
                    status = await upload.send(rng)
                    trial.check(0 < (await upload.ask_offset() or 0) < 8 * MB, f"{number}: the upload is away")
                    await client.delete(upload.url, headers=TUS)
                else:
                    where, how = {"form": (AUDIO, "-F"), "raw": (AUDIO + "a.wav", "-T"), "page": ("/", "-F")}[door]
                    what = f"file=@{sound}" if how == "-F" else str(sound)
                    curl = ["curl", "-s", "-w", "%{http_code}", how, what, gateway.url + where]
                    answer = (await anyio.run_process(curl, check=False)).stdout.decode()
                    status = int(answer[-3:])
                    trial.check("no space left" in answer, f"{number}: {door} says nothing")
                trial.check(status == 507, f"{number}: {door} was answered {status}")
                page = await client.get("/")
                trial.check(page.status_code == 200 and "first.wav" in page.text, f"{number}: the page is broken")
                trial.check([path.name for path in disk.iterdir()] == ["first.wav"], f"{number}: {door} left something")
                fits = await client.put(f"{AUDIO}b.wav", content=make_sound(5 * MB, number))
                trial.check(fits.status_code == 201, f"{number}: what fits was answered {fits.status_code}")
                await client.delete(f"{AUDIO}b.wav")


async def test_rivals_for_a_name(trial: Trial, tmp_path: Path) -> None:
    """Of eight clients that send one name at once, by all doors of two gateways on one folder, one wins: 201 for it,
    409 for the others, and the bytes are the winner's."""
    folder = tmp_path / "data" / "audio"
    wins = dict.fromkeys(DOORS, 0)
    with running(tmp_path) as first, running(tmp_path) as second:
        async with (
            httpx.AsyncClient(base_url=first.url, timeout=30, trust_env=False) as one,
            httpx.AsyncClient(base_url=second.url, timeout=30, trust_env=False) as two,
        ):
            for number in trial.run(full=60, short=6):
                name = f"{number}.wav"
                sounds = [make_wave(300_000, seed=bytes([rival]) * 4) for rival in range(8)]
                statuses: dict[int, int] = {}
                async with anyio.create_task_group() as group:
                    for rival in sorted(range(8), key=lambda rival: rival % 3 != 2):
                        data = sounds[rival]
                        door, client, rng = list(DOORS)[rival % 3], (one, two)[rival % 2], random.Random(rival)
                        if door == "tus":
                            upload = Resumed(client, name, data)
                            await upload.create()  # before the others: only the end can tell who wins
                            sending: Awaitable[int] = upload.send(rng)
                        else:
                            sending = DOORS[door](client, name, data, rng)
                        group.start_soon(note, statuses, rival, sending)
                trial.check(sorted(statuses.values()) == [201, *[409] * 7], f"{number}: {statuses}")
                winners = [rival for rival, status in statuses.items() if status == 201]
                if winners:
                    stored = (folder / name).read_bytes()
                    trial.check(stored == sounds[winners[0]], f"{number}: not the winner's bytes")
                    wins[list(DOORS)[winners[0] % 3]] += 1
            trial.check(list_hidden(folder) == [], f"left over: {list_hidden(folder)}")
    trial.figures |= {f"won by {door}": count for door, count in wins.items()}
