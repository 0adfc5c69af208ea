"""The gateway behind the proxies of deploy/, really run: nginx and Caddy with TLS before two gateways on one folder."""

import getpass
import json
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.audio.formats.corpus import make_wave
from tests.certificates import Authority
from tests.processes import ROOT, Gateway, free_port, running
from tests.programs import need
from tests.proxying import proxying

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]

NAME = "audio.example.com"
HSTS = "max-age=31536000"
CLIENT = "127.0.0.9"
SOON_S = 10
PROXIES = (
    "connect() failed (111: Connection refused) while connecting to upstream",
    "no live upstreams",
    "no upstreams available",
)
"""What nginx logs without any gateway, twice, and Caddy."""


def start_nginx(folder: Path, port: int, upstreams: list[int], authority: Authority) -> list[str]:
    """The command of an nginx with deploy/nginx.conf, but for ports and paths."""
    key, certificate = authority.make(NAME)
    conf = (ROOT / "deploy/nginx.conf").read_text()
    for number, upstream in zip(("8881", "8882"), upstreams, strict=True):
        conf = conf.replace(f"127.0.0.1:{number}", f"127.0.0.1:{upstream}")
    conf = re.sub(r"/etc/letsencrypt\S+fullchain.pem", str(certificate), conf)
    conf = re.sub(r"/etc/letsencrypt\S+privkey.pem", str(key), conf)
    conf = re.sub(r" *listen \[::\]:.*\n", "", conf)  # a machine without IPv6
    conf = conf.replace("listen 443", f"listen 127.0.0.1:{port}").replace(
        "listen 80", f"listen 127.0.0.1:{free_port()}"
    )
    conf = conf.replace("alias /var/lib/gateway/audio/;", f"alias {folder.parent}/data/audio/;")
    (folder / "gateway.conf").write_text(conf)
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = f"daemon off; user {getpass.getuser()}; pid {folder}/pid; error_log stderr; worker_processes 2; events {{}} "
    (folder / "main.conf").write_text(f"{main} http {{ access_log off; {paths} include {folder}/gateway.conf; }}\n")
    nginx = need("nginx", "/usr/sbin/nginx")
    subprocess.run([nginx, "-t", "-q", "-c", folder / "main.conf"], check=True, timeout=9)
    return [nginx, "-c", str(folder / "main.conf")]


