"""The task API over HTTP, from a list of URLs to their codes."""

import json
import uuid
from urllib.parse import quote_from_bytes

import anyio
import httpx
import pytest

from tests.conftest import OpenGateway
from tests.target import Target

pytestmark = pytest.mark.anyio


async def crawl(client: httpx.AsyncClient, urls: list[str], **options: object) -> dict[str, object]:
    """Post a task and wait until it is ready."""
    body = json.dumps({"urls": urls, **options} if options else urls)  # httpx cannot encode half of a surrogate pair
    posted = await client.post("/api/v1/tasks/", content=body, headers={"Content-Type": "application/json"})
    assert posted.status_code == 201, posted.text
    while True:  # until the time of the test is over
        seen = await client.get(posted.headers["Location"], headers={"Prefer": "wait=5"})
        if seen.json()["status"] != "running":
            assert seen.json()["status"] == "ready", seen.text
            return dict(seen.json())


async def list_probes(client: httpx.AsyncClient, task: dict[str, object]) -> list[dict[str, object]]:
    """What is known of each URL of a task."""
    return list((await client.get(f"/api/v1/tasks/{task['id']}/probes")).json()["probes"])


async def test_post(client: httpx.AsyncClient, target: Target) -> None:
    """A list of URLs is answered by 201, a Location and a running task with a UUID4."""
    answer = await client.post("/api/v1/tasks/", json=[f"{target.url}/delay/0.3"])
    task = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert uuid.UUID(task["id"]).version == 4
    fields = {"id", "status", "result", "total", "done", "counts", "verdicts", "created_at", "finished_at"}
    assert set(task) == fields
    assert (task["status"], task["result"], task["total"], task["done"]) == ("running", None, 1, 0)
    assert (await client.get(answer.headers["Location"])).json()["status"] == "running"


async def test_codes_in_order(client: httpx.AsyncClient, target: Target) -> None:
    """The result has one code a URL, in the order sent, duplicates kept, 0 for what gave no answer."""
    paths = ["/code/200", "/code/404", "/code/500", "/code/200", "/delay/0.2", "/reset"]
    urls = [target.url + path for path in paths] + [
        "http://127.0.0.1:1/",
        "http://no-such-name.invalid/",
        "nonsense://x",
    ]
    task = await crawl(client, urls)
    assert task["result"] == [200, 404, 500, 200, 200, 0, 0, 0, 0]
    assert task["done"] == task["total"] == len(urls)
    assert str(task["finished_at"]) > str(task["created_at"])


async def test_probes(client: httpx.AsyncClient, target: Target) -> None:
    """Each probe says its URL as sent, its code, and for a failure a stable word and a reason."""
    urls = [
        f"{target.url}/code/201",
        "127.0.0.1:1",
        "",
        "ftp://example.com/",
        "http://169.254.169.254/",
        f"{target.url}/to/x",
    ]
    probes = await list_probes(client, await crawl(client, urls))
    assert [probe["url"] for probe in probes] == urls
    assert [probe["error"] for probe in probes] == [
        None, "refused", "invalid_url", "unsupported_scheme", "blocked", None,
    ]  # fmt: skip
    assert all(probe["detail"] for probe in probes if probe["error"])
    assert [probe["verdict"] for probe in probes] == ["ok", "unsure", "invalid", "invalid", "unsure", "ok"]
    assert [probe["attempts"] for probe in probes] == [1, 1, 0, 0, 1, 1]
    assert " ".join(probes[0]) == (
        "index url code error verdict detail cached elapsed_s attempts location hops final_url"
    )
    assert probes[5]["location"] == "x"


async def test_probes_page(client: httpx.AsyncClient, target: Target) -> None:
    """Probes come by page, and before the task is ready those not known yet have no code."""
    urls = [f"{target.url}/code/200", f"{target.url}/silent", f"{target.url}/code/201"]
    answer = await client.post("/api/v1/tasks/", json=urls)
    with anyio.fail_after(60):
        while (await client.get(answer.headers["Location"])).json()["done"] < 2:
            await anyio.sleep(0.02)
    probes = (await client.get(answer.headers["Location"] + "/probes?offset=1&limit=1")).json()["probes"]
    assert [(probe["index"], probe["url"], probe["code"]) for probe in probes] == [(1, urls[1], None)]
    probes = (await client.get(answer.headers["Location"] + "/probes/")).json()["probes"]
    assert [probe["code"] for probe in probes] == [200, None, 201]


