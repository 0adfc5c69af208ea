"""Ways to start the gateway: from which folder, on which addresses, with which exit code."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import ROOT, SETTINGS, BareGateway, Gateway, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

KINDS = pytest.mark.parametrize("kind", [Gateway, BareGateway], ids=["hypercorn.toml", "bare"])


def answers(host: str, port: int) -> bool:
    """Whether a gateway can be reached at an address."""
    with suppress(httpx.TransportError):
        return httpx.get(f"http://{host}:{port}/healthz", trust_env=False).status_code == 200
    return False


@contextmanager
def commanded(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m gateway` in a working folder, without settings in its environment."""
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-m", "gateway", *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize("way", ["environment file", "option"])
def test_working_folder(tmp_path: Path, way: str) -> None:
    """PORT, HOST and the folders of .env in the working folder hold; folders are relative to it; options come first."""
    port = free_port()
    given, arguments = (port, []) if way == "environment file" else (1, ["--port", str(port), "--host", "127.0.0.1"])
    host = "127.0.0.1" if way == "environment file" else "192.0.2.1"
    (tmp_path / ".env").write_text(f"PORT={given}\nHOST={host}\nDATA_DIR=own/data\nAUDIO_DIR=songs\n")
    with commanded(tmp_path, *arguments):
        deadline = time.monotonic() + 60
        while not answers("127.0.0.1", port) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert {path.name for path in tmp_path.iterdir()} == {".env", "log", "own", "songs"}
        assert (tmp_path / "own/data/redis").is_dir()
    assert f"audio folder: {tmp_path}/songs" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("host", [b"\xff", b"a\xff.example", b"\x1b[2J", b"a..b", b"no.such.host.invalid", b"fd://7"])
@pytest.mark.parametrize("way", ["environment", "option"])
def test_host_that_cannot_be(tmp_path: Path, host: bytes, way: str) -> None:
    """A host that is no name, also one that is not UTF-8, is one line without control characters and exit code 1."""
    arguments = [b"--host", host] if way == "option" else []
    environment = {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items() if name not in SETTINGS}
    environment |= {b"HOST": host} if way == "environment" else {}
    command = [os.fsencode(sys.executable), b"-m", b"gateway", *arguments]
    done = subprocess.run(
        command, check=False, capture_output=True, cwd=tmp_path, env=environment | {b"PYTHONPATH": bytes(ROOT)}
    )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert done.stderr.startswith(b"gateway: cannot listen on ")
    assert not set(b"\x1b\xff") & set(done.stderr)


@pytest.mark.parametrize("closed", ["0<&- 1>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams(closed: str, tmp_path: Path) -> None:
    """Without standard streams it serves, and ends in order: no socket and no file gets their numbers."""
    port = free_port()
    command = f"exec {sys.executable} -m gateway --port {port} {closed}"
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    environment["PYTHONPATH"] = str(ROOT)
    with subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=environment) as process:
        while not answers("127.0.0.1", port) and process.poll() is None:
            time.sleep(0.1)
        process.terminate()
        assert process.wait(30) == 0


@KINDS
@pytest.mark.parametrize(("host", "reached"), [("", ["127.0.0.1"]), ("[::]", ["127.0.0.1", "[::1]"])])
def test_addresses(tmp_path: Path, kind: type[Gateway], host: str, reached: list[str]) -> None:
    """`-b :8888` is every IPv4 address, `-b [::]:8888` every address of both families; the log says which."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    gateway = kind(tmp_path)
    gateway.host = host
    gateway.start()
    assert [each for each in ("127.0.0.1", "[::1]") if answers(each, gateway.port)] == reached
    assert f"Running on http://{host or '0.0.0.0'}:{gateway.port} " in gateway.log.read_text()
    assert gateway.stop() == 0


@KINDS
def test_refused_setting(tmp_path: Path, kind: type[Gateway]) -> None:
    """A bad setting ends the process with a line that names it. The bare command exits 0: its master says nothing."""
    gateway = kind(tmp_path, None, TASK_TTL="9" * 30)
    gateway.launch()
    assert gateway.process.wait(30) == (1 if kind is Gateway else 0)
    text = gateway.log.read_text()
    assert "TASK_TTL: " in text
    assert "Traceback" not in text


class ReloadingGateway(BareGateway):
    """The bare command with an eye on the files of the application."""

    config: tuple[str, ...] = ("--reload",)
    app = "own:app"


def test_reload(tmp_path: Path) -> None:
    """`--reload` starts the gateway anew when a file of the application changes, and SIGTERM then ends it in order."""
    module = tmp_path / "own.py"
    module.write_text("from gateway import app as app\n")
    gateway = ReloadingGateway(tmp_path)
    gateway.start()
    os.utime(module, (time.time() + 5, time.time() + 5))
    deadline = time.monotonic() + 60
    while gateway.log.read_text().count("Running on") < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert gateway.log.read_text().count("Running on") == 2
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    os.kill(gateway.process.pid, signal.SIGTERM)
    assert gateway.process.wait(30) == 0
