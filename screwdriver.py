#!/usr/bin/env python3
"""Command line of the audio library: upload, list, download and delete files of a gateway.

Data goes to stdout; words, progress and errors go to stderr. A file is sent as the raw body of a PUT, in
chunks and with its exact length, so memory stays flat whatever its size; a large one by tus 1.0, so that a
broken connection or a restarted gateway costs only what was under way. Whether a file is audio is decided by
the server; this program knows nothing of formats. Nothing of the gateway is imported, and it is one file so
that it can be copied to where it is needed.
"""

import argparse
import json
import os
import re
import stat
import string
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from io import FileIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

if TYPE_CHECKING:
    import httpx

VERSION = "0.1.0"
CHUNK_BYTES = 256 * 1024
RESUMABLE_BYTES = 16 * 1024 * 1024
"""From here on a file is sent by tus: what is smaller is sooner sent again."""
ANSWER_BYTES = 64 * 1024 * 1024
"""The longest list that is read: a hostile server must not fill the memory."""

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


class Refused(Exception):
    """The server, or this program, said no. The text is one line for a person; `again` says whether it may pass."""

    def __init__(self, words: str, code: Exit = Exit.REFUSED, *, again: bool = False) -> None:
        super().__init__(words)
        self.code = code
        self.again = again


class Broken(Refused):
    """The server broke off, or what it sent makes no sense."""

    def __init__(self, words: str) -> None:
        super().__init__(words, Exit.BROKEN, again=True)


class Unreachable(Broken):
    """There was no connection: the next file would fare no better."""


# --- Text ---------------------------------------------------------------------------------------------------


def shown(text: str) -> str:
    """Other people's text, fit for a terminal and for one line: control characters become `\\x1b`."""
    return UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def hide_user(server: str) -> str:
    """A server fit for a message: without its user and password, wherever they end."""
    return shown(re.sub(".*@", "…@", server, flags=re.DOTALL))


def say(text: str) -> None:
    """One line on stderr. Never fails: there is nowhere left to report it."""
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)


def cause(error: BaseException | None) -> str:
    """The reason deepest inside an exception: `Connection refused` rather than `[Errno 111] …`."""
    words = str(error) or type(error).__name__
    while error:
        words = (isinstance(error, OSError) and error.strerror) or words
        error = error.__cause__ or error.__context__
    return shown(words.rstrip("."))[:300]


