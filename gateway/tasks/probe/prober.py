"""One URL asked over HTTP: owns aiohttp.

GET, its code, and at most 64 KiB of the body before the connection is let go: two gzip bombs of 522 KB cost 1.1 GB
where bodies are read and decoded. Every failure becomes one stable word; nothing is raised.
"""

import asyncio
import errno
import os
import resource
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

import aiohttp

from gateway.process.deadline import Timeout
from gateway.process.file_limit import raise_file_limit
from gateway.tasks.models import ProbeError, ProbeOutcome

from .address_policy import Policy
from .connector import AddressBlocked, DirectConnector
from .http_client import HttpAnswer, HttpClient
from .resolver import NameNotFound
from .response import BODY_BYTES, ResponseCut
from .retry_after import read_retry_after
from .urls import DETAIL_CHARS, MAX_URL_CHARS, UrlRefused, follow_location

MAX_REDIRECTS = 10
BODY_S = 1.0
"""How long a body that is not there yet is waited for, so that its connection can serve again."""
SPARE_FILES = 128
"""File descriptors left for everything but probes."""
LOCATION_CHARS = 2_048
"""What is kept of a Location; one of up to `MAX_URL_CHARS` is followed, as a URL that is sent may have so many."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ASCII = "".join(map(chr, range(128)))
_BUSY = frozenset({429, 503})
_UNREACHABLE = frozenset(
    {
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
    }
)


class _Failed(Exception):
    """A probe that ended without a code, on its way to becoming an ProbeOutcome."""

    def __init__(self, error: ProbeError, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


def limit_concurrency(wanted: int) -> int:
    """How many connections this process may hold at once: `wanted`, or fewer where the file limit is lower."""
    files = raise_file_limit()
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files - SPARE_FILES))


class Prober:
    """Asks URLs. Used as an async context manager; `timeout_s` is the deadline of a URL, redirects included.

    `name_servers` ("192.0.2.1:53") are asked instead of the system's.
    """

    def __init__(self, *, timeout_s: float, policy: Policy, name_servers: Sequence[str] = ()) -> None:
        self._timeout_s = timeout_s
        self._policy = policy
        self._name_servers = name_servers

    async def __aenter__(self) -> Self:
        self._connector = DirectConnector(policy=self._policy, name_servers=self._name_servers)
        self._client = HttpClient(self._connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connector.close()

    async def probe(self, url: str, *, follow_redirects: bool) -> ProbeOutcome:
        """What became of `url`, a normal form of `urls`. Takes at most the deadline; raises nothing."""
        start = time.perf_counter()
        deadline = Timeout(self._timeout_s)
        try:
            outcome = await self._ask(url, deadline, follow_redirects=follow_redirects)
        except _Failed as failed:
            outcome = ProbeOutcome(0, failed.error, failed.detail)
        except TimeoutError:
            outcome = ProbeOutcome(0, ProbeError.TIMEOUT, f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome = ProbeOutcome(0, *_name_error(error))
        finally:
            deadline.cancel()
        return replace(outcome, elapsed_s=round(time.perf_counter() - start, 4))

    async def _ask(self, url: str, deadline: Timeout, *, follow_redirects: bool) -> ProbeOutcome:
        first, has_retry_after = url, False
        for _ in range(MAX_REDIRECTS + 1):
            code, headers = await self._get(url, deadline)
            location = headers.get("Location")
            has_retry_after = has_retry_after or "Retry-After" in headers
            if not follow_redirects or code not in _REDIRECTS or not location:
                own = urlsplit(url).hostname == urlsplit(first).hostname
                return replace(_read_answer(code, headers, own=own), has_retry_after=has_retry_after)
            if len(location) > MAX_URL_CHARS:
                raise _Failed(ProbeError.REDIRECTS, f"redirected to a URL of over {MAX_URL_CHARS} characters")
            try:
                url = follow_location(url, _escape(location)).url
            except UrlRefused as error:
                raise _Failed(
                    ProbeError.REDIRECTS, f"redirected to {_printable(location[:200])!r}: {error}"[:DETAIL_CHARS]
                ) from None
        raise _Failed(ProbeError.REDIRECTS, f"over {MAX_REDIRECTS} redirects")

    async def _get(self, url: str, deadline: Timeout) -> tuple[int, Mapping[str, str]]:
        async with deadline:
            answer = await self._client.get(url)
        try:
            await _drain(answer, deadline)  # the answer is there, whatever becomes of its body
            return answer.code, answer.fields
        finally:
            answer.close()


def _read_answer(code: int, headers: Mapping[str, str], *, own: bool) -> ProbeOutcome:
    """The outcome of an HTTP answer; `own`: it came from the host that was asked, not from one it leads to."""
    location, later = headers.get("Location"), headers.get("Retry-After") if code in _BUSY else None
    if location is None and later is None:
        return ProbeOutcome(code)
    location, later = location and location[:LOCATION_CHARS], later and later[:DETAIL_CHARS]
    return ProbeOutcome(
        code,
        detail=later and f"Retry-After: {_printable(later[:DETAIL_CHARS])}"[:DETAIL_CHARS],
        location=location and _printable(location[:LOCATION_CHARS])[:LOCATION_CHARS],
        retry_after_s=read_retry_after(later) if later and own else None,
    )


async def _drain(answer: HttpAnswer, deadline: Timeout) -> None:
    """Read a short body to its end, so that its connection serves the next URL; give up on any other."""
    if answer.body.is_eof() or answer.length_bytes > BODY_BYTES:  # it is all there, or too much
        return
    try:
        async with deadline, asyncio.timeout(BODY_S):
            while await answer.body.readany():  # `answer` ends it after BODY_BYTES
                pass
    except (TimeoutError, aiohttp.ClientError, OSError):
        return


def _name_error(error: Exception) -> tuple[ProbeError, str]:
    """The stable word for what a library or the system raised, and a line for a person."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return _word(error, cause), _describe(cause)


