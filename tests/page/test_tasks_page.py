"""The page of one task with its scripts: rows as they land, filter, keys, broken connections, ten thousand rows."""

import gzip
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import anyio
import httpx
import pytest
from playwright.async_api import Browser, Page, Request, Route, expect
from redis.asyncio import Redis

from gateway.settings import Settings
from gateway.tasks.pasted import read_pasted
from gateway.tasks.queue import MAX_QUEUED_URLS
from tests.browser import drop, open_page, stop_clock
from tests.conftest import OpenGateway
from tests.fast import first_fast
from tests.processes import free_port
from tests.redis_server import serving
from tests.relay import relaying
from tests.target import Target
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.browser,
    # Gateways end here while they connect to a Redis that another one starts: redis-py leaves such a connection, its
    # transport and its socket to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed (Connection <redis|transport|<socket.*redis.sock):ResourceWarning"),
]
GATEWAY = Path(__file__).parents[2] / "gateway"
ROW = ".group > .row"
MAX_SCRIPT_BYTES = 12 * 1024
READ_ROWS = "rows => rows.map(row => Number(row.dataset.index))"


@pytest.fixture
async def patient_client(open_gateway: OpenGateway) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway whose probes wait until the test releases their answers."""
    async with open_gateway(probe_timeout_s=90) as client:
        yield client


async def post(client: httpx.AsyncClient, urls: list[str]) -> str:
    """The id of a new task."""
    return str((await client.post("/api/v1/tasks/", json=urls)).json()["id"])


async def finish(client: httpx.AsyncClient, urls: list[str]) -> str:
    """The id of a task that is ready."""
    task = await post(client, urls)
    await wait_for_end(client, task)
    return task


async def wait_for_end(client: httpx.AsyncClient, task: str) -> None:
    """Return once a task is ready."""
    while (await client.get(f"/api/v1/tasks/{task}", headers={"Prefer": "wait=30"})).json()["status"] == "running":
        pass


def page_of(client: httpx.AsyncClient, task: str, query: str = "") -> str:
    """The address of a task."""
    return f"{client.base_url}/tasks/{task}{query}"


async def read_rows(page: Page) -> list[int]:
    """The places of the rows that are there, in order."""
    places: list[int] = await page.locator(ROW).evaluate_all(READ_ROWS)
    return places


NOTE_EVENTS = """
window.landed = [];
window.EventSource = class extends EventSource {
    addEventListener(name, call, ...rest) {
        super.addEventListener(name, (event) => {
            window.lastEventId = event.lastEventId;
            if (name === "probes") window.landed.push(...JSON.parse(event.data).probes.map((probe) => probe.index));
            call(event);
        }, ...rest);
    }
};
"""
"""What the browser keeps to itself: the id of the last event, and which rows came in events."""


async def expect_rows(page: Page, places: list[int], selection: str) -> None:
    """Wait for the rows of a selection."""
    with anyio.move_on_after(30):
        while await read_rows(page) != places:
            await anyio.sleep(0.02)
    assert await read_rows(page) == places, selection


async def expect_live(page: Page) -> None:
    """Wait for the scripts to have all URLs."""
    await expect(page.locator(".group[style]").first).to_be_attached()


def mix(target: Target, total: int = 60) -> list[str]:
    """URLs with every class of answer, some of them slow."""
    kinds = ["code/200", "code/404", "code/500", "to/http://127.0.0.1:1/", "delay/0.3", "reset"]
    return [f"{target.url}/{kinds[place % 6]}?{place}" for place in range(total)] + ["nonsense://x"]


async def test_live_rows(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """Rows show what lands, bad ones first; at the end the order is that sent, and nothing was loaded anew."""
    client = patient_client
    kinds = {3: "code/404", 5: "code/200"}
    task = await post(client, [f"{target.url}/{kinds.get(place, 'held/200')}?{place}" for place in range(12)])
    async with open_page(browser, page_of(client, task)) as page:
        await page.evaluate("window.sameDocument = true")
        await expect(page.locator(ROW).first).to_contain_text("404")
        await expect(page.locator(f"{ROW}.k2xx")).to_have_count(1)
        assert (await read_rows(page))[:3] == [3, 5, 0]
        target.release(200)
        await expect(page.locator("#status")).to_contain_text("1 of 12 are bad")
        await expect_rows(page, list(range(12)), "at the end")
        await expect(page.locator("#stop")).to_have_count(0)
        await expect(page.locator("#chips [data-show='2xx'] .count")).to_have_text("11")
        await expect(page.locator("#verdicts [data-show='broken'] .count")).to_have_text("1")
        await expect(page.get_by_role("button", name="Check bad again")).to_be_visible()
        await expect(page.get_by_role("status").filter(has_text="1 of 12 are bad")).to_have_count(1)
        assert await page.evaluate("window.sameDocument")


@pytest.mark.slow
async def test_stop(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """Stop cancels the task without loading the page; what is known stays, and the line that says it has the focus."""
    client = patient_client
    task = await post(client, [f"{target.url}/code/404", *[f"{target.url}/silent?{place}" for place in range(3)]])
    async with open_page(browser, page_of(client, task)) as page:
        await page.evaluate("window.sameDocument = true")
        await expect(page.locator(f"{ROW}.k4xx")).to_have_count(1)
        await page.get_by_role("button", name="Stop").press("Enter")
        await expect(page.locator("#status")).to_have_text("stopped at 1 of 4")
        await expect(page.locator("#stop")).to_have_count(0)
        await expect(page.locator("#status")).to_be_focused()
        await expect(page.locator(ROW)).to_have_count(4)
        assert await page.evaluate("window.sameDocument")
    assert (await client.get(f"/api/v1/tasks/{task}")).json()["status"] == "cancelled"


@pytest.mark.slow
@pytest.mark.parametrize("used", [".domain", "summary"])
async def test_pictures_in_use(
    browser: Browser, patient_client: httpx.AsyncClient, target: Target, *, used: str
) -> None:
    """Pictures show the end also after a click in them, which keep what is open and the focus."""
    client = patient_client
    task = await post(client, [f"{target.url}/{kind}" for kind in ("code/404", "held/404", "held/200")])

    async def is_begun() -> bool:
        return bool((await client.get(f"/api/v1/tasks/{task}")).json()["done"] == 1)

    await wait_until(is_begun)
    async with open_page(browser, page_of(client, task)) as page:
        await expect_live(page)
        await page.locator(f"#pictures {used}").click()
        for code in (404, 200):
            target.release(code)
        await expect(page.locator("#status")).to_contain_text("2 of 3 are bad")
        await expect(page.locator("#pictures .domains .figure")).to_have_text("2 of 3 bad")
        await expect(page.locator("#pictures [open]")).to_have_count(int(used == "summary"))
        await expect(page.locator(f"#pictures {used}")).to_be_focused()


@pytest.mark.slow
async def test_late_pictures(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """Pictures that are drawn while the task runs, and arrive after those of its end, are dropped."""
    client = patient_client
    task = await post(client, [f"{target.url}/{kind}" for kind in ("code/404", "held/404", "held/200")])
    asked, over = anyio.Event(), anyio.Event()

    async def delay(route: Route) -> None:
        if asked.is_set():
            await route.continue_()
            return
        answer = await route.fetch()
        asked.set()
        await over.wait()
        await route.fulfill(response=answer)

    async with open_page(browser, "about:blank") as page:
        await page.clock.install()
        await page.goto(page_of(client, task))
        await expect_live(page)
        await page.route(page_of(client, task), delay)
        await page.clock.fast_forward(6000)
        target.release(404)
        await asked.wait()
        target.release(200)
        await expect(page.locator("#pictures .figure").last).to_have_text("2 of 3 bad")
        async with page.expect_event("requestfinished"):
            over.set()
        await page.evaluate("new Promise(done => setTimeout(done, 100))")
        await expect(page.locator("#pictures .figure").last).to_have_text("2 of 3 bad")


@pytest.mark.slow
async def test_notices_stay(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """What the page says of the pasted text stays while URLs are chosen and the task ends."""
    task = await post(patient_client, [f"{target.url}/{kind}" for kind in ("code/404", "held/200")])
    async with open_page(browser, page_of(patient_client, task, "?twice=1&unread=3")) as page:
        await expect_live(page)
        await page.locator("#chips [data-show=bad]").click()
        target.release(200)
        await expect(page.locator("#status")).to_contain_text("1 of 2 are bad")
        await expect(page.locator("#stop")).to_have_count(0)
        await expect(page.locator("#messages .message")).to_have_count(2)


@pytest.mark.slow
async def test_stop_without_server(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """Stop while the server cannot be reached keeps the page, which says so, and can be pressed again later."""
    client = patient_client
    task = await post(client, [f"{target.url}/code/404", f"{target.url}/silent"])
    port = int(client.base_url.port or 0)
    async with relaying(port) as relay, open_page(browser, f"{relay.url}/tasks/{task}") as page:
        await expect(page.locator(f"{ROW}.k4xx")).to_have_count(1)
        await expect_live(page)
        relay.target_port = 1
        await relay.cut()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#offline")).to_contain_text("The server cannot be reached")
        relay.target_port = port
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#status")).to_have_text("stopped at 1 of 2")


@pytest.mark.slow
async def test_selections(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """Each filter and order of the page gives the rows that the API gives."""
    task = await finish(client, [*mix(target), "xn--mnchen-3ya.example", "http://b.example:70000/", "A.example/?1"])
    selections = [
        f"?show={show}&q={text}&sort={sign}{sort}"
        for show, text in (("", ""), ("bad", ""), ("none", ""), ("4xx", ""), ("500", ""), ("reset", ""), ("unsure", ""))
        for sort, sign in (("", ""), ("code", ""), ("time", "-"), ("url", ""))
    ]
    selections += [f"?q={text}&sort=-sent" for text in ("?1", "NONSENSE", "nothing at all", "a.ex")]
    selections += ["?sort=bad", "?sort=-bad", "?sort=-code", "?sort=-url", "?sort=domain"]
    async with open_page(browser, page_of(client, task)) as page:
        await expect_live(page)
        for selection in selections:
            await page.evaluate(
                """query => {
                    const link = Object.assign(document.createElement("a"), {href: location.pathname + query});
                    document.getElementById("content").append(link);
                    link.click();
                    link.remove();
                }""",
                selection,
            )
            answer = (await client.get(f"/api/v1/tasks/{task}/probes{selection}")).json()
            await expect_rows(page, [probe["index"] for probe in answer["probes"]], selection)
            assert await page.locator("#rows").get_attribute("aria-rowcount") == str(answer["total"] + 1)
            assert await page.locator("#unmatched").is_visible() == (answer["total"] == 0)


@pytest.mark.slow
async def test_codes_without_class(browser: Browser, patient_client: httpx.AsyncClient, target: Target) -> None:
    """A code of 600 and over counts as 5xx in the bar, the chip, the rows and the filter, also as it lands."""
    task = await post(patient_client, [f"{target.url}/{kind}" for kind in ("code/999", "code/200", "held/600")])
    async with open_page(browser, page_of(patient_client, task)) as page:
        await expect_live(page)
        chip = page.locator("#chips [data-show='5xx']")
        await expect(chip).to_have_text("5xx 1")
        target.release(600)
        await expect(page.locator("#status")).to_contain_text("2 of 3 are bad")
        for _ in ("as it landed", "loaded anew"):
            await expect(chip).to_have_text("5xx 2")
            await expect(page.locator("#bar")).to_have_attribute("aria-label", re.compile("5xx: 2$"))
            await expect(page.locator(f"{ROW}.k5xx")).to_have_count(2)
            await chip.click()
            await expect_rows(page, [0, 2], "5xx")
            await page.reload()


@pytest.mark.slow
async def test_filter_and_address(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """What is typed and clicked filters at once and is in the address, which shows the same to another."""
    task = await finish(client, mix(target))
    async with open_page(browser, page_of(client, task)) as page:
        await expect_live(page)
        await page.evaluate("window.sameDocument = true")
        await page.keyboard.press("/")
        await page.keyboard.type("?1")
        await page.get_by_role("link", name=re.compile("^Bad")).click()
        await page.locator(".head [data-sort=code]").click()
        await page.locator(".head [data-sort=code]").click()
        places = await read_rows(page)
        await expect(page).to_have_url(page_of(client, task, "?show=bad&q=%3F1&sort=-code"))
        await expect(page.locator("[aria-sort]")).to_have_attribute("aria-sort", "descending")
        assert await page.evaluate("window.sameDocument")
        csv = await page.get_by_role("link", name="CSV").get_attribute("href")
        exported = (await client.get(str(csv))).text.splitlines()[1:]
        assert [int(line.partition(",")[0]) for line in exported] == places
        await page.reload()
        await expect_rows(page, places, "loaded anew")
        await expect(page.get_by_role("searchbox")).to_have_value("?1")
        await page.get_by_role("searchbox").fill("nothing")
        await page.get_by_role("link", name="Show all URLs").click()
        await expect(page.locator(ROW)).to_have_count(61)
        await expect(page).to_have_url(page_of(client, task))
        await page.locator("#pictures .domain").first.click()
        await expect(page.get_by_role("searchbox")).to_have_value("//127.0.0.1:")
        await page.get_by_role("button", name="Check bad again").click()
        await page.wait_for_url(re.compile(f"/tasks/(?!{task})[^?]+"))


@asynccontextmanager
async def before_scripts(page: Page, url: str) -> AsyncIterator[None]:
    """Open a task's page whose scripts come at the exit."""
    there = anyio.Event()

    async def hold(route: Route) -> None:
        await there.wait()
        await route.continue_()

    await page.route("**/static/tasks/task.js", hold)
    await page.goto(url, wait_until="commit")
    try:
        yield
    finally:
        there.set()


