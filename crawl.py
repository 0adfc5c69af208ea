#!/usr/bin/env python3
"""Command line of the task API: prints `code<TAB>url` for every URL, in the order given.

The gateway does the probing; this program sends tasks, waits for them and prints. Lines go to stdout;
reasons, progress and errors go to stderr. Nothing of the gateway is imported: the file, long as it is, can be copied
to another machine and works there.
"""

import argparse
import asyncio
import errno
import json
import os
import re
import string
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from urllib.parse import quote

VERSION = "0.1.0"
TASKS_PATH = "/api/v1/tasks/"
TASK_URLS = 10_000
TASK_BYTES = 4 * 1024 * 1024 - 1
TASKS_AT_ONCE = 4
POLL_S = 1.0
"""The server is never polled more often than this, however many tasks there are."""
PROBES_AT_ONCE = 1000
STRANGER_S = 10
"""How long a server is waited for that took a connection but has never answered: it may be none of ours."""
CANCEL_S = 1
"""How long the end of the run waits for its tasks to be cancelled."""
LINE_BYTES = 512 * 1024
"""Of a longer line only its beginning is read. A byte becomes at most six in JSON: each line fits a task."""
ENDLESS_BYTES = 1024 * 1024 * 1024
ANSWER_BYTES = 64 * 1024 * 1024
"""The longest answer of a server: it must not fill the memory."""
SHOWN_CHARS = 500
NO_URL = ("invalid_url", "unsupported_scheme")
"""The errors of a line that could not be asked for at all."""

# Control characters (C0, C1), line separators, bidirectional overrides, bytes that were no UTF-8.
UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
NO_TOKEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff]")
"""What a token cannot hold: control characters, and bytes that were no UTF-8. The gateway refuses the same."""


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    BROKEN = 3
    INTERRUPTED = 130


class Stop(Exception):
    """The end of the run before its time. The text is one line for a person."""

    def __init__(self, words: str, code: Exit) -> None:
        super().__init__(words)
        self.code = code


class Away(Stop):
    """The server gives no answer for now: an end only if this lasts. `after_s` is when to ask again."""

    def __init__(self, words: str, after_s: int = 1) -> None:
        super().__init__(words, Exit.BROKEN)
        self.after_s = after_s


class Line(NamedTuple):
    """A URL as it was given, and the `FILE:NUMBER` of its line; empty for an argument."""

    url: str
    place: str = ""


# --- Text ---------------------------------------------------------------------------------------------------


@cache
def escape(char: str) -> str:
    """A character as in a URL: `%0A`."""
    return quote(char.encode("utf-8", "surrogateescape"))


def shown(text: str) -> str:
    """Text fit for a terminal and for one line: control characters are percent-encoded, as in a URL."""
    return UNSAFE.sub(lambda match: escape(match[0]), text)


def hide_user(server: str) -> str:
    """A server fit for a message: without its user and password, wherever they end."""
    return shown(re.sub(".*@", "…@", server, flags=re.DOTALL))


def say(text: str) -> None:
    """One line on stderr. Never fails: there is nowhere left to report it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def cause(error: BaseException | None) -> str:
    """The reason deepest inside an exception: `Connection refused`, not `All connection attempts failed`."""
    words = str(error) or type(error).__name__
    for _ in range(16):  # a group can close the chain to a circle
        if isinstance(error, OSError) and error.strerror:
            own = error.strerror.startswith("Connect call failed")  # asyncio's words for what errno says better
            words = os.strerror(error.errno or 0) if own else error.strerror
        error = error and (error.__cause__ or error.__context__)
        error = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
    return shown(words.rstrip("."))[:300]


def escape_bytes(url: str) -> str:
    """A URL in which a byte that was no UTF-8 became `%FF`."""
    return url if url.isascii() else re.sub("[\ud800-\udfff]", lambda byte: shown(byte[0]), url)


def cut_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, each as far as `LINE_BYTES`.

    :raises OSError: it cannot be read, or has a line without an end.
    """
    while line := file.readline(LINE_BYTES):
        rest, length_bytes = line, len(line)
        while len(rest) == LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES)
            length_bytes += len(rest)
            if length_bytes > ENDLESS_BYTES:
                raise OSError(errno.EFBIG, f"a line of over {ENDLESS_BYTES} bytes")
        yield line


