"""What the views of `views` promise over HTTP: the source of /openapi.json and /docs."""

from typing import Any

from gateway.datastore.client import RedisUnavailable
from gateway.errors import BadRequest, BodyTooLarge, NotFound, Unprocessable, UnsupportedBody
from gateway.openapi.operations import JSON, Content, Number, Operation, Parameter, ResponseSpec, Token, stream_events
from gateway.tasks.probe.urls import MAX_URL_CHARS
from gateway.web.body_flow import BodyTimeout

from .models import MAX_URLS, MAX_WAIT_S, Domains, NewTask, Probes, Task, Tasks, UrlList
from .queue import QueueFull

OFFSET = Number("offset", "How many to leave out at the front.", 0)
PROBE_LIMIT = Number("limit", "How many at most.", MAX_URLS, 1, MAX_URLS)
TASK_LIMIT = Number("limit", "How many at most.", 100, 1, 100)
DOMAIN_LIMIT = Number("limit", "How many at most.", 100, 1, 10_000)
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
_LAST_EVENT = Parameter(
    "Last-Event-ID", "The `id` of the last event that was seen: what it told is left out.", "header"
)

_ID = "5f0c1a52-8f6e-4a0c-9b0e-3c3ad6a1f8f4"
_URLS = ["http://127.0.0.1:8888/healthz", "localhost:8888/nowhere"]
_RUNNING: dict[str, Any] = {
    "id": _ID, "status": "running", "result": None, "total": 2, "done": 0,
    "created_at": "2026-11-24T02:30:00.100000Z", "finished_at": None,
}  # fmt: skip
_READY = _RUNNING | {"status": "ready", "result": [200, 404], "done": 2, "finished_at": "2026-11-24T02:30:00.200000Z"}
_EVENT = 'id: ready\nevent: ready\ndata: {"id":"5f0c1a52-…","status":"ready",…}\n\n'
_PROBE = {
    "url": _URLS[0], "code": 200, "error": None, "detail": None, "cached": False, "elapsed_s": 0.004, "location": None,
}  # fmt: skip
_VARIABLES = {"identity": Parameter("identity", "The `id` of the task.", schema={"type": "string", "format": "uuid"})}
_LINKS = {
    f"tasks.{view}": {"identity": "$response.body#/id"}
    for view in ("get_task", "get_probes", "get_events", "delete_task")
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
    bodies=(Content(JSON, UrlList | NewTask, example=_URLS),),
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
    variables=_VARIABLES,
    parameters=(_PREFER,),
    errors=(NotFound, RedisUnavailable),
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
    variables=_VARIABLES,
    errors=(NotFound, RedisUnavailable),
)
GET_PROBES = Operation(
    "See what is known of each URL",
    (
        ResponseSpec(
            200,
            "The URLs in the order sent; `code` is null while it is not known.",
            (Content(JSON, Probes, example={"probes": [_PROBE]}),),
        ),
    ),
    variables=_VARIABLES,
    parameters=(OFFSET, PROBE_LIMIT),
    errors=(NotFound, Unprocessable, RedisUnavailable),
)
GET_EVENTS = Operation(
    "Follow a task",
    (
        ResponseSpec(
            200,
            "Server-sent events: `progress` with the task as it goes on, last `ready` or `cancelled`.",
            (stream_events(("progress", "ready", "cancelled"), {"$ref": "#/components/schemas/Task"}, _EVENT),),
        ),
        ResponseSpec(204, "There is nothing more to tell: an EventSource stops."),
    ),
    variables=_VARIABLES,
    parameters=(_LAST_EVENT,),
    errors=(NotFound, RedisUnavailable),
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
