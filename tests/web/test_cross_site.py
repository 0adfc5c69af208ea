"""A page of another site in a real Chromium: it can write nothing here, and read nothing."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketStream
from playwright.async_api import Browser

from tests.browser import make_audio, open_browser
from tests.conftest import OpenGateway

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

# Everything a page can try without asking its visitor. What it gets to know stands in the result.
ATTACK = """async ([base, audio]) => {
  const seen = {};
  const attempt = async (name, call) => {
    try { seen[name] = await call(); } catch (error) { seen[name] = error.name; }
  };
  const bytes = Uint8Array.from(audio);
  const form = new FormData();
  form.append('file', new File([bytes], 'stolen.mp3'));
  const urls = JSON.stringify(['http://127.0.0.1:1/']);
  const tell = (answer) => `${answer.type} ${answer.status}`;
  const load = (element) => new Promise((done) => {
    element.onload = element.onloadedmetadata = () => done('loaded');
    element.onerror = () => done('refused');
    document.body.append(element);
  });
  await attempt('read', async () => (await fetch(`${base}/api/v1/audio/`)).text());
  await attempt('blind read', async () => tell(await fetch(`${base}/api/v1/audio/`, {mode: 'no-cors'})));
  await attempt('post json', async () => tell(await fetch(`${base}/api/v1/tasks/`,
    {method: 'POST', headers: {'Content-Type': 'application/json'}, body: urls})));
  await attempt('blind post', async () => tell(await fetch(`${base}/api/v1/tasks/`,
    {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body: urls})));
  await attempt('untyped post', async () => tell(await fetch(`${base}/api/v1/tasks/`,
    {method: 'POST', mode: 'no-cors', body: new Blob([urls])})));
  await attempt('form', async () => tell(await fetch(`${base}/`, {method: 'POST', mode: 'no-cors', body: form})));
  await attempt('put', async () => tell(await fetch(`${base}/api/v1/audio/x.mp3`, {method: 'PUT', body: bytes})));
  await attempt('delete', async () => tell(await fetch(`${base}/api/v1/audio/mine.mp3`, {method: 'DELETE'})));
  await attempt('beacon', async () => String(navigator.sendBeacon(`${base}/api/v1/tasks/`, new Blob([urls]))));
  await attempt('events', () => new Promise((done) => {
    const source = new EventSource(`${base}/api/v1/audio/events`);
    source.onopen = () => done('open');
    source.onerror = () => { source.close(); done('refused'); };
  }));
  await attempt('script', () => load(Object.assign(document.createElement('script'), {src: `${base}/api/v1/audio/`})));
  await attempt('sound', () => load(Object.assign(document.createElement('audio'),
    {src: `${base}/audio/mine.mp3`, preload: 'metadata'})));
  await attempt('socket', () => new Promise((done) => {
    const socket = new WebSocket(`${base.replace('http', 'ws')}/`);
    socket.onopen = () => done('open');
    socket.onerror = () => done('refused');
  }));
  return seen;
}"""
SUBMIT = """([base, audio]) => {
  const form = Object.assign(document.createElement('form'),
    {method: 'post', action: `${base}/`, enctype: 'multipart/form-data'});
  const input = Object.assign(document.createElement('input'), {type: 'file', name: 'file'});
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(audio)], 'stolen.mp3'));
  input.files = files.files;
  form.append(input);
  document.body.append(form);
  form.submit();
}"""
POST_TASK = """async (base) => (await fetch(`${base}/api/v1/tasks/`,
  {method: 'POST', body: new Blob(['["a.example"]'])})).status"""
FRAMED = """(base) => new Promise((done) => {
  const frame = Object.assign(document.createElement('iframe'), {src: `${base}/`});
  frame.onload = () => done(frame.contentDocument === null ? 'foreign or refused' : 'readable');
  document.body.append(frame);
})"""
NOTHING = {
    "read": "TypeError", "blind read": "TypeError", "post json": "TypeError", "blind post": "TypeError",
    "untyped post": "TypeError", "form": "TypeError", "put": "TypeError", "delete": "TypeError", "beacon": "true",
    "events": "refused", "script": "refused", "sound": "refused", "socket": "refused",
}  # fmt: skip
"""What a foreign page gets to know: not even the status."""


@asynccontextmanager
async def other_site(host: str) -> AsyncIterator[str]:
    """The address of an empty page of somebody else, at `host`."""

    async def answer(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            body = b"<!doctype html><title>another site</title><body>"
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            await stream.send(head % len(body) + body)

    async with (
        await anyio.create_tcp_listener(local_host=host, family=socket.AF_INET) as listener,
        anyio.create_task_group() as group,
    ):
        group.start_soon(listener.serve, answer)
        yield f"http://{host}:{listener.extra(anyio.abc.SocketAttribute.local_port)}/"
        group.cancel_scope.cancel()


async def list_all(client: httpx.AsyncClient) -> tuple[list[str], list[Any]]:
    """The names of all files, and all tasks."""
    files = (await client.get("/api/v1/audio/")).json()["files"]
    return [audio["name"] for audio in files], (await client.get("/api/v1/tasks/")).json()["tasks"]


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"], ids=["another port", "another host"])
async def test_another_site(browser: Browser, open_gateway: OpenGateway, tmp_path: Path, host: str) -> None:
    """Whatever a page on another port or host tries, nothing is added, deleted, asked or readable."""
    audio = make_audio(tmp_path / "mine.mp3", 0.5).read_bytes()
    async with open_gateway() as client, other_site(host) as elsewhere, await browser.new_page() as page:
        base = str(client.base_url).rstrip("/")
        await client.put("/api/v1/audio/mine.mp3", content=audio)
        await page.goto(elsewhere)
        assert await page.evaluate(ATTACK, [base, list(audio)]) == NOTHING
        assert await page.evaluate(FRAMED, base) == "foreign or refused"
        assert not await page.frames[-1].query_selector("form")
        async with page.expect_navigation() as navigation:
            await page.evaluate(SUBMIT, [base, list(audio)])
        answer = await (await navigation.value).json()
        assert (answer["status"], answer["type"]) == (403, "urn:gateway:problem:cross-site")
        assert await list_all(client) == (["mine.mp3"], [])


@pytest.mark.slow
async def test_own_page(browser: Browser, open_gateway: OpenGateway, tmp_path: Path) -> None:
    """The same page code on our own site is let through: the refusals above are not for another reason."""
    audio = make_audio(tmp_path / "mine.mp3", 0.5).read_bytes()
    async with open_gateway() as client, await browser.new_page() as page:
        base = str(client.base_url).rstrip("/")
        await page.goto(f"{base}/")
        code = POST_TASK
        assert await page.evaluate(code, base) == 201
        async with page.expect_navigation():
            await page.evaluate(SUBMIT.replace("stolen", "sent"), [base, list(audio)])
        names, tasks = await list_all(client)
    assert (names, len(tasks)) == (["sent.mp3"], 1)


@pytest.mark.slow
async def test_rebinding(open_gateway: OpenGateway) -> None:
    """A name of somebody else that is made to mean this machine is answered with 421, reads too."""
    rules = "--host-resolver-rules=MAP evil.example 127.0.0.1"
    async with open_browser(rules) as browser, open_gateway() as client, await browser.new_page() as page:
        answer = await page.goto(f"http://evil.example:{client.base_url.port}/api/v1/audio/")
        assert answer is not None
        assert answer.status == 421
        assert await page.evaluate("async () => (await fetch('/api/v1/audio/')).status") == 421
