"""A refusal that is given before a body is sent reaches the client through every proxy that Debian has."""

import math
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.processes import free_port, running
from tests.programs import need
from tests.proxying import proxying

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
MIB = 1024 * 1024


def write_apache(folder: Path, port: int, upstream: int) -> list[str]:
    """Apache with mod_proxy."""
    modules = "".join(
        f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
        for name in ("mpm_event", "authz_core", "proxy", "proxy_http")
    )
    conf = f"{modules}Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {folder}/pid\nErrorLog /dev/stderr\n"
    conf += f"ProxyPreserveHost On\nProxyPass / http://127.0.0.1:{upstream}/\n"
    (folder / "conf").write_text(conf)
    return [need("apache2", "/usr/sbin/apache2"), "-D", "FOREGROUND", "-f", str(folder / "conf")]


def write_caddy(folder: Path, port: int, upstream: int) -> list[str]:
    """Caddy."""
    site = f"http://127.0.0.1:{port} {{\n\treverse_proxy 127.0.0.1:{upstream}\n}}\n"
    (folder / "conf").write_text("{\n\tadmin off\n\tauto_https off\n}\n" + site)
    return [need("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "conf")]


def write_h2o(folder: Path, port: int, upstream: int) -> list[str]:
    """h2o."""
    path = f'paths: {{"/": {{proxy.reverse.url: "http://127.0.0.1:{upstream}/", proxy.preserve-host: ON}}}}'
    conf = f"user: root\nlisten: {{host: 127.0.0.1, port: {port}}}\npid-file: {folder}/pid\n"
    (folder / "conf").write_text(conf + f"hosts: {{default: {{{path}}}}}\n")
    return [need("h2o"), "--mode", "worker", "--conf", str(folder / "conf")]


def write_haproxy(folder: Path, port: int, upstream: int) -> list[str]:
    """haproxy."""
    timeouts = "".join(f" timeout {name} 60s\n" for name in ("client", "server", "connect"))
    conf = f"defaults\n mode http\n{timeouts}frontend in\n bind 127.0.0.1:{port}\n default_backend out\n"
    (folder / "conf").write_text(conf + f"backend out\n server one 127.0.0.1:{upstream}\n")
    return [need("haproxy", "/usr/sbin/haproxy"), "-db", "-f", str(folder / "conf")]


def write_lighttpd(folder: Path, port: int, upstream: int) -> list[str]:
    """lighttpd with mod_proxy, which passes a body on as it comes."""
    host = f'( "host" => "127.0.0.1", "port" => {upstream} )'
    conf = f'server.modules = ("mod_proxy")\nserver.bind = "127.0.0.1"\nserver.port = {port}\n'
    conf += f'server.document-root = "{folder}"\nserver.stream-request-body = 2\n'
    (folder / "conf").write_text(f'{conf}proxy.server = ( "" => ({host}) )\n')
    return [need("lighttpd", "/usr/sbin/lighttpd"), "-D", "-f", str(folder / "conf")]


def write_nginx(folder: Path, port: int, upstream: int) -> list[str]:
    """nginx, which passes a body on as it comes."""
    paths = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    location = f"location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_request_buffering off; }}"
    server = f"server {{ listen 127.0.0.1:{port}; client_max_body_size 0; {location} }}"
    main = f"daemon off; pid {folder}/pid; error_log stderr; events {{}}"
    (folder / "conf").write_text(f"{main} http {{ access_log off; {paths} {server} }}\n")
    return [need("nginx", "/usr/sbin/nginx"), "-c", str(folder / "conf")]


Write = Callable[[Path, int, int], list[str]]
WRITERS = [write_apache, write_caddy, write_h2o, write_haproxy, write_lighttpd, write_nginx]
CURL_TIMED_OUT = 28
CLOSES_S: dict[Write, float] = {write_caddy: 0.5}
"""How long after its answer a proxy closes, whatever is still sent: in Go that is rstAvoidanceDelay of net/http."""


@pytest.mark.parametrize("write", WRITERS, ids=[write.__name__.removeprefix("write_") for write in WRITERS])
def test_early_refusal(tmp_path: Path, write: Write) -> None:
    """curl and http.client see 415 for bodies of every size; and 413, which the length alone decides."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    port = free_port()
    seen = {}
    with (
        running(tmp_path, MAX_UPLOAD_BYTES=str(16 * MIB)) as gateway,
        proxying(write(folder, port, gateway.port), port, folder),
    ):
        for size_mib in (1, 3, 5, 12, 20):
            seen[size_mib, "curl"] = put_by_curl(tmp_path, port, size_mib, write)
            seen[size_mib, "http.client"] = put_by_http_client(port, size_mib, CLOSES_S.get(write, math.inf))
    assert seen == {key: "413" if key[0] > 16 else "415" for key in seen}


@pytest.mark.parametrize("write", [None, *WRITERS])
def test_early_refusal_of_a_small_limit(tmp_path: Path, write: Write | None) -> None:
    """413 for 12 MB where MAX_UPLOAD_BYTES is 1 MB reaches curl, wget and http.client: direct and through a proxy."""
    folder = tmp_path / "proxy"
    folder.mkdir()
    with running(tmp_path, MAX_UPLOAD_BYTES="1000000") as gateway, ExitStack() as stack:
        port = gateway.port
        if write is not None:
            port = free_port()
            stack.enter_context(proxying(write(folder, port, gateway.port), port, folder))
        closes_s = CLOSES_S.get(write, math.inf) if write else math.inf
        seen = [
            put_by_curl(tmp_path, port, 12, write),
            put_by_wget(tmp_path, port, 12, closes_s),
            put_by_http_client(port, 12, closes_s),
        ]
    assert seen == ["413", "413", "413"]


def put_by_http_client(port: int, size_mib: int, closes_s: float) -> str:
    """The status that http.client sees, which looks for it once it has sent all.

    If that takes it longer than the proxy waits, its pipe is broken, and the answer has to be there all the same.
    """
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        began = time.monotonic()
        try:
            connection.request("PUT", "/api/v1/audio/zeros.wav", bytes(size_mib * MIB))
        except ConnectionError:
            if time.monotonic() - began < closes_s:
                raise
        return str(connection.getresponse().status)


def put_by_curl(folder: Path, port: int, size_mib: int, write: Write | None) -> str:
    """The status that curl sees, through the proxy of `write`, with the whole answer.

    haproxy 2.6 may lose the body of an answer that comes together with a 100: curl waits for it, here for 30 s.
    """
    (folder / "zeros").write_bytes(bytes(size_mib * MIB))
    url = f"http://127.0.0.1:{port}/api/v1/audio/zeros.wav"
    command = [need("curl"), "-sv", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}", "-T", f"{folder}/zeros", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode != CURL_TIMED_OUT or write is write_haproxy, done.stderr[-2000:]
    return done.stdout


def put_by_wget(folder: Path, port: int, size_mib: int, closes_s: float) -> str:
    """The status that wget sees, which looks for it once it has sent all.

    If that takes it longer than the proxy waits, it sees nothing, and sends it once more.
    """
    (folder / "zeros").write_bytes(bytes(size_mib * MIB))
    url = f"http://127.0.0.1:{port}/api/v1/audio/zeros.wav"
    command = [need("wget"), "-q", "-S", "-O", "-", "-t", "1", "--method=PUT", f"--body-file={folder}/zeros", url]
    while True:
        began = time.monotonic()
        words = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60).stderr.split()
        if len(words) > 1 or time.monotonic() - began < closes_s:
            return words[1] if len(words) > 1 else "none"