async def test_redirects(client: httpx.AsyncClient, target: Target) -> None:
    """Redirects are followed when asked, at most ten, and never to another scheme or a forbidden address."""
    paths = ["/hop/3", "/hop/10", "/hop/11", "/to", "/to/file:///etc/passwd", "/to/http://169.254.169.254/"]
    urls = [target.url + path for path in paths]
    assert (await crawl(client, urls))["result"] == [302] * 6
    task = await crawl(client, urls, follow_redirects=True)
    assert task["result"] == [200, 200, 0, 302, 0, 0]
    probes = await list_probes(client, task)
    assert [probe["error"] for probe in probes] == [None, None, "redirects", None, "redirects", "blocked"]
    hops = [{"code": 302, "url": f"{target.url}/hop/{left}"} for left in (3, 2, 1)]
    assert (probes[0]["hops"], probes[0]["final_url"]) == (hops, f"{target.url}/hop/0")
    assert (probes[3]["hops"], probes[3]["final_url"]) == (None, None)
    again = (await list_probes(client, await crawl(client, urls, follow_redirects=True)))[0]
    assert (again["cached"], again["hops"], again["final_url"]) == (True, hops, f"{target.url}/hop/0")
    assert (await list_probes(client, await crawl(client, urls[:1])))[0]["location"] == "/hop/2"


async def test_options(client: httpx.AsyncClient, target: Target) -> None:
    """A task can ask anew, and with a deadline and headers of its own."""
    url = f"{target.url}/code/200"
    asked: tuple[tuple[int, dict[str, object]], ...] = (
        (1, {}),
        (1, {}),
        (2, {"max_age_s": 0}),
        (2, {"max_age_s": 60}),
        (3, {"headers": {"A": "b"}}),
    )
    for seen, options in asked:
        assert (await crawl(client, [url], **options))["result"] == [200]
        assert target.requests["/code/200"] == seen
    probe = (await list_probes(client, await crawl(client, [f"{target.url}/silent"], timeout_s=0.2)))[0]
    assert (probe["error"], probe["detail"]) == ("timeout", "no answer within 0.2 s")


async def test_wrong_options(client: httpx.AsyncClient) -> None:
    """A wrong option is refused with its name, and its value is not repeated."""
    headers = {"Host": "secret"}, {"A": "secret\n"}
    for options in ({"headers": headers[0]}, {"headers": headers[1]}, {"timeout_s": 0}, {"max_age_s": -1}):
        answer = await client.post("/api/v1/tasks/", json={"urls": ["a"], **options})
        assert answer.status_code == 422
        assert next(iter(options)) in answer.json()["detail"]
        assert "secret" not in answer.text


async def test_plain_text(client: httpx.AsyncClient, target: Target) -> None:
    """A list of URLs can be posted as text, one on each line."""
    text = f"\ufeff# mine\r\n{target.url}/code/200\r\n\n  {target.url}/code/404 \rnot a URL\n"
    answer = await client.post("/api/v1/tasks/", content=text, headers={"Content-Type": "text/plain; charset=utf-8"})
    assert answer.status_code == 201
    ready = await client.get(answer.headers["Location"], headers={"Prefer": "wait=30"})
    assert ready.json()["result"] == [200, 404, 0]
    for wrong, status in ((b"\xff", 400), (b"# nothing\n", 422), (b"a\n" * 10_001, 422)):
        answer = await client.post("/api/v1/tasks/", content=wrong, headers={"Content-Type": "text/plain"})
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "word"),
    [("silent", "timeout"), ("drip", "timeout"), ("continue", "timeout"), ("headers", "protocol"),
     ("garbage", "protocol"), ("reset", "reset"), ("endless", None), ("short", None)],
)  # fmt: skip
async def test_hostile_target(open_gateway: OpenGateway, target: Target, path: str, word: str | None) -> None:
    """Whatever a site does, its URL ends by its deadline, with a code or the right word."""
    async with open_gateway(probe_timeout_s=1) as client:
        probe = (await list_probes(client, await crawl(client, [f"{target.url}/{path}"])))[0]
    assert (probe["error"], probe["code"]) == (word, 0 if word else 200)


