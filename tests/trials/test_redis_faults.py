"""Whatever befalls Redis: 503 at once, never a wrong answer, all well again once it is, and running tasks end right."""

import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import anyio.to_thread
import httpx
import pytest

from tests.crowd import Crowd, read_codes
from tests.processes import Gateway
from tests.trials.calls import TASKS, await_end, count_domains, insist, list_ids, post_task
from tests.trials.conftest import FULL, ROOM, Trial
from tests.trials.faults import FAULTS, SPOILT, Patient, spoilt

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(300)]

HOLD_S = {"stopped": 10.0 if FULL else 2.0}
ANSWER_LIMIT_S = 1.0
"""The promise. It is over what the same calls, as many at once, took before the fault."""
RETURN_LIMIT_S = 3.0
"""The promise is two seconds; the machine may do more than this."""
NEVER_REFUSES = {"cut_off"}
"""What some calls get through."""
LOSE_COUNT = {"gateway:{{domains}}", "gateway:recent"}
"""What cannot be counted, or listed, while these are spoilt is not made up for later."""
CALLERS = 9
"""How many make every call at once: more calls than there are connections to Redis."""


@dataclass
class Watch:
    """Calls of every kind, over and over; what was answered and how long it took."""

    client: httpx.AsyncClient
    trial: Trial
    ended: str
    running: str
    codes: dict[str, list[int]]
    """The codes of every task that was posted."""
    crowd: Crowd
    slowest_s: float = 0.0
    refused: int = 0
    answered: int = 0
    posted: list[str] = field(default_factory=list)

    async def call_all(self) -> None:
        """One call of each kind, all at once."""
        calls: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self._post,
            lambda: self._ask("GET", f"{TASKS}{self.ended}", self._is_task),
            lambda: self._ask("GET", f"{TASKS}{self.running}", self._is_task),
            lambda: self._ask("GET", f"{TASKS}{self.running}/probes", self._are_probes),
            lambda: self._ask("GET", TASKS, lambda body: self.ended in {task["id"] for task in body["tasks"]}),
            lambda: self._ask("GET", "/api/v1/domains/", lambda body: bool(body["domains"])),
            lambda: self._ask("DELETE", f"{TASKS}{self.ended}", self._is_task),
        ]
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(call)

    async def call_many(self) -> None:
        """CALLERS of each kind at once."""
        async with anyio.create_task_group() as group:
            for _ in range(CALLERS):
                group.start_soon(self.call_all)

    async def _post(self) -> None:
        urls = self.crowd.name_urls(3, uuid4())
        body = await self._ask("POST", TASKS, lambda body: body["total"] == 3, json=urls, key=str(uuid4()))
        if body:
            self.codes[body["id"]] = read_codes(urls)

    async def _ask(
        self, method: str, path: str, is_right: Callable[[Any], bool], *, json: Any = None, key: str | None = None
    ) -> Any:
        start = time.monotonic()
        headers = {"Idempotency-Key": key} if key else {}
        answer = await self.client.request(method, path, json=json, headers=headers)
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)
        body = answer.json()
        if answer.status_code == 503:
            self.refused += 1
            wait = answer.headers.get("Retry-After", "")
            self.trial.check(wait.isdigit() and body["detail"], f"{method} {path}: 503 without Retry-After or words")
            return None
        self.answered += 1
        self.trial.check(
            answer.is_success and is_right(body), f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        )
        return body

    def _is_task(self, body: Any) -> bool:
        return bool(body["result"] == (self.codes[body["id"]] if body["status"] == "ready" else None))

    def _are_probes(self, body: Any) -> bool:
        codes = [probe["code"] for probe in body["probes"]]
        return all(code in (None, right) for code, right in zip(codes, self.codes[self.running], strict=True))


@pytest.mark.parametrize("name", FAULTS)
async def test_redis_fault(trial: Trial, tmp_path: Path, name: str) -> None:
    """While it lasts every call is answered by 503 and Retry-After within a second, or rightly; afterwards all tasks
    end right within seconds, and the counters are what was sent."""

    async def suffer(watch: Watch, patient: Patient) -> None:
        async with FAULTS[name](patient):
            await hold(watch, HOLD_S.get(name, 1.0))
        trial.check(watch.refused or name in NEVER_REFUSES, "the fault was not felt")

    await try_often(trial, tmp_path, suffer)


