"""What the views of `views` promise over HTTP: the source of /openapi.json and /docs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.datastore.client import RedisUnavailable
from gateway.errors import BadRequest, BodyTooLarge, NotFound, Unprocessable, UnsupportedBody
from gateway.openapi.operations import (
    JSON,
    TEXT,
    Content,
    Number,
    Operation,
    Parameter,
    ResponseSpec,
    Token,
    stream_events,
)
from gateway.tasks.probe.urls import MAX_URL_CHARS
from gateway.web.body_flow import BodyTimeout

from .models import MAX_URLS, MAX_WAIT_S, Domains, NewTask, Probes, Task, Tasks, UrlList
from .queue import QueueFull
from .results.selection import SHOW, SORT, NothingSelected, Selection

OFFSET = Number("offset", "How many to leave out at the front.", 0)
PROBE_LIMIT = Number("limit", "How many at most.", MAX_URLS, 1, MAX_URLS)
TASK_LIMIT = Number("limit", "How many at most.", 100, 1, 100)
DOMAIN_LIMIT = Number("limit", "How many at most.", 100, 1, 10_000)
_SHOW = Token(
    "show",
    "`bad` (no answer, or a code of 400 and over), `2xx`, `3xx`, `4xx`, `5xx` (500 and over), `none` (no answer), a "
    "verdict such as `broken`, a code such as `404`, or an `error` such as `timeout`. All by default.",
    SHOW,
    "query",
)
_SHOW_AGAIN = replace(_SHOW, description=_SHOW.description.replace("All by default", "`bad` by default"))
_QUERY = Parameter("q", "A text that is in the URL, in upper or lower case.")
_SORT = Token(
    "sort",
    "`sent` (the default), `code`, `time`, `url`, `domain` or `bad` (those first); with `-` in front the other way "
    "round. What is not known comes last.",
    SORT,
    "query",
)
SELECTION = (_SHOW, _QUERY, _SORT)
FORMAT = Token("format", "`json`, `csv` or `markdown`; without it, Accept decides.", "json|csv|markdown", "query")
WITH_PROBES = Number("probes", "0 leaves the events `probes` out.", 1, 0, 1)
IDEMPOTENCY_KEY = Token(
    "Idempotency-Key",
    "1 to 255 visible characters, bare or in quotation marks. "
    "The same key and body give the same task for as long as it is kept.",
    form='[!#-~]{1,255}|"[ !#-~]{1,255}"',
)
_PREFER = Parameter(
    "Prefer",
    f"`wait=N` (RFC 7240): answer once the task is ready, or after N seconds, at most {MAX_WAIT_S}.",
    "header",
    example="wait=10",
)
_LAST_EVENT = (
    Parameter("Last-Event-ID", "The `id` of the last event that was seen: what it told is left out.", "header"),
    Parameter("since", "The same, for a client that cannot send this header; the header counts before it."),
)

_LINES = TEXT | {"pattern": r"(^|[\r\n])[^\S\r\n]*[^\s#]"}
"""Some line is neither blank nor begins with `#`."""

_ID = "5f0c1a52-8f6e-4a0c-9b0e-3c3ad6a1f8f4"
_URLS = ["http://127.0.0.1:8888/healthz", "localhost:8888/nowhere"]
_RUNNING: dict[str, Any] = {
    "id": _ID, "status": "running", "result": None, "total": 2, "done": 0, "counts": {}, "verdicts": {},
    "created_at": "2026-11-24T02:30:00.100000Z", "finished_at": None,
}  # fmt: skip
_READY = _RUNNING | {
    "status": "ready", "result": [200, 404], "done": 2, "counts": {"200": 1, "404": 1},
    "verdicts": {"ok": 1, "broken": 1}, "finished_at": "2026-11-24T02:30:00.200000Z",
}  # fmt: skip
_EVENT = 'id: ready\nevent: ready\ndata: {"id":"5f0c1a52-…","status":"ready",…}\n\n'
_EVENT_DATA: list[dict[str, Any]] = [
    {"$ref": "#/components/schemas/Task"},
    {
        "type": "object",
        "properties": {"probes": {"type": "array", "items": {"$ref": "#/components/schemas/Probe"}}},
        "required": ["probes"],
    },
]
_PROBE = {
    "index": 0, "url": _URLS[0], "code": 200, "error": None, "verdict": "ok", "detail": None, "cached": False,
    "elapsed_s": 0.004, "attempts": 1, "location": None, "hops": None, "final_url": None,
}  # fmt: skip
IDENTITY = {"identity": Parameter("identity", "The `id` of the task.", schema={"type": "string", "format": "uuid"})}
_LINKS = {
    f"tasks.{view}": {"identity": "$response.body#/id"}
    for view in ("get_task", "get_probes", "get_events", "recheck_task", "delete_task")
}

POST_TASK = Operation(
    "Ask for the codes of URLs",
    (
        ResponseSpec(
            201,
            "The task is stored, and survives a crash.",
            (Content(JSON, Task, example=_RUNNING),),
            (Parameter("Location", "Where the task is.", required=True),),
            _LINKS,
        ),
    ),
    description=(
        "A list of URLs, or an object with it. A URL without a scheme gets `http://`. One bad URL does not harm the "
        f"others, whatever is wrong with it: its code will be 0. A text of over {MAX_URL_CHARS:,} characters is no URL."
    ),
    parameters=(IDEMPOTENCY_KEY,),
    bodies=(
        Content(JSON, UrlList | NewTask, example=_URLS),
        Content("text/plain", schema=_LINES, example="".join(f"{url}\n" for url in _URLS)),
    ),
    errors=(BadRequest, BodyTimeout, BodyTooLarge, UnsupportedBody, Unprocessable, QueueFull, RedisUnavailable),
)
GET_TASKS = Operation(
    "List recent tasks",
    (
        ResponseSpec(
            200,
            "Tasks without their results, newest first.",
            (Content(JSON, Tasks, example={"tasks": [_READY | {"result": None}]}),),
        ),
    ),
    parameters=(OFFSET, TASK_LIMIT),
    errors=(Unprocessable, RedisUnavailable),
)
GET_TASK = Operation(
    "Ask how far a task is",
    (
        ResponseSpec(
            200,
            "The task. `result` has one code a URL, in order, once it is ready; 0 means that there was no HTTP answer.",
            (Content(JSON, Task, example=_READY),),
            (Parameter("Preference-Applied", "The wait that was applied, if one was asked for."),),
        ),
    ),
    variables=IDENTITY,
    parameters=(_PREFER,),
    errors=(NotFound, RedisUnavailable),
)
RECHECK_TASK = Operation(
    "Ask again for some URLs of a task",
    (
        ResponseSpec(
            201,
            "A new task of these URLs, with the options of the other but for its headers; nothing is from the cache.",
            (Content(JSON, Task, example=_RUNNING | {"total": 1}),),
            (Parameter("Location", "Where the new task is.", required=True),),
            _LINKS,
        ),
    ),
    variables=IDENTITY,
    parameters=(_SHOW_AGAIN, _QUERY, IDEMPOTENCY_KEY),
    errors=(NotFound, NothingSelected, Unprocessable, QueueFull, RedisUnavailable),
)
DELETE_TASK = Operation(
    "Cancel a task",
    (
        ResponseSpec(
            200,
            "The task as it is now: cancelled, or as it ended before.",
            (Content(JSON, Task, example=_RUNNING | {"status": "cancelled", "finished_at": _READY["finished_at"]}),),
        ),
    ),
    variables=IDENTITY,
    errors=(NotFound, RedisUnavailable),
)
GET_PROBES = Operation(
    "See what is known of each URL",
    (
        ResponseSpec(
            200,
            "The URLs, each with its `index` in the list sent; `code` is null while it is not known. In a cell of CSV "
            "that a spreadsheet would compute, an apostrophe comes first.",
            (
                Content(JSON, Probes, example={"total": 2, "probes": [_PROBE]}),
                Content("text/csv", schema=TEXT),
                Content("text/markdown", schema=TEXT),
            ),
            (Parameter("Content-Disposition", "The name for a file of CSV or Markdown."),),
        ),
    ),
    variables=IDENTITY,
    parameters=(*SELECTION, OFFSET, PROBE_LIMIT, FORMAT),
    errors=(NotFound, Unprocessable, RedisUnavailable),
)
GET_EVENTS = Operation(
    "Follow a task",
    (
        ResponseSpec(
            200,
            "Server-sent events: `progress` with the task as it goes on, `probes` with what became known, each probe "
            "once, in the order in which they landed; last `ready` or `cancelled` with the task.",
            (stream_events(("progress", "probes", "ready", "cancelled"), {"anyOf": _EVENT_DATA}, _EVENT),),
        ),
        ResponseSpec(204, "There is nothing more to tell: an EventSource stops."),
    ),
    variables=IDENTITY,
    parameters=(WITH_PROBES, *_LAST_EVENT),
    errors=(NotFound, Unprocessable, RedisUnavailable),
)
GET_DOMAINS = Operation(
    "Count requests by domain",
    (
        ResponseSpec(
            200,
            "How many URLs of each domain were sent, cached or not; the most requested first.",
            (Content(JSON, Domains, example={"domains": [{"domain": "www.example.com", "requests": 2}]}),),
        ),
    ),
    parameters=(DOMAIN_LIMIT,),
    errors=(Unprocessable, RedisUnavailable),
)


def read_selection(query: Mapping[str, str], *, show: str = "") -> Selection:
    """Which URLs of a task a query asks for, in which order; `show` is the default.

    :raises Unprocessable: `show` or `sort` is not one of their words.
    """
    return Selection(_SHOW.read(query) or show, query.get(_QUERY.name, ""), _SORT.read(query) or "")
