"""Bodies and answers as they flow: refused early and readable for real clients, idle limits, files that change."""

import os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import anyio
import httpx
import pytest
from anyio import to_thread
from anyio.abc import SocketStream
from playwright.async_api import Browser, expect
from pydantic import SecretStr

from gateway.web.body_flow import REFUSED_DRAIN_BYTES
from tests.audio.formats.corpus import HTML, make_wave
from tests.conftest import OpenGateway
from tests.programs import need

pytestmark = pytest.mark.anyio
API = "/api/v1/audio/"
MIB = 1024 * 1024
BUFFERS = 16 * MIB
"""What stands in socket buffers of both ends at most, on the way."""


def make_zeros(path: Path, size_bytes: int) -> Path:
    """A file of zeros that takes no space."""
    path.touch()
    os.truncate(path, size_bytes)
    return path


async def connect(client: httpx.AsyncClient) -> SocketStream:
    """A bare connection to the gateway."""
    return await anyio.connect_tcp(client.base_url.host, client.base_url.port or 0)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["-T", "-F"])
@pytest.mark.parametrize(("size_bytes", "status", "words"), [(2**30, 415, "Non-audio file detected"),
                                                           (3 * 2**30, 413, "over the limit")])  # fmt: skip
async def test_curl_sees_a_refusal(
    client: httpx.AsyncClient, tmp_path: Path, way: str, size_bytes: int, status: int, words: str
) -> None:
    """curl shows the words of a refusal, and has sent a small part of the body: by its content or by its length."""
    path = make_zeros(tmp_path / "a.mp3", size_bytes)
    what = f"file=@{path}" if way == "-F" else str(path)
    write = "\n%{http_code} %{size_upload}"
    url = str(client.base_url).rstrip("/") + API
    answer = await anyio.run_process([need("curl"), "-sS", "-w", write, way, what, url], check=False)
    body, code, sent = answer.stdout.decode().rsplit(maxsplit=2)
    assert (answer.returncode, int(code)) == (0, status)
    assert words in body
    assert int(sent) < BUFFERS


@pytest.mark.slow
@pytest.mark.parametrize("size_bytes", [MIB, 5 * MIB, 48 * MIB])
async def test_browser_sees_a_refusal(
    browser: Browser, client: httpx.AsyncClient, tmp_path: Path, size_bytes: int
) -> None:
    """Chromium shows the refusal of a large file that it is still sending, without JavaScript."""
    path = make_zeros(tmp_path / "zeros.mp3", size_bytes)
    page = await browser.new_page(java_script_enabled=False)
    await page.goto(str(client.base_url))
    await page.locator("input[type=file]").set_input_files(path)
    await page.locator("form[method=post] button").first.click()
    alert = page.get_by_role("alert").filter(has_text="Non-audio file detected")
    await expect(alert).to_contain_text("zeros.mp3")


@pytest.mark.slow
async def test_drain_is_bounded(open_gateway: OpenGateway) -> None:
    """Of the body of a client that was not let in not much more than 1 MiB is taken, however long it goes on."""
    sent = 0
    async with open_gateway(api_token=SecretStr("secret token")) as client, await connect(client) as stream:
        await stream.send(f"PUT {API}a.mp3 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
        with pytest.raises(anyio.BrokenResourceError), anyio.fail_after(60):
            while True:
                await stream.send(bytes(65536))
                sent += 65536
    assert sent < REFUSED_DRAIN_BYTES + BUFFERS


async def send_late(client: httpx.AsyncClient, path: str, size_bytes: int) -> bytes:
    """The answer to a client that looks for it only when all of a POST of zeros is sent, as Firefox and http.client."""
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="zeros.mp3"\r\n\r\n'
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {size_bytes}\r\n\r\n"
    )
    async with await connect(client) as stream:
        await stream.send(head.encode() + form)
        for start in range(len(form), size_bytes, 65536):
            await stream.send(bytes(min(65536, size_bytes - start)))
        return b"".join([data async for data in stream])


