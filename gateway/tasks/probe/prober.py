"""Probes URLs: sends a GET, follows redirects, reads the code and at most 64 KiB of the body, which is never decoded.

Every failure becomes one of `ProbeError`; nothing is raised.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import quote

from gateway.process.deadline import Deadlines
from gateway.process.file_limit import raise_file_limit
from gateway.tasks.models import Hop, ProbeError, ProbeOutcome

from .address_policy import Policy
from .connection import ConnectionCut
from .connector import AddressBlocked
from .http_client import Headers, HttpAnswer, HttpClient
from .request import ProbeRequest
from .resolver import NameNotFound
from .response import ResponseUnreadable
from .retry_after import read_retry_after
from .state import ProbeState
from .urls import DETAIL_CHARS, MAX_URL_CHARS, Site, UrlRefused, find_site, follow_location
from .verdict import find_bot_protection

MAX_REDIRECTS = 10
BODY_S = 1.0
"""How long a body that is not there yet is waited for, so that its connection can serve again."""
LOCATION_CHARS = 2_048
"""How much of a Location is kept; one of up to `MAX_URL_CHARS` is followed."""
HOP_CHARS = 512
"""How much of the URL of a hop is kept, as there may be ten."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ASCII = "".join(map(chr, range(128)))
_BUSY = frozenset({429, 503})


