"""Texts packed by gzip for clients that accept it; nothing else is."""

import gzip
import json
from pathlib import Path

import httpx
import pytest

from gateway.web.compression import LEAST_BYTES, accepts_gzip
from tests.audio.formats.corpus import make_wave

pytestmark = pytest.mark.anyio

TEXTS = ["/openapi.json", "/docs", "/", "/static/web/docs.css"]


async def get(
    client: httpx.AsyncClient, path: str, *, method: str = "GET", **headers: str
) -> tuple[httpx.Headers, bytes]:
    """The headers, and the body as it came over the wire."""
    given = {"Accept-Encoding": "gzip"} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream(method, path, headers=given) as answer:
        return answer.headers, b"".join([part async for part in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("gzip", True), ("GZIP;q=0.5", True), ("deflate, gzip;q=1.0, *;q=0.5", True), ("*", True),
        ("br, *;q=0.1", True),
        ("", False), ("gzip;q=0", False), ("gzip;q=0, *", False), ("*;q=0", False), ("identity", False),
        ("identity;q=1, gzip;q=0.5", False), ("identity;q=0.5, *;q=0.1", False), ("deflate, br", False),
        ("gzip;q=nonsense", False), ("identity, gzip", True), (",;=", False),
    ],
)  # fmt: skip
def test_accept_encoding(value: str, accepted: bool) -> None:  # noqa: FBT001
    """Names, qualities and `*` count as RFC 9110 says."""
    assert accepts_gzip(value) is accepted


@pytest.mark.parametrize("path", TEXTS)
async def test_texts(client: httpx.AsyncClient, path: str) -> None:
    """A text comes packed and smaller, unpacks to what other clients get, and says on what it depends."""
    plain_headers, plain = await get(client, path, Accept_Encoding="identity")
    headers, packed = await get(client, path)
    assert "Content-Encoding" not in plain_headers
    assert headers["Content-Encoding"] == "gzip"
    assert headers["Vary"] == plain_headers["Vary"]
    assert "Accept-Encoding" in headers["Vary"]
    assert len(packed) < len(plain) * 0.7
    assert gzip.decompress(packed) == plain
    assert int(plain_headers["Content-Length"]) == len(plain) >= LEAST_BYTES


@pytest.mark.parametrize("path", TEXTS)
async def test_head(client: httpx.AsyncClient, path: str) -> None:
    """HEAD has the headers of GET and no body, packed or not."""
    for encoding in ("gzip", "identity"):
        got, _ = await get(client, path, Accept_Encoding=encoding)
        asked, body = await get(client, path, method="HEAD", Accept_Encoding=encoding)
        changing = {"x-request-id", "date"}
        assert {name: asked[name] for name in asked if name not in changing} == {
            name: got[name] for name in got if name not in changing
        }
        assert body == b""


@pytest.mark.slow
async def test_entity_tags(client: httpx.AsyncClient) -> None:
    """The packed text has a weak tag; either tag is answered by 304 with the tag that the full answer would have."""
    plain, _ = await get(client, "/docs", Accept_Encoding="identity")
    packed, _ = await get(client, "/docs")
    assert packed["ETag"] == f"W/{plain['ETag']}"
    for given in (plain["ETag"], packed["ETag"]):
        for encoding, expected in (("gzip", packed), ("identity", plain)):
            again = await client.get("/docs", headers={"If-None-Match": given, "Accept-Encoding": encoding})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == expected["ETag"]
            assert again.headers["Vary"] == "Accept-Encoding"
            assert "Content-Encoding" not in again.headers


async def test_small_text(client: httpx.AsyncClient) -> None:
    """A small answer is sent as it is, and says that a larger one would not be."""
    headers, body = await get(client, "/healthz")
    assert ("Content-Encoding" in headers, headers["Vary"]) == (False, "Accept-Encoding")
    assert json.loads(body)


async def test_audio(client: httpx.AsyncClient, folder: Path) -> None:
    """Audio, whole, in part or unchanged, is never packed and keeps its strong tag."""
    sound = make_wave(100_000)
    (folder / "tone.wav").write_bytes(sound)
    headers, body = await get(client, "/audio/tone.wav")
    assert ("Content-Encoding" in headers, "Vary" in headers, body) == (False, False, sound)
    part, body = await get(client, "/audio/tone.wav", Range="bytes=100-4999")
    assert ("Content-Encoding" in part, body) == (False, sound[100:5000])
    again = await client.get("/audio/tone.wav", headers={"If-None-Match": headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (304, headers["ETag"])
    assert not headers["ETag"].startswith("W/")


@pytest.mark.slow
async def test_large_text(client: httpx.AsyncClient) -> None:
    """The probes of a large task come as a fraction of their size, and whole."""
    urls = [f"nonsense://host{i % 50}.example/page/{i}" for i in range(10_000)]
    task = (await client.post("/api/v1/tasks/", json=urls)).json()
    while (await client.get(f"/api/v1/tasks/{task['id']}", headers={"Prefer": "wait=5"})).json()["status"] != "ready":
        pass
    _, packed = await get(client, f"/api/v1/tasks/{task['id']}/probes")
    plain = gzip.decompress(packed)
    assert [probe["url"] for probe in json.loads(plain)["probes"]] == urls
    assert len(packed) < len(plain) / 10