@contextmanager
def meter(label: str, total_bytes: int | None) -> Iterator[Callable[[int], None]]:
    """A bar of the bytes that are done, on a terminal's stderr only. rich costs 100 ms: it is imported here."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn()
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(shown(label), total=total_bytes)
        yield lambda done_bytes: progress.update(task, completed=done_bytes)


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

    :raises Refused: the variable for it holds no proxy.
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
    raise Refused(f"{variable} {words}", Exit.USAGE)


class Gateway:
    """The server. The one place that speaks HTTP: whatever httpx raises becomes a Refused here."""

    def __init__(self, server: str, token: str, timeout_s: float) -> None:
        """`timeout_s` is how long the server may be silent. :raises Refused: server or token cannot be."""
        httpx = self._httpx = import_httpx()
        import ssl

        try:
            url = httpx.URL(server if "://" in server else f"http://{server}")
            url.host.encode("idna")  # what getaddrinfo would stumble over
            if url.scheme not in ("http", "https") or not url.host or (url.port or 0) > 65535:
                raise Refused(f"the server must be http://HOST[:PORT], not {hide_user(server)}", Exit.USAGE)
            # No certificates are read for plain HTTP (20 ms): an empty store trusts nobody.
            empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            verify = httpx.create_ssl_context() if url.scheme == "https" else empty
            timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, 10))
            self.client = httpx.Client(verify=verify, proxy=find_proxy(httpx, url), trust_env=False, timeout=timeout)
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            why = "it cannot be read" if "@" in server else cause(error)  # a cause may quote a part of a password
            raise Refused(f"cannot use the server {hide_user(server)}: {why}", Exit.USAGE) from None
        self._token = token.strip(string.whitespace)  # such as the line end of a file it was read from
        if token and not self._token:
            raise Refused("the token is blank", Exit.USAGE)
        if NO_TOKEN.search(self._token):
            raise Refused("the token has control characters, or is not UTF-8", Exit.USAGE)
        self._base = str(url).rstrip("/")
        self._name = f"{url.scheme}://{url.netloc.decode()}"
        self._plain = url.scheme == "http"
        self.timeout_s = timeout_s
        self._stream: Any = None
        self._headers: dict[str, Any] = {"User-Agent": f"screwdriver.py/{VERSION}"}
        self._headers["Accept-Encoding"] = "identity"
        if self._token:
            self._headers["Authorization"] = f"Bearer {self._token}".encode()

    @contextmanager
    def ask(self, method: str, path: str, **request: Any) -> "Iterator[httpx.Response]":
        """An answer of status 2xx, its body still to be read inside the `with`; `headers` and `content` as in httpx.

        :raises Refused: the server said no; its own words.
        :raises Broken: it broke off, failed or made no sense.
        :raises Unreachable: there was no connection.
        """
        httpx = self._httpx
        request["headers"] = self._headers | request.get("headers", {})
        request["extensions"] = {"trace": self._watch}
        try:
            with self.client.stream(method, self._base + path, **request) as answer:
                if not answer.is_success:
                    raise self._refusal(answer)
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unreachable(f"cannot reach {self._name}: {cause(error)}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Broken(f"{self._name} broke off: {cause(error)}") from None

    def ask_json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """The JSON object of an answer. Raises as `ask`."""
        value = None
        with self.ask(method, path, **request) as answer, suppress(ValueError, RecursionError):
            value = json.loads(self._read(answer))
        if not isinstance(value, dict):
            raise Broken(f"{self._name} sent no JSON object: is it a gateway?")
        return value

    def answered(self) -> bool:
        """Has the server answered already, while the body is still on its way?"""
        # TLS 1.3 sends session tickets unasked: readable does not mean answered there.
        return self._plain and bool(self._stream and self._stream.get_extra_info("is_readable"))

    def _watch(self, event: str, info: dict[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._stream = info["return_value"]

    def _read(self, answer: "httpx.Response") -> bytes:
        body = bytearray()
        deadline = time.monotonic() + self.timeout_s
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise Broken(f"{self._name} sent more than {ANSWER_BYTES} bytes")
            if time.monotonic() > deadline:
                raise Broken(f"{self._name} took more than {self.timeout_s:g} s for its answer")
        return bytes(body)

    def _hide_token(self, words: str) -> str:
        """The words of a server, which may repeat what it was sent."""
        return shown(words.replace(self._token, "…") if self._token else words)

    def _refusal(self, answer: "httpx.Response") -> Refused:
        """The server's `detail` (RFC 9457), or its status line where there is none."""
        words = f"{self._name} answered {answer.status_code} {self._hide_token(answer.reason_phrase)}".rstrip()
        problem = None
        with suppress(ValueError, RecursionError, Broken, self._httpx.HTTPError):
            problem = json.loads(self._read(answer))
        if isinstance(problem, dict) and isinstance(problem.get("detail"), str):
            words = self._hide_token(problem["detail"])[:500]
        if 400 <= answer.status_code < 500 or answer.status_code == 507:
            elsewhere = isinstance(problem, dict) and problem.get("type") == "urn:gateway:problem:offset-mismatch"
            return Refused(words, again=elsewhere or answer.status_code in (408, 423, 429))
        return Broken(words)


# --- The commands -------------------------------------------------------------------------------------------


