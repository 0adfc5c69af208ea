"""A disk that fails in the middle of a publication: what the client hears, and what is true afterwards."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.audio.formats.corpus import make_wave
from tests.processes import Gateway, running
from tests.strace import failing

pytestmark = pytest.mark.slow
AUDIO, UPLOADS = "/api/v1/audio/", "/api/v1/uploads/"
WAVE = make_wave(50_000)
TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway as a process."""
    with running(tmp_path_factory.mktemp("gateway"), until="/healthz") as gateway:
        yield gateway


@pytest.fixture
def pid(gateway: Gateway) -> int:
    """Its process."""
    return gateway.process.pid


@pytest.fixture
def folder(gateway: Gateway) -> Iterator[Path]:
    """Its folder, empty."""
    folder = gateway.folder / "data" / "audio"
    yield folder
    for path in folder.iterdir():
        path.unlink()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of it."""
    with httpx.Client(base_url=gateway.url, timeout=60, trust_env=False) as client:
        yield client


def list_names(client: httpx.Client) -> list[str]:
    """The names in the library."""
    return [file["name"] for file in client.get(AUDIO).json()["files"]]


def begin(client: httpx.Client, folder: Path) -> tuple[str, Path]:
    """The URL of an upload of which all but the last byte is there, and its hidden file."""
    headers = TUS | {"Upload-Length": str(len(WAVE)), "Upload-Metadata": "filename YS53YXY="}
    url = client.post(UPLOADS, headers=headers, content=WAVE[:-1]).headers["Location"]
    return url, folder / f".resumable-{url.rpartition('/')[2]}"


def end(client: httpx.Client, url: str) -> int:
    """The status of the last byte."""
    headers = TUS | {"Upload-Offset": str(len(WAVE) - 1)}
    return client.patch(url, headers=headers, content=WAVE[-1:]).status_code


def test_close(client: httpx.Client, folder: Path, pid: int) -> None:
    """A descriptor that cannot be closed behind the fsync is no failure: the file is there, and its client told so."""
    url, hidden = begin(client, folder)
    with failing(pid, "close", folder):
        assert client.put(AUDIO + "put.wav", content=WAVE).status_code == 201
        assert client.post(AUDIO, files={"file": ("post.wav", WAVE)}).status_code == 201
        assert client.post("/", files={"file": ("page.wav", WAVE)}).status_code == 303
        assert client.delete(AUDIO + "page.wav").status_code == 204
    with failing(pid, "close", hidden):
        assert end(client, url) == 204
    assert list_names(client) == ["a.wav", "post.wav", "put.wav"]
    assert {(folder / name).read_bytes() for name in list_names(client)} == {WAVE}


def test_names_not_confirmed(client: httpx.Client, folder: Path, pid: int) -> None:
    """A folder that cannot be synced publishes nothing: 503, no file of that name, and a resumable upload is gone."""
    url, _ = begin(client, folder)
    with failing(pid, "fsync", folder):
        assert client.put(AUDIO + "put.wav", content=WAVE).status_code == 503
        assert end(client, url) == 503
    assert list_names(client) == []
    assert client.head(url, headers=TUS).status_code == 404
    assert list(folder.iterdir()) == []
    assert client.put(AUDIO + "put.wav", content=WAVE).status_code == 201


@pytest.mark.parametrize("number", [1, 2, 3], ids=["when opened", "when kept", "when published"])
def test_bytes_not_confirmed(client: httpx.Client, folder: Path, pid: int, number: int) -> None:
    """An upload whose bytes the disk did not confirm is gone: a second fsync would confirm what was lost."""
    url, hidden = begin(client, folder)
    with failing(pid, "fsync", hidden, when=f"{number}"):
        assert end(client, url) == 503
    assert client.head(url, headers=TUS).status_code == 404
    assert list_names(client) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_note_not_written(client: httpx.Client, folder: Path, pid: int, error: str) -> None:
    """A disk that fails, or is full, once the file is published: its client is told 204, and each HEAD the same."""
    url, hidden = begin(client, folder)
    with failing(pid, "openat", hidden.with_suffix(".new"), error=error):
        assert end(client, url) == 204
        assert client.head(url, headers=TUS).headers["Upload-Offset"] == str(len(WAVE))
        assert list_names(client) == ["a.wav"]
    assert hidden.exists()
    assert client.head(url, headers=TUS).headers["Upload-Offset"] == str(len(WAVE))
    assert not hidden.exists()
    assert (folder / "a.wav").read_bytes() == WAVE