def start_caddy(folder: Path, port: int, upstreams: list[int], authority: Authority) -> list[str]:
    """The command of a Caddy with deploy/Caddyfile, but for its certificate, and with ports that are free."""
    key, certificate = authority.make(NAME)
    conf = (ROOT / "deploy/Caddyfile").read_text()
    site = f"https://{NAME}:{port}"
    conf = conf.replace("{$SITE:localhost} {", f"{site} {{\n\ttls {certificate} {key}\n\tbind 127.0.0.1", 1)
    conf = re.sub(r"\{\$UPSTREAMS:[^}]+\}", " ".join(f"127.0.0.1:{upstream}" for upstream in upstreams), conf)
    conf = conf.replace("{$AUDIO_DIR:/var/lib/gateway/audio}", f"{folder.parent}/data/audio")
    options = f"{{\n\tadmin off\n\tauto_https off\n\tgrace_period 1s\n\tstorage file_system {folder}\n}}\n"
    (folder / "Caddyfile").write_text(options + conf)
    return [need("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


Start = Callable[[Path, int, list[int], Authority], list[str]]


class Site:
    """Two gateways and a proxy, and clients of it who come from `CLIENT`."""

    def __init__(self, gateways: list[Gateway], port: int, authority: Authority, log: Path) -> None:
        self.gateways = gateways
        self.log = log
        self.port = port
        self.context = ssl.create_default_context(cafile=authority.file)

    @property
    def headers(self) -> dict[str, str]:
        """What a browser on the page would send."""
        return {"Host": f"{NAME}:{self.port}", "Origin": f"https://{NAME}:{self.port}", "Sec-Fetch-Site": "same-origin"}

    def connect(self) -> ssl.SSLSocket:
        """A connection to the proxy."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=SOON_S, source_address=(CLIENT, 0))
        return self.context.wrap_socket(plain, server_hostname=NAME)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; the client says of itself that it is another."""
        headers |= {"Connection": "close", "X-Forwarded-For": "192.0.2.1"}
        with closing(self.connect()) as connection:
            connection.sendall(self.write_head(method, path, len(body), **headers) + body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, content = answer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        return int(lines[0].split()[1]), fields, content

    def write_head(self, method: str, path: str, length: int, **headers: str) -> bytes:
        """The head of a request."""
        rows = self.headers | {"Content-Length": str(length)} | headers
        return "\r\n".join([f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in rows.items()), "", ""]).encode()

    def list_clients(self) -> list[str]:
        """The clients of all that was asked for, but for what the proxy and the tests ask for themselves."""
        lines = [json.loads(line) for gateway in self.gateways for line in gateway.log.read_text().splitlines()]
        own = ("/healthz", "/readyz", "/metrics")
        return [line["client"] for line in lines if line["logger"] == "gateway.access" and line["route"] not in own]

    def count_received(self) -> float:
        """How many bytes of bodies the gateways have received."""
        texts = [httpx.get(f"{gateway.url}/metrics").text for gateway in self.gateways]
        return sum(float(re.findall(r"^gateway_received_bytes_total (\S+)", text, re.MULTILINE)[0]) for text in texts)


@pytest.fixture(params=[start_nginx, start_caddy], ids=["nginx", "caddy"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A proxy before two gateways that share one folder and one embedded Redis."""
    with open_site(request.param, tmp_path) as site:
        yield site


@contextmanager
def open_site(start: Start, tmp_path: Path, **settings: str) -> Iterator[Site]:
    """The same with these settings of the gateways."""
    settings = {"ALLOWED_HOSTS": NAME, "TRUSTED_PROXIES": "127.0.0.1", "LOG_FORMAT": "json", **settings}
    authority_folder, proxy_folder = tmp_path / "authority", tmp_path / "proxy"
    authority_folder.mkdir()
    proxy_folder.mkdir()
    authority = Authority(authority_folder)
    with ExitStack() as stack:
        gateways = [stack.enter_context(running(tmp_path, None, **settings)) for _ in range(2)]
        port = free_port()
        command = start(proxy_folder, port, [gateway.port for gateway in gateways], authority)
        stack.enter_context(proxying(command, port, proxy_folder))
        yield Site(gateways, port, authority, proxy_folder / "log")


def send_until_answered(connection: ssl.SSLSocket, most: int = 64) -> bytes:
    """The first bytes of the answer to a client that goes on sending, for so many MiB at most.

    Caddy looks for the answer of its gateway over HTTP/1.1 only when something more has come.
    """
    piece = bytes(16 * 1024)
    for _ in range(most * 64):
        connection.settimeout(0.002)
        with suppress(TimeoutError):
            return connection.recv(65_536)
        connection.settimeout(SOON_S)
        connection.sendall(piece)
    return b""


def test_behind_a_proxy(site: Site) -> None:
    """The page, a write from it, the address of its client, the way of an id, and HTTP/2 outside."""
    status, headers, body = site.request("GET", "/")
    assert (status, b"<audio" in body or b"<form" in body) == (200, True)
    assert "script-src 'self'" in headers["content-security-policy"]
    assert headers["strict-transport-security"] == HSTS
    audio = make_wave(20_000)
    status, headers, body = site.request("PUT", "/api/v1/audio/a.wav", audio)
    assert (status, json.loads(body)["size_bytes"]) == (201, 20_000)
    assert headers["location"] == "/audio/a.wav"
    status, headers, body = site.request("GET", "/audio/a.wav", Range="bytes=10-19")
    assert (status, body) == (206, audio[10:20])
    status, _, body = site.request("POST", "/api/v1/tasks/", b"[]", Origin="https://evil.example")
    assert (status, json.loads(body)["type"]) == (403, "urn:gateway:problem:cross-site")
    status, _, body = site.request("GET", "/nowhere")
    deadline = time.monotonic() + SOON_S
    while len(clients := site.list_clients()) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert clients == [CLIENT] * 5
    curl = [need("curl"), "-s", "--http2", "-k", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    target = ["--resolve", f"{NAME}:{site.port}:127.0.0.1", f"https://{NAME}:{site.port}/"]
    assert subprocess.run([*curl, *target], check=True, capture_output=True, text=True, timeout=9).stdout == "2 200"


def test_bodies_flow(site: Site) -> None:
    """An upload reaches the gateway as it comes, and a refusal its sender before the end of it; events come at once."""
    received = site.count_received()
    with closing(site.connect()) as connection:
        connection.sendall(site.write_head("PUT", "/api/v1/audio/slow.wav", 400_000) + make_wave(400_000)[:200_000])
        deadline = time.monotonic() + SOON_S
        while site.count_received() - received < 150_000 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert site.count_received() - received >= 150_000
        connection.sendall(make_wave(400_000)[200_000:])
        assert connection.recv(65_536).startswith(b"HTTP/1.1 201")
    with closing(site.connect()) as connection:
        connection.sendall(site.write_head("PUT", "/api/v1/audio/no.wav", 1_000_000_000) + b"<html>")
        assert send_until_answered(connection).startswith(b"HTTP/1.1 415")
    with closing(site.connect()) as connection:
        connection.sendall(site.write_head("GET", "/api/v1/audio/events", 0))
        connection.settimeout(3)
        seen = b""
        while b"event: changed" not in seen:
            data = connection.recv(65_536)
            assert data
            seen += data


@pytest.mark.parametrize("start", [start_nginx, start_caddy], ids=["nginx", "caddy"])
def test_files_by_the_proxy(start: Start, tmp_path: Path) -> None:
    """With ACCEL_REDIRECT the proxy sends the files: whole, in parts, by condition, whatever their names."""
    name = "%D0%9F%D0%B5%D1%81%D0%BD%D1%8F%20a%2520b%3F%23.wav"
    audio = make_wave(300_000, seed=bytes(range(251)))
    with open_site(start, tmp_path, ACCEL_REDIRECT="/audio-files/") as site:
        assert site.request("PUT", f"/api/v1/audio/{name}", audio)[0] == 201
        assert httpx.get(f"{site.gateways[0].url}/audio/{name}").content == b""
        status, headers, body = site.request("GET", f"/audio/{name}")
        assert (status, body == audio, headers["content-type"]) == (200, True, "audio/wav")
        assert headers["cache-control"] == "no-cache"
        assert (headers["x-content-type-options"], headers["strict-transport-security"]) == ("nosniff", HSTS)
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "x-accel-redirect" not in headers
        part: dict[str, str] = {"Range": "bytes=10-19", "If-Range": headers["etag"]}
        status, headers, body = site.request("GET", f"/audio/{name}?download", b"", **part)
        assert (status, body, headers["content-range"]) == (206, audio[10:20], "bytes 10-19/300000")
        assert headers["content-disposition"].startswith("attachment;")
        assert site.request("GET", f"/audio/{name}", b"", **{"If-None-Match": headers["etag"]})[0] == 304
        status, headers, body = site.request("HEAD", f"/audio/{name}")
        assert (status, body, headers["content-length"]) == (200, b"", "300000")
        assert site.request("GET", f"/audio-files/{name}")[0] == 404
        assert site.request("GET", "/audio/none.wav")[0] == 404


def test_one_gateway_goes(site: Site) -> None:
    """While one gateway is killed the other answers for both: no read fails, no accepted upload is lost."""
    names, statuses = [], []
    for number in range(60):
        if number == 20:
            site.gateways[0].kill()
        statuses.append(site.request("GET", "/api/v1/audio/")[0])
        if number % 10 == 0 and site.request("PUT", f"/api/v1/audio/{number}.wav", make_wave(1000))[0] == 201:
            names.append(f"{number}.wav")
    assert set(statuses) == {200}
    assert len(names) >= 5
    listed = {audio["name"] for audio in json.loads(site.request("GET", "/api/v1/audio/")[2])["files"]}
    assert listed == set(names)


def test_too_large(site: Site) -> None:
    """A body over every limit is refused by its length, before it is sent."""
    with closing(site.connect()) as connection:
        connection.sendall(site.write_head("PUT", "/api/v1/audio/big.wav", 4 * 1024**3))
        assert send_until_answered(connection).startswith(b"HTTP/1.1 413")


def test_no_gateway(site: Site) -> None:
    """Without any gateway the proxy answers 502 or 503 with HSTS, and its log has the words of docs/operation.md."""
    for gateway in site.gateways:
        gateway.kill()
    deadline = time.monotonic() + 3 * SOON_S
    words: set[str] = set()
    while words not in (set(PROXIES[:2]), set(PROXIES[2:])) and time.monotonic() < deadline:
        status, headers, _ = site.request("GET", "/")
        assert (status in (502, 503), headers["strict-transport-security"]) == (True, HSTS)
        words = {line for line in PROXIES if line in site.log.read_text()}
    assert words in (set(PROXIES[:2]), set(PROXIES[2:]))
    assert all(line in (ROOT / "docs/operation.md").read_text() for line in PROXIES)
