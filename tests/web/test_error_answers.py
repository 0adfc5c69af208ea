"""Errors in the form that their reader wants: problem JSON for programs, a page for a browser."""

import re

import anyio
import httpx
import pytest
from playwright.async_api import Browser, expect

from gateway.factory import create_app
from gateway.settings import Settings
from tests.programs import need
from tests.serving import serve

pytestmark = pytest.mark.anyio
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


async def ask_curl(url: str, *arguments: str) -> tuple[str, str]:
    """(status and type, body) as curl gets them."""
    command = [need("curl"), "-s", "-w", "\n%{http_code} %{content_type}", *arguments, url]
    body, _, told = (await anyio.run_process(command)).stdout.decode().rpartition("\n")
    return told, body


@pytest.mark.parametrize("accept", [(), ("-H", "Accept:"), ("-H", "Accept: application/json, text/html;q=0.9")])
async def test_curl(client: httpx.AsyncClient, accept: tuple[str, ...]) -> None:
    """A program gets problem JSON: one that takes anything, says nothing, or likes JSON better."""
    for status, path, method in ((404, "/nowhere", "GET"), (404, "/audio/none.mp3", "GET"), (405, "/docs", "PUT")):
        told, body = await ask_curl(f"{client.base_url}{path}", "-X", method, *accept)
        assert told == f"{status} application/problem+json"
        assert f'"status":{status}' in body


def read_vary(answer: httpx.Response) -> set[str]:
    """The fields of the request that an answer depends on."""
    return set(answer.headers.get("Vary", "").split(", "))


CALLS = [(404, "GET", "/nowhere"), (404, "GET", "/audio/none.mp3"), (405, "PUT", "/docs"), (405, "TRACE", "/")]


@pytest.mark.parametrize(("status", "method", "path"), CALLS)
async def test_page(client: httpx.AsyncClient, status: int, method: str, path: str) -> None:
    """A client that prefers HTML gets a page in its language, with the same status and headers as before."""
    plain = await client.request(method, path)
    page = await client.request(method, path, headers=HTML | {"Accept-Language": "ru"})
    assert (plain.status_code, page.status_code) == (status, status)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Language"] == "ru"
    assert page.headers.get("Allow") == plain.headers.get("Allow")
    assert page.headers["Cache-Control"] == "no-store"
    assert {"Accept", "Accept-Language"} < read_vary(page) == read_vary(plain)
    assert page.headers["X-Request-ID"] in page.text
    assert 'href="/">На главную</a>' in page.text


async def test_api(client: httpx.AsyncClient) -> None:
    """The API answers in JSON whatever is preferred, and so do refusals that are no page's."""
    for path in ("/api/v1/nothing", "/api/v1/audio/none.mp3"):
        answer = await client.get(path, headers=HTML)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert not {"Accept", "Accept-Language"} & read_vary(answer)
    refused = await client.get("/docs", headers=HTML | {"Host": "evil.example"})
    assert (refused.status_code, refused.headers["Content-Type"]) == (421, "application/problem+json")
    crossed = await client.post("/nowhere", headers=HTML | {"Sec-Fetch-Site": "cross-site"})
    assert (crossed.status_code, crossed.headers["Content-Type"]) == (403, "application/problem+json")


async def test_fault(settings: Settings) -> None:
    """A fault is a page too, and shows nothing of the fault."""
    app = create_app(settings)

    @app.get("/broken")
    async def break_down() -> str:
        raise RuntimeError("a secret of ours")

    async with serve(app) as url, httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(f"{url}/broken", headers=HTML)
        assert (await client.get(f"{url}/broken")).json()["status"] == 500
    assert page.status_code == 500
    assert "<h1>Something went wrong</h1>" in page.text
    assert "secret" not in page.text


@pytest.mark.slow
@pytest.mark.browser
async def test_way_home(browser: Browser, client: httpx.AsyncClient) -> None:
    """A person who comes to an address of nothing reads so, and is at home with one click, without scripts too."""
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    answer = await page.goto(f"{client.base_url}/nowhere")
    assert answer
    assert answer.status == 404
    await expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
    assert await page.locator("[aria-current]").count() == 0
    await page.get_by_role("link", name="To the start").click()
    await expect(page).to_have_url(re.compile(re.escape(str(client.base_url)) + "/?$"))
    await expect(page.get_by_role("heading", name="No audio yet")).to_be_visible()
