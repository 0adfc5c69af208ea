"""The page of URL checks without JavaScript: pasting, following, filtering, exporting, cancelling, asking again."""

import re
from pathlib import Path

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, expect
from redis.asyncio import Redis

from gateway.tasks.models import MAX_BODY_BYTES, MAX_URLS
from gateway.tasks.pasted import MAX_PARTS, read_pasted
from gateway.tasks.queue import MAX_QUEUED_URLS
from tests.browser import open_page
from tests.conftest import OpenGateway
from tests.target import Target

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
TASK = re.compile(r"/tasks/[0-9a-f-]{36}")
CODES = ".group .answer"
NO_TASK = "/tasks/5f0c1a52-8f6e-4a0c-9b0e-3c3ad6a1f8f4"


async def make_task(client: httpx.AsyncClient, urls: list[str], *, follow: bool = False) -> str:
    """The address of the page of a task that is ready."""
    made = await client.post("/api/v1/tasks/", json={"urls": urls, "follow_redirects": follow})
    ready = await client.get(made.headers["Location"], headers={"Prefer": "wait=30"})
    assert ready.json()["status"] == "ready"
    return f"/tasks/{ready.json()['id']}"


async def paste(page: Page, text: str) -> None:
    """Fill in the form, and send it."""
    await page.get_by_label("Paste anything that has URLs in it").fill(text)
    await page.get_by_role("button", name="Check", exact=True).click()


@pytest.mark.slow
async def test_paste(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """A pasted list becomes a task whose page ends by itself; doubles and lines that cannot be read are told."""
    good, bad = f"{target.url}/code/200", f"{target.url}/code/404"
    async with open_page(browser, f"{client.base_url}/tasks", java_script_enabled=False) as page:
        await paste(page, f"{good}\n{bad}\nhello world\n{good}\n{target.url}/hop/2\n")
        await expect(page).to_have_url(TASK)
        await expect(page.locator("#messages")).to_contain_text("1 repeat is left out")
        await expect(page.locator("#messages")).to_contain_text("1 line cannot be read: 3")
        await expect(page.locator("#status")).to_contain_text("1 of 3 are bad")
        await expect(page.locator(CODES)).to_have_text(["200", "404", "302"])
        await expect(page.locator(".group .why").last).to_have_text("/hop/1")
        await expect(page.locator("#stop, #progress")).to_have_count(0)


@pytest.mark.slow
async def test_file_and_redirects(browser: Browser, client: httpx.AsyncClient, target: Target, tmp_path: Path) -> None:
    """A file is read as a pasted text is; with the tick redirects are followed, and the row tells the way."""
    path = tmp_path / "urls.csv"
    path.write_text(f"url,seen\n{target.url}/hop/2,1\n")
    async with open_page(browser, f"{client.base_url}/tasks", java_script_enabled=False) as page:
        await page.get_by_label("Or a file").set_input_files(str(path))
        await page.get_by_label("Follow redirects").check()
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator("#status")).to_contain_text("It answers")
        await expect(page.locator(CODES)).to_have_text(["302 → 200"])
        await page.get_by_label("Details 1").click()
        await expect(page.locator(".group .hops li")).to_have_text([f"302 {target.url}/hop/{n}" for n in (2, 1)])
        await expect(page.locator(".group [data-fact=to]")).to_contain_text(f"{target.url}/hop/0")


@pytest.mark.slow
@pytest.mark.parametrize(("text", "words"), [("no URL in here", "There is no URL"), ("", "There is no URL")])
async def test_nothing_to_ask(browser: Browser, client: httpx.AsyncClient, text: str, words: str) -> None:
    """A text without URLs is refused in words, and is still there."""
    async with open_page(browser, f"{client.base_url}/tasks", java_script_enabled=False) as page:
        await paste(page, text)
        await expect(page.get_by_role("alert")).to_contain_text(words)
        await expect(page.locator("#text")).to_have_value(text)


async def test_refusals(own_client: httpx.AsyncClient) -> None:
    """Too many URLs and too much text are refused in words, with their status."""
    client = own_client
    urls = "\n".join(f"http://a.invalid/{number}" for number in range(MAX_URLS + 1))
    many = await client.post("/tasks", files={"text": (None, urls)})
    assert many.status_code == 422
    assert "There are 10,001 URLs. A task has at most 10,000: paste them in 2 parts." in many.text
    large = await client.post("/tasks", files={"text": (None, "x" * MAX_BODY_BYTES)})
    assert large.status_code == 413
    assert "This is too large: 4.2 MB at most." in large.text
    files = [("file", ("a.txt", b"\xef\xbb\xbfhttp://a.invalid/")) for _ in range(MAX_PARTS + 1)]
    crowd = await client.post("/tasks", files=files)
    assert crowd.status_code == 422
    assert "These are too many files at once." in crowd.text
    foreign = await client.post("/tasks", files={"text": (None, "a.invalid")}, headers={"Origin": "http://b.invalid"})
    assert foreign.status_code == 403
    assert (await client.get("/api/v1/tasks/")).json()["tasks"] == []


