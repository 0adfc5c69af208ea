"""All of the gateway below a path, whether the proxy takes the prefix off or leaves it where it is."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.audio.formats.corpus import make_wave
from tests.browser import open_page
from tests.conftest import OpenGateway, open_client
from tests.processes import free_port
from tests.programs import need
from tests.proxying import proxying
from tests.target import Target

pytestmark = pytest.mark.anyio
FOLDER = Path(__file__).parents[2]
ROOT = "/app"
_ADDRESS = re.compile(r"""(?:href|src|action)="(/[^"]*)\"""")


@pytest.fixture
async def client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway below a path."""
    async with open_gateway(root_path=ROOT) as client:
        yield client


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", ROOT])
async def test_addresses(client: httpx.AsyncClient, prefix: str) -> None:
    """Every address that pages, answers and the document name begins with the path, and leads there."""
    made = await client.post(f"{prefix}/api/v1/tasks/", json=["127.0.0.1:1"])
    put = await client.put(f"{prefix}/api/v1/audio/a%20b.wav", content=make_wave(1000))
    assert (made.status_code, put.status_code) == (201, 201)
    assert made.headers["Location"] == f"{ROOT}/api/v1/tasks/{made.json()['id']}"
    assert put.json()["url"] == put.headers["Location"] == f"{ROOT}/audio/a%20b.wav"
    listed = (await client.get(f"{prefix}/api/v1/audio/")).json()["files"]
    assert [file["url"] for file in listed] == [f"{ROOT}/audio/a%20b.wav"]
    assert (await client.get(f"{prefix}/openapi.json")).json()["servers"] == [{"url": f"{ROOT}/"}]
    for page in ("/", "/tasks", f"/tasks/{made.json()['id']}", "/docs", "/nowhere"):
        html = (await client.get(f"{prefix}{page}", headers={"Accept": "text/html"})).text
        addresses = set(_ADDRESS.findall(html))
        assert len(addresses) > 4
        for address in addresses:
            assert address.startswith(f"{ROOT}/")
            assert (await client.get(address.replace("&amp;", "&"))).status_code in (200, 405), address
    redirected = await client.get(f"{prefix}/api/v1//tasks/")
    assert (redirected.status_code, redirected.headers["Location"]) == (308, f"{ROOT}/api/v1/tasks/")
    assert (await client.get(ROOT)).status_code == 200


async def test_other_paths(client: httpx.AsyncClient) -> None:
    """What only begins like the path is something else, and a bare slash is the page."""
    assert (await client.get("/")).status_code == 200
    for path in ("/application", "/app2/docs", "/app/app/docs"):
        assert (await client.get(path)).status_code == 404


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("directive", ["handle_path", "handle"])
async def test_behind_caddy(
    browser: Browser, client: httpx.AsyncClient, target: Target, tmp_path: Path, directive: str
) -> None:
    """Pages, scripts, events, uploads, playback and both command lines work below the path of a real Caddy."""
    port = free_port()
    proxy = f"reverse_proxy 127.0.0.1:{client.base_url.port}"
    config = f"{{\n admin off\n}}\nhttp://127.0.0.1:{port} {{\n {directive} {ROOT}/* {{\n {proxy}\n }}\n}}\n"
    (tmp_path / "Caddyfile").write_text(config)
    (tmp_path / "a.wav").write_bytes(make_wave(200_000))
    url = f"http://127.0.0.1:{port}{ROOT}"
    command = [need("caddy"), "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
    with proxying(command, port, tmp_path):
        async with open_page(browser, f"{url}/tasks") as page:
            await page.locator("#text").fill(f"{target.url}/code/404\n{target.url}/delay/2")
            await page.get_by_role("button", name="Check", exact=True).click()
            await expect(page.locator("#status")).to_contain_text("1 of 2 are bad")
            await page.goto(f"{url}/")
            await page.set_input_files("#file", str(tmp_path / "a.wav"))
            await page.locator(".play").first.click()
            await expect(page.locator("#player")).to_have_class(re.compile("playing"))
            (tmp_path / "data/audio/new.wav").write_bytes(make_wave(3000))
            await expect(page.locator(".file")).to_have_count(2)
            await page.goto(f"{url}/docs")
            await expect(page.get_by_role("searchbox")).to_be_visible()
        async with open_client(url) as through:
            assert (await through.get("/api/v1/tasks/")).status_code == 200
        for program in (["crawl.py", f"{target.url}/code/200"], ["screwdriver.py", "list"]):
            done = await anyio.to_thread.run_sync(run_program, [*program, "--server", url])
            assert done.startswith(("200\t", "a.wav"))


def run_program(arguments: list[str]) -> str:
    """What a command line writes."""
    command: list[str | Path] = [sys.executable, FOLDER / arguments[0], *arguments[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
