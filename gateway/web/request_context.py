"""Assigns a request id, counts bytes, logs the request, guarantees a response.

The outermost ASGI middleware: it adds the request id and the security headers to every response, reports the end of
every request to the metrics and the access log, answers an uncaught exception with 500, and gives requests in progress
`GRACE_S` at shutdown. It knows no routes: `RequestContext.route` is set by the views' side.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import anyio
from pydantic_core import to_json

from gateway.errors import CONTENT_TYPE, GatewayError, Unavailable, problem
from gateway.process.deadline import move_on_after
from gateway.process.logs import REQUEST_ID
from gateway.process.shutdown import Shutdown

from .proxy_headers import TrustedProxies

GRACE_S = 10.0
"""How long requests in progress have once the shutdown has begun."""
CLIENT_GONE = 499
"""The status, as in nginx, of a request whose client left before the response began."""

_SCOPE_KEY = "gateway.request_context"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

logger = logging.getLogger("gateway")

Message = dict[str, Any]


@dataclass(slots=True)
class RequestContext:
    """What is known of a request. `client` is an address or `unix`; `whole`: its response was sent to the end."""

    request_id: str
    client: str
    method: str
    target: bytes
    user_agent: str
    route: str = ""
    status: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    whole: bool = False
    started_at: float = field(default_factory=time.perf_counter)
    answered_s: float = 0.0
    ended_s: float = 0.0


def find_context(scope: Any) -> RequestContext:
    """The context of an ASGI scope that came through `RequestContexts`."""
    context: RequestContext = scope[_SCOPE_KEY]
    return context


class RequestContexts:
    """ASGI middleware: the contexts of all requests of one application.

    `headers` are added to every response that does not set them. `observers` are called at the end of each request.
    """

    def __init__(
        self,
        app: Callable[[Any, Any, Any], Any],
        shutdown: Shutdown,
        *,
        proxies: TrustedProxies,
        headers: Mapping[str, str],
        observers: Iterable[Callable[[RequestContext], None]],
        grace_s: float = GRACE_S,
    ) -> None:
        self._app = app
        self._shutdown = shutdown
        self._proxies = proxies
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self._observers = tuple(observers)
        self._grace_s = grace_s
        self.received_bytes = 0
        self.sent_bytes = 0
        self._open: set[anyio.CancelScope] = set()

    @property
    def open(self) -> int:
        """How many requests are in progress."""
        return len(self._open)

    async def run(self) -> None:
        """When the shutdown begins, give the requests in progress `grace_s`, then cancel them."""
        await self._shutdown.wait()
        logger.info("stopping: %d requests in progress have %g s", self.open, self._grace_s)
        with move_on_after(self._grace_s):
            await anyio.sleep_forever()
        for scope in list(self._open):
            scope.cancel()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":  # not supported; the server answers 403
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        context = self._make_context(scope)
        token = REQUEST_ID.set(context.request_id)
        streams = _CountedStreams(self, context, receive, send)
        cut = anyio.CancelScope()
        self._open.add(cut)
        try:
            with cut:  # the scope is copied, as the server's own would make a reference cycle with the context
                await self._answer({**scope, _SCOPE_KEY: context, "scheme": self._find_scheme(scope)}, streams)
            if cut.cancelled_caught:
                await streams.fail(Unavailable("The server is stopping.", retry_after_s=1))
        finally:
            self._open.remove(cut)
            context.status = context.status or CLIENT_GONE
            context.ended_s = time.perf_counter() - context.started_at
            for observe in self._observers:
                observe(context)
            REQUEST_ID.reset(token)

    async def _answer(self, scope: Any, streams: "_CountedStreams") -> None:
        try:
            await self._app(scope, streams.receive, streams.send)
        except TimeoutError:
            logger.info("response aborted: write timeout")
        except ConnectionError as error:
            logger.info("response aborted: %s", error or "the client is gone")
        except Exception:
            logger.exception("request failed")
            await streams.fail(GatewayError("Something went wrong here; it is in the log."))

    def _find_scheme(self, scope: Any) -> str:
        values = _read_lines(scope, b"x-forwarded-proto")
        peer = scope["client"]
        return self._proxies.find_scheme(peer[0] if peer else None, values) or scope.get("scheme", "http")

    def _make_context(self, scope: Any) -> RequestContext:
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}  # the first of a name
        forwarded = _read_lines(scope, b"x-forwarded-for")
        given = headers.get(b"x-request-id", "")
        peer = scope["client"]
        query = scope["query_string"]
        return RequestContext(
            request_id=given if _REQUEST_ID.fullmatch(given) else uuid4().hex,
            client=self._proxies.find_client(peer[0] if peer else None, forwarded),
            method=scope["method"],
            target=scope["raw_path"] + (b"?" + query if query else b""),
            user_agent=headers.get(b"user-agent", ""),
        )


def _read_lines(scope: Any, name: bytes) -> list[str]:
    """The values of all lines of a header, in order."""
    return [value.decode("latin-1") for found, value in scope["headers"] if found == name]


class _CountedStreams:
    """The two streams of a request, counted; `receive` and `send` wrap those of the server."""

    def __init__(self, contexts: RequestContexts, context: RequestContext, receive: Any, send: Any) -> None:
        self._contexts = contexts
        self._context = context
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """The next message of the server."""
        message: Message = await self._receive()
        size_bytes = len(message.get("body", b""))
        self._context.received_bytes += size_bytes
        self._contexts.received_bytes += size_bytes
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on; the headers are added to the start of the response."""
        context = self._context
        if message["type"] == "http.response.start":
            context.status = int(message["status"])
            context.answered_s = time.perf_counter() - context.started_at
            headers = list(message.get("headers", ()))
            present = {bytes(name).lower() for name, _ in headers}
            added = (*self._contexts.headers, (b"x-request-id", context.request_id.encode()))
            headers += [header for header in added if header[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)
        if message["type"] == "http.response.body":
            size_bytes = 0 if context.method == "HEAD" else len(message.get("body", b""))
            context.sent_bytes += size_bytes
            self._contexts.sent_bytes += size_bytes
            context.whole = not message.get("more_body", False)

    async def fail(self, error: GatewayError) -> None:
        """Send an error, unless the response has begun: then it stays incomplete."""
        if self._context.status:
            return
        body = to_json(problem(error.status, error.code, error.detail, request_id=self._context.request_id))
        headers = {"content-type": CONTENT_TYPE, "content-length": str(len(body)), **error.headers}
        head = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})
