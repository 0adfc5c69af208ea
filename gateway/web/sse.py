"""Server-sent events (WHATWG HTML, 9.2): one event as bytes, and the response that streams them."""

from collections.abc import AsyncIterator

from quart import Response

from gateway.openapi.operations import EVENTS


def encode_event(name: str, data: bytes, identity: str) -> bytes:
    """One event. `data` is a line of JSON; a client that reconnects sends `identity` as Last-Event-ID."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (identity.encode(), name.encode(), data)


def answer_events(events: AsyncIterator[bytes]) -> Response:
    """A response that streams these events; proxies do not cache or buffer it."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(events, 200, headers=headers, content_type=EVENTS)
