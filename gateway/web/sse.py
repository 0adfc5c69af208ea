"""Server-sent events (WHATWG HTML, 9.2): one event as bytes, and the answer that streams them."""

from collections.abc import AsyncIterator

from quart import Response

from gateway.openapi.operations import EVENTS


def encode_event(name: str, data: bytes, identity: str) -> bytes:
    """One event. `data` is a line of JSON; a client that comes again sends `identity` as Last-Event-ID."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (identity.encode(), name.encode(), data)


def answer_events(events: AsyncIterator[bytes]) -> Response:
    """The answer whose body are these events, for as long as they come; no proxy is to keep or gather them."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(events, 200, headers=headers, content_type=EVENTS)