async def test_strange_answers(client: httpx.AsyncClient, target: Target) -> None:
    """A Location that is no UTF-8 or has no end, and a status that cannot be, end with what JSON can hold."""
    raw = [
        b"HTTP/1.1 302 F\r\nLocation: /\xff\xfe\x1b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 F\r\nLocation: /" + b"x" * 6000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 X\r\n\r\n",
    ]
    task = await crawl(client, [f"{target.url}/raw/{quote_from_bytes(answer, safe='')}" for answer in raw])
    probes = await list_probes(client, task)
    assert task["result"] in ([302, 302, 0, 0, 999, 204], [0, 302, 0, 0, 999, 204])
    assert len(str(probes[1]["location"])) == 2048
    assert [probe["error"] for probe in probes[2:4]] == ["protocol", "protocol"]


async def test_bad_urls_harm_no_others(client: httpx.AsyncClient, target: Target) -> None:
    """A text that is no URL, whatever its length and characters, is `invalid_url` in its place and shown as sent."""
    bad = [
        "data:," + "x" * 9_010,
        f"{target.url}/" + "x" * 8_200,
        "x" * 3_000_000,
        "é" * 70_009,
        "\x00",
        "a\x00b",
        "\ud800",
        f"{target.url}/\udcff",
        f"{target.url}/\udc00\ud800",
    ]
    longest = f"{target.url}/" + "x" * (8_192 - len(target.url) - 1)
    task = await crawl(client, [f"{target.url}/code/200", *bad, longest, f"{target.url}/code/201?\x00\U0001f600"])
    probes = await list_probes(client, task)
    assert [probe["error"] for probe in probes] == [None, *["invalid_url"] * len(bad), None, None]
    assert task["result"] == [200, *[0] * len(bad), 404, 201]
    assert [probe["url"] for probe in probes[1:7]] == bad[:6]
    assert [probe["detail"] for probe in probes[1:3]] == ["the URL has over 8,192 characters"] * 2
    assert {probe["detail"] for probe in probes[7:10]} == {"the URL has something in it that is no character"}
    assert str(probes[8]["url"]).startswith(f"{target.url}/")
    assert target.requests["/code/201?%00%F0%9F%98%80"] == 1


async def test_worst_urls(client: httpx.AsyncClient, target: Target) -> None:
    """URLs made to be hard to read are refused at once, and the good one beside them is asked."""
    hard = ["[]@", "http://[:::::]", "http://" + "\ufdfa" * 8000, "a" + "\u0301\u0327" * 4000, "[a:é]"]
    task = await crawl(client, [*hard * 20, f"{target.url}/code/200"])
    assert task["result"] == [0] * 100 + [200]
    assert {probe["error"] for probe in (await list_probes(client, task))[:100]} == {"invalid_url"}


async def test_cache(open_gateway: OpenGateway, target: Target) -> None:
    """A URL seen within TIMEOUT is answered from Redis, afterwards it is asked again; a failure is never cached."""
    urls = [f"{target.url}/code/200", f"{target.url}/reset"]
    async with open_gateway(cache_timeout_s=1) as client:
        first = await list_probes(client, await crawl(client, urls))
        second = await list_probes(client, await crawl(client, urls))
        await anyio.sleep(1.1)
        third = await list_probes(client, await crawl(client, urls))
    assert [[probe["cached"] for probe in probes] for probes in (first, second, third)] == [
        [False, False], [True, False], [False, False],
    ]  # fmt: skip
    assert target.requests["/code/200"] == 2
    assert target.requests["/reset"] >= 3