def read_lines(path: str) -> Iterator[Line]:
    """The URLs of a file, `-` for standard input; blank lines and `#` comments are none.

    :raises Stop: it cannot be read.
    """
    name = shown(path)
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            for number, line in enumerate(cut_lines(file), 1):
                url = line.removeprefix(b"\xef\xbb\xbf").strip().decode("utf-8", "surrogateescape")
                if url and not url.startswith("#"):
                    yield Line(escape_bytes(url), f"{name}:{number}")
    except OSError as error:
        raise Stop(f"{name}: {cause(error)}", Exit.USAGE) from None


def read_urls(arguments: argparse.Namespace) -> list[Line]:
    """The URLs of the command line, then those of the files."""
    lines: list[Line] = []
    for url in arguments.urls:
        lines += read_lines("-") if url == "-" else [Line(escape_bytes(url))]
    for path in arguments.files:
        lines += read_lines(path)
    return lines


def pack_tasks(lines: list[Line], *, follow: bool) -> Iterator[tuple[list[Line], bytes]]:
    """The URLs in tasks that the server takes, each with its body."""
    for start in range(0, len(lines), TASK_URLS):
        waiting = [lines[start : start + TASK_URLS]]
        while waiting:
            batch = waiting.pop()
            body = json.dumps({"urls": [line.url for line in batch], "follow_redirects": follow}).encode()
            if len(body) <= TASK_BYTES or len(batch) == 1:
                yield batch, body
            else:
                waiting += batch[len(batch) // 2 :], batch[: len(batch) // 2]


class Meter:
    """A progress bar on a terminal's stderr, nothing elsewhere. rich costs 100 ms: it is imported late."""

    def __init__(self, total: int) -> None:
        self.on = sys.stderr.isatty()
        self._total = total
        self._bar: Any = None

    def show(self, done: int) -> None:
        """Bring the bar up to date."""
        if self.on and self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

            columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.add_task("", total=self._total)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done)
            self._bar.start()

    def hide(self) -> None:
        """Make room for other lines on the terminal."""
        if self._bar is not None:
            self._bar.stop()


# --- The server ---------------------------------------------------------------------------------------------


def import_httpx() -> Any:
    """httpx without its own command line, which would import click and rich: 86 ms instead of 148."""
    modules = cast(Any, sys.modules)
    modules["httpx._main"] = None  # httpx takes the ImportError as "installed without its extra"
    import httpx

    del modules["httpx._main"]
    return httpx


