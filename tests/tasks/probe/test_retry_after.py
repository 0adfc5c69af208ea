"""Retry-After: how it is read, and how a host that sends it is left alone."""

import time
from math import inf

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tasks.probe.retry_after import read_retry_after
from gateway.tasks.probe_pool import MAX_HOLDS
from tests.conftest import OpenGateway
from tests.target import Target

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        (" 0 ", 0),
        ("86400", 86400),
        ("9" * 400, 999_999_999),
        ("Sun, 06 Nov 1994 08:49:40 GMT", 3),
        ("Sunday, 06-Nov-94 08:49:40 GMT", 3),
        ("Sun Nov  6 08:49:40 1994", 3),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
        ("Sun, 06 Nov 2094 08:00:00 GMT", 3_155_757_023),
        ("", None),
        ("-1", None),
        ("1.5", 1.5),
        ("0.25", 0.25),
        ("7." + "9" * 400, 7.9999999),
        ("1.5.5", None),
        ("1e3", None),
        (".5", None),
        ("soon", None),
        ("\u0663", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_values(value: str, seconds: float | None) -> None:
    """Seconds and the three forms of HTTP dates are understood, within a bound; anything else says nothing."""
    assert read_retry_after(value, NOW) == seconds


@pytest.mark.parametrize("value", ["Sun Nov  6 08:49:40 1994", "Sun, 06 Nov 1994 08:49:40 -0000"])
def test_dates_are_utc(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A date without a zone is one of UTC, wherever this machine is."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        assert read_retry_after(value, NOW) == 3
    time.tzset()


@given(st.text())
def test_any_text(value: str) -> None:
    """No text is an error, and none gives a time out of bounds."""
    seconds = read_retry_after(value)
    assert seconds is None or 0 <= seconds < inf


async def crawl(client: httpx.AsyncClient, urls: list[str], retries: int = 0) -> list[dict[str, object]]:
    """The probes of a task that has become ready."""
    location = (await client.post("/api/v1/tasks/", json={"urls": urls, "retries": retries})).headers["Location"]
    ready = await client.get(location, headers={"Prefer": "wait=8"})
    assert ready.json()["status"] == "ready"
    return list((await client.get(f"{location}/probes")).json()["probes"])


@pytest.mark.slow
@pytest.mark.anyio
async def test_left_alone(open_gateway: OpenGateway) -> None:
    """The host that asks for it is left alone for that time, its URLs wait without a slot, and their probes say so."""
    async with Target(hosts=2) as target, open_gateway(concurrency=2, per_host=2) as client:
        first = await crawl(client, [f"{target.url}/later/2/1"])
        asked_at = time.monotonic()
        async with anyio.create_task_group() as group:
            held: list[dict[str, object]] = []

            async def crawl_held() -> None:
                held.extend(await crawl(client, [f"{target.url}/code/200?{i}" for i in range(5)]))

            group.start_soon(crawl_held)
            await anyio.sleep(0.3)
            others = await crawl(client, [f"http://{target.hosts[1]}:{target.port}/code/204"])
            before = target.requests.total()
        waited_s = time.monotonic() - asked_at
    assert (first[0]["code"], first[0]["detail"]) == (429, "Retry-After: 2")
    assert others[0]["code"] == 204
    assert before == 2
    assert waited_s > 1.5
    assert [probe["code"] for probe in held] == [200] * 5
    assert {probe["detail"] for probe in held} == {"waited 2 s, as the host had asked (Retry-After)"}


@pytest.mark.slow
@pytest.mark.anyio
async def test_not_for_ever(open_gateway: OpenGateway, target: Target) -> None:
    """A host that asks again and again is asked on after a few times: the task becomes ready with what it says."""
    async with open_gateway(per_host=1) as client:
        probes = await crawl(client, [f"{target.url}/later/1/100?{i}" for i in range(20)])
    assert {probe["code"] for probe in probes} == {429}
    waited = sum("waited" in str(probe["detail"]) for probe in probes)
    assert waited == 19
    assert MAX_HOLDS == 3


@pytest.mark.slow
@pytest.mark.anyio
async def test_cancelled_while_held(open_gateway: OpenGateway, target: Target) -> None:
    """A task that is cancelled while its host is held does not keep the next one from it."""
    async with open_gateway() as client:
        await crawl(client, [f"{target.url}/later/1/1"])
        location = (await client.post("/api/v1/tasks/", json=[f"{target.url}/code/200"])).headers["Location"]
        await anyio.sleep(0.2)
        assert (await client.delete(location)).json()["status"] == "cancelled"
        probes = await crawl(client, [f"{target.url}/code/201"])
    assert [probe["code"] for probe in probes] == [201]
