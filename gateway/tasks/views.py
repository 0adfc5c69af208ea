"""The task API over HTTP: bytes in, a typed value to the store, a typed value back, bytes out."""

import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast
from uuid import UUID

from pydantic_core import to_json
from quart import Blueprint, Response, request

from gateway.errors import GatewayError, UnsupportedBody
from gateway.openapi.operations import JSON, describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.sse import answer_events, encode_event

from . import operations as contract
from .cache import Cache
from .idempotency import identify
from .models import MAX_BODY_BYTES, MAX_WAIT_S, Domains, Probes, Task, Tasks, TaskStatus, parse_new_task
from .store import Store

logger = logging.getLogger("gateway.tasks")

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)


def blueprint(store: Store, cache: Cache) -> Blueprint:
    """The routes of the task API, with and without their final slash."""
    routes = Blueprint("tasks", __name__, url_prefix="/api/v1")

    @routes.post("/tasks/", strict_slashes=False)
    @describes(contract.POST_TASK)
    async def post_task() -> Response:
        if request.mimetype not in ("application/json", ""):
            raise UnsupportedBody("Send the list of URLs as application/json.")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedBody("Send the list of URLs uncompressed.")
        body = await cast(StreamedRequest, request).read_body(MAX_BODY_BYTES)
        new, key = parse_new_task(body), contract.IDEMPOTENCY_KEY.read(request.headers)
        task = await store.add_task(new, identify(key and key.strip('"'), body))
        answer = _answer(task, 201)
        answer.headers["Location"] = f"/api/v1/tasks/{task.id}"
        return answer

    @routes.get("/tasks/", strict_slashes=False)
    @describes(contract.GET_TASKS)
    async def get_tasks() -> Response:
        offset, limit = contract.OFFSET.read(request.args), contract.TASK_LIMIT.read(request.args)
        return _answer(Tasks(await store.list_tasks(offset, limit)))

    @routes.get("/tasks/<uuid:identity>", strict_slashes=False)
    @describes(contract.GET_TASK)
    async def get_task(identity: UUID) -> Response:
        wait_s = _read_wait()
        if wait_s is None:
            return _answer(await store.read_task(identity))
        answer = _answer(await store.wait_task(identity, wait_s))
        answer.headers["Preference-Applied"] = f"wait={wait_s}"
        return answer

    @routes.delete("/tasks/<uuid:identity>", strict_slashes=False)
    @describes(contract.DELETE_TASK)
    async def delete_task(identity: UUID) -> Response:
        return _answer(await store.cancel_task(identity))

    @routes.get("/tasks/<uuid:identity>/probes", strict_slashes=False)
    @describes(contract.GET_PROBES)
    async def get_probes(identity: UUID) -> Response:
        offset, limit = contract.OFFSET.read(request.args), contract.PROBE_LIMIT.read(request.args)
        return _answer(Probes(await store.list_probes(identity, offset, limit)))

    @routes.get("/tasks/<uuid:identity>/events", strict_slashes=False)
    @describes(contract.GET_EVENTS)
    async def get_events(identity: UUID) -> Response:
        seen = request.headers.get("Last-Event-ID", "")
        task = await store.read_task(identity)
        if seen == task.status:  # it has had them all; this tells an EventSource to stop
            return Response(b"", 204)
        return answer_events(_encode_events(store.watch_task(identity), seen))

    @routes.get("/domains/", strict_slashes=False)
    @describes(contract.GET_DOMAINS)
    async def get_domains() -> Response:
        return _answer(Domains(await cache.list_domains(contract.DOMAIN_LIMIT.read(request.args))))

    return routes


def _answer(value: Task | Tasks | Probes | Domains, status: int = 200) -> Response:
    return Response(to_json(value), status, content_type=JSON)


async def _encode_events(tasks: AsyncGenerator[Task, None], seen: str) -> AsyncIterator[bytes]:
    """An event each time; the identity of one says how far the task was, so what a client has `seen` is left out."""
    try:
        async with aclosing(tasks):
            async for task in tasks:
                if task.status is not TaskStatus.RUNNING:
                    yield encode_event(task.status, to_json(task), task.status)
                elif seen != str(task.done):
                    yield encode_event("progress", to_json(task), str(task.done))
                seen = ""
    except GatewayError as error:  # the answer has begun, so it ends here; the next request is told the reason
        logger.info("an event stream broke off: %s", error.detail)


def _read_wait() -> int | None:
    """Seconds of `Prefer: wait=N` (RFC 7240, 4.3), at most `MAX_WAIT_S`; None without one."""
    match = _WAIT.search(",".join(request.headers.getlist("Prefer")))
    return None if match is None else min(int(match[1]), MAX_WAIT_S)