@pytest.mark.parametrize("name", SPOILT)
async def test_spoilt_key(trial: Trial, tmp_path: Path, name: str) -> None:
    """While a key of ours holds something else, what needs it says so by 503, other tasks go on to their end, and
    all is well once the key is mended."""

    async def suffer(watch: Watch, patient: Patient) -> None:
        async with spoilt(patient, name.format(task=watch.running, url=watch.crowd.name_urls(1, "cached")[0])):
            await hold(watch, 0.5)
            urls = watch.crowd.name_urls(20, uuid4())
            task = await post_task(watch.client, urls)
            if task is not None:
                end = await await_end(watch.client, task, patience_s=8)
                trial.check(end["result"] == read_codes(urls), f"another task is {end['status']}")
            trial.check(task or "{queue}" in name, "another task was refused")

    await try_often(trial, tmp_path, suffer, counted=name not in LOSE_COUNT)


async def try_often(
    trial: Trial, tmp_path: Path, suffer: Callable[[Watch, Patient], Awaitable[None]], *, counted: bool = True
) -> None:
    """Let a gateway with tasks, done and running, suffer again and again; afterwards all must be well."""
    usual_s, slowest_s, return_s, refused = 0.0, 0.0, 0.0, 0
    async with AsyncExitStack() as stack:
        patient = await stack.enter_async_context(Patient(tmp_path / "redis"))
        crowd = await stack.enter_async_context(Crowd(latency_s=0.1))
        gateway = Gateway(tmp_path, REDIS_URL=patient.url, PER_HOST="2")
        stack.callback(gateway.stop)
        await anyio.to_thread.run_sync(gateway.start)
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=gateway.url, timeout=8, trust_env=False))
        for number in trial.run(full=3, short=1):
            watch = await begin(client, trial, crowd, number)
            await watch.call_many()
            usual_s, watch.slowest_s = max(usual_s, watch.slowest_s), 0.0
            await suffer(watch, patient)
            return_s = max(return_s, await measure_return(client, crowd))
            slowest_s, refused = max(slowest_s, watch.slowest_s), refused + watch.refused
            await check_end(client, trial, watch, counted=counted)
    trial.check(
        slowest_s < usual_s + ANSWER_LIMIT_S * ROOM, f"an answer took {slowest_s:.2f} s, {usual_s:.2f} s before"
    )
    trial.check(return_s < RETURN_LIMIT_S * ROOM, f"it took {return_s:.2f} s until all was well again")
    trial.figures |= {
        "503s": refused,
        "slowest answer": f"{slowest_s:.2f} s (before: {usual_s:.2f} s)",
        "well again after": f"{return_s:.2f} s",
    }


async def begin(client: httpx.AsyncClient, trial: Trial, crowd: Crowd, number: int) -> Watch:
    """A task that has ended, and one that is running: 400 URLs, 40 at once, a second at least."""
    few, many = crowd.name_urls(60, f"few{number}"), crowd.name_urls(400, f"many{number}")
    ended = await insist(client, few, f"few{number}")
    await await_end(client, ended)
    running = await insist(client, many, f"many{number}")
    return Watch(client, trial, ended, running, {ended: read_codes(few), running: read_codes(many)}, crowd)


async def hold(watch: Watch, seconds: float) -> None:
    """Call again and again for so long, at first many at once."""
    until = time.monotonic() + seconds
    await watch.call_many()
    while time.monotonic() < until:
        await watch.call_all()
        await anyio.sleep(0.1)


async def measure_return(client: httpx.AsyncClient, crowd: Crowd) -> float:
    """Seconds until a task is taken and becomes ready again."""
    start, key = time.monotonic(), str(uuid4())
    task = await insist(client, crowd.name_urls(1, key), key)
    await await_end(client, task)
    return time.monotonic() - start


async def check_end(client: httpx.AsyncClient, trial: Trial, watch: Watch, *, counted: bool = True) -> None:
    """Every task there is has ended, those we know of with the right codes, and each URL was counted once."""
    for task, codes in watch.codes.items():
        end = await await_end(client, task, patience_s=20)
        trial.check(end["result"] == codes, f"{task}: {end['status']}, a wrong result")
    total = 0
    for task in await list_ids(client):
        end = await await_end(client, task, patience_s=20)
        trial.check(end["status"] == "ready", f"{task}: is left {end['status']}")
        total += end["total"]
    count = sum((await count_domains(client)).values())
    trial.check(count == total or not counted, f"{count} URLs counted, {total} sent")
