"""What the views of `page` promise over HTTP: the source of /openapi.json and /docs."""

from gateway.datastore.client import RedisUnavailable
from gateway.errors import BodyTooLarge, NotFound, Unprocessable
from gateway.openapi.operations import (
    BINARY,
    FORM,
    HTML,
    TEXT,
    Content,
    Number,
    Operation,
    Parameter,
    ResponseSpec,
    always,
)
from gateway.web.body_flow import BodyTimeout

from .models import MAX_URLS
from .operations import IDENTITY, SELECTION
from .queue import QueueFull

PAGE = Number("page", "Which hundred of the URLs: 1 is the first.", 1, 1, MAX_URLS)
_HTML = (Content(HTML, schema=TEXT),)
_TO_TASK = (ResponseSpec(303, "Done.", headers=(always("Location", "The page of the task."),)),)
_FORM = Content(
    FORM,
    schema={
        "type": "object",
        "properties": {
            "text": TEXT | {"description": "Anything that has URLs in it."},
            "file": BINARY | {"description": "The same as a file."},
            "follow": TEXT | {"description": "Redirects are followed, if this is there."},
        },
    },
)

GET_PAGE = Operation(
    "The page of URL checks",
    (ResponseSpec(200, "A form, the domains that were asked for most, and recent tasks.", _HTML),),
    errors=(RedisUnavailable,),
    group="page",
    errors_as=HTML,
)
POST_PAGE = Operation(
    "The form of the page",
    _TO_TASK,
    bodies=(_FORM,),
    errors=(BodyTimeout, BodyTooLarge, Unprocessable, QueueFull, RedisUnavailable),
    group="page",
    errors_as=HTML,
)
GET_TASK_PAGE = Operation(
    "The page of a task",
    (ResponseSpec(200, "How far it is, its pictures, and a hundred of its URLs.", _HTML),),
    variables=IDENTITY,
    parameters=(
        *SELECTION,
        PAGE,
        Parameter("twice", "How many repeats of URLs were left out of the pasted text."),
        Parameter("unread", "The numbers of pasted lines that could not be read, with dots between them."),
        Parameter("more", "How many more such lines there were."),
    ),
    errors=(NotFound, Unprocessable, RedisUnavailable),
    group="page",
    errors_as=HTML,
)
CANCEL = Operation(
    "Cancel a task, from its page",
    _TO_TASK,
    variables=IDENTITY,
    errors=(NotFound, RedisUnavailable),
    errors_as=HTML,
    group="page",
)
RECHECK = Operation(
    "Ask again for some URLs of a task, from its page",
    _TO_TASK,
    variables=IDENTITY,
    parameters=SELECTION[:2],
    errors=(NotFound, Unprocessable, QueueFull, RedisUnavailable),
    group="page",
    errors_as=HTML,
)