def read_chunks(
    file: FileIO, found: os.stat_result, offset_bytes: int, answered: Callable[[], bool], show: Callable[[int], None]
) -> Iterator[bytes]:
    """The bytes of a file from an offset on. One that changed ends before its last chunk: nothing is stored.

    An answer that is there already ends them too. httpcore takes a failed write for "the server may have
    answered" and reads on, which is what we want; but where it fails by itself it is late, by a reset that
    some systems let throw the answer away.

    :raises Refused: the file changed.
    """
    from httpcore import WriteError

    file.seek(offset_bytes)
    while offset_bytes < found.st_size:
        show(offset_bytes)
        if answered():
            raise WriteError("answered early")
        chunk = file.read(min(CHUNK_BYTES, found.st_size - offset_bytes))
        offset_bytes += len(chunk)
        now = os.fstat(file.fileno())
        if not chunk or (now.st_size, now.st_mtime_ns) != (found.st_size, found.st_mtime_ns):
            raise Refused("the file changed while it was being read")
        yield chunk
    show(offset_bytes)


class Resumable:
    """One file on its way by tus 1.0 (https://tus.io/protocols/resumable-upload), in as many requests as it takes."""

    def __init__(self, gateway: Gateway, name: str, file: FileIO, found: os.stat_result) -> None:
        """Ask for a place. :raises Refused: the server does not want the file: that is known before it is sent."""
        self._gateway, self._file, self._found, self._key = gateway, file, found, ""
        metadata = f"filename {b64encode(name.encode()).decode()}"
        headers = {"Upload-Length": str(found.st_size), "Upload-Metadata": metadata, "Content-Length": "0"}
        # Only the last part counts: a server cannot send the file elsewhere, and a proxy may have a path of its own.
        self._key = quote(self._ask("POST", headers).get("Location", "").rpartition("/")[2], safe="")
        if not self._key:
            raise Broken("the upload got no place: is it a gateway?")

    def send(self, show: Callable[[int], None]) -> None:
        """Send it all. What breaks is gone on with from where the server has it, until nothing moved for the timeout.

        :raises Refused: the server said no, the file changed or nothing moved; what had arrived is removed.
        """
        reached_bytes, failed_s, pause_s = 0, 0.0, 0.25
        offset_bytes: int | None = 0
        try:
            while reached_bytes < self._found.st_size:
                try:
                    before_bytes = self._ask_offset("HEAD", {}) if offset_bytes is None else offset_bytes
                    offset_bytes = self._send_rest(before_bytes, show)
                    if offset_bytes <= reached_bytes:
                        raise Broken("the server takes nothing of the file")
                    reached_bytes, failed_s, pause_s = offset_bytes, 0.0, 0.25
                except Refused as error:
                    failed_s = failed_s or time.monotonic()
                    if not error.again or time.monotonic() - failed_s > self._gateway.timeout_s:
                        raise
                    time.sleep(pause_s)
                    offset_bytes, pause_s = None, min(2 * pause_s, 10)
        except BaseException:
            with suppress(Refused):
                self._ask("DELETE", {}, timeout=1)
            raise

    def _send_rest(self, offset_bytes: int, show: Callable[[int], None]) -> int:
        left_bytes = self._found.st_size - offset_bytes
        if not left_bytes:  # an answer was lost
            return offset_bytes
        headers = {"Upload-Offset": str(offset_bytes), "Content-Length": str(left_bytes)}
        headers["Content-Type"] = "application/offset+octet-stream"
        chunks = read_chunks(self._file, self._found, offset_bytes, self._gateway.answered, show)
        return self._ask_offset("PATCH", headers, content=chunks)

    def _ask_offset(self, method: str, headers: dict[str, str], **request: Any) -> int:
        offset = self._ask(method, headers, **request).get("Upload-Offset", "")
        if not (offset.isascii() and offset.isdigit() and len(offset) < 20 and int(offset) <= self._found.st_size):
            raise Broken("the upload is nowhere: is it a gateway?")
        return int(offset)

    def _ask(self, method: str, headers: dict[str, str], **request: Any) -> "httpx.Headers":
        headers = {"Tus-Resumable": "1.0.0"} | headers
        with self._gateway.ask(method, f"/api/v1/uploads/{self._key}", headers=headers, **request) as answer:
            return answer.headers