@pytest.mark.parametrize("follow", [False, True])
async def test_cache_keeps_no_temporary_answer(client: httpx.AsyncClient, target: Target, *, follow: bool) -> None:
    """408, 425, 429, 503 and an answer with Retry-After are asked for again, by themselves or behind a redirect."""
    head = b"Content-Length: 0\r\n\r\n"
    raw = [
        b"HTTP/1.1 200 X\r\nretry-after: 0\r\n" + head,
        b"HTTP/1.1 404 X\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n" + head,
        b"HTTP/1.1 500 X\r\nRetry-After: soon\r\n" + head,
        b"HTTP/1.1 503 X\r\nRetry-After: 0\r\n" + head,
        b"HTTP/1.1 302 X\r\nRetry-After: 0\r\nLocation: /code/200\r\n" + head,
    ]
    paths = [f"/code/{code}" for code in (408, 425, 429, 503)]
    paths += [f"/raw/{quote_from_bytes(answer, safe='')}" for answer in raw]
    urls = [f"{target.url}{path}" for path in paths] + [f"{target.url}/to/{path}" for path in paths if follow]
    for times in (1, 2):
        task = await crawl(client, [*urls, f"{target.url}/code/500"], follow_redirects=follow)
        probes = await list_probes(client, task)
        assert [probe["cached"] for probe in probes] == [False] * len(urls) + [times == 2]
        assert {target.requests[path] for path in paths} == {times * (1 + follow)}


async def test_domains(own_client: httpx.AsyncClient, target: Target) -> None:
    """Every URL sent counts for its domain, duplicates and cached ones too, most requested first."""
    urls = [f"{target.url}/code/200"] * 3 + [
        f"LOCALHOST:{target.port}/code/200",
        "http://x.invalid:81/",
        "ftp://f.invalid/",
        '"http://x.invalid',
        "(http://x.invalid)",
        "http:",
        "http",
        "me@x.invalid",
    ]
    task = await crawl(own_client, urls)
    probes = await list_probes(own_client, task)
    assert [probe["error"] for probe in probes[6:]] == ["invalid_url"] * 5
    await crawl(own_client, urls[:4])
    domains = (await own_client.get("/api/v1/domains/")).json()["domains"]
    assert domains[:2] == [{"domain": "127.0.0.1", "requests": 6}, {"domain": "localhost", "requests": 2}]
    assert {tuple(row.values()) for row in domains[2:]} == {("x.invalid", 1), ("f.invalid", 1)}
    assert (await own_client.get("/api/v1/domains?limit=1")).json()["domains"] == domains[:1]


async def test_escapes(own_client: httpx.AsyncClient, target: Target) -> None:
    """URLs that differ by a percent-escape are asked, cached and shown apart, those that differ by case are not."""
    paths = ["/x%2Cy", "/x,y", "/code/200?a%26b", "/code/200?a&b", "/smart/http%3A%2F%2Fx.y", "/code/404"]
    urls = [*(f"{target.url}{path}" for path in paths), f"HTTP://127.1:{target.port}/x/../code/404#top"]
    with anyio.fail_after(60):
        first, second = [await list_probes(own_client, await crawl(own_client, urls)) for _ in range(2)]
    assert [probe["url"] for probe in first] == urls
    assert target.requests == dict.fromkeys(paths, 1)
    assert [probe["cached"] for probe in second] == [True] * 7
    assert (await own_client.get("/api/v1/domains/")).json()["domains"] == [{"domain": "127.0.0.1", "requests": 14}]


async def test_single_flight(client: httpx.AsyncClient, target: Target) -> None:
    """A URL that several tasks ask for at once is asked for once."""
    tasks: list[dict[str, object]] = []

    async def crawl_one() -> None:
        tasks.append(await crawl(client, [f"{target.url}/delay/0.5"] * 5))

    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(crawl_one)
    assert [task["result"] for task in tasks] == [[200] * 5] * 8
    assert target.requests["/delay/0.5"] == 1


async def test_per_host(open_gateway: OpenGateway, target: Target) -> None:
    """No host gets more requests at once than PER_HOST, and another host does not wait for it."""
    async with open_gateway(per_host=2) as client:
        slow = [f"{target.url}/delay/0.2/{i}" for i in range(8)]
        task = await crawl(client, [*slow, f"http://localhost:{target.port}/code/200"])
    assert task["result"] == [200] * 9
    assert target.most_open <= 3


async def test_short_task_beside_long_ones(open_gateway: OpenGateway) -> None:
    """A task of one URL is ready while long tasks of slow URLs take every slot that frees."""
    async with Target(hosts=50) as target, open_gateway(concurrency=50, per_host=10) as client:
        for batch in range(3):
            slow = [f"http://{target.hosts[i % 50]}:{target.port}/delay/0.3?{batch}.{i}" for i in range(1000)]
            assert (await client.post("/api/v1/tasks/", json=slow)).status_code == 201
        task = await crawl(client, [f"http://localhost:{target.port}/code/200"])
    assert task["result"] == [200]


