"""The three ways into the library, as trials take them: in pieces, with pauses, and over gateways that die."""

import random
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import httpx

from tests.audio.formats.corpus import make_wave

AUDIO = "/api/v1/audio/"
UPLOADS = "/api/v1/uploads/"
TUS = {"Tus-Resumable": "1.0.0"}


def make_sound(size_bytes: int, number: int) -> bytes:
    """A wav that is like no other."""
    return make_wave(size_bytes, seed=random.Random(number).randbytes(100_003))


async def drip(data: bytes, rng: random.Random) -> AsyncIterator[bytes]:
    """The bytes as a road brings them: in pieces, with pauses."""
    at = 0
    while at < len(data):
        size = rng.randrange(1, 200_000)
        yield data[at : at + size]
        at += size
        await anyio.sleep(rng.random() * 0.012)


async def send_form(client: httpx.AsyncClient, name: str, data: bytes, rng: random.Random) -> int:
    """The status of a form with this file; 0 without an answer."""
    head = f'--XX\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    body = head + data + b"\r\n--XX--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=XX", "Content-Length": str(len(body))}
    return await ask(client, "POST", AUDIO, drip(body, rng), headers)


async def send_raw(client: httpx.AsyncClient, name: str, data: bytes, rng: random.Random) -> int:
    """The status of a PUT of this file; 0 without an answer."""
    return await ask(client, "PUT", AUDIO + name, drip(data, rng), {"Content-Length": str(len(data))})


async def ask(
    client: httpx.AsyncClient, method: str, url: str, body: AsyncIterator[bytes], headers: dict[str, str]
) -> int:
    """The status of one request; 0 without an answer."""
    try:
        return (await client.request(method, url, content=body, headers=headers)).status_code
    except httpx.TransportError:
        return 0


class Resumed:
    """An upload by tus, in requests of some hundred kB; knows which offset was last told."""

    def __init__(self, client: httpx.AsyncClient, name: str, data: bytes) -> None:
        self.client = client
        self.name = name
        self.data = data
        self.url = ""
        self.told_bytes = 0

    async def create(self) -> int:
        """Begin: 201 once it has its place, or the status of what refused it. Raises as httpx."""
        metadata = f"filename {b64encode(self.name.encode()).decode()}"
        headers = TUS | {"Upload-Length": str(len(self.data)), "Upload-Metadata": metadata}
        answer = await self.client.post(UPLOADS, headers=headers)
        self.url, self.told_bytes = answer.headers.get("Location", ""), 0
        return answer.status_code

    async def send(self, rng: random.Random) -> int:
        """Begin or go on, to the end: 201 once it is a file, the status of what refused it, 0 without an answer."""
        try:
            if not self.url and (status := await self.create()) != 201:
                return status
            while self.told_bytes < len(self.data):
                piece = self.data[self.told_bytes : self.told_bytes + rng.randrange(1, 3_000_000)]
                headers = TUS | {"Upload-Offset": str(self.told_bytes), "Content-Length": str(len(piece))}
                headers["Content-Type"] = "application/offset+octet-stream"
                answer = await self.client.patch(self.url, headers=headers, content=drip(piece, rng))
                if answer.status_code != 204:
                    return answer.status_code
                self.told_bytes = int(answer.headers["Upload-Offset"])
        except httpx.TransportError:
            return 0
        return 201

    async def ask_offset(self) -> int | None:
        """Where the gateway says that it is; None if it knows nothing of it."""
        answer = await self.client.head(self.url, headers=TUS)
        return int(answer.headers["Upload-Offset"]) if answer.status_code == 200 else None


async def send_resumable(client: httpx.AsyncClient, name: str, data: bytes, rng: random.Random) -> int:
    """The status of an upload by tus, 201 for one that became a file; 0 without an answer."""
    return await Resumed(client, name, data).send(rng)


Door = Callable[[httpx.AsyncClient, str, bytes, random.Random], Awaitable[int]]
DOORS: dict[str, Door] = {"form": send_form, "raw": send_raw, "tus": send_resumable}


def list_visible(folder: Path) -> list[str]:
    """The names that are not hidden."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def list_hidden(folder: Path) -> list[str]:
    """The hidden names, but for the notes of uploads that became files."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith(".") and path.suffix != ".json")