@pytest.mark.slow
@pytest.mark.parametrize("opened", [False, True], ids=["rows closed", "row open"])
async def test_early_choice(browser: Browser, client: httpx.AsyncClient, target: Target, *, opened: bool) -> None:
    """What is typed into the filter before the scripts are there filters once they are."""
    task = await finish(client, mix(target))
    async with open_page(browser, "about:blank") as page:
        async with before_scripts(page, page_of(client, task)):
            if opened:
                await page.locator(f"{ROW} summary").first.click()
            await page.get_by_role("searchbox").fill("?1")
        await expect(page).to_have_url(page_of(client, task, "?q=%3F1"))
        await expect(page.locator(ROW)).to_have_count(11)


HOSTS = ["xn--mnchen-3ya", "a.XN--e1afmkfd.xn--p1ai", "xn--fiqs8s", "xn--a", "xn--", "xn--zzzzzzzzzz", "xn--80ak6aa92e"]
ODD = ["http://a.invalid/\u202egnp.exe", "http://a.invalid/?xn--mnchen-3ya", "\0", "<b>x</b>", "javascript:alert(1)"]


@pytest.mark.slow
async def test_shown_as_by_the_server(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """The rows say the same with scripts as without: hosts in IDNA in their letters, controls, long and odd URLs."""
    found = [f"{target.url}/{what}" for what in ("to/http://xn--mnchen-3ya.example/", "to/<b>", "garbage", "code/404")]
    urls = [*(f"http://{host}.invalid:1/xn--a" for host in HOSTS), *HOSTS, *ODD, *found, f"{target.url}/{'x' * 2000}"]
    task = await finish(client, urls)
    shown = []
    for scripts in (False, True):
        async with open_page(browser, page_of(client, task), java_script_enabled=scripts) as page:
            if scripts:  # until they are near the window, the rows are those of the server
                await wait_until(lambda: page.locator(ROW).evaluate_all("rows => rows.every(row => row.probe)"))
            shown.append(await page.locator(f"{ROW} > span:not(.time)").all_text_contents())
    assert shown[0] == shown[1]
    assert "http://münchen.invalid:1/xn--a" in shown[0]


@pytest.mark.slow
async def test_hundred_of_an_address(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """An address with a hundred of the rows shows that one, among all."""
    task = await finish(client, [f"nonsense://{place}" for place in range(350)])
    async with open_page(browser, page_of(client, task, "?page=3")) as page:
        await expect_live(page)
        await expect(page.locator(f"{ROW}[data-index='200']")).to_be_in_viewport()
        await page.evaluate("scrollTo(0, 0)")
        await expect(page.locator(f"{ROW}[data-index='0']")).to_be_visible()


@pytest.mark.slow
async def test_refused_recheck(browser: Browser, open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """A refused recheck says why on the page of the task, which can be filtered, loaded again, and rechecked."""
    queue = "gateway:{queue}:urls"
    async with open_gateway() as client, Redis(unix_socket_path=str(tmp_path / "data/redis/redis.sock")) as redis:
        task = await finish(client, mix(target))
        async with open_page(browser, page_of(client, task)) as page:
            await redis.incrby(queue, MAX_QUEUED_URLS)
            await page.get_by_role("button", name="Check bad again").click()
            await expect(page.get_by_role("alert")).to_contain_text("The queue is full")
            await expect_live(page)
            await page.get_by_role("searchbox").fill("/404")
            await expect(page).to_have_url(page_of(client, task, "?show=bad&q=%2F404"))
            await page.reload()
            await expect(page.locator(ROW)).to_have_count(10)
            await redis.decrby(queue, MAX_QUEUED_URLS)
            await page.get_by_role("button", name="Check bad again").click()
            await page.wait_for_url(re.compile(f"/tasks/(?!{task})[^/]+$"))


@pytest.mark.slow
@pytest.mark.parametrize("early", [False, True], ids=["with scripts", "before scripts"])
async def test_rows_in_use_keep_their_place(
    browser: Browser, patient_client: httpx.AsyncClient, target: Target, *, early: bool
) -> None:
    """While a row has the focus or is open, bad ones that land do not push it away."""
    client = patient_client
    kinds = ["code/404", "code/200", "held/200?2", "held/200?3", "held/500?retried"]
    urls = [f"{target.url}/{kind}" for kind in kinds]
    task = await post(client, urls)

    async def is_begun() -> bool:
        return bool((await client.get(f"/api/v1/tasks/{task}")).json()["done"] == 2)

    async with open_page(browser, "about:blank") as page, AsyncExitStack() as stack:
        if early:
            await wait_until(is_begun)
            await stack.enter_async_context(before_scripts(page, page_of(client, task)))
        else:
            await page.goto(page_of(client, task))
        await expect(page.locator(ROW).nth(1)).to_contain_text("200")
        await page.locator(ROW).nth(1).get_by_role("group").locator("summary").click()
        await stack.aclose()
        target.release(500)
        await expect(page.locator(f"{ROW}.k5xx")).to_have_count(1)
        assert (await read_rows(page))[1] == 1
        target.release(200)
        await expect(page.locator("#status")).to_contain_text("2 of 5 are bad")
        assert (await read_rows(page))[1] == 1
        await expect(page.locator("dd:visible").first).to_have_text(urls[1])
        await page.locator("h2").first.click()
        await page.locator("details[open] summary").click()
        await page.evaluate("document.activeElement.blur()")
        await expect(page.locator(ROW).nth(4)).to_contain_text("500")


@pytest.mark.slow
async def test_keys(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """Arrows go through the rows, Enter opens one, letters do what the help says."""
    task = await finish(client, mix(target, 240))
    async with open_page(browser, page_of(client, task), permissions=["clipboard-read", "clipboard-write"]) as page:
        await expect_live(page)
        press = page.keyboard.press
        for _ in range(102):  # into the next group
            await press("ArrowDown")
        await expect(page.locator("[data-index='101'] summary")).to_be_focused()
        await press("ArrowUp")
        await press("Enter")
        await expect(page.locator("[data-index='100'] dd:visible").first).to_have_text(f"{target.url}/delay/0.3?100")
        await stop_clock(page)
        await press("y")
        await expect(page.get_by_role("status").filter(has_text="Copied")).to_be_visible()
        await page.clock.resume()
        assert await page.evaluate("navigator.clipboard.readText()") == f"{target.url}/delay/0.3?100"
        await press("Escape")  # the notice
        await press("Escape")
        await expect(page.locator("details[open]")).to_have_count(0)
        async with page.context.expect_page() as opened:
            await press("o")
        await expect(await opened.value).to_have_url(f"{target.url}/delay/0.3?100")
        await (await opened.value).close()
        await press("2")
        await expect(page.locator("#chips [aria-current]")).to_have_text(re.compile("^Bad"))
        async with page.expect_download() as download:
            await press("e")
        assert (await download.value).suggested_filename.endswith("bad.csv")
        await press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("copy this URL")
        await press("Escape")
        await press("r")
        await page.wait_for_url(re.compile(f"/tasks/(?!{task})"))


@pytest.mark.slow
async def test_keys_of_another_alphabet(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """A letter of another alphabet is what a Latin keyboard has there; a key without a Latin letter does nothing."""
    task = await finish(client, [f"{target.url}/code/404"])
    async with open_page(browser, page_of(client, task)) as page:
        await expect_live(page)
        session = await page.context.new_cdp_session(page)
        await page.evaluate(
            """() => {
                window.exported = 0;
                document.querySelector("[data-format=csv]").addEventListener("click", (event) => {
                    event.preventDefault();
                    window.exported++;
                });
            }"""
        )
        keys = (("э", "Quote", 0), ("ё", "Backquote", 0), ("Э", "Quote", 0), ("у", "KeyE", 1), ("У", "KeyE", 2))
        for key, code, exported in keys:
            await session.send("Input.dispatchKeyEvent", {"type": "keyDown", "key": key, "code": code})
            await session.send("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": code})
            assert await page.evaluate("window.exported") == exported


@pytest.mark.slow
async def test_next_gateway(browser: Browser, open_gateway: OpenGateway, target: Target) -> None:
    """A gateway ends, another takes its task over: the page goes on behind what it has, each row once."""
    seen = list[str | None]()

    async def note(request: Request) -> None:
        if httpx.URL(request.url).path.endswith("/events"):
            seen.append((await request.all_headers()).get("last-event-id"))

    kinds = ("code/404", "held/200", "code/404", "held/201")
    urls = [f"{target.url}/{kinds[place % 4]}?{place}" for place in range(40)]
    settings = {"probe_timeout_s": 90, "per_host": 50}
    async with open_gateway(**settings) as two, relaying(0) as relay, open_page(browser, "about:blank") as page:
        page.on("request", note)
        await page.add_init_script(NOTE_EVENTS)
        async with open_gateway(**settings) as one:
            relay.target_port = int(one.base_url.port or 0)
            task = await post(one, urls)
            await page.goto(f"{relay.url}/tasks/{task}")
            await page.evaluate("window.sameDocument = true")
            await expect(page.locator(f"{ROW}.k4xx")).to_have_count(20)
            await expect_live(page)
            target.release(201)
            await wait_until(lambda: page.evaluate("Number(window.lastEventId) >= 30"))
            relay.target_port = int(two.base_url.port or 0)  # before it refuses: then the page sends `since`
            await relay.cut()
        target.release(200)
        await expect(page.locator("#status")).to_contain_text("20 of 40 are bad")
        await expect(page.locator(f"{ROW}.k2xx")).to_have_count(20)
        await expect_rows(page, list(range(40)), "at the end")
        assert await page.evaluate("window.sameDocument")
    assert seen[0] is None
    assert any(identity and int(identity) >= 30 for identity in seen[1:])


@pytest.mark.slow
async def test_refused_reconnect(browser: Browser, open_gateway: OpenGateway, target: Target) -> None:
    """A page that is refused when it comes again, and one that was offline, go on behind what they have."""
    kinds = ("code/404", "held/201", "held/202", "held/203")
    urls = [f"{target.url}/{kinds[place % 4]}?{place}" for place in range(24)]
    async with (
        open_gateway(probe_timeout_s=90) as client,
        open_gateway(redis_url="redis://127.0.0.1:1") as refusing,
        relaying(int(client.base_url.port or 0)) as relay,
        open_page(browser, "about:blank") as page,
    ):
        await page.add_init_script(NOTE_EVENTS)
        task = await post(client, urls)
        await page.goto(f"{relay.url}/tasks/{task}")
        await expect_live(page)
        target.release(201)
        await expect(page.locator(f"{ROW}.k2xx")).to_have_count(6)
        port, relay.target_port = relay.target_port, int(refusing.base_url.port or 0)
        await relay.cut()
        await expect(page.locator("#offline")).not_to_be_empty()
        relay.target_port = port
        await relay.cut()
        target.release(202)
        await expect(page.locator(f"{ROW}.k2xx")).to_have_count(12)
        await page.context.set_offline(True)
        await expect(page.locator("#offline")).not_to_be_empty()
        await page.context.set_offline(False)
        target.release(203)
        await expect(page.locator("#status")).to_contain_text("6 of 24 are bad")
        await expect(page.locator(f"{ROW}.k2xx")).to_have_count(18)
        landed = await page.evaluate("window.landed")
        assert sorted(set(landed)) == sorted(landed)
        assert set(range(1, 24, 4)) <= set(landed)


@pytest.mark.slow
async def test_gone(browser: Browser, patient_client: httpx.AsyncClient, target: Target, tmp_path: Path) -> None:
    """A page whose task is gone says so in place of a server that cannot be reached."""
    task = await post(patient_client, [f"{target.url}/code/404", f"{target.url}/silent"])
    async with open_page(browser, page_of(patient_client, task)) as page:
        await expect(page.locator(f"{ROW}.k4xx")).to_have_count(1)
        async with Redis(unix_socket_path=str(tmp_path / "data/redis/redis.sock")) as redis:
            await redis.delete(f"gateway:{{{task}}}:task")
        await expect(page.get_by_role("heading", name="There is no such task")).to_be_visible()
        await expect(page.locator("#offline")).to_be_empty()


@pytest.mark.slow
async def test_redis_comes_back(browser: Browser, open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """A page that Redis could not give is there once it can be given; what is in the form keeps it."""
    port = free_port()
    async with (
        serving(tmp_path / "redis", port) as redis,
        open_gateway(redis_url=f"redis://127.0.0.1:{port}") as client,
    ):
        task = await finish(client, [f"{target.url}/code/404"])
        redis.send_signal(SIGSTOP)
        start = f"{client.base_url}/tasks"
        async with open_page(browser, page_of(client, task)) as page, open_page(browser, start) as form:
            await expect(page.get_by_role("alert")).to_have_text(
                "Redis is away for now. What was sent before is not lost."
            )
            await expect(form.get_by_role("alert")).to_be_visible()
            await form.locator("#text").fill("a.example")
            redis.send_signal(SIGCONT)
            await expect(page.locator(f"{ROW}.k4xx")).to_have_count(1)
            await expect(form.locator("#text")).to_have_value("a.example")
            await form.locator("#text").fill("")
            await expect(form.locator("#recent li")).to_have_count(1)


@pytest.mark.slow
async def test_lost_rows(browser: Browser, open_gateway: OpenGateway, target: Target, tmp_path: Path) -> None:
    """If Redis loses rows in a crash, and so the place of a page in the stream, no row is missing at the end."""
    kinds = ["code/404"] * 6 + ["held/201"] * 3 + ["held/202"] * 3
    urls = [f"{target.url}/{kind}?{place}" for place, kind in enumerate(kinds)]
    async with serving(tmp_path / "redis", port := free_port()), relaying(1) as relay, Redis(port=port) as redis:
        gateway = {"redis_url": f"redis://127.0.0.1:{port}", "probe_timeout_s": 90}
        async with open_page(browser, "about:blank") as page:
            async with open_gateway(**gateway) as one:
                relay.target_port = int(one.base_url.port or 0)
                task = await post(one, urls)
                await page.goto(f"{relay.url}/tasks/{task}")
                await expect_live(page)
                await expect(page.locator(f"{ROW}.k4xx")).to_have_count(6)
                relay.target_port = 1
                await relay.cut()
                key = f"gateway:{{{task}}}:task"

                async def is_further() -> bool:
                    return int(await redis.hget(key, "done") or 0) >= 9

                target.release(201)
                await wait_until(is_further)
            fields: dict[Any, Any] = await redis.hgetall(key)
            chunks = [int(name[7:]) for name in fields if name.startswith(b"probes:")]
            await redis.hdel(key, f"probes:{min(chunks)}")
            target.release(202)
            async with open_gateway(**gateway) as two:
                relay.target_port = int(two.base_url.port or 0)
                await expect(page.locator("#status")).to_contain_text("6 of 12 are bad")
                await expect(page.locator(f"{ROW}.k2xx")).to_have_count(6)


@pytest.mark.slow
async def test_offline(browser: Browser, open_gateway: OpenGateway, settings: Settings, target: Target) -> None:
    """While the server cannot be reached the page says of when it is, filters what it has, and goes on later."""
    async with open_gateway(probe_timeout_s=90) as client, relaying(int(client.base_url.port or 0)) as relay:
        task = await post(client, [f"{target.url}/code/404", *[f"{target.url}/held/200?{place}" for place in range(5)]])
        async with open_page(browser, f"{relay.url}/tasks/{task}") as page:
            await expect_live(page)
            await expect(page.locator(f"{ROW}.k4xx")).to_have_count(1)
            port, relay.target_port = relay.target_port, 1
            await relay.cut()
            await expect(page.locator("#offline")).to_have_text(
                re.compile(r"cannot be reached. This is as of \d+:\d\d")
            )
            await page.get_by_role("searchbox").fill("held")
            await expect(page.locator(ROW)).to_have_count(5)
            relay.target_port = port
            await expect(page.locator("#offline")).to_be_empty()
            target.release(200)
            await expect(page.locator("#status")).to_contain_text("1 of 6 are bad")
            await expect(page.locator(f"{ROW}.k2xx")).to_have_count(5)


TEXTS = [
    "https://example.com/a\nhttps://example.com/b\n\nnot a url\nexample.org/c\nhttps://example.com/a",
    "See [one](https://example.com/wiki/Foo_(bar)), <https://example.com/x>, and (https://example.com/y). Or not.",
    "url,code\nhttps://example.com/1,200\nhttps://example.com/2,404\nnonsense://x,0\n",
    '"name";"link"\n"a, b";"https://example.com/q?x=1,2"\n"c";"https://example.org/"\n',
    '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n<url><loc>https://e.org/?a=1&amp;b=2</loc></url>\n',
    "name,x,url\nA,1,http://127.0.0.1:1/a\nB,2,b.example\nC,3,\nD,4,d.example\nE,5,e.example\nTotal,5\n,http://f.example/",
    "http://user@example.com/\nuser@example.com\nlocalhost:8000/x\nhttp://a_b.example/\nhttp://-\nhttp://[::1]:80/x",
    "http://1.2.3/\nhttp://300.1.1.1/\nhttp://example.com:0/\nhttp://http/\nhttp://bücher.example/ü\n# a comment",
    "https://example.com/" + "x" * 9000 + "\nhttps://example.com/ok!!!",
    "\ufeffhttps://example.com/one\r\nhttps://example.com/two\rhttps://",
]


@pytest.mark.parametrize("text", first_fast(TEXTS))
async def test_counted_as_pasted(browser: Browser, client: httpx.AsyncClient, text: str) -> None:
    """While one types the page finds the URLs that the server will find, and the lines that it cannot read."""
    async with open_page(browser, f"{client.base_url}/tasks") as page:
        script = """async text => {
            const { readPasted } = await import("/static/tasks/pasted.js");
            const found = readPasted(text);
            return [[...found.urls], found.doubles, found.unreadable];
        }"""
        found = read_pasted(text)
        assert await page.evaluate(script, text) == [found.urls, found.doubles, found.unreadable]


@pytest.mark.slow
async def test_paste_and_drop(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """The form counts what is typed and dropped, says what is too much, and sends both."""
    sitemap, many = tmp_path / "sitemap.xml", tmp_path / "many.txt"
    sitemap.write_text("<urlset><url><loc>http://127.0.0.1:1/map</loc></url></urlset>")
    many.write_text("\n".join(f"http://127.0.0.1:1/{place}" for place in range(10_001)))
    async with open_page(browser, f"{client.base_url}/tasks") as page:
        line = page.locator("#pasted")
        invitation = await line.text_content()
        await page.locator("#text").fill("http://127.0.0.1:1/\nnot a url" + "\nhttp://127.0.0.1:1/" * 2)
        await expect(line).to_have_text("1 URL · 2 repeats are left out · 1 line cannot be read: 2")
        await drop(page, many)
        await expect(line).to_have_text(re.compile("^There are 10,002 URLs.*: paste them in 2 parts"))
        await drop(page, sitemap)
        await expect(line).to_have_text(re.compile("^2 URLs"))
        await page.locator("#text").fill("http://127.0.0.1:1/")
        await page.get_by_role("button", name="Check", exact=True).click()
        await page.wait_for_url(re.compile("/tasks/."))
        await expect(page.locator(ROW)).to_have_count(2)
        await page.goto(f"{client.base_url}/tasks")
        await expect(line).to_have_text(invitation or "")


@pytest.mark.slow
async def test_too_large(browser: Browser, client: httpx.AsyncClient, tmp_path: Path) -> None:
    """Files that are too large are told before they are sent, so that the text beside them stays."""
    large, small = tmp_path / "large.txt", tmp_path / "small.txt"
    large.write_text("http://127.0.0.1:1/\n" * 250_000)
    small.write_text("http://127.0.0.1:1/")
    async with open_page(browser, f"{client.base_url}/tasks") as page:
        await page.locator("#text").fill("http://127.0.0.1:1/text")
        await page.locator("#file").set_input_files(large)
        await expect(page.locator("#pasted")).to_have_text("This is too large: 4.2 MB at most.")
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator("#text")).to_have_value("http://127.0.0.1:1/text")
        await page.locator("#file").set_input_files(small)
        await expect(page.locator("#pasted")).to_have_text("2 URLs")
        await page.get_by_role("button", name="Check", exact=True).click()
        await expect(page.locator(ROW)).to_have_count(2)


@pytest.mark.slow
async def test_scripts_are_small(browser: Browser, client: httpx.AsyncClient, target: Target) -> None:
    """The scripts of a task, those of the frame included, take little room when they are packed."""
    task = await finish(client, [f"{target.url}/code/200"])
    paths = list[str]()
    async with open_page(browser, "about:blank") as page:
        page.on("request", lambda request: paths.append(httpx.URL(request.url).path))
        await page.goto(page_of(client, task))
        await expect_live(page)
    scripts = {path: (await client.get(path)).content for path in paths if path.endswith(".js")}
    assert {"/static/tasks/rows.js", "/static/web/words.js"} <= scripts.keys()
    assert len(gzip.compress(b"".join(scripts.values()))) < MAX_SCRIPT_BYTES


@pytest.fixture
async def crowded(client: httpx.AsyncClient) -> AsyncIterator[str]:
    """The id of a task of 10,000 URLs, a tenth of them of another kind."""
    yield await finish(client, [f"{'nonsense' if place % 10 else 'other'}://host/{place}" for place in range(10_000)])


@pytest.mark.slow
async def test_ten_thousand_rows(browser: Browser, client: httpx.AsyncClient, crowded: str) -> None:
    """Of 10,000 rows only those near the window are there; each is found where it should be, at the right height."""
    async with open_page(browser, page_of(client, crowded)) as page:
        await expect_live(page)
        height = await page.locator("#rows").evaluate("rows => rows.scrollHeight")
        for share in (0.5, 0.97, 0.1):
            await page.evaluate("share => scrollTo(0, document.documentElement.scrollHeight * share)", share)
            first = await page.locator("#rows .group").first.evaluate("group => group.getBoundingClientRect().top")
            row = int((400 - first) / 41)  # what is 400 pixels below the top of the window
            await expect(page.locator(f"{ROW}[aria-rowindex='{row + 2}']")).to_be_in_viewport()
            await expect(page.locator(f"{ROW}[aria-rowindex='{row + 2}'] .number")).to_have_text(f"{row + 1:,}")
            assert await page.locator(ROW).count() <= 500
        assert await page.locator("#rows").evaluate("rows => rows.scrollHeight") == height
        await page.get_by_role("searchbox").fill("other://host/99")
        await expect(page.locator(ROW)).to_have_count(11)
        await expect(page.locator("#rows")).to_have_attribute("aria-rowcount", "12")
