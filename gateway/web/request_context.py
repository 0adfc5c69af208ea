"""The context of one request: its id, its byte counts, its status; and an answer in every case.

The outermost ASGI middleware: it adds the request id and the security headers to every answer, reports the end of every
request to the metrics and the access log, turns an uncaught exception into a 500, and gives requests in progress
`GRACE_S` when the process stops. It knows no routes: the views' side sets `RequestContext.route`.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import anyio
from pydantic_core import to_json

from gateway.errors import CONTENT_TYPE, problem
from gateway.process.deadline import move_on_after
from gateway.process.logs import REQUEST_ID
from gateway.process.shutdown import Shutdown

from .proxy_headers import TrustedProxies
from .zerocopy import EXTENSION

GRACE_S = 10.0
"""How long requests in progress have once the process is to end."""
CLIENT_GONE = 499
"""What the log says of a request whose client left before the answer began; nginx writes the same."""

_SCOPE_KEY = "gateway.request_context"
_SANE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

logger = logging.getLogger("gateway")

Message = dict[str, Any]


@dataclass(slots=True)
class RequestContext:
    """What is known of a request. `client` is an address or `unix`; `whole`: its answer was sent to the end."""

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
    """The exchange of an ASGI scope that came through `RequestContexts`."""
    exchange: RequestContext = scope[_SCOPE_KEY]
    return exchange


class RequestContexts:
    """ASGI middleware: all exchanges of one application.

    `headers` are added to every answer that does not set them. `observers` are called at the end of each.
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
        self._open: dict[int, anyio.CancelScope] = {}

    @property
    def open(self) -> int:
        """How many are going on now."""
        return len(self._open)

    async def run(self) -> None:
        """At the end of the process give what is going on its time, then cut it short."""
        await self._shutdown.wait()
        logger.info("stopping: %d requests in progress have %g s", self.open, self._grace_s)
        with move_on_after(self._grace_s):
            await anyio.sleep_forever()
        for scope in list(self._open.values()):
            scope.cancel()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one scope (ASGI 3)."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":  # none here; the server answers 403
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        exchange = self._begin(scope)
        scope = {**scope, _SCOPE_KEY: exchange}  # in that of the server it would be part of a circle with it
        token = REQUEST_ID.set(exchange.request_id)
        wire = _Wire(self, exchange, receive, send)
        cut = self._open[id(wire)] = anyio.CancelScope()
        try:
            with cut:
                await self._answer(scope, wire)
            if cut.cancelled_caught:
                await wire.fail(503, "unavailable", "The server is stopping.", [(b"retry-after", b"1")])
        finally:
            del self._open[id(wire)]
            exchange.status = exchange.status or CLIENT_GONE
            exchange.ended_s = time.perf_counter() - exchange.started_at
            for observe in self._observers:
                observe(exchange)
            REQUEST_ID.reset(token)

    async def _answer(self, scope: Any, wire: "_Wire") -> None:
        if scope["http_version"] not in ("1.0", "1.1", "2", "3"):  # the preface of an HTTP/2 that is turned off
            await wire.fail(505, "version-unsupported", "This server speaks HTTP/1.1.", [(b"connection", b"close")])
            return
        try:
            await self._app(scope, wire.receive, wire.send)
        except TimeoutError:
            logger.info("gave an answer up: its client took too little for too long")
        except ConnectionError as error:
            logger.info("gave an answer up: %s", error or "its client is gone")
        except Exception:
            logger.exception("an answer failed")
            await wire.fail(500, "internal-server-error", "Something went wrong here; it is in the log.")

    def _begin(self, scope: Any) -> RequestContext:
        headers: dict[bytes, bytes] = {}
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            headers.setdefault(name, value)
            if name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        peer = scope["client"]
        query = scope["query_string"]
        return RequestContext(
            request_id=given if _SANE_ID.fullmatch(given) else uuid4().hex,
            client=self._proxies.find_client(peer[0] if peer else None, forwarded),
            method=scope["method"],
            target=scope["raw_path"] + (b"?" + query if query else b""),
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
        )


class _Wire:
    """The two streams of a request, counted; `receive` and `send` wrap those of the server."""

    def __init__(self, exchanges: RequestContexts, exchange: RequestContext, receive: Any, send: Any) -> None:
        self._exchanges = exchanges
        self._exchange = exchange
        self._receive = receive
        self._send = send
        self._headers = [*exchanges.headers, (b"x-request-id", exchange.request_id.encode())]

    async def receive(self) -> Message:
        """The next message of the server."""
        message: Message = await self._receive()
        size_bytes = len(message.get("body", b""))
        self._exchange.received_bytes += size_bytes
        self._exchanges.received_bytes += size_bytes
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on; the headers are added to the first of an answer."""
        exchange = self._exchange
        if message["type"] == "http.response.start":
            exchange.status = int(message["status"])
            exchange.answered_s = time.perf_counter() - exchange.started_at
            headers = list(message.get("headers", ()))
            present = {bytes(name).lower() for name, _ in headers}
            headers += [header for header in self._headers if header[0] not in present]
            message = {**message, "headers": headers}
        await self._send(message)
        if message["type"] in ("http.response.body", EXTENSION):
            size_bytes = message["count"] if message["type"] == EXTENSION else len(message.get("body", b""))
            exchange.sent_bytes += size_bytes
            self._exchanges.sent_bytes += size_bytes
            exchange.whole = not message.get("more_body", False)

    async def fail(self, status: int, code: str, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Answer with a problem if no answer has begun; one that has is left as it is, and does not look whole."""
        if self._exchange.status:
            return
        body = to_json(problem(status, code, detail, request_id=self._exchange.request_id))
        head = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(body)), *headers]
        await self.send({"type": "http.response.start", "status": HTTPStatus(status), "headers": head})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})