def _describe(cause: Exception) -> str:
    if isinstance(cause, OSError) and cause.errno is not None and not isinstance(cause, ssl.SSLError):
        text = os.strerror(cause.errno)
    elif isinstance(cause, ConnectionError) and not str(cause):
        text = "the connection ended in the TLS handshake"
    else:
        text = str(cause)
    return _printable(text.partition("\n")[0].strip(" :") or type(cause).__name__)[:DETAIL_CHARS]


def _printable(text: str) -> str:
    """Text of a stranger as JSON can hold it: bytes that were no UTF-8 become `\\xff`."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _escape(location: str) -> str:
    """A Location whose bytes beyond ASCII, UTF-8 or not, are percent-encoded, as browsers send them."""
    return location if location.isascii() else quote(location.encode("utf-8", "surrogateescape"), safe=_ASCII)


def _word(error: Exception, cause: Exception) -> ProbeError:
    number = getattr(cause, "errno", None)
    if isinstance(cause, AddressBlocked):
        return ProbeError.BLOCKED
    if isinstance(error, aiohttp.ClientConnectorDNSError) or isinstance(cause, NameNotFound):
        return ProbeError.DNS
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)) or isinstance(cause, ssl.SSLError):
        return ProbeError.TLS
    if isinstance(error, (aiohttp.InvalidURL, ValueError)) and not isinstance(error, aiohttp.ClientPayloadError):
        return ProbeError.INVALID_URL
    if isinstance(error, ResponseCut):
        return ProbeError.TLS if isinstance(error.__cause__, ssl.SSLError) else ProbeError.RESET
    if number == errno.ECONNREFUSED:
        return ProbeError.REFUSED
    if isinstance(error, aiohttp.ServerDisconnectedError) or isinstance(cause, ConnectionError):
        return ProbeError.RESET
    if number == errno.ETIMEDOUT:
        return ProbeError.TIMEOUT
    if number in _UNREACHABLE or isinstance(error, aiohttp.ClientConnectorError):
        return ProbeError.UNREACHABLE
    return ProbeError.PROTOCOL