@pytest.mark.slow
async def test_run_and_cancel(browser: Browser, open_gateway: OpenGateway, target: Target) -> None:
    """A running task shows what is known, goes on by itself, and can be stopped."""
    urls = [f"{target.url}/code/404", *(f"{target.url}/delay/2.5/{number}" for number in range(3))]
    async with open_gateway(probe_timeout_s=600) as client:
        made = await client.post("/api/v1/tasks/", json=[*urls, f"{target.url}/silent"])
        address = f"{client.base_url}/tasks/{made.json()['id']}"
        async with open_page(browser, address, java_script_enabled=False) as page:
            await expect(page.locator("#status")).to_contain_text("4 of 5")
            await expect(page.locator("progress")).to_have_attribute("value", "4")
            await page.route(address, lambda route: route.abort("aborted"))  # it is not loaded anew under the click
            await page.get_by_role("button", name="Stop").click()
            await expect(page.locator("#status")).to_contain_text("stopped at 4 of 5")
            await expect(page.locator(CODES)).to_have_text(["404", "200", "200", "200", "…"])


@pytest.mark.slow
async def test_filters(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """Chips, the filter, the order and the hundreds are links; each address shows the same again."""
    urls = [
        *(f"{target.url}/code/200?{number}" for number in range(150)),
        f"{target.url}/code/404",
        "http://b.invalid/x",
    ]
    address = await make_task(client, urls)
    async with open_page(browser, f"{client.base_url}{address}", java_script_enabled=False) as page:
        await expect(page.locator(".group .row")).to_have_count(100)
        await expect(page.locator("#rows")).to_have_attribute("aria-rowcount", "153")
        await page.get_by_role("link", name="Next").click()
        await expect(page.locator(".group .row")).to_have_count(52)
        await expect(page.locator(".group .row").first).to_have_attribute("aria-rowindex", "102")
        await page.locator("#chips").get_by_role("link", name="Bad 2").click()
        await expect(page.locator(CODES)).to_have_text(["404", "dns"])
        await page.get_by_role("columnheader").get_by_role("link", name="URL").click()
        await expect(page).to_have_url(re.compile("sort=url"))
        await expect(page.locator(CODES)).to_have_text(["404", "dns"])
        await page.get_by_role("columnheader").get_by_role("link", name="URL").click()
        await expect(page.locator(CODES)).to_have_text(["dns", "404"])
        await page.get_by_role("searchbox").fill("B.invalid")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(CODES)).to_have_text(["dns"])
        await page.reload()
        await expect(page.locator(CODES)).to_have_text(["dns"])
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        text = await anyio.Path(await (await download.value).path()).read_text()
        assert text.count("\n") == 2
        assert "http://b.invalid/x" in text
        await page.goto(f"{client.base_url}{address}")
        await page.locator("#pictures").get_by_role("link", name="b.invalid").click()
        await expect(page.locator(CODES)).to_have_text(["dns"])