def is_bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY names a server: `*`, a domain, an address or a network, with or without a port, as for curl."""
    from ipaddress import ip_address, ip_network

    host, address = host.lower().rstrip("."), None
    with suppress(ValueError):
        address = ip_address(host)
    for entry in no_proxy.lower().replace(",", " ").split():
        name, _, last = entry.rpartition("://")[2].rpartition(":")
        if not name or not last.isdecimal() or (":" in name and not name.endswith("]")):
            name = entry.rpartition("://")[2]  # it has no port
        elif last.lstrip("0") != str(port):
            continue
        name = name.replace("[", "").replace("]", "")
        domain = name.lstrip("*").strip(".")
        if entry == "*" or (address is None and domain and f".{host}".endswith(f".{domain}")):
            return True
        with suppress(ValueError):
            if address is not None and address in ip_network(name, strict=False):
                return True
    return False


def find_proxy(httpx: Any, url: Any) -> Any:
    """The proxy that the environment names for a server, None without one.

    httpx would read the environment too, but stops at a NO_PROXY such as `::1,fe80::/10`, even without a proxy.

    :raises Stop: the variable for it holds no proxy.
    """
    from importlib.util import find_spec
    from urllib.request import getproxies

    proxies = getproxies()
    scheme = next((name for name in (url.scheme, "all") if proxies.get(name, "").strip()), None)
    # A proxy for the outside world is none for one's own machine.
    local = url.host in ("localhost", "::1") or url.host.startswith("127.")
    port = url.port or (443 if url.scheme == "https" else 80)
    if scheme is None or local or is_bypassed(url.host, port, proxies.get("no", "")):
        return None
    text, words = proxies[scheme].strip(), "is no proxy: it must be http://HOST[:PORT], https:// or socks5://"
    with suppress(ValueError, httpx.InvalidURL):
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
        host = proxy.url.host.encode("idna")
        if re.fullmatch(rb"[\w.:-]+", host) and (proxy.url.port or 0) < 65536:
            if not proxy.url.scheme.startswith("socks") or find_spec("socksio"):
                return proxy
            words = "names a SOCKS proxy: the package socksio must be installed"
    variable = f"{scheme}_proxy" if os.environ.get(f"{scheme}_proxy") else f"{scheme.upper()}_PROXY"
    raise Stop(f"{variable} {words}", Exit.USAGE)


class Gateway:
    """The server. The one place that speaks HTTP: whatever httpx raises becomes Stop or Away here."""

    def __init__(self, server: str, token: str, timeout_s: float) -> None:
        """`timeout_s` is how long the server may be silent or away. :raises Stop: server or token cannot be."""
        httpx = self._httpx = import_httpx()
        import ssl

        try:
            url = httpx.URL(server if "://" in server else f"http://{server}")
            url.host.encode("idna")  # what getaddrinfo would stumble over
            if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65535:
                raise Stop(f"the server must be http://HOST[:PORT], not {hide_user(server)}", Exit.USAGE)
            # No certificates are read for plain HTTP (20 ms): an empty store trusts nobody.
            empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            verify = httpx.create_ssl_context() if url.scheme == "https" else empty
            timeout = httpx.Timeout(None, connect=min(timeout_s, 10))
            self.client = httpx.AsyncClient(
                verify=verify, proxy=find_proxy(httpx, url), trust_env=False, timeout=timeout
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            why = "it cannot be read" if "@" in server else cause(error)  # a cause may quote a part of a password
            raise Stop(f"cannot use the server {hide_user(server)}: {why}", Exit.USAGE) from None
        self._token = token.strip(string.whitespace)  # such as the line end of a file it was read from
        if token and not self._token:
            raise Stop("the token is blank", Exit.USAGE)
        if NO_TOKEN.search(self._token):
            raise Stop("the token has control characters, or is not UTF-8", Exit.USAGE)
        self._base = str(url).rstrip("/")
        self._name = f"{url.scheme}://{url.netloc.decode()}"
        self._timeout_s = timeout_s
        self._patience_s = 0.0  # nobody is waited for at an address where nobody was met
        self._told = False
        self._polled_at = 0.0
        self._headers: dict[str, Any] = {"User-Agent": f"crawl.py/{VERSION}", "Accept-Encoding": "identity"}
        self._headers["Content-Type"] = "application/json"
        if self._token:
            self._headers["Authorization"] = f"Bearer {self._token}".encode()

    def nonsense(self) -> Stop:
        """What an answer that no gateway gives ends in."""
        return Stop(f"{self._name} sent what makes no sense: is it a gateway?", Exit.BROKEN)

    async def call(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """The JSON object that answers a call; a server that is away is waited for.

        :raises Stop: the server refused (its own words), was away for too long or made no sense.
        """
        deadline = 0.0
        while True:
            try:
                answer = await self.call_once(method, path, **request)
            except Away as away:
                now = time.monotonic()
                deadline = deadline or now + self._patience_s
                if now >= deadline:
                    raise
                if not self._told:
                    say(f"crawl.py: {away}; trying again for {self._patience_s:g} s")
                self._told = True
                await asyncio.sleep(min(max(away.after_s, 1), deadline - now))
            else:
                self._told = False
                return answer

    async def call_once(
        self, method: str, path: str, *, wait_s: int = 0, key: str = "", body: bytes | None = None
    ) -> dict[str, Any]:
        """The same, tried once. `wait_s` is for a poll: the server may hold its answer. `key` lets a POST be repeated.

        :raises Away: no answer for now.
        """
        httpx = self._httpx
        if wait_s:
            await asyncio.sleep(self._polled_at + POLL_S - time.monotonic())
            self._polled_at = time.monotonic()
        headers = self._headers | ({"Prefer": f"wait={wait_s}"} if wait_s else {})
        headers |= {"Idempotency-Key": key} if key else {}
        content = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s + wait_s):
                url = self._base + path
                async with self.client.stream(method, url, headers=headers, content=body) as answer:
                    async for chunk in answer.aiter_raw():
                        content += chunk
                        if len(content) > ANSWER_BYTES:
                            raise Stop(f"{self._name} sent too much", Exit.BROKEN)
        except TimeoutError:
            raise Away(f"{self._name} gave no answer in {self._timeout_s + wait_s:g} s") from None
        except httpx.TransportError as error:
            refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            words = f"{self._name} {'cannot be reached' if refused else 'broke off'}: {cause(error)}"
            if not refused:
                self._patience_s = max(self._patience_s, min(self._timeout_s, STRANGER_S))
            raise Away(words) from None
        self._patience_s = self._timeout_s
        return self._parse(answer, bytes(content))

    def _hide_token(self, words: str) -> str:
        """The words of a server, which may repeat what it was sent."""
        return shown(words.replace(self._token, "…") if self._token else words)

    def _parse(self, answer: Any, content: bytes) -> dict[str, Any]:
        """The object in an answer, or what its status and the server's `detail` (RFC 9457) say."""
        try:
            value = json.loads(content)
        except (ValueError, RecursionError):
            value = None
        if answer.is_success and isinstance(value, dict):
            return value
        if answer.is_success:
            raise self.nonsense()
        words = f"{self._name} answered {answer.status_code} {self._hide_token(answer.reason_phrase)}".rstrip()
        if isinstance(value, dict) and isinstance(value.get("detail"), str):
            words = self._hide_token(value["detail"])[:500]
        if answer.status_code in (429, 502, 503, 504):
            after = answer.headers.get("Retry-After", "")
            raise Away(words, int(after) if after.isdecimal() and len(after) < 6 else 1)
        raise Stop(words, Exit.REFUSED if 400 <= answer.status_code < 500 else Exit.BROKEN)


