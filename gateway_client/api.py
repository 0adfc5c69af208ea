"""HTTP calls to one gateway: owns httpx, and turns each of its failures into words for a person.

CommandError
├── UsageError       the server or the token cannot be used          exit 2
└── ApiError
    ├── Refused      the server (or this program) said no            exit 1
    └── Broken       the server broke off, or its answer makes no sense  exit 3
        └── Unreachable   there was no connection
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .server import find_proxy, hide_user, read_token, read_url
from .terminal import CommandError, Exit, UsageError, escape_text, find_reason, name_program

if TYPE_CHECKING:
    import httpx

MAX_ANSWER_BYTES = 64 * 1024 * 1024
CONNECT_S = 10.0
_DETAIL_CHARS = 500
_UNAVAILABLE = frozenset({408, 423, 429, 502, 503, 504})
"""Statuses of refusals that pass: the same call may succeed later."""
_OFFSET_MISMATCH = "urn:gateway:problem:offset-mismatch"


class ApiError(CommandError):
    """A call that failed. `may_pass`: the same call may succeed, `retry_after_s` later.

    `code` is the stable word of the problem that the server sent, such as `name-taken`.
    """

    def __init__(self, words: str, *, may_pass: bool = False, retry_after_s: int = 1, code: str = "") -> None:
        super().__init__(words)
        self.code = code
        self.may_pass = may_pass
        self.retry_after_s = retry_after_s


class Refused(ApiError):
    """The server, or this program, said no."""

    exit_code = Exit.REFUSED


class Broken(ApiError):
    """The server broke off, failed, or sent what makes no sense."""

    exit_code = Exit.BROKEN


class Unreachable(Broken):
    """There was no connection."""


class Silent(Broken):
    """There was no answer in time."""


class GatewayApi:
    """Calls to the gateway at `server` (`http://host:8888`, a path prefix is kept).

    `timeout_s` is how long the server may be silent.

    :raises UsageError: the server or the token cannot be used.
    """

    def __init__(self, server: str, token: str, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._token = read_token(token)
        url = read_url(server)
        self.client = self._open_client(url)
        self._base = str(url).rstrip("/")
        self.name = f"{url.scheme}://{url.netloc.decode()}"
        self._plain = url.scheme == "http"
        self._headers: dict[str, Any] = {"User-Agent": name_program(), "Accept-Encoding": "identity"}
        if self._token:
            self._headers["Authorization"] = f"Bearer {self._token}".encode()
        self._connection: Any = None

    def _open_client(self, url: "httpx.URL") -> "httpx.Client":
        import ssl

        import httpx  # 150 ms: not for --help

        try:
            # The certificates cost 20 ms: plain HTTP needs none.
            plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            verify = httpx.create_ssl_context() if url.scheme == "https" else plain
            return httpx.Client(verify=verify, proxy=find_proxy(url), trust_env=False)
        except (ValueError, ImportError, OSError) as error:
            raise UsageError(f"cannot use the server {hide_user(str(url))}: {find_reason(error)}") from None

    @contextmanager
    def call(
        self, method: str, path: str, *, timeout_s: float | None = None, **request: Any
    ) -> "Iterator[httpx.Response]":
        """An answer of status 2xx, its body still to be read inside the `with`; `headers`, `content` as in httpx.

        :raises Refused: the server said no; its own words.
        :raises Broken: it broke off, failed or made no sense.
        :raises Unreachable: there was no connection.
        """
        import httpx

        timeout_s = self.timeout_s if timeout_s is None else timeout_s
        request["headers"] = self._headers | request.get("headers", {})
        request["extensions"] = {"trace": self._note_connection}
        request["timeout"] = httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S))
        try:
            with self.client.stream(method, self._base + path, **request) as answer:
                if not answer.is_success:
                    raise self._read_refusal(answer, timeout_s)
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"{self.name} cannot be reached: {find_reason(error)}", may_pass=True) from None
        except httpx.TimeoutException:
            raise Silent(f"{self.name} gave no answer in {timeout_s:g} s", may_pass=True) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Broken(f"{self.name} broke off: {find_reason(error)}", may_pass=True) from None

    def call_json(self, method: str, path: str, *, timeout_s: float | None = None, **request: Any) -> dict[str, Any]:
        """The JSON object of an answer. Raises as `call`."""
        value = None
        with self.call(method, path, timeout_s=timeout_s, **request) as answer, suppress(ValueError, RecursionError):
            value = json.loads(self._read_body(answer, timeout_s or self.timeout_s))
        if not isinstance(value, dict):
            raise self.nonsense()
        return value

    def nonsense(self) -> Broken:
        """The error for an answer that no gateway gives."""
        return Broken(f"{self.name} sent what makes no sense: is it a gateway?")

    def has_answered(self) -> bool:
        """Whether the server has answered already, while the body of the request is still being sent."""
        # TLS 1.3 sends session tickets unasked: readable does not mean answered there.
        return self._plain and bool(self._connection and self._connection.get_extra_info("is_readable"))

    def _note_connection(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._connection = info["return_value"]

    def _read_body(self, answer: "httpx.Response", timeout_s: float) -> bytes:
        body = bytearray()
        deadline = time.monotonic() + timeout_s
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise Broken(f"{self.name} sent too much: over {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise Silent(f"{self.name} gave no whole answer in {timeout_s:g} s", may_pass=True)
        return bytes(body)

    def _read_refusal(self, answer: "httpx.Response", timeout_s: float) -> ApiError:
        """The server's `detail` (RFC 9457), or its status line where there is none."""
        import httpx

        words = f"{self.name} answered {answer.status_code} {self._escape(answer.reason_phrase)}".rstrip()
        problem: Any = None
        with suppress(ValueError, RecursionError, Broken, httpx.HTTPError):
            problem = json.loads(self._read_body(answer, timeout_s))
        if not isinstance(problem, dict):
            problem = {}
        if isinstance(problem.get("detail"), str):
            words = self._escape(problem["detail"])[:_DETAIL_CHARS]
        after = answer.headers.get("Retry-After", "")
        retry_after_s = int(after) if after.isdecimal() and len(after) < 6 else 1
        may_pass = answer.status_code in _UNAVAILABLE or problem.get("type") == _OFFSET_MISMATCH
        no_space = answer.status_code == 507
        kind = Refused if 400 <= answer.status_code < 500 or no_space else Broken
        code = str(problem.get("type", "")).rpartition(":")[2]
        return kind(words, may_pass=may_pass, retry_after_s=retry_after_s, code=code)

    def _escape(self, words: str) -> str:
        """Words of the server, which may repeat the token that it was sent."""
        return escape_text(words.replace(self._token, "…") if self._token else words)
