"""Parses the body of a POST that makes a task, JSON or a list of lines, in bounded time."""

import json
import re
from contextlib import suppress

from pydantic import ValidationError
from pydantic_core import from_json

from gateway.errors import BadRequest, Unprocessable
from gateway.tasks.probe.urls import UNREADABLE

from .models import MAX_URLS, NewTask

MAX_ITEMS = MAX_URLS + 1_000
"""Past so many items a body is refused unparsed."""
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_new_task(body: bytes) -> NewTask:
    """The task in a request body.

    :raises BadRequest: it is not JSON in UTF-8.
    :raises Unprocessable: it is JSON of another form, or has more in it than a task can have; `index` is that of the
        first URL that is wrong.
    """
    _check_size(body)
    try:
        data = _load_json(body)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    fields = {"urls": data} if isinstance(data, list) else data
    try:
        return NewTask.model_validate(fields)
    except ValidationError as error:
        raise _unprocessable(error) from None


def parse_url_lines(body: bytes) -> NewTask:
    """The task in a list of URLs, one on each line; blank lines and what begins with `#` are left out.

    :raises BadRequest: it is not UTF-8.
    :raises Unprocessable: there are no URLs, or more than a task can have.
    """
    try:
        lines = [line.strip() for line in re.split("\r\n|\r|\n", body.decode("utf-8-sig"))]
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not UTF-8: {error}.") from None
    try:
        return NewTask(urls=[line for line in lines if line and not line.startswith("#")])
    except ValidationError as error:
        raise _unprocessable(error) from None


def _load_json(body: bytes) -> object:
    """The JSON value of a body. Half of a surrogate pair (RFC 8259, 8.2) becomes `UNREADABLE`.

    :raises ValueError: it is not JSON in UTF-8.
    """
    try:
        return from_json(body, cache_strings="none")
    except ValueError:
        if b"\\ud" not in body.lower():
            raise
        with suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(body.decode()), ensure_ascii=False)
            return from_json(_LONE_SURROGATE.sub(UNREADABLE, text).encode(), cache_strings="none")
        raise


def _check_size(body: bytes) -> None:
    """Refuse a body before a parser makes a million objects of it: 4 MiB of `[]` take seconds.

    It counts strings, and the bytes outside strings: as the parser does, as long as the body is JSON.
    """
    text = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = text.count(b'"')
    if quotes <= 2 * MAX_ITEMS:
        outside = b"".join(text.split(b'"')[::2]).translate(None, b" \t\r\n")
        if len(outside) <= MAX_ITEMS:
            return
    raise Unprocessable(f"There is more in the body than a list of {MAX_URLS} URLs.")


def _unprocessable(error: ValidationError) -> Unprocessable:
    first = error.errors(include_url=False, include_input=False)[0]
    indexes = [key for key in first["loc"] if isinstance(key, int)]
    if indexes:
        return Unprocessable(f"URL {indexes[0]}: {first['msg']}.", index=indexes[0])
    field = ".".join(map(str, first["loc"]))
    return Unprocessable(f"{field}: {first['msg']}." if field else f"{first['msg']}.")