# --- The run ------------------------------------------------------------------------------------------------


@dataclass
class Task:
    """One task that is under way: its URLs, how many of them were done when it was polled, how many lines are out."""

    lines: list[Line]
    path: str
    done: int = 0
    printed: int = 0


class Crawl:
    """All the URLs of one run: a few tasks are under way, and the oldest is polled and printed."""

    def __init__(self, gateway: Gateway, meter: Meter, *, as_json: bool) -> None:
        self.bad = False
        """Did a URL give no answer, or a code of 400 and over?"""
        self._gateway = gateway
        self._meter = meter
        self._as_json = as_json
        self._running: deque[Task] = deque()
        self._finished = 0

    async def run(self, batches: Iterator[tuple[list[Line], bytes]]) -> None:
        """Send the tasks and print their lines. Whatever ends it, no task is left running.

        :raises Stop: the server said no or is gone.
        :raises OSError: stdout takes no more.
        """
        try:
            for lines, body in batches:
                if len(self._running) == TASKS_AT_ONCE:
                    await self._finish_oldest()
                state = await self._gateway.call("POST", TASKS_PATH, body=body, key=os.urandom(16).hex())
                self._running.append(Task(lines, TASKS_PATH + quote(str(state.get("id")), safe="")))
            while self._running:
                await self._finish_oldest()
        finally:
            self._meter.hide()
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_S):
                    calls = [self._gateway.call_once("DELETE", task.path) for task in self._running]
                    await asyncio.gather(*calls, return_exceptions=True)

    async def _finish_oldest(self) -> None:
        task = self._running[0]
        while (state := await self._poll(task)).get("status") == "running":
            await self._print_known(task)
            self._meter.show(self._finished + sum(each.done for each in self._running))
            behind = [each for each in self._running if each.done < len(each.lines)][1:]
            if self._meter.on and behind:  # for their share of the bar
                await self._poll(min(behind, key=lambda each: each.done))
        self._running.popleft()
        self._finished += len(task.lines)
        codes = state.get("result")
        if self._as_json or not isinstance(codes, list):
            await self._print_known(task)
        else:
            await self._print_result(task, codes)
        if task.printed < len(task.lines):
            cancelled = state.get("status") == "cancelled"
            raise Stop("the task was cancelled", Exit.REFUSED) if cancelled else self._gateway.nonsense()

    async def _poll(self, task: Task) -> dict[str, Any]:
        state = await self._gateway.call("GET", task.path, wait_s=1 if self._meter.on else 5)
        done = state.get("done")
        task.done = done if isinstance(done, int) else 0
        return state

    async def _print_known(self, task: Task) -> None:
        """Print what is known so far, up to the first URL that is not."""
        while task.printed < len(task.lines):
            probes = await self._read_probes(task, task.printed)
            known = list(takewhile(lambda probe: probe.get("code") is not None, probes))
            self._print(task, known)
            if not known or len(known) < len(probes):
                return

    async def _print_result(self, task: Task, codes: list[Any]) -> None:
        """Print a task that is ready. Only for URLs without an answer is the server asked why."""
        probes = [{"code": code} for code in codes]
        place = task.printed
        while 0 in codes[place:]:
            place = codes.index(0, place)
            why = await self._read_probes(task, place)
            probes[place : place + len(why)] = why
            place += len(why) or len(codes)
        self._print(task, probes[task.printed :])

    async def _read_probes(self, task: Task, offset: int) -> list[dict[str, Any]]:
        page = await self._gateway.call("GET", f"{task.path}/probes?offset={offset}&limit={PROBES_AT_ONCE}")
        probes = page.get("probes")
        if not isinstance(probes, list) or not all(isinstance(probe, dict) for probe in probes):
            raise self._gateway.nonsense()
        return probes

    def _print(self, task: Task, probes: list[dict[str, Any]]) -> None:
        lines = task.lines[task.printed : task.printed + len(probes)]
        codes = [probe.get("code") for probe in probes]
        if len(lines) < len(codes) or not all(type(code) is int and 0 <= code <= 999 for code in codes):
            raise self._gateway.nonsense()
        task.printed += len(codes)
        self.bad = self.bad or any(code == 0 or code >= 400 for code in cast(list[int], codes))
        if self._as_json:
            output = [json.dumps(probe) for probe in probes]
        else:
            output = [f"{code:03d}\t{shown(line.url)}" for code, line in zip(codes, lines, strict=True)]
        self._meter.hide()
        sys.stdout.write("".join(f"{each}\n" for each in output))
        sys.stdout.flush()
        for line, probe in zip(lines, probes, strict=True):
            if probe["code"] == 0:
                self._say_why(line, probe)

    def _say_why(self, line: Line, probe: dict[str, Any]) -> None:
        """Why a URL has no code, on stderr; and where it was read, if it is none that could be asked for."""
        place = f"{line.place}: " if line.place and probe.get("error") in NO_URL else ""
        if place or not self._as_json:  # the JSON has all but the place
            url = shown(line.url[:SHOWN_CHARS]) + "…" * (len(line.url) > SHOWN_CHARS)
            why = probe.get("detail") or probe.get("error") or "no answer"
            say(f"{place}{url}: {shown(str(why))[:SHOWN_CHARS]}")


