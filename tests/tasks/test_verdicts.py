"""What is said of links, and how often they are asked for that."""

from collections.abc import AsyncIterator

import anyio
import httpx
import pytest

from gateway.tasks import probe_pool
from gateway.tasks.probe.verdict import BOT_PROTECTIONS
from tests.conftest import OpenGateway
from tests.links import ALIVE, LINKS, LinkSite
from tests.target import Target

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(open_gateway: OpenGateway, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway that tries again soon."""
    monkeypatch.setattr(probe_pool, "FIRST_PAUSE_S", 0.2)
    async with open_gateway(probe_timeout_s=4) as opened:
        yield opened


async def crawl(client: httpx.AsyncClient, urls: list[str], **options: object) -> list[dict[str, object]]:
    """The probes of a task that has become ready; its counts are those of its probes."""
    location = (await client.post("/api/v1/tasks/", json={"urls": urls, **options})).headers["Location"]
    task = (await client.get(location, headers={"Prefer": "wait=20"})).json()
    assert task["status"] == "ready"
    probes: list[dict[str, object]] = (await client.get(f"{location}/probes")).json()["probes"]
    assert task["result"] == [probe["code"] for probe in probes]
    words = [str(probe["error"] or probe["code"]) for probe in probes]
    assert task["counts"] == {word: words.count(word) for word in words}
    verdicts = [probe["verdict"] for probe in probes]
    assert task["verdicts"] == {verdict: verdicts.count(verdict) for verdict in verdicts}
    return probes


@pytest.mark.slow
async def test_corpus(client: httpx.AsyncClient) -> None:
    """Of no link that lives is it said that it is broken, and of each what is known of it; out of the cache too."""
    async with LinkSite() as site:
        probes = await crawl(client, site.urls, follow_redirects=True)
        others = [place for place, link in enumerate(LINKS) if link.path != "/rate-long"]  # it is left alone for long
        again = await crawl(client, [site.urls[place] for place in others], follow_redirects=True)
    assert {link.path: probe["verdict"] for link, probe in zip(LINKS, probes, strict=True)} == {
        link.path: link.verdict for link in LINKS
    }
    assert [probe["verdict"] for probe in again] == [LINKS[place].verdict for place in others]
    assert [link.path for link in ALIVE if link.verdict == "broken"] == []
    for link, probe in zip(LINKS, probes, strict=True):
        if link.path in ("/cloudflare", "/bot-fight"):
            assert str(probe["detail"]).startswith("Cloudflare answered")
    assert sum(bool(probe["cached"]) for probe in again) > len(LINKS) / 2


@pytest.mark.slow
async def test_redirects_that_are_not_followed(client: httpx.AsyncClient) -> None:
    """The first answer alone tells a login, the front page, and what has moved for good."""
    async with LinkSite() as site:
        probes = await crawl(client, site.urls)
    verdicts = {link.path: probe["verdict"] for link, probe in zip(LINKS, probes, strict=True)}
    assert {path: verdicts[path] for path in ("/moved", "/for-now", "/inbox", "/old/article/7", "/old/article/8")} == {
        "/moved": "moved",
        "/for-now": "ok",
        "/inbox": "unsure",
        "/old/article/7": "unsure",
        "/old/article/8": "unsure",
    }


async def test_attempts(client: httpx.AsyncClient, target: Target) -> None:
    """What fails is asked again as often as the task allows, and the codes are those of the last attempt."""
    urls = [f"{target.url}/code/{code}" for code in (200, 404, 500, 502)] + [f"{target.url}/reset", "nonsense://x"]
    for retries in (0, 1, 2):
        target.requests.clear()
        probes = await crawl(client, urls, retries=retries, max_age_s=0)
        assert [probe["code"] for probe in probes] == [200, 404, 500, 502, 0, 0]
        assert [probe["attempts"] for probe in probes] == [1, 1, *[retries + 1] * 3, 0]
        assert [target.requests[f"/code/{code}"] for code in (200, 404, 500)] == [1, 1, retries + 1]
        failed = "broken" if retries else "unsure"
        assert [probe["verdict"] for probe in probes] == ["ok", "broken", failed, failed, failed, "invalid"]


@pytest.mark.slow
async def test_second_attempt_waits(open_gateway: OpenGateway, target: Target) -> None:
    """Some seconds lie between two attempts, unless the deadline is sooner: then there is one attempt."""
    async with open_gateway(probe_timeout_s=9) as client:
        probes = await crawl(client, [f"{target.url}/code/500"])
        assert probes[0]["attempts"] == 2
        first, second = target.asked_at["/code/500"]
        assert 3 <= second - first <= 4.5 + 1
        probes = await crawl(client, [f"{target.url}/code/501"], timeout_s=2)
        assert (probes[0]["attempts"], probes[0]["verdict"]) == (1, "unsure")


async def test_retry_after_is_waited_for(client: httpx.AsyncClient, target: Target) -> None:
    """A URL that was told to come later is asked again after the wait, as are the others of its origin."""
    urls = [f"{target.url}/later/1/1", f"{target.url}/code/200"]
    probes = await crawl(client, urls)
    assert [probe["code"] for probe in probes] == [200, 200]
    first, second = target.asked_at["/later/1/1"]
    assert second - first >= 1
    assert probes[0]["attempts"] == 2
    assert "Retry-After" in str(probes[0]["detail"])


@pytest.mark.slow
async def test_holds_are_in_a_row(open_gateway: OpenGateway, target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that asks for a wait each time is left alone three times in a row, and again a while later."""
    async with open_gateway() as client:
        waited = [
            "waited" in str((await crawl(client, [f"{target.url}/later/0.1/99?{number}"], retries=1))[0]["detail"])
            for number in range(5)
        ]
        assert waited == [True, True, False, False, False]
        monkeypatch.setattr(probe_pool, "HOLDS_KEPT_S", 0.5)
        await anyio.sleep(0.6)
        probes = await crawl(client, [f"{target.url}/later/0.1/99?again"], retries=1)
        assert "waited" in str(probes[0]["detail"])


@pytest.mark.slow
async def test_retry_after_holds_one_origin(open_gateway: OpenGateway) -> None:
    """A wait that one port asked for is not for another of the same host, nor for a host that redirects to it."""
    async with Target() as busy, Target() as calm, open_gateway() as client:
        assert (await crawl(client, [f"{busy.url}/later/2/1"], retries=0))[0]["code"] == 429
        probes = await crawl(client, [f"{calm.url}/code/201"])
        assert (probes[0]["code"], probes[0]["detail"]) == (201, None)
        redirected = await crawl(client, [f"{calm.url}/to/{busy.url}/code/202"], follow_redirects=True)
        assert redirected[0]["code"] == 202
        assert "waited 2 s" in str(redirected[0]["detail"])


async def test_hops_count_for_their_hosts(open_gateway: OpenGateway) -> None:
    """However many hosts redirect to one, that one has no more requests at once than any other."""
    async with Target(hosts=20) as many, Target() as one, open_gateway(per_host=2) as client:
        urls = [f"http://{host}:{many.port}/to/{one.url}/delay/0.1/{host}" for host in many.hosts[1:]]
        probes = await crawl(client, urls, follow_redirects=True)
        assert {probe["code"] for probe in probes} == {200}
        assert one.most_open == 2


@pytest.mark.slow
async def test_silent_host_is_given_up(open_gateway: OpenGateway) -> None:
    """After some timeouts in a row the rest of a site is not asked, and says so; another host is not concerned."""
    async with Target(hosts=2) as target, open_gateway(probe_timeout_s=0.5, per_host=10) as client:
        urls = [f"{target.url}/silent?{number}" for number in range(200)]
        probes = await crawl(client, [*urls, f"http://127.0.0.2:{target.port}/code/200"])
        assert {probe["error"] for probe in probes[:-1]} == {"timeout"}
        told = [probe for probe in probes[:-1] if "not asked" in str(probe["detail"])]
        assert {probe["attempts"] for probe in told} == {0}
        assert probes[-1]["code"] == 200
        assert target.requests.total() == 201 - len(told) < 30


@pytest.mark.slow
async def test_own_deadline_gives_no_host_up(open_gateway: OpenGateway, target: Target) -> None:
    """Timeouts of a task that allows less than the gateway does say nothing about the host."""
    async with open_gateway(per_host=10) as client:
        probes = await crawl(client, [f"{target.url}/silent?{number}" for number in range(30)], timeout_s=0.1)
        assert {probe["detail"] for probe in probes} == {"no answer within 0.1 s"}


@pytest.mark.slow
async def test_silence_of_one_origin(open_gateway: OpenGateway) -> None:
    """The silence of one port is not that of another, and what was never asked is not tried again."""
    async with Target() as silent, Target() as calm, open_gateway(probe_timeout_s=2, per_host=20) as client:
        urls = [f"{silent.url}/silent?{number}" for number in range(40)]
        await crawl(client, urls)
        probes = await crawl(client, [*urls, f"{calm.url}/code/200"], retries=3)
        assert {(probe["error"], probe["attempts"], probe["verdict"]) for probe in probes[:-1]} == {
            ("timeout", 0, "unsure")
        }
        assert probes[-1]["code"] == 200
        assert silent.requests.total() <= len(urls)


async def test_hops_of_a_failure(client: httpx.AsyncClient, target: Target) -> None:
    """Of a URL that leads to a failure it is said over which redirects, and where they ended."""
    urls = [f"{target.url}/to/{target.url}/reset", f"{target.url}/hop/11", f"{target.url}/reset"]
    to_reset, endless, plain = await crawl(client, urls, follow_redirects=True)
    assert (to_reset["hops"], to_reset["final_url"]) == ([{"code": 302, "url": urls[0]}], f"{target.url}/reset")
    assert endless["hops"] == [{"code": 302, "url": f"{target.url}/hop/{left}"} for left in range(11, 1, -1)]
    assert (endless["error"], endless["final_url"]) == ("redirects", f"{target.url}/hop/1")
    assert (plain["error"], plain["hops"], plain["final_url"]) == ("reset", None, None)


@pytest.mark.slow
async def test_cancelled_between_two_attempts(open_gateway: OpenGateway, target: Target) -> None:
    """The URLs of a task that was cancelled are not asked again."""
    async with open_gateway(probe_timeout_s=30) as client:
        new = {"urls": [f"{target.url}/code/500"], "retries": 3}
        location = (await client.post("/api/v1/tasks/", json=new)).headers["Location"]
        while not target.requests["/code/500"]:
            assert (await client.get(location)).json()["status"] == "running"
        await client.delete(location)
        attempts = target.requests["/code/500"]
        assert attempts <= 2  # of four; the third would come within 9 s of the second
        await crawl(client, [f"{target.url}/delay/10"])
        assert target.requests["/code/500"] == attempts


def test_every_mark_has_a_source() -> None:
    """Each mark of bot protection says where it is written down."""
    assert all(service.source.startswith("https://") for service in BOT_PROTECTIONS)
