"""How trials call the task API of a gateway that may be down: patiently, and believing nothing but a 2xx."""

import time
from collections.abc import Sequence
from typing import Any

import anyio
import httpx

TASKS = "/api/v1/tasks/"
PATIENCE_S = 60.0


async def post_task(client: httpx.AsyncClient, urls: Sequence[str], key: str | None = None) -> str | None:
    """The id of a task made of `urls`, None if it was not acknowledged: refused by 503, or the gateway broke off.

    Each URL is asked once, whatever it answers, so that the requests of a site can be counted.
    """
    headers = {} if key is None else {"Idempotency-Key": key}
    try:
        answer = await client.post(TASKS, json={"urls": list(urls), "retries": 0}, headers=headers)
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def insist(client: httpx.AsyncClient, urls: Sequence[str], key: str) -> str:
    """The id of a task made of `urls`, asked for under one `key` until it is acknowledged."""
    with anyio.fail_after(PATIENCE_S):
        while (task := await post_task(client, urls, key)) is None:
            await anyio.sleep(0.1)
    return task


async def read_task(client: httpx.AsyncClient, task: str, *, wait_s: int = 0) -> dict[str, Any] | None:
    """The task as it stands, None if the gateway cannot say for now."""
    try:
        answer = await client.get(f"{TASKS}{task}", headers={"Prefer": f"wait={wait_s}"})
    except httpx.TransportError:
        return None
    if answer.status_code == 503:
        return None
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def await_end(client: httpx.AsyncClient, task: str, *, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """The task once it has ended; as it was last seen when `patience_s` have passed."""
    seen: dict[str, Any] = {"status": "never seen", "result": None}
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        answer = await read_task(client, task, wait_s=5)
        seen = answer or seen
        if seen["status"] in ("ready", "cancelled"):
            break
        await anyio.sleep(0.05)
    return seen


async def await_done(client: httpx.AsyncClient, task: str, done: int) -> int:
    """How many URLs of the task are done, once these are at least `done`, or it has ended."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            seen = await read_task(client, task)
            if seen is not None and (seen["done"] >= done or seen["status"] != "running"):
                return int(seen["done"])
            await anyio.sleep(0.01)


async def list_ids(client: httpx.AsyncClient) -> list[str]:
    """The ids of all recent tasks."""
    ids: list[str] = []
    while True:
        page = (await client.get(TASKS, params={"offset": len(ids)})).json()["tasks"]
        if not page:
            return ids
        ids += [task["id"] for task in page]


async def count_domains(client: httpx.AsyncClient) -> dict[str, int]:
    """How many URLs of each domain were sent."""
    answer = await client.get("/api/v1/domains/", params={"limit": 10_000})
    return {row["domain"]: row["requests"] for row in answer.json()["domains"]}