# --- The command line ---------------------------------------------------------------------------------------


def read_arguments() -> argparse.Namespace:
    """The command line over the environment over the defaults. Ends the process with 2 where it is wrong."""
    parser = argparse.ArgumentParser("crawl.py", description="HTTP codes of URLs, asked for by a gateway.")
    parser.add_argument("urls", nargs="*", metavar="URL", help="what to ask for; - reads standard input")
    parser.add_argument("-f", "--file", dest="files", action="append", default=[], help="URLs, one a line")
    parser.add_argument("-L", "--location", action="store_true", help="follow redirects")
    parser.add_argument("--fail", action="store_true", help="exit 1 on codes of 400 and over, and on 000")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: code, error, time …")
    server = os.environ.get("GATEWAY_URL") or "http://127.0.0.1:8888"
    words = "the gateway (GATEWAY_URL; http://127.0.0.1:8888)"
    parser.add_argument("--server", default=server, metavar="URL", help=words)
    token = os.environ.get("API_TOKEN", "")
    parser.add_argument("--token", default=token, help="what the gateway's API_TOKEN is (API_TOKEN)")
    words = "seconds that a silent or restarting gateway is waited for (%(default)g)"
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help=words)
    parser.add_argument("--version", action="version", version=f"crawl.py {VERSION}")
    arguments = parser.parse_args()
    if not arguments.urls and not arguments.files:
        parser.error("no URL: give some, or -f FILE, or - for standard input")
    if not 0 < arguments.timeout < 1e6:
        parser.error("--timeout must be a positive number of seconds")
    return arguments


async def crawl(arguments: argparse.Namespace, lines: list[Line]) -> Exit:
    """Have the URLs probed and print what became of them. :raises Stop: see there."""
    gateway = Gateway(arguments.server, arguments.token, arguments.timeout)
    run = Crawl(gateway, Meter(len(lines)), as_json=arguments.json)
    async with gateway.client:
        await run.run(pack_tasks(lines, follow=arguments.location))
    return Exit.REFUSED if arguments.fail and run.bad else Exit.DONE


def main() -> int:
    """The exit code. A closed pipe is quiet, Ctrl-C is 130."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # started with `>&-` or `2>&-`
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            arguments = read_arguments()
            return asyncio.run(crawl(arguments, read_urls(arguments)))
        finally:
            sys.stdout.flush()
    except Stop as error:
        say(f"crawl.py: {error}")
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would try again to flush
        if isinstance(error, BrokenPipeError):
            return Exit.DONE
        say(f"crawl.py: standard output: {cause(error)}")
        return Exit.REFUSED


if __name__ == "__main__":
    sys.exit(main())