async def test_cancel(client: httpx.AsyncClient, target: Target) -> None:
    """A cancelled task stays cancelled, keeps what was known, and its URLs are asked no more."""
    urls = [f"{target.url}/code/200", f"{target.url}/delay/1"]
    location = (await client.post("/api/v1/tasks/", json=urls)).headers["Location"]
    assert (await client.delete(location)).json()["status"] == "cancelled"
    await anyio.sleep(1.3)
    task = (await client.get(location)).json()
    assert (task["status"], task["result"]) == ("cancelled", None)
    assert task["finished_at"]


async def test_list(own_client: httpx.AsyncClient, target: Target) -> None:
    """Recent tasks are listed, newest first, by page and without their results."""
    made = [(await crawl(own_client, [f"{target.url}/code/20{i}"]))["id"] for i in range(3)]
    tasks = (await own_client.get("/api/v1/tasks/")).json()["tasks"]
    assert [task["id"] for task in tasks] == made[::-1]
    assert {task["result"] for task in tasks} == {None}
    assert [task["id"] for task in (await own_client.get("/api/v1/tasks?offset=1&limit=1")).json()["tasks"]] == [
        made[1]
    ]


@pytest.mark.parametrize(
    ("body", "status", "index"),
    [(b"", 400, None), (b"[", 400, None), (b'["\xff"]', 400, None), (b'["\\ud800"', 400, None),
     (b'["\\ud800", 7]', 422, 1), (b'{"urls": ["x"], "\\ud800": 1}', 422, None),
     (b"[" * 1_000, 400, None), (b"[" * 100_000, 422, None),
     (b"null", 422, None), (b"7", 422, None), (b'"http://x/"', 422, None),
     (b"[]", 422, None), (b"{}", 422, None), (b'{"urls": "x"}', 422, None), (b'{"urls": ["x"], "more": 1}', 422, None),
     (b'{"urls": ["x"], "follow_redirects": 1}', 422, None), (b'["a", 1]', 422, 1), (b'["a", "b", null]', 422, 2),
     (b'[["a"]]', 422, 0), (b"[" + b"9" * 5000 + b"]", 400, None),
     (json.dumps(["a"] * 10_001).encode(), 422, None),
     (b'["' + b"a" * 4_194_304 + b'"]', 413, None)],
)  # fmt: skip
async def test_bad_body(client: httpx.AsyncClient, body: bytes, status: int, index: int | None) -> None:
    """A body that cannot be is refused as a problem that says what is wrong, and where."""
    answer = await client.post("/api/v1/tasks/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert answer.json().get("index") == index


async def test_bad_calls(client: httpx.AsyncClient) -> None:
    """What is not there is 404, another type 415, another method 405, a bad number 422: each as a problem."""
    calls = [
        (await client.get(f"/api/v1/tasks/{uuid.uuid4()}"), 404),
        (await client.get(f"/api/v1/tasks/{uuid.uuid4()}/probes"), 404),
        (await client.delete(f"/api/v1/tasks/{uuid.uuid4()}"), 404),
        (await client.get("/api/v1/tasks/no-uuid"), 404),
        (await client.post("/api/v1/tasks/", content=b"<x/>", headers={"Content-Type": "text/xml"}), 415),
        (await client.put("/api/v1/tasks/", json=[]), 405),
        (await client.get("/api/v1/tasks/?limit=0"), 422),
        (await client.get("/api/v1/domains/?limit=x"), 422),
    ]
    for answer, status in calls:
        assert answer.status_code == status, answer.text
        assert answer.json()["status"] == status


async def test_final_slash(client: httpx.AsyncClient, target: Target) -> None:
    """Every path is served with and without its final slash."""
    task = await crawl(client, [f"{target.url}/code/200"])
    for path in ("/tasks", f"/tasks/{task['id']}", f"/tasks/{task['id']}/probes", "/domains"):
        plain, slashed = await client.get(f"/api/v1{path}"), await client.get(f"/api/v1{path}/")
        assert (plain.status_code, plain.json()) == (200, slashed.json())


async def test_wait(client: httpx.AsyncClient, target: Target) -> None:
    """`Prefer: wait` answers when the task is ready, or as it stands when the time is over."""
    location = (await client.post("/api/v1/tasks/", json=[f"{target.url}/delay/1.5"])).headers["Location"]
    early = await client.get(location, headers={"Prefer": "respond-async, wait=1"})
    late = await client.get(location, headers={"Prefer": "wait=5"})
    assert (early.json()["status"], late.json()["status"]) == ("running", "ready")
    assert late.headers["Preference-Applied"] == "wait=5"


async def test_idempotency_key(own_client: httpx.AsyncClient, target: Target) -> None:
    """A POST repeated under one key gives the same task, while it runs and afterwards; another body is refused."""
    headers = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
    urls = [f"{target.url}/delay/0.3"]
    first, second = [await own_client.post("/api/v1/tasks/", json=urls, headers=headers) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"]
    ready = await own_client.get(first.headers["Location"], headers={"Prefer": "wait=5"})
    third = await own_client.post("/api/v1/tasks/", json=urls, headers=headers)
    assert third.json() == ready.json()
    assert target.requests.total() == 1
    assert (await own_client.post("/api/v1/tasks/", json=[*urls, "x"], headers=headers)).status_code == 422
    for key in ("", "x" * 256):
        answer = await own_client.post("/api/v1/tasks/", json=urls, headers={"Idempotency-Key": key})
        assert answer.status_code == 422
    assert len((await own_client.get("/api/v1/tasks/")).json()["tasks"]) == 1


async def test_public_targets(open_gateway: OpenGateway, target: Target) -> None:
    """With PROBE_TARGETS=public loopback is refused however the URL spells it, and never connected to."""
    port = target.port
    spelled = [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ]
    async with open_gateway(probe_targets="public") as client:
        task = await crawl(client, [f"http://{host}:{port}/code/200" for host in spelled])
        probes = await list_probes(client, task)
    assert {probe["error"] for probe in probes} == {"blocked"}
    assert "PROBE_TARGETS" in str(probes[0]["detail"])
    assert not target.requests


@pytest.mark.slow
async def test_ten_thousand(client: httpx.AsyncClient) -> None:
    """A task of 10,000 URLs is taken and becomes ready."""
    async with Target(hosts=50) as target:
        urls = [f"http://{target.hosts[i % 50]}:{target.port}/code/200?{i}" for i in range(10_000)]
        task = await crawl(client, urls)
    assert task["result"] == [200] * 10_000
    assert (await client.get("/api/v1/tasks/")).json()["tasks"][0]["done"] == 10_000


async def test_recheck(client: httpx.AsyncClient, target: Target) -> None:
    """The bad URLs of a task, or others of it, are asked anew in a task of their own, with its options."""
    urls = [f"{target.url}/code/200", f"{target.url}/code/404", f"{target.url}/hop/2", f"{target.url}/code/500"]
    task = await crawl(client, urls, follow_redirects=True, headers={"X-Secret": "1"}, retries=0)
    path = f"/api/v1/tasks/{task['id']}/recheck"
    answer = await client.post(path)
    assert answer.status_code == 201
    again = (await client.get(answer.headers["Location"], headers={"Prefer": "wait=10"})).json()
    assert again["result"] == [404, 500]
    assert target.requests["/code/404"] == 2
    followed = await client.post(f"{path}/?show=2xx&q=HOP")
    probes = (await client.get(followed.headers["Location"], headers={"Prefer": "wait=10"})).json()
    assert probes["result"] == [200]
    assert target.requests["/hop/2"] == 2
    assert (await client.post(f"{path}?show=timeout")).status_code == 409
    assert (await client.post(f"{path}?show=nonsense")).status_code == 422
    nobody = await client.post("/api/v1/tasks/00000000-0000-4000-8000-000000000000/recheck")
    assert nobody.status_code == 404
    keys = [{"Idempotency-Key": key} for key in ("once", "once", "twice")]
    made = [(await client.post(path, headers=key)).json()["id"] for key in keys]
    assert (made[0] == made[1], made[1] == made[2]) == (True, False)