def upload_file(gateway: Gateway, name: str, arguments: argparse.Namespace) -> None:
    """Send one file under its own name. :raises Refused: also for what is no regular file."""
    path = Path(name)
    mode = os.stat(name).st_mode  # noqa: PTH116 - a Path leaves a slash at the end out
    if not stat.S_ISREG(mode):  # asked before the file is opened: a FIFO would block
        raise Refused("a folder, not a file" if stat.S_ISDIR(mode) else "not a regular file")
    if re.search("[\ud800-\udfff]", path.name):
        raise Refused("its name is not UTF-8")
    target = f"/api/v1/audio/{quote(path.name, safe='')}"
    with path.open("rb", buffering=0) as file:
        found = os.fstat(file.fileno())
        with meter(path.name, found.st_size) as show:
            if found.st_size > RESUMABLE_BYTES:
                Resumable(gateway, path.name, file, found).send(show)
                stored = gateway.ask_json("GET", target) if arguments.json else {}
            else:
                headers = {"Content-Length": str(found.st_size), "Content-Type": "application/octet-stream"}
                chunks = read_chunks(file, found, 0, gateway.answered, show)
                stored = gateway.ask_json("PUT", target, headers=headers, content=chunks)
    if arguments.json:
        print(json.dumps(stored), flush=True)


def download_file(gateway: Gateway, name: str, arguments: argparse.Namespace) -> None:
    """Fetch one file, whole or not at all: into this folder, a given one, under a given name, or to stdout.

    :raises Refused: the name is no plain file name (a hostile list must not lead elsewhere), or is taken.
    """
    if not name or Path(name).name != name or name.startswith(".") or UNSAFE.search(name):
        raise Refused("not a plain file name")
    output = Path(arguments.output)
    path = output / name if output.is_dir() else output
    if arguments.output == "-":
        receive(gateway, name, sys.stdout.buffer)
        return
    if not arguments.force and os.path.lexists(path):
        raise Refused("a file of this name is here already (--force replaces it)")
    part = path.parent / f".{os.urandom(8).hex()}.part"
    try:
        with part.open("xb") as file:
            receive(gateway, name, file)
        if arguments.force:
            part.replace(path)
        else:
            path.hardlink_to(part)  # fails if the name came up meanwhile; a rename would not
    finally:
        part.unlink(missing_ok=True)


def receive(gateway: Gateway, name: str, file: IO[bytes]) -> None:
    """Write the bytes of one file of the library as they come."""
    with gateway.ask("GET", f"/audio/{quote(name, safe='')}") as answer:
        length = answer.headers.get("Content-Length", "")
        done_bytes = 0
        with meter(name, int(length) if length.isdigit() else None) as show:
            for chunk in answer.iter_bytes():
                file.write(chunk)
                done_bytes += len(chunk)
                show(done_bytes)


def delete_file(gateway: Gateway, name: str, _: argparse.Namespace) -> None:
    """Remove one file from the library."""
    with gateway.ask("DELETE", f"/api/v1/audio/{quote(os.fsencode(name), safe='')}"):
        pass