@pytest.mark.slow
@pytest.mark.parametrize(("size_bytes", "words"), [(48 * MIB, b"Non-audio file detected"), (80 * MIB, b"Too large")])
async def test_late_reader_sees_a_refusal(open_gateway: OpenGateway, size_bytes: int, words: bytes) -> None:
    """A client that looks for an answer only when its form is sent whole sees a refusal too."""
    async with open_gateway(max_upload_bytes=64 * MIB) as client:
        assert words in await send_late(client, "/", size_bytes)


async def test_http_client_sees_a_refusal(client: httpx.AsyncClient) -> None:
    """The client of the standard library sends all before it looks."""

    def put() -> tuple[int, bytes]:
        with closing(HTTPConnection(client.base_url.host, client.base_url.port, timeout=60)) as connection:
            connection.request("PUT", f"{API}a.mp3", bytes(12 * MIB))
            answer = connection.getresponse()
            return answer.status, answer.read()

    status, body = await to_thread.run_sync(put)
    assert status == 415
    assert b"Non-audio file detected" in body


@pytest.mark.slow
async def test_drain_stands_still(open_gateway: OpenGateway) -> None:
    """A refused client that sends nothing more is let go after the idle time of a body."""
    async with open_gateway(upload_idle_timeout_s=1) as client, await connect(client) as stream:
        await stream.send(f"PUT {API}a.mp3 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
        await stream.send(HTML)
        with anyio.fail_after(60):
            answer = b"".join([data async for data in stream])
    assert answer.startswith(b"HTTP/1.1 415 ")


async def test_expect_continue(client: httpx.AsyncClient, folder: Path) -> None:
    """A client that waits for 100 before its body gets it, and may then send."""
    data = make_wave(10_000)
    async with await connect(client) as stream:
        head = f"PUT {API}a.wav HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(data)}\r\n\r\n"
        await stream.send(head.encode())
        assert (await stream.receive()).startswith(b"HTTP/1.1 100 ")
        await stream.send(data)
        assert b"HTTP/1.1 201 " in await stream.receive()
    assert (folder / "a.wav").read_bytes() == data


async def test_replaced_while_playing(client: httpx.AsyncClient, folder: Path) -> None:
    """A listener hears the file that it began with to its end; the next range, of the old one, gets the new whole."""
    old, new = make_wave(20 * MIB, seed=b"old!"), make_wave(15 * MIB, seed=b"new!")
    (folder / "a.wav").write_bytes(old)
    os.utime(folder / "a.wav", (1_700_000_000, 1_700_000_000))
    async with client.stream("GET", "/audio/a.wav") as answer:
        chunks = answer.aiter_bytes(65536)
        heard = await anext(chunks)
        (folder / ".new").write_bytes(new)
        (folder / ".new").rename(folder / "a.wav")
        heard += b"".join([chunk async for chunk in chunks])
    assert heard == old
    validators = {name: answer.headers[name] for name in ("ETag", "Last-Modified")}
    for validator in validators.values():
        again = await client.get("/audio/a.wav", headers={"Range": "bytes=1000-1999", "If-Range": validator})
        assert (again.status_code, again.content) == (200, new)
    assert again.headers["ETag"] != validators["ETag"]
    current = {"Range": "bytes=1000-1999", "If-Range": again.headers["ETag"]}
    part = await client.get("/audio/a.wav", headers=current)
    assert (part.status_code, part.content) == (206, new[1000:2000])
    stale = await client.get("/audio/a.wav", headers={"If-None-Match": validators["ETag"]})
    assert stale.status_code == 200


async def test_ranges_of_one_file_at_once(client: httpx.AsyncClient, folder: Path) -> None:
    """Many ranges of a file asked for at the same time, as players do, are each the right bytes."""
    data = make_wave(3 * MIB, seed=bytes(range(251)))
    (folder / "a.wav").write_bytes(data)

    async def fetch(start: int, wrong: list[int]) -> None:
        headers = {"Range": f"bytes={start}-{start + 99_999}"}
        answer = await client.get("/audio/a.wav", headers=headers)
        if (answer.status_code, answer.content) != (206, data[start : start + 100_000]):
            wrong.append(start)

    wrong: list[int] = []
    async with anyio.create_task_group() as group:
        for start in range(0, len(data) - 100_000, 70_001):
            group.start_soon(fetch, start, wrong)
    assert wrong == []
