"""Resumable uploads by the two clients that people use, over roads that break and gateways that are killed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError, TusUploadFailed

from tests.audio.formats.corpus import HTML, make_wave
from tests.processes import Gateway, running
from tests.programs import install_npm
from tests.relay import relaying
from tests.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
API = "/api/v1/uploads/"
MIB = 1024 * 1024
WAVE = make_wave(8 * MIB, seed=os.urandom(100_003))
SOURCE = Path(__file__).parent / "tus_js"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway as a process."""
    with running(tmp_path) as gateway:
        yield gateway


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """An audio file of 8 MiB."""
    path = tmp_path / "sound.wav"
    path.write_bytes(WAVE)
    return path


@pytest.fixture(scope="session")
def tus_js(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which npm installed tus-js-client; where it cannot, the test is skipped, but not in CI."""
    return install_npm(SOURCE, tmp_path_factory.mktemp("tus_js"))


def read_stored(gateway: Gateway, name: str = "sound.wav") -> bytes:
    """What the library serves under a name."""
    return httpx.get(f"{gateway.url}/audio/{name}", trust_env=False).raise_for_status().content


@contextmanager
def open_uploader(server: str, sound: Path, **options: Any) -> Iterator[Any]:
    """tuspy, sending a MiB at a time."""
    with sound.open("rb") as stream:
        metadata = {"filename": sound.name}
        yield TusClient(server + API).uploader(file_stream=stream, chunk_size=MIB, metadata=metadata, **options)


@pytest.mark.parametrize("checksum", [True, False])
async def test_tuspy(served: Gateway, sound: Path, checksum: bool) -> None:  # noqa: FBT001
    """tuspy sends a file in pieces, with and without checksums, which the server ignores."""
    with open_uploader(served.url, sound, upload_checksum=checksum) as uploader:
        await anyio.to_thread.run_sync(uploader.upload)
    assert read_stored(served) == WAVE


async def test_tuspy_after_a_kill(served: Gateway, sound: Path) -> None:
    """tuspy, itself started anew after kill -9 of the gateway, goes on where it was."""
    with open_uploader(served.url, sound) as uploader:
        await anyio.to_thread.run_sync(uploader.upload, 3 * MIB)
    served.kill()
    served.start()
    with open_uploader(served.url, sound, url=uploader.url) as again:
        assert again.offset == 3 * MIB
        await anyio.to_thread.run_sync(again.upload)
    assert read_stored(served) == WAVE


async def test_tuspy_is_refused(served: Gateway, sound: Path, tmp_path: Path) -> None:
    """tuspy is told what is no audio, and which name is taken."""
    (tmp_path / "page.mp3").write_bytes(HTML)
    with open_uploader(served.url, tmp_path / "page.mp3") as uploader, pytest.raises(TusUploadFailed) as refused:
        await anyio.to_thread.run_sync(uploader.upload)
    assert refused.value.status_code == 415
    (served.folder / "data" / "audio" / "sound.wav").write_bytes(make_wave(1000))
    with open_uploader(served.url, sound) as uploader, pytest.raises(TusCommunicationError) as taken:
        await anyio.to_thread.run_sync(uploader.upload)
    assert taken.value.status_code == 409


async def run_js(folder: Path, url: str, sound: Path, **options: Any) -> dict[str, Any]:
    """What tus-js-client says of an upload."""
    command = ["node", "upload.cjs", url + API, str(sound), sound.name, json.dumps(options)]
    done = await anyio.run_process(command, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(
    "options",
    [{}, {"chunkSize": 3_000_000}, {"uploadDataDuringCreation": True}],
    ids=["whole", "pieces", "creation-with-upload"],
)
async def test_tus_js(served: Gateway, sound: Path, tus_js: Path, options: dict[str, Any]) -> None:
    """tus-js-client sends a file whole, in pieces, and with its creation."""
    said = await run_js(tus_js, served.url, sound, **options)
    assert "error" not in said
    assert read_stored(served) == WAVE


async def test_tus_js_over_a_bad_road(served: Gateway, sound: Path, tus_js: Path) -> None:
    """A connection that is reset three times costs no more than what was under way: the bytes are sent once."""
    async with relaying(served.port, 2 * MIB, 2 * MIB, MIB) as road:
        said = await run_js(tus_js, road.url, sound, retryDelays=[300, 300, 300, 300])
    assert "error" not in said
    assert said["requests"].count("HEAD") == 3
    assert road.cuts == []
    assert road.sent_bytes < len(WAVE) + MIB  # heads, and what stood in buffers
    assert read_stored(served) == WAVE


async def test_tus_js_after_a_kill(served: Gateway, sound: Path, tus_js: Path) -> None:
    """kill -9 of the gateway in the middle of an upload, and a start 2 s later: it goes on and ends whole."""
    said: dict[str, Any] = {}

    async def upload() -> None:
        said.update(await run_js(tus_js, served.url, sound, chunkSize=200_000))

    folder = served.folder / "data" / "audio"
    async with anyio.create_task_group() as group:
        group.start_soon(upload)
        await wait_until(lambda: any(path.stat().st_size > MIB for path in folder.glob(".resumable-*")))
        served.kill()
        await anyio.sleep(2)
        assert not said
        await anyio.to_thread.run_sync(served.start)
    assert "error" not in said
    assert said["requests"].count("POST") == 1
    assert "HEAD" in said["requests"]
    assert read_stored(served) == WAVE


async def test_tus_js_is_refused(served: Gateway, tus_js: Path, tmp_path: Path) -> None:
    """tus-js-client is told what is no audio at once, and does not try again."""
    page = tmp_path / "page.mp3"
    page.write_bytes(HTML)
    said = await run_js(tus_js, served.url, page)
    assert (said["status"], said["requests"]) == (415, ["POST", "PATCH"])
    assert json.loads(said["body"])["detail"] == "Non-audio file detected"


async def test_tus_js_in_parallel(served: Gateway, sound: Path, tus_js: Path) -> None:
    """tus-js-client that would send the parts of a file as uploads of their own is refused, and no part is a file."""
    whole, part = {"parallelUploads": 2, "uploadSize": None}, {"filename": "part.wav"}
    said = await run_js(tus_js, served.url, sound, **whole, metadataForPartialUploads=part)
    assert (said["status"], json.loads(said["body"])["field"]) == (400, "Upload-Concat")
    assert list((served.folder / "data" / "audio").iterdir()) == []
