"""A folder without hard links: every way to upload works, one of several rivals wins, and a kill leaves nothing."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.audio.formats.corpus import make_wave
from tests.disks import mounting_exfat
from tests.processes import ROOT, Gateway, running
from tests.strace import injecting

pytestmark = pytest.mark.slow
AUDIO, UPLOADS = "/api/v1/audio/", "/api/v1/uploads/"
WAVE = make_wave(50_000)
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
NO_LINKS = "link,linkat:error=EPERM"
NO_FLAGS = "renameat2:error=EINVAL"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway as a process."""
    with running(tmp_path, until="/healthz") as gateway:
        yield gateway


def open_client(gateway: Gateway) -> httpx.Client:
    """A client of a gateway."""
    return httpx.Client(base_url=gateway.url, timeout=60, trust_env=False)


def begin(client: httpx.Client) -> str:
    """The URL of an upload called a.wav of which all but the last byte is there."""
    headers = TUS | {"Upload-Length": str(len(WAVE)), "Upload-Metadata": "filename YS53YXY="}
    return client.post(UPLOADS, headers=headers, content=WAVE[:-1]).headers["Location"]


def end(client: httpx.Client, url: str) -> int:
    """The status of its last byte."""
    headers = TUS | {"Upload-Offset": str(len(WAVE) - 1)}
    return client.patch(url, headers=headers, content=WAVE[-1:]).status_code


def upload_all(client: httpx.Client, folder: Path) -> None:
    """A file in each way, four rivals for one name, and nothing else in the folder afterwards."""
    url = begin(client)
    assert end(client, url) == 204
    assert client.head(url, headers=TUS).headers["Upload-Offset"] == str(len(WAVE))
    assert client.put(AUDIO + "put.wav", content=WAVE).status_code == 201
    assert client.put(AUDIO + "put.wav", content=WAVE).status_code == 409
    assert client.post(AUDIO, files={"file": ("post.wav", WAVE)}).status_code == 201
    assert client.post("/", files={"file": ("page.wav", WAVE)}).status_code == 303
    with ThreadPoolExecutor(4) as threads:
        waves = [make_wave(3_000_000 + 2 * number) for number in range(4)]
        rivals = threads.map(lambda wave: client.put(AUDIO + "rival.wav", content=wave), waves)
        statuses = {wave: answer.status_code for wave, answer in zip(waves, rivals, strict=True)}
    assert Counter(statuses.values()) == {201: 1, 409: 3}
    assert statuses[(folder / "rival.wav").read_bytes()] == 201
    names = ["a.wav", "page.wav", "post.wav", "put.wav", "rival.wav"]
    assert [file["name"] for file in client.get(AUDIO).json()["files"]] == names
    assert {(folder / name).read_bytes() for name in names[:-1]} == {WAVE}
    state = client.get("/readyz").json()
    assert state["audio"]["writable"] is True
    note = f".resumable-{url.rpartition('/')[2]}.json"
    assert sorted(path.name for path in folder.iterdir()) == [note, *names]


@pytest.mark.parametrize("faults", [[NO_LINKS], [NO_LINKS, NO_FLAGS]], ids=["renameat2", "placeholder"])
def test_uploads(gateway: Gateway, faults: list[str]) -> None:
    """Without link(2), and without RENAME_NOREPLACE too, every way to upload works."""
    folder = gateway.folder / "data" / "audio"
    with open_client(gateway) as client, injecting(gateway.process.pid, folder, *faults):
        upload_all(client, folder)


def test_exfat(tmp_path: Path) -> None:
    """On a real exFAT disk every way to upload works, and the command line downloads to it."""
    with (
        mounting_exfat(tmp_path / "data" / "audio") as folder,
        running(tmp_path) as gateway,
        open_client(gateway) as client,
    ):
        upload_all(client, folder)
        assert client.put(AUDIO + "PUT.wav", content=WAVE).status_code == 409  # upper and lower case are one there
        assert client.put(AUDIO + "a%3F.wav", content=WAVE).status_code == 422  # a name that exFAT does not have
        target = folder / ".downloads"
        target.mkdir()
        command: list[str | Path] = [sys.executable, ROOT / "screwdriver.py", "download", "a.wav", "-o", target]
        command += ["--server", gateway.url]
        assert [subprocess.run(command, check=False).returncode for _ in range(2)] == [0, 1]
        assert (target / "a.wav").read_bytes() == WAVE
        assert [path.name for path in target.iterdir()] == ["a.wav"]


def test_no_way(gateway: Gateway) -> None:
    """Where an upload would fail, /readyz says that nothing can be written."""
    folder = gateway.folder / "data" / "audio"
    faults = ["link,linkat,renameat,renameat2:error=EPERM"]
    with open_client(gateway) as client, injecting(gateway.process.pid, folder, *faults):
        assert client.put(AUDIO + "a.wav", content=WAVE).status_code == 503
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()["audio"]["writable"]) == (503, False)
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("call", ["renameat", "unlinkat"], ids=["before the rename", "after it"])
def test_kill(gateway: Gateway, call: str) -> None:
    """After a kill beside the rename no empty file is shown, the name is free, and a resumable upload goes on."""
    folder = gateway.folder / "data" / "audio"
    fatal = f"{call}:error=EIO:signal=KILL"
    with open_client(gateway) as client:
        url = begin(client)
        with injecting(gateway.process.pid, folder, NO_LINKS, NO_FLAGS, fatal), pytest.raises(httpx.TransportError):
            end(client, url)
    assert (folder / "a.wav").read_bytes() == (b"" if call == "renameat" else WAVE)
    gateway.kill()
    gateway.start()
    with open_client(gateway) as client:
        assert client.head(url, headers=TUS).headers["Upload-Offset"] == str(len(WAVE))
        assert client.get("/audio/a.wav").content == WAVE
        with injecting(gateway.process.pid, folder, NO_LINKS, NO_FLAGS, fatal), pytest.raises(httpx.TransportError):
            client.put(AUDIO + "b.wav", content=WAVE)
    gateway.kill()
    gateway.start()
    with open_client(gateway) as client:
        shown = [file["name"] for file in client.get(AUDIO).json()["files"]]
        assert shown == (["a.wav"] if call == "renameat" else ["a.wav", "b.wav"])
        assert client.put(AUDIO + "b.wav", content=WAVE).status_code == (201 if call == "renameat" else 409)
    assert sorted(path.name for path in folder.iterdir())[1:] == ["a.wav", "b.wav"]