class _Failed(Exception):
    """A probe that ended without a code, on its way to becoming an ProbeOutcome."""

    def __init__(self, error: ProbeError, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


def limit_concurrency(wanted: int) -> int:
    """How many URLs this process may ask at once: `wanted`, but at most half of its file descriptors.

    A quarter is for kept connections (`pool`), and a quarter for everything else.
    """
    return int(min(wanted, max(1, raise_file_limit() / 2)))


class Prober:
    """Asks URLs. Used as an async context manager; `timeout_s` is the deadline of a URL, redirects included.

    `name_servers` ("192.0.2.1:53") are asked instead of the system's.
    """

    def __init__(self, *, timeout_s: float, policy: Policy, name_servers: Sequence[str] = ()) -> None:
        self.timeout_s = timeout_s
        self._policy = policy
        self._name_servers = name_servers

    async def __aenter__(self) -> Self:
        self._client = HttpClient(policy=self._policy, name_servers=self._name_servers)
        self._deadlines = Deadlines()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    def begin(self, request: ProbeRequest, site: Site) -> ProbeState:
        """A probe that has not asked yet; `site` is that of its URL."""
        return ProbeState(request, request.url, site, self._find_timeout(request))

    async def probe(self, request: ProbeRequest) -> ProbeOutcome:
        """What becomes of a request that need not wait for a turn at any origin. Takes at most the deadline."""
        state = self.begin(request, find_site(request.url, ""))
        while (outcome := await self.ask(state)) is None:
            pass
        return outcome

    async def ask(self, state: ProbeState) -> ProbeOutcome | None:
        """Ask one site; None if it redirects to another one, which is then `state.site`. Raises nothing.

        Takes at most `state.left_s`.
        """
        start = time.perf_counter()
        outcome: ProbeOutcome | None
        try:
            outcome = await self._follow(state, self._deadlines.time() + state.left_s)
        except _Failed as failed:
            outcome = ProbeOutcome(0, failed.error, failed.detail)
        except TimeoutError:
            detail = f"no answer within {self._find_timeout(state.request):g} s"
            outcome = ProbeOutcome(0, ProbeError.TIMEOUT, detail)
        except (ResponseUnreadable, OSError, ValueError) as error:
            outcome = ProbeOutcome(0, _name_error(error), _describe(error))
        elapsed_s = time.perf_counter() - start
        state.left_s -= elapsed_s
        state.elapsed_s += elapsed_s
        if outcome is not None:
            outcome.elapsed_s, outcome.attempts = round(state.elapsed_s, 4), state.attempts
            if state.hops:
                outcome.hops, outcome.final_url = tuple(state.hops), state.url[:LOCATION_CHARS]
        return outcome

    def _find_timeout(self, request: ProbeRequest) -> float:
        return min(self.timeout_s, request.options.timeout_s or self.timeout_s)

    async def _follow(self, state: ProbeState, ends_at: float) -> ProbeOutcome | None:
        """Ask, and follow redirects within one site; None if one leads to another."""
        options, site = state.request.options, state.site
        headers = _choose_headers(state.request, site)
        while True:
            code, head, fields = await self._get(state.url, headers, ends_at)
            location = fields.get("Location")
            state.has_retry_after = state.has_retry_after or "Retry-After" in fields
            if not options.follow_redirects or code not in _REDIRECTS or not location:
                return _read_answer(code, head, fields, state)
            _follow_redirect(state, code, location)
            if state.site != site:
                return None

    async def _get(self, url: str, own: Headers, ends_at: float) -> tuple[int, bytes, Mapping[str, str]]:
        block = asyncio.timeout(None)
        self._deadlines.start(block, ends_at)
        try:
            async with block:
                answer = await self._client.get(url, own)
        finally:
            self._deadlines.stop(block)
        try:
            if not answer.finished:
                await self._drain(answer, ends_at)
            return answer.code, answer.head, answer.fields
        finally:
            answer.close()

    async def _drain(self, answer: HttpAnswer, ends_at: float) -> None:
        """Read a short body to its end, so that its connection serves the next URL; give up on any other.

        A body that fails does not change the answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(ends_at, self._deadlines.time() + BODY_S)):
                await answer.finish()


def _follow_redirect(state: ProbeState, code: int, location: str) -> None:
    """Make the URL that a redirect names the next one of `state`.

    :raises _Failed: that is no URL that can be asked, or there were `MAX_REDIRECTS` before.
    """
    if len(state.hops) == MAX_REDIRECTS:
        raise _Failed(ProbeError.REDIRECTS, f"over {MAX_REDIRECTS} redirects")
    state.hops.append(Hop(code, state.url[:HOP_CHARS]))
    if len(location) > MAX_URL_CHARS:
        raise _Failed(ProbeError.REDIRECTS, f"redirected to a URL of over {MAX_URL_CHARS} characters")
    try:
        target = follow_location(state.url, _escape(location))
    except UrlRefused as error:
        raise _Failed(
            ProbeError.REDIRECTS, f"redirected to {_printable(location[:200])!r}: {error}"[:DETAIL_CHARS]
        ) from None
    state.url, state.site = target.url, find_site(*target)


def _choose_headers(request: ProbeRequest, site: Site) -> Headers:
    """The headers of the task if this is the site of its URL: another origin does not get them."""
    headers = request.options.headers
    return tuple(headers.items()) if headers and find_site(request.url, site.host) == site else ()


def _read_answer(code: int, head: bytes, fields: Mapping[str, str], state: ProbeState) -> ProbeOutcome:
    """The outcome of the last answer."""
    protection = find_bot_protection(code, head)
    location = fields.get("Location")
    retry_after = fields.get("Retry-After", "")[:DETAIL_CHARS] if code in _BUSY else ""
    if location is None and not retry_after and protection is None and not state.has_retry_after:
        return ProbeOutcome(code)
    return ProbeOutcome(
        code,
        detail=f"Retry-After: {_printable(retry_after)}"[:DETAIL_CHARS] if retry_after else None,
        location=location and _printable(location[:LOCATION_CHARS])[:LOCATION_CHARS],
        bot_protection=protection,
        retry_after_s=read_retry_after(retry_after) if retry_after else None,
        has_retry_after=state.has_retry_after,
    )


def _describe(cause: Exception) -> str:
    """One line for people about the cause of a failure."""
    if isinstance(cause, ConnectionCut) and isinstance(cause.__cause__, ssl.SSLError):
        text = f"TLS failed ({cause.__cause__.reason})"
    elif isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ssl.SSLError):
        text = os.strerror(cause.errno)
    elif isinstance(cause, ConnectionError) and not str(cause):
        text = "the connection ended in the TLS handshake"
    else:
        text = str(cause)
    return _printable(text.partition("\n")[0].strip(" :") or type(cause).__name__)[:DETAIL_CHARS]


def _printable(text: str) -> str:
    """Text of a site as JSON can hold it: bytes that are not UTF-8 become `\\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escape(location: str) -> str:
    """A Location whose bytes beyond ASCII, UTF-8 or not, are percent-encoded, as browsers send them."""
    return location if location.isascii() else quote(location.encode("utf-8", "surrogateescape"), safe=_ASCII)


def _name_error(error: Exception) -> ProbeError:
    """The `ProbeError` of an exception of the client or the system."""
    if isinstance(error, AddressBlocked):
        return ProbeError.BLOCKED
    if isinstance(error, NameNotFound):
        return ProbeError.DNS
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return ProbeError.TLS
    if isinstance(error, ResponseUnreadable):
        return ProbeError.PROTOCOL
    if isinstance(error, ConnectionRefusedError):
        return ProbeError.REFUSED
    if isinstance(error, ConnectionError):
        return ProbeError.RESET
    return ProbeError.UNREACHABLE if isinstance(error, OSError) else ProbeError.INVALID_URL