def each(gateway: Gateway, arguments: argparse.Namespace) -> Exit:
    """Do the command's action to every name. One that fails does not stop the others."""
    worst = Exit.DONE
    for name in arguments.names:
        try:
            arguments.action(gateway, name, arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            say(f"{shown(name)}: {cause(error)}")
            worst = max(worst, Exit.REFUSED)
        except Refused as error:
            say(f"{shown(name)}: {error}")
            worst = max(worst, error.code)
            if isinstance(error, Unreachable):
                break
    return worst


def print_list(gateway: Gateway, arguments: argparse.Namespace) -> Exit:
    """One name a line; with `-l` size, length and type before it; with `--json` one object a line."""
    files = gateway.ask_json("GET", "/api/v1/audio/").get("files")
    if not isinstance(files, list) or not all(
        isinstance(file, dict) and isinstance(file.get("name"), str) for file in files
    ):
        raise Broken("the list makes no sense: is it a gateway?")
    if arguments.json:
        lines = [json.dumps(file) for file in files]
    elif arguments.long:
        rows = [(*describe_file(file), shown(file["name"])) for file in files]
        wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{a:>{wide[0]}}  {b:>{wide[1]}}  {c:<{wide[2]}}  {name}" for a, b, c, name in rows]
    else:
        lines = [shown(file["name"]) for file in files]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return Exit.DONE


def describe_file(file: dict[str, Any]) -> tuple[str, str, str]:
    """Bytes, length (`3:42`, `1:02:03`) and type of a file in the list; `-` for what is not known."""
    size_bytes, duration_s, kind = file.get("size_bytes"), file.get("duration_s"), file.get("content_type")
    length = "-"
    if isinstance(duration_s, int | float) and 0 <= duration_s < 1e9:
        minutes, seconds = divmod(round(duration_s), 60)
        length = f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes > 59 else f"{minutes}:{seconds:02d}"
    size = str(size_bytes) if isinstance(size_bytes, int) and 0 <= size_bytes < 2**63 else "-"
    return size, length, shown(kind)[:60] if kind and isinstance(kind, str) else "-"


# --- The command line ---------------------------------------------------------------------------------------


def read_arguments() -> argparse.Namespace:
    """The command line over the environment over the defaults. Ends the process with 2 where it is wrong."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("--server", metavar="URL", help="the gateway (GATEWAY_URL; http://127.0.0.1:8888)")
    shared.add_argument("--token", help="what the gateway's API_TOKEN is (API_TOKEN)")
    shared.add_argument("--timeout", type=float, metavar="S", help="seconds of silence that are borne (60)")
    shared.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser = argparse.ArgumentParser("screwdriver.py", description="Audio files of a gateway.", parents=[shared])
    parser.add_argument("--version", action="version", version=f"screwdriver.py {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", parents=[shared], help="print the names, one a line")
    listing.add_argument("-l", "--long", action="store_true", help="bytes, length and type too")
    listing.set_defaults(command=print_list)
    for verb, action, words in (
        ("upload", upload_file, "add files to the library"),
        ("download", download_file, "fetch files into this folder"),
        ("delete", delete_file, "remove files from the library"),
    ):
        command = commands.add_parser(verb, parents=[shared], help=words)
        command.add_argument("names", nargs="+", metavar="FILE" if verb == "upload" else "NAME")
        command.set_defaults(command=each, action=action)
        if verb == "download":
            command.add_argument("--force", action="store_true", help="replace a file that is here already")
            command.add_argument("-o", "--output", default=".", metavar="PATH", help="folder, file or - for stdout (.)")
    # Not set_defaults: it would give every command its own default, over what stands before the command.
    server, token = os.environ.get("GATEWAY_URL") or "http://127.0.0.1:8888", os.environ.get("API_TOKEN", "")
    defaults = argparse.Namespace(server=server, token=token, timeout=60.0, json=False)
    arguments = parser.parse_args(namespace=defaults)
    if not 0 < arguments.timeout < 1e6:
        parser.error("--timeout must be a positive number of seconds")
    output = getattr(arguments, "output", ".")
    if len(getattr(arguments, "names", ())) > 1 and not Path(output).is_dir():
        parser.error("--output must be a folder for more than one file")
    return arguments


def main() -> int:
    """The exit code. A closed pipe is quiet, Ctrl-C is 130."""
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:  # started with `>&-` or `2>&-`
            setattr(sys, stream, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            arguments = read_arguments()
            gateway = Gateway(arguments.server, arguments.token, arguments.timeout)
            with gateway.client:
                return cast(Exit, arguments.command(gateway, arguments))
        finally:
            sys.stdout.flush()
    except Refused as error:
        say(f"screwdriver.py: {error}")
        return error.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter would try again to flush
        if isinstance(error, BrokenPipeError):
            return Exit.DONE
        say(f"screwdriver.py: standard output: {cause(error)}")
        return Exit.REFUSED


if __name__ == "__main__":
    sys.exit(main())
