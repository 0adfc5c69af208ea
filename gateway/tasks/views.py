"""The task API over HTTP: bytes in, a typed value to the store, a typed value back, bytes out."""

import re
from typing import cast
from uuid import UUID

from pydantic_core import to_json
from quart import Blueprint, Response, request, url_for

from gateway.errors import UnsupportedBody
from gateway.openapi.operations import EVENTS, JSON, describes
from gateway.web.body_flow import StreamedRequest
from gateway.web.conditional import encode_disposition
from gateway.web.sse import answer_events

from . import operations
from .cache import Cache
from .events import encode_events
from .idempotency import identify
from .models import (
    MAX_BODY_BYTES,
    MAX_WAIT_S,
    Domains,
    Task,
    Tasks,
    TaskStatus,
)
from .new_task import parse_new_task, parse_url_lines
from .results.exports import FORMATS, write_json
from .store import Store

PLAIN = "text/plain"

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)


def blueprint(store: Store, cache: Cache) -> Blueprint:
    """The routes of the task API, with and without their final slash."""
    routes = Blueprint("tasks", __name__, url_prefix="/api/v1")

    @routes.post("/tasks/", strict_slashes=False)
    @describes(operations.POST_TASK)
    async def post_task() -> Response:
        key = operations.IDEMPOTENCY_KEY.read(request.headers)
        body = await _read_body()
        new = parse_url_lines(body) if request.mimetype == PLAIN else parse_new_task(body)
        return _answer_new(await store.add_task(new, identify(key and key.strip('"'), body)))

    @routes.get("/tasks/", strict_slashes=False)
    @describes(operations.GET_TASKS)
    async def get_tasks() -> Response:
        offset, limit = operations.OFFSET.read(request.args), operations.TASK_LIMIT.read(request.args)
        return _answer(Tasks(await store.recent.list_tasks(offset, limit)))

    @routes.get("/tasks/<uuid:identity>", strict_slashes=False)
    @describes(operations.GET_TASK)
    async def get_task(identity: UUID) -> Response:
        wait_s = _read_wait()
        if wait_s is None:
            return _answer(await store.read_task(identity))
        answer = _answer(await store.wait_task(identity, wait_s))
        answer.headers["Preference-Applied"] = f"wait={wait_s}"
        return answer

    @routes.delete("/tasks/<uuid:identity>", strict_slashes=False)
    @describes(operations.DELETE_TASK)
    async def delete_task(identity: UUID) -> Response:
        return _answer(await store.cancel_task(identity))

    @routes.get("/domains/", strict_slashes=False)
    @describes(operations.GET_DOMAINS)
    async def get_domains() -> Response:
        return _answer(Domains(await cache.list_domains(operations.DOMAIN_LIMIT.read(request.args))))

    _add_probes(routes, store)
    return routes


def _add_probes(routes: Blueprint, store: Store) -> None:
    """The routes about the URLs of a task."""

    @routes.get("/tasks/<uuid:identity>/probes", strict_slashes=False)
    @describes(operations.GET_PROBES)
    async def get_probes(identity: UUID) -> Response:
        offset, limit = operations.OFFSET.read(request.args), operations.PROBE_LIMIT.read(request.args)
        selection, word = operations.read_selection(request.args), _choose_format()
        table = await store.probes.read(identity)
        places = await selection.find_places(table)
        page = places[offset : offset + limit]
        headers = {"Vary": "Accept"}
        if word == "json":
            return Response(await write_json(table, page, len(places)), headers=headers, content_type=JSON)
        form = FORMATS[word]
        name = "-".join(filter(None, (str(identity), selection.show)))
        headers["Content-Disposition"] = encode_disposition("attachment", f"{name}.{form.suffix}")
        body = await form.write_body(table, page)
        return Response(body, headers=headers, content_type=f"{form.media_type}; charset=utf-8")

    @routes.post("/tasks/<uuid:identity>/recheck", strict_slashes=False)
    @describes(operations.RECHECK_TASK)
    async def recheck_task(identity: UUID) -> Response:
        key = operations.IDEMPOTENCY_KEY.read(request.headers)
        selection = operations.read_selection(request.args, show="bad")
        new = await store.read_again(identity, selection)
        task = await store.add_task(new, identify(key and key.strip('"'), f"{identity} {selection}".encode()))
        return _answer_new(task)

    @routes.get("/tasks/<uuid:identity>/events", strict_slashes=False)
    @describes(operations.GET_EVENTS)
    async def get_events(identity: UUID) -> Response:
        seen = request.headers.get("Last-Event-ID") or request.args.get("since", "")
        with_probes = bool(operations.WITH_PROBES.read(request.args))
        task = await store.read_task(identity)
        if task.status is not TaskStatus.RUNNING and seen == task.status:
            return Response(b"", 204)  # it has had them all: this tells an EventSource to stop
        if request.method == "HEAD":
            return Response(content_type=EVENTS)
        return answer_events(encode_events(store, identity, seen, with_probes=with_probes))


def _choose_format() -> str:
    """The word of the format that is asked for in the query, or else by Accept."""
    types = {JSON: "json", **{form.media_type: word for word, form in FORMATS.items()}}
    return operations.FORMAT.read(request.args) or types[request.accept_mimetypes.best_match(types, JSON)]


async def _read_body() -> bytes:
    """The body of a new task.

    :raises UnsupportedBody: it is neither JSON nor text, or compressed.
    """
    if request.mimetype not in (JSON, PLAIN, ""):
        raise UnsupportedBody("Send the list of URLs as application/json, or as text/plain with a URL on each line.")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedBody("Send the list of URLs uncompressed.")
    return await cast(StreamedRequest, request).read_body(MAX_BODY_BYTES)


def _answer(value: Task | Tasks | Domains, status: int = 200) -> Response:
    return Response(to_json(value), status, content_type=JSON)


def _answer_new(task: Task) -> Response:
    answer = _answer(task, 201)
    answer.headers["Location"] = url_for("tasks.get_task", identity=task.id)
    return answer


def _read_wait() -> int | None:
    """Seconds of `Prefer: wait=N` (RFC 7240, 4.3), at most `MAX_WAIT_S`; None without one."""
    match = _WAIT.search(",".join(request.headers.getlist("Prefer")))
    return None if match is None else min(int(match[1]), MAX_WAIT_S)