@pytest.mark.slow
async def test_recheck(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """The bad URLs of a task are asked again in one of their own, which is listed beside the first."""
    address = await make_task(client, [f"{target.url}/code/200", f"{target.url}/code/404"])
    async with open_page(browser, f"{client.base_url}{address}", java_script_enabled=False) as page:
        await page.goto(f"{client.base_url}{address}?q=nothing")  # scripts can filter anew, and keep the button
        await page.get_by_role("button", name="Check bad again").click()
        await expect(page.get_by_role("alert")).to_have_text("There is no such URL in this task.")
        await page.goto(f"{client.base_url}{address}")
        await page.get_by_role("button", name="Check bad again").click()
        await expect(page.locator("#status")).to_contain_text("It is bad")
        await expect(page.locator(CODES)).to_have_text(["404"])
        assert target.requests["/code/404"] == 2
        await expect(page.locator("#recent [aria-current]")).to_have_count(1)
        await expect(page.locator(f"#recent a[href='{address}']")).to_be_visible()


async def test_refused_recheck(open_gateway: OpenGateway, target: Target) -> None:
    """The page of a task that runs, where it answers an action that is refused, goes on at the address of the task."""
    async with open_gateway(probe_timeout_s=90) as client:
        made = await client.post("/api/v1/tasks/", json=[f"{target.url}/silent"])
        address = f"/tasks/{made.json()['id']}"
        refused = await client.post(f"{address}/recheck?show=5xx")
        assert refused.status_code == 409
        assert f'content="2;url={address}?show=5xx"' in refused.text
        assert 'content="2"' in (await client.get(address)).text
        await client.post(f"{address}/cancel")


@pytest.mark.slow
async def test_strange_urls(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """Only http and https are links, for nobody to follow; nothing hides in a URL, however long it is."""
    long = f"{target.url}/code/200?" + "x" * 8_000
    strange = [
        "javascript:alert(1)",
        "http://xn--mnchen-3ya.invalid/",
        "http://a.invalid/\u202egnp.exe",
        "<b>x</b>",
        long,
    ]
    address = await make_task(client, strange)
    async with open_page(browser, f"{client.base_url}{address}", java_script_enabled=False) as page:
        shown = await page.locator(".group .url").all_inner_texts()
        assert shown[:4] == [strange[0], "http://münchen.invalid/", "http://a.invalid/\\u202egnp.exe", strange[3]]
        assert len(shown[4]) < 400
        links = page.locator(".group .url[href]")
        assert await links.evaluate_all("links => links.map(link => link.getAttribute('href'))") == [strange[1], long]
        for link in await links.all():
            await expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        heights = await page.locator(".group .row").evaluate_all("rows => rows.map(row => row.offsetHeight)")
        assert len(set(heights)) == 1


@pytest.mark.slow
async def test_nothing_bad(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """A task whose URLs all answer says so; a filter that finds nothing leads back."""
    address = await make_task(client, [f"{target.url}/code/200?{number}" for number in range(3)])
    async with open_page(browser, f"{client.base_url}{address}", java_script_enabled=False) as page:
        await expect(page.locator("#status")).to_contain_text("All 3 answer")
        await expect(page.locator("#recheck")).to_have_count(0)
        await page.locator("#chips").get_by_role("link", name="Bad 0").click()
        await page.get_by_role("link", name="Show all URLs").click()
        await expect(page.locator(CODES)).to_have_text(["200"] * 3)


@pytest.mark.slow
async def test_start(browser: Browser, own_client: httpx.AsyncClient, target: Target) -> None:
    """The start has the domains that were asked for most, and recent tasks; without them an example."""
    async with open_page(browser, f"{own_client.base_url}/tasks", java_script_enabled=False) as page:
        await expect(page.get_by_role("button", name="Try an example")).to_be_visible()
        example = await page.locator("input[name=text]").get_attribute("value")
        assert len(read_pasted(example or "").urls) == 3
        await make_task(own_client, [f"{target.url}/code/200?{number}" for number in range(9)])
        await page.reload()
        await expect(page.get_by_role("button", name="Try an example")).to_have_count(0)
        await expect(page.locator(".domains li").first).to_contain_text("127.0.0.1")
        await expect(page.locator(".domains .figure").first).to_have_text("9")
        await expect(page.locator("#recent li")).to_have_count(1)


@pytest.mark.slow
async def test_blocked(browser: Browser, open_gateway: OpenGateway) -> None:
    """Addresses that may not be asked are one notice."""
    async with open_gateway(probe_targets="public") as client:
        address = await make_task(client, [f"http://127.0.0.1/{number}" for number in range(5)])
        async with open_page(browser, f"{client.base_url}{address}", java_script_enabled=False) as page:
            await expect(page.get_by_role("status").filter(has_text="PROBE_TARGETS")).to_have_count(1)
            await expect(page.get_by_text("5 URLs lead to addresses")).to_be_visible()


async def test_no_task(client: httpx.AsyncClient) -> None:
    """A task that is not there says how long tasks are kept, also to its forms; unknown words of a query are none."""
    for answer in (
        await client.get(NO_TASK), await client.post(f"{NO_TASK}/cancel"), await client.post(f"{NO_TASK}/recheck")
    ):  # fmt: skip
        assert answer.status_code == 404
        assert "A task is kept for 1 day after its end." in answer.text
    address = await make_task(client, ["a.invalid"])
    assert (await client.get(f"{address}/")).status_code == 200
    answer = await client.get(f"{address}?show=%3Cb%3E&sort=zz&page=x&twice=-1&unread=x.y")
    assert answer.status_code == 200
    assert 'class="messages" id="messages"></div>' in answer.text


@pytest.mark.slow
async def test_full_and_away(open_gateway: OpenGateway, tmp_path: Path) -> None:
    """A full queue, and a Redis that is away, are told in words with the right status, and nothing pasted is lost."""
    form = {"text": (None, "kept.invalid")}
    async with open_gateway() as client, Redis(unix_socket_path=str(tmp_path / "data/redis/redis.sock")) as redis:
        await redis.incrby("gateway:{queue}:urls", MAX_QUEUED_URLS)
        full = await client.post("/tasks", files=form)
        assert (full.status_code, full.headers["Retry-After"]) == (429, "10")
        assert "The queue is full for now. Try again in 10 s." in full.text
        assert "kept.invalid" in full.text
    async with open_gateway(redis_url="redis://127.0.0.1:1") as client:
        for answer in (await client.get("/tasks"), await client.post("/tasks", files=form), await client.get(NO_TASK)):
            assert answer.status_code == 503
            assert "Redis is away for now." in answer.text
