"""An upload of 5 GB costs the gateway no more memory than a small one, by every door."""

import os
import socket
import struct
from base64 import b64encode
from pathlib import Path

import anyio
import pytest

from tests.processes import Gateway, running
from tests.trials.conftest import Trial
from tests.trials.doors import AUDIO, UPLOADS

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(900)]
MIB = 1024 * 1024
FULL = os.environ.get("TRIALS") == "full"
SIZE_BYTES = 5 * 1024 * MIB if FULL else 200 * MIB
HEAD = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data\xff\xff\xff\xff"


def read_memory(gateway: Gateway, field: str) -> int:
    """Bytes of memory of a process, as /proc tells them."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition(field)[2].split()[0]) * 1024


def converse(port: int, request: str, size_bytes: int, before: bytes = b"", after: bytes = b"") -> str:
    """The answer to a request whose body is a sound of that size between these bytes, made while it is sent."""
    block = bytes(MIB)
    length = len(before) + size_bytes + len(after)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"{request}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + before + HEAD[:size_bytes])
        left_bytes = size_bytes - len(HEAD)
        while left_bytes > 0:
            connection.sendall(block[:left_bytes])
            left_bytes -= len(block)
        connection.sendall(after)
        return connection.makefile("rb").read().decode()


def upload(port: int, way: str, size_bytes: int) -> str:
    """The head of the last answer to an upload of `{way}.wav`."""
    if way == "raw":
        return converse(port, f"PUT {AUDIO}raw.wav HTTP/1.1", size_bytes)
    if way == "form":
        before = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="form.wav"\r\n\r\n'
        request = f"POST {AUDIO} HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=XX"
        return converse(port, request, size_bytes, before, b"\r\n--XX--\r\n")
    metadata = f"filename {b64encode(b'tus.wav').decode()}"
    made = converse(port, f"POST {UPLOADS} HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {size_bytes}\r\n"
                          f"Upload-Metadata: {metadata}", 0)  # fmt: skip
    url = made.lower().partition("location: ")[2].split()[0]
    return converse(port, f"PATCH {url} HTTP/1.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
                          "Content-Type: application/offset+octet-stream", size_bytes)  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from /proc")
async def test_memory_of_an_upload(trial: Trial, tmp_path: Path) -> None:
    """A form, a PUT and a tus upload of 5 GB each (of 200 MiB in the short form) need 32 MiB at most."""
    folder = tmp_path / "data" / "audio"
    with running(tmp_path, MAX_UPLOAD_BYTES=str(6 * 1024 * MIB)) as gateway:
        for way in ("raw", "form", "tus"):  # what is loaded and allocated once
            await anyio.to_thread.run_sync(upload, gateway.port, way, MIB)
            (folder / f"{way}.wav").unlink()
        ways = ("raw", "form", "tus")
        for number in trial.run(full=3, short=3):
            way = ways[number]
            Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")
            before_bytes = read_memory(gateway, "VmRSS:")
            answer = await anyio.to_thread.run_sync(upload, gateway.port, way, SIZE_BYTES)
            more_bytes = read_memory(gateway, "VmHWM:") - before_bytes
            trial.check(answer.split()[1] in ("201", "204"), f"{way}: {answer[:500]}")
            path = folder / f"{way}.wav"
            trial.check(path.exists() and path.stat().st_size == SIZE_BYTES, f"{way}: it is not whole")
            trial.check(more_bytes < 32 * MIB, f"{way}: {more_bytes / MIB:.0f} MiB more")
            trial.figures[way] = f"{more_bytes / MIB:.1f} MiB more"
            path.unlink(missing_ok=True)
    trial.figures["size"] = f"{SIZE_BYTES / MIB:.0f} MiB"
