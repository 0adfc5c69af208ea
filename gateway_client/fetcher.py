"""Sitemaps over HTTP: bounded in size, time and redirects, through the proxy of the environment."""

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from .api import CONNECT_S, Broken, Refused, Silent, Unreachable
from .server import find_proxy, hide_user
from .sources import MAX_DOCUMENT_BYTES
from .terminal import UsageError, escape_text, find_reason, name_program

if TYPE_CHECKING:
    import ssl

    import httpx

MAX_REDIRECTS = 10
MAX_FETCH_S = 600.0


class Fetcher:
    """Gets documents; `timeout_s` is how long a server may be silent. Close it."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._clients: dict[str, httpx.Client] = {}
        self._open = ExitStack()
        self._tls: ssl.SSLContext | None = None

    def close(self) -> None:
        """Close its connections."""
        self._open.close()

    def fetch(self, text: str) -> bytes:
        """The bytes behind a URL (`http://` is put before a bare host), redirects followed; gzip stays packed.

        :raises UsageError: it is no URL, or its answer is too large.
        :raises Refused: the server said no.
        :raises Broken: it failed or broke off.
        """
        import httpx

        url = _read_url(text)
        deadline = time.monotonic() + MAX_FETCH_S
        try:
            for _ in range(MAX_REDIRECTS + 1):
                with self._find_client(url).stream("GET", url) as answer:
                    if answer.next_request is None:
                        return self._read_body(answer, deadline)
                    url = _read_url(str(answer.next_request.url))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"cannot be reached: {find_reason(error)}") from None
        except httpx.TimeoutException:
            raise Silent(f"gave no answer in {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Broken(f"broke off: {find_reason(error)}") from None
        raise Refused(f"redirects over {MAX_REDIRECTS} times")

    def _find_client(self, url: "httpx.URL") -> "httpx.Client":
        import httpx

        proxy = find_proxy(url)
        key = str(proxy.url) if proxy else ""
        if key not in self._clients:
            self._tls = self._tls or httpx.create_ssl_context()
            headers = {"User-Agent": name_program(), "Accept-Encoding": "gzip"}
            timeout = httpx.Timeout(self._timeout_s, connect=min(self._timeout_s, CONNECT_S))
            client = httpx.Client(verify=self._tls, proxy=proxy, trust_env=False, headers=headers, timeout=timeout)
            self._clients[key] = self._open.enter_context(client)
        return self._clients[key]

    def _read_body(self, answer: "httpx.Response", deadline: float) -> bytes:
        if not answer.is_success:
            kind = Refused if answer.status_code < 500 else Broken
            raise kind(f"answered {answer.status_code} {escape_text(answer.reason_phrase)}".rstrip())
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MAX_DOCUMENT_BYTES:
                raise UsageError(f"it has over {MAX_DOCUMENT_BYTES >> 20} MiB")
            if time.monotonic() > deadline:
                raise Silent(f"gave no whole answer in {MAX_FETCH_S:g} s")
        return bytes(body)


def _read_url(text: str) -> "httpx.URL":
    import httpx

    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
        url.host.encode("idna")
    except (ValueError, httpx.InvalidURL):
        raise UsageError(f"no URL: {hide_user(text)}") from None
    if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65535:
        raise UsageError(f"no URL of http or https: {hide_user(text)}")
    return url
